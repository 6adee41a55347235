/**
 * Control groups of the sandbox process, on cgroup v1, the hybrid of both, and v2 (cgroups(7)). It enters them while its
 * code is loaded, before it starts the stubs that programs run in.
 *
 * @module
 */

import { writeInBackground } from "../../ffi/background_write.ts";
import * as libc from "../../ffi/libc.ts";
import { cstr } from "../../ffi/syscall.ts";
import { ENOENT } from "../abi/errno.ts";
import { AT_FDCWD, AT_REMOVEDIR, O_CLOEXEC, O_WRONLY } from "../abi/fcntl.ts";
import { reasonOf, RunscError, shorten } from "./error.ts";
import { notOnHost, settingsOf } from "./cgroup_settings.ts";
import { holdDirectory } from "./held_path.ts";
import type { OciLinux } from "./oci_spec.ts";

type Resources = NonNullable<OciLinux["resources"]>;

/** A mounted hierarchy: its controllers and where it is mounted. */
interface Hierarchy {
  controllers: readonly string[];
  mount: string;
  v2: boolean;
  /** The group of this process in it. */
  own: string;
}

const WANTED = [
  "memory",
  "cpu",
  "cpuacct",
  "cpuset",
  "pids",
  "blkio",
  "freezer",
  "devices",
  "hugetlb",
  "net_cls",
  "net_prio",
  "rdma",
];

/** Hierarchies that the host has mounted, with the group of this process. */
function hierarchies(): Hierarchy[] {
  const own = new Map<string, string>();
  for (const line of read("/proc/self/cgroup").split("\n")) {
    const [, names, ...path] = line.split(":");
    if (names === undefined) continue;
    for (const name of names.split(",")) own.set(name, path.join(":"));
  }
  const found: Hierarchy[] = [];
  for (const line of read("/proc/self/mountinfo").split("\n")) {
    const [fields, after] = line.split(" - ");
    if (after === undefined) continue;
    const [type, , options] = after.split(" ");
    const mount = fields.split(" ")[4];
    if (found.some((each) => each.mount === mount)) continue;
    if (type === "cgroup2") {
      found.push({ controllers: ["unified"], mount, v2: true, own: own.get("") ?? "/" });
    } else if (type === "cgroup") {
      const controllers = options.split(",").filter((name) => own.has(name));
      if (controllers.length === 0) continue;
      found.push({ controllers, mount, v2: false, own: own.get(controllers[0])! });
    }
  }
  // On a hybrid host the unified hierarchy has no controllers: systemd's alone.
  const v1 = found.some((each) => !each.v2);
  return found.filter((each) =>
    each.v2 ? !v1 : each.controllers.some((name) => WANTED.includes(name))
  );
}

/**
 * Where systemd puts a scope that is described as SLICE:PREFIX:NAME: the parts of a slice's name are the slices above it
 * (systemd.slice(5)). As with runc everything may be left out but the two colons.
 */
function scopePath(given: string, id: string): string {
  const [slice, prefix, name, ...more] = given === "" ? ["", "runsc", id] : given.split(":");
  if (name === undefined || name === "" || more.length > 0 || given.includes("/")) {
    const why = "with --systemd-cgroup it must be of the form SLICE:PREFIX:NAME";
    throw new RunscError({ what: "invalid cgroupsPath", on: shorten(given), why });
  }
  const parts = slice === ""
    ? ["system"]
    : /^(-|[^-/]+(?:-[^-/]+)*)\.slice$/.exec(slice)?.[1].split("-");
  if (parts === undefined) {
    const on = shorten(given);
    throw new RunscError({ what: "invalid cgroupsPath", on, why: `${shorten(slice)} is no slice` });
  }
  let path = "";
  if (slice !== "-.slice") {
    parts.forEach((_, i) => path += `/${parts.slice(0, i + 1).join("-")}.slice`);
  }
  const unit = prefix === "" ? name : `${prefix}-${name}`;
  return `${path}/${unit.endsWith(".slice") ? unit : `${unit}.scope`}`;
}

/** The path of the group below the mount points, or null where no group is wanted. */
export function groupPath(
  linux: OciLinux | undefined,
  id: string,
  systemd: boolean,
): string | null {
  const given = linux?.cgroupsPath ?? "";
  if (systemd) return scopePath(given, id);
  if (given === "") return linux?.resources === undefined ? null : `/${id}`;
  const parts = given.split("/").filter((part) => part !== "" && part !== ".");
  if (parts.includes("..")) {
    throw new RunscError({ what: "invalid cgroupsPath", on: given, why: "it contains '..'" });
  }
  return parts.length === 0 ? null : `/${parts.join("/")}`;
}

/** A control group that was made and entered. */
export interface Entered {
  /** Its directories by controller. */
  directories: Record<string, string>;
  leave: () => void;
  /** Resolves when the process is in the group; rejects if it cannot get there, with nothing left behind. */
  entered: Promise<void>;
}

/**
 * Makes the control group of a container, sets its limits and enters it, which takes the kernel 10 ms: this process goes on
 * meanwhile, and `entered` tells when it is there. Returns the group's directories by controller and the way back. Without the rights to do so nothing happens, unless limits were asked for.
 */
export function enterCgroup(
  linux: OciLinux | undefined,
  id: string,
  options: {
    systemd: boolean;
    rootless: boolean;
    warn: (message: string) => void;
    /** Told what is about to be made, so that it can be removed whatever happens then. */
    record: (directories: Record<string, string>) => void;
    /** Whether this process enters; else one that it starts does, see {@link enterGroups}. */
    enter: boolean;
  },
): Entered {
  const none = { directories: {}, leave: () => {}, entered: Promise.resolve() };
  const path = groupPath(linux, id, options.systemd);
  if (path === null) return none;
  const directories: Record<string, string> = {};
  const back: string[] = [];
  const leave = () => {
    for (const procs of back) tryWrite(procs, "0");
  };
  const giveUp = (error: unknown) => {
    leave();
    removeCgroup(Object.values(directories));
    if (!options.rootless) throw error;
    // Rules for devices are in every specification; here no device of the host can be reached.
    const limited = Object.keys(linux?.resources ?? {}).some((name) => name !== "devices");
    if (limited) {
      options.warn(`no control group: ${error instanceof Error ? error.message : error}`);
    }
    for (const name of Object.keys(directories)) delete directories[name];
  };
  const doors: string[] = [];
  try {
    const relative = linux?.cgroupsPath?.startsWith("/") === false && !options.systemd;
    const baseOf = (hierarchy: Hierarchy) =>
      relative ? `${hierarchy.mount}${hierarchy.own}` : hierarchy.mount;
    const found = hierarchies();
    for (const hierarchy of found) {
      for (const name of hierarchy.controllers) directories[name] = `${baseOf(hierarchy)}${path}`;
    }
    options.record(directories);
    for (const hierarchy of found) makeGroup(hierarchy, baseOf(hierarchy), path);
    applyResources(directories, linux?.resources, options.warn);
    if (!options.enter) return { ...none, directories };
    for (const hierarchy of found) {
      const directory = directories[hierarchy.controllers[0]];
      if (directory === undefined) continue;
      doors.push(`${directory}/cgroup.procs`);
      back.push(`${holdDirectory(`${hierarchy.mount}${hierarchy.own}`)}/cgroup.procs`);
    }
    const entered = enterAll(doors).catch(giveUp);
    // Whoever waits hears of a failure; until then it is not left unhandled.
    entered.catch(() => {});
    return { directories, leave, entered };
  } catch (error) {
    giveUp(error);
    return none;
  }
}

/** Moves another process into groups. */
export function moveIntoGroups(directories: Readonly<Record<string, string>>, pid: number): void {
  for (const path of new Set(Object.values(directories))) {
    write(`${path}/cgroup.procs`, String(pid));
  }
}

/** Has this process enter groups that another made for it, while it goes on; resolves when it is there. */
export function enterGroups(
  directories: Readonly<Record<string, string>>,
  options: { rootless: boolean; warn: (message: string) => void },
): Promise<void> {
  const doors = [...new Set(Object.values(directories))].map((path) => `${path}/cgroup.procs`);
  const entered = enterAll(doors).catch((error: unknown) => {
    if (!options.rootless) throw error;
    options.warn(`no control group: ${error instanceof Error ? error.message : error}`);
  });
  entered.catch(() => {});
  return entered;
}

/** Enters groups on other threads, while this one goes on. */
async function enterAll(doors: readonly string[]): Promise<void> {
  const self = new TextEncoder().encode("0");
  await Promise.all(doors.map(async (door) => {
    const fd = libc.open(cstr(door), O_WRONLY | O_CLOEXEC, 0);
    const entered = fd >= 0 && await writeInBackground(fd, self);
    if (fd >= 0) libc.close(fd);
    // Another try tells what is wrong.
    if (!entered) write(door, "0");
  }));
}

function makeGroup(hierarchy: Hierarchy, base: string, path: string): void {
  let at = base;
  for (const part of path.split("/").slice(1)) {
    const parent = at;
    at = `${at}/${part}`;
    if (hierarchy.v2) enableControllers(parent);
    try {
      Deno.mkdirSync(at, { mode: 0o755 });
    } catch (error) {
      if (!(error instanceof Deno.errors.AlreadyExists)) {
        throw new RunscError({ what: "cannot make cgroup", on: at, why: reasonOf(error) });
      }
    }
    if (hierarchy.controllers.includes("cpuset")) inheritCpuset(parent, at);
  }
}

/** A v1 cpuset takes no process before it has processors and memory nodes. */
function inheritCpuset(parent: string, child: string): void {
  for (const name of ["cpuset.cpus", "cpuset.mems"]) {
    if (read(`${child}/${name}`).trim() === "") {
      tryWrite(`${child}/${name}`, read(`${parent}/${name}`).trim());
    }
  }
}

function enableControllers(directory: string): void {
  for (const name of read(`${directory}/cgroup.controllers`).trim().split(/\s+/)) {
    if (name !== "") tryWrite(`${directory}/cgroup.subtree_control`, `+${name}`);
  }
}

/** Sets the limits of `resources` in the groups; used by `update`, too. */
export function applyResources(
  directories: Record<string, string>,
  resources: Resources | undefined,
  warn: (message: string) => void,
): void {
  if (resources === undefined) return;
  const unified = directories.unified;
  const later: [path: string, value: string][] = [];
  for (const setting of settingsOf(resources, unified !== undefined)) {
    const { controller, otherwise } = setting;
    let { file, value } = setting;
    const directory = unified ?? directories[controller];
    if (directory === undefined) {
      warn(`the host has no ${controller} controller: ${file} is not set`);
      continue;
    }
    if (otherwise !== null && !exists(`${directory}/${file}`)) ({ file, value } = otherwise);
    const path = `${directory}/${file}`;
    if (file === "memory.limit_in_bytes") {
      // More than memory and swap together may have is refused, until that is raised, too.
      try {
        write(path, value);
      } catch {
        later.push([path, value]);
      }
    } else write(path, value);
  }
  for (const [path, value] of later) write(path, value);
  for (const [file, value] of Object.entries(resources.unified ?? {})) {
    if (unified === undefined) {
      throw new RunscError({ what: "cannot set", on: file, why: "the host has no cgroup v2" });
    }
    if (file.includes("/")) throw new RunscError({ what: "invalid cgroup file", on: file });
    write(`${unified}/${file}`, value);
  }
  const leftOut = notOnHost(resources, unified !== undefined);
  if (leftOut.length > 0) warn(`limits of linux.resources that are not set: ${leftOut.join(", ")}`);
}

function exists(path: string): boolean {
  try {
    Deno.statSync(path);
    return true;
  } catch {
    return false;
  }
}

/** Removes the groups of a container that ended. Processes that still end in them are waited for a little. */
export function removeCgroup(directories: Iterable<string>): void {
  for (const directory of new Set(directories)) {
    for (let tries = 0; tries < 50; tries++) {
      // Not by Deno's own function: a process under the filter of the sandbox may make no other call than this.
      const r = libc.unlinkat(AT_FDCWD, libc.cstr(directory), AT_REMOVEDIR);
      if (r === 0 || r === -ENOENT) break;
      killAll(directory);
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10);
    }
  }
}

function killAll(directory: string): void {
  for (const line of read(`${directory}/cgroup.procs`).split("\n")) {
    const pid = Number(line);
    if (pid <= 1 || pid === Deno.pid) continue;
    try {
      Deno.kill(pid, "SIGKILL");
    } catch {
      // Gone meanwhile.
    }
  }
}

function read(path: string): string {
  try {
    return Deno.readTextFileSync(path);
  } catch {
    return "";
  }
}

function write(path: string, value: string): void {
  try {
    Deno.writeTextFileSync(path, value, { create: false });
  } catch (error) {
    const text = value.length > 40 ? `${value.slice(0, 40)}…` : value;
    throw new RunscError({ what: `cannot write ${text} to`, on: path, why: reasonOf(error) });
  }
}

function tryWrite(path: string, value: string): void {
  try {
    Deno.writeTextFileSync(path, value, { create: false });
  } catch {
    // The kernel says what it needs when a process enters.
  }
}
