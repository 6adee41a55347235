import * as L from "../../../ffi/stub/layout.ts";
import { Reg } from "./platform.ts";

// hot: one object a thread, made once; views of its slot are small so that indices stay small.

/** Registers that lie in the slot's first line, and their byte offsets there. */
export const FIRST_LINE: readonly (readonly [Reg, number])[] = [
  [Reg.RAX, L.S_RAX],
  [Reg.RDI, L.S_RDI],
  [Reg.RSI, L.S_RSI],
  [Reg.RDX, L.S_RDX],
  [Reg.R10, L.S_R10],
  [Reg.R8, L.S_R8],
  [Reg.R9, L.S_R9],
];

/** The sentry's view of one thread's slot. Everything read from it is hostile. */
export class Slot {
  /** Index in its chunk. */
  readonly index: number;
  /** Address in the stub. */
  readonly address: number;
  /** Address in the sentry, for futex calls and the spin routine. */
  readonly hostAddress: number;
  readonly i32: Int32Array;
  readonly u32: Uint32Array;
  readonly u8: Uint8Array;
  readonly dv: DataView;

  constructor(control: ArrayBuffer, controlAddress: number, chunk: number, index: number) {
    const offset = (chunk + 1) * L.CHUNK_SIZE + index * L.SLOT_SIZE;
    this.index = index;
    this.address = L.SLOTS_ADDRESS + index * L.SLOT_SIZE;
    this.hostAddress = controlAddress + offset;
    this.i32 = new Int32Array(control, offset, L.SLOT_SIZE / 4);
    this.u32 = new Uint32Array(control, offset, L.SLOT_SIZE / 4);
    this.u8 = new Uint8Array(control, offset, L.SLOT_SIZE);
    this.dv = new DataView(control, offset, L.SLOT_SIZE);
  }

  /** Sets up the fields that the sentry owns, before a thread starts in the slot. */
  init(state: number, xmask: number): void {
    const u = this.u32;
    u[L.S_KIND >> 2] = L.KIND_READY;
    u[L.S_CMD >> 2] = 0;
    u[L.S_INTERRUPT >> 2] = 0;
    u[L.S_CPU >> 2] = 0;
    this.put64(L.S_SELF, this.address);
    this.put64(L.S_GSBASE, this.address);
    this.put64(L.S_XMASK, xmask);
    this.put64(L.S_ALTSTACK, this.address + L.S_STACK_BOTTOM);
    this.put64(L.S_ALTSTACK + 8, 0);
    this.put64(L.S_ALTSTACK + 16, L.SLOT_SIZE - L.S_STACK_BOTTOM);
    Atomics.store(this.i32, L.S_STATE >> 2, state);
  }

  /** Writes a non-negative 64-bit number. */
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
