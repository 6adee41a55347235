import assert from "node:assert/strict";
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

Deno.test("commands and sandboxes that are killed at any moment leave nothing that delete --force does not remove", async () => {
  await using runtime = await Runtime.open();
  const bundle = runtime.bundle(["sleep", "1000"]);
  const witness = runtime.bundle(["sleep", "1000"]);
  await runtime.create("witness", witness);
  await runtime.must("start", "witness");
  const random = numbers(4);
  const next = () => random.next().value as number;
  for (let i = 0; i < 30; i++) {
    const id = `victim${i}`;
    const script = '"$0" --root "$1" create --bundle "$2" $3 && exec "$0" --root "$1" start $3';
    const child = new Deno.Command("setsid", {
      args: ["sh", "-c", script, runtime.executable, runtime.root, bundle, id],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await new Promise((resolve) => setTimeout(resolve, next() * 300));
    if (next() < 0.7) {
      // setsid made it the leader of a process group: the shell and the command under way.
      try {
        Deno.kill(-child.pid as number, "SIGKILL");
      } catch {
        // It is done.
      }
    } else {
      const { stdout } = await runtime.run(["state", id]);
      const pid = stdout === "" ? 0 : JSON.parse(stdout).pid;
      if (pid > 0) Deno.kill(pid, "SIGKILL");
    }
    await child.status;
    await runtime.must("delete", "--force", id);
    assert.deepEqual(groupsOf(id), []);
  }
  assert.equal(await runtime.must("list", "--quiet"), "witness\n");
  assert.equal(await runtime.must("exec", "witness", "echo", "here"), "here\n");
  await gone(bundle);
});
