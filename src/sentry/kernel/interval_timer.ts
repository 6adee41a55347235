/** setitimer(2) and alarm(2): the three interval timers of a process. */

import { SIGALRM } from "../../abi/signals.ts";
import { SigInfo, type SignalTimer } from "./signal_set.ts";
import { sendToGroup } from "./task_signals.ts";
import type { ThreadGroup } from "./thread_group.ts";
import { Timer } from "./timers.ts";

/** ITIMER_REAL: counts real time and sends SIGALRM. */
export class RealTimer extends Timer implements SignalTimer {
  readonly group: ThreadGroup;
  /** Nanoseconds between expirations, 0 for one only. */
  interval = 0;
  readonly #info: SigInfo;

  constructor(group: ThreadGroup) {
    super();
    this.group = group;
    this.#info = SigInfo.kernel(SIGALRM);
    this.#info.timer = this;
  }

  override fire(): void {
    const info = this.#info;
    const queued = this.group.sharedPending.contains(info);
    if (!queued) sendToGroup(this.group, info);
    // As on Linux the next expiration starts when the signal is taken. One that nobody takes still has to go on.
    if (this.interval > 0 && !this.group.sharedPending.contains(info)) this.#again();
  }

  /** The signal is about to be delivered. */
  delivered(_info: SigInfo): void {
    if (this.interval > 0 && this.slot < 0) this.#again();
  }

  #again(): void {
    const timers = this.group.kernel.timers;
    const now = timers.now();
    const missed = Math.max(0, Math.floor((now - this.deadline) / this.interval));
    this.deadline += (missed + 1) * this.interval;
    timers.add(this);
  }
}

/** The interval timers of one process. */
export class IntervalTimers {
  readonly real: RealTimer;
  readonly virtual: CpuTimer;
  readonly profiling: CpuTimer;

  constructor(group: ThreadGroup) {
    this.real = new RealTimer(group);
    this.virtual = new CpuTimer(group, 26);
    this.profiling = new CpuTimer(group, 27);
  }

  /** Stops all, at the end of the process. */
  stop(group: ThreadGroup): void {
    group.kernel.timers.cancel(this.real);
    group.kernel.timers.cancel(this.virtual);
    group.kernel.timers.cancel(this.profiling);
  }
}

/** ITIMER_VIRTUAL and ITIMER_PROF: count CPU time of the process, looked at when it may have run out. */
export class CpuTimer extends Timer {
  readonly group: ThreadGroup;
  readonly signo: number;
  interval = 0;
  /** CPU time at which it expires; Infinity when not set. */
  expires = Infinity;

  constructor(group: ThreadGroup, signo: number) {
    super();
    this.group = group;
    this.signo = signo;
  }

  /** Sets it to expire after `value` more nanoseconds of CPU time. */
  start(value: number, interval: number): void {
    const timers = this.group.kernel.timers;
    timers.cancel(this);
    this.interval = interval;
    this.expires = value === 0 ? Infinity : this.group.cpuTime() + value;
    this.#schedule();
  }

  /** CPU time left, 0 when not set. */
  remaining(): number {
    return this.expires === Infinity ? 0 : Math.max(1000, this.expires - this.group.cpuTime());
  }

  override fire(): void {
    if (this.group.cpuTime() >= this.expires) {
      sendToGroup(this.group, SigInfo.kernel(this.signo));
      this.expires = this.interval > 0 ? this.group.cpuTime() + this.interval : Infinity;
    }
    this.#schedule();
  }

  /** A process can use at most as much CPU time per second as it has running threads: look again no earlier. */
  #schedule(): void {
    if (this.expires === Infinity) return;
    const timers = this.group.kernel.timers;
    const threads = Math.max(1, Math.min(this.group.tasks.length, this.group.kernel.cpus));
    const left = this.expires - this.group.cpuTime();
    this.deadline = timers.now() + Math.max(1_000_000, left / threads);
    timers.add(this);
  }
}
