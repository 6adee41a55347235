/** Values of socket options. */

/** Levels are told apart in the map of kept values by this factor. */
export const LEVEL = 0x10000;

/** A number as an `int`. */
export function int(value: number | boolean): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, Number(value), true);
  return bytes;
}
