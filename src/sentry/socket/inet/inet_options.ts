/** Options of the levels above the socket: IPPROTO_IP and IPPROTO_IPV6 here, TCP in a file of its own. */

import { EADDRNOTAVAIL, EINVAL, ENODEV, ENOPROTOOPT, ENOTCONN, EPERM } from "../../../abi/errno.ts";
import { CAP_NET_ADMIN, CAP_NET_RAW } from "../../../abi/capability.ts";
import * as S from "../../../abi/socket.ts";
import { DatagramEndpoint } from "../../../netstack/transport/datagram.ts";
import { RawEndpoint } from "../../../netstack/transport/raw_endpoint.ts";
import { TcpEndpoint } from "../../../netstack/transport/tcp/endpoint.ts";
import { UdpEndpoint } from "../../../netstack/transport/udp_endpoint.ts";
import { readIpv6 } from "../../../netstack/wire/address.ts";
import type { Task } from "../../kernel/task.ts";
import { TELLING_IP, TELLING_IPV6 } from "./ancillary.ts";
import { optionIpv4 } from "./inet_address.ts";
import type { InetSocket } from "./inet_socket.ts";
import { int, LEVEL } from "./option_values.ts";
import { getTcp, setTcp } from "./tcp_options.ts";

/** Options that are kept and shown, with what they are at first, by level. */
const KEPT_IP: ReadonlyMap<number, number> = new Map([
  [S.IP_PKTINFO, 0],
  [S.IP_RECVTTL, 0],
  [S.IP_RECVTOS, 0],
  [S.IP_RECVOPTS, 0],
  [S.IP_RETOPTS, 0],
  [S.IP_RECVORIGDSTADDR, 0],
  [S.IP_BIND_ADDRESS_NO_PORT, 0],
  [S.IP_CHECKSUM, 0],
  [S.IP_NODEFRAG, 0],
  [S.IP_ROUTER_ALERT, 0],
]);
const KEPT_IPV6: ReadonlyMap<number, number> = new Map([
  [S.IPV6_RECVPKTINFO, 0],
  [S.IPV6_RECVHOPLIMIT, 0],
  [S.IPV6_RECVTCLASS, 0],
  [S.IPV6_RECVRTHDR, 0],
  [S.IPV6_RECVHOPOPTS, 0],
  [S.IPV6_RECVDSTOPTS, 0],
  [S.IPV6_RECVPATHMTU, 0],
  [S.IPV6_AUTOFLOWLABEL, 1],
  [S.IPV6_DONTFRAG, 0],
  [S.IPV6_ADDR_PREFERENCES, 0],
]);

/** getsockopt(2) of a level above the socket. */
export function getInetOption(s: InetSocket, level: number, name: number): Uint8Array | number {
  switch (level) {
    case S.IPPROTO_TCP:
      return s.endpoint instanceof TcpEndpoint ? getTcp(s.options, s.endpoint, name) : -ENOPROTOOPT;
    case S.IPPROTO_UDP:
      if (!(s.endpoint instanceof UdpEndpoint)) return -ENOPROTOOPT;
      if (name === S.UDP_CORK) return int(s.endpoint.cork);
      return name === S.UDP_SEGMENT ? int(s.endpoint.segmentSize) : -ENOPROTOOPT;
    case S.SOL_RAW:
    case S.IPPROTO_ICMPV6:
      return s.endpoint instanceof RawEndpoint ? getRaw(s.endpoint, level, name) : -ENOPROTOOPT;
    case S.IPPROTO_IP:
      return getIp(s, name);
    case S.IPPROTO_IPV6:
      return s.isV6 ? getIpv6(s, name) : -ENOPROTOOPT;
    default:
      return -ENOPROTOOPT;
  }
}

/** setsockopt(2) of a level above the socket. */
export function setInetOption(
  t: Task,
  s: InetSocket,
  level: number,
  name: number,
  value: Uint8Array,
): number {
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  // Options of the IP levels may be given as one byte.
  const number = value.length >= 4 ? view.getInt32(0, true) : value.length > 0 ? value[0] : 0;
  switch (level) {
    case S.IPPROTO_TCP:
      if (!(s.endpoint instanceof TcpEndpoint)) return -ENOPROTOOPT;
      return setTcp(s.options, s.endpoint, name, number, value);
    case S.IPPROTO_UDP:
      if (!(s.endpoint instanceof UdpEndpoint)) return -ENOPROTOOPT;
      if (name === S.UDP_CORK) return s.endpoint.setCork(number !== 0);
      if (name !== S.UDP_SEGMENT) return -ENOPROTOOPT;
      if (number < 0 || number > 65535) return -EINVAL;
      s.endpoint.segmentSize = number;
      return 0;
    case S.SOL_RAW:
    case S.IPPROTO_ICMPV6:
      return s.endpoint instanceof RawEndpoint
        ? setRaw(s.endpoint, level, name, number, value)
        : -ENOPROTOOPT;
    case S.IPPROTO_IP:
      return setIp(t, s, name, number, view);
    case S.IPPROTO_IPV6:
      return s.isV6 ? setIpv6(s, name, number, value) : -ENOPROTOOPT;
    default:
      return -ENOPROTOOPT;
  }
}

// Raw sockets (raw(7), RFC 3542).

/** `ICMP_FILTER`, and `ICMPV6_FILTER` on the level of ICMPv6. */
const ICMP_FILTER = 1;

function getRaw(e: RawEndpoint, level: number, name: number): Uint8Array | number {
  if (level === S.SOL_RAW) {
    if (name === S.IPV6_CHECKSUM && e.isV6) return int(e.checksumOffset);
    const isIcmp = e.protocol === S.IPPROTO_ICMP && !e.isV6;
    return name === ICMP_FILTER && isIcmp ? int(e.icmpFilter) : -ENOPROTOOPT;
  }
  if (name !== ICMP_FILTER || e.protocol !== S.IPPROTO_ICMPV6 || !e.isV6) return -ENOPROTOOPT;
  return new Uint8Array(e.icmp6Filter.slice().buffer);
}

function setRaw(
  e: RawEndpoint,
  level: number,
  name: number,
  number: number,
  value: Uint8Array,
): number {
  if (level === S.SOL_RAW) {
    if (name === S.IPV6_CHECKSUM && e.isV6) {
      // ICMPv6 always has its checksum; to turn it off is an error, its own place is none.
      if (e.protocol === S.IPPROTO_ICMPV6) return number === 2 ? 0 : -EINVAL;
      if (number > 0 && (number & 1) !== 0) return -EINVAL;
      e.checksumOffset = Math.max(number, -1);
      return 0;
    }
    if (name !== ICMP_FILTER || e.protocol !== S.IPPROTO_ICMP || e.isV6) return -ENOPROTOOPT;
    e.icmpFilter = number;
    return 0;
  }
  if (name !== ICMP_FILTER || e.protocol !== S.IPPROTO_ICMPV6 || !e.isV6) return -ENOPROTOOPT;
  new Uint8Array(e.icmp6Filter.buffer).set(value.subarray(0, 32));
  return 0;
}

// IP.

function getIp(s: InetSocket, name: number): Uint8Array | number {
  const e = s.endpoint;
  const ip = e.ip;
  switch (name) {
    case S.IP_TOS:
      return int(ip.tos);
    case S.IP_TTL:
      return int(ip.ttl < 0 ? e.ctx.settings.defaultTtl : ip.ttl);
    case S.IP_MTU_DISCOVER:
      return int(ip.mtuDiscover);
    case S.IP_RECVERR:
      return int(ip.receiveErrors);
    case S.IP_MULTICAST_TTL:
      return int(ip.multicastTtl);
    case S.IP_MULTICAST_LOOP:
      return int(ip.multicastLoop);
    case S.IP_MULTICAST_ALL:
      return int(ip.multicastAll);
    case S.IP_MULTICAST_IF: {
      const bytes = new Uint8Array(4);
      if (ip.multicastSource !== null) {
        new DataView(bytes.buffer).setUint32(0, ip.multicastSource.v4);
      }
      return bytes;
    }
    case S.IP_FREEBIND:
      return int(ip.freeBind);
    case S.IP_TRANSPARENT:
      return int(ip.transparent);
    case S.IP_MINTTL:
      return int(ip.minTtl);
    case S.IP_OPTIONS:
      return ip.options ?? new Uint8Array(0);
    case S.IP_HDRINCL:
      return e instanceof RawEndpoint ? int(e.headerIncluded) : -ENOPROTOOPT;
    case S.IP_MTU: {
      if (e.remote.isAny) return -ENOTCONN;
      const route = e.ctx.routes.lookup(e.remote, null, e.device, e.mark);
      return typeof route === "number" ? -ENOTCONN : int(route.out.mtu);
    }
    default:
      return kept(s, S.IPPROTO_IP, name, KEPT_IP);
  }
}

function kept(
  s: InetSocket,
  level: number,
  name: number,
  known: ReadonlyMap<number, number>,
): Uint8Array | number {
  const first = known.get(name);
  if (first === undefined) return -ENOPROTOOPT;
  return int(s.options.values.get((level + 1) * LEVEL + name) ?? first);
}

function setIp(t: Task, s: InetSocket, name: number, number: number, view: DataView): number {
  const e = s.endpoint;
  const ip = e.ip;
  switch (name) {
    case S.IP_TOS:
      ip.tos = number & 0xff;
      return 0;
    case S.IP_TTL:
      if (number !== -1 && (number < 1 || number > 255)) return -EINVAL;
      ip.ttl = number;
      return 0;
    case S.IP_MTU_DISCOVER:
      if (number < 0 || number > 5) return -EINVAL;
      ip.mtuDiscover = number;
      return 0;
    case S.IP_RECVERR:
      ip.receiveErrors = number !== 0;
      return 0;
    case S.IP_MULTICAST_TTL:
      if (number < -1 || number > 255) return -EINVAL;
      ip.multicastTtl = number === -1 ? 1 : number;
      return 0;
    case S.IP_MULTICAST_LOOP:
      ip.multicastLoop = number !== 0;
      return 0;
    case S.IP_MULTICAST_ALL:
      ip.multicastAll = number !== 0;
      return 0;
    case S.IP_MULTICAST_IF: {
      if (view.byteLength < 4) return -EINVAL;
      const address = optionIpv4(view, view.byteLength >= 8 ? 4 : 0);
      ip.multicastSource = address.isAny ? null : address;
      ip.multicastIndex = view.byteLength >= 12
        ? view.getInt32(8, true)
        : address.isAny
        ? 0
        : e.ctx.routes.findLocal(address)?.at.index ?? 0;
      if (!address.isAny && ip.multicastIndex === 0) return -EADDRNOTAVAIL;
      return 0;
    }
    case S.IP_ADD_MEMBERSHIP:
    case S.IP_DROP_MEMBERSHIP: {
      if (view.byteLength < 8) return -EINVAL;
      if (!(e instanceof DatagramEndpoint)) return -ENOPROTOOPT;
      const group = optionIpv4(view, 0);
      if (!group.isMulticast) return -EINVAL;
      const by = optionIpv4(view, 4);
      const index = view.byteLength >= 12
        ? view.getInt32(8, true)
        : by.isAny
        ? 0
        : e.ctx.routes.findLocal(by)?.at.index ?? -1;
      if (index < 0) return -ENODEV;
      return name === S.IP_ADD_MEMBERSHIP ? e.joinGroup(group, index) : e.leaveGroup(group, index);
    }
    case S.IP_FREEBIND:
      ip.freeBind = number !== 0;
      return 0;
    case S.IP_TRANSPARENT:
      if (!t.creds.capable(CAP_NET_ADMIN) && !t.creds.capable(CAP_NET_RAW)) return -EPERM;
      ip.transparent = number !== 0;
      return 0;
    case S.IP_MINTTL:
      if (number < 0 || number > 255) return -EINVAL;
      ip.minTtl = number;
      return 0;
    case S.IP_HDRINCL:
      if (!(e instanceof RawEndpoint)) return -ENOPROTOOPT;
      e.headerIncluded = number !== 0;
      return 0;
    default:
      return keep(s, S.IPPROTO_IP, name, number, KEPT_IP, TELLING_IP);
  }
}

function keep(
  s: InetSocket,
  level: number,
  name: number,
  number: number,
  known: ReadonlyMap<number, number>,
  telling: ReadonlyMap<number, number>,
): number {
  if (!known.has(name)) return -ENOPROTOOPT;
  const bit = telling.get(name) ?? 0;
  if (number !== 0) s.ancillary |= bit;
  else s.ancillary &= ~bit;
  s.options.values.set((level + 1) * LEVEL + name, number);
  return 0;
}

// IPv6.

function getIpv6(s: InetSocket, name: number): Uint8Array | number {
  const e = s.endpoint;
  const ip = e.ip;
  switch (name) {
    case S.IPV6_V6ONLY:
      return int(e.v6Only);
    case S.IPV6_UNICAST_HOPS:
      return int(ip.hops6 < 0 ? e.ctx.settings.defaultTtl : ip.hops6);
    case S.IPV6_MULTICAST_HOPS:
      return int(ip.multicastHops6);
    case S.IPV6_MULTICAST_LOOP:
      return int(ip.multicastLoop6);
    case S.IPV6_MULTICAST_IF:
      return int(ip.multicastIndex);
    case S.IPV6_MULTICAST_ALL:
      return int(ip.multicastAll);
    case S.IPV6_TCLASS:
      return int(ip.trafficClass);
    case S.IPV6_MTU_DISCOVER:
      return int(ip.mtuDiscover6);
    case S.IPV6_RECVERR:
      return int(ip.receiveErrors6);
    case S.IPV6_FREEBIND:
      return int(ip.freeBind);
    default:
      return kept(s, S.IPPROTO_IPV6, name, KEPT_IPV6);
  }
}

function setIpv6(s: InetSocket, name: number, number: number, value: Uint8Array): number {
  const e = s.endpoint;
  const ip = e.ip;
  switch (name) {
    case S.IPV6_V6ONLY:
      if (e.localPort !== 0) return -EINVAL;
      e.v6Only = number !== 0;
      return 0;
    case S.IPV6_UNICAST_HOPS:
      if (number < -1 || number > 255) return -EINVAL;
      ip.hops6 = number;
      return 0;
    case S.IPV6_MULTICAST_HOPS:
      if (number < -1 || number > 255) return -EINVAL;
      ip.multicastHops6 = number === -1 ? 1 : number;
      return 0;
    case S.IPV6_MULTICAST_LOOP:
      ip.multicastLoop6 = number !== 0;
      return 0;
    case S.IPV6_MULTICAST_IF:
      ip.multicastIndex = number;
      return 0;
    case S.IPV6_MULTICAST_ALL:
      ip.multicastAll = number !== 0;
      return 0;
    case S.IPV6_TCLASS:
      if (number < -1 || number > 255) return -EINVAL;
      ip.trafficClass = Math.max(number, 0);
      return 0;
    case S.IPV6_MTU_DISCOVER:
      if (number < 0 || number > 5) return -EINVAL;
      ip.mtuDiscover6 = number;
      return 0;
    case S.IPV6_RECVERR:
      ip.receiveErrors6 = number !== 0;
      return 0;
    case S.IPV6_FREEBIND:
      ip.freeBind = number !== 0;
      return 0;
    case S.IPV6_JOIN_GROUP:
    case S.IPV6_LEAVE_GROUP: {
      if (value.length < 20 || !(e instanceof DatagramEndpoint)) return -EINVAL;
      const group = readIpv6(value, 0);
      if (!group.isMulticast) return -EINVAL;
      const index = new DataView(value.buffer, value.byteOffset).getInt32(16, true);
      return name === S.IPV6_JOIN_GROUP ? e.joinGroup(group, index) : e.leaveGroup(group, index);
    }
    default:
      return keep(s, S.IPPROTO_IPV6, name, number, KEPT_IPV6, TELLING_IPV6);
  }
}
