/**
 * The sentry's loop: it answers whatever stopped, continues whoever was woken, runs timers, and
 * sleeps when there is nothing to do.
 */
// hot

import { type Context, Stop } from "../platform/platform.ts";
import { deliverSignals, faultToSignal, isRestart, Next } from "./signal_delivery.ts";
import type { HostPoller } from "./host_poller.ts";
import type { Kernel } from "./kernel.ts";
import { passBarriers } from "./membarrier.ts";
import { SigInfo } from "./signal_set.ts";
import { SECCOMP_PASS, type SyscallHandler, type Task, TaskState } from "./task.ts";
import { sendToGroup } from "./task_signals.ts";
import { BLOCKED, EXITED, NO_RETURN } from "./wait.ts";

const SIGKILL = 9;
/** Stops answered between two looks at the clock and at host descriptors. */
const HOUSEKEEPING = 256;
/** Memory that was freed stays at hand for so long before a sandbox that does nothing gives it back, nanoseconds. */
const FREED_KEPT = 100_000_000;

/** Looks for a post right after a thread was told to go on. */
const SHORT_SPIN = 100;

/** What sees every system call, for `--strace`. */
export interface SyscallTrace {
  enter(t: Task): void;
  /** The call has to wait. It is told each time that it is run again in vain. */
  blocked(t: Task): void;
  exit(t: Task, result: number): void;
}

/** What the loop is made of. */
export interface RunLoopInit {
  kernel: Kernel;
  poller: HostPoller;
  handlers: readonly (SyscallHandler | undefined)[];
  refusal: (nr: number) => number;
  trace: SyscallTrace | null;
}

/** Runs one kernel. */
export class RunLoop {
  readonly #kernel: Kernel;
  readonly #poller: HostPoller;
  readonly #handlers: readonly (SyscallHandler | undefined)[];
  readonly #refusal: (nr: number) => number;
  readonly #trace: SyscallTrace | null;
  /** Set to end the loop after the step under way. */
  stopped = false;
  /** While this is set no task returns to its application; see {@link pause}. */
  paused = false;
  /** Tasks that would have returned meanwhile. */
  readonly #held: Task[] = [];
  #holds: ((t: Task) => boolean) | null = null;

  constructor(init: RunLoopInit) {
    this.#kernel = init.kernel;
    this.#poller = init.poller;
    this.#handlers = init.handlers;
    this.#refusal = init.refusal;
    this.#trace = init.trace;
  }

  /** Runs until `done` says so after a task exited, `stopped` is set, or the kernel has deferred work. */
  run(done: () => boolean): void {
    const kernel = this.#kernel;
    const platform = kernel.platform;
    let work = 0;
    while (!this.stopped && kernel.deferred === null) {
      const t = kernel.runnable.shift();
      if (t !== null) {
        this.#continue(t);
        if (t.state >= TaskState.Zombie && done()) return;
      }
      let c = platform.poll(kernel.runnable.length === 0 ? SHORT_SPIN : 0);
      if (c === null && kernel.runnable.length === 0) c = this.#idle();
      if (c !== null) {
        this.#stop(c);
        const task = c.task as Task | null;
        if ((task === null || task.state >= TaskState.Zombie) && done()) return;
      }
      if (++work >= HOUSEKEEPING) {
        work = 0;
        this.#housekeeping();
      }
    }
  }

  /** Stops applications where they are, all or those that `holds` names; system calls that end meanwhile do not return. */
  pause(holds: ((t: Task) => boolean) | null = null): void {
    this.paused = true;
    this.#holds = holds;
    for (const pid of this.#kernel.tasks.pids()) {
      const task = pid.task;
      if (task === null || task.state !== TaskState.User) continue;
      if (holds === null || holds(task)) this.#kernel.platform.interrupt(task.ctx);
    }
  }

  /** Lets applications go on. */
  unpause(): void {
    this.paused = false;
    for (const task of this.#held.splice(0)) {
      if (task.state === TaskState.Kernel) this.#kernel.enqueue(task);
    }
  }

  #housekeeping(): void {
    const timers = this.#kernel.timers;
    if (timers.size > 0) timers.run(timers.now());
    if (this.#poller.size > 0) this.#poller.wait(0);
  }

  /** Nothing has stopped: waits, first by spinning, then asleep. */
  #idle(): Context | null {
    const kernel = this.#kernel;
    const platform = kernel.platform;
    const timers = kernel.timers;
    if (timers.size > 0) {
      timers.run(timers.now());
      if (kernel.runnable.length > 0) return null;
    }
    if (platform.runningCount > 0) {
      const c = platform.spin();
      if (c !== null) return c;
    }
    const next = timers.next();
    const now = timers.now();
    let timeout = next === Infinity ? Infinity : Math.max(0, next - now);
    const { frames } = kernel;
    const hasFreed = frames.dirtyFrames > 0;
    if (hasFreed && timeout > FREED_KEPT) timeout = FREED_KEPT;
    if (!platform.prepareSleep()) return platform.poll();
    this.#poller.wait(timeout);
    platform.finishSleep();
    if (hasFreed && timers.now() - now >= FREED_KEPT) frames.flushFreed();
    if (timers.size > 0) timers.run(timers.now());
    return null;
  }

  /** Goes on with a task that is in the kernel: new, woken, or continued after a stop. */
  #continue(t: Task): void {
    if (t.state !== TaskState.Kernel) return;
    if (t.worker !== null) {
      t.worker.proceed();
      return;
    }
    if (t.sysret !== NO_RETURN) {
      this.#after(t, deliverSignals(t, t.sysret));
    } else if (t.block.runs > 0) {
      this.#again(t);
    } else if (t.signalPending) {
      this.#after(t, deliverSignals(t, NO_RETURN));
    } else this.#resume(t);
  }

  #stop(c: Context): void {
    const t = c.task as Task;
    if (this.#kernel.barriers !== null) passBarriers(this.#kernel, t);
    if (c.stop === Stop.Dead) {
      this.#lost(t);
      return;
    }
    t.state = TaskState.Kernel;
    switch (c.stop) {
      case Stop.Syscall:
        t.sysno = c.sysno;
        c.copyArgs(t.args);
        if (this.#trace !== null) this.#trace.enter(t);
        if (t.seccomp !== null) this.#judge(t);
        else this.#call(t);
        return;
      case Stop.Fault:
        if (faultToSignal(t) && !t.signalPending) this.#resume(t);
        else this.#after(t, deliverSignals(t, NO_RETURN));
        return;
      case Stop.Interrupted:
        if (t.signalPending) this.#after(t, deliverSignals(t, NO_RETURN));
        else this.#resume(t);
    }
  }

  /** The task's host thread died, or broke its stub: the process can not go on. */
  #lost(t: Task): void {
    if (t.state >= TaskState.Zombie) return;
    sendToGroup(t.group, SigInfo.kernel(SIGKILL), true);
    // One that waits in the kernel was woken by the signal.
    if (t.state !== TaskState.User) return;
    t.state = TaskState.Kernel;
    this.#after(t, deliverSignals(t, NO_RETURN));
  }

  /** Makes a system call if the task's filters let it. */
  #judge(t: Task): void {
    const r = t.seccomp!.check(t);
    if (r === SECCOMP_PASS) this.#call(t);
    else if (r === BLOCKED) this.#blocked(t);
    else this.#finish(t, r);
  }

  /** Goes on with a system call that has waited. */
  #again(t: Task): void {
    if (t.seccompWaits) this.#judge(t);
    else this.#call(t);
  }

  #blocked(t: Task): void {
    if (this.#trace !== null) this.#trace.blocked(t);
    this.#kernel.platform.park(t.ctx);
  }

  #call(t: Task): void {
    const nr = t.sysno;
    const handler = this.#handlers[nr];
    const r = handler === undefined ? this.#refusal(nr) : handler(t);
    if (r === BLOCKED) this.#blocked(t);
    else this.#finish(t, r);
  }

  #finish(t: Task, r: number): void {
    if (this.#trace !== null) this.#trace.exit(t, r);
    if (r === EXITED) return;
    if (t.signalPending || isRestart(r)) {
      this.#after(t, deliverSignals(t, r));
      return;
    }
    if (r !== NO_RETURN) t.ctx.setReturn(r);
    if (t.block.runs !== 0) t.block.reset();
    this.#resume(t);
  }

  #after(t: Task, next: Next): void {
    if (next === Next.User) this.#resume(t);
    else if (next === Next.Rerun) this.#again(t);
  }

  #resume(t: Task): void {
    if (this.paused && (this.#holds === null || this.#holds(t))) {
      this.#held.push(t);
      this.#kernel.platform.park(t.ctx);
      return;
    }
    t.state = TaskState.User;
    this.#kernel.platform.resume(t.ctx);
  }
}
