/**
 * The random file operations of `src/fs_fuzz.c` on each kind of file system: results, and the tree that is left, are those
 * of the host. `FS_FUZZ_SEEDS=FIRST-LAST` tries those seeds rather than one, `FS_FUZZ_OPERATIONS` sets how many operations
 * each process does.
 */
import assert from "node:assert/strict";
import { busyboxRoot, runBundle, withBundle } from "../support/bundle.ts";
import { compileC } from "../support/c_program.ts";
import { onPlatforms, sandboxed } from "../support/guest.ts";
import { type Outcome, runProgram } from "../support/runsc.ts";

const SOURCE = new URL("src/fs_fuzz.c", import.meta.url).pathname;
const OPERATIONS = Deno.env.get("FS_FUZZ_OPERATIONS") ?? "1500";
const PROCESSES = "3";
const [FIRST, LAST] = (Deno.env.get("FS_FUZZ_SEEDS") ?? "7-7").split("-").map(Number);

/** Runs the program in the sandbox on `directory`, which holds what an earlier run left. */
type Sandboxed = (
  platform: string,
  program: string,
  args: string[],
  directory: string,
) => Promise<Outcome>;

function fuzz(kind: string, run: Sandboxed, onHost: boolean): void {
  const test = async (platform: string) => {
    const program = await compileC(SOURCE, ["-static"]);
    for (let seed = FIRST; seed <= LAST; seed++) {
      const scratch = await Deno.makeTempDir({ prefix: "runsc-fuzz-" });
      try {
        const [native, own] = [`${scratch}/native`, `${scratch}/own`];
        await Deno.mkdir(native);
        // Half of the runs start from a tree that is there.
        if (seed % 2 === 1) await runProgram([program, `${seed + 1000}`, "300", "2", native]);
        await runProgram(["cp", "-a", native, own]);
        const args = [`${seed}`, OPERATIONS, PROCESSES];
        const expected = await runProgram([program, ...args, native]);
        const got = await run(platform, program, args, own);
        assert.equal(got.stdout, expected.stdout, `${kind}, seed ${seed}: ${got.stderr}`);
        if (!onHost) continue;
        const tree = await runProgram([program, "show", native]);
        const left = await runProgram([program, "show", own]);
        assert.equal(left.stdout, tree.stdout, `${kind}, seed ${seed}: what the host sees`);
      } finally {
        await runProgram(["rm", "-rf", scratch]);
      }
    }
  };
  onPlatforms(`random file operations on ${kind}`, test, { needs: ["gcc", "busybox"] });
}

fuzz(
  "an overlay",
  (platform, program, args, directory) => sandboxed(platform, [program, ...args, directory]),
  false,
);

fuzz("tmpfs", (platform, program, args, directory) => {
  const script =
    'mount -t tmpfs -o mode=755 none /mnt && cp -a "$1/." /mnt && exec "$0" "$2" "$3" "$4" /mnt';
  return sandboxed(platform, ["sh", "-c", script, program, directory, ...args]);
}, false);

fuzz("a host directory", async (platform, program, args, directory) => {
  const root = await busyboxRoot();
  if (root === null) throw new Error("no root file system");
  let outcome: Outcome | null = null;
  await withBundle(root, ["/fuzz", ...args, "/data"], (spec) => {
    spec.mounts?.push(
      { destination: "/data", type: "bind", source: directory, options: ["rbind", "rw"] },
      { destination: "/fuzz", type: "bind", source: program, options: ["bind", "ro"] },
    );
    const all = [
      "CAP_CHOWN",
      "CAP_DAC_OVERRIDE",
      "CAP_DAC_READ_SEARCH",
      "CAP_FOWNER",
      "CAP_FSETID",
    ];
    spec.process!.capabilities = { bounding: all, effective: all, permitted: all };
  }, async (bundle) => {
    outcome = await runBundle(platform, bundle);
  });
  return outcome!;
}, true);

const OVERLAY = 'mount -t tmpfs none /mnt && cd /mnt && mkdir l u w m && cp -a "$1/." l && ' +
  'mount -t overlay o -o lowerdir=l,upperdir=u,workdir=w m && exec "$0" "$2" "$3" "$4" /mnt/m';

onPlatforms("random file operations on an overlay of a program's", async (platform) => {
  const program = await compileC(SOURCE, ["-static"]);
  const lower = await Deno.makeTempDir({ prefix: "runsc-fuzz-" });
  try {
    await runProgram([program, "1007", "300", "2", lower]);
    const command = ["sh", "-c", OVERLAY, program, lower, "7", OPERATIONS, PROCESSES];
    const native = await runProgram(["unshare", "--mount", ...command]);
    const got = await sandboxed(platform, command);
    assert.equal(got.stdout, native.stdout, got.stderr);
  } finally {
    await runProgram(["rm", "-rf", lower]);
  }
}, { needs: ["gcc", "unshare"] });
