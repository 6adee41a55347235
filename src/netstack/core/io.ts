/** What data moves through between an endpoint and its user. */

import { EFAULT } from "./errno.ts";

/** Where sent bytes come from. */
export interface ByteSource {
  /** Copies up to `len` of the next bytes to `dst` at `off`; returns their count or -EFAULT. */
  take(dst: Uint8Array, off: number, len: number): number;
}

/** Where received bytes go. */
export interface ByteSink {
  /** Accepts up to `len` bytes of `src` at `off`; returns their count or -EFAULT. */
  put(src: Uint8Array, off: number, len: number): number;
}

/** A source and sink over one array. */
export class BytesIo implements ByteSource, ByteSink {
  bytes: Uint8Array;
  /** The next byte to take or to fill. */
  position = 0;

  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }

  /** Starts again at the first byte of `bytes`. */
  reset(bytes: Uint8Array): this {
    this.bytes = bytes;
    this.position = 0;
    return this;
  }

  take(dst: Uint8Array, off: number, len: number): number {
    const n = Math.min(len, this.bytes.length - this.position);
    if (n === 0 && len > 0) return -EFAULT;
    dst.set(this.bytes.subarray(this.position, this.position + n), off);
    this.position += n;
    return n;
  }

  put(src: Uint8Array, off: number, len: number): number {
    const n = Math.min(len, this.bytes.length - this.position);
    if (n === 0 && len > 0) return -EFAULT;
    this.bytes.set(src.subarray(off, off + n), this.position);
    this.position += n;
    return n;
  }
}
