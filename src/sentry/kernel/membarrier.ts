/**
 * Memory barriers in other threads (membarrier(2)): each of them is made to stop once, which orders all that it did
 * before against all that it does after. One that is not running stopped already.
 */

import { POLLIN } from "../../abi/poll.ts";
import type { Kernel } from "./kernel.ts";
import { type Task, TaskState } from "./task.ts";
import { WaitQueue } from "./wait.ts";

/** A membarrier(2) under way. */
export class Barrier {
  readonly queue: WaitQueue = new WaitQueue();
  readonly #running: Set<Task> = new Set();

  /** Interrupts all running tasks that `concerns` names. */
  constructor(kernel: Kernel, concerns: (task: Task) => boolean) {
    for (const pid of kernel.tasks.pids()) {
      const task = pid.task;
      if (task !== null && task.state === TaskState.User && concerns(task)) this.#running.add(task);
    }
    if (this.#running.size === 0) return;
    (kernel.barriers ??= new Set()).add(this);
    for (const task of this.#running) kernel.platform.interrupt(task.ctx);
  }

  /** Whether every task has stopped. */
  get isDone(): boolean {
    return this.#running.size === 0;
  }

  /** A task has stopped. */
  stopped(task: Task): void {
    if (this.#running.delete(task) && this.isDone) this.queue.notify(POLLIN);
  }
}

/** Tells the barriers under way that a task has stopped. */
export function passBarriers(kernel: Kernel, task: Task): void {
  for (const barrier of kernel.barriers!) barrier.stopped(task);
}

/** Forgets a barrier. */
export function endBarrier(kernel: Kernel, barrier: Barrier): void {
  if (kernel.barriers === null) return;
  kernel.barriers.delete(barrier);
  if (kernel.barriers.size === 0) kernel.barriers = null;
}
