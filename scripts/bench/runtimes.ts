/** The ways to run a program that are compared. */
import type { Bundle } from "./bundle.ts";
import { findProgram, run } from "./process.ts";

/** Runs a bundle, or the programs of its root file system directly. */
export interface Runtime {
  key: "native" | "runsc" | "runsc-ptrace" | "runc" | "crun" | "gvisor";
  title: string;
  /** The command line that runs what the bundle is configured for, to its end. */
  command(bundle: Bundle, program: readonly string[]): string[];
  /** Ends whatever a failed run left behind. */
  cleanUp(): Promise<void>;
}

/** Hides the second hierarchy of a hybrid cgroup mount, which crun refuses to work beside. */
const WITHOUT_UNIFIED = 'umount /sys/fs/cgroup/unified; exec "$0" "$@"';

/** Gives the root file system that it is told a file system in memory. */
const WITH_TMPFS = 'mount -t tmpfs -o size=1g none "$0/tmp" && PATH=/bin:$PATH exec "$@"';

class NativeRuntime implements Runtime {
  readonly key = "native";
  readonly title = "native";

  command(bundle: Bundle, program: readonly string[]): string[] {
    const chroot = ["chroot", bundle.rootfs, `/bench/${program[0]}`, ...program.slice(1)];
    if (program[0] !== "storage") return chroot;
    return ["unshare", "--mount", "sh", "-c", WITH_TMPFS, bundle.rootfs, ...chroot];
  }

  async cleanUp(): Promise<void> {}
}

class OciRuntime implements Runtime {
  readonly key: Runtime["key"];
  readonly title: string;
  readonly #prefix: string[];
  readonly #base: string[];
  #count = 0;
  #id = "";

  constructor(key: Runtime["key"], title: string, base: string[], prefix: string[] = []) {
    this.key = key;
    this.title = title;
    this.#base = base;
    this.#prefix = prefix;
  }

  command(bundle: Bundle): string[] {
    this.#id = `bench-${Deno.pid}-${++this.#count}`;
    return [...this.#prefix, ...this.#base, "run", "--bundle", bundle.directory, this.#id];
  }

  async cleanUp(): Promise<void> {
    const [program, ...args] = [...this.#prefix, ...this.#base, "delete", "--force", this.#id];
    await run(program, args, 10).catch(() => {});
  }
}

/** All run-times that are installed. `own` is the executable under test, `state` a directory. */
export function findRuntimes(own: string, state: string, all: boolean): Runtime[] {
  const runtimes: Runtime[] = [new NativeRuntime()];
  const root = (name: string) => ["--root", `${state}/${name}`];
  // Without control groups, as the other sandbox here is run.
  const flags = ["--ignore-cgroups"];
  runtimes.push(new OciRuntime("runsc", "runsc", [own, ...root("own"), ...flags]));
  if (all) {
    const base = [own, ...root("own-ptrace"), "--platform", "ptrace", ...flags];
    runtimes.push(new OciRuntime("runsc-ptrace", "runsc, ptrace", base));
  }
  const runc = findProgram("runc", () => true);
  if (runc !== null) runtimes.push(new OciRuntime("runc", "runc", [runc, ...root("runc")]));
  const crun = findProgram("crun", () => true);
  if (crun !== null) {
    const hybrid = isDirectory("/sys/fs/cgroup/unified");
    const prefix = hybrid ? ["unshare", "--mount", "sh", "-c", WITHOUT_UNIFIED] : [];
    runtimes.push(new OciRuntime("crun", "crun", [crun, ...root("crun")], prefix));
  }
  const gvisor = findProgram("runsc", (path) => path !== own && isGVisor(path));
  if (gvisor !== null) {
    const flags = ["--platform=ptrace", "--network=none", "--ignore-cgroups"];
    runtimes.push(new OciRuntime("gvisor", "gVisor", [gvisor, ...root("gvisor"), ...flags]));
  }
  return runtimes;
}

function isDirectory(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch {
    return false;
  }
}

/** gVisor is a Go program that names its specification. */
function isGVisor(path: string): boolean {
  const { stdout } = new Deno.Command(path, { args: ["--version"], stderr: "null" }).outputSync();
  return /^runsc version [^\n]*\nspec: /.test(new TextDecoder().decode(stdout));
}
