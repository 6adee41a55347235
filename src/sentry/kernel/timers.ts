/** Timers of the kernel: a binary heap by deadline, whose timers know their place in it. */
// hot: sleeps and poll timeouts come and go here; nothing is allocated.

import type { Clock } from "./clock.ts";

/** Something to do at a monotonic time. */
export abstract class Timer {
  /** Monotonic nanoseconds. Set it only while the timer is not queued. */
  deadline = Infinity;
  /** Place in the heap, or -1. */
  slot = -1;

  /** Called once when the deadline has passed; the timer is no longer queued then and may be queued again. */
  abstract fire(): void;
}

/** All queued timers of a kernel. */
export class TimerQueue {
  readonly #clock: Clock;
  readonly #heap: Timer[] = [];

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  /** Monotonic time, nanoseconds. */
  now(): number {
    return this.#clock.monotonic();
  }

  /** The number of queued timers. */
  get size(): number {
    return this.#heap.length;
  }

  /** Queues a timer by its `deadline`, again if it is queued already. */
  add(timer: Timer): void {
    if (timer.slot >= 0) this.cancel(timer);
    const heap = this.#heap;
    timer.slot = heap.length;
    heap.push(timer);
    this.#up(timer.slot);
  }

  /** Takes a timer out; nothing happens if it is not queued. */
  cancel(timer: Timer): void {
    const slot = timer.slot;
    if (slot < 0) return;
    const heap = this.#heap;
    timer.slot = -1;
    const last = heap.pop()!;
    if (last === timer) return;
    heap[slot] = last;
    last.slot = slot;
    this.#up(slot);
    this.#down(last.slot);
  }

  /** The earliest deadline, or Infinity. */
  next(): number {
    return this.#heap.length === 0 ? Infinity : this.#heap[0].deadline;
  }

  /** Fires every timer whose deadline is at or before `now`. */
  run(now: number): void {
    const heap = this.#heap;
    // A timer that queues itself again with a passed deadline waits for the next call: no endless loop here.
    for (let budget = heap.length; budget > 0 && heap.length > 0; budget--) {
      const timer = heap[0];
      if (timer.deadline > now) return;
      this.cancel(timer);
      timer.fire();
    }
  }

  #up(slot: number): void {
    const heap = this.#heap;
    const timer = heap[slot];
    while (slot > 0) {
      const parent = (slot - 1) >> 1;
      const other = heap[parent];
      if (other.deadline <= timer.deadline) break;
      heap[slot] = other;
      other.slot = slot;
      slot = parent;
    }
    heap[slot] = timer;
    timer.slot = slot;
  }

  #down(slot: number): void {
    const heap = this.#heap;
    const timer = heap[slot];
    const length = heap.length;
    for (;;) {
      let child = 2 * slot + 1;
      if (child >= length) break;
      if (child + 1 < length && heap[child + 1].deadline < heap[child].deadline) child++;
      const other = heap[child];
      if (other.deadline >= timer.deadline) break;
      heap[slot] = other;
      other.slot = slot;
      slot = child;
    }
    heap[slot] = timer;
    timer.slot = slot;
  }
}
