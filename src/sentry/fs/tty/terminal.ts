import { EAGAIN, EBUSY, EIO } from "../../../abi/errno.ts";
import { CAP_SYS_ADMIN } from "../../../abi/capability.ts";
import {
  TIOCPKT_DOSTOP,
  TIOCPKT_FLUSHREAD,
  TIOCPKT_FLUSHWRITE,
  TIOCPKT_IOCTL,
  TIOCPKT_NOSTOP,
  TIOCPKT_START,
  TIOCPKT_STOP,
} from "../../../abi/ioctl.ts";
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDNORM,
  POLLWRNORM,
} from "../../../abi/poll.ts";
import { SIGCONT, SIGHUP, SIGWINCH } from "../../../abi/signals.ts";
import * as T from "../../../abi/termios.ts";
import type { Credentials } from "../../kernel/credentials.ts";
import type { ControllingTerminal, ProcessGroup, Session } from "../../kernel/process_group.ts";
import { SigInfo } from "../../kernel/signal_set.ts";
import { sendToGroup, sendToProcessGroup } from "../../kernel/task_signals.ts";
import { WaitQueue } from "../../kernel/wait.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import { LineDiscipline, type LineDisciplineOwner } from "./line_discipline.ts";
import { Termios } from "./termios.ts";

const READABLE = POLLIN | POLLRDNORM;
const WRITABLE = POLLOUT | POLLWRNORM;
const ANY = READABLE | WRITABLE | POLLPRI | POLLERR | POLLHUP;
/** A program may write when this much fits (WAKEUP_CHARS of Linux is the same the other way). */
const WRITE_ROOM = 256;

/** Bytes between a master and the line discipline. */
const chunk = new Uint8Array(4096);

/**
 * A pseudoterminal: the terminal that programs see (the slave, a `TtyFile`), and the end where a
 * terminal emulator sits (the master, a `PtyMaster`, or the relay to a terminal of the host).
 */
export class Terminal implements LineDisciplineOwner, ControllingTerminal {
  readonly index: number;
  readonly deviceNumber: number;
  readonly termios: Termios;
  readonly discipline: LineDiscipline;
  session: Session | null;
  foreground: ProcessGroup | null;
  rows: number;
  columns: number;
  xPixels: number;
  yPixels: number;
  /** Programs wait here. */
  readonly queue: WaitQueue;
  /** Whoever reads the master waits here. */
  readonly masterQueue: WaitQueue;
  /** TIOCSPTLCK: the slave can't be opened. */
  locked: boolean;
  /** TIOCEXCL. */
  exclusive: boolean;
  masterOpen: boolean;
  /** Open descriptions of the slave, dead ones included: the master sees the end when all are closed. */
  slaveOpens: number;
  slaveWasOpened: boolean;
  /** Grows by each hang-up; descriptions of an older one are dead. */
  generation: number;
  packetMode: boolean;
  /** TIOCPKT_* to tell the master. */
  packetStatus: number;

  constructor(index: number, deviceNumber: number) {
    this.index = index;
    this.deviceNumber = deviceNumber;
    this.termios = new Termios();
    this.discipline = new LineDiscipline(this.termios, this);
    this.session = null;
    this.foreground = null;
    this.rows = 0;
    this.columns = 0;
    this.xPixels = 0;
    this.yPixels = 0;
    this.queue = new WaitQueue();
    this.masterQueue = new WaitQueue();
    this.locked = true;
    this.exclusive = false;
    this.masterOpen = true;
    this.slaveOpens = 0;
    this.slaveWasOpened = false;
    this.generation = 0;
    this.packetMode = false;
    this.packetStatus = 0;
  }

  // The slave side.

  /** Whether the slave may be opened: 0 or an error. */
  mayOpen(creds: Credentials): number {
    if (!this.masterOpen || this.locked) return -EIO;
    if (this.exclusive && !creds.capable(CAP_SYS_ADMIN)) return -EBUSY;
    return 0;
  }

  slaveOpened(): void {
    this.slaveOpens++;
    this.slaveWasOpened = true;
  }

  /** A description of the slave was closed. */
  slaveClosed(): void {
    if (--this.slaveOpens > 0) return;
    this.exclusive = false;
    this.clearSession();
    this.masterQueue.notify(READABLE | POLLHUP);
  }

  /** Readiness for programs. */
  pollSlave(): number {
    const discipline = this.discipline;
    const cc = this.termios.cc;
    const minimum = cc[T.VTIME] === 0 && cc[T.VMIN] > 0 ? cc[T.VMIN] : 1;
    let mask = 0;
    if (discipline.hasInput(minimum)) mask |= READABLE;
    if (!discipline.stopped && discipline.output.space >= WRITE_ROOM) mask |= WRITABLE;
    if (!this.masterOpen) mask |= POLLHUP;
    return mask;
  }

  /** A program writes. */
  writeSlave(io: IoBuffer): number {
    const r = this.discipline.write(io);
    if (r > 0) this.outputReady();
    return r === 0 && io.remaining > 0 ? -EAGAIN : r;
  }

  // The master side.

  /** Readiness for the master. */
  pollMaster(): number {
    let mask = 0;
    if (this.discipline.output.length > 0) mask |= READABLE;
    if (this.packetMode && this.packetStatus !== 0) mask |= READABLE | POLLPRI;
    if (this.slaveWasOpened && this.slaveOpens === 0) mask |= POLLHUP;
    if (this.discipline.inputSpace > 0) mask |= WRITABLE;
    return mask;
  }

  /** The master writes: bytes are typed. */
  writeMaster(io: IoBuffer): number {
    const discipline = this.discipline;
    let done = 0;
    while (io.remaining > 0) {
      const n = Math.min(discipline.inputSpace, io.remaining, chunk.length);
      if (n === 0) break;
      const r = io.take(chunk, 0, n);
      if (r <= 0) {
        if (done === 0) done = r;
        break;
      }
      for (let i = 0; i < r; i++) discipline.receive(chunk[i]);
      done += r;
      if (r < n) break;
    }
    discipline.received();
    return done === 0 && io.remaining > 0 ? -EAGAIN : done;
  }

  /** Types bytes; returns how many were taken. */
  type(bytes: Uint8Array, offset: number, count: number): number {
    const n = Math.min(this.discipline.inputSpace, count);
    for (let i = 0; i < n; i++) this.discipline.receive(bytes[offset + i]);
    this.discipline.received();
    return n;
  }

  /** After the master took output: programs may write again. */
  outputDrained(): void {
    this.discipline.flushEcho();
    if (this.discipline.output.space >= WRITE_ROOM) this.queue.notify(WRITABLE);
  }

  /** After a program read: the master may write again. */
  inputDrained(): void {
    if (this.discipline.inputSpace > 0) this.masterQueue.notify(WRITABLE);
  }

  /** The master is closed: the terminal is gone for everybody. */
  closeMaster(): void {
    this.masterOpen = false;
    this.hangUp();
  }

  // Hang-up and sessions.

  /** What happens when the line goes dead (vhangup(2)): open descriptions are of no use any more. */
  hangUp(): void {
    this.generation++;
    const session = this.session;
    const foreground = this.foreground;
    this.clearSession();
    if (session !== null) {
      const leader = session.leader;
      if (leader !== null) {
        sendToGroup(leader, SigInfo.kernel(SIGHUP));
        sendToGroup(leader, SigInfo.kernel(SIGCONT));
      }
      if (foreground !== null && (leader === null || leader.pgrp !== foreground)) {
        this.hangUpGroup(foreground);
      }
    }
    this.discipline.flushInput();
    this.queue.notify(ANY);
    this.masterQueue.notify(ANY);
  }

  private hangUpGroup(group: ProcessGroup): void {
    sendToProcessGroup(group, SIGHUP);
    sendToProcessGroup(group, SIGCONT);
  }

  /** The session has no terminal any more. */
  clearSession(): void {
    if (this.session !== null) this.session.terminal = null;
    this.session = null;
    this.foreground = null;
  }

  /** The session leader exited, or gave the terminal up (TIOCNOTTY). */
  disassociate(leaderExited: boolean): void {
    const foreground = this.foreground;
    if (leaderExited) {
      this.hangUp();
      return;
    }
    if (foreground !== null) this.hangUpGroup(foreground);
    this.clearSession();
  }

  // What the line discipline asks for.

  signalForeground(signal: number): void {
    if (this.foreground !== null) sendToProcessGroup(this.foreground, signal);
  }

  inputReady(): void {
    this.queue.notify(READABLE);
  }

  outputReady(): void {
    this.masterQueue.notify(READABLE);
  }

  outputFlushed(): void {
    this.tellMaster(TIOCPKT_FLUSHWRITE);
    this.queue.notify(WRITABLE);
  }

  inputFlushed(): void {
    this.tellMaster(TIOCPKT_FLUSHREAD);
    this.masterQueue.notify(WRITABLE);
  }

  flowChanged(stopped: boolean): void {
    this.packetStatus &= ~(TIOCPKT_STOP | TIOCPKT_START);
    this.tellMaster(stopped ? TIOCPKT_STOP : TIOCPKT_START);
    if (!stopped) this.queue.notify(WRITABLE);
    if (!stopped && this.discipline.output.length > 0) this.outputReady();
  }

  private tellMaster(status: number): void {
    if (!this.packetMode) return;
    this.packetStatus |= status;
    this.masterQueue.notify(READABLE | POLLPRI);
  }

  /** The modes were changed from those of `old`. */
  modesChanged(old: Termios): void {
    const now = this.termios;
    now.cflag = ((now.cflag & ~(T.CSIZE | T.PARENB)) | T.CS8 | T.CREAD) >>> 0;
    this.discipline.modesChanged(old);
    if (!this.packetMode) return;
    const oldFlow = usesFlowControl(old);
    const newFlow = usesFlowControl(now);
    if (oldFlow !== newFlow) {
      this.packetStatus &= ~(TIOCPKT_DOSTOP | TIOCPKT_NOSTOP);
      this.tellMaster(newFlow ? TIOCPKT_DOSTOP : TIOCPKT_NOSTOP);
    }
    if ((old.lflag ^ now.lflag) & T.EXTPROC || (now.lflag & T.EXTPROC) !== 0) {
      this.tellMaster(TIOCPKT_IOCTL);
    }
  }

  /** Sets the window size and tells the foreground group if it changed. */
  resize(rows: number, columns: number, xPixels: number, yPixels: number): void {
    if (
      rows === this.rows && columns === this.columns && xPixels === this.xPixels &&
      yPixels === this.yPixels
    ) return;
    this.rows = rows;
    this.columns = columns;
    this.xPixels = xPixels;
    this.yPixels = yPixels;
    this.signalForeground(SIGWINCH);
  }
}

function usesFlowControl(termios: Termios): boolean {
  return (termios.iflag & T.IXON) !== 0 && termios.cc[T.VSTOP] === 19 &&
    termios.cc[T.VSTART] === 17;
}
