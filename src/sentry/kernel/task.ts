/** A thread of an application: what the kernel knows of it, and how it blocks. */
// hot: args, scratch, io and the waiting functions serve every system call.

import { ERESTARTSYS } from "../../abi/errno.ts";
import type { MemoryManager } from "../mm/memory_manager.ts";
import { UserIo } from "../mm/io_buffer.ts";
import type { Context } from "../platform/platform.ts";
import type { FdTable } from "../vfs/fd_table.ts";
import type { FsContext } from "../vfs/fs_context.ts";
import type { Credentials } from "./credentials.ts";
import { FutexWaiter } from "./futex.ts";
import type { UndoList } from "./ipc/undo_list.ts";
import type { Kernel } from "./kernel.ts";
import type { NsProxy } from "./namespaces.ts";
import type { Pid } from "./pid.ts";
import { PendingSignals } from "./signal_set.ts";
import { type ThreadGroup, Usage } from "./thread_group.ts";
import { Timer } from "./timers.ts";
import { BLOCKED, NO_RETURN, Waiter, type WaitQueue } from "./wait.ts";

/** What answers a system call: a result, a negative errno, or one of BLOCKED, NO_RETURN, EXITED. */
export type SyscallHandler = (t: Task) => number;

/** Where a task is. */
export const enum TaskState {
  /** The platform runs it. */
  User = 0,
  /** Its system call or fault is being answered, or it is queued in `kernel.runnable`. */
  Kernel = 1,
  /** Its system call waits. */
  Blocked = 2,
  /** Job control stopped it. */
  Stopped = 3,
  /** It has exited; the leader of a process stays so until its parent waits. */
  Zombie = 4,
  /** Nothing refers to it any more. */
  Dead = 5,
}

/** Longest path that a system call takes, with its NUL (PATH_MAX). */
const PATH_MAX = 4096;
/** Bytes of {@link Task.scratch}. */
export const SCRATCH_SIZE = 8192;

/** State of the system call under way that survives its re-runs. */
export class BlockState {
  /** How often it was run before: 0 on the first run. */
  runs = 0;
  /** The deadline has passed. */
  timedOut = false;
  /** Absolute monotonic nanoseconds, kept from the first `sleepUntil`. */
  deadline = Infinity;
  /** Bytes already moved, or whatever the handler counts. */
  progress = 0;
  /** Whatever else the handler keeps. */
  data: unknown = null;
  /** Only signals that end the task wake it. */
  killableOnly = false;

  /** Back to the state of a fresh system call. */
  reset(): void {
    this.runs = 0;
    this.timedOut = false;
    this.deadline = Infinity;
    this.progress = 0;
    this.data = null;
    this.killableOnly = false;
  }
}

class TaskWaiter extends Waiter {
  constructor(readonly task: Task) {
    super();
  }

  override onWake(_mask: number): void {
    this.task.wake();
  }
}

class TaskTimer extends Timer {
  constructor(readonly task: Task) {
    super();
  }

  override fire(): void {
    this.task.block.timedOut = true;
    this.task.wake();
  }
}

/** What {@link SeccompState.check} returns for a system call that is to be carried out. */
export const SECCOMP_PASS = -0x40000010;

/** The seccomp mode of a task (seccomp(2)), which has the say over its system calls. */
export interface SeccompState {
  readonly mode: number;
  readonly filters: readonly { readonly length: number }[];
  /** SECCOMP_PASS, or the result of the system call, which is then not carried out. */
  check(t: Task): number;
  /** A task more has this mode. */
  enter(): void;
  /** A task that had this mode ends, or gets another. */
  leave(t: Task): void;
}

/** What the run loop does with a task that is no thread, when it was woken. */
export interface Worker {
  proceed(): void;
}

/** A thread. */
export class Task {
  /** Arguments of the system call under way, as signed 64-bit numbers. */
  readonly args: Float64Array = new Float64Array(6);
  /** Its number. */
  sysno = -1;
  readonly kernel: Kernel;
  /** Thread id in its own pid namespace. */
  tid: number;
  pid: Pid;
  group: ThreadGroup;
  ctx: Context;
  mm: MemoryManager;
  files: FdTable;
  fs: FsContext;
  creds: Credentials;
  nsproxy: NsProxy;
  /** Goes on with a call that no thread waits for (io_uring(7)); null for threads. */
  worker: Worker | null = null;
  /** Name of the thread, a byte string of at most 15 bytes. */
  name: string;

  state: TaskState = TaskState.Kernel;
  /** Whether it is in `kernel.runnable`. */
  queued = false;
  /** Result of the system call whose return to the application is under way, NO_RETURN outside of one. */
  sysret: number = NO_RETURN;
  readonly block: BlockState = new BlockState();

  // Signals. Masks are in halves: signals 1 to 32, 33 to 64.
  blockedLo = 0;
  blockedHi = 0;
  /** The mask to put back (if `restoreMask`) when a signal was delivered or the call returns (sigsuspend, ppoll, pselect, epoll_pwait). */
  savedLo = 0;
  savedHi = 0;
  restoreMask = false;
  readonly pending: PendingSignals = new PendingSignals();
  /** Something must be done before the application runs again: `deliverSignals` must be called. */
  signalPending = false;
  /** It must take part in the group stop under way. */
  stopPending = false;
  altStackBase = 0;
  altStackSize = 0;
  altStackFlags = 2;
  /** Signals that a sigtimedwait under way waits for. */
  waitedLo = 0;
  waitedHi = 0;

  /** set_tid_address, CLONE_CHILD_CLEARTID. */
  clearChildTid = 0;
  /** Head of the list of robust futexes. */
  robustList = 0;
  readonly futex: FutexWaiter = new FutexWaiter(this);
  /** The parent that waits for this child of vfork to exec or exit. */
  vforkParent: Task | null = null;
  /** The session keyring (keyrings(7)), or null. */
  sessionKeyring: object | null = null;
  /** What semop(2) takes back when it ends; null if nothing. */
  semUndo: UndoList | null = null;
  /** Its seccomp mode; null for none. The platform's own answers are off as long as there is one. */
  seccomp: SeccompState | null = null;
  /** Whether its system call waits for what a listener says of it (seccomp_unotify(2)). */
  seccompWaits = false;
  /** PR_SET_PDEATHSIG. */
  parentDeathSignal = 0;
  /** Set by exit: what wait4 would report for this thread. */
  exitCode = 0;
  /** PR_SET_TIMERSLACK, and its default. */
  timerSlack = 50000;
  readonly defaultTimerSlack = 50000;
  nice = 0;
  schedPolicy = 0;
  schedPriority = 0;
  schedResetOnFork = false;
  ioPriority = 0;
  /** Processors it may run on, as bytes. */
  affinity: Uint8Array;
  personality = 0;
  /** set_mempolicy(2): MPOL_* mode with its flags, and the nodes, of which there is one. */
  memoryPolicy = 0;
  memoryNodes = 0;
  readonly startTime: number;
  readonly usage: Usage = new Usage();
  /** CPU time of the host thread that is in `usage` already. */
  accountedCpu = 0;
  readonly scratch: Uint8Array = new Uint8Array(SCRATCH_SIZE);
  readonly view: DataView = new DataView(this.scratch.buffer);
  readonly io: UserIo = new UserIo();
  /** Of the last exception, for signal frames. */
  trapNumber = 0;
  errorCode = 0;
  faultAddress = 0;

  readonly #waiters: TaskWaiter[] = [];
  #waiting = 0;
  readonly #timer: TaskTimer = new TaskTimer(this);

  constructor(init: TaskInit) {
    this.kernel = init.kernel;
    this.pid = init.pid;
    this.tid = init.pid.number;
    this.ctx = init.ctx;
    this.mm = init.mm;
    this.files = init.files;
    this.fs = init.fs;
    this.creds = init.creds;
    this.nsproxy = init.nsproxy;
    this.name = init.name;
    this.affinity = init.affinity;
    this.startTime = init.kernel.clock.monotonic();
    // The creator of a new process makes the group right after its leader.
    this.group = init.group as ThreadGroup;
    init.ctx.task = this;
  }

  /** Copies `length` bytes of application memory to the start of `scratch`; 0 or -EFAULT. */
  copyIn(address: number, length: number): number {
    return this.mm.copyIn(address, this.scratch, 0, length);
  }

  /** Copies the first `length` bytes of `scratch` to application memory; 0 or -EFAULT. */
  copyOut(address: number, length: number): number {
    return this.mm.copyOut(address, this.scratch, 0, length);
  }

  /** The path that argument `i` points to, as a byte string; -EFAULT or -ENAMETOOLONG. */
  pathArg(i: number): string | number {
    return this.mm.readString(this.args[i], PATH_MAX);
  }

  /** Registers for events of a queue. May be called several times before `sleep`. */
  waitOn(queue: WaitQueue, mask: number): void {
    const i = this.#waiting++;
    if (i === this.#waiters.length) this.#waiters.push(new TaskWaiter(this));
    const w = this.#waiters[i];
    w.mask = mask;
    queue.add(w);
  }

  /** Takes back all `waitOn`, for a handler that found something ready after it registered. */
  cancelWait(): void {
    for (let i = this.#waiting; i > 0;) {
      const w = this.#waiters[--i];
      if (w.queue !== null) w.queue.remove(w);
    }
    this.#waiting = 0;
    // A poll of very many descriptors must not keep their waiters forever.
    if (this.#waiters.length > 64) this.#waiters.length = 64;
    if (this.#timer.slot >= 0) this.kernel.timers.cancel(this.#timer);
  }

  /** Parks the task and returns BLOCKED; if a signal is pending, returns `restart` instead. */
  sleep(restart: number = -ERESTARTSYS): number {
    this.block.runs++;
    if (this.signalPending && !(this.block.killableOnly && !this.isDying())) {
      this.cancelWait();
      return restart;
    }
    this.state = TaskState.Blocked;
    this.usage.voluntarySwitches++;
    return BLOCKED;
  }

  /** As `sleep`, until `deadline` at most; a re-run keeps the first deadline and finds `block.timedOut`. */
  sleepUntil(deadline: number, restart: number = -ERESTARTSYS): number {
    if (this.block.runs === 0) this.block.deadline = deadline;
    const r = this.sleep(restart);
    if (r === BLOCKED && this.block.deadline !== Infinity) {
      this.#timer.deadline = this.block.deadline;
      this.kernel.timers.add(this.#timer);
    }
    return r;
  }

  /** As `sleep`, but only a signal that ends the task wakes it. */
  sleepKillable(restart: number): number {
    this.block.killableOnly = true;
    return this.sleep(restart);
  }

  /** Makes a blocked task run its system call again. Nothing happens to one that is not blocked. */
  wake(): void {
    if (this.state !== TaskState.Blocked) return;
    this.cancelWait();
    this.state = TaskState.Kernel;
    this.kernel.enqueue(this);
  }

  /** Whether it must exit before it runs again: its process is exiting, or SIGKILL is pending. */
  isDying(): boolean {
    return (this.pending.lo & 0x100) !== 0 || (this.group.sharedPending.lo & 0x100) !== 0;
  }

  /** CPU time so far, nanoseconds, as the platform measures its thread. */
  cpuTime(): number {
    return this.usage.userTime + this.usage.systemTime + this.#unaccounted();
  }

  /** Its usage so far. */
  currentUsage(): Usage {
    const cpu = this.#unaccounted();
    this.usage.userTime += cpu;
    this.accountedCpu += cpu;
    const peak = this.mm.table.peak * 4;
    if (peak > this.usage.maxRss) this.usage.maxRss = peak;
    return this.usage;
  }

  #unaccounted(): number {
    const cpu = this.ctx.cpuTime?.() ?? 0;
    return Math.max(0, cpu - this.accountedCpu);
  }
}

/** What a task is made of. */
export interface TaskInit {
  kernel: Kernel;
  pid: Pid;
  /** The process; null for its first thread. */
  group: ThreadGroup | null;
  ctx: Context;
  mm: MemoryManager;
  files: FdTable;
  fs: FsContext;
  creds: Credentials;
  nsproxy: NsProxy;
  name: string;
  affinity: Uint8Array;
}
