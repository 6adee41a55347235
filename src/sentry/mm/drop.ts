/** Taking pages out of an address space. */

import { RESERVED_LOW_END, RESERVED_LOW_START } from "../platform/platform.ts";
import type { MemoryManager } from "./memory_manager.ts";
import { CHUNK_PAGES, PTE_FRAME, PTE_MAPPED, PTE_PRIVATE } from "./page_table.ts";
import type { Vma } from "./vma.ts";

const PAGE = 4096;

/**
 * Takes the pages [page, end) out of the page table and drops their frames, those that the stub has mapped only after
 * the operations queued until then. Returns whether there were such: the caller queues the unmapping, or a mapping of
 * something else in their place.
 */
export function dropPages(mm: MemoryManager, page: number, end: number): boolean {
  const table = mm.table;
  let mapped = false;
  // The run of frames under way.
  let first = -1;
  let count = 0;
  let bits = 0;
  page = table.nextPresent(page, end);
  if (page < end) mm.flushTlb();
  while (page < end) {
    const key = Math.floor(page / CHUNK_PAGES);
    const chunk = table.chunk(key)!;
    const entries = chunk.entries;
    const base = key * CHUNK_PAGES;
    const stop = Math.min(CHUNK_PAGES, end - base);
    let gone = 0;
    for (let i = page - base; i < stop; i++) {
      const e = entries[i];
      if (e === 0) continue;
      entries[i] = 0;
      gone++;
      const frame = e & PTE_FRAME;
      if (frame === first + count && (e & PTE_MAPPED) === bits) {
        count++;
        continue;
      }
      if (count > 0) dropFrames(mm, first, count, bits);
      first = frame;
      count = 1;
      bits = e & PTE_MAPPED;
      if (bits !== 0) mapped = true;
    }
    table.cleared(key, chunk, gone);
    page = table.nextPresent(base + stop, end);
  }
  if (count > 0) dropFrames(mm, first, count, bits);
  return mapped;
}

function dropFrames(mm: MemoryManager, first: number, count: number, mapped: number): void {
  if (mapped !== 0) {
    if (mm.hostMappings > 0) mm.hostMappings--;
    mm.as.retire(first, count);
  } else mm.frames.unref(first, count);
}

/** Queues the unmapping of [start, end) in the stub, leaving out what is the platform's. */
export function unmapHost(mm: MemoryManager, start: number, end: number): void {
  if (start < RESERVED_LOW_END && end > RESERVED_LOW_START) {
    if (start < RESERVED_LOW_START) mm.as.unmap(start, RESERVED_LOW_START - start);
    if (end > RESERVED_LOW_END) mm.as.unmap(RESERVED_LOW_END, end - RESERVED_LOW_END);
    return;
  }
  mm.as.unmap(start, end - start);
}

/** Drops and unmaps the pages of [start, end). */
export function dropRange(mm: MemoryManager, start: number, end: number): void {
  if (dropPages(mm, start / PAGE, end / PAGE)) unmapHost(mm, start, end);
}

/** Drops the pages of an area that show pages [first, first + count) of its source. */
export function dropFilePages(
  mm: MemoryManager,
  vma: Vma,
  first: number,
  count: number,
  privateToo: boolean,
): void {
  const base = Math.floor(vma.offset / PAGE);
  const start = Math.max(vma.start, vma.start + (first - base) * PAGE);
  const end = Math.min(vma.end, vma.start + (first + count - base) * PAGE);
  if (start >= end) return;
  if (privateToo || vma.shared) {
    dropRange(mm, start, end);
    return;
  }
  const table = mm.table;
  const last = end / PAGE;
  for (
    let p = table.nextPresent(start / PAGE, last);
    p < last;
    p = table.nextPresent(p + 1, last)
  ) {
    if ((table.get(p) & PTE_PRIVATE) === 0) dropRange(mm, p * PAGE, (p + 1) * PAGE);
  }
}
