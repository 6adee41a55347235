// hot: every byte of a stream passes through here twice.

import type { ByteSink, ByteSource } from "./io.ts";

const MIN_CAPACITY = 4096;
const CLASSES = 12;
/** Bytes of buffers kept for reuse by all rings together. */
const POOL_LIMIT = 16 * 1024 * 1024;
const EMPTY = new Uint8Array(0);

/** Buffers by size: `MIN_CAPACITY << class`. What is in them is never read before it is written. */
const pool: Uint8Array[][] = [];
for (let i = 0; i < CLASSES; i++) pool.push([]);
let pooled = 0;

function classOf(size: number): number {
  return 31 - Math.clz32(size / MIN_CAPACITY);
}

function takeBuffer(size: number): Uint8Array {
  const c = classOf(size);
  const b = c < CLASSES ? pool[c].pop() : undefined;
  if (b === undefined) return new Uint8Array(size);
  pooled -= size;
  return b;
}

function giveBuffer(b: Uint8Array): void {
  const c = classOf(b.length);
  if (b.length === 0 || c >= CLASSES || pooled + b.length > POOL_LIMIT) return;
  pooled += b.length;
  pool[c].push(b);
}

/**
 * A byte queue that grows as it fills and holds no memory while empty. Bytes may also be stored
 * past its end (segments that came early); `commit` then makes them part of it.
 */
export class ByteRing {
  private buffer: Uint8Array = EMPTY;
  private head = 0;
  /** Bytes in the queue. */
  length = 0;
  /** Furthest offset from the head at which a byte is stored, never less than `length`. */
  private extent = 0;

  /** Bytes of memory held. */
  get capacity(): number {
    return this.buffer.length;
  }

  /** Makes room for `total` bytes from the head on. */
  private reserve(total: number): void {
    if (total <= this.buffer.length) return;
    let size = Math.max(MIN_CAPACITY, this.buffer.length);
    while (size < total) size *= 2;
    const grown = takeBuffer(size);
    this.copyTo(0, this.extent, grown, 0);
    giveBuffer(this.buffer);
    this.buffer = grown;
    this.head = 0;
  }

  private copyTo(offset: number, n: number, dst: Uint8Array, at: number): void {
    if (n === 0) return;
    let from = this.head + offset;
    const size = this.buffer.length;
    if (from >= size) from -= size;
    const first = Math.min(n, size - from);
    dst.set(this.buffer.subarray(from, from + first), at);
    if (first < n) dst.set(this.buffer.subarray(0, n - first), at + first);
  }

  /** Appends up to `n` bytes from `source`; returns their count or a negative errno. */
  append(source: ByteSource, n: number): number {
    this.reserve(this.length + n);
    let done = 0;
    const size = this.buffer.length;
    while (done < n) {
      let at = this.head + this.length;
      if (at >= size) at -= size;
      const r = source.take(this.buffer, at, Math.min(n - done, size - at));
      if (r <= 0) {
        if (done === 0 && r < 0) return r;
        break;
      }
      done += r;
      this.length += r;
    }
    if (this.extent < this.length) this.extent = this.length;
    return done;
  }

  /** Stores bytes at `offset` from the head, perhaps past the end of the queue. */
  storeAt(offset: number, src: Uint8Array, from: number, n: number): void {
    if (n === 0) return;
    this.reserve(offset + n);
    const size = this.buffer.length;
    let at = this.head + offset;
    if (at >= size) at -= size;
    const first = Math.min(n, size - at);
    this.buffer.set(src.subarray(from, from + first), at);
    if (first < n) this.buffer.set(src.subarray(from + first, from + n), 0);
    if (this.extent < offset + n) this.extent = offset + n;
  }

  /** Makes the next `n` stored bytes part of the queue. */
  commit(n: number): void {
    this.length += n;
  }

  /** Copies `n` bytes at `offset` to `dst`; the caller has checked that they are there. */
  peek(offset: number, n: number, dst: Uint8Array, at: number): void {
    this.copyTo(offset, n, dst, at);
  }

  /** Gives `n` bytes at `offset` to `sink` without removing them; returns the count or an errno. */
  copyOut(offset: number, n: number, sink: ByteSink): number {
    let done = 0;
    const size = this.buffer.length;
    while (done < n) {
      let from = this.head + offset + done;
      if (from >= size) from -= size;
      const r = sink.put(this.buffer, from, Math.min(n - done, size - from));
      if (r <= 0) {
        if (done === 0 && r < 0) return r;
        break;
      }
      done += r;
    }
    return done;
  }

  /** Removes `n` bytes from the front. */
  discard(n: number): void {
    this.length -= n;
    this.extent -= n;
    if (this.extent === 0) {
      // An idle connection holds no memory.
      this.clear();
      return;
    }
    this.head += n;
    if (this.head >= this.buffer.length) this.head -= this.buffer.length;
  }

  /** Drops everything. */
  clear(): void {
    giveBuffer(this.buffer);
    this.buffer = EMPTY;
    this.head = 0;
    this.length = 0;
    this.extent = 0;
  }
}
