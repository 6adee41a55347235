import type { IpAddress } from "../wire/address.ts";

/** Values of IP_MTU_DISCOVER. */
export const PMTUDISC_DONT = 0;
export const PMTUDISC_WANT = 1;
export const PMTUDISC_DO = 2;
export const PMTUDISC_PROBE = 3;
export const PMTUDISC_INTERFACE = 4;
export const PMTUDISC_OMIT = 5;

/** Joined groups of one endpoint (`igmp_max_memberships`). */
export const MAX_MEMBERSHIPS = 64;
/** Sources in one filter (`igmp_max_msf`). */
export const MAX_SOURCES = 64;

/** A group that an endpoint has joined. */
export class SocketMembership {
  readonly group: IpAddress;
  readonly index: number;
  /** Whether `sources` are the ones let in, else those kept out. */
  include = false;
  readonly sources: IpAddress[] = [];

  constructor(group: IpAddress, index: number) {
    this.group = group;
    this.index = index;
  }

  /** Whether packets from `source` pass the filter. */
  allows(source: IpAddress): boolean {
    for (const s of this.sources) if (s.equals(source)) return this.include;
    return !this.include;
  }
}

/** Options of the IP and IPv6 levels that an endpoint keeps, with Linux's defaults. */
export class IpSocketOptions {
  /** IP_TTL, -1 for the host's default. */
  ttl = -1;
  /** IPV6_UNICAST_HOPS. */
  hops6 = -1;
  tos = 0;
  trafficClass = 0;
  multicastTtl = 1;
  multicastHops6 = 1;
  multicastLoop = true;
  multicastLoop6 = true;
  /** Interface for multicast, 0 for the route's. */
  multicastIndex = 0;
  /** Source address for multicast (IP_MULTICAST_IF with an address). */
  multicastSource: IpAddress | null = null;
  /** IP_MULTICAST_ALL: also groups that others on this host joined. */
  multicastAll = true;
  mtuDiscover: number = PMTUDISC_WANT;
  mtuDiscover6: number = PMTUDISC_WANT;
  /** IP_RECVERR, IPV6_RECVERR: errors go to a queue. */
  receiveErrors = false;
  receiveErrors6 = false;
  /** IP_OPTIONS to send. */
  options: Uint8Array | null = null;
  flowLabel = 0;
  freeBind = false;
  transparent = false;
  minTtl = 0;
  readonly memberships: SocketMembership[] = [];
}
