/** Interactive programs: a terminal of the host stands behind that of the sandbox. */
import assert from "node:assert/strict";
import { ENVIRONMENT, onPlatforms } from "../support/guest.ts";
import { type Outcome, runProgram, runscPath } from "../support/runsc.ts";

const DRIVER = new URL("terminal.py", import.meta.url).pathname;

/** What is typed once something was shown. */
type Step = [wanted: string, typed: string];

function drive(steps: Step[], program: string[]): Promise<Outcome> {
  const env = { ...ENVIRONMENT, PS1: "ready> " };
  const command = ["python3", DRIVER, JSON.stringify(steps), ...program];
  return runProgram(command, { clearEnv: true, env, cwd: "/tmp" });
}

/** The same session on the host and in the sandbox shows the same and ends with the same status. */
function same(name: string, program: string[], steps: Step[]): void {
  let native: Promise<Outcome> | null = null;
  onPlatforms(name, async (platform) => {
    const expected = await (native ??= drive(steps, program));
    const sandbox = [await runscPath(), "--platform", platform, "do", "--", ...program];
    const actual = await drive(steps, sandbox);
    const plain = (text: string) => text.replace(/^(\[\d\]) \d+$/gm, "$1 PID");
    assert.equal(plain(actual.stdout), plain(expected.stdout));
  }, { needs: ["python3", "bash"] });
}

const BASH = ["bash", "--norc", "--noprofile", "--noediting", "-i"];

/** A shell is typed at only when it has said that it is ready, as what it echoes lies elsewhere otherwise. */
same("a shell is interactive on a terminal", BASH, [
  ["ready> ", "test -t 0 && test -t 1 && echo a terminal\n"],
  ["ready> ", "stty size; tty > /dev/null && echo tty\n"],
  ["ready> ", "exit 7\n"],
]);

same("Ctrl-C ends the program in front and not the shell", BASH, [
  ["ready> ", "sh -c 'echo sta''rted; exec sleep 100'\n"],
  ["started", "\x03"],
  ["ready> ", "echo status $?\n"],
  ["ready> ", "exit\n"],
]);

same("Ctrl-Z stops the program in front, and it can go on in front and behind", BASH, [
  ["ready> ", "sh -c 'echo sta''rted; exec sleep 100'\n"],
  ["started", "\x1a"],
  ["ready> ", "jobs\n"],
  ["ready> ", "bg\n"],
  ["ready> ", "jobs -r; kill -KILL %1; exec sh -c 'exit 5'\n"],
]);

same("Ctrl-D ends the input, and Ctrl-\\ quits", BASH, [
  ["ready> ", "cat > /dev/null; echo ca''t ended\n"],
  ["\n", "some text\n\x04"],
  ["ready> ", "ulimit -c 0; sh -c 'echo sta''rted; exec sleep 100'\n"],
  ["started", "\x1c"],
  ["ready> ", "echo status $?\n"],
  ["ready> ", "\x04"],
]);

same("lines are edited before a program gets them", [
  "sh",
  "-c",
  'echo type; read -r line; echo "got <$line>"',
], [
  ["type", "wrong\x15abd\x7fc def\x17ghi\n"],
]);

same("a program in raw mode gets each key", [
  "sh",
  "-c",
  "stty raw -echo; echo type; dd bs=1 count=3 2> /dev/null | od -An -c; stty sane; echo done",
], [
  ["type", "a\x03\x04"],
]);

same("a resized window tells the program", [
  "bash",
  "-c",
  "trap 'stty size; exit 3' WINCH; echo set; while :; do sleep 0.05; done",
], [
  ["set", "resize 44 132"],
]);

same("background jobs that read the terminal are stopped", BASH, [
  ["ready> ", "sh -c 'exec cat' & until jobs -s | grep -q cat; do sleep 0.02; done\n"],
  ["ready> ", "kill -KILL %1; exec sh -c 'exit 5'\n"],
]);

same("python reads lines from a terminal", [
  "python3",
  "-c",
  "import sys; print(sys.stdin.isatty()); print(input('name? ').upper()); import os; print(os.get_terminal_size())",
], [
  ["name? ", "guest\n"],
]);
