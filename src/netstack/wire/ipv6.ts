/** IPv6 headers and extension headers (RFC 8200), in place. */

import { type IpAddress, readIpv6 } from "./address.ts";
import { get16, get32, set16, set32 } from "./bytes.ts";

/** Bytes of an IPv6 header. */
export const IPV6_HEADER = 40;
/** Bytes of a fragment extension header. */
export const IPV6_FRAGMENT_HEADER = 8;
/** The least MTU of a link that carries IPv6. */
export const IPV6_MIN_MTU = 1280;

export const IPPROTO_HOPOPTS = 0;
export const IPPROTO_IPV6 = 41;
export const IPPROTO_ROUTING = 43;
export const IPPROTO_FRAGMENT = 44;
export const IPPROTO_ICMPV6 = 58;
export const IPPROTO_NONE = 59;
export const IPPROTO_DSTOPTS = 60;

/** A checked IPv6 header in place. */
export class Ipv6View {
  bytes: Uint8Array = new Uint8Array(IPV6_HEADER);
  at = 0;

  /** Points at the packet `[start, end)`; false if version or length do not fit. */
  wrap(b: Uint8Array, start: number, end: number): boolean {
    this.bytes = b;
    this.at = start;
    if (end - start < IPV6_HEADER || end > b.length || b[start] >>> 4 !== 6) return false;
    return get16(b, start + 4) + IPV6_HEADER <= end - start;
  }

  /** As {@link wrap} for the quoted packet of an ICMP error, of which only a part may be there. */
  wrapQuoted(b: Uint8Array, start: number, end: number): boolean {
    this.bytes = b;
    this.at = start;
    return end - start >= IPV6_HEADER && end <= b.length && b[start] >>> 4 === 6;
  }

  get trafficClass(): number {
    return (get16(this.bytes, this.at) >>> 4) & 255;
  }

  get flowLabel(): number {
    return get32(this.bytes, this.at) & 0xfffff;
  }

  get payloadLength(): number {
    return get16(this.bytes, this.at + 4);
  }

  get nextHeader(): number {
    return this.bytes[this.at + 6];
  }

  get hopLimit(): number {
    return this.bytes[this.at + 7];
  }

  get source(): IpAddress {
    return readIpv6(this.bytes, this.at + 8);
  }

  get destination(): IpAddress {
    return readIpv6(this.bytes, this.at + 24);
  }
}

/** Writes an IPv6 header at `o`. */
export function emitIpv6(
  b: Uint8Array,
  o: number,
  trafficClass: number,
  flowLabel: number,
  payloadLength: number,
  nextHeader: number,
  hopLimit: number,
  source: IpAddress,
  destination: IpAddress,
): void {
  set32(b, o, 0x60000000 | (trafficClass << 20) | flowLabel);
  set16(b, o + 4, payloadLength);
  b[o + 6] = nextHeader;
  b[o + 7] = hopLimit;
  source.write16(b, o + 8);
  destination.write16(b, o + 24);
}

/** How a walk over extension headers ended. */
export const enum ExtensionResult {
  /** `protocol` and `offset` tell of the upper layer. */
  Upper,
  /** A fragment header stands at `fragmentAt`; the walk stopped behind it. */
  Fragment,
  /** Drop silently. */
  Discard,
  /** Drop and answer with a parameter problem: `problemCode`, `problemAt` (absolute offset). */
  Problem,
}

/** Extension headers that are looked at in one packet; more is an attack, not a packet. */
const MAX_EXTENSIONS = 8;
/** Padding and options of one header that are looked at. */
const MAX_OPTIONS = 16;

/** Walks the extension headers of one packet; reused from packet to packet. */
export class ExtensionWalker {
  protocol = 0;
  offset = 0;
  fragmentAt = -1;
  problemCode = 0;
  problemAt = 0;
  /** Where the "next header" byte stands that names `protocol`. */
  nextHeaderAt = 0;
  hasRouterAlert = false;
  /** Jumbo payloads and the like are not ours; an unknown multicast option must not be answered. */
  private multicast = false;

  /**
   * Walks from the header of type `first` at `start`; `end` is the end of the packet, `base` that
   * of its IPv6 header.
   */
  walk(
    b: Uint8Array,
    base: number,
    start: number,
    end: number,
    first: number,
    multicast: boolean,
  ): ExtensionResult {
    this.protocol = first;
    this.offset = start;
    this.fragmentAt = -1;
    this.hasRouterAlert = false;
    this.nextHeaderAt = start === base + IPV6_HEADER ? base + 6 : start;
    this.multicast = multicast;
    for (let count = 0; count <= MAX_EXTENSIONS; count++) {
      const kind = this.protocol;
      const at = this.offset;
      if (kind === IPPROTO_FRAGMENT) {
        if (end - at < IPV6_FRAGMENT_HEADER) return ExtensionResult.Discard;
        this.fragmentAt = at;
        this.protocol = b[at];
        this.offset = at + IPV6_FRAGMENT_HEADER;
        return ExtensionResult.Fragment;
      }
      if (kind === IPPROTO_HOPOPTS && at !== base + IPV6_HEADER) {
        return this.problem(1, this.nextHeaderAt);
      }
      if (kind !== IPPROTO_HOPOPTS && kind !== IPPROTO_DSTOPTS && kind !== IPPROTO_ROUTING) {
        return ExtensionResult.Upper;
      }
      if (end - at < 8) return ExtensionResult.Discard;
      const length = (b[at + 1] + 1) << 3;
      if (length > end - at) return ExtensionResult.Discard;
      if (kind === IPPROTO_ROUTING) {
        // Segments left to visit: this host does no source routing (RFC 5095).
        if (b[at + 3] !== 0) return this.problem(0, at + 2);
      } else {
        const r = this.options(b, at + 2, at + length);
        if (r !== ExtensionResult.Upper) return r;
      }
      this.nextHeaderAt = at;
      this.protocol = b[at];
      this.offset = at + length;
    }
    return ExtensionResult.Discard;
  }

  private problem(code: number, at: number): ExtensionResult {
    this.problemCode = code;
    this.problemAt = at;
    return ExtensionResult.Problem;
  }

  private options(b: Uint8Array, from: number, to: number): ExtensionResult {
    let i = from;
    let seen = 0;
    while (i < to) {
      if (b[i] === 0) {
        i++;
        continue;
      }
      if (i + 1 >= to || i + 2 + b[i + 1] > to || ++seen > MAX_OPTIONS) {
        return ExtensionResult.Discard;
      }
      const type = b[i];
      if (type === 5 && b[i + 1] === 2) this.hasRouterAlert = true;
      else if (type !== 1) {
        const action = type >>> 6;
        if (action === 1) return ExtensionResult.Discard;
        if (action === 2 || (action === 3 && !this.multicast)) return this.problem(2, i);
        if (action === 3) return ExtensionResult.Discard;
      }
      i += 2 + b[i + 1];
    }
    return ExtensionResult.Upper;
  }
}
