// hot: every datagram.

/** UDP (RFC 768, RFC 8200 8.1): the protocol, which finds the endpoint of each datagram. */

import { ChecksumState, type Packet } from "../core/packet.ts";
import type { NetContext, NetworkError, TransportHandler } from "../network/context.ts";
import type { Groups } from "../network/groups.ts";
import type { Icmpv4Errors } from "../network/icmpv4_errors.ts";
import type { Icmpv6Errors } from "../network/icmpv6_errors.ts";
import type { NetworkInterface } from "../network/interface.ts";
import type { IpOutput } from "../network/ip_output.ts";
import { get16 } from "../wire/bytes.ts";
import { transportChecksum } from "../wire/checksum.ts";
import {
  ICMP6_PORT_UNREACHABLE,
  ICMP6_UNREACHABLE,
  ICMP_PORT_UNREACHABLE,
  ICMP_UNREACHABLE,
} from "../wire/icmp.ts";
import { IPPROTO_UDP } from "../wire/ipv4.ts";
import { UDP_HEADER, UdpView } from "../wire/udp.ts";
import type { Binding } from "./binding.ts";
import { EndpointTable } from "./endpoint_table.ts";
import { UdpEndpoint } from "./udp_endpoint.ts";

/** The protocol. */
export class Udp implements TransportHandler {
  private readonly ctx: NetContext;
  private readonly output: IpOutput;
  private readonly groups: Groups;
  private readonly errors4: Icmpv4Errors;
  private readonly errors6: Icmpv6Errors;
  private readonly view = new UdpView();
  readonly table: EndpointTable;

  constructor(
    ctx: NetContext,
    output: IpOutput,
    groups: Groups,
    errors4: Icmpv4Errors,
    errors6: Icmpv6Errors,
  ) {
    this.ctx = ctx;
    this.output = output;
    this.groups = groups;
    this.errors4 = errors4;
    this.errors6 = errors6;
    this.table = new EndpointTable(ctx.random.u32());
    ctx.transports[IPPROTO_UDP] = this;
  }

  /** A new endpoint of AF_INET or AF_INET6. */
  createEndpoint(isV6: boolean): UdpEndpoint {
    return new UdpEndpoint(this.ctx, this.output, this.groups, this.table, isV6);
  }

  receive(packet: Packet, at: NetworkInterface): void {
    const v = this.view;
    const counters = this.ctx.counters;
    if (!v.wrap(packet.bytes, packet.start, packet.end)) {
      counters.udpInErrors++;
      packet.release();
      return;
    }
    packet.end = packet.start + v.length;
    if (packet.checksum === ChecksumState.Unknown && !this.checksumValid(packet)) {
      counters.udpChecksumErrors++;
      counters.udpInErrors++;
      packet.release();
      return;
    }
    const sport = v.sourcePort;
    const dport = v.destinationPort;
    if (packet.dst.isMulticast || this.ctx.routes.isBroadcast(packet.dst, at)) {
      this.receiveGroup(packet, at, sport, dport);
      packet.release();
      return;
    }
    const index = packet.inIndex;
    const e = this.table.findConnected(packet.dst, dport, packet.src, sport, index) ??
      this.table.findReceiver(packet.dst, dport, packet.src, sport, index);
    if (e === null) {
      counters.udpNoPorts++;
      if (packet.dst.isV4) {
        this.errors4.send(packet, ICMP_UNREACHABLE, ICMP_PORT_UNREACHABLE, 0);
      } else this.errors6.send(packet, ICMP6_UNREACHABLE, ICMP6_PORT_UNREACHABLE, 0);
      packet.release();
      return;
    }
    packet.start += UDP_HEADER;
    this.count((e as UdpEndpoint).accept(packet));
    packet.release();
  }

  private count(accepted: boolean): void {
    if (accepted) this.ctx.counters.udpInDatagrams++;
    else {
      this.ctx.counters.udpReceiveBufferErrors++;
      this.ctx.counters.udpInErrors++;
    }
  }

  private checksumValid(packet: Packet): boolean {
    // Zero means "none" over IPv4 and is forbidden over IPv6.
    if (get16(packet.bytes, packet.start + 6) === 0) return packet.dst.isV4;
    return transportChecksum(
      packet.bytes,
      packet.start,
      packet.end,
      packet.src,
      packet.dst,
      IPPROTO_UDP,
    ) === 0;
  }

  /** A packet to a group goes to all who want it. */
  private receiveGroup(packet: Packet, at: NetworkInterface, sport: number, dport: number): void {
    const all = this.table.ownersOf(dport);
    packet.start += UDP_HEADER;
    for (let i = 0; i < all.length; i++) {
      const e = all[i] as UdpEndpoint;
      if (!this.wants(e, packet, at, sport)) continue;
      this.count(e.accept(packet));
    }
  }

  private wants(e: UdpEndpoint, packet: Packet, at: NetworkInterface, sport: number): boolean {
    if (!e.accepts(packet.dst, at.index)) return false;
    if (e.connected && (e.remotePort !== sport || !e.remote.equals(packet.src))) return false;
    return !packet.dst.isMulticast || e.wantsGroup(packet.dst, packet.src, at.index);
  }

  error(e: NetworkError): void {
    if (e.end - e.at < 4 || e.src === null || e.dst === null) return;
    const sport = get16(e.bytes, e.at);
    const dport = get16(e.bytes, e.at + 2);
    const found: Binding | null = this.table.findConnected(e.src, sport, e.dst, dport, 0) ??
      this.table.findReceiver(e.src, sport, e.dst, dport, 0);
    if (found !== null) (found as UdpEndpoint).networkError(e, dport);
  }
}
