// hot: every segment.

/** TCP (RFC 9293): the protocol, which finds the connection of each segment. */

import { EMSGSIZE } from "../../core/errno.ts";
import { ChecksumState, type Packet, PacketType } from "../../core/packet.ts";
import { POLLERR } from "../../core/poll.ts";
import type { NetContext, NetworkError, TransportHandler } from "../../network/context.ts";
import type { IpOutput } from "../../network/ip_output.ts";
import { getSigned32 } from "../../wire/bytes.ts";
import { get16 } from "../../wire/bytes.ts";
import { transportChecksum } from "../../wire/checksum.ts";
import { IPPROTO_TCP } from "../../wire/ipv4.ts";
import { SYN, TcpView } from "../../wire/tcp.ts";
import type { Binding } from "../binding.ts";
import type { EndpointTable } from "../endpoint_table.ts";
import { after, before, TcpState } from "./constants.ts";
import { connectionRoute, sendResetFor } from "./emit.ts";
import { TcpEndpoint } from "./endpoint.ts";
import { segmentArrives } from "./input.ts";
import { fail } from "./lifecycle.ts";
import { listenerSegment, requestSegment, SynRequest } from "./listen.ts";
import { output } from "./output.ts";
import { retransmitForMtu } from "./recovery.ts";
import { TcpShared } from "./shared.ts";
import { TimeWait, TimeWaitResult } from "./time_wait.ts";

/** The protocol. */
export class Tcp implements TransportHandler {
  private readonly ctx: NetContext;
  readonly shared: TcpShared;
  private readonly view = new TcpView();

  constructor(ctx: NetContext, output: IpOutput) {
    this.ctx = ctx;
    this.shared = new TcpShared(ctx, output);
    ctx.transports[IPPROTO_TCP] = this;
  }

  get table(): EndpointTable {
    return this.shared.table;
  }

  /** A new endpoint of AF_INET or AF_INET6. */
  createEndpoint(isV6: boolean): TcpEndpoint {
    return new TcpEndpoint(this.shared, isV6);
  }

  receive(packet: Packet): void {
    this.handle(packet);
    packet.release();
  }

  /** Resets the sender of a packet that a filter rejected; it stays the caller's. */
  reset(packet: Packet): void {
    const v = this.view;
    if (!v.wrap(packet.bytes, packet.transportStart, packet.end)) return;
    sendResetFor(this.shared, v, packet.dst, packet.src, packet.inIndex);
  }

  private handle(packet: Packet): void {
    const v = this.view;
    const counters = this.ctx.counters;
    counters.tcpInSegments++;
    if (packet.type !== PacketType.Host) return;
    if (!v.wrap(packet.bytes, packet.start, packet.end)) {
      counters.tcpInErrors++;
      return;
    }
    if (
      packet.checksum === ChecksumState.Unknown &&
      transportChecksum(
          packet.bytes,
          packet.start,
          packet.end,
          packet.src,
          packet.dst,
          IPPROTO_TCP,
        ) !== 0
    ) {
      counters.tcpChecksumErrors++;
      counters.tcpInErrors++;
      return;
    }
    v.parseOptions();
    const table = this.shared.table;
    const dst = packet.dst;
    const src = packet.src;
    const index = packet.inIndex;
    const found = table.findConnected(dst, v.destinationPort, src, v.sourcePort, index);
    if (found instanceof TcpEndpoint) segmentArrives(found, v, packet);
    else if (found instanceof SynRequest) requestSegment(found, v, packet);
    else this.unconnected(packet, v, found);
  }

  private unconnected(packet: Packet, v: TcpView, found: Binding | null): void {
    const table = this.shared.table;
    const dport = v.destinationPort;
    const sport = v.sourcePort;
    const listener = table.findReceiver(packet.dst, dport, packet.src, sport, packet.inIndex);
    let wanted: number | null = null;
    if (found instanceof TimeWait) {
      if (listener === null && (v.flags & SYN) !== 0) {
        // No one is there to take a new connection, so it stays the old one's.
        found.receive(v);
        return;
      }
      wanted = found.nextSequence;
      if (found.receive(v) !== TimeWaitResult.NewConnection) return;
    }
    if (listener instanceof TcpEndpoint && listener.state === TcpState.Listen) {
      listenerSegment(listener, v, packet, wanted);
    } else sendResetFor(this.shared, v, packet.dst, packet.src, packet.inIndex);
  }

  error(e: NetworkError): void {
    if (e.end - e.at < 8 || e.src === null || e.dst === null) return;
    const sport = get16(e.bytes, e.at);
    const dport = get16(e.bytes, e.at + 2);
    const seq = getSigned32(e.bytes, e.at + 4);
    const t = this.shared.table.findConnected(e.src, sport, e.dst, dport, 0);
    if (t instanceof SynRequest) {
      if (seq === t.iss && e.mtu === 0) t.remove();
      return;
    }
    // An error about a segment that is not in flight is forged or late.
    if (!(t instanceof TcpEndpoint) || t.state === TcpState.Close) return;
    if (before(seq, t.sndUna) || after(seq, t.sndNxt)) return;
    if (e.errno === EMSGSIZE && e.mtu > 0) {
      this.tooBig(t, e);
      return;
    }
    if (t.state === TcpState.SynSent || t.state === TcpState.SynReceived) {
      this.ctx.counters.tcpAttemptFails++;
      fail(t, e.errno);
      return;
    }
    const wanted = e.isV4 ? t.ip.receiveErrors : t.ip.receiveErrors6;
    if (wanted) {
      t.pendingError = e.errno;
      t.notify(POLLERR);
    } else t.softError = e.errno;
  }

  private tooBig(t: TcpEndpoint, e: NetworkError): void {
    const discover = e.isV4 ? t.ip.mtuDiscover : t.ip.mtuDiscover6;
    if (e.dst === null || discover === 0) return;
    const route = connectionRoute(t);
    if (typeof route === "number" || e.mtu >= route.mtu) return;
    this.ctx.routes.setPathMtu(e.dst, e.mtu, this.ctx.settings.pathMtuExpires);
    if (typeof connectionRoute(t) === "number") return;
    retransmitForMtu(t, t.mss);
    output(t);
  }
}
