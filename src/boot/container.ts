/** One container in a kernel: what is built before its first process, and the processes started in it. */

import { ENOENT, ENOTDIR, errnoName, errnoText } from "../abi/errno.ts";
import type { BootOptions } from "../container/config.ts";
import { RunscError } from "../container/error.ts";
import type { ContainerSpec, OciProcess } from "../container/oci_spec.ts";
import { ConsoleRelay } from "../sentry/fs/hostfd/console_relay.ts";
import type { HostPoller } from "../sentry/kernel/host_poller.ts";
import type { Kernel } from "../sentry/kernel/kernel.ts";
import {
  CgroupNamespace,
  type IpcNamespace,
  NetNamespace,
  NsProxy,
  TimeNamespace,
  type UtsNamespace,
} from "../sentry/kernel/namespaces.ts";
import { publishAnswers } from "../sentry/kernel/answers.ts";
import type { PidNamespace } from "../sentry/kernel/pid.ts";
import { startProcess } from "../sentry/kernel/process_start.ts";
import type { SeccompState, Task } from "../sentry/kernel/task.ts";
import type { ExitWatcher, ThreadGroup } from "../sentry/kernel/thread_group.ts";
import { PlainContext } from "../sentry/vfs/context.ts";
import type { FdTable } from "../sentry/vfs/fd_table.ts";
import type { FsContext } from "../sentry/vfs/fs_context.ts";
import type { MountNamespace } from "../sentry/vfs/mount_namespace.ts";
import { makeDirectories, rootContext } from "../sentry/vfs/setup.ts";
import { makeDeviceNodes } from "./device_nodes.ts";
import { findExecutable } from "./executable.ts";
import { withHome } from "./home_directory.ts";
import { HostTerminal } from "./host_terminal.ts";
import { byteText, credentialsOf, rlimitsOf } from "./process_spec.ts";
import { buildMounts, type OpenTree } from "./root_fs.ts";
import { protectPaths } from "./protected_paths.ts";
import { buildFiles } from "./stdio.ts";
import { Sysctls } from "./sysctls.ts";

/** A process that is looked up and has its descriptors, but does not run yet. */
export interface PreparedProcess {
  process: OciProcess;
  path: string;
  envp: string[];
  ctx: PlainContext;
  fs: FsContext;
  files: FdTable;
  relay: ConsoleRelay | null;
}

/** The network of the host that a container is joined to. */
export interface ContainerNetwork {
  /** Whether an interface of the host is in use. */
  readonly linked: boolean;
  /** Joins it; called once, right before the first process starts. */
  join(container: Container): void;
}

/** What a container gets from outside: namespaces, and what was opened for it. */
export interface ContainerPlace {
  readonly uts: UtsNamespace;
  readonly ipc: IpcNamespace;
  readonly net: NetNamespace;
  readonly pids: PidNamespace;
  readonly openTree: OpenTree | undefined;
  readonly openFiles: ((ctx: PlainContext) => FdTable) | null;
  readonly exitWatcher: ExitWatcher | null;
}

/** The place of the first container of a kernel. */
function firstPlace(kernel: Kernel): ContainerPlace {
  return {
    uts: kernel.uts,
    ipc: kernel.ipc,
    net: new NetNamespace(kernel.userNs, true),
    pids: kernel.tasks,
    openTree: undefined,
    openFiles: null,
    exitWatcher: null,
  };
}

/** personality(2): uname(2) tells of a 32-bit machine. */
const PER_LINUX32 = 8;

/** A container. */
export class Container {
  readonly kernel: Kernel;
  readonly poller: HostPoller;
  readonly options: BootOptions;
  readonly spec: ContainerSpec;
  readonly ns: MountNamespace;
  readonly nsproxy: NsProxy;
  readonly relay: ConsoleRelay | null;
  readonly #first: PreparedProcess;
  readonly #sysctls: Sysctls;
  readonly #exitWatcher: ExitWatcher | null;
  /** Null until it has started. */
  init: ThreadGroup | null = null;
  /** What the specification's profile says to system calls; null without one. */
  seccomp: SeccompState | null = null;
  network: ContainerNetwork | null = null;

  /** Builds everything up to the first process. */
  constructor(
    kernel: Kernel,
    poller: HostPoller,
    spec: ContainerSpec,
    options: BootOptions,
    place: ContainerPlace = firstPlace(kernel),
  ) {
    this.kernel = kernel;
    this.#exitWatcher = place.exitWatcher;
    this.poller = poller;
    this.spec = spec;
    this.options = options;
    this.relay = this.#openConsole();
    this.ns = buildMounts(kernel, spec, options, place.openTree);
    const time = new TimeNamespace(kernel.userNs);
    this.nsproxy = new NsProxy(
      place.uts,
      place.ipc,
      this.ns,
      place.net,
      new CgroupNamespace(kernel.userNs),
      time,
      place.pids,
      time,
    );
    const root = this.rootContext();
    this.#sysctls = new Sysctls(root, spec.linux?.sysctl);
    makeDeviceNodes(root, spec, options.log);
    protectPaths(root, spec.linux);
    this.#makeWorkingDirectory(root);
    const { openFiles } = place;
    this.#first = this.prepare(
      spec.process,
      this.relay,
      openFiles !== null && this.relay === null
        ? openFiles
        : (ctx) => buildFiles(kernel, ctx, poller, this.relay, options),
    );
  }

  #openConsole(): ConsoleRelay | null {
    const { terminal, console } = this.options;
    if (!terminal) return null;
    const relay = new ConsoleRelay(this.kernel, this.poller, console ?? 0, console ?? 1);
    const size = this.spec.process.consoleSize;
    if (size !== undefined && size.height > 0) relay.terminal.resize(size.height, size.width, 0, 0);
    // A terminal of the host that was made for this container stays raw for good.
    if (console !== null) new HostTerminal(console).makeRaw();
    return relay;
  }

  /** Images name working directories that they do not hold. */
  #makeWorkingDirectory(root: PlainContext): void {
    const path = byteText(this.spec.process.cwd);
    if (this.kernel.vfs.resolve(root, -100, path) !== -ENOENT) return;
    // What keeps it from being made is told when it is entered.
    makeDirectories(this.kernel.vfs, root, path);
  }

  /** The namespace that its first process is born in. */
  get pids(): PidNamespace {
    return this.nsproxy.pidForChildren;
  }

  /** The kernel's own view of the container's files. */
  rootContext(): PlainContext {
    return new PlainContext(this.kernel, this.kernel.rootCreds, rootContext(this.ns, 0));
  }

  /** Looks a process up and gives it its descriptors; throws a RunscError where it can not be. */
  prepare(
    process: OciProcess,
    relay: ConsoleRelay | null,
    openFiles: (ctx: PlainContext) => FdTable,
  ): PreparedProcess {
    const { kernel } = this;
    const vfs = kernel.vfs;
    const creds = credentialsOf(process, kernel.userNs);
    const fs = rootContext(this.ns, process.user.umask ?? 0o22);
    const ctx = new PlainContext(kernel, creds, fs);
    try {
      const cwd = vfs.resolve(ctx, -100, byteText(process.cwd));
      const error = typeof cwd === "number" ? -cwd : cwd.dentry.inode?.isDir ? 0 : ENOTDIR;
      if (typeof cwd === "number" || error !== 0) {
        throw new RunscError({
          what: "cannot change to working directory",
          on: process.cwd,
          why: errnoText(error),
        });
      }
      fs.setCwd(cwd);
      const envp = withHome(vfs, ctx, process.user.uid, (process.env ?? []).map(byteText));
      const path = findExecutable(vfs, ctx, byteText(process.args[0]), envp);
      return { process, path, envp, ctx, fs, files: openFiles(ctx), relay };
    } catch (error) {
      fs.release();
      throw error;
    }
  }

  /** Starts the first process. */
  start(): ThreadGroup {
    this.network?.join(this);
    const init = this.run(this.#first, this.#exitWatcher, this.options.protectInit);
    // Before its first instruction, as all of this happens in one turn of the loop.
    this.#sysctls.apply(init.leader);
    this.init = init;
    return init;
  }

  /** Starts a prepared process. */
  run(
    prepared: PreparedProcess,
    exitWatcher: ExitWatcher | null,
    unkillable = false,
  ): ThreadGroup {
    const { process, path, envp, ctx, fs, files, relay } = prepared;
    const started = startProcess(this.kernel, {
      path,
      argv: process.args.map(byteText),
      envp,
      creds: ctx.creds,
      rlimits: rlimitsOf(process),
      files,
      fs,
      nsproxy: this.nsproxy,
      exitWatcher,
      unkillable,
      prepare: relay === null ? undefined : (t: Task) => relay.attach(t),
    });
    if (typeof started === "number") {
      throw new RunscError({
        what: "cannot execute",
        on: process.args[0],
        why: `${errnoText(-started)} (${errnoName(-started)})`,
      });
    }
    const { leader } = started.group;
    if (this.spec.linux?.personality?.domain === "LINUX32") leader.personality = PER_LINUX32;
    const { scheduler } = process;
    if (scheduler !== undefined) leader.nice = scheduler.nice ?? 0;
    started.group.oomScoreAdj = process.oomScoreAdj ?? 0;
    if (this.seccomp !== null) {
      started.seccomp = this.seccomp;
      this.seccomp.enter();
      publishAnswers(started);
    }
    return started.group;
  }
}
