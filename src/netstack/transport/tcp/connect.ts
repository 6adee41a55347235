/** Opening a connection: the SYN, what answers it, and simultaneous open (RFC 9293 3.10.7.3). */

import { POLLOUT, POLLWRNORM } from "../../core/poll.ts";
import { ACK, CWR, ECE, RST, SYN, type TcpView } from "../../wire/tcp.ts";
import { after, RetransmitTimer, TcpState } from "./constants.ts";
import {
  announcedMss,
  connectionRoute,
  sendAck,
  sendResetFor,
  sendSyn,
  type SynParameters,
  updateMss,
} from "./emit.ts";
import { resetByPeer } from "./lifecycle.ts";
import { armRetransmit, stopRetransmit } from "./output.ts";
import { enterQuickAck } from "./receive.ts";
import type { Tcb } from "./tcb.ts";
import { chooseWindowScale, growSendBuffer, initialWindow } from "./window.ts";

/** Sends the SYN (or SYN-ACK) of a connection, first or again. */
export function sendSynOf(t: Tcb): number {
  const route = connectionRoute(t);
  if (typeof route === "number") return route;
  const s = t.ctx.settings;
  const reply = t.state === TcpState.SynReceived;
  // Before the timestamp is made, which must not be older than this.
  if (t.retransmits === 0) t.synSentAt = t.ctx.clock.now();
  t.advertisedMss = announcedMss(t, route);
  const window = initialWindow(t, t.advertisedMss);
  let flags = reply ? ACK : 0;
  if (reply ? t.ecnOk : s.tcpEcn === 1 && t.retransmits < 2) flags |= reply ? ECE : ECE | CWR;
  const p: SynParameters = {
    isV6: t.isV6,
    local: t.local,
    localPort: t.localPort,
    remote: t.remote,
    remotePort: t.remotePort,
    seq: t.iss,
    ack: reply ? t.rcvNxt : 0,
    flags,
    window,
    mss: t.advertisedMss,
    windowScale: reply ? (t.windowScaling ? t.rcvWscale : -1) : chooseWindowScale(t),
    sack: reply ? t.sackOk : s.tcpSack,
    timestamp: reply ? t.tsEnabled : s.tcpTimestamps,
    tsValue: t.shared.timestamp(t.tsOffset),
    tsEcho: reply ? t.tsRecent : 0,
    ttl: t.remote.isV4 ? t.ip.ttl : t.ip.hops6,
    tos: (t.remote.isV4 ? t.ip.tos : t.ip.trafficClass) & 0xfc,
    options: t.remote.isV4 ? t.ip.options : null,
    mark: t.mark,
    cookie: t.synCookie,
    data: null,
  };
  if (!reply && t.synData > 0) {
    p.data = new Uint8Array(t.synData);
    t.sendRing.peek(0, t.synData, p.data, 0);
  }
  t.rcvWnd = window;
  t.rcvWup = t.rcvNxt;
  t.segmentsOut++;
  t.ackPending = false;
  return sendSyn(t.shared, route, p);
}

/** Starts to connect: addresses and ports are set. */
export function startConnect(t: Tcb, iss: number): number {
  t.iss = iss;
  t.sndUna = iss;
  t.sndNxt = (iss + 1 + t.synData) | 0;
  t.synAcked = false;
  t.tsOffset = t.shared.timestampOffset(t.local, t.remote);
  t.state = TcpState.SynSent;
  t.isConnecting = true;
  t.connectReported = false;
  t.ctx.counters.tcpActiveOpens++;
  armRetransmit(t, RetransmitTimer.Rto, t.rto);
  const r = sendSynOf(t);
  t.rearm();
  return r;
}

/** Takes the options of the peer's SYN. */
export function takeSynOptions(t: Tcb, v: TcpView): void {
  const s = t.ctx.settings;
  t.irs = v.sequence;
  t.rcvNxt = (t.irs + 1) | 0;
  t.rcvWup = t.rcvNxt;
  t.copiedSeq = t.rcvNxt;
  t.lastAckSent = t.rcvNxt;
  t.tsEnabled = s.tcpTimestamps && v.hasTimestamp;
  if (t.tsEnabled) {
    t.tsRecent = v.tsValue;
    t.tsRecentAt = t.ctx.clock.now();
  }
  t.sackOk = s.tcpSack && v.sackPermitted;
  t.windowScaling = s.tcpWindowScaling && v.windowScale >= 0;
  if (t.windowScaling) {
    t.sndWscale = v.windowScale;
    t.rcvWscale = Math.max(0, chooseWindowScale(t));
  } else {
    t.sndWscale = 0;
    t.rcvWscale = 0;
  }
  t.peerMss = v.mss > 0 ? Math.max(v.mss, s.tcpMinMss) : t.remote.isV4 ? 536 : 1220;
  if (t.route !== null) updateMss(t, t.route);
  t.sndWnd = v.window;
  t.maxWindow = v.window;
  t.sndWl1 = v.sequence;
  t.sndWl2 = v.acknowledgement;
}

/** The connection is open. */
export function establish(t: Tcb): void {
  const now = t.ctx.clock.now();
  t.state = TcpState.Established;
  t.isConnecting = false;
  t.synAcked = true;
  t.pushedSeq = t.sndNxt;
  t.smallSeq = t.sndUna;
  t.highSeq = t.sndUna;
  t.highestSack = t.sndUna;
  t.retransmits = 0;
  t.backoff = 0;
  t.lastReceivedAt = now;
  t.lastSentAt = 0;
  t.rcvMss = Math.min(t.advertisedMss, Math.max(536, t.advertisedMss >>> 1));
  t.rcvMss = Math.max(88, Math.min(t.rcvMss, t.rcvWnd >>> 1 || t.rcvMss));
  // Half the window, so that a sender that fills it once makes it grow.
  t.rcvSpace = Math.min(t.rcvWnd >>> 1, 10 * t.advertisedMss);
  t.rcvSpaceAt = now;
  t.rcvSpaceSeq = t.copiedSeq;
  t.ctx.counters.tcpCurrentEstablished++;
  stopRetransmit(t);
  growSendBuffer(t);
  if (t.keepAlive) t.keepAliveAt = now + keepAliveTime(t);
}

/** Idle time before the first keepalive probe. */
export function keepAliveTime(t: Tcb): number {
  return t.keepIdle > 0 ? t.keepIdle : t.ctx.settings.tcpKeepAliveTime;
}

/** A segment that comes in SYN_SENT. */
export function segmentInSynSent(t: Tcb, v: TcpView, index: number): void {
  const flags = v.flags;
  const hasAck = (flags & ACK) !== 0;
  if (hasAck) {
    const ack = v.acknowledgement;
    const bad = !after(ack, t.iss) || after(ack, t.sndNxt) ||
      (v.hasTimestamp && t.ctx.settings.tcpTimestamps && badEcho(t, v));
    if (bad) {
      if ((flags & RST) === 0) sendResetFor(t.shared, v, t.local, t.remote, index);
      return;
    }
    if ((flags & RST) !== 0) {
      resetByPeer(t);
      return;
    }
  } else if ((flags & RST) !== 0) return;
  if ((flags & SYN) === 0) return;
  takeSynOptions(t, v);
  const ecn = flags & (ECE | CWR);
  const asked = t.ctx.settings.tcpEcn === 1;
  if (!hasAck) {
    // Both sides open at once: answer and wait for the answer to ours.
    t.ecnOk = ecn === (ECE | CWR) && t.ctx.settings.tcpEcn !== 0;
    t.state = TcpState.SynReceived;
    t.synData = 0;
    sendSynOf(t);
    armRetransmit(t, RetransmitTimer.Rto, t.rto);
    t.rearm();
    return;
  }
  t.ecnOk = asked && ecn === ECE;
  if (t.retransmits === 0) t.rtt.sample(t.ctx.clock.now() - t.synSentAt, t.ctx.clock.now());
  else t.cwnd = 1;
  t.rto = t.rtt.rto;
  const acked = (v.acknowledgement - t.iss - 1) | 0;
  if (t.synCookie !== null) learnCookie(t, v, acked);
  establish(t);
  if (acked > 0) t.sendRing.discard(Math.min(acked, t.sendRing.length));
  t.sndUna = v.acknowledgement;
  t.sndNxt = t.sndUna;
  t.smallSeq = t.sndUna;
  t.synData = 0;
  enterQuickAck(t);
  sendAck(t);
  t.notify(POLLOUT | POLLWRNORM);
}

/** Remembers the cookie in a SYN-ACK; forgets one with which data was not taken. */
function learnCookie(t: Tcb, v: TcpView, acked: number): void {
  if (v.cookieLength > 0) {
    t.shared.rememberCookie(t.remote, v.bytes.slice(v.cookieAt, v.cookieAt + v.cookieLength));
  } else if (t.synData > 0 && acked === 0) t.shared.forgetCookie(t.remote);
  if (acked > 0) t.ctx.counters.tcpFastOpenActive++;
  t.synCookie = null;
}

/** Whether the echoed timestamp is of no SYN of ours. */
function badEcho(t: Tcb, v: TcpView): boolean {
  const first = (Math.floor(t.synSentAt / 1e6) + t.tsOffset) | 0;
  return v.tsEcho !== 0 &&
    (after(first, v.tsEcho) || after(v.tsEcho, t.shared.timestamp(t.tsOffset)));
}
