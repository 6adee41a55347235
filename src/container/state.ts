/** What is kept of each container, in a directory of its own below the root of all state. */

import { checkContainerId } from "./container_id.ts";
import { reasonOf, RunscError } from "./error.ts";
import type { OciHooks } from "./oci_spec.ts";
import { SPEC_VERSION } from "./spec_version.ts";
import { anything, integer, mapOf, object, oneOf, optional, SchemaError, text } from "./schema.ts";

const MAX_STATE_SIZE = 16 * 1024 * 1024;
const STATE_FILE = "state.json";
const CGROUPS_FILE = "cgroups.json";

const cgroupPath = text({ max: 4095, pattern: /^\//, form: "an absolute path" });

const stateSchema = object({
  version: integer(1, 1),
  id: text({ max: 1024, empty: false }),
  pid: integer(1, 2 ** 22),
  /** Start time of the process, which tells it from a later one of the same number. */
  pidStart: text({ max: 32 }),
  status: oneOf(["creating", "created", "running", "paused"]),
  bundle: text({ max: 4095 }),
  rootfs: text({ max: 4095 }),
  created: text({ max: 64 }),
  uid: integer(0, 0xffffffff),
  annotations: optional(mapOf(text())),
  cgroups: mapOf(cgroupPath),
  hooks: optional(anything),
  sandbox: optional(text({ max: 1024, empty: false })),
});

/** The kept state of one container. */
export interface ContainerState {
  version: 1;
  id: string;
  /** The sandbox process, or the one that stands for a container in the sandbox of another. */
  pid: number;
  pidStart: string;
  status: "creating" | "created" | "running" | "paused";
  bundle: string;
  rootfs: string;
  created: string;
  uid: number;
  annotations?: Record<string, string>;
  /** Directory of the container's control group by controller. */
  cgroups: Record<string, string>;
  hooks?: OciHooks;
  /** The container whose sandbox it is in; missing where it has one of its own. */
  sandbox?: string;
}

export type Status = ContainerState["status"] | "stopped";

/** What runc's `state` prints, and what hooks read. */
export interface PublicState {
  ociVersion: string;
  id: string;
  pid: number;
  status: Status;
  bundle: string;
  rootfs: string;
  created: string;
  annotations?: Record<string, string>;
  owner: string;
}

/** Directory of one container. */
export function directoryOf(root: string, id: string): string {
  checkContainerId(id);
  return `${root}/${id}`;
}

/** Start time of a live process, in ticks since boot; null when there is none, or it has exited. */
export function startTimeOf(pid: number): string | null {
  try {
    const stat = Deno.readTextFileSync(`/proc/${pid}/stat`);
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" || fields[0] === "X" ? null : fields[19];
  } catch {
    return null;
  }
}

/** The status now: what was last written, unless the sandbox is gone. */
export function statusOf(state: ContainerState): Status {
  return startTimeOf(state.pid) === state.pidStart ? state.status : "stopped";
}

/** Reads the state of a container; throws where there is none or it is damaged. */
export function readState(root: string, id: string): ContainerState {
  const path = `${directoryOf(root, id)}/${STATE_FILE}`;
  try {
    const info = Deno.statSync(path);
    if (!info.isFile || info.size > MAX_STATE_SIZE) throw new SchemaError("", "it is no state");
    return stateSchema.check(JSON.parse(Deno.readTextFileSync(path)), "") as ContainerState;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) throw noSuchContainer(id);
    const why = error instanceof SchemaError || error instanceof SyntaxError
      ? `damaged: ${error.message}`
      : reasonOf(error);
    throw new RunscError({ what: "cannot read state", on: path, why });
  }
}

/** The error that a container is missing, in runc's words, which engines look for. */
export function noSuchContainer(id: string): RunscError {
  return new RunscError({ what: "container does not exist", on: id });
}

/** Writes the state so that readers see the old one or the new one, whole. */
export function writeState(root: string, state: ContainerState): void {
  const directory = directoryOf(root, state.id);
  const path = `${directory}/${STATE_FILE}`;
  const temporary = `${path}.${Deno.pid}`;
  try {
    Deno.writeTextFileSync(temporary, JSON.stringify(state) + "\n", { mode: 0o600 });
    Deno.renameSync(temporary, path);
  } catch (error) {
    throw new RunscError({ what: "cannot write state", on: path, why: reasonOf(error) });
  }
}

/** Writes down the control groups that are about to be made, for a command that dies before there is a state. */
export function recordCgroups(
  root: string,
  id: string,
  directories: Readonly<Record<string, string>>,
): void {
  const path = `${directoryOf(root, id)}/${CGROUPS_FILE}`;
  try {
    Deno.writeTextFileSync(path, JSON.stringify(directories), { mode: 0o600 });
  } catch (error) {
    throw new RunscError({ what: "cannot write", on: path, why: reasonOf(error) });
  }
}

/** The control groups that were written down; none where that is missing or damaged. */
export function recordedCgroups(root: string, id: string): Record<string, string> {
  try {
    const text = Deno.readTextFileSync(`${directoryOf(root, id)}/${CGROUPS_FILE}`);
    return mapOf(cgroupPath).check(JSON.parse(text), "");
  } catch {
    return {};
  }
}

/** The public form of a state. */
export function publicState(state: ContainerState, status: Status = statusOf(state)): PublicState {
  return {
    ociVersion: SPEC_VERSION,
    id: state.id,
    pid: status === "stopped" ? 0 : state.pid,
    status,
    bundle: state.bundle,
    rootfs: state.rootfs,
    created: state.created,
    ...(state.annotations === undefined ? {} : { annotations: state.annotations }),
    owner: state.uid === 0 ? "root" : userName(state.uid),
  };
}

function userName(uid: number): string {
  try {
    for (const line of Deno.readTextFileSync("/etc/passwd").split("\n")) {
      const [name, , id] = line.split(":");
      if (id === String(uid)) return name;
    }
  } catch {
    // Numbers do as well.
  }
  return String(uid);
}

/** Ids of all containers, those without a state of their own included. */
export function containerIds(root: string): string[] {
  try {
    return [...Deno.readDirSync(root)].filter((entry) => entry.isDirectory).map((e) => e.name)
      .filter((name) => /^[A-Za-z0-9_+,.-]+$/.test(name)).sort();
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return [];
    throw new RunscError({ what: "cannot read", on: root, why: reasonOf(error) });
  }
}

/** Exclusive use of a container's directory, for commands that change it. */
export class ContainerLock implements Disposable {
  readonly #file: Deno.FsFile;

  private constructor(file: Deno.FsFile) {
    this.#file = file;
  }

  /** Waits until no other command changes the container. */
  static take(root: string, id: string): ContainerLock {
    const directory = directoryOf(root, id);
    for (;;) {
      let file: Deno.FsFile;
      try {
        file = Deno.openSync(directory);
      } catch (error) {
        if (error instanceof Deno.errors.NotFound) throw noSuchContainer(id);
        throw new RunscError({ what: "cannot open", on: directory, why: reasonOf(error) });
      }
      file.lockSync(true);
      // Whoever had the lock may have removed the directory, and another may have made it anew.
      try {
        if (Deno.statSync(directory).ino === file.statSync().ino) return new ContainerLock(file);
      } catch {
        // Removed: the next round says so.
      }
      file.close();
    }
  }

  /** Makes the directory of a new container and takes its lock. */
  static create(root: string, id: string): ContainerLock {
    const directory = directoryOf(root, id);
    try {
      Deno.mkdirSync(root, { recursive: true, mode: 0o711 });
      Deno.mkdirSync(directory, { mode: 0o700 });
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) {
        throw new RunscError({ what: "container with given ID already exists", on: id });
      }
      throw new RunscError({ what: "cannot make", on: directory, why: reasonOf(error) });
    }
    return ContainerLock.take(root, id);
  }

  /** Lets others go on. */
  release(): void {
    this.#file.close();
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** Removes all that is kept of a container. */
export function removeDirectory(root: string, id: string): void {
  try {
    Deno.removeSync(directoryOf(root, id), { recursive: true });
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return;
    throw new RunscError({ what: "cannot remove state of", on: id, why: reasonOf(error) });
  }
}
