// hot: builds every segment.

import { type Packet } from "../../core/packet.ts";
import type { Route } from "../../network/route.ts";
import { leavePartialChecksum } from "../../network/segmentation.ts";
import type { IpAddress } from "../../wire/address.ts";
import { set16, set32 } from "../../wire/bytes.ts";
import { transportChecksum } from "../../wire/checksum.ts";
import { IPPROTO_TCP } from "../../wire/ipv4.ts";
import {
  ACK,
  CWR,
  ECE,
  emitFastOpen,
  emitMss,
  emitSackHeader,
  emitSackPermitted,
  emitTcp,
  emitTimestamp,
  emitWindowScale,
  RST,
  SYN,
  TCP_HEADER,
  type TcpView,
  URG,
} from "../../wire/tcp.ts";
import { IpSendOptions } from "../../network/ip_output.ts";
import { TcpState } from "./constants.ts";
import { before } from "./constants.ts";
import type { TcpShared } from "./shared.ts";
import type { Tcb } from "./tcb.ts";
import { selectWindow } from "./window.ts";

const ECT0 = 2;

/** Completes a segment whose header and data stand in `packet`, and sends it. */
function sendSegment(
  shared: TcpShared,
  packet: Packet,
  route: Route,
  src: IpAddress,
  dst: IpAddress,
  options: IpSendOptions,
): number {
  const ctx = shared.ctx;
  if (route.out.offloadsChecksum && ctx.hooks === null) {
    packet.src = src;
    packet.dst = dst;
    packet.upper = IPPROTO_TCP;
    packet.transportStart = packet.start;
    if (route.isLocal) packet.checksum = 1;
    else leavePartialChecksum(packet, 16);
  } else {
    set16(
      packet.bytes,
      packet.start + 16,
      transportChecksum(packet.bytes, packet.start, packet.end, src, dst, IPPROTO_TCP),
    );
  }
  ctx.counters.tcpOutSegments++;
  return shared.output.send(packet, route, src, dst, IPPROTO_TCP, options);
}

/** The route of a connection, looked up again when routing changed. */
export function connectionRoute(t: Tcb): Route | number {
  const r = t.route;
  const routes = t.ctx.routes;
  if (r !== null && r.generation === routes.generation) return r;
  const found = routes.lookup(t.remote, t.local, t.device, t.mark);
  if (typeof found === "number") return found;
  t.route = found;
  updateMss(t, found);
  return found;
}

/** Sets the segment size from the path's MTU and what the peer takes. */
export function updateMss(t: Tcb, route: Route): void {
  const header = t.remote.isV4 ? 20 + (t.ip.options?.length ?? 0) : 40;
  const room = Math.min(route.mtu, 65535) - header - TCP_HEADER;
  let mss = Math.min(room, t.peerMss);
  if (t.maxSegment > 0) mss = Math.min(mss, t.maxSegment);
  if (t.tsEnabled) mss -= 12;
  t.mss = Math.max(mss, t.ctx.settings.tcpMinMss - 12);
}

/** The segment size to announce on a route. */
export function announcedMss(t: { maxSegment: number; remote: IpAddress }, route: Route): number {
  const header = t.remote.isV4 ? 20 : 40;
  const mss = Math.min(route.out.mtu, 65535) - header - TCP_HEADER;
  return t.maxSegment > 0 ? Math.min(mss, t.maxSegment) : mss;
}

/**
 * Sends a segment with `length` bytes of the send buffer from `seq` on (and `flags`). Returns 0 or
 * a negative errno. `packets` is the count of packets it makes on the wire.
 */
export function sendData(
  t: Tcb,
  seq: number,
  length: number,
  flags: number,
  packets: number,
): number {
  const route = connectionRoute(t);
  if (typeof route === "number") return route;
  const shared = t.shared;
  const packet = t.ctx.pool.get(60 + length);
  const b = packet.bytes;
  const o = packet.start;
  let at = o + TCP_HEADER;
  if (t.tsEnabled) {
    at = emitTimestamp(b, at, shared.timestamp(t.tsOffset), t.tsRecent, true);
  }
  if (t.sackOk) at = emitSacks(t, b, at, length > 0 ? t.mss - length : 40);
  let urgent = 0;
  if (t.urgentOut && before(seq, t.sndUp)) {
    const distance = (t.sndUp - seq) | 0;
    urgent = Math.min(distance, 0xffff);
    flags |= URG;
  }
  if (t.ecnOk) flags |= ecnFlags(t, length);
  const window = selectWindow(t);
  t.rcvWnd = window;
  t.rcvWup = t.rcvNxt;
  emitTcp(
    b,
    o,
    t.localPort,
    t.remotePort,
    seq,
    t.rcvNxt,
    at - o,
    flags,
    Math.min(window >>> t.rcvWscale, 0xffff),
    urgent,
  );
  if (length > 0) {
    t.sendRing.peek((seq - t.sendBase) | 0, length, b, at);
    t.dataSegmentsOut += packets;
    t.bytesSent += length;
    if (packets > 1) packet.segmentSize = t.mss;
  }
  packet.end = at + length;
  packet.mark = t.mark;
  t.segmentsOut += packets;
  // Every segment acknowledges all there is: nothing is owed any more.
  t.ackPending = false;
  t.ackAt = Infinity;
  t.lastAckSent = t.rcvNxt;
  if (t.quickAcks > 0) t.quickAcks--;
  const ip = prepareIp(t, length > 0);
  const now = t.ctx.clock.now();
  t.lastSentAt = now;
  if (length > 0 && now - t.lastReceivedAt < t.ato) t.pingPong = true;
  return sendSegment(shared, packet, route, t.local, t.remote, ip);
}

const ipOptions = new IpSendOptions();

function prepareIp(t: Tcb, data: boolean): IpSendOptions {
  const o = ipOptions;
  const v4 = t.remote.isV4;
  o.ttl = v4 ? t.ip.ttl : t.ip.hops6;
  o.tos = (v4 ? t.ip.tos : t.ip.trafficClass) & 0xfc;
  // Only new data is marked: retransmissions and pure acknowledgements are not (RFC 3168 6.1).
  if (t.ecnOk && data) o.tos |= ECT0;
  o.flowLabel = v4 ? 0 : t.ip.flowLabel;
  o.dontFragment = (v4 ? t.ip.mtuDiscover : t.ip.mtuDiscover6) !== 0;
  o.options = v4 ? t.ip.options : null;
  return o;
}

function ecnFlags(t: Tcb, length: number): number {
  let flags = 0;
  if (t.ecnDemand) flags |= ECE;
  if (length > 0 && t.ecnReduced) {
    flags |= CWR;
    t.ecnReduced = false;
  }
  return flags;
}

function emitSacks(t: Tcb, b: Uint8Array, at: number, room: number): number {
  const total = (t.hasDsack ? 1 : 0) + t.sackRanges.length / 2;
  if (total === 0) return at;
  const max = Math.min(t.tsEnabled ? 3 : 4, Math.floor((room - 4) / 8), total);
  if (max <= 0) return at;
  at = emitSackHeader(b, at, max);
  let n = 0;
  if (t.hasDsack) {
    set32(b, at, t.dsackStart);
    set32(b, at + 4, t.dsackEnd);
    at += 8;
    n++;
    t.hasDsack = false;
  }
  for (let i = 0; n < max; i += 2, n++) {
    set32(b, at, t.sackRanges[i]);
    set32(b, at + 4, t.sackRanges[i + 1]);
    at += 8;
  }
  return at;
}

/** Acknowledges what was received. */
export function sendAck(t: Tcb): void {
  if (t.state === TcpState.Close || t.state === TcpState.Listen) return;
  if (t.state === TcpState.SynSent) return;
  sendData(t, t.sndNxt, 0, ACK, 1);
  t.lastAckAt = t.ctx.clock.now();
}

/** Sends a segment that the peer must answer: a sequence number it has seen already. */
export function sendProbe(t: Tcb): void {
  sendData(t, (t.sndUna - 1) | 0, 0, ACK, 1);
}

/** Everything about a SYN or SYN-ACK that is not in a connection's state. */
export interface SynParameters {
  isV6: boolean;
  local: IpAddress;
  localPort: number;
  remote: IpAddress;
  remotePort: number;
  seq: number;
  ack: number;
  flags: number;
  window: number;
  mss: number;
  /** -1 for no option. */
  windowScale: number;
  sack: boolean;
  timestamp: boolean;
  tsValue: number;
  tsEcho: number;
  ttl: number;
  tos: number;
  options: Uint8Array | null;
  mark: number;
  /** Fast Open cookie to send: null none; empty asks for one. */
  cookie: Uint8Array | null;
  /** Data that goes with it. */
  data: Uint8Array | null;
}

/** Sends a SYN or SYN-ACK. */
export function sendSyn(shared: TcpShared, route: Route, p: SynParameters): number {
  const packet = shared.ctx.pool.get(64 + (p.data?.length ?? 0));
  const b = packet.bytes;
  const o = packet.start;
  let at = emitMss(b, o + TCP_HEADER, p.mss);
  if (p.timestamp) {
    if (p.sack) at = emitSackPermitted(b, at, false);
    at = emitTimestamp(b, at, p.tsValue, p.tsEcho, !p.sack);
  } else if (p.sack) at = emitSackPermitted(b, at, true);
  if (p.windowScale >= 0) at = emitWindowScale(b, at, p.windowScale);
  if (p.cookie !== null && at - o + 4 + p.cookie.length <= 60) {
    at = emitFastOpen(b, at, p.cookie, p.cookie.length);
  }
  emitTcp(
    b,
    o,
    p.localPort,
    p.remotePort,
    p.seq,
    p.ack,
    at - o,
    p.flags | SYN,
    Math.min(p.window, 0xffff),
    0,
  );
  if (p.data !== null) {
    b.set(p.data, at);
    at += p.data.length;
  }
  packet.end = at;
  packet.mark = p.mark;
  const ip = ipOptions;
  ip.ttl = p.ttl;
  ip.tos = p.tos;
  ip.flowLabel = 0;
  ip.dontFragment = true;
  ip.options = p.options;
  return sendSegment(shared, packet, route, p.local, p.remote, ip);
}

/** Sends a segment that belongs to no connection: a reset, or an acknowledgement in TIME_WAIT. */
export function sendBare(
  shared: TcpShared,
  route: Route,
  local: IpAddress,
  localPort: number,
  remote: IpAddress,
  remotePort: number,
  seq: number,
  ack: number,
  flags: number,
  window: number,
  timestamp: boolean,
  tsValue: number,
  tsEcho: number,
): void {
  const packet = shared.ctx.pool.get(60);
  const b = packet.bytes;
  const o = packet.start;
  let at = o + TCP_HEADER;
  if (timestamp) at = emitTimestamp(b, at, tsValue, tsEcho, true);
  emitTcp(b, o, localPort, remotePort, seq, ack, at - o, flags, window, 0);
  packet.end = at;
  const ip = ipOptions;
  ip.ttl = -1;
  ip.tos = 0;
  ip.flowLabel = 0;
  ip.dontFragment = true;
  ip.options = null;
  if ((flags & RST) !== 0) shared.ctx.counters.tcpOutResets++;
  sendSegment(shared, packet, route, local, remote, ip);
}

/** Resets the sender of a segment that fits no connection (RFC 9293 3.10.7.1). */
export function sendResetFor(
  shared: TcpShared,
  v: TcpView,
  local: IpAddress,
  remote: IpAddress,
  index: number,
): void {
  if ((v.flags & RST) !== 0 || !remote.isUnicast || !local.isUnicast) return;
  const oif = remote.isLinkLocal && !remote.isV4 ? index : 0;
  const route = shared.ctx.routes.lookup(remote, local, oif);
  if (typeof route === "number") return;
  let seq = 0;
  let ack = 0;
  let flags = RST;
  if ((v.flags & ACK) !== 0) seq = v.acknowledgement;
  else {
    flags |= ACK;
    ack = v.sequence + (v.end - v.at - v.headerLength) + (v.flags & SYN ? 1 : 0) + (v.flags & 1);
  }
  const lport = v.destinationPort;
  const rport = v.sourcePort;
  sendBare(shared, route, local, lport, remote, rport, seq, ack, flags, 0, false, 0, 0);
}

/** Resets the peer of a connection. */
export function sendReset(t: Tcb): void {
  const route = connectionRoute(t);
  if (typeof route === "number") return;
  sendBare(
    t.shared,
    route,
    t.local,
    t.localPort,
    t.remote,
    t.remotePort,
    t.sndNxt,
    t.rcvNxt,
    RST | ACK,
    0,
    t.tsEnabled,
    t.shared.timestamp(t.tsOffset),
    t.tsRecent,
  );
}
