import { PROT_BACKED } from "./platform.ts";
import { S_PROGRAM, S_PROGRAM_MAX } from "../../../ffi/stub/layout.ts";

const SYS_MMAP = 9;
const SYS_MPROTECT = 10;
const SYS_MUNMAP = 11;
const MAP_SHARED_FIXED = 0x11;
const MAP_POPULATE = 0x8000;

/** Numbers in an operation: system call number and six arguments. */
const WIDTH = 7;

/**
 * Host system calls that a stub thread has to make before it returns to the application, in order.
 * Adjacent mappings, unmappings and protections are merged.
 */
export class OpQueue {
  /** Operations queued. */
  count = 0;
  #ops: Float64Array = new Float64Array(WIDTH * 32);

  #push(nr: number, a0: number, a1: number, a2: number, a3: number, a4: number, a5: number): void {
    if ((this.count + 1) * WIDTH > this.#ops.length) {
      const grown = new Float64Array(this.#ops.length * 2);
      grown.set(this.#ops);
      this.#ops = grown;
    }
    const ops = this.#ops;
    let i = this.count++ * WIDTH;
    ops[i++] = nr;
    ops[i++] = a0;
    ops[i++] = a1;
    ops[i++] = a2;
    ops[i++] = a3;
    ops[i++] = a4;
    ops[i] = a5;
  }

  /** Maps kernel memory, `fd` being the stub's descriptor of it; `prot` may have PROT_BACKED. */
  map(addr: number, length: number, prot: number, fd: number, offset: number): void {
    const flags = (prot & PROT_BACKED) !== 0 ? MAP_SHARED_FIXED | MAP_POPULATE : MAP_SHARED_FIXED;
    prot &= ~PROT_BACKED;
    const ops = this.#ops;
    if (this.count > 0) {
      const i = (this.count - 1) * WIDTH;
      const len = ops[i + 2];
      if (
        ops[i] === SYS_MMAP && ops[i + 1] + len === addr && ops[i + 3] === prot &&
        ops[i + 4] === flags && ops[i + 6] + len === offset
      ) {
        ops[i + 2] = len + length;
        return;
      }
    }
    this.#push(SYS_MMAP, addr, length, prot, flags, fd, offset);
  }

  /** Unmaps a range. */
  unmap(addr: number, length: number): void {
    const ops = this.#ops;
    if (this.count > 0) {
      const i = (this.count - 1) * WIDTH;
      if (ops[i] === SYS_MUNMAP && ops[i + 1] + ops[i + 2] === addr) {
        ops[i + 2] += length;
        return;
      }
    }
    this.#push(SYS_MUNMAP, addr, length, 0, 0, 0, 0);
  }

  /** Changes the protection of a range. */
  protect(addr: number, length: number, prot: number): void {
    const ops = this.#ops;
    if (this.count > 0) {
      const i = (this.count - 1) * WIDTH;
      if (ops[i] === SYS_MPROTECT && ops[i + 1] + ops[i + 2] === addr && ops[i + 3] === prot) {
        ops[i + 2] += length;
        return;
      }
    }
    this.#push(SYS_MPROTECT, addr, length, prot, 0, 0, 0);
  }

  /** Any other system call. */
  call(nr: number, a0: number, a1: number, a2: number, a3: number, a4: number): void {
    this.#push(nr, a0, a1, a2, a3, a4, 0);
  }

  /** Puts an unmapping before all that is queued. */
  unshiftUnmap(addr: number, length: number): void {
    this.#push(0, 0, 0, 0, 0, 0, 0);
    const ops = this.#ops;
    ops.copyWithin(WIDTH, 0, (this.count - 1) * WIDTH);
    ops.fill(0, 0, WIDTH);
    ops[0] = SYS_MUNMAP;
    ops[1] = addr;
    ops[2] = length;
  }

  /** Forgets all. */
  clear(): void {
    this.count = 0;
  }

  /**
   * Writes operations from `first` on into a slot's program area, as many as fit.
   * @returns how many were written
   */
  write(slot: Uint32Array, first: number): number {
    const ops = this.#ops;
    const n = Math.min(this.count - first, S_PROGRAM_MAX);
    let w = S_PROGRAM >> 2;
    let i = first * WIDTH;
    for (let k = 0; k < n; k++) {
      for (let j = 0; j < WIDTH; j++) {
        const v = ops[i++];
        const hi = Math.floor(v / 4294967296);
        slot[w++] = v - hi * 4294967296;
        slot[w++] = hi;
      }
      slot[w++] = 0;
      slot[w++] = 0;
    }
    return n;
  }
}
