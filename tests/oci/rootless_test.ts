/** What an ordinary user can do without any right of root. */
import assert from "node:assert/strict";
import { defaultSpec } from "../../src/container/default_spec.ts";
import { type Outcome, runProgram, runscPath } from "../support/runsc.ts";

const NOBODY = "65534";

/** A directory and the executable for somebody who may enter nothing of the developer's. */
async function place(): Promise<string> {
  const directory = await Deno.makeTempDir({ prefix: "runsc-rootless-" });
  await Deno.chmod(directory, 0o755);
  await Deno.copyFile(await runscPath(), `${directory}/runsc`);
  await Deno.chmod(`${directory}/runsc`, 0o755);
  await Deno.mkdir(`${directory}/bundle`);
  const spec = JSON.parse(JSON.stringify(defaultSpec({ rootless: true })));
  Object.assign(spec.process, { args: ["sh", "-c", "id -u; cat"], terminal: false });
  spec.root = { path: "/", readonly: true };
  await Deno.writeTextFile(`${directory}/bundle/config.json`, JSON.stringify(spec));
  await Deno.chown(`${directory}/bundle`, Number(NOBODY), Number(NOBODY));
  return directory;
}

const possible = Deno.uid() === 0 &&
  (await runProgram(["setpriv", "--version"]).catch(() => null))?.code === 0;

Deno.test({
  name: "an ordinary user runs programs and containers",
  ignore: !possible,
  async fn() {
    const directory = await place();
    const runsc = (args: string[], stdin?: string): Promise<Outcome> =>
      runProgram([
        ...["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups"],
        ...[`${directory}/runsc`, "--root", `${directory}/bundle/state`, ...args],
      ], { cwd: "/", stdin });
    try {
      const script = "id -u; echo x > /tmp/new && cat /tmp/new; cat /etc/shadow";
      for (const flags of [["--rootless"], ["--rootless=true"], ["--rootless", "true"], []]) {
        const { stdout, code } = await runsc([...flags, "do", "--", "sh", "-c", script]);
        assert.equal(stdout, `${NOBODY}\nx\n`);
        assert.notEqual(code, 0, "files of root stay closed");
      }
      const run = await runsc(
        ["--rootless", "run", "--bundle", `${directory}/bundle`, "a"],
        "in\n",
      );
      assert.equal(run.stdout, "0\nin\n", run.stderr);
      assert.equal(run.code, 0);
      const config = `${directory}/bundle/config.json`;
      const text = await Deno.readTextFile(config);
      await Deno.writeTextFile(config, text.replace("id -u; cat", "exec sleep 1000"));
      const create =
        `out=$1; shift; "$@" create --bundle ${directory}/bundle b </dev/null >$out 2>&1`;
      const created = await runProgram([
        ...["setpriv", "--reuid", NOBODY, "--regid", NOBODY, "--clear-groups", "sh", "-c", create],
        ...["sh", `${directory}/bundle/out`, `${directory}/runsc`],
        ...["--root", `${directory}/bundle/state`],
      ], { cwd: "/" });
      assert.equal(created.code, 0, await Deno.readTextFile(`${directory}/bundle/out`));
      for (
        const [args, output] of [
          [["start", "b"], ""],
          [["exec", "b", "id", "-u"], "0\n"],
          [["delete", "--force", "b"], ""],
        ] as const
      ) {
        const { code, stdout, stderr } = await runsc([...args]);
        assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
        assert.equal(stdout, output);
      }
      assert.equal((await runsc(["list", "--quiet"])).stdout, "");
    } finally {
      await Deno.remove(directory, { recursive: true });
    }
  },
});
