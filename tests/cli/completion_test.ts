import assert from "node:assert/strict";
import { runProgram, runsc } from "../support/runsc.ts";

/** What bash offers for the last of the words. */
async function offered(script: string, words: string[]): Promise<string[]> {
  const array = words.map((word) => `'${word}'`).join(" ");
  const run = `${script}
COMP_WORDS=(${array}); COMP_CWORD=${
    words.length - 1
  }; _runsc runsc; printf '%s\\n' "\${COMPREPLY[@]}"`;
  const { code, stdout, stderr } = await runProgram(["bash", "-c", run]);
  assert.equal(code, 0, stderr);
  return stdout.trim().split("\n");
}

Deno.test("bash completes commands, flags and their choices from the declarations", async () => {
  const { stdout: script } = await runsc(["completion", "bash"]);
  assert.deepEqual(await offered(script, ["runsc", "st"]), ["start", "state"]);
  assert.deepEqual(await offered(script, ["runsc", "--platf"]), ["--platform"]);
  assert.deepEqual(await offered(script, ["runsc", "--log-format", "j"]), ["json"]);
  assert.deepEqual(await offered(script, ["runsc", "--root", "/r", "del"]), ["delete"]);
  assert.deepEqual(await offered(script, ["runsc", "delete", "--f"]), ["--force"]);
  assert.deepEqual(await offered(script, ["runsc", "list", "--format", "t"]), ["table"]);
  assert.deepEqual(await offered(script, ["runsc", "completion", "z"]), ["zsh"]);
});

Deno.test("zsh and fish get every command and global flag; other shells are refused", async () => {
  for (const shell of ["zsh", "fish"]) {
    const { code, stdout } = await runsc(["completion", shell]);
    assert.equal(code, 0);
    for (const word of ["create", "delete", "network", "systemd-cgroup", "console-socket"]) {
      assert.ok(stdout.includes(word), word);
    }
    assert.ok(!stdout.includes("no-pivot"));
  }
  const { code, stderr } = await runsc(["completion", "tcsh"]);
  assert.equal(code, 1);
  assert.equal(stderr, 'runsc: unknown shell "tcsh" (known are bash, zsh, fish)\n');
});
