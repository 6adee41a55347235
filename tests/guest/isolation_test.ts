/** What the host sees of a sandbox: system calls, processes and files. */
import assert from "node:assert/strict";
import { ENVIRONMENT, onPlatforms, sandboxed } from "../support/guest.ts";
import { eventually, familyOf, hostProcesses } from "../support/processes.ts";
import { runProgram, runscPath } from "../support/runsc.ts";

/** The system calls that a stub makes for the sentry, once it may run code of the application. */
const STUB_CALLS = new Set([
  ...["futex", "write", "rt_sigreturn", "mmap", "munmap", "mprotect", "madvise", "clone", "vfork"],
  ...["exit", "gettid", "getpid", "getppid", "arch_prctl", "sigaltstack", "prctl", "close"],
]);

const SCRIPT = `
  echo marker-written > /tmp/marker-file; cat /tmp/marker-file; ls /marker-missing; mkdir /tmp/marker-dir
  (cd /tmp/marker-dir; ln -s /marker-target link; readlink link; chmod 700 .; rm link; kill -0 $$; sleep 0.01)
  id > /dev/null; mount > /dev/null; uname -n; exec cat /proc/self/cmdline`;

interface Traced {
  name: string;
  text: string;
  comm: string;
  /** The seccomp filter turned it into a signal: it did not happen. */
  trapped: boolean;
}

/** The system calls that \`strace -f -Y\` wrote down, each with whether it came to anything. */
function parse(trace: string): Traced[] {
  const calls: Traced[] = [];
  const last = new Map<string, Traced>();
  for (const line of trace.split("\n")) {
    const found = /^(\d+)<(.*?)> +(.*)$/.exec(line);
    if (found === null) continue;
    const [, pid, comm, rest] = found;
    const call = /^(\w+)\(/.exec(rest);
    if (call !== null) {
      const entry = { name: call[1], text: rest, comm, trapped: false };
      calls.push(entry);
      last.set(pid, entry);
    } else if (rest.startsWith("--- SIGSYS")) {
      const entry = last.get(pid);
      if (entry !== undefined) entry.trapped = true;
    }
  }
  return calls;
}

onPlatforms("no system call of the application reaches the host", async () => {
  const output = await Deno.makeTempFile({ prefix: "runsc-strace-" });
  try {
    const runsc = await runscPath();
    const sandbox = [runsc, "--platform", "systrap", "do", "--", "sh", "-c", SCRIPT];
    const { code, stdout } = await runProgram(["strace", "-f", "-Y", "-o", output, ...sandbox], {
      timeout: 120_000,
      clearEnv: true,
      env: ENVIRONMENT,
    });
    assert.equal(code, 0);
    assert.equal(stdout, "marker-written\n/marker-target\nrunsc\ncat\0/proc/self/cmdline\0");
    const calls = parse(await Deno.readTextFile(output));
    const stubs = calls.filter(({ comm }) => comm === "runsc-stub");
    const trapped = stubs.filter((call) => call.trapped);
    assert.ok(trapped.length > 20, "the application's calls are trapped");
    // Those before the first trap set the stub up; its filter is in force by then.
    const from = stubs.findIndex((call) => call.trapped);
    const seed = stubs.findIndex(({ text }) => text.startsWith("seccomp("));
    assert.ok(seed >= 0 && seed < from, "the filter is there before the application");
    const real = stubs.slice(seed + 1).filter((call) => !call.trapped);
    const foreign = real.filter(({ name }) => !STUB_CALLS.has(name));
    assert.deepEqual([...new Set(foreign.map(({ text }) => text))], []);
    for (const { name, text } of real) {
      assert.doesNotMatch(text, /marker/);
      // The only descriptor that a stub writes to wakes the sentry.
      if (name === "write") assert.match(text, /, "\\1\\0\\0\\0\\0\\0\\0\\0", 8/);
    }
  } finally {
    await Deno.remove(output);
  }
}, { needs: ["strace"], platforms: ["systrap"] });

onPlatforms("what is written stays in the sandbox", async (platform) => {
  const path = `/tmp/runsc-leak-${Deno.pid}-${platform}`;
  const script =
    `echo x > ${path} && cat ${path} && mkdir ${path}.d && rm -r /usr/share/doc && ls /usr/share/doc`;
  const { code, stdout } = await sandboxed(platform, ["sh", "-c", script]);
  assert.equal(stdout, "x\n");
  assert.notEqual(code, 0);
  assert.throws(() => Deno.statSync(path), Deno.errors.NotFound);
  assert.ok(Deno.statSync("/usr/share/doc").isDirectory);
});

onPlatforms("processes of the host can be neither seen nor signalled", async (platform) => {
  const script =
    `ls -d /proc/[0-9]* | wc -l; kill -0 ${Deno.pid}; echo $?; cat /proc/${Deno.pid}/environ`;
  const { stdout } = await sandboxed(platform, ["sh", "-c", script]);
  const [count, status, rest] = stdout.split("\n");
  assert.ok(Number(count) < 10, stdout);
  assert.equal(status, "1");
  assert.equal(rest, "");
});

/** Starts a sandbox with processes and threads that would go on for long; resolves when they do. */
async function longLived(platform: string): Promise<Deno.ChildProcess> {
  const script = "sleep 1000 & sh -c 'while :; do :; done' & sh -c 'sleep 1000; :' & echo up; wait";
  const child = new Deno.Command(await runscPath(), {
    args: ["--platform", platform, "do", "--", "sh", "-c", script],
    stdin: "null",
    stdout: "piped",
    stderr: "null",
  }).spawn();
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assert.equal(new TextDecoder().decode(value), "up\n");
  reader.cancel();
  return child;
}

onPlatforms("a sandbox that is killed leaves no process and no file", async (platform) => {
  const before = leftovers();
  const child = await longLived(platform);
  const family = familyOf(child.pid);
  assert.ok(family.length >= 4, "a process for the sentry and one for each address space");
  child.kill("SIGKILL");
  await child.status;
  const pids = new Set(family.map(({ pid }) => pid));
  await eventually("every stub ends", () => !hostProcesses().some(({ pid }) => pids.has(pid)));
  assert.deepEqual(leftovers().filter((name) => !before.includes(name)), []);
});

onPlatforms(
  "SIGTERM to the sandbox reaches its first process, and its end ends all",
  async (platform) => {
    const child = await longLived(platform);
    const pids = new Set(familyOf(child.pid).map(({ pid }) => pid));
    child.kill("SIGTERM");
    const { code } = await child.status;
    assert.equal(code, 128 + 15);
    await eventually("every stub ends", () => !hostProcesses().some(({ pid }) => pids.has(pid)));
  },
);

/** Names of files that a sandbox could have left where programs leave such. */
function leftovers(): string[] {
  const names: string[] = [];
  for (const directory of ["/dev/shm", "/tmp", "/run", "/var/run/runsc", "/run/runsc"]) {
    try {
      for (const { name } of Deno.readDirSync(directory)) {
        if (directory !== "/tmp" || /^\.?(runsc|stub|deno)/.test(name)) {
          names.push(`${directory}/${name}`);
        }
      }
    } catch {
      // No such directory.
    }
  }
  return names.filter((name) => !/runsc-(guest|strace|oci|host|elf|bundle)-/.test(name));
}
