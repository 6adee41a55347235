/** ICMP errors that this host sends about IPv4 packets (RFC 1122 3.2.2). */

import { type Packet, PacketType } from "../core/packet.ts";
import type { IpAddress } from "../wire/address.ts";
import { get16, set16 } from "../wire/bytes.ts";
import { checksum } from "../wire/checksum.ts";
import { emitIcmp, ICMP_HEADER, isIcmpError } from "../wire/icmp.ts";
import { IPPROTO_ICMP } from "../wire/ipv4.ts";
import type { NetContext } from "./context.ts";
import type { Ipv4Output } from "./ipv4_output.ts";

/** Bytes of an error with its headers (RFC 1812 4.3.2.3). */
const MAX_ERROR = 576;

/** Sends errors about packets that came in. */
export class Icmpv4Errors {
  private readonly ctx: NetContext;
  private readonly output: Ipv4Output;

  constructor(ctx: NetContext, output: Ipv4Output) {
    this.ctx = ctx;
    this.output = output;
  }

  /**
   * Answers the IPv4 packet whose header is at `packet.networkStart` with an error; the packet
   * stays the caller's.
   */
  send(packet: Packet, type: number, code: number, rest: number): void {
    const b = packet.bytes;
    const at = packet.networkStart;
    if (packet.end - at < 20) return;
    if (packet.type !== PacketType.Host && packet.type !== PacketType.Outgoing) return;
    if ((get16(b, at + 6) & 0x1fff) !== 0) return;
    if (!packet.src.isUnicast || !packet.dst.isUnicast) return;
    const routes = this.ctx.routes;
    if (routes.isBroadcast(packet.dst, null) || routes.isBroadcast(packet.src, null)) return;
    if (packet.upper === IPPROTO_ICMP) {
      const t = at + ((b[at] & 15) << 2);
      if (t >= packet.end || isIcmpError(b[t])) return;
    }
    if (!this.ctx.allowIcmpError()) return;
    const source: IpAddress | null = routes.findLocal(packet.dst) !== null ? packet.dst : null;
    const route = routes.lookup(packet.src, source, 0, 0);
    if (typeof route === "number") return;
    const quoted = Math.min(packet.end - at, MAX_ERROR - 20 - ICMP_HEADER);
    const p = this.ctx.pool.get(ICMP_HEADER + quoted);
    emitIcmp(p.bytes, p.start, type, code, rest);
    p.bytes.set(b.subarray(at, at + quoted), p.start + ICMP_HEADER);
    p.end = p.start + ICMP_HEADER + quoted;
    set16(p.bytes, p.start + 2, checksum(p.bytes, p.start, p.end));
    this.ctx.counters.icmpOutMessages++;
    this.ctx.counters.icmpOutErrors++;
    this.output.send(
      p,
      route,
      source ?? route.source,
      packet.src,
      IPPROTO_ICMP,
      this.ctx.settings.defaultTtl,
      (packet.tos & 0x1e) | 0xc0,
      false,
      null,
    );
  }
}
