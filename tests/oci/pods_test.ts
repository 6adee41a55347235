import assert from "node:assert/strict";
import { type Changes, Runtime } from "./support/runtime.ts";

const TYPE = "io.kubernetes.cri.container-type";
const SANDBOX = "io.kubernetes.cri.sandbox-id";
const PLATFORMS = ["systrap", "ptrace"];

/** A sandbox `s`, whose first container only waits. */
async function openSandbox(platform: string): Promise<Runtime> {
  const runtime = await Runtime.open("--platform", platform);
  const sandbox = runtime.bundle(["sleep", "1000"], {
    hostname: "pod",
    annotations: { [TYPE]: "sandbox", [SANDBOX]: "s" },
  });
  await runtime.create("s", sandbox);
  await runtime.must("start", "s");
  return runtime;
}

/** Starts a container in the sandbox; resolves to the file with its output. */
async function join(
  runtime: Runtime,
  id: string,
  args: string[],
  changes: Changes = {},
): Promise<string> {
  const annotations = { [TYPE]: "container", [SANDBOX]: "s" };
  const output = await runtime.create(id, runtime.bundle(args, { annotations, ...changes }));
  await runtime.must("start", id);
  return output;
}

/** Namespaces of a container, all of them new but the network. */
function namespaces(paths: Record<string, string> = {}): { linux: unknown } {
  const types = ["pid", "ipc", "uts", "mount"];
  return {
    linux: {
      namespaces: types.map((type) =>
        paths[type] === undefined ? { type } : { type, path: paths[type] }
      ),
    },
  };
}

for (const platform of PLATFORMS) {
  Deno.test(`containers of one sandbox have processes, names, files and ends of their own, ${platform}`, async () => {
    await using runtime = await openSandbox(platform);
    const volume = `${runtime.directory}/volume`;
    await Deno.mkdir(volume);
    await Deno.writeTextFile(`${volume}/in`, "of the host");
    const mounts = [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/dev", type: "tmpfs", source: "tmpfs" },
      { destination: "/tmp", type: "tmpfs", source: "tmpfs" },
      { destination: "/mnt", type: "bind", source: volume, options: ["rbind", "rw"] },
      { destination: "/single", type: "bind", source: `${volume}/in`, options: ["bind", "ro"] },
    ];
    const sleep = ["sh", "-c", "sleep 1000 & exec sleep 1001"];
    await join(runtime, "a", sleep, { hostname: "ha", mounts, ...namespaces() });
    await join(runtime, "b", sleep, { hostname: "hb", ...namespaces() });
    const inside = (id: string, script: string) => runtime.must("exec", id, "sh", "-c", script);
    assert.equal(await inside("a", "hostname; cat /proc/1/comm"), "ha\nsleep\n");
    assert.equal(await inside("b", "hostname; cat /proc/1/comm"), "hb\nsleep\n");
    assert.equal(await inside("s", "hostname"), "pod\n");
    assert.equal(
      await inside("a", "cat /single; echo made >/mnt/out; echo a >/tmp/a; ls /tmp"),
      "of the hosta\n",
    );
    assert.equal(await Deno.readTextFile(`${volume}/out`), "made\n");
    assert.equal((await runtime.run(["exec", "b", "cat", "/mnt/in"])).code, 1);
    assert.equal(JSON.parse(await runtime.must("ps", "--format", "json", "a")).length, 2);
    assert.equal(JSON.parse(await runtime.must("ps", "--format", "json", "s")).length, 1);
    const ids = ["a", "b", "s"];
    assert.equal(await runtime.must("list", "--quiet"), ids.join("\n") + "\n");
    const states = await Promise.all(ids.map((id) => runtime.state(id)));
    assert.deepEqual(states.map((s) => s.status), ["running", "running", "running"]);
    assert.equal(new Set(states.map((s) => s.pid)).size, 3);

    await runtime.must("pause", "b");
    assert.equal((await runtime.state("b")).status, "paused");
    assert.equal((await runtime.run(["exec", "b", "true"])).code, 1);
    await inside("a", "true");
    await runtime.must("resume", "b");
    await inside("b", "true");

    await runtime.must("kill", "a", "KILL");
    await runtime.ended("a");
    await runtime.must("delete", "a");
    assert.equal(await inside("b", "hostname"), "hb\n");
    await join(runtime, "a", sleep, { hostname: "again", ...namespaces() });
    assert.equal(await inside("a", "hostname"), "again\n");
    await runtime.must("delete", "--force", "a");
    assert.equal((await runtime.run(["state", "a"])).code, 1);
    assert.equal(await inside("b", "hostname"), "hb\n");

    await runtime.must("kill", "s", "KILL");
    await runtime.ended("b");
    await runtime.ended("s");
    for (const id of ["b", "s"]) await runtime.must("delete", id);
    assert.equal([...Deno.readDirSync(runtime.root)].length, 0);
  });
}

Deno.test("a container takes namespaces of another one by their paths, and its process exits as it does", async () => {
  await using runtime = await openSandbox("systrap");
  const { pid } = await runtime.state("s");
  const shared = namespaces({ pid: `/proc/${pid}/ns/pid`, uts: `/proc/${pid}/ns/uts` });
  const output = await join(runtime, "a", ["sh", "-c", "hostname; cat /proc/1/comm; exit 7"], {
    ...shared,
    hostname: undefined,
  });
  await runtime.ended("a");
  assert.equal(await Deno.readTextFile(output), "pod\nsleep\n");
  const bundle = runtime.bundle(["sh", "-c", "cat; exit 9"], {
    annotations: { [TYPE]: "container", [SANDBOX]: "s" },
    ...namespaces(),
  });
  const ran = await runtime.run(["run", "--bundle", bundle, "r"], { stdin: "passed on" });
  assert.deepEqual([ran.code, ran.stdout], [9, "passed on"]);
  // What stands for a container on the host is taken for it: its end is the container's.
  await join(runtime, "k", ["sleep", "1000"], namespaces());
  Deno.kill(Number((await runtime.state("k")).pid), "SIGKILL");
  await runtime.ended("k");
  assert.equal(await runtime.must("exec", "s", "hostname"), "pod\n");
});

Deno.test("a sandbox that is missing or has not been started is not joined, and nothing is left of the attempt", async () => {
  await using runtime = await Runtime.open();
  const bundle = (id: string) =>
    runtime.bundle(["true"], { annotations: { [TYPE]: "container", [SANDBOX]: id } });
  await assert.rejects(runtime.create("a", bundle("s")), /container does not exist/);
  await runtime.create("s", runtime.bundle(["sleep", "1000"]));
  await assert.rejects(
    runtime.create("a", bundle("s")),
    /cannot join the sandbox of s: it is created/,
  );
  await assert.rejects(runtime.create("a", bundle("")), /the sandbox to join is missing/);
  assert.equal(await runtime.must("list", "--quiet"), "s\n");
});
