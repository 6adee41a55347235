import assert from "node:assert/strict";
import { runProgram } from "../support/runsc.ts";
import { isMissing } from "../support/tools.ts";
import { Runtime } from "./support/runtime.ts";

Deno.test("a container is created, started, killed and deleted, and its state tells so", async () => {
  await using runtime = await Runtime.open();
  const bundle = runtime.bundle(["sh", "-c", "echo started; exec sleep 1000"]);
  const pidFile = `${runtime.directory}/pid`;
  const output = await runtime.create("a", bundle, "--pid-file", pidFile);
  const created = await runtime.state("a");
  assert.equal(created.status, "created");
  assert.equal(String(created.pid), await Deno.readTextFile(pidFile));
  assert.equal(created.bundle, bundle);
  assert.equal(await Deno.readTextFile(output), "");

  await runtime.must("start", "a");
  assert.equal((await runtime.state("a")).status, "running");
  // exec returns after the container's shell has had its turn.
  while (await Deno.readTextFile(output) === "") await runtime.must("exec", "a", "true");
  assert.equal(await Deno.readTextFile(output), "started\n");

  await runtime.must("kill", "a", "KILL");
  await runtime.ended("a");
  const stopped = await runtime.state("a");
  assert.equal(stopped.pid, 0);
  await runtime.must("delete", "a");
  assert.equal((await runtime.run(["state", "a"])).code, 1);
  assert.equal([...Deno.readDirSync(runtime.root)].length, 0);
});

Deno.test("run takes over the exit status, leaves nothing, and can be reached meanwhile", async () => {
  await using runtime = await Runtime.open();
  for (
    const [script, status] of [["exit 0", 0], ["exit 42", 42], ["kill -9 $$; true", 0]] as const
  ) {
    const { code } = await runtime.run([
      "run",
      "--bundle",
      runtime.bundle(["sh", "-c", script]),
      "r",
    ]);
    // The first process of a container is spared by signals of its own.
    assert.equal(code, status, script);
  }
  const running = runtime.run(["run", "--bundle", runtime.bundle(["sleep", "1000"]), "r"]);
  while ((await runtime.run(["exec", "r", "true"])).code !== 0);
  assert.equal((await runtime.state("r")).status, "running");
  await runtime.must("kill", "r", "KILL");
  assert.equal((await running).code, 137);
  assert.equal([...Deno.readDirSync(runtime.root)].length, 0);
  for (const group of ["memory", "pids", "unified", "."]) {
    assert.throws(() => Deno.statSync(`/sys/fs/cgroup/${group}/r`), Deno.errors.NotFound);
  }
});

Deno.test("exec starts programs with the streams, user, directory and variables they are given", async () => {
  await using runtime = await Runtime.open();
  await runtime.create("a", runtime.bundle(["sleep", "1000"]));
  await runtime.must("start", "a");
  assert.equal((await runtime.run(["exec", "a", "cat"], { stdin: "data" })).stdout, "data");
  assert.equal((await runtime.run(["exec", "a", "sh", "-c", "echo e >&2; exit 9"])).code, 9);
  assert.equal((await runtime.run(["exec", "a", "sh", "-c", "kill -TERM $$"])).code, 143);
  const flags = ["--user", "1000:1001", "--cwd", "/usr", "--env", "A=b"];
  const script = 'echo "$(id -u) $(id -g) $(pwd) $A"';
  assert.equal(await runtime.must("exec", ...flags, "a", "sh", "-c", script), "1000 1001 /usr b\n");
  const process = `${runtime.directory}/process.json`;
  await Deno.writeTextFile(
    process,
    JSON.stringify({ args: ["/bin/pwd"], cwd: "/etc", user: { uid: 0, gid: 0 } }),
  );
  assert.equal(await runtime.must("exec", "--process", process, "a"), "/etc\n");
  const missing = await runtime.run(["exec", "a", "/no/such"]);
  assert.equal(missing.code, 1);
  assert.match(missing.stderr, /^runsc: cannot execute \/no\/such: No such file or directory/);
  assert.match((await runtime.run(["exec", "a", "nosuch"])).stderr, /executable file not found in/);
});

Deno.test("a detached exec leaves a process behind that stands for it", async () => {
  await using runtime = await Runtime.open();
  await runtime.create("a", runtime.bundle(["sleep", "1000"]));
  await runtime.must("start", "a");
  const pidFile = `${runtime.directory}/pid`;
  // Its output is that of the command, so that nobody may wait for the end of it.
  const command = [runtime.executable, "--root", runtime.root, "exec", "--detach"];
  const script = '"$@" </dev/null >/dev/null 2>&1';
  const started = await runProgram(
    ["/bin/sh", "-c", script, "sh", ...command, "--pid-file", pidFile, "a", "sleep", "1000"],
  );
  assert.equal(started.code, 0);
  const pid = Number(await Deno.readTextFile(pidFile));
  // It names itself when it gets to run.
  while (!/^runsc-exec/.test(await Deno.readTextFile(`/proc/${pid}/comm`)));
  assert.deepEqual(JSON.parse(await runtime.must("ps", "--format", "json", "a")).length, 2);
  Deno.kill(pid, "SIGKILL");
  // The process in the sandbox ends with the one that stands for it.
  while (JSON.parse(await runtime.must("ps", "--format", "json", "a")).length > 1);
});

Deno.test("pause stops all programs, and resume lets them go on", async () => {
  await using runtime = await Runtime.open();
  const script = "i=0; while :; do i=$((i+1)); echo $i; done";
  const output = await runtime.create("a", runtime.bundle(["sh", "-c", script]));
  await runtime.must("start", "a");
  await runtime.must("pause", "a");
  assert.equal((await runtime.state("a")).status, "paused");
  const size = () => Deno.statSync(output).size;
  // What was on its way when the pause came may still be written.
  await runtime.must("events", "--stats", "a");
  const paused = size();
  await runtime.must("events", "--stats", "a");
  assert.equal(size(), paused);
  assert.match((await runtime.run(["exec", "a", "true"])).stderr, /paused container/);
  assert.equal((await runtime.run(["pause", "a"])).code, 1);
  await runtime.must("resume", "a");
  while (size() === paused) await runtime.must("state", "a");
  await runtime.must("kill", "a", "KILL");
});

Deno.test("hooks run in their order with the state on standard input, and failures undo the container", async () => {
  await using runtime = await Runtime.open();
  const log = `${runtime.directory}/hooks`;
  const hook = (name: string) => [{
    path: "/bin/sh",
    args: ["sh", "-c", `read -r state; echo "${name} $state" >>${log}`],
  }];
  const names = ["prestart", "createRuntime", "createContainer", "poststart", "poststop"];
  const hooks = Object.fromEntries(names.map((name) => [name, hook(name)]));
  await runtime.create("a", runtime.bundle(["sleep", "1000"], { hooks }));
  await runtime.must("start", "a");
  await runtime.must("delete", "--force", "a");
  const lines = (await Deno.readTextFile(log)).trim().split("\n");
  assert.deepEqual(lines.map((line) => line.split(" ")[0]), names);
  const states = lines.map((line) => JSON.parse(line.slice(line.indexOf(" "))).status);
  assert.deepEqual(states, ["creating", "creating", "creating", "running", "stopped"]);

  await Deno.remove(log);
  const whole = runtime.bundle(["sh", "-c", "exit 5"], { hooks });
  assert.equal((await runtime.run(["run", "--bundle", whole, "c"])).code, 5);
  const ran = (await Deno.readTextFile(log)).trim().split("\n");
  assert.deepEqual(ran.map((line) => line.split(" ")[0]), names);

  const failing = {
    createRuntime: [{ path: "/bin/sh", args: ["sh", "-c", "echo no >&2; exit 3"] }],
  };
  await assert.rejects(
    runtime.create("b", runtime.bundle(["true"], { hooks: failing })),
    /createRuntime hook failed: \/bin\/sh: exit status 3, output: "no"/,
  );
  const slow = { prestart: [{ path: "/bin/sleep", args: ["sleep", "1000"], timeout: 1 }] };
  await assert.rejects(
    runtime.create("b", runtime.bundle(["true"], { hooks: slow })),
    /prestart hook failed: \/bin\/sleep: it did not end in 1 s/,
  );
  assert.equal(await runtime.must("list", "--quiet"), "");
});

Deno.test("settings, names and hidden paths of config.json are carried out", async () => {
  await using runtime = await Runtime.open();
  const bundle = runtime.bundle([
    "sh",
    "-c",
    [
      "hostname",
      "cat /proc/sys/kernel/domainname",
      "cat /proc/sys/kernel/msgmax",
      "cat /proc/self/oom_score_adj",
      "ulimit -n",
      "wc -c </etc/hostname",
      "ls /usr/share | wc -l",
      "head -c 3 /dev/more/zeros | wc -c",
      "echo 1 >/proc/sys/kernel/panic",
    ].join("\n"),
  ], {
    hostname: "one",
    domainname: "two",
    process: {
      oomScoreAdj: 17,
      rlimits: [{ type: "RLIMIT_NOFILE", soft: 100, hard: 200 }],
    },
    linux: {
      sysctl: { "kernel.msgmax": "9001" },
      maskedPaths: ["/etc/hostname", "/usr/share", "/no/such"],
      readonlyPaths: ["/proc/sys", "/no/such"],
      devices: [
        { path: "/dev/more/zeros", type: "c", major: 1, minor: 5, fileMode: 0o666 },
        { path: "/dev/disk", type: "b", major: 8, minor: 0 },
      ],
    },
  });
  const { stdout, stderr } = await runtime.run(["run", "--bundle", bundle, "a"]);
  assert.deepEqual(stdout.trim().split(/\s+/), ["one", "two", "9001", "17", "100", "0", "0", "3"]);
  assert.match(stderr, /warning: devices of the host are not passed on: \/dev\/disk/);
  assert.match(stderr, /Read-only file system/);
  const unknown = runtime.bundle(["true"], { linux: { sysctl: { "kernel.nothing": "1" } } });
  const { code, stderr: why } = await runtime.run(["run", "--bundle", unknown, "a"]);
  assert.equal(code, 1);
  assert.match(why, /^runsc: cannot set sysctl kernel\.nothing: No such file/);
});

Deno.test("a console socket gets the terminal of a container", async () => {
  if (isMissing("console sockets", ["python3"])) return;
  await using runtime = await Runtime.open();
  const bundle = runtime.bundle(["sh", "-c", "tty; stty size; read x; echo got $x"], {
    process: { terminal: true, consoleSize: { height: 40, width: 120 } },
  });
  const path = `${runtime.directory}/console`;
  const script = `
import os, socket, subprocess, sys
s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()
subprocess.check_call(sys.argv[3:] + ["create", "--bundle", sys.argv[2], "--console-socket", sys.argv[1], "t"])
c, _ = s.accept()
_, fds, _, _ = socket.recv_fds(c, 100, 1)
subprocess.check_call(sys.argv[3:] + ["start", "t"])
os.write(fds[0], b"word\\n")
out = b""
try:
    while True: out += os.read(fds[0], 1000)
except OSError: pass
sys.stdout.buffer.write(out)
`;
  const { code, stdout, stderr } = await runProgram(
    ["python3", "-c", script, path, bundle, runtime.executable, "--root", runtime.root],
    { timeout: 30_000 },
  );
  assert.equal(code, 0, stderr);
  assert.match(stdout, /\/dev\/pts\/0\r\n/);
  assert.match(stdout, /40 120\r\n/);
  assert.match(stdout, /got word\r\n/);
});

const REFUSED: [args: string[], message: RegExp][] = [
  [["start", "none"], /^container does not exist none/],
  [["state", "none"], /^container does not exist none/],
  [["kill", "none"], /^container does not exist none/],
  [["delete", "none"], /^container does not exist none/],
  [["exec", "none", "true"], /^container does not exist none/],
  [["ps", "none"], /^container does not exist none/],
  [["pause", "none"], /^container does not exist none/],
  [["resume", "none"], /^container does not exist none/],
  [["wait", "none"], /^container does not exist none/],
  [["events", "none"], /^container does not exist none/],
  [["update", "none"], /^container does not exist none/],
  [["start"], /^missing argument/],
  [["state", "a", "b"], /^too many arguments/],
  [["list", "a"], /^too many arguments/],
  [["list", "--format", "xml"], /^flag --format must be one of table, json/],
  [["start", "../x"], /^invalid container id/],
  [["state", ""], /^invalid container id "": it is empty/],
  [["delete", "--force", ".."], /^invalid container id "\.\."/],
  [["delete", "--force", "x".repeat(5000)], /^invalid container id .* longer than 1024/],
  [["kill", "../../etc"], /^invalid container id/],
  [["create", "--bundle", "/nowhere", "a"], /^cannot open bundle \/nowhere/],
  [["events", "--interval", "0s", "a"], /^flag --interval must be a duration/],
  [["events", "--interval", "x", "a"], /^flag --interval must be a duration/],
  [["kill", "created", "NOSUCH"], /^unknown signal "NOSUCH"/],
  [["kill", "created", "0"], /^unknown signal "0"/],
  [["kill", "created", "65"], /^unknown signal "65"/],
  [["kill", "created", "-1"], /^unknown flag|^unknown signal/],
  [["kill", "--pid", "x", "created"], /^flag --pid must be a process id/],
  [["create", "created"], /.+/],
  [["exec", "created", "true"], /^cannot exec in a container that is not running/],
  [["pause", "created"], /^container not running created: it is created/],
  [["resume", "created"], /^container not paused created/],
  [["ps", "created"], /^container not running created/],
  [["update", "--memory", "1", "created"], /^cannot (write 1 to|update container)/],
  [["update", "--memory", "x", "created"], /^flag --memory must be a number/],
  [["update", "--resources", "/nowhere", "created"], /^invalid limits in \/nowhere/],
  [["start", "running"], /^cannot start an already running container/],
  [["delete", "running"], /^cannot delete container that is not stopped running/],
  [["resume", "running"], /^container not paused running: it is running/],
  [["exec", "running"], /^missing program to execute/],
  [["exec", "--user", "x", "running", "true"], /^flag --user must be a number/],
  [["exec", "--user", "1:2:3", "running", "true"], /^flag --user must be UID/],
  [["exec", "--cwd", "tmp", "running", "true"], /^invalid process .* cwd: must be an absolute/],
  [["exec", "--cwd", "/nowhere", "running", "true"], /^cannot change to working directory/],
  [
    ["exec", "--env", "A", "running", "true"],
    /^invalid process .* env\[\d+\]: must be of the form/,
  ],
  [["exec", "--process", "/nowhere", "running"], /^cannot read process \/nowhere/],
  [["exec", "--console-socket", "/s", "running", "true"], /^cannot use console socket/],
  [["exec", "--tty", "--detach", "running", "true"], /^cannot allocate tty/],
  [["exec", "--tty", "running", "true"], /^cannot use flag --tty: standard input is no terminal/],
  [["exec", "--preserve-fds", "x", "running", "true"], /^flag --preserve-fds must be a number/],
  [["start", "stopped"], /^cannot start a container that has stopped/],
  [["kill", "stopped"], /^container not running stopped/],
  [["exec", "stopped", "true"], /^cannot exec in a container that is not running/],
  [["pause", "stopped"], /^container not running stopped: it is stopped/],
  [["wait", "stopped"], /^container not running stopped/],
];

Deno.test("commands that do not fit give one clear line and status 1", async (t) => {
  await using runtime = await Runtime.open();
  const bundle = runtime.bundle(["sleep", "1000"]);
  for (const id of ["created", "running", "stopped"]) await runtime.create(id, bundle);
  await runtime.must("start", "running");
  await runtime.must("kill", "stopped", "KILL");
  await runtime.ended("stopped");
  for (const [args, message] of REFUSED) {
    await t.step(args.join(" ").slice(0, 60), async () => {
      const { code, stdout, stderr } = await runtime.run(args);
      assert.equal(code, 1);
      assert.equal(stdout, "");
      assert.match(stderr, /^runsc: [^\n]*\n$/);
      assert.match(stderr.slice("runsc: ".length), message);
    });
  }
  await t.step("an id that is in use", async () => {
    await assert.rejects(runtime.create("running", bundle), /ID already exists running/);
  });
  await t.step("a second container of one name, both at once", async () => {
    const both = [runtime.create("twice", bundle), runtime.create("twice", bundle)];
    const results = await Promise.allSettled(both);
    assert.deepEqual(results.map((r) => r.status).sort(), ["fulfilled", "rejected"]);
  });
  await t.step("signals to a container that ended, with --all", async () => {
    await runtime.must("kill", "--all", "stopped", "KILL");
  });
  await t.step("delete --force of what is not there", async () => {
    await runtime.must("delete", "--force", "none");
  });
});

Deno.test("state that is damaged is told, and forced deletion removes it", async (t) => {
  await using runtime = await Runtime.open();
  const states = [
    "",
    "{",
    "[]",
    "null",
    "{}",
    '{"version":2}',
    '{"version":1,"id":7}',
    "\0".repeat(9),
  ];
  for (const [index, text] of states.entries()) {
    await t.step(JSON.stringify(text), async () => {
      const directory = `${runtime.root}/d${index}`;
      await Deno.mkdir(directory, { recursive: true });
      await Deno.writeTextFile(`${directory}/state.json`, text);
      const { code, stderr } = await runtime.run(["state", `d${index}`]);
      assert.equal(code, 1);
      assert.match(stderr, /^runsc: cannot read state .*: damaged: [^\n]*\n$/);
      await runtime.must("list");
      await runtime.must("delete", "--force", `d${index}`);
      assert.equal((await runtime.run(["state", `d${index}`])).code, 1);
    });
  }
});

Deno.test("forty containers in a row, and thirty at once, leave nothing", async () => {
  await using runtime = await Runtime.open();
  const bundle = runtime.bundle(["sleep", "1000"]);
  const whole = async (id: string) => {
    await runtime.create(id, bundle);
    await runtime.must("start", id);
    await runtime.must("delete", "--force", id);
  };
  for (let i = 0; i < 40; i++) await whole(`row${i}`);
  await Promise.all(Array.from({ length: 30 }, (_, i) => whole(`once${i}`)));
  assert.equal([...Deno.readDirSync(runtime.root)].length, 0);
  for (const entry of Deno.readDirSync("/proc")) {
    if (!/^\d+$/.test(entry.name)) continue;
    let line = "";
    try {
      line = Deno.readTextFileSync(`/proc/${entry.name}/cmdline`);
    } catch {
      // Ended meanwhile.
    }
    assert.ok(!line.includes(runtime.root), `process ${entry.name} is left: ${line}`);
  }
});

Deno.test("a sandbox that is killed leaves a stopped container, which can be deleted", async () => {
  await using runtime = await Runtime.open();
  await runtime.create("a", runtime.bundle(["sleep", "1000"]));
  await runtime.must("start", "a");
  Deno.kill(Number((await runtime.state("a")).pid), "SIGKILL");
  await runtime.ended("a");
  await runtime.must("delete", "a");
});

Deno.test("features names what there is in the form of the specification", async () => {
  await using runtime = await Runtime.open();
  const features = JSON.parse(await runtime.must("features"));
  assert.equal(features.ociVersionMin, "1.0.0");
  assert.ok(features.mountOptions.includes("rbind"));
  assert.ok(features.linux.namespaces.includes("pid"));
  assert.ok(features.linux.capabilities.includes("CAP_CHOWN"));
});
