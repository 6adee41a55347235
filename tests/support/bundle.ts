/**
 * OCI bundles for tests: root file systems that are made once and kept in `dist/test-rootfs`, and configurations that
 * start from the default one.
 *
 * @module
 */
import { defaultSpec } from "../../src/container/default_spec.ts";
import type { OciSpec } from "../../src/container/oci_spec.ts";
import { type Outcome, type RunOptions, runProgram, runscPath } from "./runsc.ts";
import { findTool } from "./tools.ts";

const ROOTS = `${new URL("../..", import.meta.url).pathname}dist/test-rootfs`;

/** What the Debian root file system holds beside the smallest installation. */
const DEBIAN_PACKAGES = [
  ...["python3", "git", "sqlite3", "xz-utils", "bzip2", "gawk", "make", "gcc", "libc6-dev"],
  ...["vim-tiny", "bc", "file", "patch", "cpio", "bsdextrautils", "busybox-static"],
];

const made = new Map<string, Promise<string | null>>();

/** Makes a root file system where it is not there yet; null, and the reason is told, where it cannot be made. */
function once(
  name: string,
  make: (path: string) => Promise<string | null>,
): Promise<string | null> {
  let root = made.get(name);
  if (root === undefined) made.set(name, root = build(name, make));
  return root;
}

async function build(name: string, make: (path: string) => Promise<string | null>) {
  const path = `${ROOTS}/${name}`;
  if (await exists(path)) return path;
  await Deno.mkdir(ROOTS, { recursive: true });
  const scratch = await Deno.makeTempDir({ dir: ROOTS, prefix: `${name}-` });
  const problem = await make(scratch);
  if (problem === null) {
    await Deno.rename(scratch, path);
    await Deno.chmod(path, 0o755);
    return path;
  }
  console.log(`left out: tests in ${name}: ${problem}`);
  await runProgram(["rm", "-rf", scratch]);
  return null;
}

async function exists(path: string): Promise<boolean> {
  try {
    await Deno.lstat(path);
    return true;
  } catch {
    return false;
  }
}

/** Busybox, a link for each of its applets, and a few users. */
export function busyboxRoot(): Promise<string | null> {
  return once("busybox", async (root) => {
    const busybox = findTool("busybox");
    if (busybox === null) return "no busybox on this machine";
    for (const name of ["bin", "etc", "tmp", "root"]) await Deno.mkdir(`${root}/${name}`);
    await Deno.copyFile(await Deno.realPath(busybox), `${root}/bin/busybox`);
    await Deno.chmod(`${root}/bin/busybox`, 0o755);
    await Deno.chmod(`${root}/tmp`, 0o1777);
    const { stdout } = await runProgram([busybox, "--list"]);
    for (const applet of stdout.split("\n")) {
      if (applet === "" || applet === "busybox") continue;
      await Deno.symlink("busybox", `${root}/bin/${applet}`);
    }
    const users = "root:x:0:0:root:/root:/bin/sh\nguest:x:1000:1000::/tmp:/bin/sh\n";
    await Deno.writeTextFile(`${root}/etc/passwd`, users);
    await Deno.writeTextFile(`${root}/etc/group`, "root:x:0:\nguest:x:1000:\nextra:x:2000:\n");
    return null;
  });
}

/** A Debian system that mmdebstrap makes from this machine's package sources. */
export function debianRoot(): Promise<string | null> {
  return once("debian", async (root) => {
    if (findTool("mmdebstrap") === null) return "no mmdebstrap on this machine";
    if (Deno.uid() !== 0) return "mmdebstrap is run by root only";
    const sources = ["/etc/apt/sources.list.d/debian.sources", "/etc/apt/sources.list"];
    const own = [];
    for (const path of sources) if (own.length === 0 && await exists(path)) own.push(path);
    const include = `--include=${DEBIAN_PACKAGES.join(",")}`;
    const command = ["mmdebstrap", "--variant=minbase", include, "bookworm", root, ...own];
    try {
      const { code, stderr } = await runProgram(command, { timeout: 600_000 });
      return code === 0 ? null : `mmdebstrap failed: ${stderr.trim().split("\n").at(-1)}`;
    } catch (error) {
      return String(error);
    }
  });
}

/** Makes a bundle in a temporary directory, gives its path to the function, and removes it. */
export async function withBundle(
  root: string,
  args: string[],
  change: (spec: OciSpec) => void,
  use: (bundle: string) => Promise<void>,
): Promise<void> {
  const bundle = await Deno.makeTempDir({ prefix: "runsc-oci-" });
  try {
    const spec = JSON.parse(JSON.stringify(defaultSpec({ rootless: false }))) as OciSpec;
    if (spec.process === undefined || spec.root === undefined) {
      throw new Error("no default process");
    }
    spec.process.args = args;
    spec.process.terminal = false;
    spec.root.path = root;
    change(spec);
    await Deno.writeTextFile(`${bundle}/config.json`, JSON.stringify(spec, null, 1));
    await use(bundle);
  } finally {
    await runProgram(["rm", "-rf", bundle]);
  }
}

let serial = 0;

/** A name that no other container has. */
export function containerId(): string {
  return `test-${crypto.randomUUID().slice(0, 8)}-${serial++}`;
}

/** `runsc run` on a bundle. */
export async function runBundle(
  platform: string,
  bundle: string,
  options: RunOptions = {},
): Promise<Outcome> {
  const runsc = await runscPath();
  const command = [runsc, "--platform", platform, "run", "--bundle", bundle, containerId()];
  return await runProgram(command, options);
}

let reference: Promise<boolean> | null = null;

/** Whether runc starts containers here, so that it can be what runsc is compared with. */
export function hasReference(): Promise<boolean> {
  return reference ??= (async () => {
    const root = await busyboxRoot();
    if (root === null || findTool("runc") === null) return false;
    let works = false;
    await withBundle(root, ["true"], () => {}, async (bundle) => {
      works = (await runReference(bundle)).code === 0;
    });
    if (!works) console.log("left out: comparisons with runc, which starts no container here");
    return works;
  })();
}

/** `runc run` on a bundle. */
export async function runReference(bundle: string, options: RunOptions = {}): Promise<Outcome> {
  return await runProgram(["runc", "run", "--bundle", bundle, containerId()], options);
}
