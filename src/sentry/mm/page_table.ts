/**
 * Which frame backs which page of an address space, 4 bytes a page in chunks of 512.
 *
 * An entry is a frame number with three bits; 0 means that there is no page.
 */
// hot: get runs at every translation that misses the cache of the memory manager.

/** The bits of an entry that are the frame. */
export const PTE_FRAME = 0x0fffffff;
/** The frame belongs to private memory: with one user it may be written, with more it is copied first. */
export const PTE_PRIVATE = 0x10000000;
/** The stub has it mapped, or will before the application runs. */
export const PTE_MAPPED = 0x20000000;
/** The stub has it mapped for writing if the area allows writing. */
export const PTE_WRITE = 0x40000000;

/** Pages of a chunk. */
export const CHUNK_PAGES = 512;

/** The entries of 2 MiB of addresses. */
export class PageChunk {
  readonly entries: Uint32Array = new Uint32Array(CHUNK_PAGES);
  /** Entries that are not 0. */
  used = 0;
}

const spare: PageChunk[] = [];
const SPARE_MAX = 64;

/** The page table of one address space. Pages are numbered by address / 4096. */
export class PageTable {
  readonly chunks: Map<number, PageChunk> = new Map();
  /** Pages present. */
  pages = 0;
  /** Most pages that were ever present. */
  peak = 0;
  #lastKey = -1;
  #last: PageChunk | null = null;
  #keys: number[] | null = null;

  /** The chunk with page number `key * 512`, or null. */
  chunk(key: number): PageChunk | null {
    if (key === this.#lastKey) return this.#last;
    const c = this.chunks.get(key);
    if (c === undefined) return null;
    this.#lastKey = key;
    this.#last = c;
    return c;
  }

  /** As `chunk`, made if it is not there. */
  ensureChunk(key: number): PageChunk {
    let c = this.chunk(key);
    if (c !== null) return c;
    c = spare.pop() ?? new PageChunk();
    this.chunks.set(key, c);
    this.#keys = null;
    this.#lastKey = key;
    this.#last = c;
    return c;
  }

  /** The entry of a page. */
  get(page: number): number {
    const c = this.chunk(Math.floor(page / CHUNK_PAGES));
    return c === null ? 0 : c.entries[page & (CHUNK_PAGES - 1)];
  }

  /** Sets an entry, which must not be 0. */
  set(page: number, entry: number): void {
    const c = this.ensureChunk(Math.floor(page / CHUNK_PAGES));
    const i = page & (CHUNK_PAGES - 1);
    if (c.entries[i] === 0) this.#count(c, 1);
    c.entries[i] = entry;
  }

  #count(c: PageChunk, n: number): void {
    c.used += n;
    this.pages += n;
    if (this.pages > this.peak) this.peak = this.pages;
  }

  /** Enters a run of pages that are not present, on consecutive frames. */
  setRun(page: number, count: number, frame: number, bits: number): void {
    while (count > 0) {
      const c = this.ensureChunk(Math.floor(page / CHUNK_PAGES));
      let i = page & (CHUNK_PAGES - 1);
      const n = Math.min(count, CHUNK_PAGES - i);
      const entries = c.entries;
      for (const end = i + n; i < end;) entries[i++] = frame++ | bits;
      this.#count(c, n);
      page += n;
      count -= n;
    }
  }

  /** Tells that `count` entries of a chunk were set to 0; the chunk goes if it is empty. */
  cleared(key: number, c: PageChunk, count: number): void {
    c.used -= count;
    this.pages -= count;
    if (c.used !== 0) return;
    this.chunks.delete(key);
    this.#keys = null;
    if (this.#lastKey === key) {
      this.#lastKey = -1;
      this.#last = null;
    }
    if (spare.length < SPARE_MAX) spare.push(c);
  }

  /** Tells that `count` entries of a chunk were filled. */
  filled(c: PageChunk, count: number): void {
    this.#count(c, count);
  }

  /** Keys of all chunks in order. */
  keys(): number[] {
    return this.#keys ??= [...this.chunks.keys()].sort((a, b) => a - b);
  }

  /** The least key of a chunk that is at least `key`, or Infinity: walks of sparse ranges skip with it. */
  nextKey(key: number): number {
    if (this.chunk(key) !== null) return key;
    const keys = this.keys();
    let lo = 0;
    let hi = keys.length;
    while (lo < hi) {
      const mid = (lo + hi) >>> 1;
      if (keys[mid] >= key) hi = mid;
      else lo = mid + 1;
    }
    return lo < keys.length ? keys[lo] : Infinity;
  }

  /** The first present page in [page, end), or `end`. */
  nextPresent(page: number, end: number): number {
    while (page < end) {
      const key = this.nextKey(Math.floor(page / CHUNK_PAGES));
      const base = key * CHUNK_PAGES;
      if (base >= end) return end;
      if (base > page) page = base;
      const entries = this.chunk(key)!.entries;
      const stop = Math.min(CHUNK_PAGES, end - base);
      for (let i = page - base; i < stop; i++) if (entries[i] !== 0) return base + i;
      page = base + CHUNK_PAGES;
    }
    return end;
  }
}
