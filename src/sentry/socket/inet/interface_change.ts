/** Requests that change interfaces, routes and neighbours (netdevice(7), arp(7)), as ifconfig(8), route(8), arp(8) make them. */

import {
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EBUSY,
  EFAULT,
  EINVAL,
  ENETUNREACH,
  ENODEV,
  ENXIO,
  EOPNOTSUPP,
  EPERM,
} from "../../../abi/errno.ts";
import { CAP_NET_ADMIN } from "../../../abi/capability.ts";
import { readU64 } from "../../../abi/int64.ts";
import * as IO from "../../../abi/ioctl.ts";
import * as N from "../../../abi/netlink.ts";
import { AF_INET, IFNAMSIZ } from "../../../abi/socket.ts";
import type { NetworkInterface } from "../../../netstack/network/interface.ts";
import { NeighbourState } from "../../../netstack/network/neighbour.ts";
import { RouteType } from "../../../netstack/network/route.ts";
import { type IpAddress, readIpv4 } from "../../../netstack/wire/address.ts";
import { cString, putString } from "../../kernel/bytes.ts";
import type { Task } from "../../kernel/task.ts";
import { virtualLinkOf } from "../link/virtual_link.ts";
import type { NetworkStack } from "./network_stack.ts";

const IFREQ_SIZE = 40;
const RTENTRY_SIZE = 120;
const ARPREQ_SIZE = 68;
const RTF_GATEWAY = 2;
const RTF_HOST = 4;
const RTF_REJECT = 0x200;
const ATF_COM = 2;
const ATF_PERM = 4;
const SETTABLE = N.IFF_PROMISC | N.IFF_ALLMULTI | N.IFF_MULTICAST | N.IFF_NOARP;

/** Whether a request changes something, which takes CAP_NET_ADMIN. */
export function changesNetwork(cmd: number): boolean {
  switch (cmd) {
    case IO.SIOCSIFFLAGS:
    case IO.SIOCSIFADDR:
    case IO.SIOCSIFDSTADDR:
    case IO.SIOCSIFBRDADDR:
    case IO.SIOCSIFNETMASK:
    case IO.SIOCSIFMETRIC:
    case IO.SIOCSIFMTU:
    case IO.SIOCSIFNAME:
    case IO.SIOCSIFHWADDR:
    case IO.SIOCSIFTXQLEN:
    case IO.SIOCADDRT:
    case IO.SIOCDELRT:
    case IO.SIOCSARP:
    case IO.SIOCDARP:
      return true;
    default:
      return false;
  }
}

/** Carries out a request for which {@link changesNetwork} holds. */
export function changeNetwork(t: Task, network: NetworkStack, cmd: number, arg: number): number {
  if (!t.creds.capable(CAP_NET_ADMIN, network.net.userNs)) return -EPERM;
  const r = dispatch(t, network, cmd, arg);
  network.pump();
  return r;
}

function dispatch(t: Task, network: NetworkStack, cmd: number, arg: number): number {
  if (cmd === IO.SIOCADDRT || cmd === IO.SIOCDELRT) return changeRoute(t, network, cmd, arg);
  if (cmd === IO.SIOCSARP || cmd === IO.SIOCDARP) return neighbourIoctl(t, network, cmd, arg);
  if (t.copyIn(arg, IFREQ_SIZE) < 0) return -EFAULT;
  const at = network.stack.interfaceByName(cString(t.scratch, 0, IFNAMSIZ));
  return at === null ? -ENODEV : changeInterface(t, network, at, cmd);
}

function changeInterface(
  t: Task,
  network: NetworkStack,
  at: NetworkInterface,
  cmd: number,
): number {
  const { stack } = network;
  const { view } = t;
  switch (cmd) {
    case IO.SIOCSIFFLAGS: {
      const flags = view.getUint16(IFNAMSIZ, true);
      at.flags = (at.flags & ~SETTABLE) | (flags & SETTABLE);
      stack.setUp(at, (flags & N.IFF_UP) !== 0);
      return 0;
    }
    case IO.SIOCSIFMTU:
      return stack.setMtu(at, view.getInt32(IFNAMSIZ, true));
    case IO.SIOCSIFMETRIC:
      return view.getInt32(IFNAMSIZ, true) === 0 ? 0 : -EOPNOTSUPP;
    case IO.SIOCSIFTXQLEN:
      return view.getInt32(IFNAMSIZ, true) < 0 ? -EINVAL : 0;
    case IO.SIOCSIFNAME:
      if (at.isUp) return -EBUSY;
      return stack.renameInterface(at, cString(t.scratch, IFNAMSIZ, IFNAMSIZ));
    case IO.SIOCSIFHWADDR: {
      if (at.isLoopback || virtualLinkOf(at)?.kind === "bridge") return -EOPNOTSUPP;
      if (view.getUint16(IFNAMSIZ, true) !== 1) return -EINVAL;
      if ((t.scratch[IFNAMSIZ + 2] & 1) !== 0) return -EADDRNOTAVAIL;
      at.mac = view.getUint16(IFNAMSIZ + 2) * 0x100000000 + view.getUint32(IFNAMSIZ + 4);
      stack.ctx.routes.events?.link(at, false);
      return 0;
    }
    default:
      return changeAddress(t, network, at, cmd);
  }
}

/** The prefix that an address had before there were masks (RFC 791). */
function classPrefix(address: IpAddress): number {
  const first = address.v4 >>> 24;
  return first < 128 ? 8 : first < 192 ? 16 : 24;
}

function maskPrefix(mask: number): number {
  const prefix = Math.clz32(~mask);
  return prefix === 32 || (mask << prefix) === 0 ? prefix : -1;
}

function changeAddress(
  t: Task,
  { stack }: NetworkStack,
  at: NetworkInterface,
  cmd: number,
): number {
  if (t.view.getUint16(IFNAMSIZ, true) !== AF_INET) return -EINVAL;
  const given = readIpv4(t.scratch, IFNAMSIZ + 4);
  const known = at.addresses.find((e) => e.address.isV4) ?? null;
  if (cmd === IO.SIOCSIFADDR) {
    if (known !== null) {
      if (known.address.equals(given)) return 0;
      stack.removeAddress(at, known.address);
    }
    if (given.isAny) return 0;
    // It comes up with its first address, as ifconfig(8) relies on.
    stack.setUp(at, true);
    return stack.addAddress(at, given, known === null ? classPrefix(given) : known.prefix);
  }
  if (known === null) return -EADDRNOTAVAIL;
  let { prefix } = known;
  let broadcast = known.broadcast;
  let peer = known.peer;
  if (cmd === IO.SIOCSIFNETMASK) {
    prefix = maskPrefix(given.v4 | 0);
    if (prefix < 0) return -EINVAL;
    if (prefix === known.prefix) return 0;
  } else if (cmd === IO.SIOCSIFBRDADDR) broadcast = given;
  else peer = given;
  stack.removeAddress(at, known.address);
  return stack.addAddress(at, known.address, prefix, {
    scope: known.scope,
    ...(cmd === IO.SIOCSIFNETMASK ? {} : { broadcast }),
    ...(peer === null ? {} : { peer }),
  });
}

/** SIOCADDRT and SIOCDELRT, with a `struct rtentry`. */
function changeRoute(t: Task, network: NetworkStack, cmd: number, arg: number): number {
  if (t.copyIn(arg, RTENTRY_SIZE) < 0) return -EFAULT;
  const { view, scratch } = t;
  if (view.getUint16(8, true) !== AF_INET) return -EAFNOSUPPORT;
  const to = readIpv4(scratch, 12);
  const hop = readIpv4(scratch, 28);
  const flags = view.getUint16(56, true);
  const metric = view.getInt16(80, true);
  const device = readU64(view, 88);
  const mtu = readU64(view, 96);
  const prefix = (flags & RTF_HOST) !== 0 ? 32 : maskPrefix(view.getUint32(44) | 0);
  if (prefix < 0 || !to.masked(prefix).equals(to)) return -EINVAL;
  const { stack } = network;
  const { routes } = stack.ctx;
  let at: NetworkInterface | null = null;
  if (device !== 0) {
    const name = t.mm.readString(device, IFNAMSIZ);
    if (typeof name === "number") return name;
    at = stack.interfaceByName(name);
    if (at === null) return -ENODEV;
  }
  const gateway = (flags & RTF_GATEWAY) !== 0 ? hop : null;
  // The number that programs give is one more than the metric (route(8)).
  const real = Math.max(metric - 1, 0);
  if (cmd === IO.SIOCDELRT) {
    return routes.remove(to, prefix, N.RT_TABLE_MAIN, gateway, at?.index ?? 0, real);
  }
  const type = (flags & RTF_REJECT) !== 0 ? RouteType.Unreachable : RouteType.Unicast;
  if (at === null && type === RouteType.Unicast) {
    if (gateway === null) return -ENODEV;
    const found = routes.lookup(gateway, null, 0);
    if (typeof found === "number" || found.viaGateway) return -ENETUNREACH;
    at = found.out;
  }
  return stack.addRoute({
    destination: to,
    prefix,
    gateway,
    interfaceIndex: at?.index ?? 0,
    metric: real,
    type,
    mtu: mtu < 65536 ? mtu : 0,
  });
}

/** SIOCSARP, SIOCDARP and SIOCGARP, with a `struct arpreq`. */
export function neighbourIoctl(t: Task, network: NetworkStack, cmd: number, arg: number): number {
  if (t.copyIn(arg, ARPREQ_SIZE) < 0) return -EFAULT;
  const { view, scratch } = t;
  if (view.getUint16(0, true) !== AF_INET) return -EAFNOSUPPORT;
  const address = readIpv4(scratch, 4);
  const flags = view.getInt32(32, true);
  const name = cString(scratch, 52, IFNAMSIZ);
  const { stack } = network;
  let at = name === "" ? null : stack.interfaceByName(name);
  if (name !== "" && at === null) return -ENODEV;
  if (at === null) {
    const found = stack.ctx.routes.lookup(address, null, 0);
    if (typeof found === "number") return found;
    at = found.out;
  }
  const table = at.neighbours4;
  if (table === null) return -ENXIO;
  if (cmd === IO.SIOCDARP) return table.remove(address) ? 0 : -ENXIO;
  if (cmd === IO.SIOCSARP) {
    if ((flags & ATF_COM) === 0) return -EINVAL;
    const mac = view.getUint16(18) * 0x100000000 + view.getUint32(20);
    const state = (flags & ATF_PERM) !== 0 ? NeighbourState.Permanent : NeighbourState.Stale;
    return table.set(address, mac, state);
  }
  const n = table.get(address);
  if (n === null) return -ENXIO;
  const permanent = n.state === NeighbourState.Permanent ? ATF_PERM : 0;
  view.setInt32(32, n.mac >= 0 ? ATF_COM | permanent : 0, true);
  view.setUint16(16, 1, true);
  if (n.mac >= 0) {
    view.setUint16(18, Math.floor(n.mac / 0x100000000));
    view.setUint32(20, n.mac >>> 0);
  }
  scratch.fill(0, 52, 52 + IFNAMSIZ);
  putString(scratch, 52, at.name);
  return t.copyOut(arg, ARPREQ_SIZE);
}
