/** What a thread leaves behind for others at its end: its robust futexes (get_robust_list(2)) and its thread id word. */

import { FUTEX_OWNER_DIED, FUTEX_TID_MASK, FUTEX_WAITERS } from "../../abi/futex.ts";
import { readI64, readU64 } from "../../abi/int64.ts";
import { handOverDead, wakeFutex } from "./futex_ops.ts";
import type { Task } from "./task.ts";

/** A list longer than this is taken for a loop (ROBUST_LIST_LIMIT). */
const LIST_LIMIT = 2048;
/** The lowest bit of an entry tells a priority-inheriting futex. */
const PI_BIT = 1;

/** Marks every robust futex that `t` holds as one whose owner died, and wakes one waiter of each. */
export function exitRobustList(t: Task): void {
  const head = t.robustList;
  if (head === 0) return;
  const mm = t.mm;
  t.robustList = 0;
  if (t.copyIn(head, 24) !== 0) return;
  const first = readU64(t.view, 0);
  const offset = readI64(t.view, 8);
  const pending = readU64(t.view, 16);
  let entry = first;
  for (let i = 0; i < LIST_LIMIT && entry - entry % 2 !== head; i++) {
    // Read the link first: after the wake-up the owner may free the entry.
    const next = mm.readU64(entry - entry % 2);
    if (entry !== pending) markDead(t, entry, offset, false);
    if (next < 0) return;
    entry = next;
  }
  if (pending !== 0) markDead(t, pending, offset, true);
}

/** Zeroes the word that set_tid_address(2) named, and wakes who joins the thread. */
export function clearChildTid(t: Task): void {
  const address = t.clearChildTid;
  if (address === 0) return;
  t.clearChildTid = 0;
  if (t.mm.writeU32(address, 0) === 0) wakeFutex(t, address, true, 1, -1);
}

function markDead(t: Task, entry: number, offset: number, pendingOperation: boolean): void {
  const isPi = entry % 2 === PI_BIT;
  const address = entry - entry % 2 + offset;
  if (address <= 0 || address % 4 !== 0) return;
  const place = t.mm.physical(address, true);
  if (place < 0) return;
  const words = t.kernel.futexes.words;
  for (;;) {
    const old = Atomics.load(words, place / 4);
    if (pendingOperation && !isPi && (old & FUTEX_TID_MASK) === 0) {
      // It died between the unlock and the wake-up.
      wakeFutex(t, address, true, 1, -1);
      return;
    }
    if ((old & FUTEX_TID_MASK) !== t.tid) return;
    const dead = (old & FUTEX_WAITERS) | FUTEX_OWNER_DIED;
    if (Atomics.compareExchange(words, place / 4, old, dead) !== old) continue;
    if ((old & FUTEX_WAITERS) !== 0) {
      if (isPi) handOverDead(t, address, place);
      else wakeFutex(t, address, true, 1, -1);
    }
    return;
  }
}
