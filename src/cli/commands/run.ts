import * as libc from "../../../ffi/libc.ts";
import { hostKill, HostSignals } from "../../../ffi/signals.ts";
import { waitProcess } from "../../../ffi/spawn_process.ts";
import type { Bundle } from "../../container/bundle.ts";
import { type Entered, removeCgroup } from "../../container/cgroups.ts";
import { listenIn } from "../../container/control/client.ts";
import { RunscError } from "../../container/error.ts";
import { holdDirectory, holdParent } from "../../container/held_path.ts";
import { runLateHooks } from "../../container/hooks.ts";
import {
  ContainerLock,
  directoryOf,
  publicState,
  removeDirectory,
  writeState,
} from "../../container/state.ts";
import type { Invocation } from "../command.ts";
import type { COMMAND_FLAGS } from "../commands.ts";
import {
  descriptorCount,
  enterGroup,
  type Launch,
  newState,
  openBundle,
  runEarlyHooks,
  writePidFile,
} from "../launch.ts";
import { deleteContainer, killContainer, startContainer } from "../lifecycle.ts";
import { createGrouped, sandboxOf } from "../join_sandbox.ts";
import { runSandbox } from "../sandbox.ts";

const POLLIN = 1;
/** What people and engines send to a command: HUP, INT, QUIT, USR1, USR2, TERM. */
const FORWARDED = [1, 2, 3, 10, 12, 15];

/** The command `run`: creates a container of a bundle, starts it, waits for it and takes over its exit status. */
export async function runRun(invocation: Invocation<typeof COMMAND_FLAGS.run>): Promise<number> {
  const { config, flags, args: [id], log } = invocation;
  const launch: Launch = {
    id,
    bundle: flags.bundle,
    consoleSocket: flags["console-socket"],
    pidFile: flags["pid-file"],
    preserveFds: descriptorCount(flags["preserve-fds"]),
    attached: !flags.detach,
    config,
    log,
  };
  if (flags.detach) {
    createGrouped(launch);
    startContainer(config.root, id, log);
    return 0;
  }
  if (flags["console-socket"] !== null) {
    const why = "the container's terminal is this one unless it is detached";
    throw new RunscError({ what: "cannot use flag --console-socket", why });
  }
  const bundle = openBundle(launch);
  // The sandbox process itself may start no programs, so that somebody else has to run the last hooks.
  return (bundle.spec.hooks?.poststop ?? []).length > 0 || sandboxOf(bundle.spec) !== null
    ? runApart(launch, bundle, flags.keep)
    : await runHere(launch, bundle, flags.keep);
}

/** Runs the container in a process of its own, and waits for it. */
function runApart(launch: Launch, bundle: Bundle, keep: boolean): number {
  const { config, id, log } = launch;
  const state = createGrouped(launch, bundle);
  const signals = new HostSignals();
  for (const signo of FORWARDED) signals.catch(signo);
  try {
    startContainer(config.root, id, log);
  } catch (error) {
    deleteContainer(config.root, id, true, log);
    throw error;
  }
  const status = waitForwarding(state.pid, signals, (signal) => {
    if (state.sandbox === undefined) hostKill(state.pid, signal);
    else killContainer(config.root, id, signal, false, null);
  });
  if (!keep) deleteContainer(config.root, id, true, log);
  return status;
}

/** Waits for the sandbox process and hands signals on to it meanwhile. */
function waitForwarding(
  pid: number,
  signals: HostSignals,
  send: (signal: number) => void,
): number {
  const pidfd = libc.pidfd_open(pid, 0);
  const set = new Uint8Array(16);
  const view = new DataView(set.buffer);
  const byte = new Uint8Array(1);
  for (;;) {
    [pidfd, signals.fd].forEach((fd, i) => {
      view.setInt32(8 * i, fd, true);
      view.setUint32(8 * i + 4, POLLIN, true);
    });
    if (libc.poll(set, 2, -1) < 0) continue;
    if (view.getUint16(14, true) !== 0 && libc.read(signals.fd, byte, 1) === 1) {
      send(byte[0]);
    }
    if (pidfd < 0 || view.getUint16(6, true) !== 0) break;
  }
  const status = waitProcess(pid) ?? 0;
  return (status & 0x7f) !== 0 ? 128 + (status & 0x7f) : (status >> 8) & 0xff;
}

/** Runs the container in this very process. */
async function runHere(launch: Launch, bundle: Bundle, keep: boolean): Promise<number> {
  const { config, id, log } = launch;
  const lock = ContainerLock.create(config.root, id);
  const warn = (message: string) => log.warning(message);
  const state = newState(id, bundle, Deno.pid, {});
  let group: Entered | null = null;
  let started = false;
  // The sandbox leaves the host's mounts behind; what is to be removed in the end must stay within reach.
  const held: string[] = [];
  const root = keep ? config.root : holdDirectory(config.root);
  try {
    group = enterGroup(launch, bundle, true);
    state.cgroups = group.directories;
    for (const path of new Set(Object.values(group.directories))) held.push(holdParent(path));
    const control = listenIn(directoryOf(config.root, id));
    const { path, rootfs, spec } = bundle;
    const status = await runSandbox(spec, config, {
      id,
      bundle: path,
      rootfs,
      overlay: config.overlay === "memory" ? "memory" : "none",
      terminal: spec.process.terminal ?? false,
      console: null,
      control,
      waitForStart: false,
      ownRoot: false,
      onReady() {
        writeState(config.root, state);
        runEarlyHooks(state);
        state.status = "running";
        writeState(config.root, state);
        writePidFile(launch.pidFile, Deno.pid);
      },
      onStarted() {
        started = true;
        lock.release();
        runLateHooks("poststart", state.hooks?.poststart, publicState(state, "running"), warn);
      },
      protectInit: true,
      preserveFds: launch.preserveFds,
      log,
    }, group.entered);
    libc.close(control);
    group.leave();
    if (!keep) {
      using _lock = ContainerLock.take(root, id);
      removeCgroup(held);
      removeDirectory(root, id);
    }
    return status;
  } catch (error) {
    if (!started) {
      await group?.entered.catch(() => {});
      group?.leave();
      removeCgroup(Object.values(state.cgroups));
      removeDirectory(config.root, id);
    }
    throw error;
  }
}
