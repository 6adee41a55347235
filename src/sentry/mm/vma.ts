/** Virtual memory areas: ranges of an address space that were mapped alike. */

import type { File } from "../vfs/file.ts";
import type { MemoryManager } from "./memory_manager.ts";
import type { PageSource } from "./page_cache.ts";

/** Writes reach the source (MAP_SHARED). */
export const VM_SHARED = 0x1;
/** It grows downwards when the memory right below it is touched. */
export const VM_GROWSDOWN = 0x2;
export const VM_LOCKED = 0x4;
/** Locked, but not brought in ahead. */
export const VM_LOCKONFAULT = 0x8;
export const VM_NORESERVE = 0x10;
/** Not copied by fork (MADV_DONTFORK). */
export const VM_DONTFORK = 0x20;
/** Empty in the child (MADV_WIPEONFORK). */
export const VM_WIPEONFORK = 0x40;
export const VM_DONTDUMP = 0x80;
export const VM_MERGEABLE = 0x100;
export const VM_HUGEPAGE = 0x200;
export const VM_NOHUGEPAGE = 0x400;
export const VM_RAND_READ = 0x800;
export const VM_SEQ_READ = 0x1000;
/** The kernel's own: mremap, mprotect to writable and merging are refused (vdso). */
export const VM_SPECIAL = 0x2000;
/** Made for the heap by brk. */
export const VM_HEAP = 0x4000;

/** Neither unmapped nor changed any more (mseal(2)). */
export const VM_SEALED = 0x8000;

/** One area: [start, end), page aligned. */
export class Vma {
  readonly mm: MemoryManager;
  start: number;
  end: number;
  /** PROT_* bits now. */
  prot: number;
  /** PROT_* bits that mprotect may give. */
  maxProt: number;
  /** VM_* bits. */
  flags: number;
  /** What was mapped, for its name; holds a use. */
  readonly file: File | null;
  /** Where pages come from; null: zero pages, private. */
  source: PageSource | null;
  /** Byte offset of `start` in the source. */
  offset: number;
  /** Name in /proc/PID/maps when there is no file, as `[stack]`. */
  name: string;
  /** Pages that the next fault in untouched memory brings in. */
  chunk: number;

  constructor(
    mm: MemoryManager,
    start: number,
    end: number,
    prot: number,
    maxProt: number,
    flags: number,
    file: File | null,
    source: PageSource | null,
    offset: number,
    name: string,
  ) {
    this.mm = mm;
    this.start = start;
    this.end = end;
    this.prot = prot;
    this.maxProt = maxProt;
    this.flags = flags;
    this.file = file;
    this.source = source;
    this.offset = offset;
    this.name = name;
    this.chunk = 16;
  }

  /** Index in the source of the page at `addr`. */
  pageIndex(addr: number): number {
    return Math.floor((addr - this.start + this.offset) / 4096);
  }

  get shared(): boolean {
    return (this.flags & VM_SHARED) !== 0;
  }

  /** Takes the uses of file and source that an area in the list has. */
  attach(): void {
    if (this.file !== null) this.file.ref();
    if (this.source !== null) this.source.addMapping(this.mm, this);
  }

  /** Drops what `attach` took. */
  detach(): void {
    if (this.source !== null) this.source.removeMapping(this);
    if (this.file !== null) this.file.unref();
  }

  /** A copy of [start, end) of this area, not attached. */
  slice(mm: MemoryManager, start: number, end: number): Vma {
    const v = new Vma(
      mm,
      start,
      end,
      this.prot,
      this.maxProt,
      this.flags,
      this.file,
      this.source,
      this.source === null ? 0 : this.offset + (start - this.start),
      this.name,
    );
    v.chunk = this.chunk;
    return v;
  }

  /** Whether `next`, which begins where this ends, could be part of it. */
  continues(next: Vma): boolean {
    return this.prot === next.prot && this.flags === next.flags && this.file === next.file &&
      this.source === next.source && this.maxProt === next.maxProt && this.name === next.name &&
      (this.source === null || this.offset + (this.end - this.start) === next.offset) &&
      (this.flags & (VM_SPECIAL | VM_GROWSDOWN)) === 0;
  }
}

/** The areas of an address space in order of address. */
export class VmaList {
  readonly list: Vma[] = [];
  /** Where the last search ended. */
  #last = 0;

  /** Index of the first area that ends above `addr`; the length of the list if there is none. */
  indexAbove(addr: number): number {
    const list = this.list;
    const n = list.length;
    const guess = this.#last;
    if (guess < n && list[guess].end > addr && (guess === 0 || list[guess - 1].end <= addr)) {
      return guess;
    }
    let lo = 0;
    let hi = n;
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if (list[mid].end > addr) hi = mid;
      else lo = mid + 1;
    }
    this.#last = lo;
    return lo;
  }

  /** The area that holds `addr`, or null. */
  find(addr: number): Vma | null {
    const i = this.indexAbove(addr);
    if (i >= this.list.length) return null;
    const v = this.list[i];
    return v.start <= addr ? v : null;
  }

  /** Whether any area meets [start, end). */
  overlaps(start: number, end: number): boolean {
    const i = this.indexAbove(start);
    return i < this.list.length && this.list[i].start < end;
  }

  /** Puts an area in its place; it must meet no other. */
  insert(v: Vma): number {
    const i = this.indexAbove(v.start);
    if (i === this.list.length) this.list.push(v);
    else this.list.splice(i, 0, v);
    return i;
  }

  removeAt(i: number, count = 1): void {
    this.list.splice(i, count);
  }
}
