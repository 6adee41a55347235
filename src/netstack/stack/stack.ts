/** A network namespace: interfaces, routes, protocols and endpoints joined to one whole. */

import { EEXIST, EINVAL, ENOBUFS, ENODEV } from "../core/errno.ts";
import { type Packet, PacketType } from "../core/packet.ts";
import type { Random } from "../core/random.ts";
import type { LinkDevice } from "../link/device.ts";
import { LoopbackDevice } from "../link/loopback.ts";
import { PacketFilter } from "../filter/filter.ts";
import { Arp } from "../network/arp.ts";
import { type Clock, NetContext } from "../network/context.ts";
import { Groups } from "../network/groups.ts";
import { Icmpv4 } from "../network/icmpv4.ts";
import { Icmpv4Errors } from "../network/icmpv4_errors.ts";
import { Icmpv6 } from "../network/icmpv6.ts";
import { Icmpv6Errors } from "../network/icmpv6_errors.ts";
import {
  AddressState,
  IFF_UP,
  InterfaceAddress,
  NetworkInterface,
  SCOPE_LINK,
  SCOPE_UNIVERSE,
} from "../network/interface.ts";
import { Igmp } from "../network/igmp.ts";
import { IpOutput } from "../network/ip_output.ts";
import { Ipv4Input } from "../network/ipv4_input.ts";
import { Ipv4Output } from "../network/ipv4_output.ts";
import { Ipv6Input } from "../network/ipv6_input.ts";
import { Ipv6Output } from "../network/ipv6_output.ts";
import { Mld } from "../network/mld.ts";
import { type AddressManager, Ndp } from "../network/ndp.ts";
import { NeighbourTable } from "../network/neighbour.ts";
import { type RouteEntry, RouteType, TABLE_MAIN } from "../network/route.ts";
import { finishChecksum, segmentTcp } from "../network/segmentation.ts";
import { Packets } from "../transport/packet_endpoint.ts";
import { Ping } from "../transport/ping.ts";
import { Raw } from "../transport/raw.ts";
import { Tcp } from "../transport/tcp/protocol.ts";
import { Udp } from "../transport/udp.ts";
import {
  BROADCAST_MAC,
  type IpAddress,
  ipFromWords,
  ipv4,
  isGroupMac,
  LOOPBACK_V6,
} from "../wire/address.ts";
import {
  ETH_P_ARP,
  ETH_P_IP,
  ETH_P_IPV6,
  ETHERNET_HEADER,
  EthernetView,
} from "../wire/ethernet.ts";
import {
  ICMP6_ADDRESS_UNREACHABLE,
  ICMP6_UNREACHABLE,
  ICMP_HOST_UNREACHABLE,
  ICMP_UNREACHABLE,
} from "../wire/icmp.ts";
import { eui64 } from "../wire/ndp.ts";
import { IPPROTO_TCP } from "../wire/ipv4.ts";
import { Addresses, type AddressOptions } from "./addresses.ts";

const LINK_LOCAL_PREFIX: IpAddress = ipFromWords(0xfe800000, 0, 0, 0);
/** Interfaces of one stack. */
const MAX_INTERFACES = 4096;
/** Rounds of loopback delivery in one {@link Stack.poll}, so that its caller gets a turn. */
const MAX_ROUNDS = 64;

/** A stack. */
export class Stack implements AddressManager {
  readonly ctx: NetContext;
  readonly output: IpOutput;
  readonly groups: Groups;
  readonly arp: Arp;
  readonly ndp: Ndp;
  readonly ipv4: Ipv4Input;
  readonly ipv6: Ipv6Input;
  readonly icmpv4: Icmpv4;
  readonly icmpv6: Icmpv6;
  readonly udp: Udp;
  readonly tcp: Tcp;
  readonly raw: Raw;
  readonly ping: Ping;
  readonly packets: Packets;
  readonly loopback: NetworkInterface;
  /** Filter, tracking and translation; null until {@link Stack.enableFilter}. */
  filter: PacketFilter | null = null;
  private readonly addresses: Addresses;
  private readonly loopbackDevice: LoopbackDevice;
  private readonly ethernet = new EthernetView();
  private readonly byName = new Map<string, NetworkInterface>();
  private readonly errors4: Icmpv4Errors;
  private readonly errors6: Icmpv6Errors;
  private nextIndex = 1;
  private polling = false;
  /** Called when packets wait for {@link Stack.poll}, once until the next call of it. */
  onPending: (() => void) | null = null;
  /** Takes the packets of other ethertypes; borrowed. */
  onUnknownProtocol: ((packet: Packet, at: NetworkInterface) => void) | null = null;

  constructor(clock: Clock, random: Random) {
    const ctx = new NetContext(clock, random);
    this.ctx = ctx;
    const out4 = new Ipv4Output(ctx);
    const out6 = new Ipv6Output(ctx);
    this.output = new IpOutput(out4, out6, () => ctx.settings.defaultTtl);
    this.errors4 = new Icmpv4Errors(ctx, out4);
    this.errors6 = new Icmpv6Errors(ctx, out6);
    this.ipv4 = new Ipv4Input(ctx, out4, this.errors4);
    this.ipv6 = new Ipv6Input(ctx, out6, this.errors6);
    this.icmpv4 = new Icmpv4(ctx, out4);
    this.icmpv6 = new Icmpv6(ctx, out6);
    this.groups = new Groups(ctx);
    this.arp = new Arp(ctx);
    this.arp.onUnreachable = (p) => this.unreachable(p);
    this.ndp = new Ndp(ctx, out6, this.groups);
    this.ndp.onUnreachable = (p) => this.unreachable(p);
    this.ndp.manager = this;
    this.addresses = new Addresses(ctx, this.arp, this.ndp);
    this.icmpv6.neighbourDiscovery = (p, at) => this.ndp.receive(p, at);
    const mld = new Mld(ctx, out6);
    this.icmpv6.listenerDiscovery = (p, at) => mld.receive(p, at);
    this.groups.reporter4 = new Igmp(ctx, out4);
    this.groups.reporter6 = mld;
    this.udp = new Udp(ctx, this.output, this.groups, this.errors4, this.errors6);
    this.tcp = new Tcp(ctx, this.output);
    this.raw = new Raw(ctx, this.output, this.groups);
    this.ping = new Ping(ctx, this.output, this.groups, this.icmpv4, this.icmpv6);
    this.packets = new Packets(ctx);
    this.loopbackDevice = new LoopbackDevice();
    this.loopbackDevice.onPending = () => {
      if (this.onPending !== null) this.onPending();
    };
    const lo = this.addInterface("lo", this.loopbackDevice);
    if (typeof lo === "number") throw new Error("the loopback interface is always the first");
    this.loopback = lo;
    ctx.routes.loopback = lo;
  }

  /** Sends packets through a filter from now on; it costs every packet, so not before rules come. */
  enableFilter(): PacketFilter {
    if (this.filter !== null) return this.filter;
    const filter = new PacketFilter(this.ctx, {
      reject: (packet, tcpReset, code) => this.reject(packet, tcpReset, code),
    });
    this.filter = filter;
    this.ctx.hooks = filter;
    return filter;
  }

  /** Stops filtering and forgets all rules and connections. */
  disableFilter(): void {
    this.filter?.tracks.flush();
    this.filter = null;
    this.ctx.hooks = null;
  }

  private reject(packet: Packet, tcpReset: boolean, code: number): void {
    packet.networkStart = packet.start;
    if (tcpReset && packet.upper === IPPROTO_TCP) this.tcp.reset(packet);
    else if (packet.protocol === ETH_P_IP) this.errors4.send(packet, ICMP_UNREACHABLE, code, 0);
    else this.errors6.send(packet, ICMP6_UNREACHABLE, code, 0);
  }

  /** Brings loopback up with its usual addresses. */
  startLoopback(): void {
    this.setUp(this.loopback, true);
  }

  /** The interface of that name, or null. */
  interfaceByName(name: string): NetworkInterface | null {
    return this.byName.get(name) ?? null;
  }

  /** All interfaces by index. */
  interfaces(): NetworkInterface[] {
    return this.ctx.routes.interfaces.filter((i) => i !== undefined);
  }

  /** Adds an interface, down and without addresses. */
  addInterface(name: string, device: LinkDevice): NetworkInterface | number {
    if (name === "" || name.length > 15 || /[\s/:]/.test(name)) return -EINVAL;
    if (this.byName.has(name)) return -EEXIST;
    if (this.byName.size >= MAX_INTERFACES) return -ENOBUFS;
    const ctx = this.ctx;
    const at = new NetworkInterface(this.nextIndex++, name, device, ctx.random.u32());
    at.segmenter = (packet, emit) => segmentTcp(packet, ctx.pool, emit);
    at.finishChecksum = finishChecksum;
    at.forwarding4 = ctx.settings.forwarding4;
    at.forwarding6 = ctx.settings.forwarding6;
    if (at.isEthernet) {
      const now = () => ctx.clock.now();
      const jitter = () => ctx.random.unit();
      at.neighbours4 = new NeighbourTable(
        this.arp.linkFor(at),
        ctx.timers,
        now,
        ctx.secret,
        jitter,
      );
      at.neighbours6 = new NeighbourTable(
        this.ndp.linkFor(at),
        ctx.timers,
        now,
        ctx.secret,
        jitter,
      );
    }
    ctx.routes.interfaces[at.index] = at;
    this.byName.set(name, at);
    this.packets.updateTaps();
    for (const table of [at.neighbours4, at.neighbours6]) {
      if (table !== null) table.onChange = (n) => ctx.routes.events?.neighbour(at, n);
    }
    this.reattach(at);
    ctx.routes.events?.link(at, false);
    return at;
  }

  /** Takes what comes in by an interface, after a bridge has had it. */
  reattach(at: NetworkInterface): void {
    at.device.onReceive = (packet) => this.receive(packet, at);
  }

  /** Removes an interface with its addresses and routes. */
  removeInterface(at: NetworkInterface): number {
    if (at === this.loopback) return -EINVAL;
    if (this.byName.get(at.name) !== at) return -ENODEV;
    this.setUp(at, false);
    while (at.addresses.length > 0) this.removeAddress(at, at.addresses[0].address);
    this.ctx.routes.removeWhere((r) => r.interfaceIndex === at.index);
    for (const g of at.groups.values()) this.ctx.timers.remove(g);
    this.byName.delete(at.name);
    this.ctx.routes.interfaces[at.index] = undefined;
    at.device.onReceive = null;
    this.ctx.routes.events?.link(at, true);
    return 0;
  }

  /** Renames an interface. */
  renameInterface(at: NetworkInterface, name: string): number {
    if (name === "" || name.length > 15 || /[\s/:]/.test(name)) return -EINVAL;
    if (this.byName.has(name)) return -EEXIST;
    this.byName.delete(at.name);
    at.name = name;
    this.byName.set(name, at);
    this.ctx.routes.events?.link(at, false);
    return 0;
  }

  /** Sets an interface up or down. */
  setUp(at: NetworkInterface, up: boolean): void {
    if (at.isUp === up) return;
    at.flags ^= IFF_UP;
    at.wasUp = true;
    const routes = this.ctx.routes;
    routes.generation++;
    routes.events?.link(at, false);
    if (!up) {
      at.neighbours4?.flush();
      at.neighbours6?.flush();
      this.ndp.stop(at);
      // As on Linux: routes go, and IPv6 addresses with them.
      routes.removeWhere((r) => r.interfaceIndex === at.index);
      for (const e of [...at.addresses]) {
        if (!e.address.isV4 && !at.isLoopback) this.removeAddress(at, e.address);
      }
    } else {
      for (const e of at.addresses) this.addresses.addSubnetRoute(at, e);
      // As on Linux: loopback comes up with its addresses.
      if (at.isLoopback) {
        if (!at.addresses.some((e) => e.address.isV4)) this.addAddress(at, ipv4(0x7f000001), 8);
        if (!at.addresses.some((e) => !e.address.isV4)) this.addAddress(at, LOOPBACK_V6, 128);
      }
      if (at.isEthernet && !at.disable6 && at.mac !== 0) this.addLinkLocal(at);
    }
  }

  private addLinkLocal(at: NetworkInterface): void {
    const [w0, w1, w2, w3] = eui64(LINK_LOCAL_PREFIX, at.mac);
    this.addAddress(at, ipFromWords(w0, w1, w2, w3), 64);
    if (at.dadTransmits <= 0) this.ndp.startSolicitation(at);
  }

  addAutomatic(at: NetworkInterface, address: IpAddress, prefix: number): InterfaceAddress | null {
    return this.addAddress(at, address, prefix) < 0 ? null : at.findAddress(address);
  }

  /** Sets the MTU of an interface, at most its device's. */
  setMtu(at: NetworkInterface, mtu: number): number {
    if (mtu < 68 || mtu > at.device.mtu) return -EINVAL;
    at.mtu = mtu;
    this.ctx.routes.generation++;
    this.ctx.routes.events?.link(at, false);
    return 0;
  }

  /** Gives an interface an address, and its subnet a route. */
  addAddress(
    at: NetworkInterface,
    address: IpAddress,
    prefix: number,
    options: AddressOptions = {},
  ): number {
    return this.addresses.add(at, address, prefix, options);
  }

  /** Takes an address from an interface. */
  removeAddress(at: NetworkInterface, address: IpAddress): number {
    return this.addresses.remove(at, address);
  }

  /** Adds a route; the fields that are left out have the usual values. */
  addRoute(
    r:
      & Pick<RouteEntry, "destination" | "prefix" | "interfaceIndex">
      & Partial<RouteEntry>,
    replace = false,
  ): number {
    const isV4 = r.destination.isV4;
    return this.ctx.routes.add({
      gateway: null,
      metric: isV4 ? 0 : 1024,
      table: TABLE_MAIN,
      protocol: 3,
      scope: r.gateway === undefined || r.gateway === null ? SCOPE_LINK : SCOPE_UNIVERSE,
      type: RouteType.Unicast,
      source: null,
      mtu: 0,
      tos: 0,
      expires: Infinity,
      ...r,
    }, replace);
  }

  /** When {@link Stack.poll} must be called even if nothing comes in; Infinity for never. */
  nextDeadline(): number {
    return this.loopbackDevice.pending ? 0 : this.ctx.timers.next;
  }

  /** Whether packets wait to be delivered. */
  get pending(): boolean {
    return this.loopbackDevice.pending;
  }

  /**
   * Runs due timers and delivers what waits on loopback. The owner calls it after it used
   * endpoints, after devices brought packets, and at {@link Stack.nextDeadline}.
   */
  poll(): void {
    // Whoever is woken by a delivery may call this again; the outer call goes on with the rest.
    if (this.polling) return;
    this.polling = true;
    const clock = this.ctx.clock;
    const held = clock.hold();
    this.ctx.timers.run(clock.now());
    for (let i = 0; i < MAX_ROUNDS && this.loopbackDevice.deliver() > 0; i++) {
      if (held && (i & 7) === 7) clock.refresh();
    }
    if (held) clock.release();
    this.polling = false;
    this.flush();
    if (this.loopbackDevice.pending && this.onPending !== null) this.onPending();
  }

  /** Lets devices send what they gathered. */
  private flush(): void {
    const all = this.ctx.routes.interfaces;
    for (let i = 2; i < all.length; i++) all[i]?.device.flush();
  }

  /** A packet from a device. Takes ownership. */
  private receive(packet: Packet, at: NetworkInterface): void {
    if (!at.isUp) {
      packet.release();
      return;
    }
    at.rxPackets++;
    at.rxBytes += packet.length;
    if (at.isLoopback) {
      // A copy of a packet that this host sent to a group counts as come in where it went out.
      if (packet.inIndex !== at.index && packet.inIndex !== 0) {
        const origin = this.ctx.routes.interfaces[packet.inIndex];
        if (origin === undefined) packet.release();
        else this.dispatch(packet, origin);
        return;
      }
      packet.type = PacketType.Host;
      packet.inIndex = at.index;
    } else {
      packet.inIndex = at.index;
      if (at.isEthernet && !this.unframe(packet, at)) return;
    }
    if (at.tap !== null) at.tap.frame(packet, at);
    this.dispatch(packet, at);
  }

  private unframe(packet: Packet, at: NetworkInterface): boolean {
    const v = this.ethernet;
    if (!v.wrap(packet.bytes, packet.start, packet.end)) {
      at.rxDropped++;
      packet.release();
      return false;
    }
    const to = v.destination;
    if (to === at.mac) packet.type = PacketType.Host;
    else if (to === BROADCAST_MAC) packet.type = PacketType.Broadcast;
    else if (isGroupMac(to)) {
      packet.type = PacketType.Multicast;
      at.rxMulticast++;
    } else packet.type = PacketType.OtherHost;
    packet.protocol = v.type;
    packet.linkStart = packet.start;
    packet.start += ETHERNET_HEADER;
    packet.networkStart = packet.start;
    return true;
  }

  private dispatch(packet: Packet, at: NetworkInterface): void {
    switch (packet.protocol) {
      case ETH_P_IP:
        this.ipv4.receive(packet, at);
        break;
      case ETH_P_IPV6:
        this.ipv6.receive(packet, at);
        break;
      case ETH_P_ARP:
        this.arp.receive(packet, at);
        break;
      default:
        if (this.onUnknownProtocol !== null) this.onUnknownProtocol(packet, at);
        packet.release();
    }
  }

  /** A next hop does not answer: the sender of the packet, maybe this host, is told. */
  private unreachable(packet: Packet): void {
    packet.type = PacketType.Host;
    packet.networkStart = packet.start;
    if (packet.protocol === ETH_P_IP) {
      this.errors4.send(packet, ICMP_UNREACHABLE, ICMP_HOST_UNREACHABLE, 0);
    } else if (packet.protocol === ETH_P_IPV6) {
      this.errors6.send(packet, ICMP6_UNREACHABLE, ICMP6_ADDRESS_UNREACHABLE, 0);
    }
    packet.release();
  }

  /** Whether an address may be used now. */
  isUsable(address: IpAddress): boolean {
    const l = this.ctx.routes.findLocal(address);
    return l !== null && l.entry.state !== AddressState.Tentative;
  }
}
