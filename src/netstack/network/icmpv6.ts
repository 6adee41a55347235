/** ICMPv6 (RFC 4443): answers echo requests, passes errors to transports, NDP and MLD onwards. */

import {
  EACCES,
  ECONNREFUSED,
  EHOSTUNREACH,
  EMSGSIZE,
  ENETUNREACH,
  EPROTO,
} from "../core/errno.ts";
import { ChecksumState, type Packet } from "../core/packet.ts";
import { set16 } from "../wire/bytes.ts";
import { transportChecksum } from "../wire/checksum.ts";
import {
  ICMP6_ECHO,
  ICMP6_ECHO_REPLY,
  ICMP6_MLD2_REPORT,
  ICMP6_MLD_DONE,
  ICMP6_MLD_QUERY,
  ICMP6_MLD_REPORT,
  ICMP6_NEIGHBOUR_ADVERTISEMENT,
  ICMP6_NEIGHBOUR_SOLICITATION,
  ICMP6_PACKET_TOO_BIG,
  ICMP6_PARAMETER_PROBLEM,
  ICMP6_REDIRECT,
  ICMP6_ROUTER_ADVERTISEMENT,
  ICMP6_ROUTER_SOLICITATION,
  ICMP6_TIME_EXCEEDED,
  ICMP6_UNREACHABLE,
  ICMP_HEADER,
  IcmpView,
} from "../wire/icmp.ts";
import {
  ExtensionResult,
  ExtensionWalker,
  IPPROTO_ICMPV6,
  IPV6_HEADER,
  IPV6_MIN_MTU,
  Ipv6View,
} from "../wire/ipv6.ts";
import { type NetContext, NetworkError, type TransportHandler } from "./context.ts";
import type { EchoReplyHandler } from "./icmpv4.ts";
import type { NetworkInterface } from "./interface.ts";
import type { Ipv6Output } from "./ipv6_output.ts";

/** A part of ICMPv6 that looks after its own message types: NDP, MLD. The packet is borrowed. */
export type Icmpv6Handler = (packet: Packet, at: NetworkInterface) => void;

const UNREACHABLE_ERRNO: readonly number[] = [
  ENETUNREACH,
  EACCES,
  EHOSTUNREACH,
  EHOSTUNREACH,
  ECONNREFUSED,
  EACCES,
  EACCES,
];

/** The protocol. */
export class Icmpv6 implements TransportHandler {
  private readonly ctx: NetContext;
  private readonly output: Ipv6Output;
  private readonly view = new IcmpView();
  private readonly quoted = new Ipv6View();
  private readonly walker = new ExtensionWalker();
  private readonly problem = new NetworkError();
  onEchoReply: EchoReplyHandler | null = null;
  onError: ((e: NetworkError) => void) | null = null;
  neighbourDiscovery: Icmpv6Handler | null = null;
  listenerDiscovery: Icmpv6Handler | null = null;

  constructor(ctx: NetContext, output: Ipv6Output) {
    this.ctx = ctx;
    this.output = output;
    ctx.transports[IPPROTO_ICMPV6] = this;
  }

  receive(packet: Packet, at: NetworkInterface): void {
    const v = this.view;
    this.ctx.counters.icmp6InMessages++;
    if (
      packet.src.isV4 || !v.wrap(packet.bytes, packet.start, packet.end) ||
      (packet.checksum === ChecksumState.Unknown &&
        transportChecksum(
            packet.bytes,
            packet.start,
            packet.end,
            packet.src,
            packet.dst,
            IPPROTO_ICMPV6,
          ) !== 0)
    ) {
      this.ctx.counters.icmp6InErrors++;
      packet.release();
      return;
    }
    switch (v.type) {
      case ICMP6_ECHO:
        this.answerEcho(packet, at);
        break;
      case ICMP6_ECHO_REPLY:
        if (this.onEchoReply !== null) this.onEchoReply(packet, at);
        break;
      case ICMP6_UNREACHABLE:
      case ICMP6_PACKET_TOO_BIG:
      case ICMP6_TIME_EXCEEDED:
      case ICMP6_PARAMETER_PROBLEM:
        this.reportError(packet);
        break;
      case ICMP6_ROUTER_SOLICITATION:
      case ICMP6_ROUTER_ADVERTISEMENT:
      case ICMP6_NEIGHBOUR_SOLICITATION:
      case ICMP6_NEIGHBOUR_ADVERTISEMENT:
      case ICMP6_REDIRECT:
        if (this.neighbourDiscovery !== null) this.neighbourDiscovery(packet, at);
        break;
      case ICMP6_MLD_QUERY:
      case ICMP6_MLD_REPORT:
      case ICMP6_MLD_DONE:
      case ICMP6_MLD2_REPORT:
        if (this.listenerDiscovery !== null) this.listenerDiscovery(packet, at);
        break;
    }
    packet.release();
  }

  private answerEcho(packet: Packet, at: NetworkInterface): void {
    if (this.ctx.settings.echoIgnoreAll || packet.src.isAny) return;
    const source = packet.dst.isMulticast ? null : packet.dst;
    const oif = packet.src.isLinkLocal ? at.index : 0;
    const route = this.ctx.routes.lookup(packet.src, source, oif, packet.mark);
    if (typeof route === "number") return;
    const p = this.ctx.pool.get(packet.length);
    p.bytes.set(packet.view(), p.start);
    p.end = p.start + packet.length;
    p.bytes[p.start] = ICMP6_ECHO_REPLY;
    this.sendMessage(p, route, source, packet.tos);
  }

  private sendMessage(
    p: Packet,
    route: Exclude<ReturnType<NetContext["routes"]["lookup"]>, number>,
    source: Packet["src"] | null,
    trafficClass: number,
  ): void {
    const src = source ?? route.source;
    const dst = route.destination;
    set16(p.bytes, p.start + 2, 0);
    const sum = transportChecksum(p.bytes, p.start, p.end, src, dst, IPPROTO_ICMPV6);
    set16(p.bytes, p.start + 2, sum);
    this.ctx.counters.icmp6OutMessages++;
    this.output.send(p, route, src, dst, IPPROTO_ICMPV6, 64, trafficClass, 0, false);
  }

  private reportError(packet: Packet): void {
    const v = this.view;
    const q = this.quoted;
    const e = this.problem;
    const b = packet.bytes;
    const at = packet.start + ICMP_HEADER;
    if (!q.wrapQuoted(b, at, packet.end)) return;
    const w = this.walker;
    const r = w.walk(b, at, at + IPV6_HEADER, packet.end, q.nextHeader, false);
    if (r === ExtensionResult.Discard) return;
    e.isV4 = false;
    e.type = v.type;
    e.code = v.code;
    e.mtu = 0;
    e.hard = false;
    e.errno = EHOSTUNREACH;
    if (e.type === ICMP6_UNREACHABLE) {
      if (e.code >= UNREACHABLE_ERRNO.length) return;
      e.errno = UNREACHABLE_ERRNO[e.code];
      e.hard = e.code === 1 || e.code >= 4;
    } else if (e.type === ICMP6_PARAMETER_PROBLEM) {
      e.errno = EPROTO;
      e.hard = e.code === 1;
    } else if (e.type === ICMP6_PACKET_TOO_BIG) {
      e.errno = EMSGSIZE;
      e.mtu = Math.max(v.rest, IPV6_MIN_MTU);
    }
    e.offender = packet.src;
    e.inIndex = packet.inIndex;
    e.src = q.source;
    e.dst = q.destination;
    e.upper = w.protocol;
    e.bytes = b;
    e.at = w.offset;
    e.end = packet.end;
    if (e.src.isV4 || this.ctx.routes.findLocal(e.src) === null) return;
    this.ctx.transports[e.upper]?.error(e);
    this.ctx.raw?.error(e);
  }

  error(e: NetworkError): void {
    if (this.onError !== null) this.onError(e);
  }
}
