import assert from "node:assert/strict";
import { familyOf } from "../support/processes.ts";
import { Runtime } from "./support/runtime.ts";

/** Numbers from 0 to 1, the same in every run. */
function* numbers(seed: number): Generator<number> {
  for (;;) {
    seed = (seed * 1664525 + 1013904223) % 2 ** 32;
    yield seed / 2 ** 32;
  }
}

/** Control groups of this name that are left in any hierarchy. */
function groupsOf(id: string): string[] {
  try {
    return [...Deno.readDirSync("/sys/fs/cgroup")].map((entry) =>
      `/sys/fs/cgroup/${entry.name}/${id}`
    )
      .concat(`/sys/fs/cgroup/${id}`).filter((path) => {
        try {
          return Deno.statSync(path).isDirectory;
        } catch {
          return false;
        }
      });
  } catch {
    return [];
  }
}

/** Waits until no process has `text` in its command line. */
async function gone(text: string): Promise<void> {
  for (let tries = 0; tries < 400; tries++) {
    const left = [...Deno.readDirSync("/proc")].filter(({ name }) => {
      try {
        return /^\d+$/.test(name) && Deno.readTextFileSync(`/proc/${name}/cmdline`).includes(text);
      } catch {
        return false;
      }
    });
    if (left.length === 0) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`a process of ${text} is left`);
}

/** Moments to kill at, and the time after which no more are tried. */
const MOMENTS = 200;
const TIME_LIMIT = 45_000;
/** Lives that go on at the same time. */
const LANES = 4;

const LIFE = `
rt="$0 --root $1"; $rt create --bundle "$2" $3 && $rt start $3 && $rt exec $3 true && $rt kill $3 KILL; $rt delete $3`;

/** Kills the command under way, the sandbox, or a process of its programs; whatever is there. */
async function killSome(
  runtime: Runtime,
  id: string,
  shell: number,
  choice: number,
): Promise<void> {
  const targets: number[] = [];
  if (choice < 0.5) {
    // setsid made it the leader of a process group: the shell and the command under way.
    targets.push(-shell);
  } else {
    const { stdout } = await runtime.run(["state", id]);
    const pid = stdout === "" ? 0 : JSON.parse(stdout).pid;
    if (pid > 0 && choice < 0.75) targets.push(pid);
    else if (pid > 0) {
      const stubs = familyOf(pid).filter(({ name }) => name === "runsc-stub");
      targets.push(...stubs.slice(-1).map((stub) => stub.pid));
    }
  }
  for (const target of targets) {
    try {
      Deno.kill(target, "SIGKILL");
    } catch {
      // It is done.
    }
  }
}

Deno.test("commands, sandboxes and stubs that are killed at any moment leave nothing that delete --force does not remove", async () => {
  await using runtime = await Runtime.open();
  const bundle = runtime.bundle(["sleep", "1000"]);
  const witness = runtime.bundle(["sleep", "1000"]);
  await runtime.create("witness", witness);
  await runtime.must("start", "witness");
  const random = numbers(4);
  const plan = Array.from({ length: MOMENTS }, () => ({
    delay: (random.next().value as number) * 600,
    choice: random.next().value as number,
  }));
  const end = Date.now() + TIME_LIMIT;
  let next = 0;
  const lane = async () => {
    while (next < plan.length && Date.now() < end) {
      const id = `victim${next}`;
      const { delay, choice } = plan[next++];
      const child = new Deno.Command("setsid", {
        args: ["sh", "-c", LIFE, runtime.executable, runtime.root, bundle, id],
        stdin: "null",
        stdout: "null",
        stderr: "null",
      }).spawn();
      await new Promise((resolve) => setTimeout(resolve, delay));
      await killSome(runtime, id, child.pid, choice);
      try {
        Deno.kill(-child.pid, "SIGKILL");
      } catch {
        // It is done.
      }
      await child.status;
      await runtime.must("delete", "--force", id);
      assert.deepEqual(groupsOf(id), []);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  assert.equal(await runtime.must("list", "--quiet"), "witness\n");
  assert.equal(await runtime.must("exec", "witness", "echo", "here"), "here\n");
  assert.deepEqual([...Deno.readDirSync(runtime.root)].map(({ name }) => name), ["witness"]);
  assert.ok(!Deno.readTextFileSync("/proc/self/mountinfo").includes(runtime.directory));
  await gone(bundle);
});
