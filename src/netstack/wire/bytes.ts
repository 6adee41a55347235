/** Big-endian access to bytes; every multi-byte field on the wire goes through here. */

/** The 16-bit number at `o`. */
export function get16(b: Uint8Array, o: number): number {
  return (b[o] << 8) | b[o + 1];
}

/** The unsigned 32-bit number at `o`. */
export function get32(b: Uint8Array, o: number): number {
  return ((b[o] << 24) | (b[o + 1] << 16) | (b[o + 2] << 8) | b[o + 3]) >>> 0;
}

/** The signed 32-bit number at `o`, the form in which sequence numbers are kept. */
export function getSigned32(b: Uint8Array, o: number): number {
  return (b[o] << 24) | (b[o + 1] << 16) | (b[o + 2] << 8) | b[o + 3];
}

/** The 48-bit number at `o` (a hardware address). */
export function get48(b: Uint8Array, o: number): number {
  return get16(b, o) * 4294967296 + get32(b, o + 2);
}

/** Stores the low 16 bits of `v` at `o`. */
export function set16(b: Uint8Array, o: number, v: number): void {
  b[o] = v >>> 8;
  b[o + 1] = v;
}

/** Stores the low 32 bits of `v` at `o`. */
export function set32(b: Uint8Array, o: number, v: number): void {
  b[o] = v >>> 24;
  b[o + 1] = v >>> 16;
  b[o + 2] = v >>> 8;
  b[o + 3] = v;
}

/** Stores the low 48 bits of `v` at `o`. */
export function set48(b: Uint8Array, o: number, v: number): void {
  set16(b, o, Math.floor(v / 4294967296));
  set32(b, o + 2, v % 4294967296);
}
