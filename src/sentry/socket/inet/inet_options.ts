/** Options of the levels IPPROTO_IP, IPPROTO_IPV6, IPPROTO_TCP and IPPROTO_UDP. */

import {
  EADDRNOTAVAIL,
  EINVAL,
  ENODEV,
  ENOENT,
  ENOPROTOOPT,
  ENOTCONN,
  EPERM,
} from "../../../abi/errno.ts";
import { CAP_NET_ADMIN, CAP_NET_RAW } from "../../../abi/capability.ts";
import { write64 } from "../../../abi/int64.ts";
import * as S from "../../../abi/socket.ts";
import { DatagramEndpoint } from "../../../netstack/transport/datagram.ts";
import { RawEndpoint } from "../../../netstack/transport/raw_endpoint.ts";
import { tcpInfo } from "../../../netstack/transport/tcp/info.ts";
import { TcpEndpoint } from "../../../netstack/transport/tcp/endpoint.ts";
import { UdpEndpoint } from "../../../netstack/transport/udp_endpoint.ts";
import { readIpv6 } from "../../../netstack/wire/address.ts";
import type { Task } from "../../kernel/task.ts";
import { optionIpv4 } from "./inet_address.ts";
import type { InetSocket } from "./inet_socket.ts";

const SECOND = 1e9;
const MILLISECOND = 1e6;
/** Options that are kept and shown, with what they are at first, by level. */
const KEPT_IP: ReadonlyMap<number, number> = new Map([
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
/** Levels are told apart in the map of kept values by this factor. */
const LEVEL = 0x10000;

function int(value: number | boolean): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, Number(value), true);
  return bytes;
}

/** getsockopt(2) of a level above the socket. */
export function getInetOption(s: InetSocket, level: number, name: number): Uint8Array | number {
  switch (level) {
    case S.IPPROTO_TCP:
      return s.endpoint instanceof TcpEndpoint ? getTcp(s, s.endpoint, name) : -ENOPROTOOPT;
    case S.IPPROTO_UDP:
      if (!(s.endpoint instanceof UdpEndpoint)) return -ENOPROTOOPT;
      if (name === S.UDP_CORK) return int(s.endpoint.cork);
      return name === S.UDP_SEGMENT ? int(s.endpoint.segmentSize) : -ENOPROTOOPT;
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
      return setTcp(s, s.endpoint, name, number, value);
    case S.IPPROTO_UDP:
      if (!(s.endpoint instanceof UdpEndpoint)) return -ENOPROTOOPT;
      if (name === S.UDP_CORK) return s.endpoint.setCork(number !== 0);
      if (name !== S.UDP_SEGMENT) return -ENOPROTOOPT;
      if (number < 0 || number > 65535) return -EINVAL;
      s.endpoint.segmentSize = number;
      return 0;
    case S.IPPROTO_IP:
      return setIp(t, s, name, number, view);
    case S.IPPROTO_IPV6:
      return s.isV6 ? setIpv6(s, name, number, value) : -ENOPROTOOPT;
    default:
      return -ENOPROTOOPT;
  }
}

// TCP.

function getTcp(s: InetSocket, e: TcpEndpoint, name: number): Uint8Array | number {
  const settings = e.ctx.settings;
  switch (name) {
    case S.TCP_NODELAY:
      return int(e.noDelay);
    case S.TCP_CORK:
      return int(e.cork);
    case S.TCP_MAXSEG:
      return int(e.segmentSize);
    case S.TCP_KEEPIDLE:
      return int((e.keepIdle || settings.tcpKeepAliveTime) / SECOND);
    case S.TCP_KEEPINTVL:
      return int((e.keepInterval || settings.tcpKeepAliveInterval) / SECOND);
    case S.TCP_KEEPCNT:
      return int(e.keepCount || settings.tcpKeepAliveProbes);
    case S.TCP_SYNCNT:
      return int(e.synCount || settings.tcpSynRetries);
    case S.TCP_LINGER2:
      return int(e.linger2 < 0 ? -1 : (e.linger2 || settings.tcpFinTimeout) / SECOND);
    case S.TCP_DEFER_ACCEPT:
      return int(e.deferAccept);
    case S.TCP_WINDOW_CLAMP:
      return int(e.windowClamp);
    case S.TCP_QUICKACK:
      return int(e.quickAckOption);
    case S.TCP_USER_TIMEOUT:
      return int(e.userTimeout / MILLISECOND);
    case S.TCP_NOTSENT_LOWAT:
      return int(e.notSentLowWater);
    case S.TCP_FASTOPEN:
      return int(e.fastOpenQueue);
    case S.TCP_FASTOPEN_CONNECT:
      return int(e.fastOpenConnect);
    case S.TCP_CONGESTION: {
      const bytes = new Uint8Array(16);
      const text = e.control.name;
      for (let i = 0; i < text.length && i < 15; i++) bytes[i] = text.charCodeAt(i);
      return bytes;
    }
    case S.TCP_INFO:
      return tcpInfoBytes(e);
    default:
      return s.options.values.has(S.IPPROTO_TCP * LEVEL + name)
        ? int(s.options.values.get(S.IPPROTO_TCP * LEVEL + name)!)
        : -ENOPROTOOPT;
  }
}

function setTcp(
  s: InetSocket,
  e: TcpEndpoint,
  name: number,
  number: number,
  value: Uint8Array,
): number {
  if (name === S.TCP_CONGESTION) {
    let text = "";
    for (const byte of value) {
      if (byte === 0) break;
      text += String.fromCharCode(byte);
    }
    return e.setCongestionControl(text) ? 0 : -ENOENT;
  }
  if (value.length < 4) return -EINVAL;
  switch (name) {
    case S.TCP_NODELAY:
      e.setNoDelay(number !== 0);
      return 0;
    case S.TCP_CORK:
      e.setCork(number !== 0);
      return 0;
    case S.TCP_MAXSEG:
      return e.setMaxSegment(number);
    case S.TCP_KEEPIDLE:
      if (number < 1 || number > 32767) return -EINVAL;
      e.setKeepIdle(number * SECOND);
      return 0;
    case S.TCP_KEEPINTVL:
      if (number < 1 || number > 32767) return -EINVAL;
      e.keepInterval = number * SECOND;
      return 0;
    case S.TCP_KEEPCNT:
      if (number < 1 || number > 127) return -EINVAL;
      e.keepCount = number;
      return 0;
    case S.TCP_SYNCNT:
      if (number < 1 || number > 127) return -EINVAL;
      e.synCount = number;
      return 0;
    case S.TCP_LINGER2:
      e.linger2 = number < 0 ? -1 : Math.min(number, 120) * SECOND;
      return 0;
    case S.TCP_DEFER_ACCEPT:
      e.deferAccept = Math.max(number, 0);
      return 0;
    case S.TCP_WINDOW_CLAMP:
      return e.setWindowClamp(number);
    case S.TCP_QUICKACK:
      e.setQuickAck(number !== 0);
      return 0;
    case S.TCP_USER_TIMEOUT:
      if (number < 0) return -EINVAL;
      e.userTimeout = number * MILLISECOND;
      return 0;
    case S.TCP_NOTSENT_LOWAT:
      e.notSentLowWater = number >>> 0;
      return 0;
    case S.TCP_FASTOPEN:
      if (number < 0) return -EINVAL;
      e.fastOpenQueue = number;
      return 0;
    case S.TCP_FASTOPEN_CONNECT:
      if (number !== 0 && number !== 1) return -EINVAL;
      e.fastOpenConnect = number === 1;
      return 0;
    case S.TCP_THIN_LINEAR_TIMEOUTS:
    case S.TCP_THIN_DUPACK:
    case S.TCP_INQ:
    case S.TCP_TX_DELAY:
      s.options.values.set(S.IPPROTO_TCP * LEVEL + name, number);
      return 0;
    default:
      return -ENOPROTOOPT;
  }
}

/** `struct tcp_info`, up to tcpi_snd_wnd. */
function tcpInfoBytes(e: TcpEndpoint): Uint8Array {
  const i = tcpInfo(e);
  const bytes = new Uint8Array(232);
  const v = new DataView(bytes.buffer);
  bytes.set([i.state, i.caState, i.retransmits, i.probes, i.backoff, i.options]);
  bytes[6] = i.sndWscale | (i.rcvWscale << 4);
  [
    i.rto,
    i.ato,
    i.sndMss,
    i.rcvMss,
    i.unacked,
    i.sacked,
    i.lost,
    i.retrans,
    0,
    i.lastDataSent,
    0,
    i.lastDataRecv,
    i.lastAckRecv,
    i.pmtu,
    i.rcvSsthresh,
    i.rtt,
    i.rttvar,
    i.sndSsthresh,
    i.sndCwnd,
    i.advmss,
    i.reordering,
    0,
    i.rcvSpace,
    i.totalRetrans,
  ].forEach((n, k) => v.setUint32(8 + 4 * k, n, true));
  // Pacing rates stand at 104 and 112.
  write64(v, 112, Number.MAX_VALUE);
  write64(v, 120, i.bytesAcked);
  write64(v, 128, i.bytesReceived);
  v.setUint32(136, i.segsOut, true);
  v.setUint32(140, i.segsIn, true);
  v.setUint32(144, i.notSentBytes, true);
  v.setUint32(148, i.minRtt, true);
  v.setUint32(152, i.dataSegsIn, true);
  v.setUint32(156, i.dataSegsOut, true);
  v.setUint32(192, i.delivered, true);
  write64(v, 200, i.bytesSent);
  write64(v, 208, i.bytesRetrans);
  v.setUint32(216, i.dsackDups, true);
  v.setUint32(224, 0, true);
  v.setUint32(228, i.sndWnd, true);
  return bytes;
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
    case S.IP_PKTINFO:
      return int(s.packetInfo);
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
    case S.IP_PKTINFO:
      s.packetInfo = number !== 0;
      return 0;
    case S.IP_HDRINCL:
      if (!(e instanceof RawEndpoint)) return -ENOPROTOOPT;
      e.headerIncluded = number !== 0;
      return 0;
    default:
      return keep(s, S.IPPROTO_IP, name, number, KEPT_IP);
  }
}

function keep(
  s: InetSocket,
  level: number,
  name: number,
  number: number,
  known: ReadonlyMap<number, number>,
): number {
  if (!known.has(name)) return -ENOPROTOOPT;
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
    case S.IPV6_RECVPKTINFO:
      return int(s.packetInfo);
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
    case S.IPV6_RECVPKTINFO:
      s.packetInfo = number !== 0;
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
      return keep(s, S.IPPROTO_IPV6, name, number, KEPT_IPV6);
  }
}
