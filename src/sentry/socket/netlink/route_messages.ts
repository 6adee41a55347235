/** Writes what rtnetlink(7) tells: links, addresses, routes, neighbours, rules. */

import { AF_INET, AF_INET6 } from "../../../abi/socket.ts";
import * as N from "../../../abi/netlink.ts";
import type { NetlinkWriter } from "../../../abi/netlink_message.ts";
import {
  AddressState,
  type InterfaceAddress,
  type NetworkInterface,
} from "../../../netstack/network/interface.ts";
import type { Neighbour } from "../../../netstack/network/neighbour.ts";
import type { RouteEntry } from "../../../netstack/network/route.ts";
import type { RoutingRule } from "../../../netstack/network/routing.ts";
import type { IpAddress } from "../../../netstack/wire/address.ts";
import { putIpv6 } from "../inet/inet_address.ts";
import { masterOf, virtualLinkOf } from "../link/virtual_link.ts";
import type { Asker } from "./netlink_socket.ts";

const ARPHRD_LOOPBACK = 772;
const ARPHRD_ETHER = 1;
const FOREVER = 0xffffffff;
const RTAX_MTU = 2;
const IF_OPER_LOWERLAYERDOWN = 3;

/** The bytes of an address. */
export function bytesOf(address: IpAddress): Uint8Array {
  const bytes = new Uint8Array(address.isV4 ? 4 : 16);
  const view = new DataView(bytes.buffer);
  if (address.isV4) view.setUint32(0, address.v4);
  else putIpv6(view, 0, address);
  return bytes;
}

function macBytes(value: number): Uint8Array {
  const bytes = new Uint8Array(6);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, Math.floor(value / 0x100000000));
  view.setUint32(2, value >>> 0);
  return bytes;
}

function familyOf(address: IpAddress): number {
  return address.isV4 ? AF_INET : AF_INET6;
}

/** Whether an interface is up and has somebody at its other end. */
function hasCarrier(at: NetworkInterface): boolean {
  if (!at.isUp) return false;
  const link = virtualLinkOf(at);
  if (link?.kind === "veth") return link.peer?.at.isUp ?? false;
  if (link?.kind !== "bridge") return true;
  return link.network.stack.interfaces().some((port) =>
    masterOf(port) === link && hasCarrier(port)
  );
}

/** `struct rtnl_link_stats` or `rtnl_link_stats64` of an interface, in the order of their fields. */
function statistics(at: NetworkInterface): number[] {
  const values = [at.rxPackets, at.txPackets, at.rxBytes, at.txBytes, 0, 0];
  values.push(at.rxDropped, at.txDropped, at.rxMulticast);
  while (values.length < 24) values.push(0);
  return values;
}

/** One interface; `gone` tells that it was removed. */
export function writeLink(
  w: NetlinkWriter,
  at: NetworkInterface,
  asker: Asker,
  flags: number,
  gone = false,
): void {
  const up = at.isUp;
  const link = virtualLinkOf(at);
  const running = hasCarrier(at);
  const lower = running ? N.IFF_RUNNING | N.IFF_LOWER_UP : 0;
  w.begin(gone ? N.RTM_DELLINK : N.RTM_NEWLINK, flags, asker.sequence, asker.port);
  w.u8(0, 0).u16(at.isLoopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER).u32(at.index);
  w.u32(at.flags | lower).u32(0);
  w.text(N.IFLA_IFNAME, at.name);
  w.attribute32(N.IFLA_TXQLEN, 1000);
  const unknown = at.isLoopback || link?.kind === "dummy";
  const state = !running
    ? link?.kind === "veth" && up ? IF_OPER_LOWERLAYERDOWN : N.IF_OPER_DOWN
    : unknown
    ? N.IF_OPER_UNKNOWN
    : N.IF_OPER_UP;
  w.attribute8(N.IFLA_OPERSTATE, state);
  w.attribute8(N.IFLA_LINKMODE, 0);
  w.attribute32(N.IFLA_MTU, at.mtu);
  w.attribute32(N.IFLA_MIN_MTU, at.isLoopback ? 0 : 68);
  w.attribute32(N.IFLA_MAX_MTU, at.isLoopback ? 0 : at.device.mtu);
  w.attribute32(N.IFLA_GROUP, 0);
  w.attribute32(N.IFLA_PROMISCUITY, (at.flags & N.IFF_PROMISC) !== 0 ? 1 : 0);
  w.attribute32(N.IFLA_NUM_TX_QUEUES, 1);
  w.attribute32(N.IFLA_NUM_RX_QUEUES, 1);
  w.attribute8(N.IFLA_CARRIER, running ? 1 : 0);
  w.attribute32(N.IFLA_CARRIER_CHANGES, 0);
  w.text(N.IFLA_QDISC, at.wasUp ? "noqueue" : "noop");
  const master = masterOf(at);
  if (master !== null) w.attribute32(N.IFLA_MASTER, master.at.index);
  if (link?.peer !== null && link?.peer !== undefined) {
    w.attribute32(N.IFLA_LINK, link.peer.at.index);
    if (link.peer.network !== link.network) w.attribute32(N.IFLA_LINK_NETNSID, 0);
  }
  w.attribute(N.IFLA_ADDRESS, macBytes(at.isLoopback ? 0 : at.mac));
  w.attribute(N.IFLA_BROADCAST, macBytes(at.isLoopback ? 0 : 0xffffffffffff));
  const values = statistics(at);
  w.u16(4 + 8 * values.length).u16(N.IFLA_STATS64);
  for (const value of values) w.u64(value);
  w.u16(4 + 4 * values.length).u16(N.IFLA_STATS);
  for (const value of values) w.u32(value >>> 0);
  if (link !== null || master !== null) {
    const info = w.nest(N.IFLA_LINKINFO);
    if (link !== null) w.text(N.IFLA_INFO_KIND, link.kind);
    if (master !== null) w.text(N.IFLA_INFO_SLAVE_KIND, "bridge");
    w.endNest(info);
  }
  w.end();
}

function addressFlags(e: InterfaceAddress): number {
  let flags = e.validUntil === Infinity ? N.IFA_F_PERMANENT : 0;
  if (e.state === AddressState.Tentative) flags |= N.IFA_F_TENTATIVE;
  if (e.state === AddressState.Deprecated) flags |= N.IFA_F_DEPRECATED;
  if (e.state === AddressState.Duplicate) flags |= N.IFA_F_DADFAILED | N.IFA_F_TENTATIVE;
  return flags;
}

/** One address of an interface. */
export function writeAddress(
  w: NetlinkWriter,
  at: NetworkInterface,
  e: InterfaceAddress,
  asker: Asker,
  flags: number,
  now: number,
  gone = false,
): void {
  const v4 = e.address.isV4;
  const state = addressFlags(e);
  w.begin(gone ? N.RTM_DELADDR : N.RTM_NEWADDR, flags, asker.sequence, asker.port);
  w.u8(v4 ? AF_INET : AF_INET6, e.prefix, state & 0xff, e.scope).u32(at.index);
  const address = bytesOf(e.address);
  w.attribute(N.IFA_ADDRESS, e.peer === null ? address : bytesOf(e.peer));
  if (v4) {
    w.attribute(N.IFA_LOCAL, address);
    if (e.broadcast !== null) w.attribute(N.IFA_BROADCAST, bytesOf(e.broadcast));
    w.text(N.IFA_LABEL, e.label === "" ? at.name : e.label);
  } else if (e.peer !== null) w.attribute(N.IFA_LOCAL, address);
  w.attribute32(N.IFA_FLAGS, state);
  const lasts = (until: number) =>
    until === Infinity ? FOREVER : Math.max(0, Math.floor((until - now) / 1e9));
  w.u16(20).u16(N.IFA_CACHEINFO).u32(lasts(e.preferredUntil)).u32(lasts(e.validUntil));
  w.u32(0).u32(0);
  w.end();
}

/** One route. */
export function writeRoute(
  w: NetlinkWriter,
  r: RouteEntry,
  asker: Asker,
  flags: number,
  gone = false,
  routeFlags = 0,
): void {
  const family = familyOf(r.destination);
  w.begin(gone ? N.RTM_DELROUTE : N.RTM_NEWROUTE, flags, asker.sequence, asker.port);
  const table = r.table > 255 ? N.RT_TABLE_UNSPEC : r.table;
  w.u8(family, r.prefix, 0, r.tos, table, r.protocol, family === AF_INET ? r.scope : 0, r.type);
  w.u32(routeFlags);
  w.attribute32(N.RTA_TABLE, r.table);
  if (r.prefix > 0) w.attribute(N.RTA_DST, bytesOf(r.destination));
  if (r.metric !== 0 || family === AF_INET6) w.attribute32(N.RTA_PRIORITY, r.metric);
  if (r.source !== null) w.attribute(N.RTA_PREFSRC, bytesOf(r.source));
  if (r.gateway !== null) w.attribute(N.RTA_GATEWAY, bytesOf(r.gateway));
  if (r.interfaceIndex !== 0) w.attribute32(N.RTA_OIF, r.interfaceIndex);
  if (r.mtu !== 0) {
    const metrics = w.nest(N.RTA_METRICS);
    w.attribute32(RTAX_MTU, r.mtu);
    w.endNest(metrics);
  }
  if (family === AF_INET6) w.attribute8(N.RTA_PREF, 0);
  w.end();
}

/** One neighbour. */
export function writeNeighbour(
  w: NetlinkWriter,
  at: NetworkInterface,
  n: Neighbour,
  asker: Asker,
  flags: number,
  gone = false,
): void {
  w.begin(gone ? N.RTM_DELNEIGH : N.RTM_NEWNEIGH, flags, asker.sequence, asker.port);
  w.u8(familyOf(n.address), 0, 0, 0).u32(at.index).u16(n.state);
  w.u8(n.isRouter ? N.NTF_ROUTER : 0, N.RTN_UNICAST);
  w.attribute(N.NDA_DST, bytesOf(n.address));
  if (n.mac >= 0) w.attribute(N.NDA_LLADDR, macBytes(n.mac));
  w.attribute32(N.NDA_PROBES, n.probes);
  w.u16(20).u16(N.NDA_CACHEINFO).u32(0).u32(0).u32(0).u32(0);
  w.end();
}

/** One rule. */
export function writeRule(
  w: NetlinkWriter,
  r: RoutingRule,
  asker: Asker,
  flags: number,
  gone = false,
): void {
  w.begin(gone ? N.RTM_DELRULE : N.RTM_NEWRULE, flags, asker.sequence, asker.port);
  const table = r.table > 255 ? N.RT_TABLE_UNSPEC : r.table;
  w.u8(r.isV4 ? AF_INET : AF_INET6, r.destinationPrefix, r.sourcePrefix, 0);
  w.u8(table, 0, 0, N.FR_ACT_TO_TBL).u32(0);
  w.attribute32(N.FRA_TABLE, r.table);
  w.attribute32(N.FRA_SUPPRESS_PREFIXLEN, FOREVER);
  w.attribute8(N.FRA_PROTOCOL, r.priority === 0 || r.priority >= 32766 ? 2 : 0);
  if (r.priority !== 0) w.attribute32(N.FRA_PRIORITY, r.priority);
  if (r.destination !== null) w.attribute(N.FRA_DST, bytesOf(r.destination));
  if (r.source !== null) w.attribute(N.FRA_SRC, bytesOf(r.source));
  if (r.mark !== 0 || r.markMask !== 0) {
    w.attribute32(N.FRA_FWMARK, r.mark);
    w.attribute32(N.FRA_FWMASK, r.markMask);
  }
  w.end();
}
