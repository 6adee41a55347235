/** Signals as data: what siginfo says, what is pending, what a handler is. */

import { SI_KERNEL, SI_USER, SIG_DFL } from "../../abi/signals.ts";
import { WaitQueue } from "./wait.ts";

/** Bit of a signal in the low half of a mask (signals 1 to 32), else 0. */
export function lowBit(signo: number): number {
  return signo <= 32 ? 1 << (signo - 1) : 0;
}

/** Bit of a signal in the high half of a mask (signals 33 to 64), else 0. */
export function highBit(signo: number): number {
  return signo > 32 ? 1 << (signo - 33) : 0;
}

/** The lowest signal of a mask given by halves, or 0. */
export function lowestSignal(lo: number, hi: number): number {
  if (lo !== 0) return 32 - Math.clz32(lo & -lo);
  if (hi !== 0) return 64 - Math.clz32(hi & -hi);
  return 0;
}

/**
 * siginfo_t. The three words every signal has, then the union at offset 16, which the amd64 ABI lays out so that one
 * reading by words serves all its forms (include/uapi/asm-generic/siginfo.h):
 * kill, queue: pid, uid, value. child: pid, uid, status, utime, stime. fault: address (pid and uid words).
 * timer: id, overrun, value. poll: band (pid and uid words), fd (status). sys: address, number, architecture.
 */
export class SigInfo {
  signo: number;
  errno = 0;
  code: number;
  /** Word at offset 16. */
  pid = 0;
  /** Word at offset 20. */
  uid = 0;
  /** Word at offset 24: status, low half of the value, or descriptor. */
  status = 0;
  /** Word at offset 28: high half of the value. */
  valueHigh = 0;
  /** 64-bit word at offset 32. */
  utime = 0;
  /** 64-bit word at offset 40. */
  stime = 0;
  /** The timer to tell when this is delivered; null for all others. */
  timer: SignalTimer | null = null;
  /** Whose count of queued signals it takes part in (a kernel uid), or -1. */
  account = -1;
  /** Next in the queue. */
  next: SigInfo | null = null;

  constructor(signo: number, code: number) {
    this.signo = signo;
    this.code = code;
  }

  /** A signal from the kernel itself. */
  static kernel(signo: number): SigInfo {
    return new SigInfo(signo, SI_KERNEL);
  }

  /** A signal as kill(2) sends it. */
  static user(signo: number, pid: number, uid: number, code = SI_USER): SigInfo {
    const info = new SigInfo(signo, code);
    info.pid = pid;
    info.uid = uid;
    return info;
  }

  /** A signal of an exception at `address`. */
  static fault(signo: number, code: number, address: number): SigInfo {
    const info = new SigInfo(signo, code);
    info.setAddress(address);
    return info;
  }

  /** Sets the 64-bit word at offset 16. */
  setAddress(address: number): void {
    const high = Math.floor(address / 4294967296);
    this.pid = (address - high * 4294967296) | 0;
    this.uid = high | 0;
  }

  /** Sets the 64-bit value (sigval) at offset 24. */
  setValue(low: number, high: number): void {
    this.status = low | 0;
    this.valueHigh = high | 0;
  }

  /** Writes the structure (128 bytes) at `offset`. */
  write(view: DataView, offset: number): void {
    for (let i = 0; i < 128; i += 4) view.setInt32(offset + i, 0, true);
    view.setInt32(offset, this.signo, true);
    view.setInt32(offset + 4, this.errno, true);
    view.setInt32(offset + 8, this.code, true);
    view.setInt32(offset + 16, this.pid, true);
    view.setInt32(offset + 20, this.uid, true);
    view.setInt32(offset + 24, this.status, true);
    view.setInt32(offset + 28, this.valueHigh, true);
    put64(view, offset + 32, this.utime);
    put64(view, offset + 40, this.stime);
  }

  /** Reads a structure that the application made (rt_sigqueueinfo). */
  static read(view: DataView, offset: number): SigInfo {
    const info = new SigInfo(view.getInt32(offset, true), view.getInt32(offset + 8, true));
    info.errno = view.getInt32(offset + 4, true);
    info.pid = view.getInt32(offset + 16, true);
    info.uid = view.getInt32(offset + 20, true);
    info.status = view.getInt32(offset + 24, true);
    info.valueHigh = view.getInt32(offset + 28, true);
    info.utime = view.getUint32(offset + 32, true) + view.getInt32(offset + 36, true) * 4294967296;
    info.stime = view.getUint32(offset + 40, true) + view.getInt32(offset + 44, true) * 4294967296;
    return info;
  }
}

/** A timer that sends signals; it is told when its signal is taken, so that it can count overruns and start again. */
export interface SignalTimer {
  /** Called with the siginfo about to be delivered. */
  delivered(info: SigInfo): void;
}

/** Signals that wait for one thread, or for a whole process. */
export class PendingSignals {
  /** Signals 1 to 32. */
  lo = 0;
  /** Signals 33 to 64. */
  hi = 0;
  #head: SigInfo | null = null;
  #tail: SigInfo | null = null;

  /** Whether `signo` is pending. */
  has(signo: number): boolean {
    return (this.lo & lowBit(signo)) !== 0 || (this.hi & highBit(signo)) !== 0;
  }

  /** Marks `signo` pending without information (when its queue is full). */
  mark(signo: number): void {
    this.lo |= lowBit(signo);
    this.hi |= highBit(signo);
  }

  /** Appends one signal. */
  push(info: SigInfo): void {
    this.mark(info.signo);
    info.next = null;
    if (this.#tail === null) this.#head = info;
    else this.#tail.next = info;
    this.#tail = info;
  }

  /** Takes the oldest `signo`, which must be pending; null if it was marked only. */
  take(signo: number): SigInfo | null {
    let found: SigInfo | null = null;
    let more = false;
    let prev: SigInfo | null = null;
    for (let info = this.#head; info !== null; info = info.next) {
      if (info.signo === signo) {
        if (found !== null) {
          more = true;
          break;
        }
        found = info;
        if (prev === null) this.#head = info.next;
        else prev.next = info.next;
        if (info.next === null) this.#tail = prev;
      } else {
        prev = info;
      }
    }
    if (!more) {
      this.lo &= ~lowBit(signo);
      this.hi &= ~highBit(signo);
    }
    if (found !== null) found.next = null;
    return found;
  }

  /** Drops every signal of the mask; returns the dropped ones as a chain, for their accounts. */
  flush(lo: number, hi: number): SigInfo | null {
    if ((this.lo & lo) === 0 && (this.hi & hi) === 0) return null;
    let dropped: SigInfo | null = null;
    let kept: SigInfo | null = null;
    let info = this.#head;
    this.#head = null;
    while (info !== null) {
      const next: SigInfo | null = info.next;
      if ((lowBit(info.signo) & lo) !== 0 || (highBit(info.signo) & hi) !== 0) {
        info.next = dropped;
        dropped = info;
      } else {
        info.next = null;
        if (kept === null) this.#head = info;
        else kept.next = info;
        kept = info;
      }
      info = next;
    }
    this.#tail = kept;
    this.lo &= ~lo;
    this.hi &= ~hi;
    return dropped;
  }

  /** Takes `info` out of the queue if it is in; used when its timer is deleted. */
  remove(target: SigInfo): boolean {
    let prev: SigInfo | null = null;
    let found = false;
    let others = false;
    for (let info = this.#head; info !== null;) {
      const next: SigInfo | null = info.next;
      if (info === target) {
        found = true;
        if (prev === null) this.#head = next;
        else prev.next = next;
        if (next === null) this.#tail = prev;
        info.next = null;
      } else {
        if (info.signo === target.signo) others = true;
        prev = info;
      }
      info = next;
    }
    if (found && !others) {
      this.lo &= ~lowBit(target.signo);
      this.hi &= ~highBit(target.signo);
    }
    return found;
  }

  /** Whether `info` is queued here. */
  contains(target: SigInfo): boolean {
    for (let info = this.#head; info !== null; info = info.next) if (info === target) return true;
    return false;
  }

  /** The oldest of the queue, whose `next` leads through it. */
  get first(): SigInfo | null {
    return this.#head;
  }
}

/** What a process does on a signal: struct sigaction of the kernel. */
export class SigAction {
  /** Address of the handler, or SIG_DFL, SIG_IGN. */
  handler = SIG_DFL;
  flags = 0;
  restorer = 0;
  maskLo = 0;
  maskHi = 0;

  /** Makes this a copy of `other`. */
  copyFrom(other: SigAction): void {
    this.handler = other.handler;
    this.flags = other.flags;
    this.restorer = other.restorer;
    this.maskLo = other.maskLo;
    this.maskHi = other.maskHi;
  }
}

/** The table of handlers; tasks made with CLONE_SIGHAND share one. */
export class SignalHandlers {
  /** By signal number; entry 0 is unused. */
  readonly actions: SigAction[] = [];
  /** Processes and threads outside of one process that share it. */
  users = 1;
  /** Notified (POLLIN) when a signal becomes pending: signalfd waits here. */
  readonly queue: WaitQueue = new WaitQueue();

  constructor() {
    for (let i = 0; i <= 64; i++) this.actions.push(new SigAction());
  }

  /** A copy with one user. */
  clone(): SignalHandlers {
    const copy = new SignalHandlers();
    for (let i = 1; i <= 64; i++) copy.actions[i].copyFrom(this.actions[i]);
    return copy;
  }
}

function put64(view: DataView, offset: number, value: number): void {
  const high = Math.floor(value / 4294967296);
  view.setInt32(offset, (value - high * 4294967296) | 0, true);
  view.setInt32(offset + 4, high | 0, true);
}
