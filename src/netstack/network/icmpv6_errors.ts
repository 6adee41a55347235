/** ICMPv6 errors that this host sends (RFC 4443 2.4). */

import { type Packet, PacketType } from "../core/packet.ts";
import type { IpAddress } from "../wire/address.ts";
import { set16 } from "../wire/bytes.ts";
import { transportChecksum } from "../wire/checksum.ts";
import {
  emitIcmp,
  ICMP6_PACKET_TOO_BIG,
  ICMP6_PARAMETER_PROBLEM,
  ICMP6_REDIRECT,
  ICMP_HEADER,
} from "../wire/icmp.ts";
import { ExtensionResult, ExtensionWalker, IPPROTO_ICMPV6, IPV6_HEADER } from "../wire/ipv6.ts";
import type { NetContext } from "./context.ts";
import type { Ipv6Output } from "./ipv6_output.ts";

const MAX_ERROR = 1280;

/** Sends errors about packets that came in. */
export class Icmpv6Errors {
  private readonly ctx: NetContext;
  private readonly output: Ipv6Output;
  private readonly walker = new ExtensionWalker();

  constructor(ctx: NetContext, output: Ipv6Output) {
    this.ctx = ctx;
    this.output = output;
  }

  /** Answers the IPv6 packet at `packet.networkStart`; it stays the caller's. */
  send(packet: Packet, type: number, code: number, rest: number): void {
    const b = packet.bytes;
    const at = packet.networkStart;
    if (packet.end - at < IPV6_HEADER) return;
    if (!packet.src.isUnicast || packet.src.isV4) return;
    // "Too big" and unknown options are told even to senders of multicast.
    const always = type === ICMP6_PACKET_TOO_BIG ||
      (type === ICMP6_PARAMETER_PROBLEM && code === 2);
    const host = packet.type === PacketType.Host || packet.type === PacketType.Outgoing;
    if (!always && (packet.dst.isMulticast || !host)) return;
    if (this.isError(packet)) return;
    if (!this.ctx.allowIcmpError()) return;
    const routes = this.ctx.routes;
    const own: IpAddress | null = routes.findLocal(packet.dst) !== null ? packet.dst : null;
    const oif = packet.src.isLinkLocal ? packet.inIndex : 0;
    const route = routes.lookup(packet.src, own, oif, 0);
    if (typeof route === "number") return;
    const quoted = Math.min(packet.end - at, MAX_ERROR - IPV6_HEADER - ICMP_HEADER);
    const p = this.ctx.pool.get(ICMP_HEADER + quoted);
    emitIcmp(p.bytes, p.start, type, code, rest);
    p.bytes.set(b.subarray(at, at + quoted), p.start + ICMP_HEADER);
    p.end = p.start + ICMP_HEADER + quoted;
    const source = own ?? route.source;
    const sum = transportChecksum(p.bytes, p.start, p.end, source, packet.src, IPPROTO_ICMPV6);
    set16(p.bytes, p.start + 2, sum);
    this.ctx.counters.icmp6OutMessages++;
    this.output.send(p, route, source, packet.src, IPPROTO_ICMPV6, 64, 0, 0, false);
  }

  private isError(packet: Packet): boolean {
    const b = packet.bytes;
    const at = packet.networkStart;
    const w = this.walker;
    const r = w.walk(b, at, at + IPV6_HEADER, packet.end, b[at + 6], false);
    if (r === ExtensionResult.Fragment) {
      // Only a first fragment tells what it carries.
      if (((b[w.fragmentAt + 2] << 8) | (b[w.fragmentAt + 3] & 0xf8)) !== 0) return true;
    } else if (r === ExtensionResult.Discard) return true;
    if (w.protocol !== IPPROTO_ICMPV6) return false;
    if (w.offset >= packet.end) return true;
    return b[w.offset] < 128 || b[w.offset] === ICMP6_REDIRECT;
  }
}
