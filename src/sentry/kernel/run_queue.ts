/** The tasks that the run loop must continue, in the order in which they became so. */
// hot: each wake-up passes through here.

import type { Task } from "./task.ts";

/** A ring of tasks that grows by doubling. */
export class RunQueue {
  #ring: (Task | null)[] = new Array<Task | null>(64).fill(null);
  #head = 0;
  #count = 0;

  /** Tasks in it. */
  get length(): number {
    return this.#count;
  }

  /** Appends a task. */
  push(t: Task): void {
    if (this.#count === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#count++) & (this.#ring.length - 1)] = t;
  }

  /** Takes the first one and marks it as no longer queued; null if there is none. */
  shift(): Task | null {
    if (this.#count === 0) return null;
    const t = this.#ring[this.#head]!;
    this.#ring[this.#head] = null;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#count--;
    t.queued = false;
    return t;
  }

  #grow(): void {
    const old = this.#ring;
    const ring = new Array<Task | null>(old.length * 2).fill(null);
    for (let i = 0; i < this.#count; i++) ring[i] = old[(this.#head + i) & (old.length - 1)];
    this.#ring = ring;
    this.#head = 0;
  }
}
