/** The operations of futex(2) and futex_waitv(2). */
// hot: threads that contend for a lock pass here.

import {
  EAGAIN,
  EDEADLK,
  EINVAL,
  ENOSYS,
  EPERM,
  ERESTART_RESTARTBLOCK,
  ERESTARTNOINTR,
  ERESTARTSYS,
  ESRCH,
  ETIMEDOUT,
} from "../../abi/errno.ts";
import {
  FUTEX_OP_ADD,
  FUTEX_OP_ANDN,
  FUTEX_OP_CMP_EQ,
  FUTEX_OP_CMP_GE,
  FUTEX_OP_CMP_GT,
  FUTEX_OP_CMP_LE,
  FUTEX_OP_CMP_LT,
  FUTEX_OP_CMP_NE,
  FUTEX_OP_OPARG_SHIFT,
  FUTEX_OP_OR,
  FUTEX_OP_SET,
  FUTEX_OP_XOR,
  FUTEX_OWNER_DIED,
  FUTEX_TID_MASK,
  FUTEX_WAITERS,
} from "../../abi/futex.ts";
import type { MemoryManager } from "../mm/memory_manager.ts";
import { FutexWaiter } from "./futex.ts";
import type { Task } from "./task.ts";
import { BLOCKED } from "./wait.ts";

/** Every bit of a bitset. */
export const MATCH_ANY = -1;

// The key that `locate` found last.
let keySpace: MemoryManager | null = null;
let key = 0;

/** Finds the key of a futex word; 0 or a negative errno. */
function locate(t: Task, address: number, shared: boolean): number {
  if (address % 4 !== 0) return -EINVAL;
  const r = t.mm.futexKey(address, shared);
  if (r < 0) return r;
  keySpace = t.mm.futexSpace;
  key = r;
  return 0;
}

/** FUTEX_WAIT and FUTEX_WAIT_BITSET, until the monotonic time `deadline`. */
export function futexWait(
  t: Task,
  address: number,
  shared: boolean,
  expected: number,
  bitset: number,
  deadline: number,
): number {
  const w = t.futex;
  const futexes = t.kernel.futexes;
  if (w.woken) {
    w.woken = false;
    return 0;
  }
  if (w.bucket < 0) {
    if (bitset === 0) return -EINVAL;
    const r = locate(t, address, shared);
    if (r !== 0) return r;
    const place = t.mm.physical(address, false);
    if (place < 0) return place;
    if (Atomics.load(futexes.words, place / 4) !== (expected | 0)) return -EAGAIN;
    w.forLock = false;
    w.forRequeue = false;
    futexes.add(w, keySpace, key, bitset);
  } else if (t.block.timedOut) {
    futexes.remove(w);
    return -ETIMEDOUT;
  }
  const r = t.sleepUntil(deadline, deadline === Infinity ? -ERESTARTSYS : -ERESTART_RESTARTBLOCK);
  if (r !== BLOCKED) futexes.remove(w);
  return r;
}

/** FUTEX_WAKE and FUTEX_WAKE_BITSET; how many were woken. */
export function wakeFutex(
  t: Task,
  address: number,
  shared: boolean,
  count: number,
  bitset: number,
): number {
  if (bitset === 0) return -EINVAL;
  const r = locate(t, address, shared);
  if (r !== 0) return r;
  return t.kernel.futexes.wake(keySpace, key, count > 1 ? count : 1, bitset);
}

/** FUTEX_REQUEUE, and FUTEX_CMP_REQUEUE if `expected` is not null; how many were woken or moved. */
export function requeueFutex(
  t: Task,
  address: number,
  shared: boolean,
  wakeCount: number,
  moveCount: number,
  toAddress: number,
  expected: number | null,
): number {
  if (wakeCount < 0 || moveCount < 0) return -EINVAL;
  let r = locate(t, toAddress, shared);
  if (r !== 0) return r;
  const toSpace = keySpace;
  const toKey = key;
  r = locate(t, address, shared);
  if (r !== 0) return r;
  const futexes = t.kernel.futexes;
  if (expected !== null) {
    const place = t.mm.physical(address, false);
    if (place < 0) return place;
    if (Atomics.load(futexes.words, place / 4) !== (expected | 0)) return -EAGAIN;
  }
  const woken = wakeCount === 0 ? 0 : futexes.wake(keySpace, key, wakeCount, MATCH_ANY);
  return woken + futexes.requeue(keySpace, key, moveCount, toSpace, toKey);
}

/** FUTEX_WAKE_OP: changes the second word, wakes waiters of the first and, by its old value, of the second. */
export function wakeOpFutex(
  t: Task,
  address: number,
  shared: boolean,
  count: number,
  count2: number,
  address2: number,
  encoded: number,
): number {
  let r = locate(t, address, shared);
  if (r !== 0) return r;
  const space = keySpace;
  const place1 = key;
  r = locate(t, address2, shared);
  if (r !== 0) return r;
  const place = t.mm.physical(address2, true);
  if (place < 0) return place;
  const futexes = t.kernel.futexes;
  const words = futexes.words;
  const operation = (encoded >>> 28) & 7;
  const comparison = (encoded >>> 24) & 15;
  let operand = (encoded << 8) >> 20;
  if ((encoded >>> 28 & FUTEX_OP_OPARG_SHIFT) !== 0) operand = 1 << (operand & 31);
  const against = (encoded << 20) >> 20;
  let old: number;
  for (;;) {
    old = Atomics.load(words, place / 4);
    let value: number;
    switch (operation) {
      case FUTEX_OP_SET:
        value = operand;
        break;
      case FUTEX_OP_ADD:
        value = (old + operand) | 0;
        break;
      case FUTEX_OP_OR:
        value = old | operand;
        break;
      case FUTEX_OP_ANDN:
        value = old & ~operand;
        break;
      case FUTEX_OP_XOR:
        value = old ^ operand;
        break;
      default:
        return -ENOSYS;
    }
    if (Atomics.compareExchange(words, place / 4, old, value) === old) break;
  }
  const met = compare(old, comparison, against);
  if (met < 0) return met;
  const space2 = keySpace;
  const place2 = key;
  let woken = futexes.wake(space, place1, count > 1 ? count : 1, MATCH_ANY);
  if (met === 1) woken += futexes.wake(space2, place2, count2 > 1 ? count2 : 1, MATCH_ANY);
  return woken;
}

function compare(old: number, comparison: number, against: number): number {
  switch (comparison) {
    case FUTEX_OP_CMP_EQ:
      return old === against ? 1 : 0;
    case FUTEX_OP_CMP_NE:
      return old !== against ? 1 : 0;
    case FUTEX_OP_CMP_LT:
      return old < against ? 1 : 0;
    case FUTEX_OP_CMP_LE:
      return old <= against ? 1 : 0;
    case FUTEX_OP_CMP_GT:
      return old > against ? 1 : 0;
    case FUTEX_OP_CMP_GE:
      return old >= against ? 1 : 0;
    default:
      return -ENOSYS;
  }
}

/** FUTEX_LOCK_PI and FUTEX_TRYLOCK_PI: the word holds the owner's thread id, and the kernel hands the lock over. */
export function lockPi(
  t: Task,
  address: number,
  shared: boolean,
  tryOnly: boolean,
  deadline: number,
): number {
  const w = t.futex;
  const futexes = t.kernel.futexes;
  if (w.woken) {
    w.woken = false;
    return 0;
  }
  if (w.bucket < 0) {
    const r = locate(t, address, shared);
    if (r !== 0) return r;
    const place = t.mm.physical(address, true);
    if (place < 0) return place;
    for (;;) {
      const old = Atomics.load(futexes.words, place / 4);
      const owner = old & FUTEX_TID_MASK;
      if (owner === t.tid) return -EDEADLK;
      if (owner === 0) {
        const value = t.tid | (old & (FUTEX_WAITERS | FUTEX_OWNER_DIED));
        if (Atomics.compareExchange(futexes.words, place / 4, old, value) === old) return 0;
        continue;
      }
      if (tryOnly) return -EAGAIN;
      if (t.pid.ns.task(owner) === null) return -ESRCH;
      const value = old | (FUTEX_WAITERS | 0);
      if (Atomics.compareExchange(futexes.words, place / 4, old, value) === old) break;
    }
    w.forLock = true;
    w.forRequeue = false;
    futexes.add(w, keySpace, key, MATCH_ANY);
  } else if (t.block.timedOut) {
    futexes.remove(w);
    return -ETIMEDOUT;
  }
  const r = t.sleepUntil(deadline, -ERESTARTNOINTR);
  if (r !== BLOCKED) futexes.remove(w);
  return r;
}

/** FUTEX_UNLOCK_PI. */
export function unlockPi(t: Task, address: number, shared: boolean): number {
  const r = locate(t, address, shared);
  if (r !== 0) return r;
  const place = t.mm.physical(address, true);
  if (place < 0) return place;
  const owner = Atomics.load(t.kernel.futexes.words, place / 4) & FUTEX_TID_MASK;
  if (owner !== t.tid) return -EPERM;
  handOver(t, place, 0);
  return 0;
}

/** Gives a lock of a dead owner to the first who waits for it, if anybody does. */
export function handOverDead(t: Task, address: number, place: number): void {
  if (locate(t, address, true) === 0) handOver(t, place, FUTEX_OWNER_DIED);
}

function handOver(t: Task, place: number, mark: number): void {
  const futexes = t.kernel.futexes;
  // The most urgent one, and of those the one that came first.
  let next: FutexWaiter | null = null;
  let more = false;
  let w = futexes.find(keySpace, key, MATCH_ANY);
  for (; w !== null; w = futexes.find(keySpace, key, MATCH_ANY, w)) {
    if (!w.forLock) continue;
    more ||= next !== null;
    if (next === null || w.task.schedPriority > next.task.schedPriority) next = w;
  }
  let value = mark;
  if (next !== null) {
    value |= next.task.tid | (more ? FUTEX_WAITERS : 0);
  }
  Atomics.store(futexes.words, place / 4, value | 0);
  if (next !== null) futexes.wakeOne(next);
}

/**
 * FUTEX_WAIT_REQUEUE_PI: waits for a futex, to be moved to the lock at `lockAddress` (pthread_cond_wait(3) with a mutex
 * that inherits priorities). It returns when it has the lock.
 */
export function waitRequeuePi(
  t: Task,
  address: number,
  shared: boolean,
  expected: number,
  bitset: number,
  deadline: number,
  lockAddress: number,
): number {
  const w = t.futex;
  const futexes = t.kernel.futexes;
  if (w.woken) {
    w.woken = false;
    return 0;
  }
  if (w.bucket < 0) {
    if (bitset === 0) return -EINVAL;
    let r = locate(t, lockAddress, shared);
    if (r !== 0) return r;
    w.lockSpace = keySpace;
    w.lockKey = key;
    r = locate(t, address, shared);
    if (r !== 0) return r;
    if (keySpace === w.lockSpace && key === w.lockKey) return -EINVAL;
    const place = t.mm.physical(address, false);
    if (place < 0) return place;
    if (Atomics.load(futexes.words, place / 4) !== (expected | 0)) return -EAGAIN;
    w.forLock = false;
    w.forRequeue = true;
    futexes.add(w, keySpace, key, bitset);
  } else if (t.block.timedOut) {
    futexes.remove(w);
    return -ETIMEDOUT;
  }
  // Once it was moved the call can not be made again from its start.
  const r = t.sleepUntil(deadline, w.forLock ? -EAGAIN : -ERESTARTNOINTR);
  if (r !== BLOCKED) futexes.remove(w);
  return r;
}

/** FUTEX_CMP_REQUEUE_PI: gives a lock to the first waiter if it is free, and moves up to `count` others to it. */
export function requeuePi(
  t: Task,
  address: number,
  shared: boolean,
  wakeCount: number,
  count: number,
  lockAddress: number,
  expected: number,
): number {
  if (wakeCount !== 1 || count < 0) return -EINVAL;
  let r = locate(t, lockAddress, shared);
  if (r !== 0) return r;
  const lockSpace = keySpace;
  const lockKey = key;
  r = locate(t, address, shared);
  if (r !== 0) return r;
  if (keySpace === lockSpace && key === lockKey) return -EINVAL;
  const futexes = t.kernel.futexes;
  const { words } = futexes;
  const from = t.mm.physical(address, false);
  const place = t.mm.physical(lockAddress, true);
  if (from < 0) return from;
  if (place < 0) return place;
  if (Atomics.load(words, from / 4) !== (expected | 0)) return -EAGAIN;
  let done = 0;
  for (let w = futexes.find(keySpace, key, MATCH_ANY); w !== null && done <= count;) {
    const next = futexes.find(keySpace, key, MATCH_ANY, w);
    if (!w.forRequeue || w.lockSpace !== lockSpace || w.lockKey !== lockKey) {
      return done > 0 ? done : -EINVAL;
    }
    const old = Atomics.load(words, place / 4);
    const owner = old & FUTEX_TID_MASK;
    if (owner === 0) {
      const value = w.task.tid | (old & FUTEX_OWNER_DIED) | (next !== null ? FUTEX_WAITERS : 0);
      if (Atomics.compareExchange(words, place / 4, old, value | 0) !== old) continue;
      futexes.wakeOne(w);
    } else {
      if (owner === w.task.tid) return done > 0 ? done : -EDEADLK;
      if (t.pid.ns.task(owner) === null) return done > 0 ? done : -ESRCH;
      const value = old | (FUTEX_WAITERS | 0);
      if (Atomics.compareExchange(words, place / 4, old, value) !== old) continue;
      futexes.remove(w);
      w.forLock = true;
      futexes.add(w, lockSpace, lockKey, MATCH_ANY);
    }
    done++;
    w = next;
  }
  return done;
}

/** One element of futex_waitv(2). */
export class FutexVectorEntry {
  constructor(readonly address: number, readonly value: number, readonly shared: boolean) {}
}

/** futex_waitv(2): waits for the first of several; its index. */
export function futexWaitv(t: Task, entries: FutexVectorEntry[], deadline: number): number {
  const futexes = t.kernel.futexes;
  let waiters = t.block.data as FutexWaiter[] | null;
  if (waiters !== null) {
    const r = wokenIndex(waiters);
    if (r >= 0) {
      removeAll(t, waiters);
      return r;
    }
    if (t.block.timedOut) {
      removeAll(t, waiters);
      return -ETIMEDOUT;
    }
  } else {
    waiters = [];
    for (let i = 0; i < entries.length; i++) {
      const entry = entries[i];
      const r = locate(t, entry.address, entry.shared);
      const place = r === 0 ? t.mm.physical(entry.address, false) : r;
      const error = place < 0
        ? place
        : Atomics.load(futexes.words, place / 4) !== (entry.value | 0)
        ? -EAGAIN
        : 0;
      if (error !== 0) {
        removeAll(t, waiters);
        return error;
      }
      const w = new FutexWaiter(t);
      w.index = i;
      futexes.add(w, keySpace, key, MATCH_ANY);
      waiters.push(w);
    }
    t.block.data = waiters;
  }
  const r = t.sleepUntil(deadline, -ERESTARTSYS);
  if (r !== BLOCKED) {
    removeAll(t, waiters);
    t.block.data = null;
  }
  return r;
}

function wokenIndex(waiters: FutexWaiter[]): number {
  for (const w of waiters) if (w.woken) return w.index;
  return -1;
}

function removeAll(t: Task, waiters: FutexWaiter[]): void {
  for (const w of waiters) t.kernel.futexes.remove(w);
}
