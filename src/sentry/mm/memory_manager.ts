/** The memory of one process: its areas, its page table and the way the kernel reads and writes it. */
// hot: every system call with a pointer reads or writes here; translations come from a small cache.

import { EFAULT, ENAMETOOLONG } from "../../abi/errno.ts";
import { RLIM_NLIMITS } from "../../abi/resource.ts";
import { argumentTexts } from "../kernel/text_pool.ts";
import {
  type AddressSpace,
  type Platform,
  type TextMemory,
  USER_TOP,
} from "../platform/platform.ts";
import type { File } from "../vfs/file.ts";
import * as advice from "./advice.ts";
import * as areas from "./areas.ts";
import { dropFilePages } from "./drop.ts";
import { makeOwn, resolveFault, translate } from "./fault.ts";
import { copyMemory } from "./fork.ts";
import type { FrameAllocator } from "./frames.ts";
import * as locking from "./locking.ts";
import * as mapping from "./mapping.ts";
import { PageTable } from "./page_table.ts";
import { remap } from "./remap.ts";
import type { PageSource } from "./page_cache.ts";
import { type Vma, VmaList } from "./vma.ts";

const PAGE = 4096;
/** Entries of the translation cache. */
const TLB = 64;
/** Copies shorter than this are made byte by byte: making a view of the memory costs more. */
const SHORT = 48;
/** The same for copies within kernel memory, which need no view. */
const TINY = 16;

/** What mmap is asked for. `prot` and `flags` are those of mmap(2). */
export interface MapRequest {
  addr: number;
  length: number;
  prot: number;
  flags: number;
  file: File | null;
  offset: number;
  /** Pages to map where there is no file (System V shared memory, the vDSO). */
  source?: PageSource | null;
  name?: string;
  /** VM_* bits to add. */
  vmFlags?: number;
  /** PROT_* bits that mprotect may give later; all by default. */
  maxProt?: number;
  /** Whether RLIMIT_MEMLOCK does not hold for the caller. */
  canLock?: boolean;
}

/** Calls under way in the background (io_uring(7), io_submit(2)). */
export interface BackgroundWork {
  /** The memory is about to go: ends all calls that use it. */
  memoryGone(mm: MemoryManager): void;
}

/** An address space. Several tasks may use it; the last `release` frees it. */
export class MemoryManager {
  readonly frames: FrameAllocator;
  readonly platform: Platform;
  readonly as: AddressSpace;
  readonly vmas: VmaList = new VmaList();
  readonly table: PageTable = new PageTable();
  users = 1;
  /** Soft resource limits of the process, shared with its thread group: RLIMIT_AS, DATA, STACK and MEMLOCK hold here. */
  limits: Float64Array = new Float64Array(RLIM_NLIMITS).fill(Infinity);
  /** Highest address that mmap gives by itself. */
  mmapBase: number = USER_TOP;
  /** Where the search for free addresses starts, and the largest hole above it. */
  searchFrom = 0;
  holeAbove = 0;
  /** Bytes of all areas, of private writable ones but stacks, and of locked ones. */
  mappedBytes = 0;
  dataBytes = 0;
  lockedBytes = 0;
  peakBytes = 0;
  /** VM_* bits that new areas get (mlockall). */
  defaultFlags = 0;
  brkStart = 0;
  brk = 0;
  startCode = 0;
  endCode = 0;
  startData = 0;
  endData = 0;
  startStack = 0;
  argStart = 0;
  argEnd = 0;
  envStart = 0;
  envEnd = 0;
  /** The auxiliary vector as the program found it, for /proc/PID/auxv. */
  auxv: Uint8Array = new Uint8Array(0);
  /** Where the vDSO is, 0 if there is none. */
  vdso = 0;
  /** PR_SET_DUMPABLE. */
  dumpable = 1;
  /** Membarrier registrations (MEMBARRIER_CMD_REGISTER_*), as bits. */
  membarrier = 0;
  /** Calls under way that no thread waits for: they end before the memory goes. Null if there are none. */
  background: Set<BackgroundWork> | null = null;
  /** Some area is sealed (mseal(2)). */
  hasSeals = false;
  /** PR_SET_THP_DISABLE. */
  noHugePages = false;
  /** Estimate of how many mappings the host keeps for the stub. */
  hostMappings = 0;
  /** The address space that the last `futexKey` belongs to; null: one that processes share. */
  futexSpace: MemoryManager | null = null;
  #exe: File | null = null;
  readonly #readTags = new Float64Array(TLB).fill(-1);
  readonly #readAt = new Float64Array(TLB);
  readonly #writeTags = new Float64Array(TLB).fill(-1);
  readonly #writeAt = new Float64Array(TLB);

  /** Makes an empty address space. */
  constructor(frames: FrameAllocator, platform: Platform, as?: AddressSpace) {
    this.frames = frames;
    this.platform = platform;
    this.as = as ?? platform.createAddressSpace();
    this.as.textMemory = new ExecutableMemory(this);
  }

  // Life.

  /** Adds a user. */
  retain(): this {
    this.users++;
    return this;
  }

  /** Drops a user. The last one frees all; no thread may run in it any more. */
  release(): void {
    if (--this.users > 0) return;
    if (this.background !== null) {
      for (const work of [...this.background]) work.memoryGone(this);
      this.background = null;
    }
    this.exe = null;
    areas.clear(this);
    this.as.release();
  }

  /** A copy for a new process, or a negative errno. Pages are shared until one side writes. */
  fork(): MemoryManager | number {
    const as = this.platform.createAddressSpace(this.as);
    const child = new MemoryManager(this.frames, this.platform, as);
    copyMemory(this, child);
    return child;
  }

  /** The running executable, which nobody may open for writing meanwhile. */
  get exe(): File | null {
    return this.#exe;
  }

  set exe(file: File | null) {
    const old = this.#exe;
    this.#exe = file;
    if (file !== null) {
      file.ref();
      file.inode.writers--;
    }
    if (old !== null) {
      old.inode.writers++;
      old.unref();
    }
  }

  // Areas.

  /** mmap(2); the address or a negative errno. */
  mmap(req: MapRequest): number {
    return mapping.map(this, req);
  }

  /** munmap(2). */
  munmap(addr: number, length: number): number {
    return mapping.unmap(this, addr, length);
  }

  /** mprotect(2); `prot` may have PROT_GROWSDOWN. */
  mprotect(addr: number, length: number, prot: number): number {
    return mapping.protect(this, addr, length, prot);
  }

  /** mremap(2). */
  mremap(addr: number, oldSize: number, newSize: number, flags: number, newAddr: number): number {
    return remap(this, addr, oldSize, newSize, flags, newAddr);
  }

  /** brk(2): the new break, or the old one if it can't be had. */
  setBrk(addr: number): number {
    return mapping.setBrk(this, addr);
  }

  /** madvise(2). */
  madvise(addr: number, length: number, what: number): number {
    return advice.advise(this, addr, length, what);
  }

  /** mincore(2): fills `vec` with a byte a page; 0 or a negative errno. */
  mincore(addr: number, pages: number, vec: Uint8Array): number {
    return advice.mincore(this, addr, pages, vec);
  }

  /** msync(2). */
  msync(addr: number, length: number, flags: number): number {
    return advice.msync(this, addr, length, flags);
  }

  /** mlock(2), mlock2(2): `flags` are VM_LOCKED and VM_LOCKONFAULT bits, 0 unlocks. */
  mlock(addr: number, length: number, flags: number, canLock: boolean): number {
    return locking.lockRange(this, addr, length, flags, canLock);
  }

  /** mlockall(2) with MCL_* flags; 0 is munlockall(2). */
  mlockAll(flags: number, canLock: boolean): number {
    return locking.lockAll(this, flags, canLock);
  }

  /** mseal(2). */
  seal(addr: number, length: number): number {
    return mapping.seal(this, addr, length);
  }

  /** Pages of the address space that are present. */
  get residentPages(): number {
    return this.table.pages;
  }

  /** Whether all of a range is mapped. */
  isMapped(addr: number, length: number): boolean {
    return areas.isCovered(this, addr, addr + length);
  }

  /** The area that holds `addr`, or null. */
  findVma(addr: number): Vma | null {
    return this.vmas.find(addr);
  }

  /** Pages of a source went: unmaps them (see `PageCache.drop`). */
  dropFilePages(vma: Vma, first: number, count: number, privateToo: boolean): void {
    dropFilePages(this, vma, first, count, privateToo);
  }

  // Faults and translation.

  /**
   * Answers a page fault of the application: 0 if it can go on, -EFAULT (SIGSEGV, nothing mapped), -EACCES (SIGSEGV,
   * not allowed), -EIO (SIGBUS, past the end of the file), -ENOMEM (no memory left).
   */
  handleFault(addr: number, write: boolean, exec: boolean): number {
    return resolveFault(this, addr, write, exec);
  }

  /**
   * Byte offset in kernel memory of an address, good to the end of its page until the next operation on this address
   * space; -EFAULT. Brings the page in, and for writing makes it the process's own.
   */
  physical(addr: number, write: boolean): number {
    const page = Math.floor(addr / PAGE);
    const i = page & (TLB - 1);
    if (write) {
      if (this.#writeTags[i] === page) return this.#writeAt[i] + (addr & (PAGE - 1));
    } else if (this.#readTags[i] === page) {
      return this.#readAt[i] + (addr & (PAGE - 1));
    }
    const at = translate(this, addr, write);
    if (at < 0) return -EFAULT;
    const base = at - (addr & (PAGE - 1));
    this.#readTags[i] = page;
    this.#readAt[i] = base;
    if (write) {
      this.#writeTags[i] = page;
      this.#writeAt[i] = base;
    }
    return at;
  }

  /** Forgets cached translations: an entry was changed or an area's protection. */
  flushTlb(): void {
    this.#readTags.fill(-1);
    this.#writeTags.fill(-1);
  }

  /** Forgets the cached translation of one page. */
  flushPage(page: number): void {
    const i = page & (TLB - 1);
    this.#readTags[i] = -1;
    this.#writeTags[i] = -1;
  }

  /**
   * Key of the futex at `addr`, or -EFAULT. `futexSpace` is then the address space it belongs to, or null if the word
   * lies in memory that processes share; `shared` is false for FUTEX_PRIVATE_FLAG.
   */
  futexKey(addr: number, shared: boolean): number {
    this.futexSpace = this;
    if (!shared) return addr >= 0 && addr < USER_TOP ? addr : -EFAULT;
    const vma = this.vmas.find(addr);
    if (vma === null) return -EFAULT;
    if (!vma.shared) {
      const at = this.physical(addr, false);
      return at < 0 ? -EFAULT : addr;
    }
    this.futexSpace = null;
    return this.physical(addr, false);
  }

  // Access by the kernel. Whole transfers give 0 or -EFAULT, partial ones the bytes moved.

  /** How many bytes from `addr` on, at most `length`, lie in one piece of kernel memory that starts at `at`. */
  #span(addr: number, at: number, length: number, write: boolean): number {
    let n = PAGE - (addr & (PAGE - 1));
    while (n < length && this.physical(addr + n, write) === at + n) n += PAGE;
    return n < length ? n : length;
  }

  /** Copies from the application; returns the bytes copied. */
  copyInPartial(addr: number, dst: Uint8Array, offset: number, length: number): number {
    const memory = this.frames.memory;
    const view = this.frames.view;
    let done = 0;
    while (done < length) {
      const at = this.physical(addr + done, false);
      if (at < 0) break;
      const n = this.#span(addr + done, at, length - done, false);
      const to = offset + done;
      if (n <= SHORT) { for (let i = 0; i < n; i++) dst[to + i] = view.getUint8(at + i); }
      else dst.set(memory.subarray(at, at + n), to);
      done += n;
    }
    return done;
  }

  /** Copies to the application; returns the bytes copied. */
  copyOutPartial(addr: number, src: Uint8Array, offset: number, length: number): number {
    const memory = this.frames.memory;
    const view = this.frames.view;
    let done = 0;
    while (done < length) {
      const at = this.physical(addr + done, true);
      if (at < 0) break;
      const n = this.#span(addr + done, at, length - done, true);
      const from = offset + done;
      if (n <= SHORT) { for (let i = 0; i < n; i++) view.setUint8(at + i, src[from + i]); }
      else if (src === memory) memory.copyWithin(at, from, from + n);
      else memory.set(src.subarray(from, from + n), at);
      done += n;
    }
    return done;
  }

  /** Zeroes application memory; returns the bytes zeroed. */
  zeroPartial(addr: number, length: number): number {
    const memory = this.frames.memory;
    let done = 0;
    while (done < length) {
      const at = this.physical(addr + done, true);
      if (at < 0) break;
      const n = this.#span(addr + done, at, length - done, true);
      memory.fill(0, at, at + n);
      done += n;
    }
    return done;
  }

  /** Copies from kernel memory at `memOffset` to the application; returns the bytes copied. */
  copyFromMemory(addr: number, memOffset: number, length: number): number {
    const memory = this.frames.memory;
    const view = this.frames.view;
    let done = 0;
    while (done < length) {
      const at = this.physical(addr + done, true);
      if (at < 0) break;
      const n = this.#span(addr + done, at, length - done, true);
      const from = memOffset + done;
      if (n <= TINY) { for (let i = 0; i < n; i++) view.setUint8(at + i, view.getUint8(from + i)); }
      else memory.copyWithin(at, from, from + n);
      done += n;
    }
    return done;
  }

  /** Copies from the application to kernel memory at `memOffset`; returns the bytes copied. */
  copyToMemory(addr: number, memOffset: number, length: number): number {
    const memory = this.frames.memory;
    const view = this.frames.view;
    let done = 0;
    while (done < length) {
      const at = this.physical(addr + done, false);
      if (at < 0) break;
      const n = this.#span(addr + done, at, length - done, false);
      const to = memOffset + done;
      if (n <= TINY) { for (let i = 0; i < n; i++) view.setUint8(to + i, view.getUint8(at + i)); }
      else memory.copyWithin(to, at, at + n);
      done += n;
    }
    return done;
  }

  copyIn(addr: number, dst: Uint8Array, offset: number, length: number): number {
    return this.copyInPartial(addr, dst, offset, length) === length ? 0 : -EFAULT;
  }

  copyOut(addr: number, src: Uint8Array, offset: number, length: number): number {
    return this.copyOutPartial(addr, src, offset, length) === length ? 0 : -EFAULT;
  }

  zeroOut(addr: number, length: number): number {
    return this.zeroPartial(addr, length) === length ? 0 : -EFAULT;
  }

  /** Reads an unsigned byte, or -EFAULT. */
  readU8(addr: number): number {
    const at = this.physical(addr, false);
    return at < 0 ? at : this.frames.view.getUint8(at);
  }

  /** Reads an unsigned 16-bit number, or -EFAULT. */
  readU16(addr: number): number {
    if ((addr & (PAGE - 1)) > PAGE - 2) return this.#readBytes(addr, 2);
    const at = this.physical(addr, false);
    return at < 0 ? at : this.frames.view.getUint16(at, true);
  }

  /** Reads an unsigned 32-bit number, or -EFAULT. */
  readU32(addr: number): number {
    if ((addr & (PAGE - 1)) > PAGE - 4) return this.#readBytes(addr, 4);
    const at = this.physical(addr, false);
    return at < 0 ? at : this.frames.view.getUint32(at, true);
  }

  /** Reads an unsigned 64-bit number (exact below 2^53), or -EFAULT. */
  readU64(addr: number): number {
    if ((addr & (PAGE - 1)) > PAGE - 8) return this.#readBytes(addr, 8);
    const at = this.physical(addr, false);
    if (at < 0) return at;
    const v = this.frames.view;
    return v.getUint32(at, true) + v.getUint32(at + 4, true) * 4294967296;
  }

  #readBytes(addr: number, size: number): number {
    let v = 0;
    for (let i = size - 1; i >= 0; i--) {
      const at = this.physical(addr + i, false);
      if (at < 0) return at;
      v = v * 256 + this.frames.memory[at];
    }
    return v;
  }

  writeU8(addr: number, v: number): number {
    const at = this.physical(addr, true);
    if (at < 0) return at;
    this.frames.view.setUint8(at, v);
    return 0;
  }

  writeU16(addr: number, v: number): number {
    if ((addr & (PAGE - 1)) > PAGE - 2) return this.#writeBytes(addr, v, 2);
    const at = this.physical(addr, true);
    if (at < 0) return at;
    this.frames.view.setUint16(at, v, true);
    return 0;
  }

  /** Writes the low 32 bits of `v`, signed or unsigned. */
  writeU32(addr: number, v: number): number {
    if ((addr & (PAGE - 1)) > PAGE - 4) return this.#writeBytes(addr, v, 4);
    const at = this.physical(addr, true);
    if (at < 0) return at;
    this.frames.view.setInt32(at, v, true);
    return 0;
  }

  /** Writes `v`, signed or unsigned, in 64 bits. */
  writeU64(addr: number, v: number): number {
    if ((addr & (PAGE - 1)) > PAGE - 8) return this.#writeBytes(addr, v, 8);
    const at = this.physical(addr, true);
    if (at < 0) return at;
    const view = this.frames.view;
    view.setInt32(at, v, true);
    view.setInt32(at + 4, Math.floor(v / 4294967296), true);
    return 0;
  }

  #writeBytes(addr: number, v: number, size: number): number {
    // Both pages first, so that nothing is written if one is missing.
    if (this.physical(addr, true) < 0) return -EFAULT;
    if (this.physical(addr + size - 1, true) < 0) return -EFAULT;
    for (let i = 0; i < size; i++) {
      this.frames.memory[this.physical(addr + i, true)] = v;
      v = Math.floor(v / 256);
    }
    return 0;
  }

  /** Reads a NUL-terminated byte string of less than `max` bytes; -EFAULT or -ENAMETOOLONG. */
  readString(addr: number, max: number): string | number {
    const memory = this.frames.memory;
    const view = this.frames.view;
    let text = "";
    let done = 0;
    while (done < max) {
      const at = this.physical(addr + done, false);
      if (at < 0) return at;
      const room = Math.min(PAGE - ((addr + done) & (PAGE - 1)), max - done);
      const stop = at + room;
      if (done === 0) {
        const known = argumentTexts.read(view, at, stop);
        if (known !== null) return known;
      }
      let end = at;
      while (end < stop && view.getUint8(end) !== 0) end++;
      text += byteString(memory, at, end);
      if (end < stop) return text;
      done += room;
    }
    return -ENAMETOOLONG;
  }

  /** Makes the page of `addr` this process's own even if the area does not allow writing; its offset or -EFAULT. */
  forceWritable(addr: number): number {
    return makeOwn(this, addr);
  }
}

function byteString(memory: Uint8Array, at: number, end: number): string {
  const n = end - at;
  if (n <= 24) {
    let s = "";
    for (; at < end; at++) s += String.fromCharCode(memory[at]);
    return s;
  }
  // Arguments on the stack are bounded by a page, since the caller reads page by page.
  return String.fromCharCode.apply(null, memory.subarray(at, end) as unknown as number[]);
}

/** Lets the platform patch call sites in private code. */
class ExecutableMemory implements TextMemory {
  readonly #mm: MemoryManager;

  constructor(mm: MemoryManager) {
    this.#mm = mm;
  }

  readText(addr: number, dst: Uint8Array): boolean {
    return this.#mm.copyInPartial(addr, dst, 0, dst.length) === dst.length;
  }

  ownText(addr: number): number {
    const v = this.#mm.vmas.find(addr);
    if (v === null || v.shared || (v.prot & 4) === 0) return -EFAULT;
    return makeOwn(this.#mm, addr);
  }
}
