/** IPv4 headers (RFC 791) and their options, in place. */

import { type IpAddress, readIpv4 } from "./address.ts";
import { get16, set16 } from "./bytes.ts";
import { checksum } from "./checksum.ts";

/** Bytes of an IPv4 header without options. */
export const IPV4_HEADER = 20;
/** The largest IPv4 header. */
export const IPV4_MAX_HEADER = 60;
/** "Don't fragment", in {@link Ipv4View.flags}. */
export const IPV4_DF = 2;
/** "More fragments", in {@link Ipv4View.flags}. */
export const IPV4_MF = 1;

export const IPPROTO_ICMP = 1;
export const IPPROTO_IGMP = 2;
export const IPPROTO_TCP = 6;
export const IPPROTO_UDP = 17;
export const IPPROTO_RAW = 255;

export const IPOPT_END = 0;
export const IPOPT_NOOP = 1;
export const IPOPT_RECORD_ROUTE = 7;
export const IPOPT_TIMESTAMP = 68;
export const IPOPT_LSRR = 131;
export const IPOPT_SSRR = 137;
export const IPOPT_ROUTER_ALERT = 148;

/** A checked IPv4 header in place. */
export class Ipv4View {
  bytes: Uint8Array = new Uint8Array(IPV4_HEADER);
  at = 0;

  /**
   * Points at the packet `[start, end)`. False if version, header length or total length do not
   * fit; the checksum is the caller's to verify.
   */
  wrap(b: Uint8Array, start: number, end: number): boolean {
    this.bytes = b;
    this.at = start;
    if (end - start < IPV4_HEADER || end > b.length || b[start] >>> 4 !== 4) return false;
    const header = (b[start] & 15) << 2;
    const total = get16(b, start + 2);
    return header >= IPV4_HEADER && total >= header && total <= end - start;
  }

  /** As {@link wrap}, for the quoted packet of an ICMP error, of which only a part may be there. */
  wrapQuoted(b: Uint8Array, start: number, end: number): boolean {
    this.bytes = b;
    this.at = start;
    if (end - start < IPV4_HEADER || end > b.length || b[start] >>> 4 !== 4) return false;
    const header = (b[start] & 15) << 2;
    return header >= IPV4_HEADER && header <= end - start;
  }

  get headerLength(): number {
    return (this.bytes[this.at] & 15) << 2;
  }

  get tos(): number {
    return this.bytes[this.at + 1];
  }

  get totalLength(): number {
    return get16(this.bytes, this.at + 2);
  }

  get ident(): number {
    return get16(this.bytes, this.at + 4);
  }

  /** The DF and MF bits. */
  get flags(): number {
    return (this.bytes[this.at + 6] >>> 5) & 3;
  }

  /** Offset of this fragment in bytes. */
  get fragmentOffset(): number {
    return (get16(this.bytes, this.at + 6) & 0x1fff) << 3;
  }

  get ttl(): number {
    return this.bytes[this.at + 8];
  }

  get protocol(): number {
    return this.bytes[this.at + 9];
  }

  get source(): IpAddress {
    return readIpv4(this.bytes, this.at + 12);
  }

  get destination(): IpAddress {
    return readIpv4(this.bytes, this.at + 16);
  }

  /** Whether the header checksum is right. */
  get checksumValid(): boolean {
    return checksum(this.bytes, this.at, this.at + this.headerLength) === 0;
  }
}

/** Writes the 20 fixed bytes of an IPv4 header; options and checksum follow by the caller. */
export function emitIpv4(
  b: Uint8Array,
  o: number,
  headerLength: number,
  tos: number,
  totalLength: number,
  ident: number,
  flagsAndOffset: number,
  ttl: number,
  protocol: number,
  source: IpAddress,
  destination: IpAddress,
): void {
  b[o] = 0x40 | (headerLength >>> 2);
  b[o + 1] = tos;
  set16(b, o + 2, totalLength);
  set16(b, o + 4, ident);
  set16(b, o + 6, flagsAndOffset);
  b[o + 8] = ttl;
  b[o + 9] = protocol;
  set16(b, o + 10, 0);
  source.write(b, o + 12);
  destination.write(b, o + 16);
}

/** Computes and stores the header checksum of the IPv4 header at `o`. */
export function sealIpv4(b: Uint8Array, o: number): void {
  set16(b, o + 10, 0);
  set16(b, o + 10, checksum(b, o, o + ((b[o] & 15) << 2)));
}

/**
 * Checks the options in `[from, to)`. Returns -1 if they are well formed, else the offset in the
 * header of the byte at fault (for an ICMP parameter problem).
 */
export function checkIpv4Options(b: Uint8Array, header: number, from: number, to: number): number {
  let i = from;
  while (i < to) {
    const kind = b[i];
    if (kind === IPOPT_END) return -1;
    if (kind === IPOPT_NOOP) {
      i++;
      continue;
    }
    if (i + 1 >= to) return i - header;
    const length = b[i + 1];
    if (length < 2 || i + length > to) return i + 1 - header;
    if (kind === IPOPT_RECORD_ROUTE || kind === IPOPT_LSRR || kind === IPOPT_SSRR) {
      if (length < 3 || b[i + 2] < 4) return i + 2 - header;
    }
    if (kind === IPOPT_TIMESTAMP && (length < 4 || b[i + 2] < 5)) return i + 2 - header;
    i += length;
  }
  return -1;
}

/** Whether well-formed options in `[from, to)` hold one of `kind`. */
export function hasIpv4Option(b: Uint8Array, from: number, to: number, kind: number): boolean {
  let i = from;
  while (i < to && b[i] !== IPOPT_END) {
    if (b[i] === kind) return true;
    if (b[i] === IPOPT_NOOP) i++;
    else if (i + 1 < to && b[i + 1] >= 2) i += b[i + 1];
    else return false;
  }
  return false;
}

/**
 * Fills the next free slot of record route and timestamp options with this host's address and
 * time (`millisOfDay`), as each host that handles the packet does (RFC 791 3.1).
 */
export function recordInIpv4Options(
  b: Uint8Array,
  from: number,
  to: number,
  address: IpAddress,
  millisOfDay: number,
): void {
  let i = from;
  while (i < to && b[i] !== IPOPT_END) {
    if (b[i] === IPOPT_NOOP) {
      i++;
      continue;
    }
    if (i + 1 >= to) return;
    const length = b[i + 1];
    if (length < 2 || i + length > to) return;
    if (b[i] === IPOPT_RECORD_ROUTE && length >= 3) {
      const p = b[i + 2];
      if (p >= 4 && p + 3 <= length) {
        address.write(b, i + p - 1);
        b[i + 2] = p + 4;
      }
    } else if (b[i] === IPOPT_TIMESTAMP && length >= 4) {
      recordTimestamp(b, i, length, address, millisOfDay);
    }
    i += length;
  }
}

function recordTimestamp(
  b: Uint8Array,
  i: number,
  length: number,
  address: IpAddress,
  millis: number,
): void {
  const p = b[i + 2];
  const flag = b[i + 3] & 15;
  const need = flag === 0 ? 4 : 8;
  if (p < 5) return;
  if (p + need - 1 > length) {
    if (b[i + 3] >>> 4 < 15) b[i + 3] += 16;
    return;
  }
  let slot = i + p - 1;
  if (flag === 1) {
    address.write(b, slot);
    slot += 4;
  } else if (flag === 3) {
    if (!readIpv4(b, slot).equals(address)) return;
    slot += 4;
  } else if (flag !== 0) return;
  set16(b, slot, millis >>> 16);
  set16(b, slot + 2, millis & 0xffff);
  b[i + 2] = p + need;
}
