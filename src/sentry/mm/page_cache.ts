/** Pages of files: what mappings and reads of the same file share. */
// hot: read and write of cached files.

import { EIO, ENOSPC } from "../../abi/errno.ts";
import { type FrameAllocator, PAGE_SIZE, type Reclaimer } from "./frames.ts";
import type { IoBuffer } from "./io_buffer.ts";
import type { MemoryManager } from "./memory_manager.ts";
import { PTE_WRITE } from "./page_table.ts";
import type { Vma } from "./vma.ts";

/** Where the pages of a mapping come from. Pages are numbered by file offset / 4096. */
export interface PageSource {
  /** Pages become dirty by writing, so that they are mapped for writing only when they are written. */
  readonly tracksWrites: boolean;
  /** The frame of a page, brought in if need be; -EIO past the end (SIGBUS), -ENOSPC, -ENOMEM. */
  getPage(index: number, write: boolean): number;
  /** How many pages from `index` on, at most `max`, are present on consecutive frames; 0 if `index` is not. */
  run(index: number, max: number): number;
  /** Brings in up to `count` pages from `index` on, as far as that is cheap in one go. */
  prefetch(index: number, count: number): void;
  addMapping(mm: MemoryManager, vma: Vma): void;
  removeMapping(vma: Vma): void;
}

/** Reads and writes back pages of a file that lives elsewhere. */
export interface PageFiller {
  /** Reads `count` pages from `index` on into zeroed kernel memory at `memOffset`; bytes read, or a negative errno. */
  fill(index: number, count: number, memOffset: number): number;
  /** Writes `length` bytes back that start at page `index`; 0 or a negative errno. */
  flush?(index: number, memOffset: number, length: number): number;
}

/** Limits what a file system in memory holds. */
export interface PageQuota {
  /** Counts `pages` as used; false if there is no room. */
  charge(pages: number): boolean;
  uncharge(pages: number): void;
}

const PRESENT = 0x80000000;
const DIRTY = 0x40000000;
const FRAME = 0x0fffffff;
const BLOCK = 512;
/** Pages that a read brings in at first, and at most. */
const READ_AHEAD_MIN = 32;
const READ_AHEAD_MAX = 512;
/** Pages around a fault that are brought in together. */
const FAULT_AROUND = 16;

/**
 * The page cache of one file. Frames are reserved for whole runs of pages ahead of need, which costs nothing until
 * they are touched, so that a file mostly lies in one piece of kernel memory.
 */
export class PageCache implements PageSource, Reclaimer {
  readonly frames: FrameAllocator;
  readonly filler: PageFiller | null;
  readonly quota: PageQuota | null;
  /** Size of the file in bytes. Whoever knows better sets it. */
  size = 0;
  /** Pages present. */
  present = 0;
  /** Free everything when the last mapping goes: memory that only mappings know. */
  ephemeral: boolean;
  readonly tracksWrites: boolean;
  #first: Uint32Array | null = null;
  #blocks: Map<number, Uint32Array> | null = null;
  #mappings: Set<Vma> | null = null;
  #readAhead = READ_AHEAD_MIN;
  #nextRead = 0;
  #dirtyPages = 0;

  constructor(
    frames: FrameAllocator,
    filler: PageFiller | null,
    quota: PageQuota | null = null,
    ephemeral = false,
  ) {
    this.frames = frames;
    this.filler = filler;
    this.quota = quota;
    this.ephemeral = ephemeral;
    this.tracksWrites = filler !== null && filler.flush !== undefined;
  }

  #block(key: number): Uint32Array | null {
    if (key === 0) return this.#first;
    return this.#blocks === null ? null : this.#blocks.get(key) ?? null;
  }

  #entry(index: number): number {
    const b = this.#block(Math.floor(index / BLOCK));
    const i = index & (BLOCK - 1);
    return b === null || i >= b.length ? 0 : b[i];
  }

  /** The block of `index`, made or grown so that it has the entry. */
  #ensureBlock(index: number): Uint32Array {
    const key = Math.floor(index / BLOCK);
    const old = this.#block(key);
    const i = index & (BLOCK - 1);
    if (old !== null && i < old.length) return old;
    const pages = Math.ceil(this.size / PAGE_SIZE) - key * BLOCK;
    const need = Math.min(BLOCK, Math.max(i + 1, pages));
    const grown = new Uint32Array(need <= 2 ? need : 1 << (32 - Math.clz32(need - 1)));
    if (old !== null) grown.set(old);
    if (key === 0) this.#first = grown;
    else (this.#blocks ??= new Map()).set(key, grown);
    return grown;
  }

  /** Gives `index` a frame, and the pages after it that will be wanted. Returns the entry or -ENOMEM. */
  #reserve(index: number): number {
    const b = this.#ensureBlock(index);
    const i = index & (BLOCK - 1);
    if (b[i] !== 0) return b[i];
    const pages = Math.ceil(this.size / PAGE_SIZE) - (index - i);
    // The rest of the file, or as much again as there is before, for a file that is being written.
    let n = Math.min(BLOCK - i, Math.max(1, pages - i, i));
    for (let k = 1; k < n; k++) {
      if (i + k < b.length && b[i + k] !== 0) n = k;
    }
    let frame = this.frames.alloc(n);
    if (frame < 0 && n > 1) {
      n = 1;
      frame = this.frames.alloc(1);
    }
    if (frame < 0) return frame;
    const t = n > 1 ? this.#ensureBlock(index + n - 1) : b;
    for (let k = 0; k < n; k++) t[i + k] = frame + k;
    return frame;
  }

  /** Makes pages present: reads up to `count` from `index` on. Returns 0 or a negative errno. */
  #bringIn(index: number, count: number): number {
    const e = this.#reserve(index);
    if (e < 0) return e;
    const frame = e & FRAME;
    const last = Math.max(Math.ceil(this.size / PAGE_SIZE), index + 1);
    const most = Math.min(count, last - index, BLOCK - (index & (BLOCK - 1)));
    const b = this.#block(Math.floor(index / BLOCK))!;
    const i = index & (BLOCK - 1);
    let n = 1;
    while (n < most && i + n < b.length && b[i + n] === frame + n) n++;
    if (this.quota !== null && !this.quota.charge(n)) {
      n = 1;
      if (!this.quota.charge(1)) return -ENOSPC;
    }
    if (this.filler !== null) {
      if (this.present === 0) this.frames.reclaimers.add(this);
      const r = this.filler.fill(index, n, frame * PAGE_SIZE);
      if (r < 0) {
        this.quota?.uncharge(n);
        return r;
      }
    }
    for (let k = 0; k < n; k++) b[i + k] |= PRESENT;
    this.present += n;
    return 0;
  }

  getPage(index: number, write: boolean): number {
    if (index * PAGE_SIZE >= this.size) return -EIO;
    let e = this.#entry(index);
    if ((e & PRESENT) === 0) {
      const r = this.filler !== null
        ? this.#bringAround(index)
        : this.#bringIn(index, this.quota === null ? 16 : 1);
      if (r < 0) return r;
      e = this.#entry(index);
    }
    if (write && this.tracksWrites) this.#markDirty(index);
    return e & FRAME;
  }

  /** Brings in the pages around a fault: neighbours are likely to be wanted. */
  #bringAround(index: number): number {
    const start = index - index % FAULT_AROUND;
    for (let at = start; at < index; at++) {
      if ((this.#entry(at) & PRESENT) === 0) {
        const r = this.#bringIn(at, start + FAULT_AROUND - at);
        if (r < 0 || (this.#entry(index) & PRESENT) !== 0) return r;
      }
    }
    return (this.#entry(index) & PRESENT) !== 0
      ? 0
      : this.#bringIn(index, start + FAULT_AROUND - index);
  }

  run(index: number, max: number): number {
    const key = Math.floor(index / BLOCK);
    const b = this.#block(key);
    if (b === null) return 0;
    const i = index & (BLOCK - 1);
    const end = Math.min(b.length, i + max, Math.ceil(this.size / PAGE_SIZE) - key * BLOCK);
    if (i >= end || (b[i] & PRESENT) === 0) return 0;
    let n = 1;
    const frame = b[i] & FRAME;
    while (i + n < end && (b[i + n] & PRESENT) !== 0 && (b[i + n] & FRAME) === frame + n) n++;
    return n;
  }

  prefetch(index: number, count: number): void {
    const end = Math.min(index + count, Math.ceil(this.size / PAGE_SIZE));
    while (index < end) {
      if ((this.#entry(index) & PRESENT) !== 0) index++;
      else if (this.#bringIn(index, end - index) < 0) return;
    }
  }

  #markDirty(index: number): void {
    const b = this.#block(Math.floor(index / BLOCK))!;
    const i = index & (BLOCK - 1);
    if ((b[i] & DIRTY) === 0) {
      b[i] |= DIRTY;
      this.#dirtyPages++;
    }
  }

  addMapping(_mm: MemoryManager, vma: Vma): void {
    (this.#mappings ??= new Set()).add(vma);
  }

  removeMapping(vma: Vma): void {
    const m = this.#mappings;
    if (m === null) return;
    m.delete(vma);
    if (m.size > 0) return;
    this.#mappings = null;
    if (this.ephemeral) this.release();
  }

  /** Makes mappings of `file` show another cache from now on, whose content is the same so far. */
  handOver(file: object, to: PageCache): void {
    if (this.#mappings === null) return;
    for (const v of [...this.#mappings]) {
      if (v.file === null || v.file.inode !== file) continue;
      v.mm.dropFilePages(v, 0, Infinity, false);
      v.source = to;
      to.addMapping(v.mm, v);
      this.removeMapping(v);
    }
  }

  /** Whether a shared mapping may write (for F_SEAL_WRITE). */
  get hasWritableMappings(): boolean {
    if (this.#mappings === null) return false;
    for (const v of this.#mappings) if (v.shared && (v.maxProt & 2) !== 0) return true;
    return false;
  }

  /** How many pages from `first` up to `end` are present, and how many of those are dirty. */
  countPages(first: number, end: number): { present: number; dirty: number } {
    const last = Math.min(end, Math.ceil(this.size / PAGE_SIZE));
    let present = 0;
    let dirty = 0;
    for (let index = first; index < last;) {
      const b = this.#block(Math.floor(index / BLOCK));
      const i = index & (BLOCK - 1);
      if (b === null || i >= b.length) {
        index += BLOCK - i;
        continue;
      }
      if ((b[i] & PRESENT) !== 0) present++;
      if ((b[i] & DIRTY) !== 0) dirty++;
      index++;
    }
    return { present, dirty };
  }

  /** Whether the file is mapped at all. */
  get mapped(): boolean {
    return this.#mappings !== null;
  }

  /** Moves up to `length` bytes from file offset `pos` into `io`; bytes moved (0 at the end) or a negative errno. */
  read(io: IoBuffer, pos: number, length: number): number {
    const end = pos + length < this.size ? pos + length : this.size;
    let done = 0;
    while (pos < end) {
      const index = Math.floor(pos / PAGE_SIZE);
      let e = this.#entry(index);
      const within = pos & (PAGE_SIZE - 1);
      let n = PAGE_SIZE - within;
      let r: number;
      if ((e & PRESENT) === 0 && this.filler === null) {
        if (n > end - pos) n = end - pos;
        r = io.putZeros(n);
      } else {
        if ((e & PRESENT) === 0) {
          const b = this.#readIn(index, Math.ceil(end / PAGE_SIZE) - index);
          if (b < 0) return done > 0 ? done : b;
          e = this.#entry(index);
        }
        if (n < end - pos) {
          const pages = this.run(index, Math.ceil(end / PAGE_SIZE) - index);
          n = pages * PAGE_SIZE - within;
        }
        if (n > end - pos) n = end - pos;
        r = io.putMemory((e & FRAME) * PAGE_SIZE + within, n);
      }
      if (r < 0) return done > 0 ? done : r;
      done += r;
      pos += r;
      if (r < n) break;
    }
    return done;
  }

  /** Reads pages for a read of `pages` of them; sequential reads read ever further ahead. */
  #readIn(index: number, pages: number): number {
    if (index === this.#nextRead) this.#readAhead = Math.min(this.#readAhead * 2, READ_AHEAD_MAX);
    else this.#readAhead = READ_AHEAD_MIN;
    const n = Math.max(pages, this.#readAhead);
    this.#nextRead = index + n;
    return this.#bringIn(index, n);
  }

  /**
   * Moves up to `length` bytes from `io` to file offset `pos`, growing `size` if need be; bytes moved or a negative
   * errno.
   */
  write(io: IoBuffer, pos: number, length: number): number {
    const oldSize = this.size;
    const end = pos + length;
    if (end > this.size) this.size = end;
    let done = 0;
    let error = 0;
    while (pos < end) {
      const n = this.#writePiece(io, pos, end, oldSize);
      if (n <= 0) {
        error = n;
        break;
      }
      done += n;
      pos += n;
    }
    // A write that stopped early has grown the file as far as it got.
    if (pos < end && end > oldSize) this.size = Math.max(oldSize, done > 0 ? pos : 0);
    return done > 0 ? done : error;
  }

  /** Writes into one run of frames. Pages that the run covers whole need not be read first. */
  #writePiece(io: IoBuffer, pos: number, end: number, oldSize: number): number {
    const index = Math.floor(pos / PAGE_SIZE);
    const within = pos & (PAGE_SIZE - 1);
    let e = this.#entry(index);
    let n = Math.min(end - pos, PAGE_SIZE - within);
    if ((e & PRESENT) !== 0) {
      if (n < end - pos) {
        const pages = this.run(index, Math.ceil((end - pos + within) / PAGE_SIZE));
        n = Math.min(end - pos, pages * PAGE_SIZE - within);
      }
      const r = io.takeMemory((e & FRAME) * PAGE_SIZE + within, n);
      if (r > 0 && this.tracksWrites) this.#dirtyRange(pos, r);
      return r;
    }
    const old = this.filler !== null && index * PAGE_SIZE < oldSize;
    if (old && (within !== 0 || n < Math.min(PAGE_SIZE, oldSize - index * PAGE_SIZE))) {
      const r = this.#bringIn(index, 1);
      return r < 0 ? r : this.#writePiece(io, pos, end, oldSize);
    }
    e = this.#reserve(index);
    if (e < 0) return e;
    if (this.filler === null) {
      // All pages of the write that got frames in a row become present at once.
      const r = this.#bringIn(index, Math.ceil((end - pos + within) / PAGE_SIZE));
      return r < 0 ? r : this.#writePiece(io, pos, end, oldSize);
    }
    const at = (e & FRAME) * PAGE_SIZE;
    const r = io.takeMemory(at + within, n);
    if (r < n && old) {
      // Half a page was taken where the rest is the file's: let the file have it all.
      this.frames.memory.fill(0, at, at + PAGE_SIZE);
      const b = this.#bringIn(index, 1);
      return b < 0 ? b : r < 0 ? r : io.remaining > 0 && r > 0 ? 0 : r;
    }
    if (r <= 0) return r;
    if (this.present === 0) this.frames.reclaimers.add(this);
    this.#block(Math.floor(index / BLOCK))![index & (BLOCK - 1)] |= PRESENT;
    this.present++;
    if (this.tracksWrites) this.#markDirty(index);
    return r;
  }

  #dirtyRange(pos: number, length: number): void {
    const last = Math.floor((pos + length - 1) / PAGE_SIZE);
    for (let i = Math.floor(pos / PAGE_SIZE); i <= last; i++) this.#markDirty(i);
  }

  /** Makes pages of [pos, pos + length) present (fallocate); 0 or a negative errno. `size` does not change. */
  allocate(pos: number, length: number): number {
    const last = Math.ceil((pos + length) / PAGE_SIZE);
    for (let i = Math.floor(pos / PAGE_SIZE); i < last; i++) {
      if ((this.#entry(i) & PRESENT) !== 0) continue;
      const r = this.#bringIn(i, last - i);
      if (r < 0) return r;
    }
    return 0;
  }

  /** Sets the size; pages beyond it are dropped and unmapped. */
  truncate(size: number): void {
    const old = this.size;
    this.size = size;
    if (size >= old) return;
    this.drop(Math.ceil(size / PAGE_SIZE), Infinity, true);
    const within = size & (PAGE_SIZE - 1);
    if (within !== 0) this.#zero(Math.floor(size / PAGE_SIZE), within, PAGE_SIZE);
  }

  #zero(index: number, from: number, to: number): void {
    const e = this.#entry(index);
    if ((e & PRESENT) === 0) return;
    const at = (e & FRAME) * PAGE_SIZE;
    this.frames.memory.fill(0, at + from, at + to);
    if (this.tracksWrites) this.#markDirty(index);
  }

  /** Makes [pos, pos + length) read as zeros and frees whole pages of it (FALLOC_FL_PUNCH_HOLE). */
  punch(pos: number, length: number): void {
    const end = pos + length;
    const first = Math.ceil(pos / PAGE_SIZE);
    const last = Math.floor(end / PAGE_SIZE);
    if (first > last) {
      this.#zero(last, pos & (PAGE_SIZE - 1), end & (PAGE_SIZE - 1));
      return;
    }
    if (first * PAGE_SIZE > pos) this.#zero(first - 1, pos & (PAGE_SIZE - 1), PAGE_SIZE);
    if (last * PAGE_SIZE < end) this.#zero(last, 0, end & (PAGE_SIZE - 1));
    if (last > first) this.drop(first, last - first, false);
  }

  /**
   * Forgets pages and unmaps them, so that the next use reads them anew. `privateToo`: copies that private mappings
   * made go as well, as when a file is truncated.
   */
  drop(first: number, count: number, privateToo: boolean): void {
    if (this.#mappings !== null) {
      for (const v of this.#mappings) v.mm.dropFilePages(v, first, count, privateToo);
    }
    const end = first + count;
    const from = Math.floor(first / BLOCK);
    if (this.#first !== null && from === 0) this.#dropIn(0, this.#first, first, end);
    if (this.#blocks !== null) {
      for (const [key, b] of this.#blocks) {
        if (key < from || key * BLOCK >= end) continue;
        this.#dropIn(key, b, first, end);
        if (first <= key * BLOCK && end >= (key + 1) * BLOCK) this.#blocks.delete(key);
      }
    }
  }

  #dropIn(key: number, b: Uint32Array, first: number, end: number): void {
    const base = key * BLOCK;
    const stop = Math.min(b.length, end - base);
    let start = -1;
    let count = 0;
    let gone = 0;
    for (let i = Math.max(0, first - base); i < stop; i++) {
      const e = b[i];
      if (e === 0) continue;
      if ((e & PRESENT) !== 0) gone++;
      if ((e & DIRTY) !== 0) this.#dirtyPages--;
      b[i] = 0;
      const frame = e & FRAME;
      if (start + count === frame) count++;
      else {
        if (count > 0) this.frames.unref(start, count);
        start = frame;
        count = 1;
      }
    }
    if (count > 0) this.frames.unref(start, count);
    this.present -= gone;
    if (gone > 0) this.quota?.uncharge(gone);
  }

  /** Whether an application can write to one of these pages without a fault. */
  #writtenByMapping(index: number, count: number): boolean {
    for (const v of this.#mappings!) if (v.shared && maySpoil(v, index, count)) return true;
    return false;
  }

  /** Writes dirty pages back; 0 or the first error. Pages that are mapped for writing stay dirty. */
  sync(): number {
    if (this.#dirtyPages === 0 || !this.tracksWrites) return 0;
    let error = 0;
    const keep = this.hasWritableMappings;
    if (this.#first !== null) error = this.#flushIn(0, this.#first, keep);
    if (this.#blocks !== null) {
      for (const [key, b] of this.#blocks) {
        const r = this.#flushIn(key, b, keep);
        if (error === 0) error = r;
      }
    }
    return error;
  }

  #flushIn(key: number, b: Uint32Array, keep: boolean): number {
    let error = 0;
    for (let i = 0; i < b.length; i++) {
      if ((b[i] & DIRTY) === 0) continue;
      const frame = b[i] & FRAME;
      let n = 1;
      while (i + n < b.length && (b[i + n] & DIRTY) !== 0 && (b[i + n] & FRAME) === frame + n) n++;
      const index = key * BLOCK + i;
      const length = Math.min(n * PAGE_SIZE, this.size - index * PAGE_SIZE);
      const r = length <= 0 ? 0 : this.filler!.flush!(index, frame * PAGE_SIZE, length);
      if (r < 0) error = error === 0 ? r : error;
      else if (!keep || !this.#writtenByMapping(index, n)) {
        for (let k = 0; k < n; k++) b[i + k] &= ~DIRTY;
        this.#dirtyPages -= n;
      }
      i += n - 1;
    }
    return error;
  }

  /** Whether there are pages to write back. */
  get dirty(): boolean {
    return this.#dirtyPages > 0;
  }

  reclaim(count: number): number {
    if (this.filler === null) return 0;
    let freed = 0;
    const keys = [0, ...(this.#blocks?.keys() ?? [])];
    for (const key of keys) {
      const b = this.#block(key);
      if (b === null) continue;
      for (let i = 0; i < b.length && freed < count; i++) {
        const e = b[i];
        if (e === 0 || (e & DIRTY) !== 0 || this.frames.counts[e & FRAME] !== 1) continue;
        this.#dropIn(key, b, key * BLOCK + i, key * BLOCK + i + 1);
        freed++;
      }
    }
    return freed;
  }

  /** First offset at or after `pos` that has data (`data`) or is a hole, below the size; the size if there is none. */
  seekData(pos: number, data: boolean): number {
    const pages = Math.ceil(this.size / PAGE_SIZE);
    let index = Math.floor(pos / PAGE_SIZE);
    if (((this.#entry(index) & PRESENT) !== 0) === data) return pos;
    while (++index < pages) {
      if (data && (index & (BLOCK - 1)) === 0 && this.#block(index / BLOCK) === null) {
        index += BLOCK - 1;
        continue;
      }
      if (((this.#entry(index) & PRESENT) !== 0) === data) return index * PAGE_SIZE;
    }
    return this.size;
  }

  /** Frees all pages, now or when the last mapping goes. The owner calls it when the file is gone. */
  release(): void {
    this.frames.reclaimers.delete(this);
    if (this.#mappings === null) this.drop(0, Infinity, false);
    else this.ephemeral = true;
  }
}

/** Whether an area lets its process write to one of the pages [index, index + count) of its file. */
function maySpoil(v: Vma, index: number, count: number): boolean {
  const start = v.pageIndex(v.start);
  const shift = v.start / PAGE_SIZE - start;
  const end = Math.min(index + count, start + (v.end - v.start) / PAGE_SIZE);
  for (let i = Math.max(index, start); i < end; i++) {
    if ((v.mm.table.get(i + shift) & PTE_WRITE) !== 0) return true;
  }
  return false;
}

/** Frames that the kernel shares with applications, as those of the vDSO. */
export class FixedPages implements PageSource {
  readonly tracksWrites = false;
  readonly first: number;
  readonly count: number;

  constructor(first: number, count: number) {
    this.first = first;
    this.count = count;
  }

  getPage(index: number, _write: boolean): number {
    return index < this.count ? this.first + index : -EIO;
  }

  run(index: number, max: number): number {
    return Math.min(max, this.count - index);
  }

  prefetch(_index: number, _count: number): void {}

  addMapping(_mm: MemoryManager, _vma: Vma): void {}

  removeMapping(_vma: Vma): void {}
}

/** Memory that processes share without a file (MAP_SHARED | MAP_ANONYMOUS); null if there is not enough. */
export function sharedMemory(frames: FrameAllocator, size: number): PageCache {
  const cache = new PageCache(frames, null, null, true);
  cache.size = size;
  return cache;
}
