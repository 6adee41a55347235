/** mremap(2). */

import { EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM } from "../../abi/errno.ts";
import { MREMAP_DONTUNMAP, MREMAP_FIXED, MREMAP_MAYMOVE } from "../../abi/mman.ts";
import { RESERVED_LOW_END, RESERVED_LOW_START, USER_TOP } from "../platform/platform.ts";
import * as areas from "./areas.ts";
import { unmapHost } from "./drop.ts";
import { mapUnmapped } from "./fault.ts";
import { checkLimits } from "./mapping.ts";
import type { MemoryManager } from "./memory_manager.ts";
import { CHUNK_PAGES, PTE_MAPPED, PTE_WRITE } from "./page_table.ts";
import { VM_LOCKED, VM_SHARED, VM_SPECIAL, type Vma } from "./vma.ts";

const PAGE = 4096;
/** Runs that are mapped right away at the new place; the rest comes by faults. */
const EAGER_RUNS = 64;

/** mremap(2): the new address or a negative errno. */
export function remap(
  mm: MemoryManager,
  addr: number,
  oldSize: number,
  newSize: number,
  flags: number,
  newAddr: number,
): number {
  if ((flags & ~(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0) return -EINVAL;
  if ((flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0 && (flags & MREMAP_MAYMOVE) === 0) {
    return -EINVAL;
  }
  if (addr % PAGE !== 0 || addr < 0) return -EINVAL;
  const oldLength = Math.ceil(oldSize / PAGE) * PAGE;
  const newLength = Math.ceil(newSize / PAGE) * PAGE;
  if (!(newLength > 0) || !(oldLength >= 0)) return -EINVAL;
  const dontUnmap = (flags & MREMAP_DONTUNMAP) !== 0;
  if (dontUnmap && oldLength !== newLength) return -EINVAL;
  if (newLength > USER_TOP || addr + oldLength > USER_TOP) return -EINVAL;
  const fixed = (flags & MREMAP_FIXED) !== 0;
  if (fixed) {
    if (newAddr % PAGE !== 0 || newAddr < 0 || newAddr + newLength > USER_TOP) return -EINVAL;
    if (newAddr < addr + oldLength && addr < newAddr + newLength) return -EINVAL;
    if (newAddr < areas.MIN_ADDRESS) return -EINVAL;
    if (newAddr < RESERVED_LOW_END && newAddr + newLength > RESERVED_LOW_START) return -ENOMEM;
  }
  const vma = mm.vmas.find(addr);
  if (vma === null) return -EFAULT;
  if (areas.hasSealed(mm, addr, addr + Math.max(oldLength, 1))) return -EPERM;
  if (fixed && areas.hasSealed(mm, newAddr, newAddr + newLength)) return -EPERM;
  // A length of 0 asks for a second mapping of shared memory.
  if (oldLength === 0 && (vma.flags & VM_SHARED) === 0) return -EINVAL;
  if ((vma.flags & VM_SPECIAL) !== 0 && (newLength > oldLength || dontUnmap)) return -EINVAL;

  if (!fixed && !dontUnmap && oldLength >= newLength && oldLength > 0) {
    if (newLength < oldLength) areas.remove(mm, addr + newLength, addr + oldLength);
    return addr;
  }
  if (addr + oldLength > vma.end) return -EFAULT;
  const grow = newLength - oldLength;
  if (grow > 0 || dontUnmap) {
    const more = dontUnmap ? newLength : grow;
    const r = checkLimits(mm, more, vma.prot, vma.flags, false);
    if (r < 0) return r === -EAGAIN ? -EAGAIN : -ENOMEM;
  }
  if (!fixed && !dontUnmap && oldLength > 0 && addr + oldLength === vma.end) {
    if (areas.isFree(mm, vma.end, addr + newLength)) {
      extend(mm, vma, addr + newLength);
      return addr;
    }
  }
  if ((flags & MREMAP_MAYMOVE) === 0) return -ENOMEM;
  if (mm.vmas.list.length + 3 > areas.MAX_AREAS) return -ENOMEM;

  let to = newAddr;
  if (fixed) {
    areas.remove(mm, to, to + newLength);
    if (oldLength > newLength) areas.remove(mm, addr + newLength, addr + oldLength);
  } else {
    to = -1;
    if (dontUnmap && newAddr > 0 && newAddr % PAGE === 0) {
      if (areas.isFree(mm, newAddr, newAddr + newLength)) to = newAddr;
    }
    if (to < 0) to = areas.findTopDown(mm, newLength);
    if (to < 0) to = areas.findBottomUp(mm, newLength, mm.mmapBase, USER_TOP);
    if (to < 0) return -ENOMEM;
  }
  move(mm, addr, Math.min(oldLength, newLength), to, newLength, dontUnmap);
  return to;
}

function extend(mm: MemoryManager, vma: Vma, end: number): void {
  const old = vma.end;
  vma.end = end;
  areas.account(mm, vma, end - old);
  const i = mm.vmas.indexAbove(old);
  areas.mergeAt(mm, i);
}

/** Moves the pages of [from, from + oldLength) to a new area of `newLength` bytes at `to`. */
function move(
  mm: MemoryManager,
  from: number,
  oldLength: number,
  to: number,
  newLength: number,
  dontUnmap: boolean,
): void {
  const old = mm.vmas.find(from)!;
  const fresh = old.slice(mm, from, from + newLength);
  fresh.start = to;
  fresh.end = to + newLength;
  // Holds file and source until the new area does.
  const hold = old.slice(mm, from, from);
  hold.attach();
  if (oldLength > 0) {
    if (movePages(mm, from / PAGE, (from + oldLength) / PAGE, to / PAGE)) {
      unmapHost(mm, from, from + oldLength);
    }
    if (!dontUnmap) areas.removeAreas(mm, from, from + oldLength);
    else if ((old.flags & VM_LOCKED) !== 0) {
      areas.account(mm, old, old.start - old.end);
      old.flags &= ~VM_LOCKED;
      areas.account(mm, old, old.end - old.start);
    }
  }
  mm.flushTlb();
  const vma = areas.insert(mm, fresh);
  hold.detach();
  mapUnmapped(mm, vma, to / PAGE, (to + oldLength) / PAGE, EAGER_RUNS);
}

/** Moves page table entries; returns whether the stub had any of the pages mapped. */
function movePages(mm: MemoryManager, page: number, end: number, to: number): boolean {
  const table = mm.table;
  const shift = to - page;
  let mapped = false;
  page = table.nextPresent(page, end);
  while (page < end) {
    const key = Math.floor(page / CHUNK_PAGES);
    const chunk = table.chunk(key)!;
    const base = key * CHUNK_PAGES;
    const stop = Math.min(CHUNK_PAGES, end - base);
    let gone = 0;
    for (let i = page - base; i < stop; i++) {
      const e = chunk.entries[i];
      if (e === 0) continue;
      chunk.entries[i] = 0;
      gone++;
      if ((e & PTE_MAPPED) !== 0) mapped = true;
      table.set(base + i + shift, e & ~(PTE_MAPPED | PTE_WRITE));
    }
    table.cleared(key, chunk, gone);
    page = table.nextPresent(base + stop, end);
  }
  return mapped;
}
