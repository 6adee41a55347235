// hot: every IPv4 packet that leaves.

import { EINVAL, EMSGSIZE, EPERM } from "../core/errno.ts";
import { HEADROOM, type Packet, PacketType } from "../core/packet.ts";
import { BROADCAST_MAC, type IpAddress, multicastMac } from "../wire/address.ts";
import { get16, set16 } from "../wire/bytes.ts";
import { ETH_P_IP } from "../wire/ethernet.ts";
import {
  checkIpv4Options,
  emitIpv4,
  IPOPT_END,
  IPOPT_NOOP,
  IPV4_DF,
  IPV4_HEADER,
  IPV4_MAX_HEADER,
  IPV4_MF,
  sealIpv4,
} from "../wire/ipv4.ts";
import { HookPoint, type NetContext } from "./context.ts";
import type { NetworkInterface } from "./interface.ts";
import { type Route, RouteType } from "./route.ts";
import { finishChecksum } from "./segmentation.ts";

const IDENT_COUNTERS = 2048;

/** Sends IPv4 packets. */
export class Ipv4Output {
  private readonly ctx: NetContext;
  private readonly idents: Uint16Array;

  constructor(ctx: NetContext) {
    this.ctx = ctx;
    this.idents = new Uint16Array(IDENT_COUNTERS);
    for (let i = 0; i < IDENT_COUNTERS; i++) this.idents[i] = ctx.random.u32();
  }

  private nextIdent(src: IpAddress, dst: IpAddress): number {
    const h = Math.imul(dst.w3 ^ this.ctx.secret, 0x85ebca6b) ^ Math.imul(src.w3, 0xc2b2ae35);
    return this.idents[(h ^ (h >>> 16)) & (IDENT_COUNTERS - 1)]++;
  }

  /**
   * Puts an IPv4 header before the transport segment that `packet` shows, and sends it by
   * `route`. Takes ownership; returns 0 or a negative errno.
   */
  send(
    packet: Packet,
    route: Route,
    src: IpAddress,
    dst: IpAddress,
    protocol: number,
    ttl: number,
    tos: number,
    dontFragment: boolean,
    options: Uint8Array | null,
    loop = true,
  ): number {
    const optionLength = options === null ? 0 : options.length;
    const header = IPV4_HEADER + optionLength;
    const total = packet.length + header;
    if (total > 65535) {
      packet.release();
      return -EMSGSIZE;
    }
    packet.transportStart = packet.start;
    packet.start -= header;
    packet.networkStart = packet.start;
    packet.protocol = ETH_P_IP;
    packet.upper = protocol;
    packet.src = src;
    packet.dst = dst;
    packet.tos = tos;
    packet.ttl = ttl;
    const b = packet.bytes;
    emitIpv4(
      b,
      packet.start,
      header,
      tos,
      total,
      this.nextIdent(src, dst),
      dontFragment ? 0x4000 : 0,
      ttl,
      protocol,
      src,
      dst,
    );
    if (options !== null) b.set(options, packet.start + IPV4_HEADER);
    sealIpv4(b, packet.start);
    return this.sendPrepared(packet, route, loop);
  }

  /** Sends a packet made here that has its IPv4 header; takes ownership. */
  sendPrepared(packet: Packet, route: Route, loop = true): number {
    this.ctx.counters.ipOutRequests++;
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
    return this.output(packet, route, loop);
  }

  /** Sends a packet past the output filter: fragments it if need be. */
  output(packet: Packet, route: Route, loop: boolean): number {
    const hooks = this.ctx.hooks;
    if (hooks !== null && !hooks.run(HookPoint.PostRouting, packet, null, route.out)) {
      return -EPERM;
    }
    const group = route.type === RouteType.Multicast || route.type === RouteType.Broadcast;
    if (group && loop) this.loopBack(packet, route);
    if (group && packet.ttl === 0) {
      packet.release();
      return 0;
    }
    const mtu = packet.segmentSize > 0 ? 65535 : Math.min(route.mtu, route.out.mtu);
    if (packet.length > mtu) {
      const df = (packet.bytes[packet.start + 6] & 0x40) !== 0;
      if (df && packet.fragmentSize === 0) {
        packet.release();
        this.ctx.counters.ipFragmentsFail++;
        return -EMSGSIZE;
      }
      return this.fragment(packet, mtu, route);
    }
    this.transmit(packet, route.out, route.nextHop, route.type);
    return 0;
  }

  /** Gives this host its copy of a packet to a group it belongs to. */
  private loopBack(packet: Packet, route: Route): void {
    const lo = this.ctx.routes.loopback;
    if (lo === null || lo === route.out) return;
    if (route.type === RouteType.Multicast && !route.out.hasGroup(packet.dst)) return;
    const copy = this.ctx.pool.clone(packet);
    if (copy.checksum === 2) finishChecksum(copy);
    copy.inIndex = route.out.index;
    copy.type = route.type === RouteType.Multicast ? PacketType.Multicast : PacketType.Broadcast;
    lo.device.send(copy);
  }

  /** Hands a packet to the link. */
  transmit(packet: Packet, out: NetworkInterface, nextHop: IpAddress, type: RouteType): void {
    if (!out.isEthernet) {
      if (out.isLoopback) packet.inIndex = out.index;
      out.sendTo(0, packet);
    } else if (nextHop.isMulticast) out.sendTo(multicastMac(nextHop), packet);
    else if (type === RouteType.Broadcast) out.sendTo(BROADCAST_MAC, packet);
    else if (out.neighbours4 !== null) out.neighbours4.send(nextHop, packet);
    else packet.release();
  }

  /** Cuts a packet into fragments of at most `mtu` bytes (RFC 791 3.2). */
  private fragment(packet: Packet, mtu: number, route: Route): number {
    if (packet.checksum === 2) finishChecksum(packet);
    const b = packet.bytes;
    const at = packet.start;
    const header = (b[at] & 15) << 2;
    const room = (mtu - header) & ~7;
    if (room < 8) {
      packet.release();
      return -EINVAL;
    }
    const flagsAndOffset = get16(b, at + 6);
    const base = flagsAndOffset & 0x1fff;
    const lastHasMore = ((flagsAndOffset >>> 13) & IPV4_MF) !== 0;
    const df = (flagsAndOffset >>> 13) & IPV4_DF;
    const total = packet.length - header;
    for (let from = 0; from < total; from += room) {
      const n = Math.min(room, total - from);
      const f = this.ctx.pool.get(IPV4_MAX_HEADER + n);
      f.copyMetadata(packet);
      f.start = HEADROOM;
      f.bytes.set(b.subarray(at, at + header), HEADROOM);
      f.bytes.set(b.subarray(at + header + from, at + header + from + n), HEADROOM + header);
      f.end = HEADROOM + header + n;
      f.networkStart = HEADROOM;
      f.transportStart = HEADROOM + header;
      set16(f.bytes, HEADROOM + 2, header + n);
      const more = from + n < total || lastHasMore ? IPV4_MF : 0;
      set16(f.bytes, HEADROOM + 6, ((df | more) << 13) | (base + (from >>> 3)));
      if (from > 0) dropUncopiedOptions(f.bytes, HEADROOM + IPV4_HEADER, HEADROOM + header);
      sealIpv4(f.bytes, HEADROOM);
      this.ctx.counters.ipFragmentsCreated++;
      this.transmit(f, route.out, route.nextHop, route.type);
    }
    this.ctx.counters.ipFragmentsOk++;
    packet.release();
    return 0;
  }
}

/** Options without the copy bit stand in the first fragment only. */
function dropUncopiedOptions(b: Uint8Array, from: number, to: number): void {
  if (checkIpv4Options(b, from, from, to) >= 0) return;
  let i = from;
  while (i < to && b[i] !== IPOPT_END) {
    if (b[i] === IPOPT_NOOP) {
      i++;
      continue;
    }
    const n = b[i + 1];
    if ((b[i] & 0x80) === 0) b.fill(IPOPT_NOOP, i, i + n);
    i += n;
  }
}
