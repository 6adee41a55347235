/**
 * 64-bit integers as JavaScript numbers.
 *
 * A number is exact up to 2^53, which every size, offset, address and time of the application is. Masks and other bit
 * patterns that need all 64 bits are handled as two 32-bit halves instead.
 */

const TWO_32 = 0x1_0000_0000;
const TWO_64 = TWO_32 * TWO_32;

/** Reads an unsigned 64-bit integer; values above 2^53 are rounded. */
export function readU64(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getUint32(offset + 4, true) * TWO_32;
}

/** Reads a signed 64-bit integer; values beyond 2^53 are rounded. */
export function readI64(view: DataView, offset: number): number {
  return view.getUint32(offset, true) + view.getInt32(offset + 4, true) * TWO_32;
}

/**
 * Writes a 64-bit integer. A negative number is written as its two's complement; 2^64, which is what reading all ones
 * as unsigned rounds to, is written as all ones.
 */
export function write64(view: DataView, offset: number, value: number): void {
  const low = value >>> 0;
  if (low === value) {
    view.setUint32(offset, low, true);
    view.setUint32(offset + 4, 0, true);
    return;
  }
  if (value >= TWO_64) {
    view.setInt32(offset, -1, true);
    view.setInt32(offset + 4, -1, true);
    return;
  }
  view.setUint32(offset, low, true);
  view.setInt32(offset + 4, Math.floor(value / TWO_32), true);
}
