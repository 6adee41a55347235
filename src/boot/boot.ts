/**
 * The boot loader: makes a kernel from a container's specification, starts its first process, runs
 * the sentry's loop and returns the exit status.
 */

import { errnoName } from "../abi/errno.ts";
import type { BootOptions, SandboxConfig } from "../container/config.ts";
import { RunscError } from "../container/error.ts";
import type { ContainerSpec } from "../container/oci_spec.ts";
import { registerMqueue } from "../sentry/fs/mqueue/mqueue_file_system.ts";
import { registerDevices } from "../sentry/fs/dev/devices.ts";
import { registerProc } from "../sentry/fs/proc/proc_file_system.ts";
import { registerSys } from "../sentry/fs/sys/sys_file_system.ts";
import { drainHostOutput } from "../sentry/fs/hostfd/host_file.ts";
import { registerMemoryFileSystems } from "../sentry/fs/register.ts";
import { Clock } from "../sentry/kernel/clock.ts";
import { HostClockSource } from "../sentry/kernel/host_clock.ts";
import { HostPoller } from "../sentry/kernel/host_poller.ts";
import { Kernel } from "../sentry/kernel/kernel.ts";
import { RunLoop, type SyscallTrace } from "../sentry/kernel/run_loop.ts";
import type { ThreadGroup } from "../sentry/kernel/thread_group.ts";
import { Loader } from "../sentry/loader/loader.ts";
import { hostTrustsCounter, Vdso } from "../sentry/loader/vdso.ts";
import { FrameAllocator } from "../sentry/mm/frames.ts";
import { refusal } from "../sentry/syscalls/dispatch.ts";
import { loadFamilies } from "../sentry/syscalls/lazy.ts";
import { handlers } from "../sentry/syscalls/mod.ts";
import { Vfs } from "../sentry/vfs/vfs.ts";
import { trimCodeLater } from "./code_trim.ts";
import { Container } from "./container.ts";
import { ControlServer } from "./control/server.ts";
import { TraceSwitch } from "./control/trace_switch.ts";
import { exitStatusOf } from "./exit_status.ts";
import { DeathWatch } from "./death_watch.ts";
import { SignalForwarding } from "./forwarding.ts";
import { HostTerminal } from "./host_terminal.ts";
import { isolateProcess } from "./isolation.ts";
import { confineSentry, describeFilter, filterOf } from "./sentry_filter.ts";
import { enterOwnRoot, mayOwnRoot } from "./own_root.ts";
import { createPlatform } from "./platform.ts";
import { byteText, dropCapability } from "./process_spec.ts";

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
  const platform = await createPlatform(config, frames, (m) => options.log.debug(m));
  try {
    return await runContainer(
      spec,
      config,
      options,
      createKernel(spec, options, frames, platform),
      trace,
    );
  } finally {
    if (platform.report !== undefined) options.log.debug(platform.report());
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
    hostname: byteText(spec.hostname ?? "runsc"),
    cpus: Math.max(1, navigator.hardwareConcurrency),
    maxTasks: MAX_TASKS,
  });
  if (spec.domainname !== undefined) kernel.uts.domainname = byteText(spec.domainname);
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
  config: SandboxConfig,
  options: BootOptions,
  kernel: Kernel,
  trace: SyscallTrace | null,
): Promise<number> {
  if (!config.netRaw) dropCapability(spec.process, "CAP_NET_RAW");
  const poller = new HostPoller(kernel.platform.wakeFd);
  new DeathWatch(kernel.platform, poller);
  registerMemoryFileSystems(kernel.vfs);
  registerMqueue(kernel.vfs);
  registerDevices(kernel);
  registerProc(kernel);
  registerSys(kernel);
  if (config.network === "host") {
    options.log.warning("--network=host gives no sockets of the host; the sandbox has its own");
  }
  // Before the container's root takes the place of the host's, where the namespace has its name.
  const network = usesHostNetwork(spec, config, options)
    ? (await import("./network/host_network.ts")).openHostNetwork(spec, config, options)
    : null;
  const { vfs } = kernel;
  vfs.sharedRoot = config.fileAccess === "shared";
  vfs.sharedBinds = config.fileAccessMounts === "shared";
  if (config.cacheMemory !== null) vfs.hostCachePages = Math.ceil(config.cacheMemory / 4096);
  const container = new Container(kernel, poller, spec, options);
  container.network = network;
  const profile = spec.linux?.seccomp;
  if (profile !== undefined) {
    container.seccomp = (await import("./seccomp_profile.ts")).seccompOf(profile);
  }
  const { relay } = container;
  const forwarding = new SignalForwarding(poller, relay === null ? null : () => relay.resize());
  const traceSwitch = trace === null ? null : new TraceSwitch(trace);
  const loop = new RunLoop({ kernel, poller, handlers, refusal, trace: traceSwitch });
  const control = options.control === null
    ? null
    : new ControlServer({ container, config, loop, trace: traceSwitch, socket: options.control });
  let hasRoot = false;
  if (options.ownRoot && mayOwnRoot(options.rootfs)) {
    const r = enterOwnRoot(options.rootfs);
    hasRoot = r === 0;
    if (r < 0) options.log.debug(`no mount namespace of its own: ${errnoName(-r)}`);
  }
  options.onReady?.();
  if (control !== null && options.waitForStart) {
    control.awaitStart();
    if (container.init === null) return control.exitStatus;
  } else container.start();
  const init = container.init!;
  forwarding.to(init);
  options.onStarted?.();
  if (!isSelfContained()) await loadAllCode();
  const status = await waitForInit(container, loop, init, () => {
    const keepNetwork = network !== null || config.network === "host";
    const hasProcessors = kernel.platform.name === "kvm";
    isolateProcess({ hasRoot, keepNetwork, hasProcessors, log: options.log });
    confine(container, config);
  });
  control?.finish(status);
  return status;
}

/** Whether all code is part of the executable, so that what is loaded later comes without the host's file system. */
function isSelfContained(): boolean {
  return Deno.mainModule.startsWith("file:///proc/");
}

/** Loads what would be loaded when it is first wanted: a confined process cannot compile source files. */
async function loadAllCode(): Promise<void> {
  await loadFamilies();
  await import("../sentry/socket/inet/inet_families.ts");
  await import("./seccomp_profile.ts");
  await import("./control/members.ts");
}

/** Whether there is anything on the host that the container's network could be joined to. */
function usesHostNetwork(
  spec: ContainerSpec,
  config: SandboxConfig,
  options: BootOptions,
): boolean {
  if (config.network === "none") return false;
  const wanted = spec.linux?.namespaces?.find(({ type }) => type === "network");
  if (wanted === undefined) return false;
  // Who has a new namespace to be filled does so between creation and start, or by a hook.
  const { prestart, createRuntime } = spec.hooks ?? {};
  return (wanted.path ?? "") !== "" || options.waitForStart ||
    (prestart ?? []).length + (createRuntime ?? []).length > 0;
}

async function waitForInit(
  container: Container,
  loop: RunLoop,
  init: ThreadGroup,
  confine: () => void,
): Promise<number> {
  const { kernel, relay, options } = container;
  trimCodeLater(kernel.timers);
  const host = relay !== null && options.console === null ? new HostTerminal(0) : null;
  host?.makeRaw();
  try {
    confine();
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
    relay?.drain();
    kernel.vfs.sync();
    host?.restore();
  }
  return exitStatusOf(init);
}

/** Puts the process under its filter, unless it is told not to. */
function confine(container: Container, config: SandboxConfig): void {
  const { log } = container.options;
  if (config.disableSeccomp) {
    log.warning("the sandbox process has no seccomp filter: whoever takes it over has the host");
    return;
  }
  const filter = filterOf(container.kernel.platform.name, container.network?.linked ?? false);
  if (log.debugging) log.debug(describeFilter(filter));
  const confined = confineSentry(filter);
  if (confined < 0) {
    throw new RunscError({
      what: "cannot confine the sandbox process",
      why: `seccomp: ${errnoName(-confined)}`,
    });
  }
}
