import * as K from "../../../../ffi/kvm/layout.ts";

// hot: one object a thread, made once; views of its slot are small so that indices stay small.

/** The sentry's view of one thread's slot in control memory, which applications can not reach. */
export class KvmSlot {
  readonly index: number;
  /** Address in ring 0 (negative: the upper half). */
  readonly address: number;
  /** Address in the sentry, for futex calls and the spin routine. */
  readonly hostAddress: number;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly u8: Uint8Array<ArrayBuffer>;

  constructor(control: ArrayBuffer, offset: number, hostAddress: number, index: number) {
    const at = K.C_SLOTS + index * K.SLOT_SIZE;
    this.index = index;
    this.address = K.CONTROL_VA + at;
    this.hostAddress = hostAddress + at;
    this.i32 = new Int32Array(control, offset + at, K.SLOT_SIZE / 4);
    this.u32 = new Uint32Array(control, offset + at, K.SLOT_SIZE / 4);
    this.u8 = new Uint8Array(control, offset + at, K.SLOT_SIZE);
  }

  /** Writes the two's complement of a number. */
  put64(offset: number, v: number): void {
    const hi = Math.floor(v / 4294967296);
    this.u32[offset >> 2] = v - hi * 4294967296;
    this.u32[(offset >> 2) + 1] = hi;
  }

  /** Reads a 64-bit number as signed. */
  get64(offset: number): number {
    return this.i32[(offset >> 2) + 1] * 4294967296 + this.u32[offset >> 2];
  }
}
