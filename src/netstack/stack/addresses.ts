/** The addresses of a stack's interfaces and the routes that go with them. */

import { EADDRINUSE, EADDRNOTAVAIL, EEXIST, EINVAL, ENOBUFS } from "../core/errno.ts";
import type { Arp } from "../network/arp.ts";
import type { NetContext } from "../network/context.ts";
import {
  IFF_BROADCAST,
  InterfaceAddress,
  type NetworkInterface,
  SCOPE_HOST,
  SCOPE_LINK,
  SCOPE_UNIVERSE,
} from "../network/interface.ts";
import type { Ndp } from "../network/ndp.ts";
import { PROTOCOL_KERNEL, type RouteEntry, RouteType, TABLE_MAIN } from "../network/route.ts";
import { LocalAddress } from "../network/routing.ts";
import { type IpAddress, ipv4 } from "../wire/address.ts";

/** Addresses of one interface. */
const MAX_ADDRESSES = 1024;

/** What may be said of an address beside itself. */
export interface AddressOptions {
  /** Null for none; left out: the last address of the subnet. */
  broadcast?: IpAddress | null;
  /** The far end of a point-to-point link. */
  peer?: IpAddress | null;
  scope?: number;
}

/** The addresses. */
export class Addresses {
  private readonly ctx: NetContext;
  private readonly arp: Arp;
  private readonly ndp: Ndp;

  constructor(ctx: NetContext, arp: Arp, ndp: Ndp) {
    this.ctx = ctx;
    this.arp = arp;
    this.ndp = ndp;
  }

  /** Gives an interface an address, and its subnet a route. */
  add(
    at: NetworkInterface,
    address: IpAddress,
    prefix: number,
    options: AddressOptions,
  ): number {
    if (prefix < 0 || prefix > (address.isV4 ? 32 : 128) || !address.isUnicast) return -EINVAL;
    if (at.findAddress(address) !== null) return -EEXIST;
    if (at.addresses.length >= MAX_ADDRESSES) return -ENOBUFS;
    const scope = options.scope ??
      (address.isLoopback ? SCOPE_HOST : address.isLinkLocal ? SCOPE_LINK : SCOPE_UNIVERSE);
    let broadcast = options.broadcast ?? null;
    if (
      options.broadcast === undefined && address.isV4 && prefix < 31 &&
      (at.flags & IFF_BROADCAST) !== 0
    ) broadcast = ipv4((address.v4 | (0xffffffff >>> prefix)) >>> 0);
    const e = new InterfaceAddress(
      address,
      prefix,
      broadcast,
      scope,
      at.name,
      options.peer ?? null,
    );
    const known = this.ctx.routes.local.get(address);
    if (known !== null) {
      if (address.isV4) return -EADDRINUSE;
      known.count++;
    } else this.ctx.routes.local.set(address, new LocalAddress(e, at));
    at.addresses.push(e);
    this.ctx.routes.generation++;
    if (at.isUp) this.addSubnetRoute(at, e);
    if (!address.isV4) this.ndp.addressAdded(at, e);
    else if (at.isUp) this.arp.announce(at, address);
    this.ctx.routes.events?.address(at, e, false);
    return 0;
  }

  /** Adds the route that goes with an address. */
  addSubnetRoute(at: NetworkInterface, e: InterfaceAddress): void {
    const to = e.peer ?? e.address;
    const full = to.isV4 ? 32 : 128;
    if (at.isLoopback || (e.prefix === full && e.peer === null)) return;
    const route: RouteEntry = {
      destination: to.masked(e.prefix),
      prefix: e.prefix,
      gateway: null,
      interfaceIndex: at.index,
      metric: to.isV4 ? 0 : 256,
      table: TABLE_MAIN,
      protocol: PROTOCOL_KERNEL,
      scope: SCOPE_LINK,
      type: RouteType.Unicast,
      source: to.isV4 ? e.address : null,
      mtu: 0,
      tos: 0,
      expires: Infinity,
    };
    this.ctx.routes.add(route);
  }

  /** Takes an address from an interface. */
  remove(at: NetworkInterface, address: IpAddress): number {
    const e = at.findAddress(address);
    if (e === null) return -EADDRNOTAVAIL;
    at.addresses.splice(at.addresses.indexOf(e), 1);
    if (!address.isV4) this.ndp.addressRemoved(at, e);
    this.ctx.routes.events?.address(at, e, true);
    const routes = this.ctx.routes;
    const known = routes.local.get(address);
    if (known !== null && --known.count === 0) routes.local.delete(address);
    else if (known !== null && known.entry === e) this.relocate(address, known.count);
    const to = e.peer ?? e.address;
    const net = to.masked(e.prefix);
    const kept = at.addresses.some((o) =>
      o.prefix === e.prefix && o.address.masked(o.prefix).equals(net)
    );
    routes.removeWhere((r) =>
      (r.source !== null && r.source.equals(address)) ||
      (!kept && r.protocol === PROTOCOL_KERNEL && r.interfaceIndex === at.index &&
        r.prefix === e.prefix && r.destination.equals(net))
    );
    // Another address of the subnet may go on using the route that went with this one.
    for (const o of at.addresses) {
      if (at.isUp && o.address.masked(o.prefix).equals(net)) this.addSubnetRoute(at, o);
    }
    return 0;
  }

  private relocate(address: IpAddress, count: number): void {
    for (const i of this.ctx.routes.interfaces) {
      const e = i === undefined ? null : i.findAddress(address);
      if (i === undefined || e === null) continue;
      const l = new LocalAddress(e, i);
      l.count = count;
      this.ctx.routes.local.set(address, l);
      return;
    }
  }
}
