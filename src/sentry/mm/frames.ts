/**
 * Physical memory of the sandbox: one memfd, mapped whole into the sentry and piecewise into the stubs. A frame that
 * nobody has touched costs nothing, as the host allocates its page on first touch.
 */
// hot: alloc, ref and unref run at every page fault; extents are pairs of numbers in flat arrays.

import { ENOMEM, ENOSYS, EPERM } from "../../abi/errno.ts";
import { MFD_CLOEXEC } from "../../abi/mman.ts";
import { fallocate, ftruncate, lseek, sendfile } from "../../../ffi/libc/files.ts";
import { pread } from "../../../ffi/libc/io.ts";
import { madvise, memfd_create } from "../../../ffi/libc/memory.ts";
import { mapRegion, type Region } from "../../../ffi/arena.ts";
import { cstr } from "../../../ffi/syscall.ts";

/** Bytes of a frame. */
export const PAGE_SIZE = 4096;

const MADV_DONTDUMP = 16;
const PUNCH_HOLE_KEEP_SIZE = 3;

/** Freed frames that keep their host pages for reuse, at most; beyond that they are given back to the host. */
const DIRTY_MAX = 32768;
/** Freed extents this long are given back first. */
const LARGE = 64;
/** Longest run that is taken from freed frames and cleared by hand, if it is not sure to be used. */
const ZERO_MAX = 16;
const BINS = 26;
/** Part of the host's spare memory that a sandbox may use. */
const HOST_SHARE = 0.9;
/** Reads of less than this are made straight into memory. */
const SEND_MIN = 4 * PAGE_SIZE;
const SEEK_SET = 0;

/** Something that can give frames back when memory is short. */
export interface Reclaimer {
  /** Frees about `count` frames if it can; returns how many it freed. */
  reclaim(count: number): number;
}

/** Free extents, binned by the logarithm of their length. */
class ExtentBins {
  readonly bins: number[][] = Array.from({ length: BINS }, () => []);
  /** Frames in all bins. */
  total = 0;
  #mask = 0;

  add(first: number, count: number): void {
    const k = 31 - Math.clz32(count);
    this.bins[k].push(first, count);
    this.#mask |= 1 << k;
    this.total += count;
  }

  /** First frame of a run of `count`, or -1. */
  take(count: number): number {
    const floor = 31 - Math.clz32(count);
    const tight = this.bins[floor];
    if (tight.length > 0 && tight[tight.length - 1] >= count) return this.#cut(floor, count);
    const larger = this.#mask & ~((2 << floor) - 1);
    if (larger === 0) return -1;
    return this.#cut(31 - Math.clz32(larger & -larger), count);
  }

  #cut(k: number, count: number): number {
    const bin = this.bins[k];
    const length = bin.pop()!;
    const first = bin.pop()!;
    if (bin.length === 0) this.#mask &= ~(1 << k);
    this.total -= length;
    if (length > count) this.add(first + count, length - count);
    return first;
  }

  /** Takes out all extents of at least `least` frames, sorted and merged: pairs of first and count. */
  drain(least: number): number[] {
    const from = 31 - Math.clz32(least);
    const starts: number[] = [];
    const lengths = new Map<number, number>();
    for (let k = from; k < BINS; k++) {
      const bin = this.bins[k];
      for (let i = 0; i < bin.length; i += 2) {
        starts.push(bin[i]);
        lengths.set(bin[i], bin[i + 1]);
        this.total -= bin[i + 1];
      }
      bin.length = 0;
      this.#mask &= ~(1 << k);
    }
    starts.sort((a, b) => a - b);
    const merged: number[] = [];
    for (const start of starts) {
      const length = lengths.get(start)!;
      const n = merged.length;
      if (n > 0 && merged[n - 2] + merged[n - 1] === start) merged[n - 1] += length;
      else merged.push(start, length);
    }
    return merged;
  }
}

/** Allocates frames and counts their users. Frame 0 is never given out. */
export class FrameAllocator {
  /** The whole of physical memory. */
  readonly memory: Uint8Array<ArrayBuffer>;
  readonly view: DataView<ArrayBuffer>;
  /** The memfd. */
  readonly fd: number;
  /** Where `memory` is mapped in the sentry. */
  readonly hostAddress: number;
  /** Frames there are. */
  readonly frames: number;
  /** Frames that may be in use at once. */
  limit: number;
  /** Frames in use. */
  usedFrames = 0;
  /** The frames that the last `alloc` gave have host pages already. */
  backed = false;
  /** Users of each frame; only this class writes it, but for the page tables' own hot loops. */
  readonly counts: Uint32Array;
  /** Asked in turn when memory is short. */
  readonly reclaimers: Set<Reclaimer> = new Set();
  #bump = 1;
  #canSend = true;
  readonly #position = new BigInt64Array(1);
  readonly #clean = new ExtentBins();
  readonly #dirty = new ExtentBins();
  // The extent freed last, kept out of the bins so that a run freed piece by piece stays one.
  #lastFirst = 0;
  #lastCount = 0;

  private constructor(fd: number, memory: Region, bytes: number, counts: Uint32Array) {
    this.fd = fd;
    this.hostAddress = memory.address;
    this.memory = new Uint8Array(memory.buffer, memory.offset, bytes);
    this.view = new DataView(memory.buffer, memory.offset, bytes);
    this.frames = bytes / PAGE_SIZE;
    this.limit = this.frames - 1;
    this.counts = counts;
  }

  /**
   * Makes physical memory of `bytes`, a multiple of the page size. None of it is backed before it is touched. What may be
   * in use is limited to most of what the host has to spare, so that a program without bounds harms only itself.
   */
  static create(bytes: number): FrameAllocator {
    const fd = memfd_create(cstr("runsc-memory"), MFD_CLOEXEC);
    if (fd < 0) throw new Error(`memory: memfd_create failed: errno ${-fd}`);
    const r = ftruncate(fd, bytes);
    if (r < 0) throw new Error(`memory: ftruncate failed: errno ${-r}`);
    const memory = mapRegion("memory", bytes, fd);
    madvise(memory.address, bytes, MADV_DONTDUMP);
    const frames = bytes / PAGE_SIZE;
    const counts = mapRegion("counts", frames * 4, -1);
    const allocator = new FrameAllocator(
      fd,
      memory,
      bytes,
      new Uint32Array(counts.buffer, counts.offset, frames),
    );
    const spare = Math.floor(Deno.systemMemoryInfo().available * HOST_SHARE / PAGE_SIZE);
    allocator.limit = Math.min(allocator.limit, Math.max(spare, 1024));
    return allocator;
  }

  /**
   * First of `count` contiguous zeroed frames with one user each; -ENOMEM. `certain`: all of them will be used, so that
   * clearing freed ones by hand is cheaper than having the host find new pages. `backed` tells whether it came to that.
   */
  alloc(count: number, certain = false): number {
    if (this.usedFrames + count > this.limit && !this.#makeRoom(count)) return -ENOMEM;
    let first = -1;
    if (certain || count <= ZERO_MAX) {
      first = this.#takeDirty(count);
      if (first >= 0) this.memory.fill(0, first * PAGE_SIZE, (first + count) * PAGE_SIZE);
    }
    this.backed = first >= 0;
    if (first < 0) first = this.#takeClean(count);
    if (first < 0) return -ENOMEM;
    return this.#give(first, count);
  }

  /** As `alloc`, for frames that the caller overwrites whole: their content is arbitrary. */
  allocForCopy(count: number): number {
    if (this.usedFrames + count > this.limit && !this.#makeRoom(count)) return -ENOMEM;
    let first = this.#takeDirty(count);
    if (first < 0) first = this.#takeClean(count);
    if (first < 0) return -ENOMEM;
    return this.#give(first, count);
  }

  /**
   * Reads from a host file into zeroed memory at byte `memOffset`; the bytes read, less than `length` only at the end of
   * the file, or a negative errno.
   */
  readFile(fd: number, pos: number, memOffset: number, length: number): number {
    let done = 0;
    while (done < length) {
      const n = this.#readSome(fd, pos + done, memOffset + done, length - done);
      if (n < 0) return done > 0 ? done : n;
      if (n === 0) break;
      done += n;
    }
    return done;
  }

  #readSome(fd: number, pos: number, memOffset: number, length: number): number {
    // From file to file the host neither clears the new pages first nor faults on each of them.
    if (length >= SEND_MIN && this.#canSend) {
      this.#position[0] = BigInt(pos);
      const at = lseek(this.fd, memOffset, SEEK_SET);
      const n = at < 0 ? at : sendfile(this.fd, fd, this.#position, length);
      if (n >= 0) return n;
      if (n === -ENOSYS || n === -EPERM) this.#canSend = false;
    }
    return pread(fd, this.hostAddress + memOffset, length, pos);
  }

  #give(first: number, count: number): number {
    if (count === 1) this.counts[first] = 1;
    else this.counts.fill(1, first, first + count);
    this.usedFrames += count;
    return first;
  }

  #takeDirty(count: number): number {
    if (this.#lastCount >= count) {
      this.#lastCount -= count;
      return this.#lastFirst + this.#lastCount;
    }
    return this.#dirty.total < count ? -1 : this.#dirty.take(count);
  }

  #takeClean(count: number): number {
    let first = this.#clean.total < count ? -1 : this.#clean.take(count);
    if (first >= 0) return first;
    if (this.#bump + count <= this.frames) {
      first = this.#bump;
      this.#bump += count;
      return first;
    }
    this.flushFreed();
    this.#consolidate();
    first = this.#clean.take(count);
    if (first < 0 && this.#bump + count <= this.frames) {
      first = this.#bump;
      this.#bump += count;
    }
    return first;
  }

  /** Merges neighbouring free extents, which their bins keep apart. */
  #consolidate(): void {
    const extents = this.#clean.drain(1);
    for (let i = 0; i < extents.length; i += 2) {
      if (extents[i] + extents[i + 1] === this.#bump) this.#bump = extents[i];
      else this.#clean.add(extents[i], extents[i + 1]);
    }
  }

  #makeRoom(count: number): boolean {
    for (const r of this.reclaimers) {
      if (this.usedFrames + count <= this.limit) break;
      r.reclaim(this.usedFrames + count - this.limit);
    }
    return this.usedFrames + count <= this.limit;
  }

  /** Adds a user to each frame of a run. */
  ref(first: number, count: number): void {
    const counts = this.counts;
    for (let f = first; f < first + count; f++) counts[f]++;
  }

  /** Drops a user of each frame of a run; a frame without users may be given out again. */
  unref(first: number, count: number): void {
    const counts = this.counts;
    const end = first + count;
    let start = first;
    for (let f = first; f < end; f++) {
      const n = counts[f];
      if (n === 0) throw new Error(`memory: frame ${f} is dropped by more users than it has`);
      counts[f] = n - 1;
      if (n === 1) continue;
      if (f > start) this.#free(start, f - start);
      start = f + 1;
    }
    if (end > start) this.#free(start, end - start);
  }

  #free(first: number, count: number): void {
    this.usedFrames -= count;
    if (this.#lastFirst + this.#lastCount === first) {
      this.#lastCount += count;
    } else {
      if (this.#lastCount > 0) this.#dirty.add(this.#lastFirst, this.#lastCount);
      this.#lastFirst = first;
      this.#lastCount = count;
    }
    if (this.#dirty.total + this.#lastCount > DIRTY_MAX) {
      this.#giveBack(LARGE);
      if (this.#dirty.total > DIRTY_MAX / 2) this.#giveBack(1);
    }
  }

  /** Users of a frame. */
  refs(frame: number): number {
    return this.counts[frame];
  }

  /** Gives the pages of freed frames back to the host. The kernel calls it when it goes idle. */
  flushFreed(): void {
    this.#giveBack(1);
  }

  /** Freed frames that still have their host pages. */
  get dirtyFrames(): number {
    return this.#dirty.total + this.#lastCount;
  }

  #giveBack(least: number): void {
    if (this.#lastCount > 0) this.#dirty.add(this.#lastFirst, this.#lastCount);
    this.#lastFirst = 0;
    this.#lastCount = 0;
    const extents = this.#dirty.drain(least);
    for (let i = 0; i < extents.length; i += 2) {
      const at = extents[i] * PAGE_SIZE;
      const length = extents[i + 1] * PAGE_SIZE;
      // Frames are zero when they are given out, whatever the host says.
      if (fallocate(this.fd, PUNCH_HOLE_KEEP_SIZE, at, length) < 0) {
        this.memory.fill(0, at, at + length);
      }
      this.#clean.add(extents[i], extents[i + 1]);
    }
  }
}
