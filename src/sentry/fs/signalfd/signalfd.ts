import { EAGAIN, EINVAL } from "../../../abi/errno.ts";
import { O_RDWR } from "../../../abi/fcntl.ts";
import { POLLIN } from "../../../abi/poll.ts";
import { SIGBUS, SIGCHLD, SIGFPE, SIGILL, SIGSEGV, SIGSYS, SIGTRAP } from "../../../abi/signals.ts";
import { write64 } from "../../../abi/int64.ts";
import type { SigInfo } from "../../kernel/signal_set.ts";
import type { Task } from "../../kernel/task.ts";
import { dequeueSignal } from "../../kernel/task_signals.ts";
import type { WaitQueue } from "../../kernel/wait.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import { anonPath } from "../../vfs/anon.ts";
import { File } from "../../vfs/file.ts";
import type { Vfs } from "../../vfs/vfs.ts";

/** Size of `struct signalfd_siginfo`. */
const RECORD_SIZE = 128;
/** SIGKILL and SIGSTOP, which no mask of a signalfd holds. */
const UNBLOCKABLE = (1 << 8) | (1 << 18);

const record = new Uint8Array(RECORD_SIZE);
const view = new DataView(record.buffer);

/** Reads pending signals of whoever reads (signalfd(2)). */
export class SignalFile extends File {
  private readonly waiters: WaitQueue;
  private lo: number;
  private hi: number;

  constructor(vfs: Vfs, queue: WaitQueue, lo: number, hi: number, flags: number) {
    super(anonPath(vfs, "anon_inode:[signalfd]"), O_RDWR | flags);
    this.waiters = queue;
    this.lo = 0;
    this.hi = 0;
    this.setMask(lo, hi);
  }

  /** Which signals it reads. */
  setMask(lo: number, hi: number): void {
    this.lo = lo & ~UNBLOCKABLE;
    this.hi = hi;
    this.waiters?.notify(POLLIN);
  }

  override get queue(): WaitQueue {
    return this.waiters;
  }

  override read(t: Task, io: IoBuffer, _pos: number): number {
    if (io.remaining < RECORD_SIZE) return -EINVAL;
    let done = 0;
    while (io.remaining >= RECORD_SIZE) {
      const info = dequeueSignal(t, this.lo, this.hi);
      if (info === null) break;
      fill(info);
      const r = io.put(record, 0, RECORD_SIZE);
      if (r < 0) return done > 0 ? done : r;
      done += r;
    }
    return done > 0 ? done : -EAGAIN;
  }

  override poll(t: Task | null): number {
    if (t === null) return 0;
    const lo = (t.pending.lo | t.group.sharedPending.lo) & this.lo;
    const hi = (t.pending.hi | t.group.sharedPending.hi) & this.hi;
    return lo !== 0 || hi !== 0 ? POLLIN : 0;
  }

  override fdInfo(): string {
    const hex = (n: number) => (n >>> 0).toString(16).padStart(8, "0");
    return `sigmask:\t${hex(this.hi)}${hex(this.lo)}\n`;
  }
}

function fill(info: SigInfo): void {
  record.fill(0);
  view.setUint32(0, info.signo, true);
  view.setInt32(4, info.errno, true);
  view.setInt32(8, info.code, true);
  switch (info.signo) {
    case SIGILL:
    case SIGFPE:
    case SIGSEGV:
    case SIGBUS:
    case SIGTRAP:
    case SIGSYS:
      // ssi_addr
      view.setInt32(72, info.pid, true);
      view.setInt32(76, info.uid, true);
      return;
  }
  if (info.timer !== null) {
    // ssi_tid, ssi_overrun
    view.setInt32(24, info.pid, true);
    view.setInt32(32, info.uid, true);
  } else {
    view.setInt32(12, info.pid, true);
    view.setInt32(16, info.uid, true);
  }
  if (info.signo === SIGCHLD) {
    view.setInt32(40, info.status, true);
    write64(view, 56, info.utime);
    write64(view, 64, info.stime);
  } else {
    // ssi_int, ssi_ptr
    view.setInt32(44, info.status, true);
    view.setInt32(48, info.status, true);
    view.setInt32(52, info.valueHigh, true);
  }
}
