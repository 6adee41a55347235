/** How a container is created in the sandbox of another one: as containerd and CRI-O group them, by annotations. */

import * as libc from "../../ffi/libc.ts";
import { hostKill } from "../../ffi/signals.ts";
import { spawnKeeper, waitProcess } from "../../ffi/spawn_process.ts";
import { ENOTDIR, errnoText } from "../abi/errno.ts";
import { O_CLOEXEC, O_DIRECTORY, O_PATH } from "../abi/fcntl.ts";
import { type Bundle, loadBundle } from "../container/bundle.ts";
import { moveIntoGroups, removeCgroup } from "../container/cgroups.ts";
import { ControlClient } from "../container/control/client.ts";
import { RunscError } from "../container/error.ts";
import type { ContainerSpec } from "../container/oci_spec.ts";
import {
  containerIds,
  ContainerLock,
  type ContainerState,
  directoryOf,
  readState,
  removeDirectory,
  statusOf,
  writeState,
} from "../container/state.ts";
import { openPty, sendConsole } from "./console.ts";
import {
  checkTerminal,
  createContainer,
  enterGroup,
  type Launch,
  newState,
  openBundle,
  runEarlyHooks,
  writePidFile,
} from "./launch.ts";

const SIGKILL = 9;

/** What tells that a container is one of several, and whose sandbox it joins. */
const GROUPING = [
  { type: "io.kubernetes.cri.container-type", sandbox: "io.kubernetes.cri.sandbox-id" },
  { type: "io.kubernetes.cri-o.ContainerType", sandbox: "io.kubernetes.cri-o.SandboxID" },
];

/** The container whose sandbox one joins by its annotations, or null. */
export function sandboxOf({ annotations }: ContainerSpec): string | null {
  for (const { type, sandbox } of GROUPING) {
    if (annotations?.[type] !== "container") continue;
    const id = annotations[sandbox] ?? "";
    if (id !== "") return id;
    throw new RunscError({ what: "the sandbox to join is missing", on: `annotation ${sandbox}` });
  }
  return null;
}

function readSandbox(root: string, id: string): ContainerState {
  const state = readState(root, id);
  const status = statusOf(state);
  const why = state.sandbox !== undefined
    ? `it is itself in the sandbox ${state.sandbox}`
    : status !== "running" && status !== "paused"
    ? `it is ${status}`
    : null;
  if (why === null) return state;
  throw new RunscError({ what: "cannot join the sandbox of", on: id, why });
}

/** Creates a container, in a sandbox of its own unless its annotations name another one's. */
export function createGrouped(launch: Launch, bundle: Bundle = openBundle(launch)): ContainerState {
  const sandbox = sandboxOf(bundle.spec);
  return sandbox === null
    ? createContainer(launch, bundle)
    : createInSandbox(launch, bundle, sandbox);
}

/** Creates a container in the sandbox of `sandboxId`. A process of the host stands for it, and exits as it does. */
function createInSandbox(
  launch: Launch,
  bundle: Bundle,
  sandboxId: string,
): ContainerState {
  const { id, config } = launch;
  const sandbox = readSandbox(config.root, sandboxId);
  checkTerminal(launch, bundle);
  if (bundle.spec.process.terminal === true && launch.consoleSocket === null) {
    const why = "in the sandbox of another container it has to go to --console-socket";
    throw new RunscError({ what: "cannot allocate tty", why });
  }
  using _lock = ContainerLock.create(config.root, id);
  const open: number[] = [];
  let cgroups: Record<string, string> = {};
  let keeper = 0;
  try {
    const pair = new Int32Array(2);
    const r = libc.pipe2(pair, O_CLOEXEC);
    if (r < 0) throw new RunscError({ what: "cannot make a pipe", why: errnoText(-r) });
    open.push(...pair);
    cgroups = enterGroup(launch, bundle, false).directories;
    keeper = spawnKeeper(pair[0], bundle.rootfs === "/" ? null : bundle.rootfs);
    if (keeper < 0) throw new RunscError({ what: "cannot fork", why: errnoText(-keeper) });
    moveIntoGroups(cgroups, keeper);
    // Only the one who stands for the container may hold this end.
    libc.close(open.shift()!);
    const state: ContainerState = {
      ...newState(id, bundle, keeper, cgroups),
      sandbox: sandboxId,
    };
    writeState(config.root, state);
    const { trees, fds } = openTrees(bundle, open);
    const streams = openStreams(launch, bundle, open);
    using client = new ControlClient(directoryOf(config.root, sandboxId));
    client.call("create", {
      id,
      bundle: bundle.path,
      rootfs: bundle.rootfs,
      overlay: config.overlay === "memory",
      spec: { ...bundle.spec, hooks: undefined, annotations: undefined },
      trees,
      share: sharedNamespaces(launch, bundle.spec, sandbox),
      stdio: streams.length,
    }, [pair[1], ...fds, ...streams]);
    runEarlyHooks(state);
    state.status = "created";
    writeState(config.root, state);
    writePidFile(launch.pidFile, keeper);
    return state;
  } catch (error) {
    if (keeper > 0) {
      hostKill(keeper, SIGKILL);
      waitProcess(keeper, 5000);
    }
    removeCgroup(Object.values(cgroups));
    removeDirectory(config.root, id);
    throw error;
  } finally {
    for (const fd of open) libc.close(fd);
  }
}

interface Tree {
  path: string;
  file?: string;
}

/** Opens the root file system and the sources of bind mounts, which the sandbox can not reach by itself. */
function openTrees(bundle: Bundle, open: number[]): { trees: Tree[]; fds: number[] } {
  const trees: Tree[] = [];
  const fds: number[] = [];
  const add = (path: string): void => {
    if (trees.some((tree) => tree.path === path)) return;
    let file: string | undefined;
    let fd = openDirectory(path);
    if (fd === -ENOTDIR) {
      const real = Deno.realPathSync(path);
      const slash = real.lastIndexOf("/");
      file = real.slice(slash + 1);
      fd = openDirectory(slash === 0 ? "/" : real.slice(0, slash));
    }
    if (fd < 0) throw new RunscError({ what: "cannot mount", on: path, why: errnoText(-fd) });
    open.push(fd);
    fds.push(fd);
    trees.push(file === undefined ? { path } : { path, file });
  };
  add(bundle.rootfs);
  for (const { type, source = "", options = [] } of bundle.spec.mounts ?? []) {
    if (type !== "bind" && !options.includes("bind") && !options.includes("rbind")) continue;
    add(source.startsWith("/") ? source : `${bundle.path}/${source}`);
  }
  return { trees, fds };
}

function openDirectory(path: string): number {
  return libc.open(libc.cstr(path), O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
}

/** The container's terminal, or its standard streams and what is preserved. */
function openStreams(launch: Launch, bundle: Bundle, open: number[]): number[] {
  if (launch.consoleSocket === null) {
    return Array.from({ length: 3 + launch.preserveFds }, (_, fd) => fd);
  }
  const { master, slave } = openPty(bundle.spec.process.consoleSize);
  open.push(master, slave);
  sendConsole(launch.consoleSocket, master);
  return [slave];
}

/** Which container of the sandbox each kind of namespace is shared with; those that are not named are new. */
function sharedNamespaces(
  { config, log }: Launch,
  spec: ContainerSpec,
  sandbox: ContainerState,
): Record<string, string> {
  const shared: Record<string, string> = {};
  const given = spec.linux?.namespaces ?? [];
  let first: readonly { type: string; path?: string | undefined }[] | null = null;
  for (const type of ["uts", "ipc", "pid", "network"]) {
    const wanted = given.find((each) => each.type === type);
    // The host's namespaces are out of reach: to a container those of the sandbox's own one come nearest.
    if (wanted === undefined) shared[type] = sandbox.id;
    const path = wanted?.path ?? "";
    if (path === "") continue;
    const pid = /^\/proc\/(\d+)\/ns\//.exec(path)?.[1];
    const owner = pid === undefined ? null : containerOf(config.root, sandbox, Number(pid));
    first ??= loadBundle(sandbox.bundle).spec.linux?.namespaces ?? [];
    if (owner !== null) shared[type] = owner;
    else if (first.some((each) => each.type === type && each.path === path)) {
      shared[type] = sandbox.id;
    } else if (type === "network") {
      shared[type] = sandbox.id;
      log.warning(`network namespace ${path} is not the sandbox's: the sandbox's is taken`);
    } else {log.warning(
        `${type} namespace ${path} is no container's of the sandbox: a new one is made`,
      );}
  }
  return shared;
}

/** The container of a sandbox for which the process `pid` stands, or null. */
function containerOf(root: string, sandbox: ContainerState, pid: number): string | null {
  if (sandbox.pid === pid) return sandbox.id;
  for (const id of containerIds(root)) {
    try {
      const state = readState(root, id);
      if (state.pid === pid && state.sandbox === sandbox.id) return id;
    } catch {
      // One that is just being made or removed.
    }
  }
  return null;
}
