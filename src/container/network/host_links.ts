/** What the host's kernel has configured in a network namespace: interfaces, addresses, routes, neighbours. */

import * as N from "../../abi/netlink.ts";
import { NetlinkAttributes, type NetlinkMessage } from "../../abi/netlink_message.ts";
import type { NetlinkClient } from "./netlink_client.ts";

const ARPHRD_ETHER = 1;
const RTAX_MTU = 2;
const LINK_SIZE = 16;
const ADDRESS_SIZE = 8;
const ROUTE_SIZE = 12;
const NEIGHBOUR_SIZE = 12;
/** States of a neighbour whose address is known. */
const KNOWN = N.NUD_PERMANENT | N.NUD_REACHABLE | N.NUD_STALE | N.NUD_DELAY | N.NUD_PROBE;

/** An Ethernet interface. */
export interface HostLink {
  index: number;
  name: string;
  /** Hardware address, 48 bits. */
  mac: number;
  mtu: number;
  up: boolean;
}

/** An address of an interface; IP addresses are bytes in network order. */
export interface HostAddress {
  index: number;
  address: Uint8Array;
  peer: Uint8Array | null;
  broadcast: Uint8Array | null;
  prefix: number;
  scope: number;
  /** The bytes of the message that removes it. */
  body: Uint8Array;
}

/** A route of the main table, or of another that is not the kernel's own. */
export interface HostRoute {
  index: number;
  isV4: boolean;
  destination: Uint8Array | null;
  prefix: number;
  gateway: Uint8Array | null;
  source: Uint8Array | null;
  metric: number;
  table: number;
  protocol: number;
  scope: number;
  type: number;
  mtu: number;
}

/** A neighbour. */
export interface HostNeighbour {
  index: number;
  address: Uint8Array;
  mac: number;
  permanent: boolean;
}

/** All of it. */
export interface HostNetwork {
  links: HostLink[];
  addresses: HostAddress[];
  routes: HostRoute[];
  neighbours: HostNeighbour[];
}

function viewOf(m: NetlinkMessage): DataView {
  return new DataView(m.body.buffer, m.body.byteOffset, m.body.length);
}

/** Six bytes as a number. */
export function macNumber(bytes: Uint8Array | null): number {
  let value = 0;
  for (let i = 0; bytes !== null && i < 6; i++) value = value * 256 + (bytes[i] ?? 0);
  return value;
}

function readLink(m: NetlinkMessage): HostLink | null {
  if (m.type !== N.RTM_NEWLINK || m.body.length < LINK_SIZE) return null;
  const view = viewOf(m);
  if (view.getUint16(2, true) !== ARPHRD_ETHER) return null;
  const a = new NetlinkAttributes(m.body, LINK_SIZE);
  return {
    index: view.getInt32(4, true),
    name: a.text(N.IFLA_IFNAME) ?? "",
    mac: macNumber(a.get(N.IFLA_ADDRESS)),
    mtu: a.number(N.IFLA_MTU, 1500),
    up: (view.getUint32(8, true) & N.IFF_UP) !== 0,
  };
}

function readAddress(m: NetlinkMessage): HostAddress | null {
  if (m.type !== N.RTM_NEWADDR || m.body.length < ADDRESS_SIZE) return null;
  const a = new NetlinkAttributes(m.body, ADDRESS_SIZE);
  const far = a.get(N.IFA_ADDRESS);
  const address = a.get(N.IFA_LOCAL) ?? far;
  if (address === null || (address.length !== 4 && address.length !== 16)) return null;
  const isPeer = far !== null && far.some((byte, i) => byte !== address[i]);
  return {
    index: viewOf(m).getInt32(4, true),
    address,
    peer: isPeer ? far : null,
    broadcast: a.get(N.IFA_BROADCAST),
    prefix: m.body[1],
    scope: m.body[3],
    body: m.body,
  };
}

function readRoute(m: NetlinkMessage): HostRoute | null {
  if (m.type !== N.RTM_NEWROUTE || m.body.length < ROUTE_SIZE) return null;
  const a = new NetlinkAttributes(m.body, ROUTE_SIZE);
  if ((viewOf(m).getUint32(8, true) & N.RTM_F_CLONED) !== 0) return null;
  const table = a.number(N.RTA_TABLE, m.body[4]);
  if (table === N.RT_TABLE_LOCAL) return null;
  return {
    index: a.number(N.RTA_OIF),
    isV4: m.body[0] === 2,
    destination: a.get(N.RTA_DST),
    prefix: m.body[1],
    gateway: a.get(N.RTA_GATEWAY),
    source: a.get(N.RTA_PREFSRC),
    metric: a.number(N.RTA_PRIORITY),
    table,
    protocol: m.body[5],
    scope: m.body[6],
    type: m.body[7],
    mtu: a.nested(N.RTA_METRICS)?.number(RTAX_MTU) ?? 0,
  };
}

function readNeighbour(m: NetlinkMessage): HostNeighbour | null {
  if (m.type !== N.RTM_NEWNEIGH || m.body.length < NEIGHBOUR_SIZE) return null;
  const view = viewOf(m);
  const state = view.getUint16(8, true);
  const a = new NetlinkAttributes(m.body, NEIGHBOUR_SIZE);
  const address = a.get(N.NDA_DST);
  const mac = a.get(N.NDA_LLADDR);
  if ((state & KNOWN) === 0 || address === null || mac === null || mac.length !== 6) return null;
  return {
    index: view.getInt32(4, true),
    address,
    mac: macNumber(mac),
    permanent: (state & N.NUD_PERMANENT) !== 0,
  };
}

/** Reads what the namespace of the client has; loopback and what is no Ethernet are left out. */
export function readHostNetwork(client: NetlinkClient): HostNetwork {
  const all = <T>(type: number, size: number, read: (m: NetlinkMessage) => T | null): T[] =>
    client.dump(type, new Uint8Array(size)).map(read).filter((found) => found !== null);
  const links = all(N.RTM_GETLINK, LINK_SIZE, readLink);
  const known = new Set(links.map((link) => link.index));
  const here = <T extends { index: number }>(found: T[]) => found.filter((x) => known.has(x.index));
  return {
    links,
    addresses: here(all(N.RTM_GETADDR, ADDRESS_SIZE, readAddress)),
    routes: here(all(N.RTM_GETROUTE, ROUTE_SIZE, readRoute)),
    neighbours: here(all(N.RTM_GETNEIGH, NEIGHBOUR_SIZE, readNeighbour)),
  };
}

/** Takes all addresses, and with them the routes, from the host's interfaces; 0 or the first error. */
export function flushAddresses(client: NetlinkClient, addresses: readonly HostAddress[]): number {
  for (const { body } of addresses) {
    client.begin(N.RTM_DELADDR, N.NLM_F_ACK).raw(body);
    const r = client.acknowledged();
    if (r < 0) return r;
  }
  return 0;
}
