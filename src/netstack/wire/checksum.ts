// hot: runs over every byte that leaves by a link without checksum offload.

import { set16 } from "./bytes.ts";
import type { IpAddress } from "./address.ts";

/** From this length on the view that word-wise summing needs pays off. */
const WORDWISE = 192;
const LITTLE_ENDIAN = new Uint8Array(new Uint16Array([1]).buffer)[0] === 1;

/**
 * Sums 32-bit words in the host's byte order: the one's complement sum does not depend on the
 * order but for a final swap (RFC 1071 2), and 2^32 words of it fit a double.
 */
function sumWords(b: Uint8Array, from: number, to: number, sum: number): number {
  let i = from;
  if (((b.byteOffset + i) & 2) !== 0) {
    sum += (b[i] << 8) | b[i + 1];
    i += 2;
  }
  const n = (to - i) >>> 2;
  const w = new Uint32Array(b.buffer, b.byteOffset + i, n);
  let even = 0;
  let odd = 0;
  let k = 0;
  for (; k + 3 < n; k += 4) {
    even += w[k] + w[k + 1];
    odd += w[k + 2] + w[k + 3];
  }
  for (; k < n; k++) even += w[k];
  const total = even + odd;
  const high = Math.floor(total / 4294967296);
  const low = total >>> 0;
  let t = (high & 0xffff) + (high >>> 16) + (low & 0xffff) + (low >>> 16);
  t = (t & 0xffff) + (t >>> 16);
  t = (t & 0xffff) + (t >>> 16);
  sum += ((t & 255) << 8) | (t >>> 8);
  i += n << 2;
  if (i + 1 < to) {
    sum += (b[i] << 8) | b[i + 1];
    i += 2;
  }
  return i < to ? sum + (b[i] << 8) : sum;
}

/**
 * Adds the big-endian 16-bit words of `[from, to)` to `sum`. The result is a plain integer that
 * {@link foldChecksum} reduces; an odd last byte is padded with zero (RFC 1071).
 */
export function sumBytes(b: Uint8Array, from: number, to: number, sum: number): number {
  if (to - from >= WORDWISE && LITTLE_ENDIAN && ((b.byteOffset + from) & 1) === 0) {
    return sumWords(b, from, to, sum);
  }
  let i = from;
  const bulk = to - 7;
  while (i < bulk) {
    sum += ((b[i] << 8) | b[i + 1]) + ((b[i + 2] << 8) | b[i + 3]) +
      ((b[i + 4] << 8) | b[i + 5]) + ((b[i + 6] << 8) | b[i + 7]);
    i += 8;
  }
  while (i + 1 < to) {
    sum += (b[i] << 8) | b[i + 1];
    i += 2;
  }
  if (i < to) sum += b[i] << 8;
  return sum;
}

/** The one's complement of the 16-bit one's complement sum. */
export function foldChecksum(sum: number): number {
  while (sum > 0xffff) sum = (sum % 65536) + Math.floor(sum / 65536);
  return sum ^ 0xffff;
}

/** The Internet checksum of `[from, to)`; 0 when a stored checksum inside it is right. */
export function checksum(b: Uint8Array, from: number, to: number): number {
  return foldChecksum(sumBytes(b, from, to, 0));
}

function sumAddress(a: IpAddress): number {
  const low = (a.w3 >>> 16) + (a.w3 & 0xffff);
  if (a.isV4) return low;
  return low + (a.w0 >>> 16) + (a.w0 & 0xffff) + (a.w1 >>> 16) + (a.w1 & 0xffff) +
    (a.w2 >>> 16) + (a.w2 & 0xffff);
}

/** The sum of the pseudo header that TCP, UDP and ICMPv6 put before their own bytes. */
export function pseudoHeaderSum(
  src: IpAddress,
  dst: IpAddress,
  protocol: number,
  length: number,
): number {
  return sumAddress(src) + sumAddress(dst) + protocol + (length & 0xffff) + (length >>> 16);
}

/** The checksum of a transport segment in `[from, to)` with its pseudo header. */
export function transportChecksum(
  b: Uint8Array,
  from: number,
  to: number,
  src: IpAddress,
  dst: IpAddress,
  protocol: number,
): number {
  return foldChecksum(sumBytes(b, from, to, pseudoHeaderSum(src, dst, protocol, to - from)));
}

/** Corrects the checksum stored at `o` for a 16-bit word that changed (RFC 1624). */
export function adjustChecksum16(b: Uint8Array, o: number, before: number, after: number): void {
  const old = (b[o] << 8) | b[o + 1];
  set16(b, o, foldChecksum((old ^ 0xffff) + (before ^ 0xffff) + after));
}

/** Corrects the checksum stored at `o` for a 32-bit word that changed. */
export function adjustChecksum32(b: Uint8Array, o: number, before: number, after: number): void {
  adjustChecksum16(b, o, before >>> 16, after >>> 16);
  adjustChecksum16(b, o, before & 0xffff, after & 0xffff);
}
