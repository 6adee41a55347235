import assert from "node:assert/strict";
import { parseSpec } from "../../../src/container/bundle.ts";
import { defaultSpec } from "../../../src/container/default_spec.ts";
import { hostSpec } from "../../../src/container/host_spec.ts";

const hasRunc = (() => {
  try {
    return new Deno.Command("runc", { args: ["--version"] }).outputSync().success;
  } catch {
    return false;
  }
})();

async function runcSpec(flags: string[]): Promise<Record<string, unknown>> {
  const directory = await Deno.makeTempDir();
  try {
    const args = ["spec", ...flags, "--bundle", directory];
    const { success, stderr } = await new Deno.Command("runc", { args }).output();
    assert.ok(success, new TextDecoder().decode(stderr));
    return JSON.parse(await Deno.readTextFile(`${directory}/config.json`));
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}

for (const rootless of [false, true]) {
  Deno.test({
    name: `the default specification is runc's${rootless ? ", without root too" : ""}`,
    ignore: !hasRunc,
    async fn() {
      const { ociVersion: _, hostname: __, ...runc } = await runcSpec(
        rootless ? ["--rootless"] : [],
      );
      const { ociVersion: ___, hostname: ____, ...own } = defaultSpec({ rootless });
      assert.deepEqual(JSON.parse(JSON.stringify(own)), runc);
    },
  });
}

Deno.test("the default specification and that of the host are valid", () => {
  const host = hostSpec({ args: ["sh"], env: ["A=b"], cwd: "/", hostname: "h", terminal: false });
  for (const spec of [defaultSpec({ rootless: false }), defaultSpec({ rootless: true }), host]) {
    assert.deepEqual(
      parseSpec(JSON.stringify(spec), "spec"),
      JSON.parse(JSON.stringify(spec)),
    );
  }
});

Deno.test("null members count as absent, unknown members are dropped", () => {
  const spec = { ...defaultSpec({ rootless: false }), annotations: null, hooks: null, unknown: 1 };
  const { annotations, hooks, ...rest } = parseSpec(JSON.stringify(spec), "spec");
  assert.deepEqual([annotations, hooks], [undefined, undefined]);
  assert.ok(!("unknown" in rest));
});
