/** mlock(2) and its kin. Nothing is ever swapped here: to lock is to bring in and to count. */

import { EAGAIN, EINVAL, ENOMEM, EPERM } from "../../abi/errno.ts";
import { MCL_CURRENT, MCL_FUTURE, MCL_ONFAULT } from "../../abi/mman.ts";
import { RLIMIT_MEMLOCK } from "../../abi/resource.ts";
import * as areas from "./areas.ts";
import { populate } from "./mapping.ts";
import type { MemoryManager } from "./memory_manager.ts";
import { VM_LOCKED, VM_LOCKONFAULT, VM_SPECIAL } from "./vma.ts";

const PAGE = 4096;
const LOCK_FLAGS = VM_LOCKED | VM_LOCKONFAULT;

/** Locks a range with the given VM_* bits, or unlocks it with 0. */
export function lockRange(
  mm: MemoryManager,
  addr: number,
  length: number,
  flags: number,
  canLock: boolean,
): number {
  const start = Math.floor(addr / PAGE) * PAGE;
  const end = Math.ceil((addr + length) / PAGE) * PAGE;
  if (!(end >= start)) return -EINVAL;
  if (flags !== 0 && !canLock) {
    const limit = mm.limits[RLIMIT_MEMLOCK];
    if (limit === 0) return -EPERM;
    if (mm.lockedBytes + (end - start) - lockedIn(mm, start, end) > limit) return -ENOMEM;
  }
  if (start === end) return 0;
  const r = setLock(mm, start, end, flags);
  if (r < 0) return r;
  if ((flags & LOCK_FLAGS) !== VM_LOCKED) return 0;
  const p = populate(mm, start, end);
  return p === -EAGAIN || p === 0 ? p : -ENOMEM;
}

function lockedIn(mm: MemoryManager, start: number, end: number): number {
  let bytes = 0;
  const list = mm.vmas.list;
  for (let i = mm.vmas.indexAbove(start); i < list.length && list[i].start < end; i++) {
    const v = list[i];
    if ((v.flags & VM_LOCKED) === 0) continue;
    bytes += Math.min(v.end, end) - Math.max(v.start, start);
  }
  return bytes;
}

function setLock(mm: MemoryManager, start: number, end: number, flags: number): number {
  const list = mm.vmas.list;
  if (list.length + 2 > areas.MAX_AREAS) return -ENOMEM;
  let at = start;
  for (let i = areas.isolate(mm, start, end); at < end; i++) {
    if (i >= list.length || list[i].start > at) {
      areas.mergeRange(mm, start, at);
      return -ENOMEM;
    }
    const v = list[i];
    at = v.end;
    if ((v.flags & VM_SPECIAL) !== 0) continue;
    const size = v.end - v.start;
    areas.account(mm, v, -size);
    v.flags = (v.flags & ~LOCK_FLAGS) | flags;
    areas.account(mm, v, size);
  }
  areas.mergeRange(mm, start, end);
  return 0;
}

/** mlockall(2); no flags at all is munlockall(2). */
export function lockAll(mm: MemoryManager, flags: number, canLock: boolean): number {
  if ((flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT)) !== 0) return -EINVAL;
  if (flags === MCL_ONFAULT) return -EINVAL;
  const bits = VM_LOCKED | ((flags & MCL_ONFAULT) !== 0 ? VM_LOCKONFAULT : 0);
  if (flags !== 0 && !canLock) {
    const limit = mm.limits[RLIMIT_MEMLOCK];
    if (limit === 0) return -EPERM;
    if ((flags & MCL_CURRENT) !== 0 && mm.mappedBytes > limit) return -ENOMEM;
  }
  mm.defaultFlags = (flags & MCL_FUTURE) !== 0 ? bits : 0;
  if (flags !== 0 && (flags & MCL_CURRENT) === 0) return 0;
  const set = flags === 0 ? 0 : bits;
  const list = mm.vmas.list;
  for (const v of list.slice()) {
    if (!list.includes(v)) continue;
    const { start, end } = v;
    setLock(mm, start, end, set);
    if (set === VM_LOCKED) populate(mm, start, end);
  }
  return 0;
}
