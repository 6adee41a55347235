/** How commands create a container: its state, its control group and its sandbox process. */

import * as libc from "../../ffi/libc.ts";
import { hostKill } from "../../ffi/signals.ts";
import { spawnProgram, waitProcess } from "../../ffi/spawn_process.ts";
import { errnoText } from "../abi/errno.ts";
import { type Bundle, loadBundle } from "../container/bundle.ts";
import { encodeBytes } from "../container/byte_string.ts";
import { enterCgroup, type Entered, removeCgroup } from "../container/cgroups.ts";
import { checkContainerId } from "../container/container_id.ts";
import type { SandboxConfig } from "../container/config.ts";
import type { ContainerSpec } from "../container/oci_spec.ts";
import { receivePacket, sendPacket } from "../container/control/channel.ts";
import { listenIn } from "../container/control/client.ts";
import { reasonOf, RunscError, shorten } from "../container/error.ts";
import { runHooks } from "../container/hooks.ts";
import type { Log } from "../container/log.ts";
import {
  ContainerLock,
  type ContainerState,
  directoryOf,
  publicState,
  recordCgroups,
  removeDirectory,
  startTimeOf,
  writeState,
} from "../container/state.ts";
import { openPty, sendConsole } from "./console.ts";
import { hostEnvironment } from "./invocation.ts";

const AF_UNIX = 1;
const SOCK_SEQPACKET_CLOEXEC = 0x80005;
const O_RDWR_CLOEXEC = 0x80002;
const SIGKILL = 9;
const CLONE_NEWPID = 0x20000000;

/** What `create` and `run` are told. */
export interface Launch {
  id: string;
  bundle: string;
  consoleSocket: string | null;
  pidFile: string | null;
  preserveFds: number;
  /** Whether the command stays until the container ends, and the container's terminal is its own. */
  attached: boolean;
  config: SandboxConfig;
  log: Log;
}

/** The value of `--preserve-fds`. */
export function descriptorCount(text: string): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  const on = JSON.stringify(shorten(text, 40));
  throw new RunscError({ what: "flag --preserve-fds must be a number, not", on });
}

/** Members of a specification that mean nothing in the sandbox, or what it does not do. */
function notCarriedOut({ process, linux }: ContainerSpec): string[] {
  const ignored: string[] = [];
  const note = (name: string, given: boolean) => given && ignored.push(name);
  const policy = process.scheduler?.policy ?? "SCHED_OTHER";
  note("linux.seccomp.listenerPath", linux?.seccomp?.listenerPath !== undefined);
  note("linux.uidMappings", (linux?.uidMappings ?? []).length > 0);
  note("linux.gidMappings", (linux?.gidMappings ?? []).length > 0);
  note("linux.timeOffsets", Object.keys(linux?.timeOffsets ?? {}).length > 0);
  note("linux.intelRdt", linux?.intelRdt !== undefined);
  note("linux.netDevices", linux?.netDevices !== undefined);
  note("linux.memoryPolicy", linux?.memoryPolicy !== undefined);
  note("linux.mountLabel", (linux?.mountLabel ?? "") !== "");
  note(`process.scheduler.policy ${policy}`, policy !== "SCHED_OTHER" && policy !== "SCHED_BATCH");
  note("process.ioPriority", process.ioPriority !== undefined);
  note("process.apparmorProfile", (process.apparmorProfile ?? "") !== "");
  note("process.selinuxLabel", (process.selinuxLabel ?? "") !== "");
  return ignored;
}

/** Reads the bundle and tells what of it the sandbox does not carry out. */
export function openBundle({ id, bundle: directory, log }: Launch): Bundle {
  checkContainerId(id);
  const bundle = loadBundle(directory);
  const { spec } = bundle;
  const ignored = notCarriedOut(spec);
  if (ignored.length > 0) log.warning(`not carried out by the sandbox: ${ignored.join(", ")}`);
  if ((spec.hooks?.startContainer ?? []).length > 0) {
    const why = "hooks are not run inside of the sandbox";
    throw new RunscError({ what: "cannot run hooks.startContainer", why });
  }
  return bundle;
}

/** The first state of a container whose sandbox is the process `pid`. */
export function newState(
  id: string,
  bundle: Bundle,
  pid: number,
  cgroups: Record<string, string>,
): ContainerState {
  return {
    version: 1,
    id,
    pid,
    pidStart: startTimeOf(pid) ?? "gone",
    status: "creating",
    bundle: bundle.path,
    rootfs: bundle.rootfs,
    created: new Date().toISOString(),
    uid: Deno.uid() ?? 0,
    ...(bundle.spec.annotations === undefined ? {} : { annotations: bundle.spec.annotations }),
    cgroups,
    ...(bundle.spec.hooks === undefined ? {} : { hooks: bundle.spec.hooks }),
  };
}

/** Runs the hooks that come before the first process. */
export function runEarlyHooks(state: ContainerState): void {
  const { hooks } = state;
  if (hooks === undefined) return;
  const shown = publicState(state, "creating");
  runHooks("prestart", hooks.prestart, shown);
  runHooks("createRuntime", hooks.createRuntime, shown);
  runHooks("createContainer", hooks.createContainer, shown);
}

/** Writes a process id to a file, which readers see whole or not at all. */
export function writePidFile(path: string | null, pid: number): void {
  if (path === null) return;
  const slash = path.lastIndexOf("/") + 1;
  const temporary = `${path.slice(0, slash)}.${path.slice(slash)}.${Deno.pid}`;
  try {
    Deno.writeTextFileSync(temporary, String(pid));
    Deno.renameSync(temporary, path);
  } catch (error) {
    throw new RunscError({ what: "cannot write pid file", on: path, why: reasonOf(error) });
  }
}

/** Whether what only root may do is left out where it is refused. */
export function isRootless(config: SandboxConfig): boolean {
  return config.rootless === "true" || Deno.uid() !== 0;
}

/** Makes the container's control group, and with `enter` enters it, as far as the configuration asks for it. */
export function enterGroup(launch: Launch, bundle: Bundle, enter: boolean): Entered {
  const { config, log, id } = launch;
  if (config.ignoreCgroups) return { directories: {}, leave() {}, entered: Promise.resolve() };
  return enterCgroup(bundle.spec.linux, id, {
    systemd: config.systemdCgroup,
    rootless: isRootless(config),
    warn: (message) => log.warning(message),
    record: (directories) => recordCgroups(config.root, id, directories),
    enter,
  });
}

/** Throws unless there is somewhere for the container's terminal to go, if it has one. */
export function checkTerminal(launch: Launch, bundle: Bundle): void {
  const terminal = bundle.spec.process.terminal === true;
  if (terminal && launch.consoleSocket === null && !launch.attached) {
    throw new RunscError({
      what: "cannot allocate tty",
      why: "a detached container sends its terminal to --console-socket, which is missing",
    });
  }
  if (!terminal && launch.consoleSocket !== null) {
    throw new RunscError({
      what: "cannot use console socket",
      why: "the container has no terminal (process.terminal)",
    });
  }
}

/** Creates a container: its sandbox has everything ready and waits for the start. */
export function createContainer(launch: Launch, bundle: Bundle): ContainerState {
  const { id, config } = launch;
  checkTerminal(launch, bundle);
  using _lock = ContainerLock.create(config.root, id);
  let pid = 0;
  let cgroups: Record<string, string> = {};
  const open: number[] = [];
  try {
    const socket = listenIn(directoryOf(config.root, id));
    open.push(socket);
    const [own, theirs] = socketPair();
    open.push(own, theirs);
    const fds = [socket, theirs];
    if (launch.consoleSocket !== null) {
      const { master, slave } = openPty(bundle.spec.process.consoleSize);
      open.push(master, slave);
      fds.push(slave);
      sendConsole(launch.consoleSocket, master);
    }
    cgroups = enterGroup(launch, bundle, false).directories;
    pid = spawnSandbox(launch, bundle, fds, Object.keys(cgroups).length > 0);
    libc.close(open.splice(open.indexOf(theirs), 1)[0]);
    awaitReady(own);
    const state = newState(id, bundle, pid, cgroups);
    writeState(config.root, state);
    runEarlyHooks(state);
    state.status = "created";
    writeState(config.root, state);
    writePidFile(launch.pidFile, pid);
    // From here on the sandbox lives without this command.
    sendPacket(own, "go");
    return state;
  } catch (error) {
    if (pid > 0) {
      hostKill(pid, SIGKILL);
      waitProcess(pid, 5000);
    }
    removeCgroup(Object.values(cgroups));
    removeDirectory(config.root, id);
    throw error;
  } finally {
    for (const fd of open) libc.close(fd);
  }
}

function socketPair(): [number, number] {
  const pair = new Int32Array(2);
  const r = libc.socketpair(AF_UNIX, SOCK_SEQPACKET_CLOEXEC, 0, pair);
  if (r < 0) throw new RunscError({ what: "cannot make sockets", why: errnoText(-r) });
  return [pair[0], pair[1]];
}

/**
 * Starts `runsc boot` in a process id namespace of its own, where nothing of the host can be signalled; its descriptors
 * from 3 on are the preserved ones, the control socket, and that to report on.
 */
function spawnSandbox(
  launch: Launch,
  bundle: Bundle,
  fds: readonly number[],
  hasGroups: boolean,
): number {
  const { config } = launch;
  const first = 3 + launch.preserveFds;
  const { path, argv } = selfCommand();
  const child = [
    ...argv,
    ...globalFlags(config),
    "boot",
    "--bundle",
    bundle.path,
    "--preserve-fds",
    String(launch.preserveFds),
    ...(fds.length > 2 ? ["--console"] : []),
    ...(hasGroups ? ["--cgroups"] : []),
    launch.id,
  ];
  const map = new Map(fds.map((fd, i) => [first + i, fd]));
  let nothing = -1;
  if (fds.length > 2) {
    // The container has its terminal alone: whoever reads the output of this command must see its end.
    nothing = libc.open(libc.cstr("/dev/null"), O_RDWR_CLOEXEC, 0);
    if (nothing >= 0) map.set(0, nothing).set(1, nothing);
    map.set(2, fds[2]);
  }
  const pid = spawnProgram({
    path,
    argv: child.map(encodeBytes),
    envp: hostEnvironment().map(encodeBytes),
    fds: map,
    inherit: first,
    session: !launch.attached,
    namespaces: isRootless(config) ? 0 : CLONE_NEWPID,
    dieWithParent: launch.attached,
  });
  if (nothing >= 0) libc.close(nothing);
  if (pid < 0) throw new RunscError({ what: "cannot start the sandbox", why: errnoText(-pid) });
  return pid;
}

/** The command line that runs this program again. */
function selfCommand(): { path: string; argv: string[] } {
  const path = Deno.execPath();
  return path.endsWith("/deno")
    ? { path, argv: ["deno", "run", "-A", Deno.mainModule] }
    : { path: "/proc/self/exe", argv: ["runsc"] };
}

function globalFlags(config: SandboxConfig): string[] {
  const flags = [
    "--root",
    config.root,
    "--platform",
    config.platform,
    "--network",
    config.network,
    "--overlay",
    config.overlay,
    "--file-access",
    config.fileAccess,
    "--file-access-mounts",
    config.fileAccessMounts,
    "--rootless",
    config.rootless,
    "--log-format",
    config.logFormat,
  ];
  if (config.log !== null) flags.push("--log", config.log);
  if (config.cacheMemory !== null) flags.push("--cache-memory", String(config.cacheMemory));
  if (!config.netRaw) flags.push("--net-raw", "false");
  if (!config.gso) flags.push("--gso", "false");
  if (config.logPackets) flags.push("--log-packets");
  if (config.pcap !== null) flags.push("--pcap", config.pcap);
  if (config.debug) flags.push("--debug");
  if (config.strace) flags.push("--strace");
  if (config.systemdCgroup) flags.push("--systemd-cgroup");
  if (config.disableSeccomp) flags.push("--disable-seccomp");
  return flags;
}

/** Waits until the sandbox says that it is ready; throws what it could not do. */
function awaitReady(socket: number): void {
  const packet = receivePacket(socket);
  if (packet === null || typeof packet === "number") {
    throw new RunscError({ what: "the sandbox ended before it was ready" });
  }
  if (packet.text !== "ready") throw new RunscError({ what: packet.text });
}
