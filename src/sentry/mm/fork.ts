/** fork(2): a copy of an address space that shares its pages until one side writes. */
// hot: shells fork for every command.

import { PROT_WRITE } from "../../abi/mman.ts";
import * as areas from "./areas.ts";
import { hostProt } from "./fault.ts";
import type { MemoryManager } from "./memory_manager.ts";
import { CHUNK_PAGES, PTE_FRAME, PTE_MAPPED, PTE_PRIVATE, PTE_WRITE } from "./page_table.ts";
import { VM_DONTFORK, VM_LOCKED, VM_LOCKONFAULT, VM_WIPEONFORK, type Vma } from "./vma.ts";

const PAGE = 4096;

/** Copies an address space into an empty one. The copy's stub has nothing mapped yet: faults map long runs. */
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
  child.noHugePages = mm.noHugePages;
  child.exe = mm.exe;
  const list = mm.vmas.list;
  const copies = child.vmas.list;
  for (let i = 0; i < list.length; i++) {
    const v = list[i];
    if ((v.flags & VM_DONTFORK) !== 0) continue;
    const copy = v.slice(child, v.start, v.end);
    // Locks are not inherited (mlock(2)).
    copy.flags &= ~(VM_LOCKED | VM_LOCKONFAULT);
    copy.attach();
    copies.push(copy);
    areas.account(child, copy, copy.end - copy.start);
    if ((v.flags & VM_WIPEONFORK) === 0) copyPages(mm, child, v);
  }
  mm.flushTlb();
}

/** Enters the pages of an area into the child's table, and takes the right to write from both sides. */
function copyPages(mm: MemoryManager, child: MemoryManager, v: Vma): void {
  const counts = mm.frames.counts;
  const table = mm.table;
  const end = v.end / PAGE;
  const readOnly = hostProt(v.prot) & ~PROT_WRITE;
  const protect = (v.prot & PROT_WRITE) !== 0 && !v.shared;
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
      counts[e & PTE_FRAME]++;
      copies[i] = e & ~(PTE_MAPPED | PTE_WRITE);
      filled++;
      if ((e & PTE_PRIVATE) === 0 || (e & PTE_WRITE) === 0) continue;
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
