/**
 * Random system calls with hostile arguments do not bring the sandbox down. `FUZZ_SEEDS` runs so many seeds on each
 * platform instead of a few, from `FUZZ_FIRST` on.
 */
import assert from "node:assert/strict";
import { compileC } from "../support/c_program.ts";
import { onPlatforms, sandboxed } from "../support/guest.ts";

const PROGRAM = new URL("fuzz/system_calls.c", import.meta.url).pathname;
const CALLS = 400;
/** Seeds of one run of the program. */
const AT_ONCE = 10;

const seeds = Number(Deno.env.get("FUZZ_SEEDS") ?? "10");
const first = Number(Deno.env.get("FUZZ_FIRST") ?? "1");

onPlatforms("random system calls end processes, not the sandbox", async (platform) => {
  const program = await compileC(PROGRAM);
  const directory = await Deno.makeTempDir({ prefix: "runsc-fuzz-" });
  try {
    for (let seed = first; seed < first + seeds; seed += AT_ONCE) {
      const count = Math.min(AT_ONCE, first + seeds - seed);
      const command = [program, String(seed), String(count), String(CALLS)];
      const { code, stdout, stderr } = await sandboxed(platform, command, { cwd: directory });
      const reached = `seed ${seed + stdout.trimEnd().split("\n").length - 1}: ${stderr}`;
      assert.match(stdout, /^survived$/m, reached);
      assert.equal(code, 0, reached);
    }
  } finally {
    await Deno.remove(directory, { recursive: true });
  }
}, { needs: ["gcc"] });
