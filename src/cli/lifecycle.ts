/** What commands do to a container that exists. */

import * as libc from "../../ffi/libc.ts";
import { errnoText } from "../abi/errno.ts";
import { removeCgroup } from "../container/cgroups.ts";
import { ControlClient } from "../container/control/client.ts";
import { RunscError, shorten } from "../container/error.ts";
import { runLateHooks } from "../container/hooks.ts";
import type { Log } from "../container/log.ts";
import {
  ContainerLock,
  type ContainerState,
  directoryOf,
  publicState,
  readState,
  recordedCgroups,
  removeDirectory,
  startTimeOf,
  statusOf,
  writeState,
} from "../container/state.ts";

const SIGKILL = 9;
const POLLIN = 1;
/** How long a sandbox that was killed may take to be gone, milliseconds. */
const KILL_TIMEOUT = 10_000;

/** Connects to the sandbox of a container. */
export function connect(root: string, { id, sandbox }: ContainerState): ControlClient {
  return new ControlClient(directoryOf(root, sandbox ?? id), sandbox === undefined ? null : id);
}

/** Throws unless the container runs, paused or not. */
export function requireRunning(state: ContainerState): void {
  const status = statusOf(state);
  if (status === "running" || status === "paused") return;
  throw new RunscError({ what: "container not running", on: state.id, why: `it is ${status}` });
}

/** Starts the program of a container that was created. */
export function startContainer(root: string, id: string, log: Log): void {
  using _lock = ContainerLock.take(root, id);
  const state = readState(root, id);
  const status = statusOf(state);
  if (status === "stopped") {
    throw new RunscError({ what: "cannot start a container that has stopped", on: id });
  }
  if (status !== "created") {
    throw new RunscError({ what: "cannot start an already running container", on: id });
  }
  using client = connect(root, state);
  client.call("start");
  state.status = "running";
  writeState(root, state);
  const warn = (message: string) => log.warning(message);
  runLateHooks("poststart", state.hooks?.poststart, publicState(state, "running"), warn);
}

/** Sends a signal to the first process of a container, to all, or to one. */
export function killContainer(
  root: string,
  id: string,
  signal: number,
  all: boolean,
  pid: string | null,
): void {
  const state = readState(root, id);
  if (pid !== null && !/^[1-9]\d{0,6}$/.test(pid)) {
    const on = JSON.stringify(shorten(pid, 40));
    throw new RunscError({ what: "flag --pid must be a process id, not", on });
  }
  if (statusOf(state) === "stopped") {
    // A container that is gone has nobody to signal, which `--all` takes for done.
    if (all) return;
    throw new RunscError({ what: "container not running", on: id });
  }
  using client = connect(root, state);
  client.call("signal", { signal, all, ...(pid === null ? {} : { pid: Number(pid) }) });
}

/** Kills the sandbox process and waits until it is gone. */
function killSandbox(state: ContainerState): void {
  const pidfd = libc.pidfd_open(state.pid, 0);
  if (pidfd < 0) return;
  try {
    // Looked at after the descriptor was made: the process it names can not change any more.
    if (startTimeOf(state.pid) !== state.pidStart) return;
    libc.pidfd_send_signal(pidfd, SIGKILL, null, 0);
    const set = new Uint8Array(8);
    const view = new DataView(set.buffer);
    view.setInt32(0, pidfd, true);
    view.setUint16(4, POLLIN, true);
    const n = libc.poll(set, 1, KILL_TIMEOUT);
    if (n < 0) throw new RunscError({ what: "cannot wait for the sandbox", why: errnoText(-n) });
    if (n === 0) throw new RunscError({ what: "the sandbox does not end", on: String(state.pid) });
  } finally {
    libc.close(pidfd);
  }
}

/** Takes a container out of the sandbox of another one. */
function leaveSandbox(root: string, state: ContainerState): void {
  if (state.sandbox === undefined) return;
  try {
    using client = connect(root, state);
    client.call("destroy");
  } catch {
    // The sandbox has ended, or knows no such container any more.
  }
}

/** Removes a container, and with `force` kills it before. */
export function deleteContainer(root: string, id: string, force: boolean, log: Log): void {
  let state: ContainerState | null = null;
  let lock: ContainerLock;
  try {
    lock = ContainerLock.take(root, id);
  } catch (error) {
    if (force && error instanceof RunscError && error.what === "container does not exist") return;
    throw error;
  }
  using _lock = lock;
  try {
    state = readState(root, id);
  } catch (error) {
    // A command that was killed while it made the container leaves a directory alone, and a sandbox that ends by itself.
    if (!force) throw error;
    log.warning(error instanceof Error ? error.message : String(error));
  }
  if (state === null) {
    removeCgroup(Object.values(recordedCgroups(root, id)));
    removeDirectory(root, id);
    return;
  }
  const status = statusOf(state);
  if (status !== "stopped") {
    if (!force && status !== "created") {
      throw new RunscError({
        what: "cannot delete container that is not stopped",
        on: id,
        why: `it is ${status}`,
      });
    }
    leaveSandbox(root, state);
    killSandbox(state);
  } else leaveSandbox(root, state);
  removeContainer(root, state, log);
}

/** Removes what is kept of a container that has ended, and runs its last hooks. */
export function removeContainer(root: string, state: ContainerState, log: Log): void {
  removeCgroup(Object.values(state.cgroups));
  removeDirectory(root, state.id);
  const warn = (message: string) => log.warning(message);
  runLateHooks("poststop", state.hooks?.poststop, publicState(state, "stopped"), warn);
}
