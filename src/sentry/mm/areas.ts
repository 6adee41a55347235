/** Keeping the list of areas: inserting, merging, splitting, removing, finding room. */

import { PROT_WRITE } from "../../abi/mman.ts";
import { RESERVED_LOW_END, RESERVED_LOW_START, USER_TOP } from "../platform/platform.ts";
import { dropRange } from "./drop.ts";
import { STACK_GUARD_GAP } from "./fault.ts";
import type { MemoryManager } from "./memory_manager.ts";
import { VM_GROWSDOWN, VM_LOCKED, VM_SEALED, VM_SHARED, VM_SPECIAL, type Vma } from "./vma.ts";

/** Lowest address that an application may map (vm.mmap_min_addr). */
export const MIN_ADDRESS = 65536;
/** Most areas of an address space (vm.max_map_count). */
export const MAX_AREAS = 65530;

/** Whether RLIMIT_DATA counts an area. */
export function isData(flags: number, prot: number): boolean {
  return (prot & PROT_WRITE) !== 0 && (flags & (VM_SHARED | VM_GROWSDOWN)) === 0;
}

/** Adds (`sign` 1) or takes away (-1) `bytes` of an area to or from the counts. */
export function account(mm: MemoryManager, vma: Vma, bytes: number): void {
  mm.mappedBytes += bytes;
  if (mm.mappedBytes > mm.peakBytes) mm.peakBytes = mm.mappedBytes;
  if (isData(vma.flags, vma.prot)) mm.dataBytes += bytes;
  if ((vma.flags & VM_LOCKED) !== 0) mm.lockedBytes += bytes;
}

/** Puts an area into the list, merging it with neighbours alike. Returns the area that now holds the range. */
export function insert(mm: MemoryManager, vma: Vma): Vma {
  vma.attach();
  account(mm, vma, vma.end - vma.start);
  return mergeAt(mm, mm.vmas.insert(vma));
}

/** Merges area `i` with those next to it; returns the result. */
export function mergeAt(mm: MemoryManager, i: number): Vma {
  const list = mm.vmas.list;
  let v = list[i];
  if (i + 1 < list.length && list[i + 1].start === v.end && v.continues(list[i + 1])) {
    const next = list[i + 1];
    v.end = next.end;
    mm.vmas.removeAt(i + 1);
    next.detach();
  }
  if (i > 0 && list[i - 1].end === v.start && list[i - 1].continues(v)) {
    const prev = list[i - 1];
    prev.end = v.end;
    mm.vmas.removeAt(i);
    v.detach();
    v = prev;
  }
  return v;
}

/** Merges what can be merged of the areas that meet [start, end] or touch it. */
export function mergeRange(mm: MemoryManager, start: number, end: number): void {
  const list = mm.vmas.list;
  let i = Math.max(0, mm.vmas.indexAbove(start) - 1);
  while (i + 1 < list.length && list[i].start <= end) {
    const v = list[i];
    const next = list[i + 1];
    if (v.end === next.start && v.continues(next)) {
      v.end = next.end;
      mm.vmas.removeAt(i + 1);
      next.detach();
    } else i++;
  }
}

/** Splits area `i` at `addr`, which lies inside of it; the upper part is at `i + 1`. */
export function split(mm: MemoryManager, i: number, addr: number): void {
  const v = mm.vmas.list[i];
  const upper = v.slice(mm, addr, v.end);
  upper.attach();
  v.end = addr;
  mm.vmas.list.splice(i + 1, 0, upper);
}

/** Makes area borders of `start` and `end`; returns the index of the first area in [start, end) or above. */
export function isolate(mm: MemoryManager, start: number, end: number): number {
  const list = mm.vmas.list;
  let i = mm.vmas.indexAbove(start);
  if (i < list.length && list[i].start < start) split(mm, i++, start);
  const j = mm.vmas.indexAbove(end);
  if (j < list.length && list[j].start < end) split(mm, j, end);
  return i;
}

/** How many areas a removal of [start, end) would add: 1 if it cuts a hole into one. */
export function cutsHole(mm: MemoryManager, start: number, end: number): boolean {
  const v = mm.vmas.find(start);
  return v !== null && v.start < start && v.end > end;
}

/**
 * Removes all areas in [start, end) with their pages. `replaced`: the caller maps something over the whole range in the
 * stub, so that nothing need be unmapped there.
 */
export function remove(mm: MemoryManager, start: number, end: number): void {
  if (!mm.vmas.overlaps(start, end)) return;
  dropRange(mm, start, end);
  removeAreas(mm, start, end);
}

/** Removes areas whose pages are gone already. */
export function removeAreas(mm: MemoryManager, start: number, end: number): void {
  const from = isolate(mm, start, end);
  const list = mm.vmas.list;
  let to = from;
  while (to < list.length && list[to].start < end) to++;
  if (to === from) return;
  const gone = list.slice(from, to);
  mm.vmas.removeAt(from, to - from);
  for (const v of gone) {
    account(mm, v, v.start - v.end);
    v.detach();
  }
  mm.flushTlb();
  // What became free above the place where the search starts would never be found.
  if (end > mm.searchFrom && mm.searchFrom !== 0) {
    const above = from < list.length ? guardedStart(list[from]) : USER_TOP;
    mm.searchFrom = Math.min(mm.mmapBase, above);
  }
}

/** Frees all areas and pages, for the end of an address space. Nothing is unmapped in the stub. */
export function clear(mm: MemoryManager): void {
  const { table, frames } = mm;
  for (const key of table.keys().slice()) {
    const c = table.chunk(key)!;
    // The stub is gone when the frames are given out anew, so that none has to wait for it.
    let first = -1;
    let count = 0;
    let gone = 0;
    for (let i = 0; i < c.entries.length; i++) {
      const e = c.entries[i];
      if (e === 0) continue;
      c.entries[i] = 0;
      gone++;
      const frame = e & 0x0fffffff;
      if (frame === first + count) count++;
      else {
        if (count > 0) frames.unref(first, count);
        first = frame;
        count = 1;
      }
    }
    if (count > 0) frames.unref(first, count);
    table.cleared(key, c, gone);
  }
  mm.flushTlb();
  const gone = mm.vmas.list.slice();
  mm.vmas.list.length = 0;
  for (const v of gone) v.detach();
  mm.mappedBytes = 0;
  mm.dataBytes = 0;
  mm.lockedBytes = 0;
  mm.searchFrom = 0;
}

/** Start of the guard that belongs to an area: a stack keeps the memory below it free. */
function guardedStart(v: Vma): number {
  return (v.flags & VM_GROWSDOWN) !== 0 ? v.start - STACK_GUARD_GAP : v.start;
}

/** Whether [start, end) is free and may be given to the application. */
export function isFree(mm: MemoryManager, start: number, end: number): boolean {
  if (start < MIN_ADDRESS || end > USER_TOP) return false;
  if (start < RESERVED_LOW_END && end > RESERVED_LOW_START) return false;
  const i = mm.vmas.indexAbove(start);
  return i >= mm.vmas.list.length || guardedStart(mm.vmas.list[i]) >= end;
}

/** Highest free address for `length` bytes below `mmapBase`, or -1. */
export function findTopDown(mm: MemoryManager, length: number): number {
  if (mm.searchFrom === 0 || length <= mm.holeAbove) {
    mm.searchFrom = mm.mmapBase;
    mm.holeAbove = 0;
  }
  const list = mm.vmas.list;
  let top = mm.searchFrom;
  // Areas from the one that holds top - 1 downwards.
  let i = mm.vmas.indexAbove(top - 1);
  if (i < list.length) top = Math.min(top, Math.max(guardedStart(list[i]), 0));
  i--;
  for (;;) {
    const floor = i >= 0 ? Math.max(list[i].end, MIN_ADDRESS) : MIN_ADDRESS;
    let low = floor;
    if (top > RESERVED_LOW_START && floor < RESERVED_LOW_END) {
      // The platform's own range parts this hole in two.
      if (top >= RESERVED_LOW_END && top - Math.max(floor, RESERVED_LOW_END) >= length) {
        low = Math.max(floor, RESERVED_LOW_END);
      } else top = Math.min(top, RESERVED_LOW_START);
    }
    const room = top - low;
    if (room >= length) {
      mm.searchFrom = top - length;
      return top - length;
    }
    if (room > mm.holeAbove) mm.holeAbove = room;
    if (i < 0) return -1;
    top = Math.min(top, guardedStart(list[i]));
    i--;
  }
}

/** Lowest free address for `length` bytes in [from, to), or -1. */
export function findBottomUp(
  mm: MemoryManager,
  length: number,
  from: number,
  to: number,
): number {
  const list = mm.vmas.list;
  let at = Math.max(from, MIN_ADDRESS);
  let i = mm.vmas.indexAbove(at);
  for (;;) {
    if (at + length > RESERVED_LOW_START && at < RESERVED_LOW_END) at = RESERVED_LOW_END;
    if (at + length > to) return -1;
    if (i >= list.length || guardedStart(list[i]) >= at + length) return at;
    at = Math.max(at, list[i].end);
    i++;
  }
}

/** Whether every address of [start, end) is in an area, none of them the kernel's own. */
export function isCovered(mm: MemoryManager, start: number, end: number): boolean {
  const list = mm.vmas.list;
  let at = start;
  for (let i = mm.vmas.indexAbove(start); at < end; i++) {
    if (i >= list.length || list[i].start > at) return false;
    at = list[i].end;
  }
  return true;
}

/** Whether mseal(2) forbids to change any area in [start, end). */
export function hasSealed(mm: MemoryManager, start: number, end: number): boolean {
  if (!mm.hasSeals) return false;
  const list = mm.vmas.list;
  for (let i = mm.vmas.indexAbove(start); i < list.length && list[i].start < end; i++) {
    if ((list[i].flags & VM_SEALED) !== 0) return true;
  }
  return false;
}

/** Whether an area is the kernel's own. */
export function isSpecial(v: Vma): boolean {
  return (v.flags & VM_SPECIAL) !== 0;
}
