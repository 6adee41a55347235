/** Answers to requests about links, addresses and routes (rtnetlink(7)). */

import { AF_INET, AF_INET6 } from "../../../abi/socket.ts";
import * as N from "../../../abi/netlink.ts";
import type { InterfaceAddress, NetworkInterface } from "../../../netstack/network/interface.ts";
import type { RouteEntry } from "../../../netstack/network/route.ts";
import type { Stack } from "../../../netstack/stack/stack.ts";
import type { IpAddress } from "../../../netstack/wire/address.ts";
import { putIpv6 } from "../inet/inet_address.ts";
import type { NetlinkWriter } from "../../../abi/netlink_message.ts";

const IFF_RUNNING = 0x40;
const IFF_LOWER_UP = 0x10000;
const ARPHRD_LOOPBACK = 772;
const ARPHRD_ETHER = 1;
const IFA_F_PERMANENT = 0x80;
const OPERSTATE_UNKNOWN = 0;
const OPERSTATE_DOWN = 2;
const OPERSTATE_UP = 6;
const FOREVER = 0xffffffff;

/** Who asked, for the headers of the answers. */
export interface Asker {
  readonly sequence: number;
  readonly port: number;
}

function bytesOf(address: IpAddress): Uint8Array {
  const bytes = new Uint8Array(address.isV4 ? 4 : 16);
  const view = new DataView(bytes.buffer);
  if (address.isV4) view.setUint32(0, address.v4);
  else putIpv6(view, 0, address);
  return bytes;
}

function mac(at: NetworkInterface, value: number): Uint8Array {
  const bytes = new Uint8Array(6);
  const view = new DataView(bytes.buffer);
  if (!at.isLoopback) {
    view.setUint16(0, Math.floor(value / 0x100000000));
    view.setUint32(2, value >>> 0);
  }
  return bytes;
}

/** One interface. */
export function writeLink(
  w: NetlinkWriter,
  at: NetworkInterface,
  asker: Asker,
  flags: number,
): void {
  const up = at.isUp;
  w.begin(N.RTM_NEWLINK, flags, asker.sequence, asker.port);
  w.u8(0, 0).u16(at.isLoopback ? ARPHRD_LOOPBACK : ARPHRD_ETHER).u32(at.index);
  w.u32(at.flags | (up ? IFF_RUNNING | IFF_LOWER_UP : 0)).u32(0);
  w.text(N.IFLA_IFNAME, at.name);
  w.attribute32(N.IFLA_TXQLEN, 1000);
  const state = !up ? OPERSTATE_DOWN : at.isLoopback ? OPERSTATE_UNKNOWN : OPERSTATE_UP;
  w.attribute8(N.IFLA_OPERSTATE, state);
  w.attribute8(N.IFLA_LINKMODE, 0);
  w.attribute32(N.IFLA_MTU, at.mtu);
  w.attribute32(N.IFLA_GROUP, 0);
  w.attribute32(N.IFLA_PROMISCUITY, 0);
  w.attribute32(N.IFLA_NUM_TX_QUEUES, 1);
  w.attribute32(N.IFLA_NUM_RX_QUEUES, 1);
  w.attribute8(N.IFLA_CARRIER, up ? 1 : 0);
  w.text(N.IFLA_QDISC, "noqueue");
  w.attribute(N.IFLA_ADDRESS, mac(at, at.mac));
  w.attribute(N.IFLA_BROADCAST, mac(at, 0xffffffffffff));
  w.end();
}

/** One address of an interface. */
export function writeAddress(
  w: NetlinkWriter,
  at: NetworkInterface,
  e: InterfaceAddress,
  asker: Asker,
): void {
  const v4 = e.address.isV4;
  w.begin(N.RTM_NEWADDR, N.NLM_F_MULTI, asker.sequence, asker.port);
  w.u8(v4 ? AF_INET : AF_INET6, e.prefix, IFA_F_PERMANENT, e.scope).u32(at.index);
  const address = bytesOf(e.address);
  w.attribute(N.IFA_ADDRESS, e.peer === null ? address : bytesOf(e.peer));
  if (v4) {
    w.attribute(N.IFA_LOCAL, address);
    if (e.broadcast !== null) w.attribute(N.IFA_BROADCAST, bytesOf(e.broadcast));
    w.text(N.IFA_LABEL, e.label === "" ? at.name : e.label);
  }
  w.attribute32(N.IFA_FLAGS, IFA_F_PERMANENT);
  w.u16(20).u16(N.IFA_CACHEINFO).u32(FOREVER).u32(FOREVER).u32(0).u32(0);
  w.end();
}

/** One route. */
export function writeRoute(w: NetlinkWriter, r: RouteEntry, asker: Asker): void {
  const v4 = r.destination.isV4;
  w.begin(N.RTM_NEWROUTE, N.NLM_F_MULTI, asker.sequence, asker.port);
  w.u8(v4 ? AF_INET : AF_INET6, r.prefix, 0, r.tos, r.table & 0xff, r.protocol, r.scope, r.type);
  w.u32(0);
  w.attribute32(N.RTA_TABLE, r.table);
  if (r.prefix > 0) w.attribute(N.RTA_DST, bytesOf(r.destination));
  if (r.metric !== 0) w.attribute32(N.RTA_PRIORITY, r.metric);
  if (r.source !== null) w.attribute(N.RTA_PREFSRC, bytesOf(r.source));
  if (r.gateway !== null) w.attribute(N.RTA_GATEWAY, bytesOf(r.gateway));
  if (r.interfaceIndex !== 0) w.attribute32(N.RTA_OIF, r.interfaceIndex);
  w.end();
}

/** All interfaces, addresses or routes of a family (0: all families), as a request for a dump wants. */
export function dump(
  stack: Stack,
  type: number,
  family: number,
  asker: Asker,
  w: NetlinkWriter,
): boolean {
  const wants = (v4: boolean) => family === 0 || family === (v4 ? AF_INET : AF_INET6);
  switch (type) {
    case N.RTM_GETLINK:
      for (const at of stack.interfaces()) writeLink(w, at, asker, N.NLM_F_MULTI);
      return true;
    case N.RTM_GETADDR:
      for (const at of stack.interfaces()) {
        for (const e of at.addresses) if (wants(e.address.isV4)) writeAddress(w, at, e, asker);
      }
      return true;
    case N.RTM_GETROUTE:
      for (const v4 of [true, false]) {
        if (!wants(v4)) continue;
        for (const r of stack.ctx.routes.list(v4)) writeRoute(w, r, asker);
      }
      return true;
    case N.RTM_GETNEIGH:
    case N.RTM_GETRULE:
    case N.RTM_GETQDISC:
    case N.RTM_GETNETCONF:
      return true;
    default:
      return false;
  }
}
