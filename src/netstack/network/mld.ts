/** Multicast listener discovery (RFC 2710, RFC 3810): IGMP's counterpart for IPv6. */

import { type Packet } from "../core/packet.ts";
import { MS, SECOND } from "../core/timer.ts";
import {
  ALL_NODES_V6,
  ALL_ROUTERS_V6,
  ANY_V6,
  type IpAddress,
  ipFromWords,
  readIpv6,
} from "../wire/address.ts";
import { get16, set16 } from "../wire/bytes.ts";
import { transportChecksum } from "../wire/checksum.ts";
import {
  ICMP6_MLD2_REPORT,
  ICMP6_MLD_DONE,
  ICMP6_MLD_QUERY,
  ICMP6_MLD_REPORT,
} from "../wire/icmp.ts";
import { IPPROTO_HOPOPTS, IPPROTO_ICMPV6 } from "../wire/ipv6.ts";
import type { NetContext } from "./context.ts";
import type { GroupReporter } from "./groups.ts";
import { AddressState, type GroupMembership, type NetworkInterface } from "./interface.ts";
import type { Ipv6Extensions, Ipv6Output } from "./ipv6_output.ts";
import { Route, RouteType } from "./route.ts";

const MODE_IS_EXCLUDE = 2;
const CHANGE_TO_INCLUDE = 3;
const CHANGE_TO_EXCLUDE = 4;
const MLD2_ROUTERS: IpAddress = ipFromWords(0xff020000, 0, 0, 0x16);
const OLD_ROUTER_TIMEOUT = 400 * SECOND;

/** The hop-by-hop header with a router alert that MLD messages carry. */
const ROUTER_ALERT: Ipv6Extensions = {
  bytes: new Uint8Array([0, 0, 5, 2, 0, 0, 1, 0]),
  first: IPPROTO_HOPOPTS,
  lastNext: 0,
};

/** The protocol. */
export class Mld implements GroupReporter {
  private readonly ctx: NetContext;
  private readonly output: Ipv6Output;
  private readonly oldUntil = new Map<NetworkInterface, number>();

  constructor(ctx: NetContext, output: Ipv6Output) {
    this.ctx = ctx;
    this.output = output;
  }

  private silent(at: NetworkInterface, group: IpAddress): boolean {
    return at.isLoopback || !at.isUp || group.equals(ALL_NODES_V6) ||
      ((group.w0 >>> 16) & 15) < 2;
  }

  private isOld(at: NetworkInterface): boolean {
    return (this.oldUntil.get(at) ?? -1) > this.ctx.clock.now();
  }

  joined(at: NetworkInterface, g: GroupMembership): void {
    if (this.silent(at, g.group)) return;
    g.reportsLeft = 1;
    this.report(at, g, CHANGE_TO_EXCLUDE);
    this.ctx.timers.arm(g, this.ctx.clock.now() + this.ctx.random.unit() * SECOND);
  }

  left(at: NetworkInterface, g: GroupMembership): void {
    if (this.silent(at, g.group)) return;
    if (!this.isOld(at)) this.report(at, g, CHANGE_TO_INCLUDE);
    else if (g.reporter) this.sendShort(at, ICMP6_MLD_DONE, g.group, ALL_ROUTERS_V6);
  }

  due(at: NetworkInterface, g: GroupMembership): void {
    if (g.reportsLeft > 0) {
      g.reportsLeft--;
      this.report(at, g, CHANGE_TO_EXCLUDE);
    } else this.report(at, g, MODE_IS_EXCLUDE);
  }

  private report(at: NetworkInterface, g: GroupMembership, record: number): void {
    g.reporter = true;
    if (this.isOld(at)) {
      this.sendShort(at, ICMP6_MLD_REPORT, g.group, g.group);
      return;
    }
    const p = this.ctx.pool.get(28);
    const s = p.start;
    p.end = s + 28;
    p.bytes.fill(0, s, p.end);
    p.bytes[s] = ICMP6_MLD2_REPORT;
    set16(p.bytes, s + 6, 1);
    p.bytes[s + 8] = record;
    g.group.write16(p.bytes, s + 12);
    this.send(p, at, MLD2_ROUTERS);
  }

  private sendShort(at: NetworkInterface, type: number, group: IpAddress, to: IpAddress): void {
    const p = this.ctx.pool.get(24);
    p.end = p.start + 24;
    p.bytes.fill(0, p.start, p.end);
    p.bytes[p.start] = type;
    group.write16(p.bytes, p.start + 8);
    this.send(p, at, to);
  }

  private send(p: Packet, at: NetworkInterface, to: IpAddress): void {
    let source = ANY_V6;
    for (const e of at.addresses) {
      if (e.address.isV4 || !e.address.isLinkLocal) continue;
      if (e.state === AddressState.Preferred) source = e.address;
    }
    const sum = transportChecksum(p.bytes, p.start, p.end, source, to, IPPROTO_ICMPV6);
    set16(p.bytes, p.start + 2, sum);
    const route = new Route(at, to, source, to, RouteType.Multicast, at.mtu, 0, false);
    this.ctx.counters.icmp6OutMessages++;
    this.output.send(p, route, source, to, IPPROTO_ICMPV6, 1, 0, 0, false, ROUTER_ALERT, false);
  }

  /** A message, `start` at the ICMPv6 header; borrowed. */
  receive(packet: Packet, at: NetworkInterface): void {
    const b = packet.bytes;
    const s = packet.start;
    if (packet.length < 24 || packet.ttl !== 1 || !packet.src.isLinkLocal) return;
    const group = readIpv6(b, s + 8);
    if (b[s] === ICMP6_MLD_REPORT) {
      const g = at.groups.get(group);
      if (g !== null && this.isOld(at)) {
        this.ctx.timers.cancel(g);
        g.reporter = false;
      }
      return;
    }
    if (b[s] !== ICMP6_MLD_QUERY) return;
    let millis = get16(b, s + 4);
    if (packet.length < 28) this.oldUntil.set(at, this.ctx.clock.now() + OLD_ROUTER_TIMEOUT);
    else if (millis >= 32768) {
      millis = ((millis & 0xfff) | 0x1000) * 2 ** (((millis >>> 12) & 7) + 3);
    }
    const now = this.ctx.clock.now();
    for (const g of at.groups.values()) {
      if (g.group.isV4 || this.silent(at, g.group)) continue;
      if (!group.isAny && !group.equals(g.group)) continue;
      const when = now + this.ctx.random.unit() * Math.max(1, millis) * MS;
      if (g.deadline > when) this.ctx.timers.arm(g, when);
    }
  }
}
