/** fork(2): a copy of an address space that shares most of its pages until one side writes. */
// hot: shells fork for every command.

import { PROT_WRITE } from "../../abi/mman.ts";
import * as areas from "./areas.ts";
import { hostProt, mapUnmapped } from "./fault.ts";
import type { MemoryManager } from "./memory_manager.ts";
import { CHUNK_PAGES, PTE_FRAME, PTE_MAPPED, PTE_PRIVATE, PTE_WRITE } from "./page_table.ts";
import { VM_DONTFORK, VM_LOCKED, VM_LOCKONFAULT, VM_WIPEONFORK, type Vma } from "./vma.ts";

const PAGE = 4096;
/**
 * Written pages up to which a process gets them all copied at once. A copy takes a fraction of a microsecond; a fault
 * for it takes many, on either side.
 */
const EAGER_PAGES = 32;
/** Operations that map the child's pages before it runs, at most; what they leave is mapped by faults. */
const EAGER_RUNS = 64;
/** Bits of a private page that may be written. */
const WRITTEN = PTE_PRIVATE | PTE_WRITE;

/** Frames for the pages that are copied at once, handed out in order. */
let spareFrame = 0;

/** Copies an address space into an empty one, whose stub has nothing mapped yet. */
export function copyMemory(mm: MemoryManager, child: MemoryManager): void {
  child.limits = mm.limits;
  child.mmapBase = mm.mmapBase;
  child.brkStart = mm.brkStart;
  child.brk = mm.brk;
  child.startCode = mm.startCode;
  child.endCode = mm.endCode;
  child.startData = mm.startData;
  child.endData = mm.endData;
  child.startStack = mm.startStack;
  child.argStart = mm.argStart;
  child.argEnd = mm.argEnd;
  child.envStart = mm.envStart;
  child.envEnd = mm.envEnd;
  child.auxv = mm.auxv;
  child.vdso = mm.vdso;
  child.dumpable = mm.dumpable;
  child.membarrier = mm.membarrier;
  child.hasSeals = mm.hasSeals;
  child.noHugePages = mm.noHugePages;
  child.exe = mm.exe;
  const list = mm.vmas.list;
  const copies = child.vmas.list;
  const written = countWritten(mm);
  // What other threads write meanwhile must not be in one copy and missing in another that was made before.
  const eager = mm.users === 1 && written <= EAGER_PAGES;
  if (eager && written > 0) spareFrame = mm.frames.allocForCopy(written);
  const copyWritten = eager && spareFrame >= 0;
  for (let i = 0; i < list.length; i++) {
    const v = list[i];
    if ((v.flags & VM_DONTFORK) !== 0) continue;
    const copy = v.slice(child, v.start, v.end);
    // Locks are not inherited (mlock(2)).
    copy.flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
    copy.attach();
    copies.push(copy);
    areas.account(child, copy, copy.end - copy.start);
    if ((v.flags & VM_WIPEONFORK) !== 0) continue;
    copyPages(mm, child, v, copyWritten);
  }
  // From the top: the stack and the C library are what every child touches.
  let runs = EAGER_RUNS;
  for (let i = copies.length - 1; i >= 0 && runs > 0; i--) {
    const copy = copies[i];
    runs = mapUnmapped(child, copy, copy.start / PAGE, copy.end / PAGE, runs);
  }
  mm.flushTlb();
}

/** Whether the child of a fork gets copies of an area's written pages, now or when it writes. */
function isCopied(v: Vma): boolean {
  return (v.prot & PROT_WRITE) !== 0 && !v.shared;
}

/** Private pages that may be written now, in areas that a child gets; what exceeds EAGER_PAGES is not counted. */
function countWritten(mm: MemoryManager): number {
  const table = mm.table;
  const list = mm.vmas.list;
  let count = 0;
  for (let i = 0; i < list.length; i++) {
    const v = list[i];
    if (!isCopied(v) || (v.flags & (VM_DONTFORK | VM_WIPEONFORK)) !== 0) continue;
    const end = v.end / PAGE;
    let page = table.nextPresent(v.start / PAGE, end);
    while (page < end) {
      const key = Math.floor(page / CHUNK_PAGES);
      const base = key * CHUNK_PAGES;
      const entries = table.chunk(key)!.entries;
      const stop = Math.min(CHUNK_PAGES, end - base);
      for (let k = page - base; k < stop; k++) {
        if ((entries[k] & WRITTEN) === WRITTEN && ++count > EAGER_PAGES) return count;
      }
      page = table.nextPresent(base + stop, end);
    }
  }
  return count;
}

/**
 * Enters the pages of an area into the child's table: copies of those that were written if `copyWritten` says so; else
 * both sides lose the right to write them.
 */
function copyPages(mm: MemoryManager, child: MemoryManager, v: Vma, copyWritten: boolean): void {
  const counts = mm.frames.counts;
  const table = mm.table;
  const end = v.end / PAGE;
  const readOnly = hostProt(v.prot) & ~PROT_WRITE;
  const protect = isCopied(v);
  const memory = mm.frames.memory;
  // The run of pages under way that the parent may write.
  let from = -1;
  let count = 0;
  let page = table.nextPresent(v.start / PAGE, end);
  while (page < end) {
    const key = Math.floor(page / CHUNK_PAGES);
    const base = key * CHUNK_PAGES;
    const entries = table.chunk(key)!.entries;
    const to = child.table.ensureChunk(key);
    const copies = to.entries;
    const stop = Math.min(CHUNK_PAGES, end - base);
    let filled = 0;
    for (let i = page - base; i < stop; i++) {
      const e = entries[i];
      if (e === 0) continue;
      if (copyWritten && protect && (e & WRITTEN) === WRITTEN) {
        const from = (e & PTE_FRAME) * PAGE;
        memory.copyWithin(spareFrame * PAGE, from, from + PAGE);
        copies[i] = spareFrame++ | PTE_PRIVATE;
        filled++;
        continue;
      }
      counts[e & PTE_FRAME]++;
      copies[i] = e & ~(PTE_MAPPED | PTE_WRITE);
      filled++;
      if ((e & WRITTEN) !== WRITTEN) continue;
      entries[i] = e & ~PTE_WRITE;
      if (!protect) continue;
      if (from + count === base + i) count++;
      else {
        if (count > 0) mm.as.protect(from * PAGE, count * PAGE, readOnly);
        from = base + i;
        count = 1;
      }
    }
    child.table.filled(to, filled);
    page = table.nextPresent(base + stop, end);
  }
  if (count > 0) mm.as.protect(from * PAGE, count * PAGE, readOnly);
}
