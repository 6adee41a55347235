/**
 * The boot loader: makes a kernel from a container's specification, starts its first process, runs
 * the sentry's loop and returns the exit status.
 */

import { errnoName, errnoText } from "../abi/errno.ts";
import { encodeBytes } from "../container/byte_string.ts";
import type { BootOptions, SandboxConfig } from "../container/config.ts";
import { RunscError } from "../container/error.ts";
import type { ContainerSpec } from "../container/oci_spec.ts";
import { registerDevices } from "../sentry/fs/dev/devices.ts";
import { ConsoleRelay } from "../sentry/fs/hostfd/console_relay.ts";
import { registerProc } from "../sentry/fs/proc/proc_file_system.ts";
import { registerSys } from "../sentry/fs/sys/sys_file_system.ts";
import { drainHostOutput } from "../sentry/fs/hostfd/host_file.ts";
import { registerMemoryFileSystems } from "../sentry/fs/register.ts";
import { bytesToString } from "../sentry/kernel/bytes.ts";
import { Clock } from "../sentry/kernel/clock.ts";
import { HostClockSource } from "../sentry/kernel/host_clock.ts";
import { HostPoller } from "../sentry/kernel/host_poller.ts";
import { Kernel } from "../sentry/kernel/kernel.ts";
import {
  CgroupNamespace,
  IpcNamespace,
  NetNamespace,
  NsProxy,
  TimeNamespace,
} from "../sentry/kernel/namespaces.ts";
import { startProcess } from "../sentry/kernel/process_start.ts";
import { RunLoop, type SyscallTrace } from "../sentry/kernel/run_loop.ts";
import type { Task } from "../sentry/kernel/task.ts";
import type { ThreadGroup } from "../sentry/kernel/thread_group.ts";
import { Loader } from "../sentry/loader/loader.ts";
import { hostTrustsCounter, Vdso } from "../sentry/loader/vdso.ts";
import { FrameAllocator } from "../sentry/mm/frames.ts";
import { refusal } from "../sentry/syscalls/dispatch.ts";
import { handlers } from "../sentry/syscalls/mod.ts";
import { PlainContext } from "../sentry/vfs/context.ts";
import { rootContext } from "../sentry/vfs/setup.ts";
import { Vfs } from "../sentry/vfs/vfs.ts";
import { DeathWatch } from "./death_watch.ts";
import { findExecutable } from "./executable.ts";
import { SignalForwarding } from "./forwarding.ts";
import { HostTerminal } from "./host_terminal.ts";
import { createPlatform } from "./platform.ts";
import { credentialsOf, rlimitsOf } from "./process_spec.ts";
import { buildMounts } from "./root_fs.ts";
import { buildFiles } from "./stdio.ts";

export { adoptArena } from "../../ffi/arena.ts";

/** Bytes of application memory and page cache that a sandbox can address. */
const MEMORY_SIZE = 64 * 2 ** 30;
const MAX_TASKS = 16384;

/** Runs a container to its end; resolves to its exit status, 128+N when signal N ended it. */
export async function bootContainer(
  spec: ContainerSpec,
  config: SandboxConfig,
  options: BootOptions,
  trace: SyscallTrace | null,
): Promise<number> {
  const frames = FrameAllocator.create(MEMORY_SIZE);
  const platform = createPlatform(config, frames);
  try {
    return await runContainer(
      spec,
      options,
      createKernel(spec, options, frames, platform),
      trace,
    );
  } finally {
    platform.destroy();
  }
}

function createKernel(
  spec: ContainerSpec,
  options: BootOptions,
  frames: FrameAllocator,
  platform: Kernel["platform"],
): Kernel {
  const log = options.log;
  const kernel = new Kernel({
    platform,
    frames,
    clock: new Clock(new HostClockSource()),
    log: { debug: (m) => log.debug(m), warn: (m) => log.warning(m) },
    hostname: text(spec.hostname ?? "runsc"),
    cpus: Math.max(1, navigator.hardwareConcurrency),
    maxTasks: MAX_TASKS,
  });
  kernel.vfs = new Vfs(kernel);
  kernel.loader = new Loader({
    hwcap: 0x178bfbff,
    minSigStack: 4096,
    vdso: new Vdso(frames, hostTrustsCounter()),
    random: (dst) => kernel.random(dst),
  });
  return kernel;
}

async function runContainer(
  spec: ContainerSpec,
  options: BootOptions,
  kernel: Kernel,
  trace: SyscallTrace | null,
): Promise<number> {
  const process = spec.process;
  const poller = new HostPoller(kernel.platform.wakeFd);
  new DeathWatch(kernel.platform, poller);
  const vfs = kernel.vfs;
  registerMemoryFileSystems(vfs);
  registerDevices(kernel);
  registerProc(kernel);
  registerSys(kernel);
  const relay = options.terminal ? new ConsoleRelay(kernel, poller, 0, 1) : null;
  const ns = buildMounts(kernel, spec, options);
  const creds = credentialsOf(process, kernel.userNs);
  const fs = rootContext(ns, process.user.umask ?? 0o22);
  const ctx = new PlainContext(kernel, creds, fs);
  const cwd = vfs.resolve(ctx, -100, text(process.cwd));
  if (typeof cwd === "number") {
    throw new RunscError({
      what: "cannot change to working directory",
      on: process.cwd,
      why: errnoText(-cwd),
    });
  }
  fs.setCwd(cwd);
  const forwarding = new SignalForwarding(poller, relay === null ? null : () => relay.resize());
  const files = buildFiles(kernel, ctx, poller, relay, options);
  const argv = process.args.map(text);
  const envp = (process.env ?? []).map(text);
  const path = findExecutable(vfs, ctx, argv[0], envp);
  const started = startProcess(kernel, {
    path,
    argv,
    envp,
    creds,
    rlimits: rlimitsOf(process),
    files,
    fs,
    nsproxy: new NsProxy(
      kernel.uts,
      new IpcNamespace(kernel.userNs),
      ns,
      new NetNamespace(kernel.userNs),
      new CgroupNamespace(kernel.userNs),
      new TimeNamespace(kernel.userNs),
      kernel.tasks,
      new TimeNamespace(kernel.userNs),
    ),
    exitWatcher: null,
    unkillable: options.protectInit,
    prepare: relay === null ? undefined : (t: Task) => relay.attach(t),
  });
  if (typeof started === "number") throw cannotExecute(process.args[0], started);
  const init = started.group;
  forwarding.to(init);
  writePidFile(options);
  return await waitForInit(kernel, poller, init, relay !== null, trace);
}

async function waitForInit(
  kernel: Kernel,
  poller: HostPoller,
  init: ThreadGroup,
  terminal: boolean,
  trace: SyscallTrace | null,
): Promise<number> {
  const loop = new RunLoop({ kernel, poller, handlers, refusal, trace });
  const host = terminal ? new HostTerminal(0) : null;
  host?.makeRaw();
  try {
    const done = () => init.isZombie || init.isReaped;
    loop.run(done);
    while (kernel.deferred !== null && !done()) {
      const work = kernel.deferred;
      await work();
      kernel.deferred = null;
      loop.run(done);
    }
  } finally {
    drainHostOutput();
    kernel.vfs.sync();
    host?.restore();
  }
  const code = init.exitCode;
  return (code & 0x7f) !== 0 ? 128 + (code & 0x7f) : (code >> 8) & 0xff;
}

function writePidFile(options: BootOptions): void {
  if (options.pidFile === null) return;
  try {
    Deno.writeTextFileSync(options.pidFile, String(Deno.pid));
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new RunscError({ what: "cannot write pid file", on: options.pidFile, why });
  }
}

function cannotExecute(name: string, r: number): RunscError {
  return new RunscError({
    what: "cannot execute",
    on: name,
    why: `${errnoText(-r)} (${errnoName(-r)})`,
  });
}

function text(s: string): string {
  const bytes = encodeBytes(s);
  return bytesToString(bytes, 0, bytes.length);
}
