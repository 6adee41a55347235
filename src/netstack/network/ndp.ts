/** Neighbour discovery (RFC 4861), duplicate address detection and autoconfiguration (RFC 4862). */

import { type Packet } from "../core/packet.ts";
import { SECOND, Timer } from "../core/timer.ts";
import {
  ALL_NODES_V6,
  ALL_ROUTERS_V6,
  ANY_V6,
  type IpAddress,
  ipFromWords,
  isGroupMac,
  readIpv6,
  solicitedNode,
} from "../wire/address.ts";
import { get16, set16, set32 } from "../wire/bytes.ts";
import { transportChecksum } from "../wire/checksum.ts";
import {
  ICMP6_NEIGHBOUR_ADVERTISEMENT,
  ICMP6_NEIGHBOUR_SOLICITATION,
  ICMP6_ROUTER_ADVERTISEMENT,
  ICMP6_ROUTER_SOLICITATION,
} from "../wire/icmp.ts";
import { IPPROTO_ICMPV6, IPV6_MIN_MTU } from "../wire/ipv6.ts";
import { emitLinkAddress, eui64, NdpOptions } from "../wire/ndp.ts";
import type { NetContext } from "./context.ts";
import type { Groups } from "./groups.ts";
import {
  AddressState,
  type InterfaceAddress,
  type NetworkInterface,
  SCOPE_LINK,
} from "./interface.ts";
import type { Ipv6Output } from "./ipv6_output.ts";
import type { NeighbourLink } from "./neighbour.ts";
import { PROTOCOL_RA, Route, RouteType, TABLE_MAIN } from "./route.ts";

const FLAG_ROUTER = 0x80000000;
const FLAG_SOLICITED = 0x40000000;
const FLAG_OVERRIDE = 0x20000000;
const RETRANSMIT = SECOND;
const SOLICITATION_INTERVAL = 4 * SECOND;
/** Automatic addresses of one interface, and routes that advertisements may make. */
const MAX_AUTOMATIC = 16;

class AddressTimer extends Timer {
  private readonly ndp: Ndp;
  readonly at: NetworkInterface;
  readonly entry: InterfaceAddress;

  constructor(ndp: Ndp, at: NetworkInterface, entry: InterfaceAddress) {
    super();
    this.ndp = ndp;
    this.at = at;
    this.entry = entry;
  }

  fire(now: number): void {
    this.ndp.addressDue(this, now);
  }
}

class SolicitTimer extends Timer {
  private readonly ndp: Ndp;
  readonly at: NetworkInterface;
  left = 0;

  constructor(ndp: Ndp, at: NetworkInterface) {
    super();
    this.ndp = ndp;
    this.at = at;
  }

  fire(now: number): void {
    this.ndp.solicitRouters(this, now);
  }
}

/** Adds and removes addresses on the protocol's behalf: the stack. */
export interface AddressManager {
  addAutomatic(at: NetworkInterface, address: IpAddress, prefix: number): InterfaceAddress | null;
  removeAddress(at: NetworkInterface, address: IpAddress): number;
}

/** The protocol. */
export class Ndp {
  private readonly ctx: NetContext;
  private readonly output: Ipv6Output;
  private readonly groups: Groups;
  private readonly options = new NdpOptions();
  private readonly addressTimers = new Map<InterfaceAddress, AddressTimer>();
  private readonly solicitTimers = new Map<NetworkInterface, SolicitTimer>();
  manager: AddressManager | null = null;
  onUnreachable: ((packet: Packet) => void) | null = null;
  /** Called when an address is found to be someone else's. */
  onDuplicate: ((at: NetworkInterface, entry: InterfaceAddress) => void) | null = null;

  constructor(ctx: NetContext, output: Ipv6Output, groups: Groups) {
    this.ctx = ctx;
    this.output = output;
    this.groups = groups;
  }

  /** A new address: its group is joined and, on a link with others, it is checked to be free. */
  addressAdded(at: NetworkInterface, entry: InterfaceAddress): void {
    if (at.isLoopback) return;
    const check = at.isEthernet && at.dadTransmits > 0 && at.isUp;
    // Before the group is joined, as the report must not come from an unchecked address.
    if (check) entry.state = AddressState.Tentative;
    this.groups.join(at, solicitedNode(entry.address));
    if (!check) return;
    entry.probesLeft = at.dadTransmits;
    const t = this.timerOf(at, entry);
    // A random wait keeps nodes that start together apart.
    this.ctx.timers.arm(t, this.ctx.clock.now() + this.ctx.random.unit() * 0.01 * SECOND);
  }

  /** An address goes. */
  addressRemoved(at: NetworkInterface, entry: InterfaceAddress): void {
    const t = this.addressTimers.get(entry);
    if (t !== undefined) {
      this.ctx.timers.remove(t);
      this.addressTimers.delete(entry);
    }
    if (!at.isLoopback) this.groups.leave(at, solicitedNode(entry.address));
  }

  private timerOf(at: NetworkInterface, entry: InterfaceAddress): AddressTimer {
    let t = this.addressTimers.get(entry);
    if (t === undefined) {
      t = new AddressTimer(this, at, entry);
      this.addressTimers.set(entry, t);
    }
    return t;
  }

  /** The next step in the life of an address. */
  addressDue(t: AddressTimer, now: number): void {
    const e = t.entry;
    if (e.state === AddressState.Tentative) {
      if (e.probesLeft > 0) {
        e.probesLeft--;
        this.sendSolicitation(t.at, ANY_V6, e.address, solicitedNode(e.address));
        this.ctx.timers.arm(t, now + RETRANSMIT);
        return;
      }
      e.state = AddressState.Preferred;
      this.ctx.routes.generation++;
      this.ctx.routes.events?.address(t.at, e, false);
      if (e.address.isLinkLocal) this.startSolicitation(t.at);
    }
    if (e.validUntil <= now) {
      this.manager?.removeAddress(t.at, e.address);
      return;
    }
    if (e.preferredUntil <= now && e.state === AddressState.Preferred) {
      e.state = AddressState.Deprecated;
      this.ctx.routes.events?.address(t.at, e, false);
    }
    const next = e.preferredUntil > now ? Math.min(e.preferredUntil, e.validUntil) : e.validUntil;
    if (next < Infinity) this.ctx.timers.arm(t, next);
  }

  /** The interface went up with link-local address `linkLocal` already usable or being checked. */
  startSolicitation(at: NetworkInterface): void {
    if (!at.acceptRouterAdvertisements || at.forwarding6 || at.routerSolicitations <= 0) return;
    let t = this.solicitTimers.get(at);
    if (t === undefined) {
      t = new SolicitTimer(this, at);
      this.solicitTimers.set(at, t);
    }
    t.left = at.routerSolicitations;
    this.ctx.timers.arm(t, this.ctx.clock.now() + this.ctx.random.unit() * SECOND);
  }

  /** The interface goes down. */
  stop(at: NetworkInterface): void {
    const t = this.solicitTimers.get(at);
    if (t !== undefined) this.ctx.timers.remove(t);
    this.solicitTimers.delete(at);
  }

  /** Asks for routers. */
  solicitRouters(t: SolicitTimer, now: number): void {
    if (!t.at.isUp || t.left <= 0) return;
    t.left--;
    const source = this.linkLocalOf(t.at) ?? ANY_V6;
    const p = this.message(ICMP6_ROUTER_SOLICITATION, 0, source.isAny ? 0 : 8);
    if (!source.isAny) emitLinkAddress(p.bytes, p.start + 8, false, t.at.mac);
    this.send(p, t.at, source, ALL_ROUTERS_V6);
    if (t.left > 0) this.ctx.timers.arm(t, now + SOLICITATION_INTERVAL);
  }

  private linkLocalOf(at: NetworkInterface): IpAddress | null {
    for (const e of at.addresses) {
      const usable = e.state === AddressState.Preferred || e.state === AddressState.Deprecated;
      if (!e.address.isV4 && e.address.isLinkLocal && usable) return e.address;
    }
    return null;
  }

  /** The link that the IPv6 neighbours of an interface are asked for on. */
  linkFor(at: NetworkInterface): NeighbourLink {
    return {
      probe: (target, mac) => this.probe(at, target, mac),
      unreachable: (packet) => this.unreachable(packet),
      sendTo: (mac, packet) => at.sendTo(mac, packet),
    };
  }

  private probe(at: NetworkInterface, target: IpAddress, mac: number): void {
    const source = this.linkLocalOf(at) ??
      this.ctx.routes.selectSource(target, at, null) ?? ANY_V6;
    this.sendSolicitation(at, source, target, mac < 0 ? solicitedNode(target) : target);
  }

  private unreachable(packet: Packet): void {
    if (this.onUnreachable !== null) this.onUnreachable(packet);
    else packet.release();
  }

  private message(type: number, rest: number, more: number): Packet {
    const p = this.ctx.pool.get(8 + more);
    p.end = p.start + 8 + more;
    p.bytes.fill(0, p.start, p.end);
    p.bytes[p.start] = type;
    set32(p.bytes, p.start + 4, rest);
    return p;
  }

  private send(p: Packet, at: NetworkInterface, source: IpAddress, to: IpAddress): void {
    const sum = transportChecksum(p.bytes, p.start, p.end, source, to, IPPROTO_ICMPV6);
    set16(p.bytes, p.start + 2, sum);
    const type = to.isMulticast ? RouteType.Multicast : RouteType.Unicast;
    const route = new Route(at, to, source, to, type, at.mtu, 0, false);
    this.ctx.counters.icmp6OutMessages++;
    this.output.send(p, route, source, to, IPPROTO_ICMPV6, 255, 0, 0, false, null, false);
  }

  private sendSolicitation(
    at: NetworkInterface,
    source: IpAddress,
    target: IpAddress,
    to: IpAddress,
  ): void {
    const withAddress = !source.isAny;
    const p = this.message(ICMP6_NEIGHBOUR_SOLICITATION, 0, withAddress ? 24 : 16);
    target.write16(p.bytes, p.start + 8);
    if (withAddress) emitLinkAddress(p.bytes, p.start + 24, false, at.mac);
    this.send(p, at, source, to);
  }

  private sendAdvertisement(
    at: NetworkInterface,
    target: IpAddress,
    to: IpAddress,
    solicited: boolean,
  ): void {
    const flags = (at.forwarding6 ? FLAG_ROUTER : 0) + (solicited ? FLAG_SOLICITED : 0) +
      FLAG_OVERRIDE;
    const p = this.message(ICMP6_NEIGHBOUR_ADVERTISEMENT, flags, 24);
    target.write16(p.bytes, p.start + 8);
    emitLinkAddress(p.bytes, p.start + 24, true, at.mac);
    this.send(p, at, target, to);
  }

  /** A neighbour discovery message, `start` at the ICMPv6 header; borrowed. */
  receive(packet: Packet, at: NetworkInterface): void {
    // A hop limit of 255 proves that no router let it in.
    if (packet.ttl !== 255 || packet.bytes[packet.start + 1] !== 0 || !at.isEthernet) return;
    switch (packet.bytes[packet.start]) {
      case ICMP6_NEIGHBOUR_SOLICITATION:
        this.solicited(packet, at);
        break;
      case ICMP6_NEIGHBOUR_ADVERTISEMENT:
        this.advertised(packet, at);
        break;
      case ICMP6_ROUTER_ADVERTISEMENT:
        this.routerAdvertised(packet, at);
        break;
      case ICMP6_ROUTER_SOLICITATION:
        this.routerSolicited(packet, at);
        break;
    }
  }

  private solicited(packet: Packet, at: NetworkInterface): void {
    if (packet.length < 24) return;
    const b = packet.bytes;
    const target = readIpv6(b, packet.start + 8);
    const o = this.options;
    if (target.isMulticast || !o.parse(b, packet.start + 24, packet.end)) return;
    const fromNobody = packet.src.isAny;
    if (fromNobody && (o.sourceMac >= 0 || !packet.dst.equals(solicitedNode(target)))) return;
    const entry = at.findAddress(target);
    if (entry === null) return;
    if (entry.state === AddressState.Tentative) {
      if (fromNobody) this.duplicate(at, entry);
      return;
    }
    if (entry.state === AddressState.Duplicate) return;
    if (fromNobody) {
      this.sendAdvertisement(at, target, ALL_NODES_V6, false);
      return;
    }
    if (o.sourceMac >= 0 && !isGroupMac(o.sourceMac)) {
      at.neighbours6?.heard(packet.src, o.sourceMac, false, true, true);
    }
    this.sendAdvertisement(at, target, packet.src, true);
  }

  private duplicate(at: NetworkInterface, entry: InterfaceAddress): void {
    entry.state = AddressState.Duplicate;
    const t = this.addressTimers.get(entry);
    if (t !== undefined) this.ctx.timers.remove(t);
    this.ctx.routes.events?.address(at, entry, false);
    if (this.onDuplicate !== null) this.onDuplicate(at, entry);
  }

  private advertised(packet: Packet, at: NetworkInterface): void {
    if (packet.length < 24) return;
    const b = packet.bytes;
    const target = readIpv6(b, packet.start + 8);
    const flags = b[packet.start + 4];
    const o = this.options;
    if (target.isMulticast || !o.parse(b, packet.start + 24, packet.end)) return;
    const solicited = (flags & 0x40) !== 0;
    if (solicited && packet.dst.isMulticast) return;
    const entry = at.findAddress(target);
    if (entry !== null) {
      if (entry.state === AddressState.Tentative) this.duplicate(at, entry);
      return;
    }
    if (o.targetMac < 0 || isGroupMac(o.targetMac)) {
      if (solicited) at.neighbours6?.confirm(target);
      return;
    }
    const override = (flags & 0x20) !== 0;
    const n = at.neighbours6?.heard(target, o.targetMac, solicited, false, override) ?? null;
    if (n === null) return;
    const isRouter = (flags & 0x80) !== 0;
    if (n.isRouter && !isRouter) this.dropRouter(at, target);
    n.isRouter = isRouter;
  }

  private routerSolicited(packet: Packet, at: NetworkInterface): void {
    if (!this.options.parse(packet.bytes, packet.start + 8, packet.end)) return;
    const mac = this.options.sourceMac;
    if (packet.src.isAny || mac < 0 || isGroupMac(mac)) return;
    at.neighbours6?.heard(packet.src, mac, false, true, true);
  }

  private dropRouter(at: NetworkInterface, router: IpAddress): void {
    this.ctx.routes.removeWhere((r) =>
      r.protocol === PROTOCOL_RA && r.interfaceIndex === at.index && r.gateway !== null &&
      r.gateway.equals(router)
    );
  }

  private routerAdvertised(packet: Packet, at: NetworkInterface): void {
    const b = packet.bytes;
    const s = packet.start;
    if (packet.length < 16 || !packet.src.isLinkLocal) return;
    if (!at.acceptRouterAdvertisements || at.forwarding6) return;
    const o = this.options;
    if (!o.parse(b, s + 16, packet.end)) return;
    const solicit = this.solicitTimers.get(at);
    if (solicit !== undefined) solicit.left = 0;
    if (b[s + 4] !== 0) at.hopLimit6 = b[s + 4];
    if (o.sourceMac >= 0 && !isGroupMac(o.sourceMac)) {
      const n = at.neighbours6?.heard(packet.src, o.sourceMac, false, true, true) ?? null;
      if (n !== null) n.isRouter = true;
    }
    const now = this.ctx.clock.now();
    this.defaultRoute(at, packet.src, get16(b, s + 6), now);
    if (o.mtu >= IPV6_MIN_MTU && o.mtu <= at.device.mtu) {
      at.mtu6 = o.mtu;
      this.ctx.routes.generation++;
    }
    for (const p of o.prefixes) {
      if (p.prefix.isLinkLocal || p.prefix.isMulticast || p.prefix.isV4) continue;
      if (p.onLink) this.onLinkPrefix(at, p.prefix.masked(p.length), p.length, p.valid, now);
      if (p.autonomous && p.length === 64 && p.preferred <= p.valid && at.autoconfigure) {
        this.autoconfigure(at, p.prefix, p.valid, p.preferred, now);
      }
    }
  }

  private defaultRoute(
    at: NetworkInterface,
    router: IpAddress,
    lifetime: number,
    now: number,
  ): void {
    if (lifetime === 0) {
      this.dropRouter(at, router);
      return;
    }
    this.addRoute(at, ANY_V6, 0, router, now + lifetime * SECOND);
  }

  private onLinkPrefix(
    at: NetworkInterface,
    prefix: IpAddress,
    length: number,
    valid: number,
    now: number,
  ): void {
    if (valid === 0) {
      this.ctx.routes.remove(prefix, length, TABLE_MAIN, null, at.index, 0);
      return;
    }
    this.addRoute(at, prefix, length, null, now + valid * SECOND);
  }

  private addRoute(
    at: NetworkInterface,
    destination: IpAddress,
    prefix: number,
    gateway: IpAddress | null,
    expires: number,
  ): void {
    const routes = this.ctx.routes;
    let count = 0;
    for (const r of routes.list(false)) {
      if (r.protocol !== PROTOCOL_RA || r.interfaceIndex !== at.index) continue;
      count++;
      const sameGateway = gateway === null
        ? r.gateway === null
        : r.gateway !== null && r.gateway.equals(gateway);
      if (sameGateway && r.prefix === prefix && r.destination.equals(destination)) {
        r.expires = expires;
        return;
      }
    }
    if (count >= 2 * MAX_AUTOMATIC) return;
    routes.add({
      destination,
      prefix,
      gateway,
      interfaceIndex: at.index,
      metric: 1024,
      table: TABLE_MAIN,
      protocol: PROTOCOL_RA,
      scope: gateway === null ? SCOPE_LINK : 0,
      type: RouteType.Unicast,
      source: null,
      mtu: 0,
      tos: 0,
      expires,
    });
  }

  private autoconfigure(
    at: NetworkInterface,
    prefix: IpAddress,
    valid: number,
    preferred: number,
    now: number,
  ): void {
    const [w0, w1, w2, w3] = eui64(prefix, at.mac);
    const address = ipFromWords(w0, w1, w2, w3);
    let e = at.findAddress(address);
    if (e === null) {
      if (valid === 0 || this.manager === null) return;
      if (at.addresses.filter((x) => x.automatic).length >= MAX_AUTOMATIC) return;
      e = this.manager.addAutomatic(at, address, 64);
      if (e === null) return;
      e.automatic = true;
      e.validUntil = now + valid * SECOND;
    } else if (!e.automatic) return;
    // An unauthenticated router can't shorten a life below two hours (RFC 4862 5.5.3).
    const left = e.validUntil - now;
    const asked = valid * SECOND;
    if (asked > 7200 * SECOND || asked > left) e.validUntil = now + asked;
    else if (left > 7200 * SECOND) e.validUntil = now + 7200 * SECOND;
    e.preferredUntil = now + preferred * SECOND;
    if (e.state === AddressState.Deprecated && preferred > 0) e.state = AddressState.Preferred;
    if (e.state !== AddressState.Tentative) {
      const next = Math.min(e.preferredUntil, e.validUntil);
      if (next < Infinity) this.ctx.timers.arm(this.timerOf(at, e), next);
    }
  }
}
