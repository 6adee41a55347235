/** What the sandbox process of a container may reach, as the host's /proc tells it, for each of its threads. */
import assert from "node:assert/strict";
import { Runtime } from "./support/runtime.ts";

/** CHOWN, DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, FSETID, MKNOD and SETFCAP. */
const KEPT = (1n << 0n) | (1n << 1n) | (1n << 2n) | (1n << 3n) | (1n << 4n) | (1n << 27n) |
  (1n << 31n);

interface Thread {
  capabilities: bigint;
  noNewPrivs: string;
  seccomp: string;
  namespaces: Record<string, string>;
}

function threadsOf(pid: number): Thread[] {
  return [...Deno.readDirSync(`/proc/${pid}/task`)].map(({ name }) => {
    const directory = `/proc/${pid}/task/${name}`;
    const status = Deno.readTextFileSync(`${directory}/status`);
    const field = (key: string) => new RegExp(`^${key}:\\s*(.*)$`, "m").exec(status)?.[1] ?? "";
    return {
      capabilities: BigInt(`0x${field("CapEff")}`) | BigInt(`0x${field("CapPrm")}`),
      noNewPrivs: field("NoNewPrivs"),
      seccomp: field("Seccomp"),
      namespaces: namespacesOf(directory, ["mnt", "ipc", "uts", "net"]),
    };
  });
}

function namespacesOf(directory: string, names: string[]): Record<string, string> {
  return Object.fromEntries(
    names.map((name) => [name, Deno.readLinkSync(`${directory}/ns/${name}`)]),
  );
}

function check(pid: number): void {
  const threads = threadsOf(pid);
  assert.ok(threads.length > 1);
  for (const thread of threads) {
    assert.equal(thread.capabilities & ~KEPT, 0n);
    assert.equal(thread.noNewPrivs, "1");
    assert.equal(thread.seccomp, "2");
    assert.deepEqual(thread.namespaces, threads[0].namespaces);
  }
  const own = namespacesOf("/proc/self", ["mnt", "ipc", "uts", "net"]);
  for (const [name, value] of Object.entries(threads[0].namespaces)) {
    assert.notEqual(value, own[name], name);
  }
  assert.deepEqual([...Deno.readDirSync(`/proc/${pid}/root/`)].map(({ name }) => name), ["proc"]);
  assert.throws(() => Deno.writeTextFileSync(`/proc/${pid}/root/made`, "x"));
  assert.throws(() => Deno.statSync(`/proc/${pid}/root/proc/sys`));
}

Deno.test("every thread of a sandbox has namespaces of its own, an empty root, a filter and few capabilities", async () => {
  await using runtime = await Runtime.open();
  const bundle = runtime.bundle(["sleep", "1000"]);
  await runtime.create("detached", bundle);
  await runtime.must("start", "detached");
  const pid = (await runtime.state("detached")).pid as number;
  // The answer comes from the run loop, which begins when all of it is done.
  await runtime.must("ps", "detached");
  check(pid);
  const ids = /^NSpid:\s*(.*)$/m.exec(Deno.readTextFileSync(`/proc/${pid}/status`))?.[1] ?? "";
  assert.equal(ids.split(/\s+/).at(-1), "1", "it is the first of its process id namespace");
});

Deno.test("so has a sandbox that run stays with, which still removes all that is its own", async () => {
  await using runtime = await Runtime.open();
  // Another run of these tests may be under way.
  const group = `runsc-attached-${Deno.pid}`;
  const bundle = runtime.bundle(["sh", "-c", "echo up; read line; exit 5"], {
    linux: { cgroupsPath: `/${group}`, resources: { pids: { limit: 1000 } } },
  });
  const child = new Deno.Command(runtime.executable, {
    args: ["--root", runtime.root, "run", "--bundle", bundle, "attached"],
    stdin: "piped",
    stdout: "piped",
    stderr: "inherit",
  }).spawn();
  const reader = child.stdout.getReader();
  assert.equal(new TextDecoder().decode((await reader.read()).value), "up\n");
  check(child.pid);
  await child.stdin.close();
  await reader.cancel();
  assert.equal((await child.status).code, 5);
  assert.equal(await runtime.must("list", "--quiet"), "");
  const groups = [...Deno.readDirSync("/sys/fs/cgroup")].map(({ name }) => name)
    .filter((name) => {
      try {
        return Deno.statSync(`/sys/fs/cgroup/${name}/${group}`).isDirectory;
      } catch {
        return false;
      }
    });
  assert.deepEqual(groups, []);
});

Deno.test("without its filter a sandbox says so, and with --debug what the filter admits", async () => {
  await using runtime = await Runtime.open();
  const bundle = runtime.bundle(["true"]);
  const open = await runtime.run(["--disable-seccomp", "run", "--bundle", bundle, "open"]);
  assert.equal(open.code, 0);
  assert.match(open.stderr, /^runsc: warning: the sandbox process has no seccomp filter/m);
  const told = await runtime.run(["--debug", "run", "--bundle", bundle, "told"]);
  assert.match(told.stderr, /seccomp filter admits \d+ system calls: .*\bkill\(argument 1 eq\)/);
});
