/** madvise(2), mincore(2) and msync(2). */

import { EACCES, EBUSY, EFAULT, EINVAL, EIO, ENOMEM, EPERM } from "../../abi/errno.ts";
import * as m from "../../abi/mman.ts";
import * as areas from "./areas.ts";
import { dropPages, dropRange } from "./drop.ts";
import { mapPresent, populateRange } from "./fault.ts";
import { populate } from "./mapping.ts";
import type { MemoryManager } from "./memory_manager.ts";
import { PageCache } from "./page_cache.ts";
import { PTE_MAPPED, PTE_PRIVATE } from "./page_table.ts";
import {
  VM_DONTDUMP,
  VM_DONTFORK,
  VM_HUGEPAGE,
  VM_LOCKED,
  VM_MERGEABLE,
  VM_NOHUGEPAGE,
  VM_RAND_READ,
  VM_SEALED,
  VM_SEQ_READ,
  VM_SPECIAL,
  VM_WIPEONFORK,
  type Vma,
} from "./vma.ts";

const PAGE = 4096;
/** Dropped ranges up to this size get fresh zero pages at once, which cost nothing and save the faults. */
const REFILL_BYTES = 1 << 20;
/** Pages of a file that MADV_WILLNEED reads at most. */
const WILLNEED_PAGES = 8192;

function isKnown(what: number): boolean {
  return (what >= m.MADV_NORMAL && what <= m.MADV_DONTNEED) ||
    (what >= m.MADV_FREE && what <= m.MADV_COLLAPSE);
}

/** madvise(2). */
export function advise(mm: MemoryManager, addr: number, length: number, what: number): number {
  if (what === m.MADV_HWPOISON || what === m.MADV_SOFT_OFFLINE || !isKnown(what)) return -EINVAL;
  if (addr % PAGE !== 0 || length < 0) return -EINVAL;
  const end = addr + Math.ceil(length / PAGE) * PAGE;
  if (!(end >= addr)) return -EINVAL;
  if (end === addr) return 0;
  if (what === m.MADV_POPULATE_READ || what === m.MADV_POPULATE_WRITE) {
    const r = populate(mm, addr, end, what === m.MADV_POPULATE_WRITE);
    // Linux tells an access that would raise SIGBUS or is not allowed apart from one without a mapping.
    return r === -EIO ? -EFAULT : r === -EACCES ? -EINVAL : r === -EFAULT ? -ENOMEM : r;
  }
  if (mm.hasSeals && discards(what) && hasReadOnlySealed(mm, addr, end)) return -EPERM;
  const list = mm.vmas.list;
  let hole = false;
  let at = addr;
  for (let i = mm.vmas.indexAbove(addr); at < end && i < list.length; i++) {
    const v = list[i];
    if (v.start >= end) break;
    if (v.start > at) hole = true;
    const from = Math.max(v.start, addr);
    const to = Math.min(v.end, end);
    const before = list.length;
    const r = adviseArea(mm, v, from, to, what);
    if (r < 0) return r;
    if (list.length !== before) i = mm.vmas.indexAbove(to - 1);
    at = to;
  }
  if (at < end) hole = true;
  if (changesFlags(what)) areas.mergeRange(mm, addr, end);
  return hole ? -ENOMEM : 0;
}

/** Advice that takes away what memory holds, now or in a child. */
function discards(what: number): boolean {
  switch (what) {
    case m.MADV_FREE:
    case m.MADV_DONTNEED:
    case m.MADV_DONTNEED_LOCKED:
    case m.MADV_REMOVE:
    case m.MADV_DONTFORK:
    case m.MADV_WIPEONFORK:
      return true;
    default:
      return false;
  }
}

/** Whether sealed anonymous memory that the process may not write is in the range: advice must not change it either. */
function hasReadOnlySealed(mm: MemoryManager, start: number, end: number): boolean {
  const list = mm.vmas.list;
  for (let i = mm.vmas.indexAbove(start); i < list.length && list[i].start < end; i++) {
    const v = list[i];
    if ((v.flags & VM_SEALED) === 0 || (v.prot & m.PROT_WRITE) !== 0) continue;
    if (v.source === null || !v.shared) return true;
  }
  return false;
}

function changesFlags(what: number): boolean {
  switch (what) {
    case m.MADV_NORMAL:
    case m.MADV_RANDOM:
    case m.MADV_SEQUENTIAL:
    case m.MADV_DONTFORK:
    case m.MADV_DOFORK:
    case m.MADV_MERGEABLE:
    case m.MADV_UNMERGEABLE:
    case m.MADV_HUGEPAGE:
    case m.MADV_NOHUGEPAGE:
    case m.MADV_DONTDUMP:
    case m.MADV_DODUMP:
    case m.MADV_WIPEONFORK:
    case m.MADV_KEEPONFORK:
      return true;
    default:
      return false;
  }
}

function adviseArea(
  mm: MemoryManager,
  v: Vma,
  from: number,
  to: number,
  what: number,
): number {
  switch (what) {
    case m.MADV_NORMAL:
      return setFlags(mm, v, from, to, 0, VM_RAND_READ | VM_SEQ_READ);
    case m.MADV_RANDOM:
      return setFlags(mm, v, from, to, VM_RAND_READ, VM_SEQ_READ);
    case m.MADV_SEQUENTIAL:
      return setFlags(mm, v, from, to, VM_SEQ_READ, VM_RAND_READ);
    case m.MADV_DONTFORK:
      return setFlags(mm, v, from, to, VM_DONTFORK, 0);
    case m.MADV_DOFORK:
      return (v.flags & VM_SPECIAL) !== 0 ? -EINVAL : setFlags(mm, v, from, to, 0, VM_DONTFORK);
    case m.MADV_MERGEABLE:
      return setFlags(mm, v, from, to, VM_MERGEABLE, 0);
    case m.MADV_UNMERGEABLE:
      return setFlags(mm, v, from, to, 0, VM_MERGEABLE);
    case m.MADV_HUGEPAGE:
      return setFlags(mm, v, from, to, VM_HUGEPAGE, VM_NOHUGEPAGE);
    case m.MADV_NOHUGEPAGE:
      return setFlags(mm, v, from, to, VM_NOHUGEPAGE, VM_HUGEPAGE);
    case m.MADV_DONTDUMP:
      return setFlags(mm, v, from, to, VM_DONTDUMP, 0);
    case m.MADV_DODUMP:
      return (v.flags & VM_SPECIAL) !== 0 ? -EINVAL : setFlags(mm, v, from, to, 0, VM_DONTDUMP);
    case m.MADV_WIPEONFORK:
      if (v.source !== null) return -EINVAL;
      return setFlags(mm, v, from, to, VM_WIPEONFORK, 0);
    case m.MADV_KEEPONFORK:
      return setFlags(mm, v, from, to, 0, VM_WIPEONFORK);
    case m.MADV_DONTNEED:
    case m.MADV_DONTNEED_LOCKED:
      if ((v.flags & VM_SPECIAL) !== 0) return -EINVAL;
      if (what === m.MADV_DONTNEED && (v.flags & VM_LOCKED) !== 0) return -EINVAL;
      discard(mm, v, from, to);
      return 0;
    case m.MADV_FREE:
      if (v.source !== null) return -EINVAL;
      // Small pieces may as well keep what they hold.
      if (to - from >= 16 * PAGE) discard(mm, v, from, to);
      return 0;
    case m.MADV_REMOVE:
      return removePages(v, from, to);
    case m.MADV_WILLNEED:
      willNeed(mm, v, from, to);
      return 0;
    case m.MADV_COLD:
    case m.MADV_PAGEOUT:
      return (v.flags & (VM_LOCKED | VM_SPECIAL)) !== 0 ? -EINVAL : 0;
    case m.MADV_COLLAPSE:
      return -EINVAL;
    default:
      return -EINVAL;
  }
}

function setFlags(
  mm: MemoryManager,
  v: Vma,
  from: number,
  to: number,
  set: number,
  clear: number,
): number {
  const flags = (v.flags & ~clear) | set;
  if (flags === v.flags) return 0;
  if (mm.vmas.list.length + 2 > areas.MAX_AREAS) return -ENOMEM;
  mm.vmas.list[areas.isolate(mm, from, to)].flags = flags;
  return 0;
}

function discard(mm: MemoryManager, v: Vma, from: number, to: number): void {
  const lo = from / PAGE;
  const hi = to / PAGE;
  if (mm.table.nextPresent(lo, hi) === hi) return;
  const refill = v.source === null && to - from <= REFILL_BYTES && (v.prot & m.PROT_WRITE) !== 0 &&
    mm.frames.usedFrames < mm.frames.limit / 2;
  if (!refill) {
    dropRange(mm, from, to);
    return;
  }
  dropPages(mm, lo, hi);
  if (!populateRange(mm, v, from, to)) mm.as.unmap(from, to - from);
}

function removePages(v: Vma, from: number, to: number): number {
  if ((v.flags & VM_LOCKED) !== 0) return -EINVAL;
  if (v.source === null) return -EINVAL;
  if (!v.shared || (v.maxProt & m.PROT_WRITE) === 0) return -EACCES;
  if (!(v.source instanceof PageCache) || v.source.filler !== null) return -EINVAL;
  v.source.punch(v.offset + (from - v.start), to - from);
  return 0;
}

function willNeed(mm: MemoryManager, v: Vma, from: number, to: number): void {
  if (v.source === null || v.prot === 0) return;
  const pages = Math.min((to - from) / PAGE, WILLNEED_PAGES);
  v.source.prefetch(v.pageIndex(from), pages);
  if (!v.shared) mapPresent(mm, v, v.source, from / PAGE, from / PAGE + pages, PTE_MAPPED);
}

/** mincore(2) for pages that all must be mapped. */
export function mincore(mm: MemoryManager, addr: number, pages: number, vec: Uint8Array): number {
  for (let i = 0; i < pages; i++) {
    const at = addr + i * PAGE;
    const v = mm.vmas.find(at);
    if (v === null) return -ENOMEM;
    let there = mm.table.get(at / PAGE) !== 0;
    if (!there && v.source !== null) there = v.source.run(v.pageIndex(at), 1) > 0;
    vec[i] = there ? 1 : 0;
  }
  return 0;
}

/** msync(2). */
export function msync(mm: MemoryManager, addr: number, length: number, flags: number): number {
  if ((flags & ~(m.MS_ASYNC | m.MS_INVALIDATE | m.MS_SYNC)) !== 0) return -EINVAL;
  if (addr % PAGE !== 0 || length < 0) return -EINVAL;
  if ((flags & m.MS_ASYNC) !== 0 && (flags & m.MS_SYNC) !== 0) return -EINVAL;
  const end = addr + Math.ceil(length / PAGE) * PAGE;
  if (!(end >= addr)) return -ENOMEM;
  const list = mm.vmas.list;
  let at = addr;
  let hole = false;
  let error = 0;
  for (let i = mm.vmas.indexAbove(addr); at < end; i++) {
    if (i >= list.length || list[i].start >= end) {
      hole = true;
      break;
    }
    const v = list[i];
    if (v.start > at) hole = true;
    if ((flags & m.MS_INVALIDATE) !== 0 && (v.flags & VM_LOCKED) !== 0) return -EBUSY;
    if ((flags & m.MS_SYNC) !== 0 && v.shared && v.source instanceof PageCache) {
      const r = v.source.sync();
      if (r < 0 && error === 0) error = r;
    }
    at = v.end;
  }
  return error !== 0 ? error : hole ? -ENOMEM : 0;
}

/** Whether a page of an address space is private and its own. */
export function isPrivatePage(mm: MemoryManager, addr: number): boolean {
  return (mm.table.get(Math.floor(addr / PAGE)) & PTE_PRIVATE) !== 0;
}
