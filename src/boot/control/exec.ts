/** Processes that are started in a container from outside. */

import * as libc from "../../../ffi/libc.ts";
import { RunscError } from "../../container/error.ts";
import { type OciProcess, process as processSchema } from "../../container/oci_spec.ts";
import { integer, object } from "../../container/schema.ts";
import { DevPts } from "../../sentry/fs/devpts/dev_pts.ts";
import { ConsoleRelay } from "../../sentry/fs/hostfd/console_relay.ts";
import { HostFile } from "../../sentry/fs/hostfd/host_file.ts";
import { type HostPoller, HostWatch } from "../../sentry/kernel/host_poller.ts";
import type { ExitWatcher, ThreadGroup } from "../../sentry/kernel/thread_group.ts";
import { startGroupExit } from "../../sentry/kernel/task_signals.ts";
import { FdTable } from "../../sentry/vfs/fd_table.ts";
import type { VfsContext } from "../../sentry/vfs/context.ts";
import type { Container } from "../container.ts";
import { exitStatusOf } from "../exit_status.ts";
import type { Call, Json } from "./methods.ts";
import type { ControlConnection } from "./server.ts";

const SIGKILL = 9;
const AT_FDCWD = -100;
/** Processes from outside at once. */
const MAX_EXECS = 256;

/** Watches the pipe that gets the exit status: when nobody holds its other end, nobody wants the process. */
export class ExitPipe extends HostWatch {
  readonly #exec: { abandoned(): void };

  constructor(fd: number, exec: { abandoned(): void }) {
    // Errors are reported unasked.
    super(fd, 0);
    this.#exec = exec;
  }

  override onReady(_mask: number): void {
    this.#exec.abandoned();
  }
}

/** One such process. */
class ExecProcess implements ExitWatcher {
  readonly #poller: HostPoller;
  readonly #pipe: ExitPipe;
  readonly #registry: Map<number, ExecProcess>;
  readonly relay: ConsoleRelay | null;
  readonly waiting: ControlConnection[] = [];
  #group: ThreadGroup | null = null;

  constructor(
    poller: HostPoller,
    pipe: number,
    relay: ConsoleRelay | null,
    registry: Map<number, ExecProcess>,
  ) {
    this.#poller = poller;
    this.#pipe = new ExitPipe(pipe, this);
    this.relay = relay;
    this.#registry = registry;
  }

  started(group: ThreadGroup): void {
    this.#group = group;
    this.#registry.set(group.tgid, this);
    this.#poller.add(this.#pipe);
  }

  abandoned(): void {
    if (this.#group !== null && !this.#group.isZombie) startGroupExit(this.#group, SIGKILL, null);
  }

  processExited(group: ThreadGroup): void {
    const status = exitStatusOf(group);
    this.relay?.end();
    this.#poller.remove(this.#pipe);
    libc.write(this.#pipe.fd, Uint8Array.of(status), 1);
    libc.close(this.#pipe.fd);
    this.#registry.delete(group.tgid);
    for (const client of this.waiting) client.reply({ result: { status } });
  }
}

const registries: WeakMap<Container, Map<number, ExecProcess>> = new WeakMap();

function registryOf(container: Container): Map<number, ExecProcess> {
  let registry = registries.get(container);
  if (registry === undefined) {
    registry = new Map();
    registries.set(container, registry);
  }
  return registry;
}

/** The process with this id that was started from outside, or null. */
export function findExec(container: Container, pid: number): ExecProcess | null {
  return registryOf(container).get(pid) ?? null;
}

const resizeArgs = object({ pid: integer(1, 2 ** 22) });

/** The method `resize`: takes over the size of the window of a process's terminal. */
export function resizeExec({ container, args }: Call): Json {
  findExec(container, resizeArgs.check(args, "").pid)?.relay?.resize();
  return {};
}

const execArgs = object({ process: processSchema });

/**
 * The method `exec`: starts a process. With it come the writing end of a pipe, and a terminal, or descriptors 0, 1, 2 and
 * those after them.
 */
export function execProcess({ server, container, args, fds }: Call): Json {
  const { process } = execArgs.check(args, "");
  const { init } = container;
  if (init === null || init.exiting || init.isZombie) {
    throw new RunscError({ what: "cannot exec in a container that is not running" });
  }
  if (server.isPaused(container)) {
    throw new RunscError({ what: "cannot exec in a paused container" });
  }
  const registry = registryOf(container);
  if (registry.size >= MAX_EXECS) throw new RunscError({ what: "too many processes" });
  const [pipe, ...stdio] = fds;
  const terminal = process.terminal === true;
  if (pipe === undefined || (terminal ? stdio.length !== 1 : stdio.length < 3)) {
    throw new RunscError({ what: "descriptors are missing" });
  }
  const relay = terminal ? openConsole(container, process, stdio[0]) : null;
  if (relay !== null) fds.delete(stdio[0]);
  const exec = new ExecProcess(container.poller, pipe, relay, registry);
  let group: ThreadGroup;
  try {
    const prepared = container.prepare(process, relay, (ctx) => {
      if (relay !== null) return consoleFiles(relay, ctx);
      for (const fd of stdio) fds.delete(fd);
      return hostFiles(container, ctx, stdio);
    });
    group = container.run(prepared, exec);
  } catch (error) {
    relay?.end();
    throw error;
  }
  fds.delete(pipe);
  exec.started(group);
  return { pid: group.tgid };
}

function openConsole(container: Container, process: OciProcess, fd: number): ConsoleRelay {
  const { kernel, poller } = container;
  const at = kernel.vfs.resolve(container.rootContext(), AT_FDCWD, "/dev/pts");
  const fs = typeof at === "number" ? null : at.mount.fs;
  if (!(fs instanceof DevPts)) {
    throw new RunscError({ what: "cannot make a terminal", why: "/dev/pts is not mounted" });
  }
  const relay = new ConsoleRelay(kernel, poller, fd, fd, fs);
  const size = process.consoleSize;
  if (size !== undefined && size.height > 0) relay.terminal.resize(size.height, size.width, 0, 0);
  return relay;
}

function consoleFiles(relay: ConsoleRelay, ctx: VfsContext): FdTable {
  const files = new FdTable();
  const console = relay.openSlave(ctx);
  for (let fd = 0; fd < 3; fd++) {
    if (fd > 0) console.ref();
    files.install(console, false);
  }
  return files;
}

/** Descriptors of the host as those of a process, from 0 on. */
export function hostFiles(
  container: Pick<Container, "kernel" | "poller">,
  ctx: VfsContext,
  fds: readonly number[],
): FdTable {
  const files = new FdTable();
  fds.forEach((fd, index) => {
    const file = new HostFile(container.kernel.vfs, container.poller, fd, null, 0, true);
    files.installAt(ctx, index, file, false);
  });
  return files;
}
