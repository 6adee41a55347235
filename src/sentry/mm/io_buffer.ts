/** Where read(2) puts bytes and write(2) takes them from: application memory or the kernel's own. */
// hot: every read and write moves its bytes through one of these, reused call after call.

import { EFAULT, EINVAL } from "../../abi/errno.ts";
import type { MemoryManager } from "./memory_manager.ts";

/** Most bytes that one read or write moves (MAX_RW_COUNT). */
export const MAX_RW_COUNT = 0x7ffff000;
/** Most elements of an iovec array. */
export const UIO_MAXIOV = 1024;

/** A window of bytes that is filled or emptied from its start. Methods return bytes moved, or -EFAULT if none. */
export interface IoBuffer {
  /** Bytes left. */
  readonly remaining: number;
  /** Copies `src[offset, offset + length)` into the window. */
  put(src: Uint8Array, offset: number, length: number): number;
  /** Puts zeros. */
  putZeros(length: number): number;
  /** Copies from kernel memory at byte `memOffset`. */
  putMemory(memOffset: number, length: number): number;
  /** Copies from the window to `dst[offset, offset + length)`. */
  take(dst: Uint8Array, offset: number, length: number): number;
  /** Copies to kernel memory at byte `memOffset`. */
  takeMemory(memOffset: number, length: number): number;
}

const enum Move {
  Put,
  Zeros,
  PutMemory,
  Take,
  TakeMemory,
}

const NO_BYTES = new Uint8Array(0);

/** A window, or several in a row (iovec), of application memory. */
export class UserIo implements IoBuffer {
  remaining = 0;
  /** Bytes of all windows. */
  total = 0;
  #mm: MemoryManager | null = null;
  #addr = 0;
  /** Bytes left in the current segment. */
  #left = 0;
  /** Segments after the current one: pairs of address and length. */
  #segments: Float64Array = new Float64Array(16);
  #next = 0;
  #end = 0;

  /** Makes it a single window. */
  reset(mm: MemoryManager, addr: number, length: number): this {
    this.#mm = mm;
    this.#addr = addr;
    const n = length > MAX_RW_COUNT ? MAX_RW_COUNT : length;
    this.#left = n;
    this.remaining = n;
    this.total = n;
    this.#next = 0;
    this.#end = 0;
    return this;
  }

  /** Makes it the windows of an iovec array; 0 or a negative errno. */
  resetIov(mm: MemoryManager, iovAddr: number, count: number): number {
    return this.resetIovOf(mm, mm, iovAddr, count);
  }

  /** As `resetIov`, with the array in one address space and the windows in another. */
  resetIovOf(arrayMm: MemoryManager, mm: MemoryManager, iovAddr: number, count: number): number {
    this.#mm = mm;
    this.#left = 0;
    this.remaining = 0;
    this.total = 0;
    this.#next = 0;
    this.#end = 0;
    if (count < 0 || count > UIO_MAXIOV) return -EINVAL;
    if (this.#segments.length < 2 * count) this.#segments = new Float64Array(2 * count);
    const s = this.#segments;
    let total = 0;
    let full = false;
    for (let i = 0; i < count; i++) {
      const at = iovAddr + 16 * i;
      const base = arrayMm.readU64(at);
      if (base < 0) return -EFAULT;
      let length = arrayMm.readU64(at + 8);
      if (length < 0) return -EFAULT;
      // A length that is negative as ssize_t is refused; the sum is cut to what one call may move.
      if (length >= 0x7fffffffffffffff) return -EINVAL;
      if (full) continue;
      if (total + length >= MAX_RW_COUNT) {
        length = MAX_RW_COUNT - total;
        full = true;
      }
      if (length === 0) continue;
      s[this.#end++] = base;
      s[this.#end++] = length;
      total += length;
    }
    this.remaining = total;
    this.total = total;
    this.#advance();
    return 0;
  }

  /** Bytes moved so far. */
  get moved(): number {
    return this.total - this.remaining;
  }

  #advance(): void {
    if (this.#next >= this.#end) return;
    this.#addr = this.#segments[this.#next];
    this.#left = this.#segments[this.#next + 1];
    this.#next += 2;
  }

  put(src: Uint8Array, offset: number, length: number): number {
    return this.#move(Move.Put, src, offset, length);
  }

  putZeros(length: number): number {
    return this.#move(Move.Zeros, NO_BYTES, 0, length);
  }

  putMemory(memOffset: number, length: number): number {
    return this.#move(Move.PutMemory, NO_BYTES, memOffset, length);
  }

  take(dst: Uint8Array, offset: number, length: number): number {
    return this.#move(Move.Take, dst, offset, length);
  }

  takeMemory(memOffset: number, length: number): number {
    return this.#move(Move.TakeMemory, NO_BYTES, memOffset, length);
  }

  /** Skips bytes without looking at the memory. */
  skip(length: number): void {
    while (length > 0 && this.remaining > 0) {
      const n = Math.min(length, this.#left);
      this.#consume(n);
      length -= n;
    }
  }

  #consume(n: number): void {
    this.#addr += n;
    this.#left -= n;
    this.remaining -= n;
    if (this.#left === 0) this.#advance();
  }

  #move(move: Move, bytes: Uint8Array, offset: number, length: number): number {
    const mm = this.#mm!;
    let done = 0;
    if (length > this.remaining) length = this.remaining;
    while (done < length) {
      const want = length - done < this.#left ? length - done : this.#left;
      const addr = this.#addr;
      let n: number;
      switch (move) {
        case Move.Put:
          n = mm.copyOutPartial(addr, bytes, offset + done, want);
          break;
        case Move.Zeros:
          n = mm.zeroPartial(addr, want);
          break;
        case Move.PutMemory:
          n = mm.copyFromMemory(addr, offset + done, want);
          break;
        case Move.Take:
          n = mm.copyInPartial(addr, bytes, offset + done, want);
          break;
        case Move.TakeMemory:
          n = mm.copyToMemory(addr, offset + done, want);
          break;
      }
      if (n > 0) this.#consume(n);
      done += n;
      if (n < want) return done > 0 ? done : -EFAULT;
    }
    return done;
  }
}

/** A window of a buffer of the kernel. */
export class KernelIo implements IoBuffer {
  remaining = 0;
  #buf: Uint8Array = NO_BYTES;
  #at = 0;
  readonly #memory: Uint8Array;

  /** `memory` is the whole of kernel memory, which `putMemory` and `takeMemory` mean. */
  constructor(memory: Uint8Array) {
    this.#memory = memory;
  }

  /** Makes it the window `buf[offset, offset + length)`; `buf` may be kernel memory itself. */
  reset(buf: Uint8Array, offset: number, length: number): this {
    this.#buf = buf;
    this.#at = offset;
    this.remaining = length;
    return this;
  }

  put(src: Uint8Array, offset: number, length: number): number {
    const n = length < this.remaining ? length : this.remaining;
    if (this.#buf === src) this.#buf.copyWithin(this.#at, offset, offset + n);
    else this.#buf.set(src.subarray(offset, offset + n), this.#at);
    return this.#done(n);
  }

  putZeros(length: number): number {
    const n = length < this.remaining ? length : this.remaining;
    this.#buf.fill(0, this.#at, this.#at + n);
    return this.#done(n);
  }

  putMemory(memOffset: number, length: number): number {
    return this.put(this.#memory, memOffset, length);
  }

  take(dst: Uint8Array, offset: number, length: number): number {
    const n = length < this.remaining ? length : this.remaining;
    if (this.#buf === dst) dst.copyWithin(offset, this.#at, this.#at + n);
    else dst.set(this.#buf.subarray(this.#at, this.#at + n), offset);
    return this.#done(n);
  }

  takeMemory(memOffset: number, length: number): number {
    return this.take(this.#memory, memOffset, length);
  }

  #done(n: number): number {
    this.#at += n;
    this.remaining -= n;
    return n;
  }
}
