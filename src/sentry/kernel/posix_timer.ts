/** Timers of timer_create(2). */

import { SI_TIMER } from "../../abi/signals.ts";
import { SigInfo, type SignalTimer } from "./signal_set.ts";
import { sendToGroup, sendToTask } from "./task_signals.ts";
import type { Task } from "./task.ts";
import type { ThreadGroup } from "./thread_group.ts";
import { Timer } from "./timers.ts";

/** What a timer counts. */
export const enum TimerBase {
  Monotonic = 0,
  Realtime = 1,
  ProcessCpu = 2,
  ThreadCpu = 3,
}

/** Overruns are told up to here (DELAYTIMER_MAX). */
const OVERRUN_MAX = 0x7fffffff;

/** One timer of a process. */
export class PosixTimer extends Timer implements SignalTimer {
  readonly group: ThreadGroup;
  readonly id: number;
  readonly base: TimerBase;
  /** The thread whose CPU time counts, or that gets the signal (SIGEV_THREAD_ID); null for the process. */
  readonly task: Task | null;
  /** 0 for SIGEV_NONE. */
  readonly signo: number;
  readonly info: SigInfo;
  interval = 0;
  /** When it expires, on its own clock; Infinity when it is not armed. */
  expires = Infinity;
  /** Expirations since the queued signal. */
  overrun = 0;
  /** What timer_getoverrun tells: those before the last delivery. */
  lastOverrun = 0;

  constructor(
    group: ThreadGroup,
    id: number,
    base: TimerBase,
    signo: number,
    task: Task | null,
    valueLow: number,
    valueHigh: number,
  ) {
    super();
    this.group = group;
    this.id = id;
    this.base = base;
    this.signo = signo;
    this.task = task;
    this.info = new SigInfo(signo, SI_TIMER);
    this.info.pid = id;
    this.info.setValue(valueLow, valueHigh);
    this.info.timer = this;
  }

  /** The time of its clock. */
  now(): number {
    switch (this.base) {
      case TimerBase.Realtime:
        return this.group.kernel.clock.realtime();
      case TimerBase.ProcessCpu:
        return this.group.cpuTime();
      case TimerBase.ThreadCpu:
        return this.task === null ? 0 : this.task.cpuTime();
      default:
        return this.group.kernel.clock.monotonic();
    }
  }

  /** Arms it for the time `expires` of its clock; Infinity disarms. */
  arm(expires: number, interval: number): void {
    this.disarm();
    this.expires = expires;
    this.interval = interval;
    this.overrun = 0;
    this.lastOverrun = 0;
    this.#schedule();
  }

  /** Stops it and takes back a signal that is still queued. */
  disarm(): void {
    this.group.kernel.timers.cancel(this);
    this.expires = Infinity;
    if (this.task !== null) this.task.pending.remove(this.info);
    this.group.sharedPending.remove(this.info);
  }

  /** Time left, 0 when not armed. */
  remaining(): number {
    if (this.expires === Infinity) return 0;
    const now = this.now();
    if (this.expires > now) return this.expires - now;
    // Its signal waits to be taken: tell of the next expiration.
    if (this.interval > 0) return this.interval - (now - this.expires) % this.interval;
    return this.#isQueued() ? 0 : 1;
  }

  override fire(): void {
    const now = this.now();
    if (now < this.expires) {
      this.#schedule();
      return;
    }
    if (this.signo === 0) {
      this.#advance(now);
      return;
    }
    this.overrun = 0;
    this.info.uid = 0;
    if (this.task !== null && this.base !== TimerBase.ThreadCpu) sendToTask(this.task, this.info);
    else sendToGroup(this.group, this.info);
    if (!this.#isQueued()) {
      // The signal is ignored: keep the period, but not faster than a thousand times a second.
      this.#advance(Math.max(now, now + 1_000_000 - this.interval));
    }
  }

  /** The signal is about to be delivered: count what was missed and go on. */
  delivered(info: SigInfo): void {
    const now = this.now();
    if (this.interval > 0 && this.expires !== Infinity) this.#advance(now);
    else this.expires = Infinity;
    this.lastOverrun = Math.min(this.overrun, OVERRUN_MAX);
    this.overrun = 0;
    info.uid = this.lastOverrun;
  }

  #advance(now: number): void {
    if (this.interval === 0) {
      this.expires = Infinity;
      return;
    }
    const periods = Math.max(0, Math.floor((now - this.expires) / this.interval));
    this.overrun += periods;
    this.expires += (periods + 1) * this.interval;
    this.#schedule();
  }

  #schedule(): void {
    if (this.expires === Infinity) return;
    const timers = this.group.kernel.timers;
    const left = this.expires - this.now();
    const cpu = this.base === TimerBase.ProcessCpu || this.base === TimerBase.ThreadCpu;
    const threads = cpu
      ? Math.max(1, Math.min(this.group.tasks.length, this.group.kernel.cpus))
      : 1;
    this.deadline = timers.now() + (cpu ? Math.max(1_000_000, left / threads) : Math.max(0, left));
    timers.add(this);
  }

  #isQueued(): boolean {
    return this.group.sharedPending.contains(this.info) ||
      (this.task !== null && this.task.pending.contains(this.info));
  }
}
