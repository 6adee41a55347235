import * as libc from "../../../ffi/libc.ts";
import { removeCgroup } from "../../container/cgroups.ts";
import { listenIn } from "../../container/control/client.ts";
import { RunscError } from "../../container/error.ts";
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
  createContainer,
  descriptorCount,
  enterGroup,
  type Launch,
  newState,
  openBundle,
  runEarlyHooks,
  writePidFile,
} from "../launch.ts";
import { removeContainer, startContainer } from "../lifecycle.ts";
import { runSandbox } from "../sandbox.ts";

/** The command `run`: creates a container of a bundle, starts it, waits for it and takes over its exit status. */
export async function runRun(invocation: Invocation<typeof COMMAND_FLAGS.run>): Promise<number> {
  const { config, flags, args: [id], log } = invocation;
  const launch: Launch = {
    id,
    bundle: flags.bundle,
    consoleSocket: flags["console-socket"],
    pidFile: flags["pid-file"],
    preserveFds: descriptorCount(flags["preserve-fds"]),
    config,
    log,
  };
  if (flags.detach) {
    createContainer(launch);
    startContainer(config.root, id, log);
    return 0;
  }
  if (flags["console-socket"] !== null) {
    const why = "the container's terminal is this one unless it is detached";
    throw new RunscError({ what: "cannot use flag --console-socket", why });
  }
  return await runHere(launch, flags.keep);
}

/** Runs the container in this very process. */
async function runHere(launch: Launch, keep: boolean): Promise<number> {
  const { config, id, log } = launch;
  const bundle = openBundle(launch);
  const lock = ContainerLock.create(config.root, id);
  const warn = (message: string) => log.warning(message);
  const state = newState(id, bundle, Deno.pid, {});
  let leave = () => {};
  let started = false;
  try {
    const group = enterGroup(launch, bundle);
    leave = group.leave;
    state.cgroups = group.directories;
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
    });
    libc.close(control);
    leave();
    if (!keep) {
      using _lock = ContainerLock.take(config.root, id);
      removeContainer(config.root, state, log);
    }
    return status;
  } catch (error) {
    if (!started) {
      leave();
      removeCgroup(state.cgroups);
      removeDirectory(config.root, id);
    }
    throw error;
  }
}
