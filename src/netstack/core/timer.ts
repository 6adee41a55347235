// hot: every segment may move a retransmission deadline.

/**
 * Timers of the stack. Time is a parameter: the owner says what time it is and calls `run`.
 *
 * The queue is a binary heap in which a deadline that moves *later* is not re-sorted at once: the
 * timer stays where it is and is put right when it comes up. TCP pushes its retransmission
 * deadline back with every acknowledgement, so this makes the common case one assignment.
 */

/** Nanoseconds in a millisecond. */
export const MS = 1_000_000;
/** Nanoseconds in a second. */
export const SECOND = 1_000_000_000;

/** Something that happens at a time. */
export abstract class Timer {
  /** When to fire; Infinity if not armed. */
  deadline = Infinity;
  /** Key by which the heap has it sorted, never after `deadline`. Owned by the queue. */
  heapKey = 0;
  /** Place in the heap, -1 outside. Owned by the queue. */
  heapIndex = -1;

  /** Called once the deadline has passed; the timer is unarmed by then. */
  abstract fire(now: number): void;
}

/** A timer that calls a function. */
export class CallbackTimer extends Timer {
  private readonly action: (now: number) => void;

  constructor(action: (now: number) => void) {
    super();
    this.action = action;
  }

  fire(now: number): void {
    this.action(now);
  }
}

/** All timers of one stack. */
export class TimerQueue {
  private readonly heap: Timer[] = [];
  /** Called when the earliest deadline became earlier. */
  onEarlier: ((deadline: number) => void) | null = null;

  /** Count of timers in the queue, armed or about to be dropped from it. */
  get size(): number {
    return this.heap.length;
  }

  /** The time by which `run` must be called; Infinity if there is nothing to do. */
  get next(): number {
    // Timers that were cancelled or moved later must not wake an idle owner.
    while (this.heap.length > 0 && this.heap[0].deadline > this.heap[0].heapKey) {
      this.settleTop();
    }
    return this.heap.length > 0 ? this.heap[0].deadline : Infinity;
  }

  /** Arms `t` for `deadline`, replacing an earlier arming. */
  arm(t: Timer, deadline: number): void {
    t.deadline = deadline;
    if (t.heapIndex >= 0) {
      if (deadline >= t.heapKey) return;
      t.heapKey = deadline;
      this.up(t.heapIndex);
    } else {
      if (deadline === Infinity) return;
      t.heapKey = deadline;
      t.heapIndex = this.heap.length;
      this.heap.push(t);
      this.up(t.heapIndex);
    }
    if (t.heapIndex === 0 && this.onEarlier !== null) this.onEarlier(deadline);
  }

  /** Disarms `t`; it leaves the heap when it would have come up. */
  cancel(t: Timer): void {
    t.deadline = Infinity;
  }

  /** Disarms `t` and takes it out of the heap at once, for a timer whose owner goes away. */
  remove(t: Timer): void {
    t.deadline = Infinity;
    if (t.heapIndex >= 0) this.take(t.heapIndex);
  }

  /** Fires all timers whose deadline is not after `now`. */
  run(now: number): void {
    while (this.heap.length > 0 && this.heap[0].heapKey <= now) {
      const t = this.heap[0];
      if (t.deadline > t.heapKey) {
        this.settleTop();
        continue;
      }
      this.take(0);
      t.deadline = Infinity;
      t.fire(now);
    }
  }

  private settleTop(): void {
    const t = this.heap[0];
    if (t.deadline === Infinity) this.take(0);
    else {
      t.heapKey = t.deadline;
      this.down(0);
    }
  }

  private take(i: number): void {
    const heap = this.heap;
    heap[i].heapIndex = -1;
    const last = heap.pop() as Timer;
    if (i === heap.length) return;
    heap[i] = last;
    last.heapIndex = i;
    this.down(i);
    this.up(last.heapIndex);
  }

  private up(i: number): void {
    const heap = this.heap;
    const t = heap[i];
    while (i > 0) {
      const p = (i - 1) >>> 1;
      const parent = heap[p];
      if (parent.heapKey <= t.heapKey) break;
      heap[i] = parent;
      parent.heapIndex = i;
      i = p;
    }
    heap[i] = t;
    t.heapIndex = i;
  }

  private down(i: number): void {
    const heap = this.heap;
    const t = heap[i];
    const n = heap.length;
    for (;;) {
      let c = 2 * i + 1;
      if (c >= n) break;
      if (c + 1 < n && heap[c + 1].heapKey < heap[c].heapKey) c++;
      const child = heap[c];
      if (child.heapKey >= t.heapKey) break;
      heap[i] = child;
      child.heapIndex = i;
      i = c;
    }
    heap[i] = t;
    t.heapIndex = i;
  }
}
