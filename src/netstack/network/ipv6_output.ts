// hot: every IPv6 packet that leaves.

import { EMSGSIZE, EPERM } from "../core/errno.ts";
import { HEADROOM, type Packet, PacketType } from "../core/packet.ts";
import { type IpAddress, multicastMac } from "../wire/address.ts";
import { set16, set32 } from "../wire/bytes.ts";
import { ETH_P_IPV6 } from "../wire/ethernet.ts";
import { emitIpv6, IPPROTO_FRAGMENT, IPV6_FRAGMENT_HEADER, IPV6_HEADER } from "../wire/ipv6.ts";
import { HookPoint, type NetContext } from "./context.ts";
import type { NetworkInterface } from "./interface.ts";
import { type Route, RouteType } from "./route.ts";
import { finishChecksum } from "./segmentation.ts";

/** Sends IPv6 packets. */
export class Ipv6Output {
  private readonly ctx: NetContext;

  constructor(ctx: NetContext) {
    this.ctx = ctx;
  }

  /**
   * Puts an IPv6 header before what `packet` shows and sends it by `route`. `extensions`, if any,
   * are whole extension headers whose last "next header" byte stands at `lastNext` in them and
   * whose first has type `firstHeader`. Takes ownership; returns 0 or a negative errno.
   */
  send(
    packet: Packet,
    route: Route,
    src: IpAddress,
    dst: IpAddress,
    protocol: number,
    hopLimit: number,
    trafficClass: number,
    flowLabel: number,
    dontFragment: boolean,
    extensions: Ipv6Extensions | null = null,
    loop = true,
  ): number {
    packet.transportStart = packet.start;
    let next = protocol;
    if (extensions !== null) {
      packet.start -= extensions.bytes.length;
      packet.bytes.set(extensions.bytes, packet.start);
      packet.bytes[packet.start + extensions.lastNext] = protocol;
      next = extensions.first;
    }
    const length = packet.length;
    if (length > 65535) {
      packet.release();
      return -EMSGSIZE;
    }
    packet.start -= IPV6_HEADER;
    packet.networkStart = packet.start;
    packet.protocol = ETH_P_IPV6;
    packet.upper = protocol;
    packet.src = src;
    packet.dst = dst;
    packet.tos = trafficClass;
    packet.ttl = hopLimit;
    emitIpv6(
      packet.bytes,
      packet.start,
      trafficClass,
      flowLabel,
      length,
      next,
      hopLimit,
      src,
      dst,
    );
    return this.sendPrepared(packet, route, dontFragment, loop);
  }

  /** Sends a packet made here that has its IPv6 header; takes ownership. */
  sendPrepared(packet: Packet, route: Route, dontFragment: boolean, loop = true): number {
    this.ctx.counters.ip6OutRequests++;
    const hooks = this.ctx.hooks;
    if (hooks !== null) {
      const before = packet.dst;
      if (!hooks.run(HookPoint.LocalOut, packet, null, route.out)) return -EPERM;
      if (!packet.dst.equals(before)) {
        const r = this.ctx.routes.lookup(packet.dst, packet.src, 0, packet.mark);
        if (typeof r === "number") {
          packet.release();
          return r;
        }
        route = r;
      }
    }
    return this.output(packet, route, !dontFragment, loop);
  }

  /** Sends a packet past the output filter. */
  output(packet: Packet, route: Route, mayFragment: boolean, loop: boolean): number {
    const hooks = this.ctx.hooks;
    if (hooks !== null && !hooks.run(HookPoint.PostRouting, packet, null, route.out)) {
      return -EPERM;
    }
    if (route.type === RouteType.Multicast) {
      if (loop) this.loopBack(packet, route);
      if (packet.ttl === 0 || ((packet.dst.w0 >>> 16) & 15) <= 1) {
        packet.release();
        return 0;
      }
    }
    const mtu = packet.segmentSize > 0 ? 65575 : Math.min(route.mtu, route.out.mtu);
    if (packet.length > mtu) {
      if (!mayFragment && packet.fragmentSize === 0) {
        packet.release();
        return -EMSGSIZE;
      }
      return this.fragment(packet, mtu, route);
    }
    this.transmit(packet, route.out, route.nextHop);
    return 0;
  }

  private loopBack(packet: Packet, route: Route): void {
    const lo = this.ctx.routes.loopback;
    if (lo === null || lo === route.out || !route.out.hasGroup(packet.dst)) return;
    const copy = this.ctx.pool.clone(packet);
    if (copy.checksum === 2) finishChecksum(copy);
    copy.inIndex = route.out.index;
    copy.type = PacketType.Multicast;
    lo.device.send(copy);
  }

  /** Hands a packet to the link. */
  transmit(packet: Packet, out: NetworkInterface, nextHop: IpAddress): void {
    if (!out.isEthernet) {
      if (out.isLoopback) packet.inIndex = out.index;
      out.sendTo(0, packet);
    } else if (nextHop.isMulticast) out.sendTo(multicastMac(nextHop), packet);
    else if (out.neighbours6 !== null) out.neighbours6.send(nextHop, packet);
    else packet.release();
  }

  /** Only the sender fragments (RFC 8200 4.5); this host's packets have no per-hop headers then. */
  private fragment(packet: Packet, mtu: number, route: Route): number {
    if (packet.checksum === 2) finishChecksum(packet);
    const b = packet.bytes;
    const at = packet.start;
    const ident = this.ctx.random.u32();
    const room = (mtu - IPV6_HEADER - IPV6_FRAGMENT_HEADER) & ~7;
    const total = packet.length - IPV6_HEADER;
    if (room < 8) {
      packet.release();
      return -EMSGSIZE;
    }
    const next = b[at + 6];
    const data = at + IPV6_HEADER;
    for (let from = 0; from < total; from += room) {
      const n = Math.min(room, total - from);
      const f = this.ctx.pool.get(IPV6_HEADER + IPV6_FRAGMENT_HEADER + n);
      f.copyMetadata(packet);
      const o = HEADROOM;
      f.start = o;
      f.bytes.set(b.subarray(at, data), o);
      set16(f.bytes, o + 4, IPV6_FRAGMENT_HEADER + n);
      f.bytes[o + 6] = IPPROTO_FRAGMENT;
      const h = o + IPV6_HEADER;
      f.bytes[h] = next;
      f.bytes[h + 1] = 0;
      set16(f.bytes, h + 2, from | (from + n < total ? 1 : 0));
      set32(f.bytes, h + 4, ident);
      f.bytes.set(b.subarray(data + from, data + from + n), h + IPV6_FRAGMENT_HEADER);
      f.end = h + IPV6_FRAGMENT_HEADER + n;
      f.networkStart = o;
      f.transportStart = h + IPV6_FRAGMENT_HEADER;
      this.ctx.counters.ipFragmentsCreated++;
      this.transmit(f, route.out, route.nextHop);
    }
    this.ctx.counters.ipFragmentsOk++;
    packet.release();
    return 0;
  }
}

/** Extension headers to put between the IPv6 header and the upper layer. */
export interface Ipv6Extensions {
  bytes: Uint8Array;
  /** Type of the first. */
  first: number;
  /** Offset of the last one's "next header" byte. */
  lastNext: number;
}
