/** Raw endpoints, what a SOCK_RAW socket of AF_INET or AF_INET6 wraps. */

import {
  EACCES,
  EAFNOSUPPORT,
  EDESTADDRREQ,
  EINVAL,
  EMSGSIZE,
  ENOTCONN,
  EPIPE,
} from "../core/errno.ts";
import type { ByteSource } from "../core/io.ts";
import type { Packet } from "../core/packet.ts";
import { POLLHUP, POLLIN, POLLOUT } from "../core/poll.ts";
import type { NetContext, NetworkError } from "../network/context.ts";
import type { Groups } from "../network/groups.ts";
import type { NetworkInterface } from "../network/interface.ts";
import type { IpOutput } from "../network/ip_output.ts";
import { type Route, RouteType } from "../network/route.ts";
import { ANY_V4, ANY_V6, type IpAddress } from "../wire/address.ts";
import { set16 } from "../wire/bytes.ts";
import { transportChecksum } from "../wire/checksum.ts";
import { ETH_P_IP } from "../wire/ethernet.ts";
import { IPPROTO_ICMP, IPPROTO_RAW, Ipv4View, sealIpv4 } from "../wire/ipv4.ts";
import { IPPROTO_ICMPV6 } from "../wire/ipv6.ts";
import { DatagramEndpoint } from "./datagram.ts";
import { SHUT_RD, SHUT_WR } from "./endpoint.ts";
import type { SendTarget } from "./udp_endpoint.ts";

/** A raw endpoint. */
export class RawEndpoint extends DatagramEndpoint {
  readonly protocol: number;
  /** IP_HDRINCL: the user writes the IP header. */
  headerIncluded: boolean;
  /** ICMP_FILTER: bit n blocks type n. */
  icmpFilter = 0;
  /** ICMPV6_FILTER: bit n of the 256 blocks type n. */
  readonly icmp6Filter: Uint32Array = new Uint32Array(8);
  /** IPV6_CHECKSUM: where the checksum is in what is sent and received, -1 for nowhere. */
  checksumOffset: number;
  onClose: (() => void) | null = null;

  constructor(
    ctx: NetContext,
    output: IpOutput,
    groups: Groups,
    isV6: boolean,
    protocol: number,
  ) {
    super(ctx, output, groups, isV6);
    this.protocol = protocol;
    this.headerIncluded = protocol === IPPROTO_RAW;
    this.checksumOffset = isV6 && protocol === IPPROTO_ICMPV6 ? 2 : -1;
  }

  /** Binds to a local address. */
  bind(address: IpAddress, index = 0): number {
    const r = this.checkLocal(address, index);
    if (r < 0) return r;
    this.local = address;
    return 0;
  }

  /** Sets the peer. */
  connect(address: IpAddress, index = 0): number {
    if (!this.familyAllows(address) || address.isV4 === this.isV6) return -EAFNOSUPPORT;
    this.dropRoute();
    const route = this.routeTo(address, this.local, index);
    if (typeof route === "number") return route;
    if (this.local.isAny) this.local = route.source;
    this.remote = address;
    this.connected = true;
    return 0;
  }

  /** Forgets the peer. */
  disconnect(): number {
    this.connected = false;
    this.remote = this.isV6 ? ANY_V6 : ANY_V4;
    this.local = this.remote;
    return 0;
  }

  /** Sends a packet: with its IP header if that is included, else what comes after it. */
  send(src: ByteSource, len: number, _flags: number, to: SendTarget | null): number {
    if (this.writeClosed) return -EPIPE;
    if (this.pendingError !== 0) return -this.takeError();
    if (to === null && !this.connected) return -EDESTADDRREQ;
    const dst = to === null ? this.remote : to.address;
    if (dst.isV4 === this.isV6) return this.isV6 ? -EINVAL : -EAFNOSUPPORT;
    if (len > 65535) return -EMSGSIZE;
    const source = to?.source ?? (this.local.isAny ? null : this.local);
    const index = to !== null && to.index !== 0
      ? to.index
      : dst.isMulticast
      ? this.ip.multicastIndex
      : 0;
    const route = this.routeTo(dst, source, index);
    if (typeof route === "number") return route;
    if (route.type === RouteType.Broadcast && !this.broadcast) return -EACCES;
    const p = this.ctx.pool.get(len);
    const n = len > 0 ? src.take(p.bytes, p.start, len) : 0;
    if (n < 0) {
      p.release();
      return n;
    }
    p.end = p.start + n;
    p.mark = this.mark;
    const r = this.headerIncluded && !this.isV6
      ? this.sendWithHeader(p, route)
      : this.sendPayload(p, route, source ?? route.source, dst, to);
    return r < 0 ? r : n;
  }

  private sendPayload(
    p: Packet,
    route: Route,
    source: IpAddress,
    dst: IpAddress,
    to: SendTarget | null,
  ): number {
    const at = this.checksumOffset;
    if (this.isV6 && at >= 0) {
      if (at + 2 > p.length) {
        p.release();
        return -EINVAL;
      }
      set16(p.bytes, p.start + at, 0);
      const sum = transportChecksum(p.bytes, p.start, p.end, source, dst, this.protocol);
      set16(p.bytes, p.start + at, sum);
    }
    const o = this.prepareOptions(dst, to?.ttl ?? -1, to?.tos ?? -1);
    return this.output.send(p, route, source, dst, this.protocol, o);
  }

  /** The user's header is sent as it is but for what Linux fills in (raw(7)). */
  private sendWithHeader(p: Packet, route: Route): number {
    const v = new Ipv4View();
    const b = p.bytes;
    if (p.length < 20) {
      p.release();
      return -EINVAL;
    }
    set16(b, p.start + 2, p.length);
    if (!v.wrap(b, p.start, p.end)) {
      p.release();
      return -EINVAL;
    }
    if (p.length > route.mtu) {
      p.release();
      return -EMSGSIZE;
    }
    if (v.source.isAny) route.source.write(b, p.start + 12);
    if (v.ident === 0) set16(b, p.start + 4, this.ctx.random.below(65536));
    sealIpv4(b, p.start);
    p.networkStart = p.start;
    p.transportStart = p.start + v.headerLength;
    p.protocol = ETH_P_IP;
    p.upper = v.protocol;
    p.src = v.source;
    p.dst = v.destination;
    p.ttl = v.ttl;
    p.tos = v.tos;
    return this.output.v4.sendPrepared(p, route);
  }

  /** Takes a copy of a packet if it is for this endpoint. */
  offer(packet: Packet, at: NetworkInterface): boolean {
    if (packet.dst.isV4 === this.isV6 || this.readClosed) return false;
    if (this.device !== 0 && this.device !== at.index) return false;
    if (!this.local.isAny && !this.local.equals(packet.dst)) return false;
    if (this.connected && !this.remote.equals(packet.src)) return false;
    if (packet.dst.isMulticast && !this.wantsGroup(packet.dst, packet.src, at.index)) return false;
    const type = packet.bytes[packet.transportStart];
    if (this.protocol === IPPROTO_ICMP && type < 32 && ((this.icmpFilter >>> type) & 1) !== 0) {
      return true;
    }
    if (this.isV6 && this.protocol === IPPROTO_ICMPV6) {
      if (((this.icmp6Filter[type >>> 5] >>> (type & 31)) & 1) !== 0) return true;
    }
    if (this.isV6 && this.checksumOffset >= 0 && packet.checksum === 0) {
      const sum = transportChecksum(
        packet.bytes,
        packet.transportStart,
        packet.end,
        packet.src,
        packet.dst,
        packet.upper,
      );
      if (sum !== 0) return true;
    }
    const copy = this.ctx.pool.clone(packet);
    // IPv4 readers get the IP header, IPv6 readers do not.
    if (this.isV6) copy.start = copy.transportStart;
    this.enqueue(copy);
    copy.release();
    return true;
  }

  protected sourcePort(): number {
    return 0;
  }

  /** An ICMP error about a packet of this protocol. */
  networkError(e: NetworkError): void {
    if (e.isV4 === this.isV6 || e.dst === null) return;
    if (this.connected && !this.remote.equals(e.dst)) return;
    if (!this.local.isAny && e.src !== null && !this.local.equals(e.src)) return;
    this.handleError(e, 0, e.at);
  }

  /** shutdown(2). */
  shutdown(how: number): number {
    if (!this.connected) return -ENOTCONN;
    if (how !== SHUT_WR) this.readClosed = true;
    if (how !== SHUT_RD) this.writeClosed = true;
    this.notify(POLLIN | POLLOUT | POLLHUP);
    return 0;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    if (this.onClose !== null) this.onClose();
    this.releaseAll();
  }
}
