/**
 * Wait queues. Whatever can become ready (a pipe, a child, a futex bucket) owns a {@link WaitQueue}; whoever waits adds a
 * {@link Waiter}. A blocked system call registers the pooled waiters of its task and is run again when one of them wakes.
 */
// hot: every blocking read, write and poll passes here, so nothing is allocated.

/** What a handler returns after it parked its task. */
export const BLOCKED = -0x40000000;
/** What a handler returns that has written the whole register file itself (sigreturn, execve). */
export const NO_RETURN = -0x40000001;
/** What a handler returns whose task is gone (exit). */
export const EXITED = -0x40000002;

/** A node of a wait queue. It is in at most one queue at a time. */
export abstract class Waiter {
  /** Events that wake it, as poll(2) bits. */
  mask = 0;
  /** The queue it is in. */
  queue: WaitQueue | null = null;
  prev: Waiter | null = null;
  next: Waiter | null = null;
  /** Order of its arrival in the queue. */
  order = 0;

  /** Called when an event of `mask` happened. It may add and remove waiters, itself too. */
  abstract onWake(mask: number): void;
}

/** A list of waiters, oldest first. */
export class WaitQueue {
  #head: Waiter | null = null;
  #tail: Waiter | null = null;
  #arrivals = 0;
  #cursor: Waiter | null = null;
  #notifying = false;

  /** Whether nobody waits. */
  get empty(): boolean {
    return this.#head === null;
  }

  /** Appends a waiter; its `mask` must be set. */
  add(w: Waiter): void {
    if (w.queue !== null) w.queue.remove(w);
    w.queue = this;
    w.order = ++this.#arrivals;
    w.prev = this.#tail;
    w.next = null;
    if (this.#tail === null) this.#head = w;
    else this.#tail.next = w;
    this.#tail = w;
  }

  /** Takes a waiter out, if it is in this queue. */
  remove(w: Waiter): void {
    if (w.queue !== this) return;
    if (this.#cursor === w) this.#cursor = w.next;
    if (w.prev === null) this.#head = w.next;
    else w.prev.next = w.next;
    if (w.next === null) this.#tail = w.prev;
    else w.next.prev = w.prev;
    w.queue = null;
    w.prev = null;
    w.next = null;
  }

  /** Calls `onWake` of every waiter that waits for an event of `mask` and was here before this call. */
  notify(mask: number): void {
    if (this.#head === null) return;
    if (this.#notifying) {
      this.#notifyNested(mask);
      return;
    }
    const last = this.#arrivals;
    this.#notifying = true;
    let w: Waiter | null = this.#head;
    while (w !== null && w.order <= last) {
      this.#cursor = w.next;
      if ((w.mask & mask) !== 0) w.onWake(mask);
      w = this.#cursor;
    }
    this.#cursor = null;
    this.#notifying = false;
  }

  /** Wakes the oldest waiter for `mask`; false if there is none. */
  notifyOne(mask: number): boolean {
    for (let w = this.#head; w !== null; w = w.next) {
      if ((w.mask & mask) !== 0) {
        w.onWake(mask);
        return true;
      }
    }
    return false;
  }

  /** A waiter's `onWake` led back to this queue (epoll sets that watch each other). */
  #notifyNested(mask: number): void {
    const waiters: Waiter[] = [];
    for (let w = this.#head; w !== null; w = w.next) {
      if ((w.mask & mask) !== 0) waiters.push(w);
    }
    for (const w of waiters) if (w.queue === this) w.onWake(mask);
  }
}
