/** The XSAVE image in its standard format, with the words the kernel puts into a signal frame. */

/** Bytes of the legacy region and header, the least an image has. */
export const FPU_LEGACY_SIZE = 576;
const FP_XSTATE_MAGIC1 = 0x46505853;
const FP_XSTATE_MAGIC2 = 0x46505845;
const OFFSET_FCW = 0;
const OFFSET_MXCSR = 24;
const OFFSET_MXCSR_MASK = 28;
const OFFSET_SW_RESERVED = 464;
const OFFSET_XSTATE_BV = 512;

function put32(u8: Uint8Array, at: number, v: number): void {
  u8[at] = v;
  u8[at + 1] = v >>> 8;
  u8[at + 2] = v >>> 16;
  u8[at + 3] = v >>> 24;
}

function get32(u8: Uint8Array, at: number): number {
  return (u8[at] | u8[at + 1] << 8 | u8[at + 2] << 16 | u8[at + 3] << 24) >>> 0;
}

/** Writes the image a new program starts with. */
export function initFpu(u8: Uint8Array, at: number, size: number): void {
  u8.fill(0, at, at + size + 4);
  put32(u8, at + OFFSET_FCW, 0x37f);
  put32(u8, at + OFFSET_MXCSR, 0x1f80);
  put32(u8, at + OFFSET_MXCSR_MASK, 0xffff);
}

/**
 * Makes an image such that XRSTOR takes it (only known features, no reserved bits) and the kernel
 * knows its size: `struct _fpx_sw_bytes` at 464 and the closing magic after it.
 */
export function sealFpu(u8: Uint8Array, at: number, size: number, featuresLow: number): void {
  const bv = get32(u8, at + OFFSET_XSTATE_BV) & featuresLow;
  put32(u8, at + OFFSET_XSTATE_BV, bv);
  u8.fill(0, at + OFFSET_XSTATE_BV + 4, at + OFFSET_XSTATE_BV + 64);
  put32(u8, at + OFFSET_MXCSR, get32(u8, at + OFFSET_MXCSR) & 0xffff);
  const sw = at + OFFSET_SW_RESERVED;
  put32(u8, sw, FP_XSTATE_MAGIC1);
  put32(u8, sw + 4, size + 4);
  put32(u8, sw + 8, featuresLow);
  put32(u8, sw + 12, 0);
  put32(u8, sw + 16, size);
  if (at + size + 4 <= u8.length) put32(u8, at + size, FP_XSTATE_MAGIC2);
}
