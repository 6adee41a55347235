/**
 * Futex queues. A futex is known by its key: the address within one {@link MemoryManager} when it lies in private
 * memory, or the place in kernel memory when several address spaces share it.
 */
// hot: a fixed table of lists whose nodes are part of the tasks, so waiting and waking allocate nothing.

import type { FrameAllocator } from "../mm/frames.ts";
import type { MemoryManager } from "../mm/memory_manager.ts";
import type { Task } from "./task.ts";

const BUCKETS = 1024;

/** One wait for one futex. */
export class FutexWaiter {
  readonly task: Task;
  /** The address space of a private futex, null for a shared one. */
  space: MemoryManager | null = null;
  /** Address, or byte offset in kernel memory. */
  key = 0;
  /** Wake-ups that it listens to. */
  bitset = 0;
  /** Somebody woke it. */
  woken = false;
  /** It waits for a lock that is handed over (FUTEX_LOCK_PI). */
  forLock = false;
  /** It waits to be moved to a lock (FUTEX_WAIT_REQUEUE_PI), whose key this is. */
  forRequeue = false;
  lockSpace: MemoryManager | null = null;
  lockKey = 0;
  /** Which element of futex_waitv(2). */
  index = 0;
  /** Bucket it is in, or -1. */
  bucket = -1;
  prev: FutexWaiter | null = null;
  next: FutexWaiter | null = null;

  constructor(task: Task) {
    this.task = task;
  }

  /** Only operations on locks wake it. */
  get isLock(): boolean {
    return this.forLock || this.forRequeue;
  }
}

/** All futexes that somebody waits for. */
export class FutexTable {
  readonly #heads: (FutexWaiter | null)[] = new Array<FutexWaiter | null>(BUCKETS).fill(null);
  readonly #tails: (FutexWaiter | null)[] = new Array<FutexWaiter | null>(BUCKETS).fill(null);
  /** Kernel memory by 32-bit words, for atomic access to what the application changes at the same time. */
  readonly words: Int32Array;

  constructor(frames: FrameAllocator) {
    const memory = frames.memory;
    this.words = new Int32Array(memory.buffer, memory.byteOffset, Math.floor(memory.length / 4));
  }

  /** Queues `w` on a futex. */
  add(w: FutexWaiter, space: MemoryManager | null, key: number, bitset: number): void {
    w.space = space;
    w.key = key;
    w.bitset = bitset;
    w.woken = false;
    const b = bucketOf(key);
    w.bucket = b;
    w.next = null;
    w.prev = this.#tails[b];
    if (w.prev === null) this.#heads[b] = w;
    else w.prev.next = w;
    this.#tails[b] = w;
  }

  /** Takes `w` out, if it is queued. */
  remove(w: FutexWaiter): void {
    const b = w.bucket;
    if (b < 0) return;
    if (w.prev === null) this.#heads[b] = w.next;
    else w.prev.next = w.next;
    if (w.next === null) this.#tails[b] = w.prev;
    else w.next.prev = w.prev;
    w.prev = null;
    w.next = null;
    w.bucket = -1;
    w.space = null;
  }

  /** The oldest waiter of a futex after `after`, whose bitset meets `bitset`; null if there is none. */
  find(
    space: MemoryManager | null,
    key: number,
    bitset: number,
    after: FutexWaiter | null = null,
  ): FutexWaiter | null {
    let w = after === null ? this.#heads[bucketOf(key)] : after.next;
    while (w !== null) {
      if (w.key === key && w.space === space && (w.bitset & bitset) !== 0) return w;
      w = w.next;
    }
    return null;
  }

  /** Wakes at most `count` waiters; returns how many. */
  wake(space: MemoryManager | null, key: number, count: number, bitset: number): number {
    let woken = 0;
    let w = this.#heads[bucketOf(key)];
    while (w !== null && woken < count) {
      const next: FutexWaiter | null = w.next;
      if (w.key === key && w.space === space && (w.bitset & bitset) !== 0 && !w.isLock) {
        this.wakeOne(w);
        woken++;
      }
      w = next;
    }
    return woken;
  }

  /** Takes `w` out and lets its task go on. */
  wakeOne(w: FutexWaiter): void {
    this.remove(w);
    w.woken = true;
    w.task.wake();
  }

  /** Moves at most `count` waiters to another futex; returns how many. */
  requeue(
    space: MemoryManager | null,
    key: number,
    count: number,
    toSpace: MemoryManager | null,
    toKey: number,
  ): number {
    let moved = 0;
    let w = this.#heads[bucketOf(key)];
    while (w !== null && moved < count) {
      const next: FutexWaiter | null = w.next;
      if (w.key === key && w.space === space) {
        const bitset = w.bitset;
        this.remove(w);
        this.add(w, toSpace, toKey, bitset);
        moved++;
        // In one bucket the moved one is met again at the end: it has the other key then, unless both are the same.
        if (key === toKey && space === toSpace && next === null) break;
      }
      w = next;
    }
    return moved;
  }
}

function bucketOf(key: number): number {
  const low = key % 4294967296 >>> 0;
  return (Math.imul(low >>> 2, 0x9e3779b1) >>> 16) & (BUCKETS - 1);
}
