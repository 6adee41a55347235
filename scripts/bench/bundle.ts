/** The guest programs and the OCI bundle that they run in. */
import { findProgram, run } from "./process.ts";

const SOURCES = new URL("src/", import.meta.url).pathname;
const DYNAMIC = new Set(["clock"]);
const LIBRARIES = ["/lib64/ld-linux-x86-64.so.2", "/lib/x86_64-linux-gnu/libc.so.6"];

/** A directory with a root file system and with one configuration at a time. */
export class Bundle {
  readonly directory: string;
  readonly rootfs: string;
  /** A host program that times others. */
  readonly launcher: string;

  private constructor(directory: string) {
    this.directory = directory;
    this.rootfs = `${directory}/rootfs`;
    this.launcher = `${directory}/launch`;
  }

  /** Compiles all programs and lays out the root file system. */
  static async make(directory: string): Promise<Bundle> {
    const bundle = new Bundle(directory);
    const { rootfs } = bundle;
    const directories = ["bench", "bin", "dev", "proc", "tmp", "lib64", "lib/x86_64-linux-gnu"];
    for (const name of directories) await Deno.mkdir(`${rootfs}/${name}`, { recursive: true });
    const compiled: Promise<unknown>[] = [];
    for (const { name } of Deno.readDirSync(SOURCES)) {
      if (!name.endsWith(".c")) continue;
      const program = name.slice(0, -2);
      const output = program === "launch" ? bundle.launcher : `${rootfs}/bench/${program}`;
      const link = DYNAMIC.has(program) ? [] : ["-static"];
      const flags = ["-O2", "-pthread", ...link, "-o", output, `${SOURCES}${name}`];
      compiled.push(run("gcc", flags, 60));
    }
    await Promise.all(compiled);
    await Deno.writeTextFile(`${rootfs}/bench/data`, "a file of some text\n".repeat(400));
    await Deno.copyFile("/bin/busybox", `${rootfs}/bin/busybox`);
    for (const applet of ["sh", "true"]) await Deno.symlink("busybox", `${rootfs}/bin/${applet}`);
    for (const library of LIBRARIES) {
      await Deno.copyFile(await Deno.realPath(library), `${rootfs}${library}`);
    }
    await bundle.#addGit();
    return bundle;
  }

  /** Git with the libraries that it needs, where this machine has it. */
  async #addGit(): Promise<void> {
    const git = findProgram("git", () => true);
    if (git === null) return;
    await Deno.copyFile(git, `${this.rootfs}/bin/git`);
    for (const [, library] of (await run("ldd", [git], 10)).matchAll(/=> (\/\S+)/g)) {
      await Deno.mkdir(`${this.rootfs}${library.replace(/[^/]*$/, "")}`, { recursive: true });
      await Deno.copyFile(await Deno.realPath(library), `${this.rootfs}${library}`);
    }
  }

  /** Makes the next container run this program of the `bench` directory. */
  configure(program: readonly string[]): void {
    const config = configuration([`/bench/${program[0]}`, ...program.slice(1)]);
    Deno.writeTextFileSync(`${this.directory}/config.json`, JSON.stringify(config));
  }
}

function configuration(args: string[]): unknown {
  const capabilities = ["CAP_KILL", "CAP_NET_BIND_SERVICE", "CAP_DAC_OVERRIDE", "CAP_CHOWN"];
  return {
    ociVersion: "1.0.2",
    process: {
      terminal: false,
      user: { uid: 0, gid: 0 },
      args,
      env: ["PATH=/bin"],
      cwd: "/",
      capabilities: {
        bounding: capabilities,
        effective: capabilities,
        permitted: capabilities,
      },
      noNewPrivileges: true,
    },
    root: { path: "rootfs", readonly: true },
    hostname: "bench",
    mounts: [
      { destination: "/proc", type: "proc", source: "proc" },
      { destination: "/tmp", type: "tmpfs", source: "tmpfs", options: ["size=1g"] },
      {
        destination: "/dev",
        type: "tmpfs",
        source: "tmpfs",
        options: ["nosuid", "strictatime", "mode=755", "size=65536k"],
      },
    ],
    linux: {
      namespaces: ["pid", "network", "ipc", "uts", "mount"].map((type) => ({ type })),
    },
  };
}
