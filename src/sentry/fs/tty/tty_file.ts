import { EAGAIN, EIO, ENOTTY, ENXIO } from "../../../abi/errno.ts";
import { O_NOCTTY } from "../../../abi/fcntl.ts";
import { TIOCSPGRP } from "../../../abi/ioctl.ts";
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../../../abi/poll.ts";
import { SIGTTIN } from "../../../abi/signals.ts";
import { ICANON, TOSTOP, VMIN, VTIME } from "../../../abi/termios.ts";
import { Task } from "../../kernel/task.ts";
import type { WaitQueue } from "../../kernel/wait.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { File } from "../../vfs/file.ts";
import type { Path } from "../../vfs/path.ts";
import { acquire, checkChange, checkForeground } from "./job_control.ts";
import { Terminal } from "./terminal.ts";
import { terminalIoctl } from "./terminal_ioctl.ts";

/** Nanoseconds of one unit of VTIME. */
const TENTH = 100_000_000;
const DEAD = POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDNORM | POLLWRNORM;

/** An open terminal: `/dev/pts/N`, `/dev/tty` or `/dev/console`. */
export class TtyFile extends File {
  readonly terminal: Terminal;
  private readonly generation: number;

  constructor(path: Path, flags: number, terminal: Terminal) {
    super(path, flags & ~O_NOCTTY);
    this.terminal = terminal;
    this.generation = terminal.generation;
    terminal.slaveOpened();
  }

  override get queue(): WaitQueue {
    return this.terminal.queue;
  }

  private get hungUp(): boolean {
    return this.generation !== this.terminal.generation;
  }

  override read(t: Task, io: IoBuffer, _pos: number): number {
    if (this.hungUp) return 0;
    const terminal = this.terminal;
    if (io.remaining === 0) return 0;
    const r = checkForeground(t, terminal, SIGTTIN);
    if (r !== 0) return r;
    const discipline = terminal.discipline;
    if ((terminal.termios.lflag & ICANON) !== 0) {
      if (!discipline.hasInput(1)) return -EAGAIN;
    } else {
      const wait = this.waitForRaw(t, io.remaining);
      if (wait !== 0) return wait;
    }
    const n = discipline.read(io);
    terminal.inputDrained();
    return n;
  }

  /**
   * VMIN and VTIME (termios(3)): 0 if the read may take what there is now, or what it returns
   * instead. The task waits here, as only here is known for how long.
   */
  private waitForRaw(t: Task, wanted: number): number {
    const terminal = this.terminal;
    const discipline = terminal.discipline;
    const minimum = Math.min(terminal.termios.cc[VMIN], wanted);
    const time = terminal.termios.cc[VTIME] * TENTH;
    const count = discipline.rawCount;
    if (this.nonblocking) return count > 0 ? 0 : -EAGAIN;
    if (minimum === 0) {
      if (count > 0 || time === 0 || t.block.timedOut) return 0;
      t.waitOn(terminal.queue, POLLIN);
      return t.sleepUntil(t.kernel.clock.monotonic() + time);
    }
    if (count >= minimum) return 0;
    if (time === 0 || count === 0) {
      if (time === 0 && count === 0) return -EAGAIN;
      t.block.progress = count;
      t.waitOn(terminal.queue, POLLIN);
      return t.sleep();
    }
    // Between bytes the timer starts anew with each of them.
    if (t.block.timedOut && t.block.progress === count) return 0;
    if (t.block.progress !== count || t.block.runs === 0) {
      t.block.progress = count;
      t.block.timedOut = false;
      t.block.deadline = t.kernel.clock.monotonic() + time;
    }
    t.waitOn(terminal.queue, POLLIN);
    return t.sleepUntil(t.block.deadline);
  }

  override write(t: Task, io: IoBuffer, _pos: number): number {
    if (this.hungUp) return -EIO;
    const terminal = this.terminal;
    if ((terminal.termios.lflag & TOSTOP) !== 0) {
      const r = checkChange(t, terminal);
      if (r !== 0) return r;
    }
    if (!terminal.masterOpen) return -EIO;
    return terminal.writeSlave(io);
  }

  override poll(_t: Task | null): number {
    return this.hungUp ? DEAD : this.terminal.pollSlave();
  }

  override ioctl(t: Task, cmd: number, arg: number): number {
    if (this.hungUp) return cmd === TIOCSPGRP ? -ENOTTY : -EIO;
    return terminalIoctl(t, this.terminal, cmd, arg, false, this.readable);
  }

  override release(): void {
    this.terminal.slaveClosed();
  }
}

/**
 * Opens a terminal. A session leader without a controlling terminal gets this one, unless it says
 * O_NOCTTY.
 */
export function openTerminal(
  ctx: VfsContext,
  flags: number,
  path: Path,
  terminal: Terminal,
): File | number {
  const r = terminal.mayOpen(ctx.creds);
  if (r !== 0) return r;
  const file = new TtyFile(path, flags, terminal);
  if ((flags & O_NOCTTY) === 0 && file.readable && ctx instanceof Task) {
    const session = ctx.group.session;
    if (session.leader === ctx.group && session.terminal === null && terminal.session === null) {
      acquire(ctx, terminal);
    }
  }
  return file;
}

/** Opens `/dev/tty`: the controlling terminal of whoever opens it. */
export function openControllingTerminal(
  ctx: VfsContext,
  flags: number,
  path: Path,
): File | number {
  if (!(ctx instanceof Task)) return -ENXIO;
  const terminal = ctx.group.session.terminal;
  if (!(terminal instanceof Terminal)) return -ENXIO;
  return new TtyFile(path, flags, terminal);
}
