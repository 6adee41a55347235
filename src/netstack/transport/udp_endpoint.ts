/** UDP endpoints, what a SOCK_DGRAM socket wraps. */

import {
  EACCES,
  EAFNOSUPPORT,
  EDESTADDRREQ,
  EINVAL,
  EMSGSIZE,
  ENETUNREACH,
  ENOTCONN,
  EPIPE,
} from "../core/errno.ts";
import type { ByteSource } from "../core/io.ts";
import { type Packet } from "../core/packet.ts";
import { MSG_MORE, POLLHUP, POLLIN, POLLOUT, POLLRDHUP } from "../core/poll.ts";
import type { NetContext, NetworkError } from "../network/context.ts";
import type { Groups } from "../network/groups.ts";
import type { IpOutput, IpSendOptions } from "../network/ip_output.ts";
import { type Route, RouteType } from "../network/route.ts";
import { leavePartialChecksum } from "../network/segmentation.ts";
import { ANY_V4, ANY_V6, type IpAddress, LOOPBACK_V4, LOOPBACK_V6 } from "../wire/address.ts";
import { get16, set16 } from "../wire/bytes.ts";
import { transportChecksum } from "../wire/checksum.ts";
import { IPPROTO_UDP } from "../wire/ipv4.ts";
import { emitUdp, UDP_HEADER } from "../wire/udp.ts";
import { DatagramEndpoint, ORIGIN_LOCAL } from "./datagram.ts";
import { SHUT_RD, SHUT_WR } from "./endpoint.ts";
import type { EndpointTable } from "./endpoint_table.ts";
import { PMTUDISC_WANT } from "./ip_options.ts";
import { bindPort } from "./ports.ts";

/** Where a datagram goes and how; reusable. */
export class SendTarget {
  address: IpAddress = ANY_V4;
  port = 0;
  /** Source address from IP_PKTINFO, or null. */
  source: IpAddress | null = null;
  /** Interface from IP_PKTINFO or a scope id, 0 for any. */
  index = 0;
  /** IP_TTL of this datagram, -1 for the socket's. */
  ttl = -1;
  tos = -1;
}

const MAX_PAYLOAD_V4 = 65507;
const MAX_PAYLOAD_V6 = 65527;
/** Segments that one UDP_SEGMENT send may have. */
const MAX_SEGMENTS = 64;

/** A UDP endpoint. */
export class UdpEndpoint extends DatagramEndpoint {
  private readonly table: EndpointTable;
  private readonly target = new SendTarget();
  /** UDP_CORK. */
  private corkOption = false;
  /** Whether the local address is one that connect chose. */
  private boundToAny = false;
  private corked: Packet | null = null;
  private corkedTarget: SendTarget | null = null;
  /** UDP_SEGMENT: payload bytes of each datagram that a send is cut into; 0 for whole. */
  segmentSize = 0;
  /** SO_NO_CHECK. */
  noChecksum = false;

  constructor(
    ctx: NetContext,
    output: IpOutput,
    groups: Groups,
    table: EndpointTable,
    isV6: boolean,
  ) {
    super(ctx, output, groups, isV6);
    this.table = table;
  }

  /** Binds to an address (any if null) and port (a free one if 0). */
  bind(address: IpAddress | null, port: number, index = 0): number {
    if (this.localPort !== 0) return -EINVAL;
    const a = address ?? (this.isV6 ? ANY_V6 : ANY_V4);
    const r = this.checkLocal(a, index);
    if (r < 0) return r;
    const before = this.local;
    this.local = a;
    if (index !== 0 && a.isLinkLocal) this.device = index;
    const p = bindPort(this.ctx, this.table, this, port, false);
    if (p < 0) {
      this.local = before;
      return p;
    }
    this.table.listen(this);
    return 0;
  }

  private autoBind(): number {
    return this.localPort !== 0 ? 0 : this.bind(null, 0);
  }

  /** Sets the peer: datagrams go to it and only its are received. */
  connect(address: IpAddress, port: number, index = 0): number {
    if (address.isAny) address = address.isV4 ? LOOPBACK_V4 : LOOPBACK_V6;
    if (!this.familyAllows(address)) return this.isV6 ? -ENETUNREACH : -EAFNOSUPPORT;
    const source = this.local.isAny ? null : this.local;
    this.dropRoute();
    const route = this.routeTo(address, source, index);
    if (typeof route === "number") return route;
    if (route.type === RouteType.Broadcast && !this.broadcast) return -EACCES;
    const r = this.autoBind();
    if (r < 0) return r;
    this.table.unlisten(this);
    this.table.remove(this);
    if (!this.connected && this.local.isAny) this.boundToAny = true;
    if (this.local.isAny || this.boundToAny) this.local = route.source;
    this.remote = address;
    this.remotePort = port;
    this.connected = true;
    this.table.insert(this);
    return 0;
  }

  /** connect(2) with AF_UNSPEC: forgets the peer. */
  disconnect(): number {
    if (!this.connected) return 0;
    this.table.remove(this);
    this.connected = false;
    this.remote = this.isV6 ? ANY_V6 : ANY_V4;
    this.remotePort = 0;
    if (this.boundToAny) this.local = this.remote;
    this.boundToAny = false;
    this.pendingError = 0;
    this.table.listen(this);
    return 0;
  }

  /** Sends a datagram of `len` bytes to `to`, or to the peer if that is null. */
  send(src: ByteSource, len: number, flags: number, to: SendTarget | null): number {
    if (this.writeClosed) return -EPIPE;
    if (this.pendingError !== 0) return -this.takeError();
    if (this.corked !== null) return this.appendCorked(src, len, flags);
    let t = to;
    if (t === null) {
      if (!this.connected) return -EDESTADDRREQ;
      t = this.target;
      t.address = this.remote;
      t.port = this.remotePort;
      t.source = null;
      t.index = 0;
      t.ttl = -1;
      t.tos = -1;
    }
    if (t.port === 0) return -EINVAL;
    let dst = t.address;
    if (dst.isAny) dst = dst.isV4 ? LOOPBACK_V4 : LOOPBACK_V6;
    if (!this.familyAllows(dst)) return this.isV6 ? -ENETUNREACH : -EAFNOSUPPORT;
    if (len > (dst.isV4 ? MAX_PAYLOAD_V4 : MAX_PAYLOAD_V6)) return -EMSGSIZE;
    const r = this.autoBind();
    if (r < 0) return r;
    const ctx = this.ctx;
    const packet = ctx.pool.get(UDP_HEADER + len);
    packet.start += UDP_HEADER;
    packet.end = packet.start;
    if (len > 0) {
      const n = src.take(packet.bytes, packet.start, len);
      if (n < 0) {
        packet.release();
        return n;
      }
      packet.end = packet.start + n;
      len = n;
    }
    if (this.corkOption || (flags & MSG_MORE) !== 0) {
      const kept = new SendTarget();
      Object.assign(kept, t);
      kept.address = dst;
      this.corked = packet;
      this.corkedTarget = kept;
      return len;
    }
    const e = this.transmit(packet, dst, t);
    return e < 0 ? e : len;
  }

  private appendCorked(src: ByteSource, len: number, flags: number): number {
    const packet = this.corked as Packet;
    const target = this.corkedTarget as SendTarget;
    const have = packet.length;
    const max = target.address.isV4 ? MAX_PAYLOAD_V4 : MAX_PAYLOAD_V6;
    if (have + len > max) return -EMSGSIZE;
    const grown = this.ctx.pool.get(UDP_HEADER + have + len);
    grown.start += UDP_HEADER;
    grown.bytes.set(packet.view(), grown.start);
    const n = len > 0 ? src.take(grown.bytes, grown.start + have, len) : 0;
    if (n < 0) {
      grown.release();
      return n;
    }
    grown.end = grown.start + have + n;
    packet.release();
    this.corked = grown;
    if (this.corkOption || (flags & MSG_MORE) !== 0) return n;
    const e = this.flushCork();
    return e < 0 ? e : n;
  }

  private flushCork(): number {
    const packet = this.corked;
    const target = this.corkedTarget;
    this.corked = null;
    this.corkedTarget = null;
    if (packet === null || target === null) return 0;
    return this.transmit(packet, target.address, target);
  }

  /** UDP_CORK. */
  setCork(on: boolean): number {
    this.corkOption = on;
    return on ? 0 : this.flushCork();
  }

  /** UDP_CORK as it is set. */
  get cork(): boolean {
    return this.corkOption;
  }

  private sourceFor(dst: IpAddress, t: SendTarget): IpAddress | null {
    if (t.source !== null && !t.source.isAny) return t.source;
    if (dst.isMulticast && this.ip.multicastSource !== null && dst.isV4) {
      return this.ip.multicastSource;
    }
    return this.local.isAny || this.local.isMulticast || this.local.isBroadcast ? null : this.local;
  }

  /** Sends the datagram whose payload `packet` shows; takes ownership. */
  private transmit(packet: Packet, dst: IpAddress, t: SendTarget): number {
    const source = this.sourceFor(dst, t);
    const index = t.index !== 0 ? t.index : dst.isMulticast ? this.ip.multicastIndex : 0;
    const route = this.routeTo(dst, source, index);
    if (typeof route === "number") {
      packet.release();
      return route;
    }
    if (route.type === RouteType.Broadcast && !this.broadcast) {
      packet.release();
      return -EACCES;
    }
    const src = source ?? route.source;
    const o = this.prepareOptions(dst, t.ttl, t.tos);
    if (this.segmentSize > 0 && packet.length > this.segmentSize) {
      return this.transmitSegments(packet, route, src, dst, t, o);
    }
    return this.transmitOne(packet, route, src, dst, t, o);
  }

  private transmitSegments(
    packet: Packet,
    route: Route,
    src: IpAddress,
    dst: IpAddress,
    t: SendTarget,
    o: IpSendOptions,
  ): number {
    const size = this.segmentSize;
    let r = packet.length > size * MAX_SEGMENTS ? -EINVAL : 0;
    for (let at = packet.start; at < packet.end && r === 0; at += size) {
      const n = Math.min(size, packet.end - at);
      const piece = this.ctx.pool.get(UDP_HEADER + n);
      piece.start += UDP_HEADER;
      piece.end = piece.start + n;
      piece.bytes.set(packet.bytes.subarray(at, at + n), piece.start);
      r = this.transmitOne(piece, route, src, dst, t, o);
    }
    packet.release();
    return r;
  }

  private transmitOne(
    packet: Packet,
    route: Route,
    src: IpAddress,
    dst: IpAddress,
    t: SendTarget,
    o: IpSendOptions,
  ): number {
    packet.start -= UDP_HEADER;
    const length = packet.length;
    const b = packet.bytes;
    emitUdp(b, packet.start, this.localPort, t.port, length);
    packet.mark = this.mark;
    const header = dst.isV4 ? 20 + (o.options?.length ?? 0) : 40;
    const fits = length + header <= route.mtu;
    const discover = dst.isV4 ? this.ip.mtuDiscover : this.ip.mtuDiscover6;
    if (dst.isV4 && discover === PMTUDISC_WANT) o.dontFragment = fits;
    if (!this.noChecksum || !dst.isV4) {
      if (fits && route.out.offloadsChecksum && this.ctx.hooks === null) {
        packet.src = src;
        packet.dst = dst;
        packet.upper = IPPROTO_UDP;
        packet.transportStart = packet.start;
        leavePartialChecksum(packet, 6);
      } else {
        const sum = transportChecksum(b, packet.start, packet.end, src, dst, IPPROTO_UDP);
        set16(b, packet.start + 6, sum === 0 ? 0xffff : sum);
      }
    }
    this.ctx.counters.udpOutDatagrams++;
    const mtu = route.mtu;
    const r = this.output.send(packet, route, src, dst, IPPROTO_UDP, o);
    if (r === -EMSGSIZE && (dst.isV4 ? this.ip.receiveErrors : this.ip.receiveErrors6)) {
      this.queueError({
        errno: EMSGSIZE,
        origin: ORIGIN_LOCAL,
        type: 0,
        code: 0,
        info: mtu,
        offender: null,
        destination: dst,
        port: t.port,
        index: 0,
        payload: new Uint8Array(0),
      });
    }
    return r;
  }

  protected sourcePort(packet: Packet): number {
    return get16(packet.bytes, packet.transportStart);
  }

  /** A datagram for this endpoint, `start` at its payload; borrowed. */
  accept(packet: Packet): boolean {
    if (this.ip.minTtl > 0 && packet.ttl < this.ip.minTtl) return false;
    return this.enqueue(packet);
  }

  /** An ICMP error about a datagram of this endpoint. */
  networkError(e: NetworkError, port: number): void {
    this.handleError(e, port, e.at + UDP_HEADER);
  }

  /** shutdown(2). */
  shutdown(how: number): number {
    if (!this.connected) return -ENOTCONN;
    if (how !== SHUT_WR) this.readClosed = true;
    if (how !== SHUT_RD) this.writeClosed = true;
    this.notify(POLLIN | POLLOUT | POLLHUP | POLLRDHUP);
    return 0;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.corked?.release();
    this.corked = null;
    this.table.remove(this);
    this.table.unlisten(this);
    this.table.unhold(this);
    this.releaseAll();
  }
}
