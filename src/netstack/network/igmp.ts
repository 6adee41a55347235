/** IGMP (RFC 2236, RFC 3376): tells routers which groups this host is in. */

import { ChecksumState, type Packet } from "../core/packet.ts";
import { MS, SECOND } from "../core/timer.ts";
import { ALL_SYSTEMS_V4, type IpAddress, ipv4, readIpv4 } from "../wire/address.ts";
import { get16, set16, set32 } from "../wire/bytes.ts";
import { checksum } from "../wire/checksum.ts";
import { IPOPT_ROUTER_ALERT, IPPROTO_IGMP } from "../wire/ipv4.ts";
import type { NetContext, NetworkError, TransportHandler } from "./context.ts";
import type { GroupReporter } from "./groups.ts";
import type { GroupMembership, NetworkInterface } from "./interface.ts";
import type { Ipv4Output } from "./ipv4_output.ts";
import { Route, RouteType } from "./route.ts";

const QUERY = 0x11;
const V1_REPORT = 0x12;
const V2_REPORT = 0x16;
const LEAVE = 0x17;
const V3_REPORT = 0x22;

/** Record types of version 3. */
const MODE_IS_EXCLUDE = 2;
const CHANGE_TO_INCLUDE = 3;
const CHANGE_TO_EXCLUDE = 4;

const ALL_ROUTERS: IpAddress = ipv4(0xe0000002);
const V3_ROUTERS: IpAddress = ipv4(0xe0000016);
const ROUTER_ALERT: Uint8Array = new Uint8Array([IPOPT_ROUTER_ALERT, 4, 0, 0]);
/** How long an old router's query keeps this host at its version. */
const OLD_ROUTER_TIMEOUT = 400 * SECOND;

/** The protocol. */
export class Igmp implements TransportHandler, GroupReporter {
  private readonly ctx: NetContext;
  private readonly output: Ipv4Output;
  private readonly oldUntil = new Map<NetworkInterface, [number, number]>();

  constructor(ctx: NetContext, output: Ipv4Output) {
    this.ctx = ctx;
    this.output = output;
    ctx.transports[IPPROTO_IGMP] = this;
  }

  private version(at: NetworkInterface): number {
    const old = this.oldUntil.get(at);
    return old !== undefined && old[1] > this.ctx.clock.now() ? old[0] : 3;
  }

  joined(at: NetworkInterface, g: GroupMembership): void {
    if (at.isLoopback || !at.isUp || g.group.equals(ALL_SYSTEMS_V4)) return;
    // Said twice, as the first may be lost.
    g.reportsLeft = 1;
    this.report(at, g, CHANGE_TO_EXCLUDE);
    this.ctx.timers.arm(g, this.ctx.clock.now() + this.ctx.random.unit() * SECOND);
  }

  left(at: NetworkInterface, g: GroupMembership): void {
    if (at.isLoopback || !at.isUp || g.group.equals(ALL_SYSTEMS_V4)) return;
    if (this.version(at) === 3) this.report(at, g, CHANGE_TO_INCLUDE);
    else if (this.version(at) === 2 && g.reporter) {
      this.sendShort(at, LEAVE, g.group, ALL_ROUTERS);
    }
  }

  due(at: NetworkInterface, g: GroupMembership): void {
    if (g.reportsLeft > 0) {
      g.reportsLeft--;
      this.report(at, g, CHANGE_TO_EXCLUDE);
    } else this.report(at, g, MODE_IS_EXCLUDE);
  }

  private report(at: NetworkInterface, g: GroupMembership, record: number): void {
    const version = this.version(at);
    g.reporter = true;
    if (version < 3) {
      this.sendShort(at, version === 1 ? V1_REPORT : V2_REPORT, g.group, g.group);
      return;
    }
    const p = this.ctx.pool.get(16);
    const s = p.start;
    p.end = s + 16;
    p.bytes.fill(0, s, p.end);
    p.bytes[s] = V3_REPORT;
    set16(p.bytes, s + 6, 1);
    p.bytes[s + 8] = record;
    g.group.write(p.bytes, s + 12);
    this.send(p, at, V3_ROUTERS);
  }

  private sendShort(at: NetworkInterface, type: number, group: IpAddress, to: IpAddress): void {
    const p = this.ctx.pool.get(8);
    p.end = p.start + 8;
    p.bytes[p.start] = type;
    p.bytes[p.start + 1] = 0;
    set32(p.bytes, p.start + 4, group.v4);
    this.send(p, at, to);
  }

  private send(p: Packet, at: NetworkInterface, to: IpAddress): void {
    set16(p.bytes, p.start + 2, 0);
    set16(p.bytes, p.start + 2, checksum(p.bytes, p.start, p.end));
    const source = this.ctx.routes.selectSource(to, at, null) ?? ipv4(0);
    const route = new Route(at, to, source, to, RouteType.Multicast, at.mtu, 0, false);
    this.output.send(p, route, source, to, IPPROTO_IGMP, 1, 0xc0, true, ROUTER_ALERT, false);
  }

  receive(packet: Packet, at: NetworkInterface): void {
    this.handle(packet, at);
    packet.release();
  }

  private handle(packet: Packet, at: NetworkInterface): void {
    const b = packet.bytes;
    const s = packet.start;
    if (packet.length < 8 || packet.ttl !== 1) return;
    if (packet.checksum === ChecksumState.Unknown && checksum(b, s, packet.end) !== 0) return;
    const group = readIpv4(b, s + 4);
    if (b[s] === V1_REPORT || b[s] === V2_REPORT) {
      // Another host has told the router: no need to.
      const g = at.groups.get(group);
      if (g !== null && this.version(at) < 3) {
        this.ctx.timers.cancel(g);
        g.reporter = false;
      }
      return;
    }
    if (b[s] !== QUERY) return;
    let unit = 100 * MS;
    let code = b[s + 1];
    if (packet.length === 8) {
      const version = code === 0 ? 1 : 2;
      if (code === 0) code = 100;
      this.oldUntil.set(at, [version, this.ctx.clock.now() + OLD_ROUTER_TIMEOUT]);
    } else if (packet.length < 12) return;
    else if (code >= 128) {
      unit *= ((code & 15) | 16) << (((code >>> 4) & 7) + 3);
      code = 1;
      if (get16(b, s + 10) > 0 && group.isAny) return;
    }
    this.answer(at, group, Math.max(1, code) * unit);
  }

  private answer(at: NetworkInterface, group: IpAddress, within: number): void {
    const now = this.ctx.clock.now();
    for (const g of at.groups.values()) {
      if (!g.group.isV4 || g.group.equals(ALL_SYSTEMS_V4)) continue;
      if (!group.isAny && !group.equals(g.group)) continue;
      const at1 = now + this.ctx.random.unit() * within;
      if (g.deadline > at1) this.ctx.timers.arm(g, at1);
    }
  }

  error(_e: NetworkError): void {}
}
