import assert from "node:assert/strict";
import { type Outcome, runProgram, runscPath } from "../support/runsc.ts";
import { findTool } from "../support/tools.ts";
import { leaveOut, makeBusyboxRoot, whyNoBusybox } from "./support/busybox_root.ts";

/** Steps on one container, with what each has to print and its exit status; {} stands for flags that every run needs. */
const STEPS: [command: string, stdout: string | RegExp, code?: number][] = [
  ["run --rm {} IMAGE echo hello", "hello\n"],
  ["run --rm {} IMAGE sh -c 'exit 5'", "", 5],
  ["run --rm {} IMAGE sh -c 'kill -SEGV $$; exit 4'", "", 4],
  ["run --rm {} IMAGE /nosuch", "", 127],
  ["run --rm {} IMAGE /etc", "", 126],
  ["run --rm {} --hostname there IMAGE hostname", "there\n"],
  ["run --rm {} --user 1000:1001 IMAGE sh -c 'id -u; id -g'", "1000\n1001\n"],
  [
    "run --rm {} --cap-drop all IMAGE sh -c 'while read a b; do [ $a = CapEff: ] && echo $b; done </proc/self/status; true'",
    "0000000000000000\n",
  ],
  ["run --rm {} --read-only IMAGE sh -c 'echo x >/file || echo refused'", "refused\n"],
  ["run --rm {} --memory 500m IMAGE echo limited", "limited\n"],
  ["run --rm {} -e A=b -w /tmp IMAGE sh -c 'echo $A; pwd'", "b\n/tmp\n"],
  ["run --rm {} --sysctl kernel.msgmax=9000 IMAGE cat /proc/sys/kernel/msgmax", "9000\n"],
  ["run --rm {} -v DIR/volume:/volume IMAGE sh -c 'cat /volume/in; echo out >/volume/out'", "in\n"],
  [
    "run -d {} --name one IMAGE sh -c 'trap \"echo term; exit 3\" TERM; echo up; while :; do sleep 0.05; done'",
    /^[0-9a-f]{64}\n$/,
  ],
  ["exec one echo inside", "inside\n"],
  ["exec one sh -c 'exit 9'", "", 9],
  ["exec one /nosuch", "", 127],
  ["exec --user 7 -e C=d -w /bin one sh -c 'id -u; echo $C; pwd'", "7\nd\n/bin\n"],
  ["exec -d one sh -c 'echo made >/tmp/made; sleep 1000'", /^[0-9a-f]{64}\n$/],
  ["exec one sh -c 'while [ ! -s /tmp/made ]; do sleep 0.05; done; cat /tmp/made'", "made\n"],
  ["cp DIR/volume/in one:/copied", ""],
  ["exec one cat /copied", "in\n"],
  ["pause one", /./],
  ["ps -a --format {{.Status}}", /^Paused/],
  ["unpause one", /./],
  ["stats --no-stream --format {{.Name}} one", "one\n"],
  ["stop -t 10 one", /./],
  ["inspect one --format {{.State.ExitCode}}", "3\n"],
  ["logs one", "up\nterm\n"],
  ["start one", "one\n"],
  ["kill one", /./],
  ["wait one", "137\n"],
  ["rm -f one", /./],
  ["ps -a -q", ""],
];

/** Steps on a pod: podman's annotations bring its containers together in one sandbox. */
const POD_STEPS: typeof STEPS = [
  [
    "pod create --name pod --network none --hostname there --infra-image IMAGE --infra-command 'sleep 1000'",
    /^[0-9a-f]{64}\n$/,
  ],
  ["run -d --pod pod --name one IMAGE sh -c 'echo 1 >/tmp/own; exec sleep 1001'", /./],
  [
    "run -d --pod pod --name two -v DIR/volume:/volume IMAGE sh -c 'trap \"exit 3\" TERM; while :; do sleep 0.05; done'",
    /./,
  ],
  ["exec one sh -c 'hostname; while [ ! -s /tmp/own ]; do sleep 0.05; done'", "there\n"],
  ["exec two sh -c 'hostname; cat /volume/in; ls /tmp; echo out >/volume/out'", "there\nin\n"],
  // Engines enter the namespace of a container's process to copy files.
  ["cp DIR/volume/in one:/tmp/copied", ""],
  ["exec one cat /tmp/copied", "in\n"],
  ["cp one:/tmp/own DIR/volume/own", ""],
  ["exec two cat /volume/own", "1\n"],
  ["ps --format {{.Names}} --filter name=one", "one\n"],
  ["stop -t 10 two", /./],
  ["inspect two --format {{.State.ExitCode}}", "3\n"],
  ["exec one cat /tmp/own", "1\n"],
  ["rm two", /./],
  ["kill one", /./],
  ["wait one", "137\n"],
  ["pod rm -f -t 0 pod", /./],
  ["ps -a -q", ""],
];

async function whyNot(runtime: string): Promise<string | null> {
  if (Deno.uid() !== 0) return "it needs root";
  const podman = findTool("podman");
  if (podman === null) return "no podman on this machine";
  if (findTool("conmon") === null && !exists("/usr/libexec/podman/conmon")) return "no conmon";
  if (!exists(runtime)) return `no ${runtime}`;
  return await whyNoBusybox();
}

function exists(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch {
    return false;
  }
}

async function steps(runtime: string, list = STEPS): Promise<void> {
  const directory = await Deno.makeTempDir({ prefix: "runsc-podman-" });
  const storage = ["--root", `${directory}/root`, "--runroot", `${directory}/run`];
  const podman = (command: string): Promise<Outcome> =>
    runProgram([
      "/bin/sh",
      "-c",
      `exec podman ${storage.join(" ")} --storage-driver vfs --runtime ${runtime} ${command}`,
    ], { timeout: 60_000 });
  try {
    makeBusyboxRoot(`${directory}/busybox`);
    Deno.mkdirSync(`${directory}/volume`);
    Deno.writeTextFileSync(`${directory}/volume/in`, "in\n");
    const tar = await runProgram([
      "tar",
      "-C",
      `${directory}/busybox`,
      "-cf",
      `${directory}/tar`,
      ".",
    ]);
    assert.equal(tar.code, 0, tar.stderr);
    const imported = await podman(`import ${directory}/tar localhost/busybox`);
    assert.equal(imported.code, 0, imported.stderr);
    // Without CAP_SYS_RESOURCE limits can not be raised to what podman wants by itself.
    const flags = "--network none --ulimit nofile=1024:1024 --ulimit nproc=1000:1000";
    for (const [step, expected, status = 0] of list) {
      const command = step.replace("{}", flags).replace("IMAGE", "localhost/busybox")
        .replace("DIR", directory);
      const { code, stdout, stderr } = await podman(command);
      assert.equal(code, status, `${step}: ${stderr}`);
      if (typeof expected === "string") assert.equal(stdout, expected, step);
      else assert.match(stdout, expected, step);
    }
    assert.equal(await Deno.readTextFile(`${directory}/volume/out`), "out\n");
  } finally {
    await podman("pod rm -f -a -t 0");
    await podman("rm -f -a -t 0");
    await runProgram([
      "/bin/sh",
      "-c",
      `umount ${directory}/root/* 2>/dev/null; rm -rf ${directory}`,
    ]);
  }
}

Deno.test("podman runs, enters, pauses, stops and removes containers", async () => {
  const runtime = await runscPath();
  const why = await whyNot(runtime);
  if (why !== null) return leaveOut("podman", why);
  await steps(runtime);
});

Deno.test("podman runs the containers of a pod, which leave each other alone", async () => {
  const runtime = await runscPath();
  const why = await whyNot(runtime);
  if (why !== null) return leaveOut("podman pods", why);
  await steps(runtime, POD_STEPS);
});

Deno.test("the same steps give the same under runc, so that they say something", async () => {
  const runtime = findTool("runc") ?? "runc";
  const why = await whyNot(runtime);
  if (why !== null) return leaveOut("podman with runc", why);
  await steps(runtime);
});
