// hot: runs over every byte that leaves by a link without checksum offload.

import { set16 } from "./bytes.ts";
import type { IpAddress } from "./address.ts";

/**
 * Adds the big-endian 16-bit words of `[from, to)` to `sum`. The result is a plain integer that
 * {@link foldChecksum} reduces; an odd last byte is padded with zero (RFC 1071).
 */
export function sumBytes(b: Uint8Array, from: number, to: number, sum: number): number {
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
