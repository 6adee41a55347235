/** Ping sockets: SOCK_DGRAM with IPPROTO_ICMP or IPPROTO_ICMPV6 (icmp(7)). */

import {
  EACCES,
  EADDRINUSE,
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
import type { Icmpv4 } from "../network/icmpv4.ts";
import type { Icmpv6 } from "../network/icmpv6.ts";
import type { IpOutput } from "../network/ip_output.ts";
import { RouteType } from "../network/route.ts";
import { ANY_V4, ANY_V6, type IpAddress } from "../wire/address.ts";
import { get16, set16 } from "../wire/bytes.ts";
import { checksum, transportChecksum } from "../wire/checksum.ts";
import { ICMP6_ECHO, ICMP_ECHO, ICMP_HEADER } from "../wire/icmp.ts";
import { IPPROTO_ICMP } from "../wire/ipv4.ts";
import { IPPROTO_ICMPV6 } from "../wire/ipv6.ts";
import { DatagramEndpoint } from "./datagram.ts";
import { SHUT_RD, SHUT_WR } from "./endpoint.ts";
import type { SendTarget } from "./udp_endpoint.ts";

/** All ping endpoints of one stack, by identifier. */
export class Ping {
  private readonly ctx: NetContext;
  private readonly output: IpOutput;
  private readonly groups: Groups;
  /** Key: identifier, plus 65536 for IPv6. */
  private readonly byIdent = new Map<number, PingEndpoint>();

  constructor(
    ctx: NetContext,
    output: IpOutput,
    groups: Groups,
    icmpv4: Icmpv4,
    icmpv6: Icmpv6,
  ) {
    this.ctx = ctx;
    this.output = output;
    this.groups = groups;
    icmpv4.onEchoReply = (p) => this.reply(p, 0);
    icmpv6.onEchoReply = (p) => this.reply(p, 65536);
    icmpv4.onError = (e) => this.error(e, 0);
    icmpv6.onError = (e) => this.error(e, 65536);
  }

  /** A new endpoint. */
  createEndpoint(isV6: boolean): PingEndpoint {
    return new PingEndpoint(this.ctx, this.output, this.groups, this, isV6);
  }

  /** Gives `e` the identifier `ident`, or a free one if that is 0. */
  claim(e: PingEndpoint, ident: number): number {
    const family = e.isV6 ? 65536 : 0;
    if (ident === 0) {
      const start = this.ctx.random.below(65535);
      for (let i = 0; i < 65535 && ident === 0; i++) {
        const candidate = 1 + ((start + i) % 65535);
        if (!this.byIdent.has(candidate + family)) ident = candidate;
      }
      if (ident === 0) return -EADDRINUSE;
    } else if (this.byIdent.has(ident + family)) return -EADDRINUSE;
    this.byIdent.set(ident + family, e);
    e.localPort = ident;
    return 0;
  }

  /** Gives the identifier of `e` back. */
  release(e: PingEndpoint): void {
    const key = e.localPort + (e.isV6 ? 65536 : 0);
    if (this.byIdent.get(key) === e) this.byIdent.delete(key);
  }

  private reply(packet: Packet, family: number): void {
    const e = this.byIdent.get(get16(packet.bytes, packet.start + 4) + family);
    if (e !== undefined) e.accept(packet);
  }

  private error(n: NetworkError, family: number): void {
    if (n.end - n.at < ICMP_HEADER) return;
    const type = n.bytes[n.at];
    if (type !== (family === 0 ? ICMP_ECHO : ICMP6_ECHO)) return;
    this.byIdent.get(get16(n.bytes, n.at + 4) + family)?.networkError(n);
  }
}

/** A ping endpoint: sends echo requests and receives their replies. */
export class PingEndpoint extends DatagramEndpoint {
  private readonly owner: Ping;

  constructor(
    ctx: NetContext,
    output: IpOutput,
    groups: Groups,
    owner: Ping,
    isV6: boolean,
  ) {
    super(ctx, output, groups, isV6);
    this.owner = owner;
  }

  /** Binds to an address and identifier (a free one if 0). */
  bind(address: IpAddress | null, ident: number, index = 0): number {
    if (this.localPort !== 0) return -EINVAL;
    const a = address ?? (this.isV6 ? ANY_V6 : ANY_V4);
    if (a.isV4 === this.isV6) return -EAFNOSUPPORT;
    const r = this.checkLocal(a, index);
    if (r < 0) return r;
    const c = this.owner.claim(this, ident);
    if (c === 0) this.local = a;
    return c;
  }

  /** Sets the peer. */
  connect(address: IpAddress, index = 0): number {
    if (address.isV4 === this.isV6) return -EAFNOSUPPORT;
    this.dropRoute();
    const route = this.routeTo(address, this.local, index);
    if (typeof route === "number") return route;
    if (this.localPort === 0) {
      const r = this.owner.claim(this, 0);
      if (r < 0) return r;
    }
    if (this.local.isAny) this.local = route.source;
    this.remote = address;
    this.connected = true;
    return 0;
  }

  /** Forgets the peer. */
  disconnect(): number {
    this.connected = false;
    this.remote = this.isV6 ? ANY_V6 : ANY_V4;
    return 0;
  }

  /** Sends an echo request; identifier and checksum are filled in. */
  send(src: ByteSource, len: number, _flags: number, to: SendTarget | null): number {
    if (this.writeClosed) return -EPIPE;
    if (this.pendingError !== 0) return -this.takeError();
    if (to === null && !this.connected) return -EDESTADDRREQ;
    const dst = to === null ? this.remote : to.address;
    if (dst.isV4 === this.isV6) return -EAFNOSUPPORT;
    if (len < ICMP_HEADER) return -EINVAL;
    if (len > 65507) return -EMSGSIZE;
    if (this.localPort === 0) {
      const r = this.owner.claim(this, 0);
      if (r < 0) return r;
    }
    const source = to?.source ?? (this.local.isAny ? null : this.local);
    const route = this.routeTo(dst, source, to?.index ?? 0);
    if (typeof route === "number") return route;
    if (route.type === RouteType.Broadcast && !this.broadcast) return -EACCES;
    const p = this.ctx.pool.get(len);
    const n = src.take(p.bytes, p.start, len);
    if (n < ICMP_HEADER) {
      p.release();
      return n < 0 ? n : -EINVAL;
    }
    p.end = p.start + n;
    p.mark = this.mark;
    const b = p.bytes;
    if (b[p.start] !== (this.isV6 ? ICMP6_ECHO : ICMP_ECHO) || b[p.start + 1] !== 0) {
      p.release();
      return -EINVAL;
    }
    const protocol = this.isV6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
    const from = source ?? route.source;
    set16(b, p.start + 4, this.localPort);
    set16(b, p.start + 2, 0);
    const sum = this.isV6
      ? transportChecksum(b, p.start, p.end, from, dst, protocol)
      : checksum(b, p.start, p.end);
    set16(b, p.start + 2, sum);
    const o = this.prepareOptions(dst, to?.ttl ?? -1, to?.tos ?? -1);
    const r = this.output.send(p, route, from, dst, protocol, o);
    return r < 0 ? r : n;
  }

  /** A reply with this endpoint's identifier; borrowed. */
  accept(packet: Packet): void {
    if (this.device !== 0 && this.device !== packet.inIndex) return;
    if (this.connected && !this.remote.equals(packet.src)) return;
    if (!this.local.isAny && !this.local.equals(packet.dst)) return;
    this.enqueue(packet);
  }

  protected sourcePort(): number {
    return 0;
  }

  /** An ICMP error about a request of this endpoint. */
  networkError(e: NetworkError): void {
    this.handleError(e, this.localPort, e.at);
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
    this.owner.release(this);
    this.releaseAll();
  }
}
