/** Options of neighbour discovery messages (RFC 4861 4.6), decoded in one walk. */

import { type IpAddress, readIpv6 } from "./address.ts";
import { get32, get48, set48 } from "./bytes.ts";

const SOURCE_LINK_ADDRESS = 1;
const TARGET_LINK_ADDRESS = 2;
const PREFIX_INFORMATION = 3;
const MTU = 5;

/** Prefixes of one router advertisement that are looked at. */
export const MAX_PREFIXES = 16;
/** Options of one message that are looked at. */
const MAX_OPTIONS = 64;

/** A prefix that a router advertises. */
export interface AdvertisedPrefix {
  prefix: IpAddress;
  length: number;
  onLink: boolean;
  autonomous: boolean;
  /** Seconds; Infinity for ever. */
  valid: number;
  preferred: number;
}

/** The options of one message; reused from message to message. */
export class NdpOptions {
  /** -1 if absent. */
  sourceMac = -1;
  targetMac = -1;
  mtu = -1;
  readonly prefixes: AdvertisedPrefix[] = [];

  /** Walks `[from, to)`; false if an option is malformed, which voids the message. */
  parse(b: Uint8Array, from: number, to: number): boolean {
    this.sourceMac = -1;
    this.targetMac = -1;
    this.mtu = -1;
    this.prefixes.length = 0;
    let i = from;
    for (let n = 0; i < to; n++) {
      if (to - i < 8 || n >= MAX_OPTIONS) return false;
      const length = b[i + 1] << 3;
      if (length === 0 || i + length > to) return false;
      this.option(b, i, length);
      i += length;
    }
    return true;
  }

  private option(b: Uint8Array, i: number, length: number): void {
    switch (b[i]) {
      case SOURCE_LINK_ADDRESS:
        if (length === 8) this.sourceMac = get48(b, i + 2);
        break;
      case TARGET_LINK_ADDRESS:
        if (length === 8) this.targetMac = get48(b, i + 2);
        break;
      case MTU:
        if (length === 8) this.mtu = get32(b, i + 4);
        break;
      case PREFIX_INFORMATION:
        if (length === 32 && b[i + 2] <= 128 && this.prefixes.length < MAX_PREFIXES) {
          this.prefixes.push({
            prefix: readIpv6(b, i + 16),
            length: b[i + 2],
            onLink: (b[i + 3] & 0x80) !== 0,
            autonomous: (b[i + 3] & 0x40) !== 0,
            valid: seconds(get32(b, i + 4)),
            preferred: seconds(get32(b, i + 8)),
          });
        }
        break;
    }
  }
}

function seconds(v: number): number {
  return v === 0xffffffff ? Infinity : v;
}

/** Writes a link address option; `target` or else source. Returns the offset after it. */
export function emitLinkAddress(b: Uint8Array, o: number, target: boolean, mac: number): number {
  b[o] = target ? TARGET_LINK_ADDRESS : SOURCE_LINK_ADDRESS;
  b[o + 1] = 1;
  set48(b, o + 2, mac);
  return o + 8;
}

/** The interface identifier of a hardware address put behind `prefix` (RFC 4291 appendix A). */
export function eui64(prefix: IpAddress, mac: number): [number, number, number, number] {
  const high = Math.floor(mac / 16777216);
  const low = mac % 16777216;
  const w2 = (((high ^ 0x020000) << 8) | 0xff) >>> 0;
  const w3 = (0xfe000000 | low) >>> 0;
  return [prefix.w0, prefix.w1, w2, w3];
}
