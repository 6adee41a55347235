import { FRAMES_GPA, KERNEL_PML4_INDEX } from "../../../../ffi/kvm/layout.ts";
import type { FramePool } from "../systrap/patch_table.ts";

// hot: a fault of an application fills tables, an munmap empties them.

const PAGE = 4096;
/** Pages that a table of the last level maps. */
const SPAN = 512;
const GIGA_PAGES = SPAN * SPAN;
const TERA_PAGES = SPAN * GIGA_PAGES;
const WORD = 4294967296;
const PRESENT = 1;
const WRITABLE = 2;
const USER = 4;
/** Accessed and dirty are set from the start, so that the processor never writes to a table. */
const ACCESSED = 0x20;
const DIRTY = 0x40;
const LARGE = 0x80;
const NO_EXECUTE = 0x80000000;
const TABLE_FLAGS = PRESENT | WRITABLE | USER | ACCESSED;
const LEAF_FLAGS = PRESENT | USER | ACCESSED | DIRTY;
/** Bits 52 to 61 of an entry are free for us: how many entries the table it points to has. */
const COUNT_ONE = 1 << 20;
const COUNT_MASK = 0x3ff << 20;
const ADDRESS_HIGH = 0xfffff;
const PROT_WRITE = 2;
const PROT_EXEC = 4;
const PROT_ANY = 7;

/**
 * The page tables of one address space, four levels, in frames of their own. The sentry writes them while processors of
 * the machine may use them: an entry is never seen half written, as its present bit is set last and cleared first. What a
 * processor keeps of a removed entry is the platform's business (`stale`).
 */
export class PageTables {
  readonly #pool: FramePool;
  readonly #view: DataView;
  /** Frame of the top table. */
  readonly root: number;
  /** An entry that processors may remember was taken away or cut down since this was last cleared. */
  stale = false;
  /** A table could not be made: the address space is not what the memory manager takes it for. */
  failed = false;
  /** Tables taken out, whose frames may be given back when no processor remembers them: frame numbers. */
  readonly dropped: number[] = [];
  // The last table of the last level that was used, as neighbours are usually wanted together.
  #lastIndex = -1;
  #lastTable = 0;
  #lastParent = 0;

  /** `kernelTable`: guest-physical address of the table of the upper half. */
  constructor(pool: FramePool, kernelTable: number) {
    this.#pool = pool;
    this.#view = new DataView(pool.memory.buffer, pool.memory.byteOffset, pool.memory.byteLength);
    this.root = pool.alloc(1);
    if (this.root < 0) throw new RangeError("no memory for page tables");
    const kernel = (kernelTable - FRAMES_GPA) / PAGE;
    this.#put(this.root * PAGE + 8 * KERNEL_PML4_INDEX, kernel, PRESENT | WRITABLE | ACCESSED, 0);
  }

  /** Maps `pages` pages from page number `page` on to consecutive frames. */
  map(page: number, pages: number, prot: number, frame: number): void {
    if ((prot & PROT_ANY) === 0) {
      this.unmap(page, pages);
      return;
    }
    const low = LEAF_FLAGS | ((prot & PROT_WRITE) !== 0 ? WRITABLE : 0);
    const high = (prot & PROT_EXEC) !== 0 ? 0 : NO_EXECUTE;
    const end = page + pages;
    while (page < end) {
      const stop = Math.min(end, page - (page % SPAN) + SPAN);
      if (
        stop - page === SPAN && frame % SPAN === 0 && this.#mapLarge(page, low, high, frame)
      ) {
        frame += SPAN;
        page = stop;
        continue;
      }
      const parent = this.#parentOf(page, true);
      const table = parent < 0 ? -1 : this.#tableAt(parent, page, true);
      if (table < 0) {
        this.failed = true;
        return;
      }
      this.#fill(parent, table, page % SPAN, stop - page, low, high, frame);
      frame += stop - page;
      page = stop;
    }
  }

  #fill(
    parent: number,
    table: number,
    index: number,
    count: number,
    low: number,
    high: number,
    frame: number,
  ): void {
    const view = this.#view;
    let made = 0;
    let at = table + 8 * index;
    let address = FRAMES_GPA + frame * PAGE;
    for (const last = at + 8 * count; at < last; at += 8) {
      const hi = (Math.floor(address / WORD) | high) >>> 0;
      const lo = ((address % WORD) | low) >>> 0;
      address += PAGE;
      const old = view.getUint32(at, true);
      if ((old & PRESENT) === 0) made++;
      else {
        if (old === lo && view.getUint32(at + 4, true) === hi) continue;
        this.stale = true;
        view.setUint32(at, 0, true);
      }
      view.setUint32(at + 4, hi, true);
      view.setUint32(at, lo, true);
    }
    if (made > 0) this.#count(parent, made);
  }

  /** Maps 2 MiB by one entry; false if there is no room for the tables above. */
  #mapLarge(page: number, low: number, high: number, frame: number): boolean {
    const parent = this.#parentOf(page, true);
    if (parent < 0) return false;
    const old = this.#view.getUint32(parent, true);
    if ((old & PRESENT) !== 0) this.#dropTable(parent, old);
    this.#put(parent, frame, low | LARGE, high);
    return true;
  }

  /** Removes pages. */
  unmap(page: number, pages: number): void {
    const end = page + pages;
    while (page < end) {
      const stop = Math.min(end, page - (page % SPAN) + SPAN);
      const parent = this.#parentOf(page, false);
      if (parent < 0) {
        page = Math.min(end, this.#skip(page));
        continue;
      }
      const entry = this.#view.getUint32(parent, true);
      if ((entry & PRESENT) !== 0) {
        if (stop - page === SPAN) this.#dropTable(parent, entry);
        else {
          const table = this.#tableAt(parent, page, true);
          if (table < 0) this.failed = true;
          else this.#clear(parent, table, page % SPAN, stop - page);
        }
      }
      page = stop;
    }
  }

  #clear(parent: number, table: number, index: number, count: number): void {
    const view = this.#view;
    let gone = 0;
    let at = table + 8 * index;
    for (const last = at + 8 * count; at < last; at += 8) {
      if ((view.getUint32(at, true) & PRESENT) === 0) continue;
      view.setUint32(at, 0, true);
      gone++;
    }
    if (gone === 0) return;
    this.stale = true;
    if (this.#count(parent, -gone) === 0) {
      this.#dropTable(parent, this.#view.getUint32(parent, true));
    }
  }

  /** Changes what may be done with pages that are mapped. */
  protect(page: number, pages: number, prot: number): void {
    if ((prot & PROT_ANY) === 0) {
      this.unmap(page, pages);
      return;
    }
    const write = (prot & PROT_WRITE) !== 0 ? WRITABLE : 0;
    const high = (prot & PROT_EXEC) !== 0 ? 0 : NO_EXECUTE;
    const end = page + pages;
    while (page < end) {
      const stop = Math.min(end, page - (page % SPAN) + SPAN);
      const parent = this.#parentOf(page, false);
      if (parent < 0) {
        page = Math.min(end, this.#skip(page));
        continue;
      }
      const entry = this.#view.getUint32(parent, true);
      if ((entry & PRESENT) !== 0) {
        if ((entry & LARGE) !== 0 && stop - page === SPAN) {
          this.#change(parent, 1, write, high);
        } else {
          const table = this.#tableAt(parent, page, true);
          if (table < 0) this.failed = true;
          else this.#change(table + 8 * (page % SPAN), stop - page, write, high);
        }
      }
      page = stop;
    }
  }

  #change(at: number, count: number, write: number, high: number): void {
    const view = this.#view;
    for (const last = at + 8 * count; at < last; at += 8) {
      const old = view.getUint32(at, true);
      if ((old & PRESENT) === 0) continue;
      const oldHigh = view.getUint32(at + 4, true);
      const lo = (old & ~WRITABLE) | write;
      const hi = ((oldHigh & ~NO_EXECUTE) | high) >>> 0;
      if (lo === old && hi === oldHigh) continue;
      this.stale = true;
      if (hi !== oldHigh) {
        view.setUint32(at, 0, true);
        view.setUint32(at + 4, hi, true);
      }
      view.setUint32(at, lo, true);
    }
  }

  /** Gives back all frames. No processor may use the tables any more. */
  release(): void {
    for (let i = 0; i < KERNEL_PML4_INDEX; i++) {
      const third = this.#next(this.root * PAGE + 8 * i);
      if (third < 0) continue;
      for (let j = 0; j < SPAN; j++) {
        const second = this.#next(third + 8 * j);
        if (second < 0) continue;
        for (let k = 0; k < SPAN; k++) {
          const first = this.#next(second + 8 * k);
          if (first >= 0) this.#pool.unref(first / PAGE, 1);
        }
        this.#pool.unref(second / PAGE, 1);
      }
      this.#pool.unref(third / PAGE, 1);
    }
    this.#pool.unref(this.root, 1);
    this.settle();
  }

  /** Gives back the frames of tables that were taken out: no processor remembers them. */
  settle(): void {
    const dropped = this.dropped;
    for (let i = 0; i < dropped.length; i++) this.#pool.unref(dropped[i], 1);
    dropped.length = 0;
  }

  /** Offset in kernel memory of the table that an entry points to, or -1. */
  #next(entry: number): number {
    const lo = this.#view.getUint32(entry, true);
    if ((lo & PRESENT) === 0 || (lo & LARGE) !== 0) return -1;
    return this.#target(entry, lo);
  }

  #target(entry: number, lo: number): number {
    const hi = this.#view.getUint32(entry + 4, true) & ADDRESS_HIGH;
    return hi * WORD + ((lo & ~0xfff) >>> 0) - FRAMES_GPA;
  }

  /** Offset of the entry of the third table that covers a page; -1 if there is none, or no memory for one. */
  #parentOf(page: number, make: boolean): number {
    const top = Math.floor(page / TERA_PAGES);
    const rest = page - top * TERA_PAGES;
    const third = this.#descend(this.root * PAGE + 8 * top, make);
    if (third < 0) return -1;
    const second = this.#descend(third + 8 * Math.floor(rest / GIGA_PAGES), make);
    return second < 0 ? -1 : second + 8 * (Math.floor(rest / SPAN) % SPAN);
  }

  #descend(entry: number, make: boolean): number {
    const lo = this.#view.getUint32(entry, true);
    if ((lo & PRESENT) !== 0) return this.#target(entry, lo);
    if (!make) return -1;
    const frame = this.#pool.alloc(1);
    if (frame < 0) return -1;
    this.#put(entry, frame, TABLE_FLAGS, 0);
    return frame * PAGE;
  }

  /** The first page after the absent table that hides `page`. */
  #skip(page: number): number {
    const top = Math.floor(page / TERA_PAGES);
    const third = this.#next(this.root * PAGE + 8 * top);
    if (third < 0) return (top + 1) * TERA_PAGES;
    return (Math.floor(page / GIGA_PAGES) + 1) * GIGA_PAGES;
  }

  /** Offset of the table of the last level; a large page is cut into small ones. -1: no memory. */
  #tableAt(parent: number, page: number, make: boolean): number {
    const index = Math.floor(page / SPAN);
    if (index === this.#lastIndex && parent === this.#lastParent) return this.#lastTable;
    const lo = this.#view.getUint32(parent, true);
    let table: number;
    if ((lo & PRESENT) === 0 || (lo & LARGE) === 0) table = this.#descend(parent, make);
    else table = this.#split(parent, lo);
    if (table >= 0) {
      this.#lastIndex = index;
      this.#lastTable = table;
      this.#lastParent = parent;
    }
    return table;
  }

  #split(parent: number, lo: number): number {
    const frame = this.#pool.alloc(1);
    if (frame < 0) return -1;
    const high = this.#view.getUint32(parent + 4, true) & NO_EXECUTE;
    const first = this.#target(parent, lo) / PAGE;
    const low = (lo & ~LARGE) & 0xfff;
    for (let i = 0; i < SPAN; i++) this.#put(frame * PAGE + 8 * i, first + i, low, high);
    // The processor may go on using the large page until it is told, which maps the same.
    this.stale = true;
    this.#view.setUint32(parent, 0, true);
    this.#put(parent, frame, TABLE_FLAGS, 0);
    this.#count(parent, SPAN);
    return frame * PAGE;
  }

  /** Takes out what an entry of the third table has. */
  #dropTable(parent: number, lo: number): void {
    if ((lo & LARGE) === 0) this.dropped.push(this.#target(parent, lo) / PAGE);
    this.#view.setUint32(parent, 0, true);
    this.#view.setUint32(parent + 4, 0, true);
    this.stale = true;
    this.#lastIndex = -1;
  }

  /** Counts entries of a table of the last level; returns how many it has now. */
  #count(parent: number, more: number): number {
    const hi = this.#view.getUint32(parent + 4, true);
    const now = hi + more * COUNT_ONE;
    this.#view.setUint32(parent + 4, now, true);
    return now & COUNT_MASK;
  }

  #put(at: number, frame: number, low: number, high: number): void {
    const address = FRAMES_GPA + frame * PAGE;
    this.#view.setUint32(at + 4, (Math.floor(address / WORD) | high) >>> 0, true);
    this.#view.setUint32(at, ((address % WORD) | low) >>> 0, true);
  }
}
