import type { IpAddress } from "../wire/address.ts";
import type { NetworkInterface } from "./interface.ts";

/** Types of routes, `RTN_` of rtnetlink(7). */
export const enum RouteType {
  Unicast = 1,
  Local = 2,
  Broadcast = 3,
  Anycast = 4,
  Multicast = 5,
  Blackhole = 6,
  Unreachable = 7,
  Prohibit = 8,
  Throw = 9,
}

/** Routing tables that always exist, and the rest as a number (`RT_TABLE_`). */
export const TABLE_DEFAULT = 253;
export const TABLE_MAIN = 254;
export const TABLE_LOCAL = 255;

/** Origins of a route (`RTPROT_`). */
export const PROTOCOL_KERNEL = 2;
export const PROTOCOL_BOOT = 3;
export const PROTOCOL_STATIC = 4;
export const PROTOCOL_RA = 9;

/** An entry of a routing table. */
export interface RouteEntry {
  destination: IpAddress;
  prefix: number;
  gateway: IpAddress | null;
  /** Index of the interface, 0 for the types that drop. */
  interfaceIndex: number;
  metric: number;
  table: number;
  protocol: number;
  scope: number;
  type: RouteType;
  /** Source address for packets that have none yet. */
  source: IpAddress | null;
  /** MTU of the route, 0 for the interface's. */
  mtu: number;
  tos: number;
  /** Time after which it is void; Infinity for ever. */
  expires: number;
}

/** The order in which Linux lists routes: by destination, the longest prefix of one first. */
export function byDestination(a: RouteEntry, b: RouteEntry): number {
  const x = a.destination;
  const y = b.destination;
  return a.table - b.table || x.w0 - y.w0 || x.w1 - y.w1 || x.w2 - y.w2 || x.w3 - y.w3 ||
    b.prefix - a.prefix || a.metric - b.metric;
}

/** Where a packet goes: the answer of a route lookup, which endpoints keep. */
export class Route {
  readonly out: NetworkInterface;
  /** Next hop; the destination itself if it is on the link. */
  readonly nextHop: IpAddress;
  /** Source address chosen for it. */
  readonly source: IpAddress;
  readonly destination: IpAddress;
  readonly type: RouteType;
  /** Largest packet for this destination. */
  readonly mtu: number;
  /** The routing generation in which it was found; void in any later one. */
  readonly generation: number;
  /** Whether a gateway forwards it. */
  readonly viaGateway: boolean;

  constructor(
    out: NetworkInterface,
    nextHop: IpAddress,
    source: IpAddress,
    destination: IpAddress,
    type: RouteType,
    mtu: number,
    generation: number,
    viaGateway: boolean,
  ) {
    this.out = out;
    this.nextHop = nextHop;
    this.source = source;
    this.destination = destination;
    this.type = type;
    this.mtu = mtu;
    this.generation = generation;
    this.viaGateway = viaGateway;
  }

  /** Whether packets on this route stay on this host. */
  get isLocal(): boolean {
    return this.type === RouteType.Local;
  }
}
