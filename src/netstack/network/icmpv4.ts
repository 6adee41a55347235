/** ICMP for IPv4: answers echo and timestamp requests, passes errors to the transports. */

import {
  ECONNREFUSED,
  EHOSTUNREACH,
  EMSGSIZE,
  ENETUNREACH,
  ENOPROTOOPT,
  EOPNOTSUPP,
  EPROTO,
} from "../core/errno.ts";
import { ChecksumState, type Packet, PacketType } from "../core/packet.ts";
import { set16, set32 } from "../wire/bytes.ts";
import { checksum } from "../wire/checksum.ts";
import {
  ICMP_ECHO,
  ICMP_ECHO_REPLY,
  ICMP_FRAGMENTATION_NEEDED,
  ICMP_HEADER,
  ICMP_PARAMETER_PROBLEM,
  ICMP_TIME_EXCEEDED,
  ICMP_TIMESTAMP,
  ICMP_TIMESTAMP_REPLY,
  ICMP_UNREACHABLE,
  IcmpView,
} from "../wire/icmp.ts";
import { IPPROTO_ICMP, Ipv4View } from "../wire/ipv4.ts";
import { type NetContext, NetworkError, type TransportHandler } from "./context.ts";
import type { NetworkInterface } from "./interface.ts";
import type { Ipv4Output } from "./ipv4_output.ts";

const EHOSTDOWN = 112;
const ENONET = 64;

/** errno of each "unreachable" code, and whether it is fatal, as Linux maps them. */
const UNREACHABLE_ERRNO: readonly number[] = [
  ENETUNREACH,
  EHOSTUNREACH,
  ENOPROTOOPT,
  ECONNREFUSED,
  EMSGSIZE,
  EOPNOTSUPP,
  ENETUNREACH,
  EHOSTDOWN,
  ENONET,
  ENETUNREACH,
  EHOSTUNREACH,
  ENETUNREACH,
  EHOSTUNREACH,
  EHOSTUNREACH,
  EHOSTUNREACH,
  EHOSTUNREACH,
];
const UNREACHABLE_HARD = 0b1110011111001100;

/** Receiver of echo replies: ping sockets. */
export type EchoReplyHandler = (packet: Packet, at: NetworkInterface) => void;

/** The protocol. */
export class Icmpv4 implements TransportHandler {
  private readonly ctx: NetContext;
  private readonly output: Ipv4Output;
  private readonly view = new IcmpView();
  private readonly quoted = new Ipv4View();
  private readonly problem = new NetworkError();
  onEchoReply: EchoReplyHandler | null = null;

  constructor(ctx: NetContext, output: Ipv4Output) {
    this.ctx = ctx;
    this.output = output;
    ctx.transports[IPPROTO_ICMP] = this;
  }

  receive(packet: Packet, at: NetworkInterface): void {
    const v = this.view;
    const counters = this.ctx.counters;
    counters.icmpInMessages++;
    if (!v.wrap(packet.bytes, packet.start, packet.end)) {
      counters.icmpInErrors++;
    } else if (
      packet.checksum === ChecksumState.Unknown &&
      checksum(packet.bytes, packet.start, packet.end) !== 0
    ) {
      counters.icmpInChecksumErrors++;
      counters.icmpInErrors++;
    } else {
      switch (v.type) {
        case ICMP_ECHO:
          this.answer(packet, at, ICMP_ECHO_REPLY);
          break;
        case ICMP_TIMESTAMP:
          if (packet.length >= 20) this.answer(packet, at, ICMP_TIMESTAMP_REPLY);
          break;
        case ICMP_ECHO_REPLY:
          if (this.onEchoReply !== null) this.onEchoReply(packet, at);
          break;
        case ICMP_UNREACHABLE:
        case ICMP_TIME_EXCEEDED:
        case ICMP_PARAMETER_PROBLEM:
          this.reportError(packet);
          break;
      }
    }
    packet.release();
  }

  private answer(packet: Packet, at: NetworkInterface, type: number): void {
    const settings = this.ctx.settings;
    if (settings.echoIgnoreAll && type === ICMP_ECHO_REPLY) return;
    const group = packet.dst.isMulticast || this.ctx.routes.isBroadcast(packet.dst, at);
    if (group && (settings.echoIgnoreBroadcasts || packet.type === PacketType.OtherHost)) return;
    const source = group ? null : packet.dst;
    const route = this.ctx.routes.lookup(packet.src, source, 0, packet.mark);
    if (typeof route === "number") return;
    const length = type === ICMP_TIMESTAMP_REPLY ? 20 : packet.length;
    const p = this.ctx.pool.get(length);
    p.bytes.set(packet.bytes.subarray(packet.start, packet.start + length), p.start);
    p.end = p.start + length;
    p.bytes[p.start] = type;
    p.bytes[p.start + 1] = 0;
    if (type === ICMP_TIMESTAMP_REPLY) {
      const millis = Math.floor(this.ctx.clock.realtime() / 1e6) % 86400000;
      set32(p.bytes, p.start + 12, millis);
      set32(p.bytes, p.start + 16, millis);
    }
    set16(p.bytes, p.start + 2, 0);
    set16(p.bytes, p.start + 2, checksum(p.bytes, p.start, p.end));
    this.ctx.counters.icmpOutMessages++;
    this.output.send(
      p,
      route,
      source ?? route.source,
      packet.src,
      IPPROTO_ICMP,
      settings.defaultTtl,
      packet.tos,
      false,
      null,
    );
  }

  /** Hands an error to the transport that sent the quoted packet. */
  private reportError(packet: Packet): void {
    const v = this.view;
    const q = this.quoted;
    const e = this.problem;
    if (!q.wrapQuoted(packet.bytes, packet.start + ICMP_HEADER, packet.end)) return;
    if (q.fragmentOffset !== 0) return;
    e.isV4 = true;
    e.type = v.type;
    e.code = v.code;
    e.mtu = 0;
    e.hard = false;
    e.errno = EHOSTUNREACH;
    if (e.type === ICMP_UNREACHABLE) {
      if (e.code > 15) return;
      e.errno = UNREACHABLE_ERRNO[e.code];
      e.hard = ((UNREACHABLE_HARD >>> e.code) & 1) !== 0;
    } else if (e.type === ICMP_PARAMETER_PROBLEM) {
      e.errno = EPROTO;
      e.hard = true;
    }
    if (e.type === ICMP_UNREACHABLE && e.code === ICMP_FRAGMENTATION_NEEDED) {
      // Routers before RFC 1191 send no MTU: take the next lower plateau.
      e.mtu = v.rest & 0xffff;
      if (e.mtu < 68) e.mtu = lowerPlateau(q.totalLength);
      e.mtu = Math.max(e.mtu, this.ctx.settings.minPathMtu);
    }
    e.offender = packet.src;
    e.inIndex = packet.inIndex;
    e.src = q.source;
    e.dst = q.destination;
    e.upper = q.protocol;
    e.bytes = packet.bytes;
    e.at = q.at + q.headerLength;
    e.end = packet.end;
    if (this.ctx.routes.findLocal(e.src) === null) return;
    this.ctx.transports[e.upper]?.error(e);
    this.ctx.raw?.error(e);
  }

  /** An echo of ours could not be delivered. */
  error(e: NetworkError): void {
    if (this.onError !== null) this.onError(e);
  }

  onError: ((e: NetworkError) => void) | null = null;
}

const PLATEAUS = [32000, 17914, 8166, 4352, 2002, 1492, 1006, 576];

function lowerPlateau(length: number): number {
  for (const p of PLATEAUS) if (p < length) return p;
  return 576;
}
