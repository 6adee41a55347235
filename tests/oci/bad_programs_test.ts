/** Programs that cannot be started: one clear line, a status that is not zero, and nothing left. */
import assert from "node:assert/strict";
import type { OciSpec } from "../../src/container/oci_spec.ts";
import { busyboxRoot, runBundle, withBundle } from "../support/bundle.ts";
import { onPlatforms } from "../support/guest.ts";
import { type Outcome, runProgram } from "../support/runsc.ts";

const root = await busyboxRoot();
const REFUSED = /^runsc: [^\n]{1,400}\n$/;

/** Runs a file with these contents as a container's program. */
async function start(
  platform: string,
  contents: Uint8Array | string,
  mode = 0o755,
): Promise<Outcome> {
  let outcome: Outcome | null = null;
  const host = await Deno.makeTempDir({ prefix: "runsc-elf-" });
  try {
    await Deno.writeFile(
      `${host}/prog`,
      typeof contents === "string" ? new TextEncoder().encode(contents) : contents,
    );
    await Deno.chmod(`${host}/prog`, mode);
    const change = (spec: OciSpec) => {
      spec.mounts = [...spec.mounts ?? [], {
        destination: "/mnt",
        type: "bind",
        source: host,
        options: ["bind", "ro"],
      }];
    };
    await withBundle(root ?? "", ["/mnt/prog"], change, async (bundle) => {
      outcome = await runBundle(platform, bundle, { timeout: 30_000 });
    });
  } finally {
    await runProgram(["rm", "-rf", host]);
  }
  return outcome as unknown as Outcome;
}

const needs = ["busybox"];

onPlatforms("a missing program gives one clear line", async (platform) => {
  for (const program of ["/nothing", "nothing", "/etc", "/etc/passwd", "/etc/passwd/x"]) {
    await withBundle(root ?? "", [program], () => {}, async (bundle) => {
      const { code, stdout, stderr } = await runBundle(platform, bundle);
      assert.ok(code !== 0, program);
      assert.equal(stdout, "");
      assert.match(stderr, REFUSED);
      assert.ok(stderr.includes(program), stderr);
    });
  }
}, { needs });

onPlatforms("a missing working directory gives one clear line", async (platform) => {
  const change = (spec: OciSpec) => {
    if (spec.process !== undefined) spec.process.cwd = "/etc/passwd";
  };
  await withBundle(root ?? "", ["true"], change, async (bundle) => {
    const { code, stderr } = await runBundle(platform, bundle);
    assert.ok(code !== 0);
    assert.match(stderr, REFUSED);
  });
}, { needs });

onPlatforms("files that are no program give one clear line", async (platform) => {
  const elf = await Deno.readFile(`${root}/bin/busybox`);
  const cases: [string, Uint8Array | string][] = [
    ["empty", ""],
    ["text", "just text\n"],
    ["magic only", "\x7fELF"],
    ["a script without its interpreter", "#!/nowhere/sh\n"],
    ["a script of itself", "#!/mnt/prog\n"],
    ["half an ELF header", elf.slice(0, 40)],
    ["an ELF header alone", elf.slice(0, 64)],
    ["zeros", new Uint8Array(8192)],
  ];
  for (const [name, contents] of cases) {
    const { code, stdout, stderr } = await start(platform, contents);
    assert.ok(code !== 0, name);
    assert.equal(stdout, "", name);
    assert.match(stderr, REFUSED, name);
  }
  const { code, stderr } = await start(platform, elf, 0o644);
  assert.ok(code !== 0);
  assert.match(stderr, REFUSED);
}, { needs });

/** Sets fields of an ELF file: offset, width, value. */
function patched(
  elf: Uint8Array,
  changes: [offset: number, width: number, value: bigint][],
): Uint8Array {
  const copy = elf.slice();
  const view = new DataView(copy.buffer);
  for (const [offset, width, value] of changes) {
    if (width === 8) view.setBigUint64(offset, value, true);
    else if (width === 4) view.setUint32(offset, Number(value), true);
    else view.setUint16(offset, Number(value), true);
  }
  return copy;
}

onPlatforms(
  "hostile ELF files end by a line or by a signal, never by a fault of the sandbox",
  async (platform) => {
    const elf = await Deno.readFile(`${root}/bin/busybox`);
    const view = new DataView(elf.buffer);
    const phoff = Number(view.getBigUint64(32, true));
    const headers = view.getUint16(56, true);
    // The first header that is loaded.
    let load = phoff;
    while (view.getUint32(load, true) !== 1) load += 56;
    const max = 0xffff_ffff_ffff_ffffn;
    const cases: [string, [number, number, bigint][]][] = [
      ["program headers beyond the file", [[32, 8, 1n << 40n]]],
      ["program headers at the end of all", [[32, 8, max]]],
      ["too many program headers", [[56, 2, 0xffffn]]],
      ["no program headers", [[56, 2, 0n]]],
      ["odd size of program headers", [[54, 2, 1n]]],
      ["an entry in the kernel", [[24, 8, 0xffff_8000_0000_0000n]]],
      ["an entry at zero", [[24, 8, 0n]]],
      ["a segment in the kernel", [[load + 16, 8, 0xffff_8000_0000_0000n]]],
      ["a segment that wraps", [[load + 40, 8, max]]],
      ["a file part that wraps", [[load + 32, 8, max], [load + 40, 8, max]]],
      ["a segment larger than memory", [[load + 40, 8, 1n << 46n]]],
      ["a file part larger than the segment", [[load + 32, 8, 1n << 30n]]],
      ["an offset beyond the file", [[load + 8, 8, 1n << 40n]]],
      ["a negative offset", [[load + 8, 8, max]]],
      ["another machine", [[18, 2, 183n]]],
      ["a 32-bit class", [[4, 2, 0x101n]]],
      ["another byte order", [[4, 2, 0x202n]]],
      ["an object file", [[16, 2, 1n]]],
      ["a core file", [[16, 2, 4n]]],
    ];
    for (let i = 0; i < headers; i++) {
      cases.push([`header ${i} an interpreter of rubbish`, [[phoff + 56 * i, 4, 3n]]]);
    }
    for (const [name, changes] of cases) {
      const { code, stderr } = await start(platform, patched(elf, changes));
      assert.ok(
        code === 1 || (code >= 125 && code <= 128 + 64),
        `${name}: status ${code}: ${stderr}`,
      );
      assert.doesNotMatch(stderr, /internal error|\bat .*\.ts:|panic/, name);
    }
  },
  { needs },
);

onPlatforms("an ELF file cut at any place is refused or crashes alone", async (platform) => {
  const elf = await Deno.readFile(`${root}/bin/busybox`);
  for (const length of [65, 120, 500, 4096, 4097, 100_000, elf.length >> 1, elf.length - 5000]) {
    const { code, stderr } = await start(platform, elf.slice(0, length));
    assert.ok(code !== 0, `cut at ${length}`);
    assert.doesNotMatch(stderr, /internal error|\bat .*\.ts:|panic/);
  }
}, { needs });
