/** Control messages of datagram sockets (ip(7), ipv6(7), udp(7)), and the queue of errors. */

import { EAGAIN, EINVAL } from "../../../abi/errno.ts";
import { write64 } from "../../../abi/int64.ts";
import * as S from "../../../abi/socket.ts";
import type { DatagramEndpoint, ReceiveInfo } from "../../../netstack/transport/datagram.ts";
import { type SendTarget, UdpEndpoint } from "../../../netstack/transport/udp_endpoint.ts";
import { type IpAddress, readIpv4, readIpv6 } from "../../../netstack/wire/address.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import type { Message } from "../message.ts";
import { inetAddress, putIpv6 } from "./inet_address.ts";
import type { InetSocket } from "./inet_socket.ts";

/** What a socket wants to be told with each datagram: bits of {@link InetSocket.ancillary}. */
export const TELL_PACKET_INFO = 1;
export const TELL_TTL = 2;
export const TELL_TOS = 4;
export const TELL_DESTINATION = 8;
export const TELL_TIMESTAMP = 16;
export const TELL_TIMESTAMP_NS = 32;

/** The bits by option, of either level. */
export const TELLING_IP: ReadonlyMap<number, number> = new Map([
  [S.IP_PKTINFO, TELL_PACKET_INFO],
  [S.IP_RECVTTL, TELL_TTL],
  [S.IP_RECVTOS, TELL_TOS],
  [S.IP_RECVORIGDSTADDR, TELL_DESTINATION],
]);
export const TELLING_IPV6: ReadonlyMap<number, number> = new Map([
  [S.IPV6_RECVPKTINFO, TELL_PACKET_INFO],
  [S.IPV6_RECVHOPLIMIT, TELL_TTL],
  [S.IPV6_RECVTCLASS, TELL_TOS],
]);

function word(value: number): Uint8Array {
  const data = new Uint8Array(4);
  new DataView(data.buffer).setInt32(0, value, true);
  return data;
}

/** Tells of a datagram what the socket wants to know. */
export function tellAncillary(s: InetSocket, message: Message, info: ReceiveInfo): void {
  const wanted = s.ancillary;
  message.control ??= [];
  const { control } = message;
  const v6 = s.isV6;
  if ((wanted & TELL_TIMESTAMP_NS) !== 0) {
    control.push([S.SOL_SOCKET, S.SO_TIMESTAMPNS_OLD, time(info.timestamp, 1)]);
  } else if ((wanted & TELL_TIMESTAMP) !== 0) {
    control.push([S.SOL_SOCKET, S.SO_TIMESTAMP_OLD, time(info.timestamp, 1000)]);
  }
  if ((wanted & TELL_PACKET_INFO) !== 0) control.push(packetInfo(v6, info));
  if ((wanted & TELL_TTL) !== 0) {
    const ttl = word(info.ttl);
    control.push(v6 ? [S.IPPROTO_IPV6, S.IPV6_HOPLIMIT, ttl] : [S.IPPROTO_IP, S.IP_TTL, ttl]);
  }
  if ((wanted & TELL_TOS) !== 0) {
    control.push(
      v6
        ? [S.IPPROTO_IPV6, S.IPV6_TCLASS, word(info.tos)]
        : [S.IPPROTO_IP, S.IP_TOS, new Uint8Array([info.tos])],
    );
  }
  if ((wanted & TELL_DESTINATION) !== 0) {
    const to = inetAddress(S.AF_INET, info.destination, s.endpoint.localPort);
    control.push([S.IPPROTO_IP, S.IP_ORIGDSTADDR, to]);
  }
}

function time(ns: number, unit: number): Uint8Array {
  const data = new Uint8Array(16);
  const view = new DataView(data.buffer);
  const seconds = Math.floor(ns / 1e9);
  write64(view, 0, seconds);
  write64(view, 8, Math.floor((ns - seconds * 1e9) / unit));
  return data;
}

function packetInfo(v6: boolean, info: ReceiveInfo): [number, number, Uint8Array] {
  const data = new Uint8Array(v6 ? 20 : 12);
  const view = new DataView(data.buffer);
  if (v6) {
    putIpv6(view, 0, info.destination);
    view.setUint32(16, info.index, true);
    return [S.IPPROTO_IPV6, S.IPV6_PKTINFO, data];
  }
  view.setUint32(0, info.index, true);
  view.setUint32(4, info.destination.v4);
  view.setUint32(8, info.destination.v4);
  return [S.IPPROTO_IP, S.IP_PKTINFO, data];
}

/** How one send differs from what the socket's options say. */
export class SendChanges {
  source: IpAddress | null = null;
  index = 0;
  ttl = -1;
  tos = -1;
  /** UDP_SEGMENT, -1 for the socket's. */
  segmentSize = -1;

  /** Puts them into the target of a send. */
  apply(to: SendTarget): void {
    if (this.source !== null) to.source = this.source;
    if (this.index !== 0) to.index = this.index;
    to.ttl = this.ttl;
    to.tos = this.tos;
  }
}

/** Reads the control messages of a send; -EINVAL for one that is not understood. */
export function readChanges(s: InetSocket, message: Message, into: SendChanges): number {
  into.source = null;
  into.index = 0;
  into.ttl = -1;
  into.tos = -1;
  into.segmentSize = -1;
  for (const [level, type, data] of message.control ?? []) {
    const r = readChange(s, level, type, data, into);
    if (r < 0) return r;
  }
  message.control = null;
  return 0;
}

function readChange(
  s: InetSocket,
  level: number,
  type: number,
  data: Uint8Array,
  into: SendChanges,
): number {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  if (level === S.IPPROTO_UDP) {
    if (type !== S.UDP_SEGMENT || data.length < 2 || !(s.endpoint instanceof UdpEndpoint)) {
      return -EINVAL;
    }
    into.segmentSize = view.getUint16(0, true);
    return 0;
  }
  // What is of the other family is passed over, as Linux does for IPv4.
  if (level === S.IPPROTO_IP) {
    switch (type) {
      case S.IP_PKTINFO: {
        if (data.length < 12) return -EINVAL;
        into.index = view.getInt32(0, true);
        const source = readIpv4(data, 4);
        into.source = source.isAny ? null : source;
        return 0;
      }
      case S.IP_TTL:
        if (data.length < 4) return -EINVAL;
        into.ttl = view.getInt32(0, true);
        return into.ttl < 1 || into.ttl > 255 ? -EINVAL : 0;
      case S.IP_TOS:
        if (data.length < 1) return -EINVAL;
        into.tos = data[0];
        return 0;
      default:
        return -EINVAL;
    }
  }
  if (level !== S.IPPROTO_IPV6 || !s.isV6) return -EINVAL;
  switch (type) {
    case S.IPV6_PKTINFO: {
      if (data.length < 20) return -EINVAL;
      const source = readIpv6(data, 0);
      into.source = source.isAny ? null : source;
      into.index = view.getInt32(16, true);
      return 0;
    }
    case S.IPV6_HOPLIMIT:
      if (data.length < 4) return -EINVAL;
      into.ttl = view.getInt32(0, true);
      return into.ttl < -1 || into.ttl > 255 ? -EINVAL : 0;
    case S.IPV6_TCLASS:
      if (data.length < 4) return -EINVAL;
      into.tos = view.getInt32(0, true);
      return into.tos < -1 || into.tos > 255 ? -EINVAL : 0;
    default:
      return -EINVAL;
  }
}

/** recv(2) with MSG_ERRQUEUE: the oldest error, with the datagram at fault as far as it was quoted. */
export function receiveError(
  s: InetSocket,
  endpoint: DatagramEndpoint,
  io: IoBuffer,
  message: Message,
): number {
  const e = endpoint.takeQueuedError();
  if (e === null) return -EAGAIN;
  const n = Math.min(io.remaining, e.payload.length);
  const done = n > 0 ? io.put(e.payload, 0, n) : 0;
  if (done < 0) return done;
  message.fullLength = e.payload.length;
  message.outFlags |= S.MSG_ERRQUEUE;
  if (done < e.payload.length) message.outFlags |= S.MSG_TRUNC;
  message.address = inetAddress(s.family, e.destination, e.port, e.index);
  // struct sock_extended_err, and after it the address of who told of the error.
  const data = new Uint8Array(16 + (s.isV6 ? 28 : 16));
  const view = new DataView(data.buffer);
  view.setUint32(0, Math.abs(e.errno), true);
  data[4] = e.origin;
  data[5] = e.type;
  data[6] = e.code;
  view.setUint32(8, e.info, true);
  if (e.offender !== null) data.set(inetAddress(s.family, e.offender, 0, e.index), 16);
  message.control = [
    s.isV6 ? [S.IPPROTO_IPV6, S.IPV6_RECVERR, data] : [S.IPPROTO_IP, S.IP_RECVERR, data],
  ];
  return done;
}
