// hot: every pipe, terminal and stream socket moves its bytes through this.

import type { IoBuffer } from "../../mm/io_buffer.ts";

/** What a ring allocates first; most pipes never hold more. */
const FIRST_SIZE = 4096;

/**
 * A bounded queue of bytes. Memory grows with what is stored, up to `capacity`, and reading and
 * writing allocate nothing else.
 */
export class ByteRing {
  /** How many bytes fit. */
  capacity: number;
  /** How many bytes are stored. */
  length: number;
  private data: Uint8Array;
  private head: number;

  constructor(capacity: number) {
    this.capacity = capacity;
    this.length = 0;
    this.data = EMPTY;
    this.head = 0;
  }

  /** How many more bytes fit. */
  get space(): number {
    return this.capacity - this.length;
  }

  /** Moves up to `max` bytes from `io` into the ring; returns how many, or -EFAULT if none. */
  takeFrom(io: IoBuffer, max: number): number {
    const space = this.capacity - this.length;
    let left = max < space ? max : space;
    if (left === 0) return 0;
    if (this.length + left > this.data.length) this.grow(this.length + left);
    const size = this.data.length;
    let done = 0;
    while (left > 0) {
      let tail = this.head + this.length;
      if (tail >= size) tail -= size;
      const run = left < size - tail ? left : size - tail;
      const r = io.take(this.data, tail, run);
      if (r <= 0) return done > 0 ? done : r;
      this.length += r;
      done += r;
      if (r < run) return done;
      left -= r;
    }
    return done;
  }

  /** Moves up to `max` bytes from the ring to `io`; returns how many, or -EFAULT if none. */
  putTo(io: IoBuffer, max: number): number {
    let left = max < this.length ? max : this.length;
    const size = this.data.length;
    let done = 0;
    while (left > 0) {
      const run = left < size - this.head ? left : size - this.head;
      const r = io.put(this.data, this.head, run);
      if (r <= 0) return done > 0 ? done : r;
      this.consume(r);
      done += r;
      if (r < run) return done;
      left -= r;
    }
    return done;
  }

  /** Like {@link putTo}, from `skip` bytes into the ring, leaving the bytes in it. */
  peekTo(io: IoBuffer, skip: number, max: number): number {
    const avail = this.length - skip;
    if (avail <= 0) return 0;
    let left = max < avail ? max : avail;
    const size = this.data.length;
    let at = this.head + skip;
    if (at >= size) at -= size;
    let done = 0;
    while (left > 0) {
      const run = left < size - at ? left : size - at;
      const r = io.put(this.data, at, run);
      if (r <= 0) return done > 0 ? done : r;
      done += r;
      if (r < run) return done;
      at += r;
      if (at === size) at = 0;
      left -= r;
    }
    return done;
  }

  /** Drops the oldest `count` bytes. */
  consume(count: number): void {
    this.length -= count;
    if (this.length === 0) {
      this.head = 0;
      return;
    }
    this.head += count;
    if (this.head >= this.data.length) this.head -= this.data.length;
  }

  /** Appends bytes; returns how many fitted. */
  push(src: Uint8Array, offset: number, count: number): number {
    const space = this.capacity - this.length;
    const n = count < space ? count : space;
    if (n === 0) return 0;
    if (this.length + n > this.data.length) this.grow(this.length + n);
    const size = this.data.length;
    let tail = this.head + this.length;
    if (tail >= size) tail -= size;
    const first = n < size - tail ? n : size - tail;
    for (let i = 0; i < first; i++) this.data[tail + i] = src[offset + i];
    for (let i = first; i < n; i++) this.data[i - first] = src[offset + i];
    this.length += n;
    return n;
  }

  /** Appends one byte; false if the ring is full. */
  pushByte(byte: number): boolean {
    if (this.length === this.capacity) return false;
    if (this.length === this.data.length) this.grow(this.length + 1);
    let tail = this.head + this.length;
    if (tail >= this.data.length) tail -= this.data.length;
    this.data[tail] = byte;
    this.length++;
    return true;
  }

  /** The byte `index` places from the oldest. */
  at(index: number): number {
    let i = this.head + index;
    if (i >= this.data.length) i -= this.data.length;
    return this.data[i];
  }

  /** Takes the oldest bytes into `dst`; returns how many. */
  shift(dst: Uint8Array, offset: number, count: number): number {
    const n = count < this.length ? count : this.length;
    const size = this.data.length;
    let at = this.head;
    for (let i = 0; i < n; i++) {
      dst[offset + i] = this.data[at];
      if (++at === size) at = 0;
    }
    if (n > 0) this.consume(n);
    return n;
  }

  /** Drops everything. */
  clear(): void {
    this.length = 0;
    this.head = 0;
  }

  /** Drops everything and the memory. */
  release(): void {
    this.clear();
    this.data = EMPTY;
  }

  private grow(need: number): void {
    let size = this.data.length === 0 ? FIRST_SIZE : this.data.length;
    while (size < need) size *= 2;
    if (size > this.capacity) size = this.capacity;
    const data = new Uint8Array(size);
    const first = Math.min(this.length, this.data.length - this.head);
    data.set(this.data.subarray(this.head, this.head + first), 0);
    data.set(this.data.subarray(0, this.length - first), first);
    this.data = data;
    this.head = 0;
  }
}

const EMPTY = new Uint8Array(0);
