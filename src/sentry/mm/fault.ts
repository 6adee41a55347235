/** Page faults: bringing pages in, copying them on write, mapping them in the stub. */
// hot: each fault costs the application microseconds, so all of this maps more than was asked for.

import { EACCES, EFAULT, ENOMEM } from "../../abi/errno.ts";
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../../abi/mman.ts";
import { RLIMIT_AS, RLIMIT_STACK } from "../../abi/resource.ts";
import { PROT_BACKED, USER_TOP } from "../platform/platform.ts";
import type { MemoryManager } from "./memory_manager.ts";
import { CHUNK_PAGES, PTE_FRAME, PTE_MAPPED, PTE_PRIVATE, PTE_WRITE } from "./page_table.ts";
import type { PageSource } from "./page_cache.ts";
import { VM_GROWSDOWN, VM_RAND_READ, type Vma } from "./vma.ts";

const PAGE = 4096;
/** Room that stays free below a stack (stack_guard_gap). */
export const STACK_GUARD_GAP = 256 * PAGE;
/** Pages that a stack grows by at first, and at most. */
const STACK_STEP = 16;
const STACK_STEP_MAX = 256;
/** Pages mapped around a fault in a file. */
const FILE_WINDOW = 64;
/** Pages copied together on write. */
const COPY_CLUSTER = 8;
/** Most operations that one fault queues for pages that were only not mapped yet. */
const MAX_RUNS = 24;
const MIN_CHUNK = 16;
const MAX_CHUNK = 512;
/** Above this many mappings in the host, which allows 65530, copies are made in larger pieces. */
const MANY_MAPPINGS = 16384;

/** The protection that the stub maps pages of an area with: what may be written or executed may be read. */
export function hostProt(prot: number): number {
  return (prot & (PROT_WRITE | PROT_EXEC)) !== 0 ? prot | PROT_READ : prot;
}

/** Maps a run in the stub: for writing where `bits` say so and the area allows it. `backed`: see PROT_BACKED. */
export function mapHost(
  mm: MemoryManager,
  vma: Vma,
  page: number,
  count: number,
  frame: number,
  bits: number,
  backed = false,
): void {
  let prot = hostProt(vma.prot);
  if ((bits & PTE_WRITE) === 0) prot &= ~PROT_WRITE;
  if (backed) prot |= PROT_BACKED;
  mm.hostMappings++;
  mm.as.map(page * PAGE, count * PAGE, prot, frame * PAGE);
}

/** The answer to a fault of the application: see `MemoryManager.handleFault`. */
export function resolveFault(
  mm: MemoryManager,
  addr: number,
  write: boolean,
  exec: boolean,
): number {
  if (!(addr >= 0 && addr < USER_TOP)) return -EFAULT;
  const vma = findForAccess(mm, addr);
  if (vma === null) return -EFAULT;
  const prot = vma.prot;
  if (write ? (prot & PROT_WRITE) === 0 : exec ? (prot & PROT_EXEC) === 0 : prot === 0) {
    return -EACCES;
  }
  const page = Math.floor(addr / PAGE);
  const e = mm.table.get(page);
  if (e === 0) return faultIn(mm, vma, page, write);
  if (write && (e & PTE_WRITE) === 0 && !mayWrite(mm, vma, e)) return copyOnWrite(mm, vma, page, e);
  if ((e & PTE_MAPPED) === 0) mapNeighbours(mm, vma, page);
  else if (write && (e & PTE_WRITE) === 0) upgrade(mm, vma, page);
  // Another thread was faster, or the host could not do what was queued: it costs little to say it again.
  else mapHost(mm, vma, page, 1, e & PTE_FRAME, e);
  return 0;
}

/** Offset in kernel memory of an address for access by the kernel, or a negative errno. */
export function translate(mm: MemoryManager, addr: number, write: boolean): number {
  if (!(addr >= 0 && addr < USER_TOP)) return -EFAULT;
  const vma = findForAccess(mm, addr);
  if (vma === null) return -EFAULT;
  if (write ? (vma.prot & PROT_WRITE) === 0 : vma.prot === 0) return -EFAULT;
  const page = Math.floor(addr / PAGE);
  let e = mm.table.get(page);
  if (e === 0) {
    const r = faultIn(mm, vma, page, write);
    if (r < 0) return r;
    e = mm.table.get(page);
  } else if (write && (e & PTE_WRITE) === 0 && !mayWrite(mm, vma, e)) {
    const r = copyOnWrite(mm, vma, page, e);
    if (r < 0) return r;
    e = mm.table.get(page);
  }
  return (e & PTE_FRAME) * PAGE + (addr & (PAGE - 1));
}

/** The area of an address; a stack grows to hold it. */
function findForAccess(mm: MemoryManager, addr: number): Vma | null {
  const i = mm.vmas.indexAbove(addr);
  const list = mm.vmas.list;
  if (i >= list.length) return null;
  const v = list[i];
  if (v.start <= addr) return v;
  return (v.flags & VM_GROWSDOWN) !== 0 && growStack(mm, i, addr) ? v : null;
}

/** Extends the stack `i` down to `addr`, if limits and the area below allow it. */
function growStack(mm: MemoryManager, i: number, addr: number): boolean {
  const v = mm.vmas.list[i];
  const page = Math.floor(addr / PAGE) * PAGE;
  const below = i > 0 ? mm.vmas.list[i - 1] : null;
  const gap = below === null || (below.flags & VM_GROWSDOWN) !== 0 ? 0 : STACK_GUARD_GAP;
  const lowest = Math.max(
    below === null ? 65536 : below.end + gap,
    v.end - mm.limits[RLIMIT_STACK],
  );
  if (page < lowest) return false;
  // A stack that has grown far is likely to grow further.
  let step = STACK_STEP * PAGE;
  while (step < v.end - v.start && step < STACK_STEP_MAX * PAGE) step *= 2;
  let start = Math.floor(addr / step) * step;
  if (start < lowest) start = Math.ceil(lowest / PAGE) * PAGE;
  const grow = v.start - start;
  if (mm.mappedBytes + grow > mm.limits[RLIMIT_AS]) return false;
  if (v.source !== null && v.offset < grow) return false;
  v.start = start;
  if (v.source !== null) v.offset -= grow;
  mm.mappedBytes += grow;
  if (mm.mappedBytes > mm.peakBytes) mm.peakBytes = mm.mappedBytes;
  return true;
}

/** Whether a page may be written where it is: private with one user, or shared and known as dirty. */
function mayWrite(mm: MemoryManager, vma: Vma, e: number): boolean {
  if ((e & PTE_PRIVATE) !== 0) return mm.frames.counts[e & PTE_FRAME] === 1;
  return vma.shared && !vma.source!.tracksWrites;
}

function faultIn(mm: MemoryManager, vma: Vma, page: number, write: boolean): number {
  const source = vma.source;
  if (source === null) return populateAnonymous(mm, vma, page);
  if (vma.shared) return mapShared(mm, vma, source, page, write);
  return write ? copyFromSource(mm, vma, source, page) : mapCached(mm, vma, source, page);
}

/** Gives an untouched page of private memory a frame, with those around it. */
function populateAnonymous(mm: MemoryManager, vma: Vma, page: number): number {
  const table = mm.table;
  let lo = page - page % MIN_CHUNK;
  let hi = lo + MIN_CHUNK;
  // Memory that is touched all along is brought in by ever larger pieces.
  if (table.get(lo - 1) !== 0 || table.get(hi) !== 0) {
    if (vma.chunk < MAX_CHUNK) vma.chunk *= 2;
    lo = page - page % vma.chunk;
    hi = lo + vma.chunk;
  } else {
    vma.chunk = MIN_CHUNK;
  }
  const first = Math.max(lo, vma.start / PAGE);
  const last = Math.min(hi, vma.end / PAGE);
  lo = page;
  hi = page + 1;
  while (lo > first && table.get(lo - 1) === 0) lo--;
  while (hi < last && table.get(hi) === 0) hi++;
  let frame = mm.frames.alloc(hi - lo, vma.chunk > MIN_CHUNK);
  if (frame < 0) {
    lo = page;
    hi = page + 1;
    frame = mm.frames.alloc(1);
    if (frame < 0) return frame;
  }
  enterPrivate(mm, vma, lo, hi - lo, frame);
  return 0;
}

/** Enters private frames, which `alloc` has just given, and maps them. */
function enterPrivate(
  mm: MemoryManager,
  vma: Vma,
  page: number,
  count: number,
  frame: number,
): void {
  const bits = PTE_PRIVATE | PTE_MAPPED | ((vma.prot & PROT_WRITE) !== 0 ? PTE_WRITE : 0);
  mm.table.setRun(page, count, frame, bits);
  mapHost(mm, vma, page, count, frame, bits, mm.frames.backed);
}

/**
 * Gives all untouched pages of [start, end), a part of a private area without a source, frames at once; false if there
 * is not enough memory for that.
 */
export function populateRange(mm: MemoryManager, vma: Vma, start: number, end: number): boolean {
  const table = mm.table;
  const last = end / PAGE;
  let page = start / PAGE;
  while (page < last) {
    const hi = table.nextPresent(page, Math.min(last, page + MAX_CHUNK));
    if (hi === page) {
      page++;
      continue;
    }
    const frame = mm.frames.alloc(hi - page);
    if (frame < 0) return false;
    enterPrivate(mm, vma, page, hi - page, frame);
    page = hi;
  }
  return true;
}

/** Maps pages of a file that are present or cheap to bring in, read-only, around `page`. */
function mapCached(mm: MemoryManager, vma: Vma, source: PageSource, page: number): number {
  const index = vma.pageIndex(page * PAGE);
  const frame = source.getPage(index, false);
  if (frame < 0) return frame;
  const window = (vma.flags & VM_RAND_READ) !== 0 ? 1 : FILE_WINDOW;
  const lo = Math.max(page - page % window, vma.start / PAGE);
  const hi = Math.min(page - page % window + window, vma.end / PAGE);
  mapPresent(mm, vma, source, lo, hi, PTE_MAPPED);
  // A source that is not sure to keep pages present still gave this one.
  if (mm.table.get(page) === 0) enterShared(mm, vma, page, 1, frame, PTE_MAPPED);
  return 0;
}

function enterShared(
  mm: MemoryManager,
  vma: Vma,
  page: number,
  count: number,
  frame: number,
  bits: number,
): void {
  mm.frames.ref(frame, count);
  mm.table.setRun(page, count, frame, bits);
  mapHost(mm, vma, page, count, frame, bits);
}

/** Maps those pages of [lo, hi) that the source has and the address space has not. */
export function mapPresent(
  mm: MemoryManager,
  vma: Vma,
  source: PageSource,
  lo: number,
  hi: number,
  bits: number,
): void {
  const table = mm.table;
  const base = vma.pageIndex(vma.start) - vma.start / PAGE;
  while (lo < hi) {
    const n = source.run(base + lo, hi - lo);
    if (n <= 0) {
      lo++;
      continue;
    }
    const end = lo + n;
    while (lo < end) {
      const stop = table.nextPresent(lo, end);
      if (stop > lo) {
        enterShared(mm, vma, lo, stop - lo, source.getPage(base + lo, false), bits);
        lo = stop;
      } else lo++;
    }
  }
}

function mapShared(
  mm: MemoryManager,
  vma: Vma,
  source: PageSource,
  page: number,
  write: boolean,
): number {
  const index = vma.pageIndex(page * PAGE);
  const frame = source.getPage(index, write);
  if (frame < 0) return frame;
  const writable = (vma.prot & PROT_WRITE) !== 0 && !source.tracksWrites;
  if (write && source.tracksWrites) {
    enterShared(mm, vma, page, 1, frame, PTE_MAPPED | PTE_WRITE);
    return 0;
  }
  const lo = Math.max(page - page % FILE_WINDOW, vma.start / PAGE);
  const hi = Math.min(page - page % FILE_WINDOW + FILE_WINDOW, vma.end / PAGE);
  mapPresent(mm, vma, source, lo, hi, writable ? PTE_MAPPED | PTE_WRITE : PTE_MAPPED);
  return 0;
}

/** Pages to copy together around `page`: [lo, hi) of an aligned cluster. */
function clusterSize(mm: MemoryManager): number {
  if (mm.hostMappings < MANY_MAPPINGS) return COPY_CLUSTER;
  return mm.hostMappings < 2 * MANY_MAPPINGS ? 8 * COPY_CLUSTER : 64 * COPY_CLUSTER;
}

/** First write to pages of a private mapping of a file: copies some of them. */
function copyFromSource(mm: MemoryManager, vma: Vma, source: PageSource, page: number): number {
  const base = vma.pageIndex(vma.start) - vma.start / PAGE;
  const r = source.getPage(base + page, false);
  if (r < 0) return r;
  const size = clusterSize(mm);
  const first = Math.max(page - page % size, vma.start / PAGE);
  const last = Math.min(page - page % size + size, vma.end / PAGE);
  const table = mm.table;
  let lo = page;
  let hi = page + 1;
  while (lo > first && source.run(base + lo - 1, 1) === 1 && isClean(table.get(lo - 1))) lo--;
  while (hi < last && source.run(base + hi, 1) === 1 && isClean(table.get(hi))) hi++;
  return copySourcePages(mm, vma, source, lo, hi, page);
}

/** Whether a page of a private mapping still shows its source. */
function isClean(e: number): boolean {
  return (e & PTE_PRIVATE) === 0;
}

/** Replaces pages [lo, hi), none of them private yet, by private copies; `page` alone if memory is short. */
export function copySourcePages(
  mm: MemoryManager,
  vma: Vma,
  source: PageSource,
  lo: number,
  hi: number,
  page: number,
): number {
  const base = vma.pageIndex(vma.start) - vma.start / PAGE;
  let to = mm.frames.allocForCopy(hi - lo);
  if (to < 0) {
    lo = page;
    hi = page + 1;
    to = mm.frames.allocForCopy(1);
    if (to < 0) return to;
  }
  for (let p = lo; p < hi;) {
    const from = source.getPage(base + p, false);
    if (from < 0) {
      // Only a page that was not asked for can be missing here; zeros stand in until it is dropped again.
      mm.frames.memory.fill(0, (to + p - lo) * PAGE, (to + p - lo + 1) * PAGE);
      p++;
      continue;
    }
    const n = Math.max(1, source.run(base + p, hi - p));
    mm.frames.memory.copyWithin((to + p - lo) * PAGE, from * PAGE, (from + n) * PAGE);
    p += n;
  }
  replacePages(mm, vma, lo, hi, to);
  return 0;
}

/** Puts new private frames from `frame` on in place of pages [lo, hi), and maps them. */
function replacePages(
  mm: MemoryManager,
  vma: Vma,
  lo: number,
  hi: number,
  frame: number,
): void {
  const table = mm.table;
  const bits = PTE_PRIVATE | PTE_MAPPED | ((vma.prot & PROT_WRITE) !== 0 ? PTE_WRITE : 0);
  mapHost(mm, vma, lo, hi - lo, frame, bits, true);
  for (let p = lo; p < hi; p++) {
    const e = table.get(p);
    table.set(p, (frame + p - lo) | bits);
    mm.flushPage(p);
    if (e === 0) continue;
    if ((e & PTE_MAPPED) !== 0) mm.as.retire(e & PTE_FRAME, 1);
    else mm.frames.unref(e & PTE_FRAME, 1);
  }
}

/** A write to a page that others use too. */
function copyOnWrite(mm: MemoryManager, vma: Vma, page: number, e: number): number {
  if ((e & PTE_PRIVATE) === 0) {
    const source = vma.source!;
    if (!vma.shared) return copyFromSource(mm, vma, source, page);
    // The source learns that the page becomes dirty; then it may be written in place.
    const frame = source.getPage(vma.pageIndex(page * PAGE), true);
    if (frame < 0) return frame;
    mm.table.set(page, (e & PTE_FRAME) | PTE_MAPPED | PTE_WRITE);
    mapHost(mm, vma, page, 1, e & PTE_FRAME, PTE_WRITE);
    return 0;
  }
  const table = mm.table;
  const counts = mm.frames.counts;
  const size = clusterSize(mm);
  const first = Math.max(page - page % size, vma.start / PAGE);
  const last = Math.min(page - page % size + size, vma.end / PAGE);
  let lo = page;
  let hi = page + 1;
  while (lo > first && isSharedPrivate(table.get(lo - 1), counts)) lo--;
  while (hi < last && isSharedPrivate(table.get(hi), counts)) hi++;
  let to = mm.frames.allocForCopy(hi - lo);
  if (to < 0) {
    lo = page;
    hi = page + 1;
    to = mm.frames.allocForCopy(1);
    if (to < 0) return to;
  }
  const memory = mm.frames.memory;
  for (let p = lo; p < hi;) {
    const from = table.get(p) & PTE_FRAME;
    let n = 1;
    while (p + n < hi && (table.get(p + n) & PTE_FRAME) === from + n) n++;
    memory.copyWithin((to + p - lo) * PAGE, from * PAGE, (from + n) * PAGE);
    p += n;
  }
  replacePages(mm, vma, lo, hi, to);
  return 0;
}

function isSharedPrivate(e: number, counts: Uint32Array): boolean {
  return (e & PTE_PRIVATE) !== 0 && counts[e & PTE_FRAME] > 1;
}

/** Maps what the chunk of `page` has of the area and the stub has not, as after a fork. */
function mapNeighbours(mm: MemoryManager, vma: Vma, page: number): void {
  const base = Math.floor(page / CHUNK_PAGES) * CHUNK_PAGES;
  const lo = Math.max(base, vma.start / PAGE);
  const hi = Math.min(base + CHUNK_PAGES, vma.end / PAGE);
  let start = page;
  // Back to the beginning of the run that the page is in, then on from there, then what lies before.
  while (start > lo && (mm.table.get(start - 1) & PTE_MAPPED) === 0 && page - start < 256) start--;
  const left = mapUnmapped(mm, vma, start, hi, MAX_RUNS);
  if (left > 0) mapUnmapped(mm, vma, lo, start, left);
  // Many short runs may have used all that is allowed before the page's own came.
  const e = mm.table.get(page);
  if ((e & PTE_MAPPED) === 0) mapUnmapped(mm, vma, page, page + 1, 1);
}

/** Maps pages of [lo, hi) that are present but not mapped, in at most `most` runs; returns how many are left. */
export function mapUnmapped(
  mm: MemoryManager,
  vma: Vma,
  lo: number,
  hi: number,
  most: number,
): number {
  const table = mm.table;
  const counts = mm.frames.counts;
  const writable = (vma.prot & PROT_WRITE) !== 0;
  const sharedWrite = writable && vma.shared && !vma.source!.tracksWrites;
  let page = table.nextPresent(lo, hi);
  while (page < hi && most > 0) {
    let e = table.get(page);
    if ((e & PTE_MAPPED) !== 0) {
      page = table.nextPresent(page + 1, hi);
      continue;
    }
    const frame = e & PTE_FRAME;
    const write = (e & PTE_PRIVATE) !== 0 ? writable && counts[frame] === 1 : sharedWrite;
    const bits = write ? PTE_MAPPED | PTE_WRITE : PTE_MAPPED;
    let n = 0;
    while (
      page + n < hi && e !== 0 && (e & PTE_MAPPED) === 0 && (e & PTE_FRAME) === frame + n &&
      ((e & PTE_PRIVATE) !== 0 ? writable && counts[frame + n] === 1 : sharedWrite) === write
    ) {
      table.set(page + n, (e & ~PTE_WRITE) | bits);
      n++;
      e = page + n < hi ? table.get(page + n) : 0;
    }
    mapHost(mm, vma, page, n, frame, bits);
    most--;
    page = table.nextPresent(page + n, hi);
  }
  return most;
}

/** Allows writing again to a run of pages around `page` that have no other user any more. */
function upgrade(mm: MemoryManager, vma: Vma, page: number): void {
  const table = mm.table;
  const lo = Math.max(page - 256, vma.start / PAGE);
  const hi = Math.min(page + 256, vma.end / PAGE);
  let start = page;
  let end = page + 1;
  while (start > lo && isSole(mm, vma, table.get(start - 1))) start--;
  while (end < hi && isSole(mm, vma, table.get(end))) end++;
  for (let p = start; p < end; p++) table.set(p, table.get(p) | PTE_WRITE);
  mm.as.protect(start * PAGE, (end - start) * PAGE, hostProt(vma.prot));
}

function isSole(mm: MemoryManager, vma: Vma, e: number): boolean {
  return (e & PTE_MAPPED) !== 0 && (e & PTE_WRITE) === 0 && mayWrite(mm, vma, e);
}

/** Makes the page of `addr` the process's own whatever the protection of its area; its offset or a negative errno. */
export function makeOwn(mm: MemoryManager, addr: number): number {
  const vma = mm.vmas.find(addr);
  if (vma === null) return -EFAULT;
  const page = Math.floor(addr / PAGE);
  let e = mm.table.get(page);
  if (e === 0 && vma.source === null) {
    const r = populateAnonymous(mm, vma, page);
    if (r < 0) return r;
    e = mm.table.get(page);
  }
  if (vma.shared) {
    const frame = vma.source!.getPage(vma.pageIndex(addr), true);
    return frame < 0 ? frame : frame * PAGE + (addr & (PAGE - 1));
  }
  if ((e & PTE_PRIVATE) === 0 || mm.frames.counts[e & PTE_FRAME] > 1) {
    let from = e & PTE_FRAME;
    if (e === 0) {
      from = vma.source!.getPage(vma.pageIndex(addr), false);
      if (from < 0) return from;
    }
    const to = mm.frames.allocForCopy(1);
    if (to < 0) return -ENOMEM;
    mm.frames.memory.copyWithin(to * PAGE, from * PAGE, (from + 1) * PAGE);
    replacePages(mm, vma, page, page + 1, to);
    e = mm.table.get(page);
  }
  return (e & PTE_FRAME) * PAGE + (addr & (PAGE - 1));
}
