/** A process: the threads that share a pid, and all that is theirs together. */

import type { Pid } from "./pid.ts";
import type { ProcessGroup, Session } from "./process_group.ts";
import type { CpuLimitTimer } from "./cpu_limit.ts";
import type { IntervalTimers } from "./interval_timer.ts";
import type { PosixTimer } from "./posix_timer.ts";
import { Rlimits } from "./rlimits.ts";
import { PendingSignals, type SignalHandlers } from "./signal_set.ts";
import type { Kernel } from "./kernel.ts";
import type { Task } from "./task.ts";
import { WaitQueue } from "./wait.ts";

/** CPU time and counts that getrusage(2) and wait4(2) tell; times in nanoseconds. */
export class Usage {
  userTime = 0;
  systemTime = 0;
  minorFaults = 0;
  majorFaults = 0;
  voluntarySwitches = 0;
  involuntarySwitches = 0;
  /** KiB. */
  maxRss = 0;

  /** Adds another one. */
  add(other: Usage): void {
    this.userTime += other.userTime;
    this.systemTime += other.systemTime;
    this.minorFaults += other.minorFaults;
    this.majorFaults += other.majorFaults;
    this.voluntarySwitches += other.voluntarySwitches;
    this.involuntarySwitches += other.involuntarySwitches;
    if (other.maxRss > this.maxRss) this.maxRss = other.maxRss;
  }
}

/** Whoever started a process from outside of the sandbox. */
export interface ExitWatcher {
  /** The last thread has exited; `group.exitCode` is as wait4(2) reports it. */
  processExited(group: ThreadGroup): void;
}

/** A process. */
export class ThreadGroup {
  readonly kernel: Kernel;
  readonly pid: Pid;
  /** The thread whose id is the process id. */
  leader: Task;
  /** Threads that have not exited; a dead leader stays as `leader` only. */
  readonly tasks: Task[] = [];
  parent: ThreadGroup | null = null;
  readonly children: Set<ThreadGroup> = new Set();
  pgrp!: ProcessGroup;
  /** The signal that its parent gets at its end (SIGCHLD mostly, 0 for none). */
  exitSignal = 0;

  handlers: SignalHandlers;
  readonly sharedPending: PendingSignals = new PendingSignals();
  rlimits: Rlimits = new Rlimits();
  timers: IntervalTimers | null = null;
  cpuLimit: CpuLimitTimer | null = null;
  readonly posixTimers: Map<number, PosixTimer> = new Map();
  nextPosixTimer = 0;

  /** Set when the whole process is on its way out; `exitCode` is decided then. */
  exiting = false;
  /** As wait4(2) reports it: status << 8, or the signal, with 0x80 for a core. */
  exitCode = 0;
  /** All threads have exited, and the parent has not waited yet. */
  isZombie = false;
  /** The parent has waited, or nobody will. */
  isReaped = false;
  /** Init of a pid namespace: signals that it does not handle do nothing to it (pid_namespaces(7)). */
  unkillable = false;
  /** Told at the end of a process that has no parent: who started it from outside. */
  exitWatcher: ExitWatcher | null = null;
  /** A thread that is replacing the process by execve and waits for the others to go, or null. */
  execTask: Task | null = null;

  /** Threads that have yet to stop for the group stop under way. */
  stopCount = 0;
  /** The signal of the group stop, 0 for none. */
  stopSignal = 0;
  /** Every thread has stopped. */
  stopped = false;
  /** The stop has not been waited for. */
  stopUnreported = false;
  /** It was continued, and that has not been waited for. */
  continueUnreported = false;

  /** Children changed state; wait4 and waitid wait here. */
  readonly childQueue: WaitQueue = new WaitQueue();
  /** PR_SET_CHILD_SUBREAPER. */
  isSubreaper = false;
  /** Some ancestor is a subreaper, so that orphans must look for it. */
  hasSubreaper = false;
  oomScoreAdj = 0;
  /** It called execve since it was forked; setpgid by the parent is refused then. */
  hasExecuted = false;
  /** Monotonic nanoseconds. */
  readonly startTime: number;

  /** Of threads that have exited. */
  readonly exitedUsage: Usage = new Usage();
  /** Of children that have been waited for. */
  readonly childUsage: Usage = new Usage();

  constructor(kernel: Kernel, pid: Pid, leader: Task, handlers: SignalHandlers) {
    this.kernel = kernel;
    this.pid = pid;
    this.leader = leader;
    this.handlers = handlers;
    this.startTime = kernel.clock.monotonic();
  }

  /** The process id in its own namespace. */
  get tgid(): number {
    return this.pid.number;
  }

  /** The session. */
  get session(): Session {
    return this.pgrp.session;
  }

  /** Whether this process is the leader of its session. */
  get isSessionLeader(): boolean {
    return this.pgrp.session.leader === this;
  }

  /** CPU time of all threads, nanoseconds. */
  cpuTime(): number {
    let total = this.exitedUsage.userTime + this.exitedUsage.systemTime;
    for (const task of this.tasks) total += task.cpuTime();
    return total;
  }

  /** Adds the CPU time of all threads, living and dead, to `usage`. */
  collectUsage(usage: Usage): void {
    usage.add(this.exitedUsage);
    for (const task of this.tasks) usage.add(task.currentUsage());
  }
}
