/** Malformed input that commands are given, each of which gives one clear line and status 1. */
import assert from "node:assert/strict";
import { type Changes, Runtime } from "./support/runtime.ts";

const TERMINAL: Changes = { process: { terminal: true } };

const CREATIONS: [name: string, changes: Changes, flags: string[], message: RegExp][] = [
  ["a pid file in no directory", {}, ["--pid-file", "/nowhere/pid"], /^cannot write pid file/],
  ["a directory as pid file", {}, ["--pid-file", "/"], /^cannot write pid file/],
  ["an empty pid file", {}, ["--pid-file="], /^missing value of flag --pid-file/],
  ["a terminal without socket", TERMINAL, [], /^cannot allocate tty/],
  ["a socket without terminal", {}, ["--console-socket", "/s"], /^cannot use console socket/],
  ["a socket that is not there", TERMINAL, ["--console-socket", "/nowhere"], /\/nowhere/],
  ["a file as socket", TERMINAL, ["--console-socket", "/etc/passwd"], /\/etc\/passwd/],
  [
    "a socket of 5000 characters",
    TERMINAL,
    ["--console-socket", "/" + "s".repeat(5000)],
    /console socket/,
  ],
  ["descriptors that are none", {}, ["--preserve-fds", "-1"], /preserve-fds/],
  ["a program that is not there", { process: { args: ["/nowhere"] } }, [], /\/nowhere/],
  [
    "a mount whose owners are mapped",
    { mounts: [{ destination: "/mnt", source: "/tmp", options: ["rbind", "idmap"] }] },
    [],
    /^cannot mount \/mnt: id-mapped mounts are not supported/,
  ],
  ["a setting that is none", { linux: { sysctl: { "kernel.none": "1" } } }, [], /kernel\.none/],
  [
    "a group outside of all",
    { linux: { cgroupsPath: "/../x" } },
    [],
    /^invalid cgroupsPath \/\.\.\/x: it contains '\.\.'/,
  ],
];

Deno.test("containers that can not be give one clear line, and nothing is left of them", async (t) => {
  await using runtime = await Runtime.open();
  for (const [name, changes, flags, message] of CREATIONS) {
    await t.step(name, async () => {
      const bundle = runtime.bundle(["true"], changes);
      const { code, stderr } = await runtime.run(["create", "--bundle", bundle, ...flags, "c"]);
      assert.equal(code, 1, stderr);
      assert.match(stderr, /^runsc: [^\n]{1,500}\n$/);
      assert.match(stderr.slice("runsc: ".length), message);
      assert.equal(await runtime.must("list", "--quiet"), "");
    });
  }
});

Deno.test("what of config.json the kernel can do is done, and the rest is told", async () => {
  await using runtime = await Runtime.open();
  const script = "uname -m; nice; cat /proc/self/mountinfo";
  const namespaces = ["pid", "network", "ipc", "uts", "mount", "time"].map((type) => ({ type }));
  const bundle = runtime.bundle(["sh", "-c", script], {
    process: {
      scheduler: { policy: "SCHED_OTHER", nice: 7 },
      ioPriority: { class: "IOPRIO_CLASS_IDLE" },
      apparmorProfile: "docker-default",
    },
    linux: {
      namespaces,
      personality: { domain: "LINUX32" },
      timeOffsets: { boottime: { secs: 1_000_000 } },
      rootfsPropagation: "shared",
      mountLabel: "system_u:object_r:x",
    },
  });
  const { code, stdout, stderr } = await runtime.run(["run", "--bundle", bundle, "whole"]);
  assert.equal(code, 0, stderr);
  assert.equal(
    stderr,
    "runsc: warning: not carried out by the sandbox: linux.timeOffsets, linux.mountLabel, process.ioPriority, " +
      "process.apparmorProfile\n",
  );
  const [machine, nice, ...mounts] = stdout.split("\n");
  assert.equal(machine, "i686");
  assert.equal(nice, "7");
  assert.match(mounts.find((line) => / \/ \/ /.test(line)) ?? "", / shared:\d+ /);
});
