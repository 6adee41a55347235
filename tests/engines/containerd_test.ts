import assert from "node:assert/strict";
import { type Outcome, runProgram, runscPath } from "../support/runsc.ts";
import { findTool } from "../support/tools.ts";
import { leaveOut, makeBusyboxRoot, whyNoBusybox } from "./support/busybox_root.ts";

async function whyNot(): Promise<string | null> {
  if (Deno.uid() !== 0) return "it needs root";
  for (const name of ["containerd", "ctr", "containerd-shim-runc-v2", "sha256sum"]) {
    if (findTool(name) === null) return `no ${name} on this machine`;
  }
  return await whyNoBusybox();
}

async function sha256(path: string): Promise<string> {
  return (await runProgram(["sha256sum", path])).stdout.slice(0, 64);
}

/** Makes an OCI image of a root file system, as `ctr image import` takes it; returns its path. */
async function makeImage(directory: string): Promise<string> {
  const layout = `${directory}/layout`;
  const blobs = `${layout}/blobs/sha256`;
  Deno.mkdirSync(blobs, { recursive: true });
  makeBusyboxRoot(`${directory}/busybox`);
  const layer = `${directory}/layer`;
  await runProgram(["tar", "-C", `${directory}/busybox`, "-cf", layer, "."]);
  const add = async (path: string, mediaType: string) => {
    const digest = await sha256(path);
    Deno.copyFileSync(path, `${blobs}/${digest}`);
    return { mediaType, digest: `sha256:${digest}`, size: Deno.statSync(path).size };
  };
  const write = (name: string, value: unknown) => {
    Deno.writeTextFileSync(`${directory}/${name}`, JSON.stringify(value));
    return `${directory}/${name}`;
  };
  const type = (name: string) => `application/vnd.oci.image.${name}`;
  const layerInfo = await add(layer, type("layer.v1.tar"));
  const config = write("config", {
    architecture: "amd64",
    os: "linux",
    config: { Env: ["PATH=/bin"], Cmd: ["sh"] },
    rootfs: { type: "layers", diff_ids: [layerInfo.digest] },
  });
  const manifest = write("manifest", {
    schemaVersion: 2,
    mediaType: type("manifest.v1+json"),
    config: await add(config, type("config.v1+json")),
    layers: [layerInfo],
  });
  const annotations = { "io.containerd.image.name": "localhost/busybox:latest" };
  const manifestInfo = await add(manifest, type("manifest.v1+json"));
  Deno.copyFileSync(
    write("index", { schemaVersion: 2, manifests: [{ ...manifestInfo, annotations }] }),
    `${layout}/index.json`,
  );
  Deno.writeTextFileSync(`${layout}/oci-layout`, '{"imageLayoutVersion":"1.0.0"}');
  const image = `${directory}/image.tar`;
  await runProgram(["tar", "-C", layout, "-cf", image, "."]);
  return image;
}

Deno.test("containerd runs, enters, pauses, kills and removes containers", async () => {
  const why = await whyNot();
  if (why !== null) return leaveOut("containerd", why);
  const runtime = await runscPath();
  const directory = await Deno.makeTempDir({ prefix: "runsc-containerd-" });
  const socket = `${directory}/socket`;
  const daemon = new Deno.Command("containerd", {
    args: ["--root", `${directory}/root`, "--state", `${directory}/state`, "--address", socket],
    stdin: "null",
    stdout: "null",
    stderr: "null",
  }).spawn();
  const ctr = (...args: string[]): Promise<Outcome> =>
    runProgram(["ctr", "--address", socket, ...args], { timeout: 60_000 });
  const must = async (...args: string[]) => {
    const { code, stdout, stderr } = await ctr(...args);
    assert.equal(code, 0, `${args.join(" ")}: ${stderr}`);
    return stdout;
  };
  try {
    for (let tries = 0; tries < 100 && (await ctr("version")).code !== 0; tries++);
    await must("image", "import", "--snapshotter", "native", await makeImage(directory));
    const flags = ["--runc-binary", runtime, "--snapshotter", "native"];
    const image = "localhost/busybox:latest";
    const run = (id: string, ...args: string[]) => ctr("run", "--rm", ...flags, image, id, ...args);
    assert.deepEqual(await run("one", "echo", "hi").then((r) => [r.code, r.stdout]), [0, "hi\n"]);
    assert.equal((await run("two", "sh", "-c", "exit 6")).code, 6);
    await must("run", "--detach", ...flags, image, "three", "sleep", "1000");
    assert.match(await must("task", "ls"), /three\s+\d+\s+RUNNING/);
    assert.equal(
      await must("task", "exec", "--exec-id", "a", "three", "echo", "inside"),
      "inside\n",
    );
    assert.equal(
      (await ctr("task", "exec", "--exec-id", "b", "three", "sh", "-c", "exit 4")).code,
      4,
    );
    assert.match(await must("task", "ps", "three"), /^PID.*\n1 /);
    await must("task", "pause", "three");
    assert.match(await must("task", "ls"), /three\s+\d+\s+PAUSED/);
    await must("task", "resume", "three");
    await must("task", "kill", "-s", "KILL", "three");
    while (!/three\s+\d+\s+STOPPED/.test(await must("task", "ls")));
    assert.match((await ctr("task", "rm", "three")).stderr, /exit code 137/);
    await must("container", "rm", "three");
    assert.equal(await must("container", "ls", "-q"), "");
  } finally {
    await ctr("task", "rm", "-f", "three");
    daemon.kill("SIGTERM");
    await daemon.status;
    await Deno.remove(directory, { recursive: true });
  }
});
