import assert from "node:assert/strict";
import { type Outcome, runProgram, runscPath } from "../support/runsc.ts";
import { findTool } from "../support/tools.ts";
import { leaveOut, makeBusyboxRoot, whyNoBusybox } from "./support/busybox_root.ts";

/** Docker's own client: other programs go by the name of docker, too. */
const CLIENT = "/usr/bin/docker";

async function whyNot(): Promise<string | null> {
  if (Deno.uid() !== 0) return "it needs root";
  for (const name of ["dockerd", "containerd", "runc"]) {
    if (findTool(name) === null) return `no ${name} on this machine`;
  }
  const { stdout } = await runProgram([CLIENT, "--version"]).catch(() => ({ stdout: "" }));
  if (!stdout.startsWith("Docker version")) return "no docker on this machine";
  return await whyNoBusybox();
}

/** A daemon of its own, with an image and the runtimes runc and runsc. */
class Docker implements AsyncDisposable {
  readonly directory: string;
  readonly #daemon: Deno.ChildProcess;

  private constructor(directory: string, daemon: Deno.ChildProcess) {
    this.directory = directory;
    this.#daemon = daemon;
  }

  /** Starts it; null where it does not start. */
  static async start(runsc: string): Promise<Docker | null> {
    const directory = await Deno.makeTempDir({ prefix: "runsc-docker-" });
    const config = { runtimes: { runsc: { path: runsc } } };
    Deno.writeTextFileSync(`${directory}/daemon.json`, JSON.stringify(config));
    const daemon = new Deno.Command("dockerd", {
      args: [
        ...["--config-file", `${directory}/daemon.json`, "--host", `unix://${directory}/socket`],
        ...["--data-root", `${directory}/data`, "--exec-root", `${directory}/exec`],
        ...["--pidfile", `${directory}/pid`, "--storage-driver", "vfs"],
        ...["--iptables=false", "--bridge=none"],
      ],
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    const docker = new Docker(directory, daemon);
    for (let tries = 0; tries < 100; tries++) {
      if ((await docker.run("version")).code === 0) return docker;
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    await docker[Symbol.asyncDispose]();
    return null;
  }

  run(...args: string[]): Promise<Outcome> {
    const host = ["--host", `unix://${this.directory}/socket`];
    return runProgram([CLIENT, ...host, ...args], { timeout: 60_000 });
  }

  async must(...args: string[]): Promise<string> {
    const { code, stdout, stderr } = await this.run(...args);
    assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
    return stdout;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#daemon.kill("SIGTERM");
    await this.#daemon.status;
    await Deno.remove(this.directory, { recursive: true });
  }
}

/** Takes a container through what people do with it; everything that was seen. */
async function steps(docker: Docker, runtime: string): Promise<string[]> {
  const seen: string[] = [];
  const note = ({ code, stdout }: Outcome) => seen.push(`${code} ${stdout}`);
  const flags = ["--network", "none", "--runtime", runtime];
  const run = (...args: string[]) => docker.run("run", "--rm", ...flags, ...args);
  note(await run("image", "sh", "-c", "echo hi; id -u; exit 3"));
  note(
    await run("--init", "--user", "5:6", "--hostname", "here", "image", "sh", "-c", "id; hostname"),
  );
  note(await run("--env", "A=b", "--workdir", "/tmp", "image", "sh", "-c", "echo $A; pwd"));
  note(await run("--volume", `${docker.directory}:/v:ro`, "image", "cat", "/v/word"));
  const script = "echo started; exec sleep 1000";
  const limits = ["--read-only", "--memory", "256m", "--cap-drop", "ALL"];
  await docker.must(
    "run",
    "--detach",
    "--name",
    "box",
    ...flags,
    ...limits,
    "image",
    "sh",
    "-c",
    script,
  );
  note(await docker.run("exec", "box", "sh", "-c", "echo x > /x; echo $?"));
  note(await docker.run("exec", "--user", "7", "box", "id", "-u"));
  note(await docker.run("exec", "box", "sh", "-c", "exit 9"));
  for (const verb of ["pause", "unpause"]) {
    await docker.must(verb, "box");
    seen.push(await docker.must("inspect", "--format", "{{.State.Status}}", "box"));
  }
  note(await docker.run("logs", "box"));
  await docker.must("kill", "--signal", "KILL", "box");
  note(await docker.run("wait", "box"));
  seen.push(
    await docker.must("inspect", "--format", "{{.State.Status}} {{.State.ExitCode}}", "box"),
  );
  await docker.must("rm", "box");
  seen.push(await docker.must("ps", "--all", "--quiet"));
  return seen;
}

Deno.test("docker does with containers of runsc what it does with those of runc", async () => {
  const why = await whyNot();
  if (why !== null) return leaveOut("docker", why);
  await using docker = await Docker.start(await runscPath());
  if (docker === null) return leaveOut("docker", "dockerd does not start on this machine");
  Deno.writeTextFileSync(`${docker.directory}/word`, "from outside\n");
  makeBusyboxRoot(`${docker.directory}/root`);
  const image = `${docker.directory}/image.tar`;
  await runProgram(["tar", "-C", `${docker.directory}/root`, "-cf", image, "."]);
  const change = ["--change", "ENV PATH=/bin"];
  await docker.must("import", ...change, image, "image");
  const expected = await steps(docker, "runc");
  assert.equal(expected[0], "3 hi\n0\n");
  assert.deepEqual(await steps(docker, "runsc"), expected);
});
