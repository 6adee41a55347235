import assert from "node:assert/strict";
import { runProgram } from "../support/runsc.ts";
import { isMissing } from "../support/tools.ts";
import { Runtime } from "./support/runtime.ts";

/** Sends packets to the control socket as user `uid`, each on a connection of its own, and prints the answers as JSON. */
const CLIENT = `
import array, json, os, socket, sys
path, uid = sys.argv[1], int(sys.argv[2])
packets = json.load(sys.stdin)
if uid: os.setuid(uid)
answers = []
for text, fds in packets:
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    s.settimeout(10)
    try:
        s.connect(path)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 20)
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [0] * fds))] if fds else []
        s.sendmsg([text.encode("latin-1")], rights)
        answers.append(s.recv(1 << 20).decode())
    except OSError as error:
        answers.append(type(error).__name__)
print(json.dumps(answers))
`;

type Packet = [text: string, descriptors?: number];

async function answers(runtime: Runtime, id: string, packets: Packet[], uid = 0) {
  const { code, stdout, stderr } = await runProgram(
    ["python3", "-c", CLIENT, `${runtime.root}/${id}/control.sock`, String(uid)],
    { stdin: JSON.stringify(packets.map(([text, fds = 0]) => [text, fds])), timeout: 60_000 },
  );
  assert.equal(code, 0, stderr);
  return JSON.parse(stdout) as string[];
}

const call = (method: string, args: unknown = {}) => JSON.stringify({ v: 1, method, args });

/** What `create` wants, but for descriptors: a pipe, one tree, three streams. */
const JOINED = {
  id: "b",
  bundle: "/",
  rootfs: "/",
  overlay: true,
  trees: [{ path: "/" }],
  share: {},
  stdio: 3,
  spec: {
    ociVersion: "1.0.0",
    root: { path: "/" },
    process: { args: ["true"], cwd: "/", user: { uid: 0, gid: 0 } },
  },
};

const MALFORMED: [packet: Packet, error: RegExp][] = [
  [["{"], /not JSON/],
  [["\0\0\0"], /not JSON/],
  [["\xff\xfe"], /not JSON/],
  [["null"], /no object/],
  [["[]"], /no object/],
  [["7"], /no object/],
  [["{}"], /not of version 1/],
  [['{"v":2,"method":"state"}'], /not of version 1/],
  [['{"v":"1","method":"state"}'], /not of version 1/],
  [['{"v":1}'], /names no method/],
  [['{"v":1,"method":7}'], /names no method/],
  [['{"v":1,"method":"state","args":[]}'], /arguments are no object/],
  [[call("nosuch")], /knows no method "nosuch"/],
  [[call("__proto__")], /knows no method/],
  [[call("x".repeat(5000))], /knows no method "x+…"/],
  [["x".repeat(140_000)], /too long/],
  [[call("signal")], /signal: is missing/],
  [[call("signal", { signal: "KILL" })], /signal: must be an integer/],
  [[call("signal", { signal: 65 })], /signal: must be from 0 to 64/],
  [[call("signal", { signal: -1 })], /signal: must be from 0 to 64/],
  [[call("signal", { signal: 9, pid: 4000 })], /no such process 4000/],
  [[call("signal", { signal: 9, pid: 0 })], /pid: must be from 1/],
  [[call("wait", { pid: 1 })], /no such process was started from outside/],
  [[call("start")], /started already/],
  [[call("strace", { on: true })], /no trace/],
  [[call("strace", { on: 1 })], /on: must be true or false/],
  [[call("log", { level: "loud" })], /level: must be one of/],
  [[call("exec")], /process: is missing/],
  [[call("exec", { process: { args: ["true"], cwd: "/" } })], /process.user: is missing/],
  [
    [call("exec", { process: { args: ["true"], cwd: "/", user: { uid: 0, gid: 0 } } })],
    /descriptors are missing/,
  ],
  [
    [call("exec", { process: { args: ["true"], cwd: "/", user: { uid: 0, gid: 0 } } }), 3],
    /descriptors are missing/,
  ],
  [[call("state"), 200], /too long/],
  [[call("state", { container: "b" })], /no such container/],
  [[call("state", { container: 7 })], /no such container/],
  [[call("destroy")], /own container ends with it/],
  [[call("create")], /id: is missing/],
  [[call("create", JOINED)], /descriptors are missing/],
  [[call("create", JOINED), 4], /descriptors are missing/],
  [[call("create", { ...JOINED, id: "a" }), 5], /already exists/],
  [[call("create", { ...JOINED, share: { pid: "x" } }), 5], /namespace of x/],
  [[call("create", { ...JOINED, trees: [{ path: "/x" }] }), 5], /cannot open root file system/],
  [[call("create", { ...JOINED, spec: { ociVersion: "1.0.0" } }), 5], /process or root is missing/],
];

Deno.test("messages that are malformed, huge or ask for what can not be are refused", async () => {
  if (isMissing("control messages", ["python3"])) return;
  await using runtime = await Runtime.open();
  await runtime.create("a", runtime.bundle(["sleep", "1000"]));
  await runtime.must("start", "a");
  const said = await answers(runtime, "a", MALFORMED.map(([packet]) => packet));
  said.forEach((text, i) => {
    const [[sent], expected] = MALFORMED[i];
    assert.match(JSON.parse(text).error ?? "", expected, sent.slice(0, 100));
  });
  const [state] = await answers(runtime, "a", [[call("state")]]);
  assert.deepEqual(JSON.parse(state).result, { status: "running", id: "a" });
  assert.equal((await runtime.run(["exec", "a", "true"])).code, 0);
});

Deno.test("only the owner of a sandbox may control it", async () => {
  if (Deno.uid() !== 0 || isMissing("control by others", ["python3"])) return;
  await using runtime = await Runtime.open();
  await runtime.create("a", runtime.bundle(["sleep", "1000"]));
  const socket = `${runtime.root}/a/control.sock`;
  assert.equal((await Deno.stat(socket)).mode! & 0o777, 0o600);
  assert.deepEqual(await answers(runtime, "a", [[call("state")]], 65534), ["PermissionError"]);
  // The permissions alone are not what it rests on.
  for (const path of [runtime.directory, runtime.root, `${runtime.root}/a`, socket]) {
    await Deno.chmod(path, 0o777);
  }
  const [refused] = await answers(runtime, "a", [[call("state")]], 65534);
  assert.ok(/only the owner/.test(refused) || /Error$/.test(refused), refused);
});

Deno.test("more connections than the server takes do not keep it from serving others later", async () => {
  if (isMissing("many connections", ["python3"])) return;
  await using runtime = await Runtime.open();
  await runtime.create("a", runtime.bundle(["sleep", "1000"]));
  await runtime.must("start", "a");
  const script = `
import socket, sys
kept = []
for i in range(60):
    s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.connect(sys.argv[1]); kept.append(s)
`;
  const path = `${runtime.root}/a/control.sock`;
  assert.equal((await runProgram(["python3", "-c", script, path])).code, 0);
  assert.equal((await runtime.run(["exec", "a", "true"])).code, 0);
});
