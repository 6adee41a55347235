/**
 * Reading the application's memory for printing. Addresses come from the application and may be anything, so every
 * reader is bounded and answers null where there is nothing to read.
 */

import { readU64 } from "../../abi/int64.ts";

/** The memory of an application as strace needs it. */
export interface GuestMemory {
  /** Copies bytes at an address; returns how many could be copied, or a negative error number. */
  read(addr: number, dst: Uint8Array): number;
}

const ADDRESS_LIMIT = 0x8000_0000_0000;
const BUFFER_SIZE = 4096;

/** Reads values out of application memory through one small buffer. What a method returns is valid until the next call. */
export class GuestView {
  /** The memory to read. */
  memory: GuestMemory;
  readonly #bytes = new Uint8Array(BUFFER_SIZE);

  constructor(memory: GuestMemory) {
    this.memory = memory;
  }

  /** Up to `length` bytes (4096 at most), fewer where the memory ends, or null if none can be read. */
  bytes(address: number, length: number): Uint8Array | null {
    if (!(address > 0 && address < ADDRESS_LIMIT && length >= 0)) return null;
    const wanted = Math.min(length, BUFFER_SIZE, ADDRESS_LIMIT - address);
    if (wanted === 0) return this.#bytes.subarray(0, 0);
    const into = this.#bytes.subarray(0, wanted);
    let count = this.memory.read(address, into);
    if (count <= 0) {
      // The memory may refuse a read that runs into the next page: try what is left of this one.
      const rest = BUFFER_SIZE - address % BUFFER_SIZE;
      if (rest >= wanted) return null;
      count = this.memory.read(address, into.subarray(0, rest));
      if (count <= 0) return null;
    }
    return this.#bytes.subarray(0, Math.min(count, wanted));
  }

  /** Exactly `size` bytes as a copy, or null. */
  view(address: number, size: number): DataView | null {
    const found = this.bytes(address, size);
    if (found === null || found.length < size) return null;
    return new DataView(found.slice().buffer);
  }

  /** A 32-bit signed integer, or null. */
  int(address: number): number | null {
    const view = this.view(address, 4);
    return view === null ? null : view.getInt32(0, true);
  }

  /** A 64-bit unsigned integer, or null. */
  word(address: number): number | null {
    const view = this.view(address, 8);
    return view === null ? null : readU64(view, 0);
  }

  /** A string up to its NUL or up to `limit` bytes, whichever comes first; null if none of it can be read. */
  string(address: number, limit: number): { bytes: Uint8Array; ended: boolean } | null {
    const found = this.bytes(address, limit);
    if (found === null) return null;
    const end = found.indexOf(0);
    return end < 0
      ? { bytes: found.slice(), ended: false }
      : { bytes: found.slice(0, end), ended: true };
  }
}
