/**
 * Internet and hardware addresses as values.
 *
 * An IPv4 address is kept as its IPv4-mapped IPv6 form (RFC 4291 2.5.5.2), so tables need one kind
 * of key. Addresses are immutable and come out of a small direct-mapped cache: the packets of one
 * connection allocate none.
 */

import { get32, set32 } from "./bytes.ts";

const MAPPED = 0xffff;

/** An IPv4 or IPv6 address. Compare with {@link IpAddress.equals}. */
export class IpAddress {
  /** The four 32-bit words, unsigned, most significant first. */
  readonly w0: number;
  readonly w1: number;
  readonly w2: number;
  readonly w3: number;
  /** Whether this is an IPv4 address. */
  readonly isV4: boolean;

  constructor(w0: number, w1: number, w2: number, w3: number) {
    this.w0 = w0;
    this.w1 = w1;
    this.w2 = w2;
    this.w3 = w3;
    this.isV4 = w0 === 0 && w1 === 0 && w2 === MAPPED;
  }

  /** Whether both are the same address. */
  equals(o: IpAddress): boolean {
    return this === o ||
      (this.w3 === o.w3 && this.w2 === o.w2 && this.w1 === o.w1 && this.w0 === o.w0);
  }

  /** The IPv4 address as a number; the low word of an IPv6 address. */
  get v4(): number {
    return this.w3;
  }

  /** 4 or 16. */
  get byteLength(): number {
    return this.isV4 ? 4 : 16;
  }

  /** Whether this is 0.0.0.0 or `::`. */
  get isAny(): boolean {
    return this.w3 === 0 && this.w0 === 0 && this.w1 === 0 &&
      (this.w2 === 0 || this.w2 === MAPPED);
  }

  /** Whether this is in 127.0.0.0/8 or `::1`. */
  get isLoopback(): boolean {
    if (this.isV4) return this.w3 >>> 24 === 127;
    return this.w3 === 1 && this.w2 === 0 && this.w1 === 0 && this.w0 === 0;
  }

  /** Whether this is in 224.0.0.0/4 or ff00::/8. */
  get isMulticast(): boolean {
    return this.isV4 ? this.w3 >>> 28 === 14 : this.w0 >>> 24 === 0xff;
  }

  /** Whether this is 255.255.255.255. */
  get isBroadcast(): boolean {
    return this.w3 === 0xffffffff && this.isV4;
  }

  /** Whether this is in 169.254.0.0/16, fe80::/10. */
  get isLinkLocal(): boolean {
    return this.isV4 ? this.w3 >>> 16 === 0xa9fe : this.w0 >>> 22 === 0x3fa;
  }

  /** Whether this is a multicast address whose scope is the interface or the link. */
  get isLinkLocalMulticast(): boolean {
    if (this.isV4) return this.w3 >>> 8 === 0xe00000;
    return this.w0 >>> 24 === 0xff && ((this.w0 >>> 16) & 15) <= 2;
  }

  /** Whether a router on the way may have this as source or destination. */
  get isUnicast(): boolean {
    return !this.isAny && !this.isMulticast && !this.isBroadcast;
  }

  /** Stores the address in 4 or 16 bytes at `o`. */
  write(b: Uint8Array, o: number): void {
    if (!this.isV4) {
      set32(b, o, this.w0);
      set32(b, o + 4, this.w1);
      set32(b, o + 8, this.w2);
      o += 12;
    }
    set32(b, o, this.w3);
  }

  /** Stores the address in 16 bytes at `o`, IPv4 in its mapped form. */
  write16(b: Uint8Array, o: number): void {
    set32(b, o, this.w0);
    set32(b, o + 4, this.w1);
    set32(b, o + 8, this.w2);
    set32(b, o + 12, this.w3);
  }

  /** Whether the first `prefix` bits of both are the same; false across families. */
  inPrefix(net: IpAddress, prefix: number): boolean {
    if (this.isV4 !== net.isV4) return false;
    if (this.isV4) return prefix === 0 || (this.w3 ^ net.w3) >>> (32 - prefix) === 0;
    return commonPrefix(this, net) >= prefix;
  }

  /** This address with all bits past the first `prefix` cleared. */
  masked(prefix: number): IpAddress {
    const p = this.isV4 ? prefix + 96 : prefix;
    return ipFromWords(
      maskWord(this.w0, p),
      maskWord(this.w1, p - 32),
      maskWord(this.w2, p - 64),
      maskWord(this.w3, p - 96),
    );
  }

  /** The text form of RFC 5952. */
  toString(): string {
    return formatIp(this);
  }
}

function maskWord(w: number, bits: number): number {
  if (bits >= 32) return w;
  return bits <= 0 ? 0 : (w & (0xffffffff << (32 - bits))) >>> 0;
}

/** The count of leading bits that two addresses share, of 128. */
export function commonPrefix(a: IpAddress, b: IpAddress): number {
  if (a.w0 !== b.w0) return Math.clz32(a.w0 ^ b.w0);
  if (a.w1 !== b.w1) return 32 + Math.clz32(a.w1 ^ b.w1);
  if (a.w2 !== b.w2) return 64 + Math.clz32(a.w2 ^ b.w2);
  return 96 + Math.clz32(a.w3 ^ b.w3);
}

const CACHE_SIZE = 1024;
const cache: (IpAddress | undefined)[] = new Array<IpAddress | undefined>(CACHE_SIZE);

/** The address of four unsigned 32-bit words. */
export function ipFromWords(w0: number, w1: number, w2: number, w3: number): IpAddress {
  const mix = Math.imul(
    w0 ^ Math.imul(w1, 0x85ebca6b) ^ Math.imul(w2, 0xc2b2ae35) ^ w3,
    0x9e3779b1,
  );
  const slot = mix >>> 22;
  const hit = cache[slot];
  if (
    hit !== undefined && hit.w3 === w3 && hit.w2 === w2 && hit.w1 === w1 && hit.w0 === w0
  ) return hit;
  const made = new IpAddress(w0, w1, w2, w3);
  cache[slot] = made;
  return made;
}

/** The IPv4 address whose 32 bits are `value`. */
export function ipv4(value: number): IpAddress {
  return ipFromWords(0, 0, MAPPED, value >>> 0);
}

/** Reads an IPv4 address of four bytes. */
export function readIpv4(b: Uint8Array, o: number): IpAddress {
  return ipFromWords(0, 0, MAPPED, get32(b, o));
}

/** Reads an address of 16 bytes; an IPv4-mapped one becomes an IPv4 address. */
export function readIpv6(b: Uint8Array, o: number): IpAddress {
  return ipFromWords(get32(b, o), get32(b, o + 4), get32(b, o + 8), get32(b, o + 12));
}

/** 0.0.0.0 */
export const ANY_V4: IpAddress = new IpAddress(0, 0, MAPPED, 0);
/** 255.255.255.255 */
export const BROADCAST_V4: IpAddress = new IpAddress(0, 0, MAPPED, 0xffffffff);
/** 127.0.0.1 */
export const LOOPBACK_V4: IpAddress = new IpAddress(0, 0, MAPPED, 0x7f000001);
/** `::` */
export const ANY_V6: IpAddress = new IpAddress(0, 0, 0, 0);
/** `::1` */
export const LOOPBACK_V6: IpAddress = new IpAddress(0, 0, 0, 1);
/** ff02::1, all nodes of the link. */
export const ALL_NODES_V6: IpAddress = new IpAddress(0xff020000, 0, 0, 1);
/** ff02::2, all routers of the link. */
export const ALL_ROUTERS_V6: IpAddress = new IpAddress(0xff020000, 0, 0, 2);
/** 224.0.0.1, all systems of the link. */
export const ALL_SYSTEMS_V4: IpAddress = new IpAddress(0, 0, MAPPED, 0xe0000001);

/** The solicited-node multicast address of `a` (RFC 4291 2.7.1). */
export function solicitedNode(a: IpAddress): IpAddress {
  return ipFromWords(0xff020000, 0, 1, (0xff000000 | (a.w3 & 0xffffff)) >>> 0);
}

/** The hardware address that carries packets to multicast group `group`. */
export function multicastMac(group: IpAddress): number {
  return group.isV4 ? 0x01005e000000 + (group.w3 & 0x7fffff) : 0x333300000000 + group.w3;
}

/** The hardware address of everyone on the link. */
export const BROADCAST_MAC = 0xffffffffffff;

/** Whether the group bit of a hardware address is set. */
export function isGroupMac(mac: number): boolean {
  return (Math.floor(mac / 0x10000000000) & 1) === 1;
}

/** A hardware address as `aa:bb:cc:dd:ee:ff`. */
export function formatMac(mac: number): string {
  return mac.toString(16).padStart(12, "0").replace(/(..)(?!$)/g, "$1:");
}

/** Parses `aa:bb:cc:dd:ee:ff`, or returns -1. */
export function parseMac(text: string): number {
  return /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/i.test(text) ? parseInt(text.replaceAll(":", ""), 16) : -1;
}

function formatIp(a: IpAddress): string {
  const dotted = () => `${a.w3 >>> 24}.${(a.w3 >>> 16) & 255}.${(a.w3 >>> 8) & 255}.${a.w3 & 255}`;
  if (a.isV4) return dotted();
  const groups: number[] = [];
  for (const w of [a.w0, a.w1, a.w2, a.w3]) groups.push(w >>> 16, w & 0xffff);
  let best = -1;
  let bestLength = 1;
  for (let i = 0; i < 8; i++) {
    let j = i;
    while (j < 8 && groups[j] === 0) j++;
    if (j - i > bestLength) {
      best = i;
      bestLength = j - i;
    }
    if (j > i) i = j;
  }
  const hex = (from: number, to: number) =>
    groups.slice(from, to).map((g) => g.toString(16)).join(":");
  return best < 0 ? hex(0, 8) : `${hex(0, best)}::${hex(best + bestLength, 8)}`;
}

/** Parses the text of an IPv4 or IPv6 address, or returns null. */
export function parseIp(text: string): IpAddress | null {
  if (!text.includes(":")) {
    const v = parseDotted(text);
    return v < 0 ? null : ipv4(v);
  }
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const head = parseGroups(halves[0]);
  const tail = halves.length === 2 ? parseGroups(halves[1]) : [];
  if (head === null || tail === null) return null;
  const missing = 8 - head.length - tail.length;
  if (halves.length === 2 ? missing < 1 : missing !== 0) return null;
  const g = [...head, ...new Array<number>(missing).fill(0), ...tail];
  const word = (i: number) => ((g[i] << 16) | g[i + 1]) >>> 0;
  return ipFromWords(word(0), word(2), word(4), word(6));
}

/** Parses an address that is known to be right; for constants and tests. */
export function ip(text: string): IpAddress {
  const a = parseIp(text);
  if (a === null) throw new TypeError(`not an internet address: ${text}`);
  return a;
}

function parseDotted(text: string): number {
  const parts = text.split(".");
  if (parts.length !== 4) return -1;
  let v = 0;
  for (const p of parts) {
    if (!/^\d{1,3}$/.test(p) || Number(p) > 255) return -1;
    v = v * 256 + Number(p);
  }
  return v;
}

function parseGroups(text: string): number[] | null {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (let i = 0; i < parts.length; i++) {
    const part = parts[i];
    if (part.includes(".") && i === parts.length - 1) {
      const v = parseDotted(part);
      if (v < 0) return null;
      groups.push(Math.floor(v / 65536), v % 65536);
    } else {
      if (!/^[0-9a-f]{1,4}$/i.test(part)) return null;
      groups.push(parseInt(part, 16));
    }
  }
  return groups.length <= 8 ? groups : null;
}
