/** Routing tables and the choice of a source address. */

import { AddressMap } from "../core/address_map.ts";
import {
  EACCES,
  EADDRNOTAVAIL,
  EEXIST,
  EHOSTUNREACH,
  EINVAL,
  ENETUNREACH,
  ENOBUFS,
  ESRCH,
} from "../core/errno.ts";
import { ANY_V4, ANY_V6, commonPrefix, type IpAddress } from "../wire/address.ts";
import type { NetworkEvents } from "./events.ts";
import {
  AddressState,
  type InterfaceAddress,
  type NetworkInterface,
  SCOPE_LINK,
} from "./interface.ts";
import { Route, type RouteEntry, RouteType, TABLE_LOCAL, TABLE_MAIN } from "./route.ts";

/** Routes in all tables together. */
const MAX_ROUTES = 16384;
/** Destinations whose path MTU is remembered. */
const MAX_PATH_MTUS = 4096;

/** An address of this host. */
export class LocalAddress {
  readonly entry: InterfaceAddress;
  readonly at: NetworkInterface;
  /** How many interfaces have it. */
  count = 1;

  constructor(entry: InterfaceAddress, at: NetworkInterface) {
    this.entry = entry;
    this.at = at;
  }
}

interface PathMtu {
  mtu: number;
  expires: number;
}

/** A rule that sends lookups to a table (ip-rule(8)); rules are tried by priority. */
export interface RoutingRule {
  priority: number;
  table: number;
  source: IpAddress | null;
  sourcePrefix: number;
  destination: IpAddress | null;
  destinationPrefix: number;
  mark: number;
  markMask: number;
  oif: number;
  /** Whether it is for IPv4; rules are per family. */
  isV4: boolean;
}

/** The routes of one stack. */
export class RoutingTable {
  /** Sorted: longest prefix first, then lowest metric. */
  private readonly v4: RouteEntry[] = [];
  private readonly v6: RouteEntry[] = [];
  readonly rules: RoutingRule[] = [];
  readonly local: AddressMap<LocalAddress>;
  readonly interfaces: (NetworkInterface | undefined)[] = [];
  /** The interface that carries what this host sends itself. */
  loopback: NetworkInterface | null = null;
  /** Changes whenever an answer may; a kept {@link Route} of another generation is void. */
  generation = 1;
  /** Told of changes; null while nobody listens. */
  events: NetworkEvents | null = null;
  private readonly pathMtus: AddressMap<PathMtu>;
  private readonly now: () => number;

  constructor(secret: number, now: () => number) {
    this.local = new AddressMap(secret);
    this.pathMtus = new AddressMap(secret);
    this.now = now;
  }

  /** All routes of a family. */
  list(isV4: boolean): readonly RouteEntry[] {
    return isV4 ? this.v4 : this.v6;
  }

  /** Adds a route; `replace` replaces one of the same destination, metric, table and tos. */
  add(e: RouteEntry, replace = false): number {
    const isV4 = e.destination.isV4;
    const list = isV4 ? this.v4 : this.v6;
    if (e.prefix < 0 || e.prefix > (isV4 ? 32 : 128)) return -EINVAL;
    if (!e.destination.masked(e.prefix).equals(e.destination)) return -EINVAL;
    for (let i = 0; i < list.length; i++) {
      const o = list[i];
      if (!sameRoute(o, e)) continue;
      if (replace) {
        list[i] = e;
        this.generation++;
        if (this.events !== null) this.events.route(e, false);
        return 0;
      }
      const sameHop = o.interfaceIndex === e.interfaceIndex &&
        (o.gateway === null
          ? e.gateway === null
          : e.gateway !== null && o.gateway.equals(e.gateway));
      // IPv6 keeps several next hops for one destination; IPv4 tells them apart by metric.
      if (isV4 || sameHop) return -EEXIST;
    }
    if (this.v4.length + this.v6.length >= MAX_ROUTES) return -ENOBUFS;
    let i = 0;
    while (
      i < list.length &&
      (list[i].prefix > e.prefix || (list[i].prefix === e.prefix && list[i].metric <= e.metric))
    ) i++;
    list.splice(i, 0, e);
    this.generation++;
    if (this.events !== null) this.events.route(e, false);
    return 0;
  }

  /** Removes the first route that fits what is given of it; -ESRCH if there is none. */
  remove(
    destination: IpAddress,
    prefix: number,
    table: number,
    gateway: IpAddress | null,
    interfaceIndex: number,
    metric: number,
  ): number {
    const list = destination.isV4 ? this.v4 : this.v6;
    for (let i = 0; i < list.length; i++) {
      const e = list[i];
      if (e.prefix !== prefix || !e.destination.equals(destination) || e.table !== table) continue;
      if (gateway !== null && (e.gateway === null || !e.gateway.equals(gateway))) continue;
      if (interfaceIndex !== 0 && e.interfaceIndex !== interfaceIndex) continue;
      if (metric !== 0 && e.metric !== metric) continue;
      list.splice(i, 1);
      this.generation++;
      if (this.events !== null) this.events.route(e, true);
      return 0;
    }
    return -ESRCH;
  }

  /** Removes all routes for which `match` holds. */
  removeWhere(match: (e: RouteEntry) => boolean): void {
    for (const list of [this.v4, this.v6]) {
      for (let i = list.length - 1; i >= 0; i--) {
        const e = list[i];
        if (!match(e)) continue;
        list.splice(i, 1);
        if (this.events !== null) this.events.route(e, true);
      }
    }
    this.generation++;
  }

  /** The local address entry that `a` is, or null; all of 127.0.0.0/8 is local on loopback. */
  findLocal(a: IpAddress): LocalAddress | null {
    const l = this.local.get(a);
    if (l !== null) return l;
    if (a.isV4 && a.isLoopback && this.loopback !== null) {
      for (const e of this.loopback.addresses) {
        if (e.address.isV4 && a.inPrefix(e.address, e.prefix)) return this.local.get(e.address);
      }
    }
    return null;
  }

  /** Whether `a` is a directed broadcast address of an interface (of `at`, if given). */
  isBroadcast(a: IpAddress, at: NetworkInterface | null): boolean {
    if (!a.isV4) return false;
    if (a.isBroadcast) return true;
    if (at !== null) return hasBroadcast(at, a);
    for (const i of this.interfaces) if (i !== undefined && hasBroadcast(i, a)) return true;
    return false;
  }

  /**
   * The route to `dst`; `src` is the source that is already fixed (or any), `oif` the interface
   * asked for (0 for any). A negative errno if there is none.
   */
  lookup(dst: IpAddress, src: IpAddress | null, oif: number, mark = 0): Route | number {
    if (src !== null && src.isAny) src = null;
    let want: NetworkInterface | null = null;
    if (oif !== 0) {
      want = this.interfaces[oif] ?? null;
      if (want === null || !want.isUp) return -ENETUNREACH;
    }
    if (dst.isAny && dst.isV4) dst = this.anyDestination();
    const lo = this.loopback;
    if (lo !== null && (want === null || !dst.isMulticast) && this.findLocal(dst) !== null) {
      if (!lo.isUp) return -ENETUNREACH;
      return new Route(lo, dst, src ?? dst, dst, RouteType.Local, lo.mtu, this.generation, false);
    }
    if (dst.isBroadcast || dst.isMulticast) return this.lookupGroup(dst, src, want, mark);
    if (want !== null && dst.isLinkLocal && !dst.isV4) return this.direct(dst, src, want);
    const e = this.find(dst, src, oif, mark);
    if (e === null) {
      return want !== null && dst.isV4 ? this.direct(dst, src, want) : -ENETUNREACH;
    }
    if (e.type === RouteType.Unreachable) return -EHOSTUNREACH;
    if (e.type === RouteType.Prohibit) return -EACCES;
    if (e.type === RouteType.Blackhole) return -EINVAL;
    const out = this.interfaces[e.interfaceIndex];
    if (out === undefined) return -ENETUNREACH;
    const source = src ?? e.source ?? this.selectSource(dst, out, e.gateway);
    if (source === null) return dst.isV4 ? -ENETUNREACH : -EADDRNOTAVAIL;
    const type = dst.isV4 && hasBroadcast(out, dst) ? RouteType.Broadcast : RouteType.Unicast;
    return new Route(
      out,
      e.gateway ?? dst,
      source,
      dst,
      type,
      this.pathMtu(dst, e.mtu > 0 ? Math.min(e.mtu, linkMtu(out, dst)) : linkMtu(out, dst)),
      this.generation,
      e.gateway !== null,
    );
  }

  private anyDestination(): IpAddress {
    const lo = this.loopback;
    if (lo !== null) { for (const e of lo.addresses) if (e.address.isV4) return e.address; }
    return ANY_V4;
  }

  private direct(dst: IpAddress, src: IpAddress | null, out: NetworkInterface): Route | number {
    const source = src ?? this.selectSource(dst, out, null) ?? (dst.isV4 ? ANY_V4 : ANY_V6);
    return new Route(out, dst, source, dst, RouteType.Unicast, out.mtu, this.generation, false);
  }

  private lookupGroup(
    dst: IpAddress,
    src: IpAddress | null,
    want: NetworkInterface | null,
    mark: number,
  ): Route | number {
    let out = want;
    let source = src;
    if (out === null && source !== null) out = this.local.get(source)?.at ?? null;
    if (out === null) {
      const e = this.find(dst, src, 0, mark);
      if (e !== null) {
        out = this.interfaces[e.interfaceIndex] ?? null;
        source ??= e.source;
      }
    }
    if (out === null && !dst.isV4) {
      for (const i of this.interfaces) {
        if (i !== undefined && i.isUp && !i.isLoopback) {
          out = i;
          break;
        }
      }
    }
    if (out === null || !out.isUp) return -ENETUNREACH;
    source ??= this.selectSource(dst, out, null) ?? (dst.isV4 ? ANY_V4 : ANY_V6);
    const type = dst.isBroadcast ? RouteType.Broadcast : RouteType.Multicast;
    return new Route(out, dst, source, dst, type, out.mtu, this.generation, false);
  }

  /** The entry that decides for `dst`, or null. */
  find(dst: IpAddress, src: IpAddress | null, oif: number, mark: number): RouteEntry | null {
    if (this.rules.length === 0) return this.findIn(0, dst, oif);
    for (const r of this.rules) {
      if (r.isV4 !== dst.isV4 || (mark & r.markMask) !== r.mark) continue;
      if (r.oif !== 0 && r.oif !== oif) continue;
      if (r.destination !== null && !dst.inPrefix(r.destination, r.destinationPrefix)) continue;
      if (r.source !== null && (src === null || !src.inPrefix(r.source, r.sourcePrefix))) continue;
      const e = this.findIn(r.table, dst, oif);
      if (e !== null && e.type !== RouteType.Throw) return e;
    }
    return this.findIn(0, dst, oif);
  }

  /** Table 0 stands for main and default, the tables of a stack without rules of its own. */
  private findIn(table: number, dst: IpAddress, oif: number): RouteEntry | null {
    const list = dst.isV4 ? this.v4 : this.v6;
    for (let i = 0; i < list.length; i++) {
      const e = list[i];
      if (table === 0 ? (e.table < TABLE_MAIN - 1 || e.table === TABLE_LOCAL) : e.table !== table) {
        continue;
      }
      if (oif !== 0 && e.interfaceIndex !== oif) continue;
      if (!dst.inPrefix(e.destination, e.prefix)) continue;
      if (e.interfaceIndex !== 0) {
        const out = this.interfaces[e.interfaceIndex];
        if (out === undefined || !out.isUp) continue;
      }
      if (e.expires !== Infinity && e.expires <= this.now()) continue;
      return e;
    }
    return null;
  }

  /** The source address for packets to `dst` that leave by `out` (RFC 6724 for IPv6), or null. */
  selectSource(dst: IpAddress, out: NetworkInterface, gateway: IpAddress | null): IpAddress | null {
    if (!dst.isV4) return this.selectSource6(dst, out);
    const near = gateway ?? dst;
    let first: IpAddress | null = null;
    for (const e of out.addresses) {
      if (!e.address.isV4) continue;
      if (near.inPrefix(e.address, e.prefix)) return e.address;
      if (first === null && e.scope <= SCOPE_LINK) first = e.address;
    }
    if (first !== null) return first;
    for (const i of this.interfaces) {
      if (i === undefined || !i.isUp) continue;
      for (const e of i.addresses) if (e.address.isV4 && e.scope < SCOPE_LINK) return e.address;
    }
    return null;
  }

  private selectSource6(dst: IpAddress, out: NetworkInterface): IpAddress | null {
    const wantScope = scope6(dst);
    let best: InterfaceAddress | null = null;
    for (const i of this.interfaces) {
      if (i === undefined || !i.isUp || (i !== out && (wantScope <= 2 || i.isLoopback))) continue;
      for (const e of i.addresses) {
        if (e.address.isV4 || e.state === AddressState.Tentative) continue;
        if (e.state === AddressState.Duplicate) continue;
        if (i !== out && scope6(e.address) <= 2) continue;
        if (best === null || better6(e, best, dst, wantScope)) best = e;
      }
    }
    return best === null ? null : best.address;
  }

  /** The largest packet known to reach `dst`, not more than `mtu`. */
  pathMtu(dst: IpAddress, mtu: number): number {
    if (this.pathMtus.size === 0) return mtu;
    const p = this.pathMtus.get(dst);
    if (p === null) return mtu;
    if (p.expires <= this.now()) {
      this.pathMtus.delete(dst);
      return mtu;
    }
    return Math.min(mtu, p.mtu);
  }

  /** Remembers that packets to `dst` must not be larger than `mtu`. */
  setPathMtu(dst: IpAddress, mtu: number, lifetime: number): void {
    if (this.pathMtus.size >= MAX_PATH_MTUS && this.pathMtus.get(dst) === null) return;
    this.pathMtus.set(dst, { mtu, expires: this.now() + lifetime });
    this.generation++;
  }
}

/** The MTU of a link for the family of `dst`. */
function linkMtu(out: NetworkInterface, dst: IpAddress): number {
  return dst.isV4 || out.mtu6 === 0 ? out.mtu : Math.min(out.mtu, out.mtu6);
}

function sameRoute(a: RouteEntry, b: RouteEntry): boolean {
  return a.prefix === b.prefix && a.metric === b.metric && a.table === b.table &&
    a.tos === b.tos && a.destination.equals(b.destination);
}

function hasBroadcast(at: NetworkInterface, a: IpAddress): boolean {
  for (const e of at.addresses) {
    if (e.broadcast !== null && e.broadcast.equals(a)) return true;
  }
  return false;
}

/** The scope of an IPv6 address, in the numbers of multicast scopes. */
export function scope6(a: IpAddress): number {
  if (a.isMulticast) return (a.w0 >>> 16) & 15;
  if (a.isLoopback) return 1;
  if (a.isLinkLocal) return 2;
  return 14;
}

function better6(
  a: InterfaceAddress,
  b: InterfaceAddress,
  dst: IpAddress,
  want: number,
): boolean {
  if (a.address.equals(dst)) return true;
  if (b.address.equals(dst)) return false;
  const sa = scope6(a.address);
  const sb = scope6(b.address);
  if (sa !== sb) return sa < sb ? sa >= want : sb < want;
  const da = a.state === AddressState.Deprecated;
  if (da !== (b.state === AddressState.Deprecated)) return !da;
  return commonPrefix(a.address, dst) > commonPrefix(b.address, dst);
}
