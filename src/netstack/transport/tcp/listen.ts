/** Listeners: half-open connections, the making of endpoints from them, floods of SYNs. */

import type { Packet } from "../../core/packet.ts";
import { PacketType } from "../../core/packet.ts";
import { POLLIN, POLLRDNORM } from "../../core/poll.ts";
import { SECOND, Timer } from "../../core/timer.ts";
import { ACK, CWR, ECE, FIN, RST, SYN, type TcpView } from "../../wire/tcp.ts";
import { Binding } from "../binding.ts";
import { establish, sendSynOf } from "./connect.ts";
import { after, before, RetransmitTimer, RTO_INITIAL, RTO_MAX, TcpState } from "./constants.ts";
import { announcedMss, sendResetFor, sendSyn, updateMss } from "./emit.ts";
import { type HalfOpen, TcpEndpoint } from "./endpoint.ts";
import { segmentArrives } from "./input.ts";
import { armRetransmit } from "./output.ts";
import { receiveData } from "./receive.ts";
import type { TcpShared } from "./shared.ts";
import {
  checkCookie,
  makeCookie,
  stampedEcn,
  stampedSack,
  stampedWindowScale,
  stampOptions,
} from "./syn_cookies.ts";
import { chooseWindowScale, initialWindow } from "./window.ts";

/** How long after the last overflow a cookie may come back. */
const COOKIE_LIFETIME: number = 128 * SECOND;

class RequestTimer extends Timer {
  private readonly owner: SynRequest;

  constructor(owner: SynRequest) {
    super();
    this.owner = owner;
  }

  fire(): void {
    this.owner.expire();
  }
}

/** A connection whose SYN has come and whose last ACK has not. */
export class SynRequest extends Binding implements HalfOpen {
  readonly listener: TcpEndpoint;
  private readonly shared: TcpShared;
  private readonly timer = new RequestTimer(this);
  iss = 0;
  irs = 0;
  peerMss = 536;
  window = 0;
  peerWindow = 0;
  sndWscale = -1;
  rcvWscale = 0;
  sack = false;
  timestamp = false;
  tsOffset = 0;
  tsRecent = 0;
  ecn = false;
  tos = 0;
  isCookie = false;
  /** Whether the client asked for a Fast Open cookie. */
  giveCookie = false;
  retransmits = 0;
  private rto: number = RTO_INITIAL;
  private startedAt = 0;
  /** The ACK has come, but the connection waits for data (TCP_DEFER_ACCEPT) or for room. */
  acknowledged = false;
  lastAnswerAt = -Infinity;

  constructor(listener: TcpEndpoint) {
    super(listener.isV6);
    this.listener = listener;
    this.shared = listener.shared;
    this.device = listener.device;
  }

  /** Enters the tables and waits for the ACK. */
  start(): void {
    this.startedAt = this.shared.ctx.clock.now();
    this.shared.table.insert(this);
    this.listener.halfOpen?.add(this);
    this.listener.synRequests++;
    this.shared.ctx.timers.arm(this.timer, this.startedAt + this.rto);
  }

  /** Time the SYN-ACK was sent, for the first RTT sample; 0 if it was sent twice. */
  get sentAt(): number {
    return this.retransmits === 0 ? this.startedAt : 0;
  }

  /** Leaves the tables. */
  remove(): void {
    this.shared.table.remove(this);
    this.shared.ctx.timers.remove(this.timer);
    if (this.listener.halfOpen?.delete(this)) this.listener.synRequests--;
  }

  abandon(): void {
    this.shared.table.remove(this);
    this.shared.ctx.timers.remove(this.timer);
    this.listener.synRequests--;
  }

  /** The ACK has not come in time. */
  expire(): void {
    const most = this.listener.synCount > 0
      ? this.listener.synCount
      : this.shared.ctx.settings.tcpSynAckRetries;
    if (this.retransmits >= most) {
      this.shared.ctx.counters.tcpAttemptFails++;
      this.remove();
      return;
    }
    this.retransmits++;
    this.rto = Math.min(this.rto * 2, RTO_MAX);
    this.shared.ctx.timers.arm(this.timer, this.shared.ctx.clock.now() + this.rto);
    // One who has acknowledged and waits for data needs no reminder until the last try.
    const waits = this.acknowledged && this.listener.deferAccept > 0;
    if (!waits || this.retransmits >= most) this.answer();
  }

  /** Sends the SYN-ACK. */
  answer(): void {
    const route = this.shared.ctx.routes.lookup(this.remote, this.local, this.device);
    if (typeof route === "number") return;
    const listener = this.listener;
    const v4 = this.remote.isV4;
    let ts = this.shared.timestamp(0);
    if (this.isCookie) ts = stampOptions(ts, this.sndWscale, this.sack, this.ecn);
    const mss = announcedMss({ maxSegment: listener.maxSegment, remote: this.remote }, route);
    this.window = initialWindow(listener, mss);
    if (this.retransmits > 0) this.shared.ctx.counters.tcpRetransmitted++;
    sendSyn(this.shared, route, {
      isV6: this.isV6,
      local: this.local,
      localPort: this.localPort,
      remote: this.remote,
      remotePort: this.remotePort,
      seq: this.iss,
      ack: (this.irs + 1) | 0,
      flags: ACK | (this.ecn ? ECE : 0),
      window: this.window,
      mss,
      windowScale: this.sndWscale >= 0 ? this.rcvWscale : -1,
      sack: this.sack,
      timestamp: this.timestamp,
      tsValue: (ts + this.tsOffset) | 0,
      tsEcho: this.tsRecent,
      ttl: v4 ? listener.ip.ttl : listener.ip.hops6,
      tos: (v4 ? listener.ip.tos : listener.ip.trafficClass) & 0xfc,
      options: null,
      mark: listener.mark,
      cookie: this.giveCookie ? this.shared.fastOpenCookie(this.local, this.remote) : null,
      data: null,
    });
  }
}

/** A segment that came for a listener. The packet is borrowed. */
export function listenerSegment(
  listener: TcpEndpoint,
  v: TcpView,
  packet: Packet,
  wantedSequence: number | null,
): void {
  const flags = v.flags;
  const shared = listener.shared;
  if ((flags & RST) !== 0) return;
  if ((flags & ACK) !== 0) {
    if ((flags & SYN) === 0 && takeCookie(listener, v, packet)) return;
    sendResetFor(shared, v, packet.dst, packet.src, packet.inIndex);
    return;
  }
  if ((flags & SYN) === 0 || (flags & FIN) !== 0) return;
  if (packet.type !== PacketType.Host || !packet.src.isUnicast || !packet.dst.isUnicast) return;
  if (v.sourcePort === 0) return;
  takeSyn(listener, v, packet, wantedSequence);
}

function requestOf(listener: TcpEndpoint, v: TcpView, packet: Packet): SynRequest {
  const s = listener.ctx.settings;
  const r = new SynRequest(listener);
  r.local = packet.dst;
  r.localPort = v.destinationPort;
  r.remote = packet.src;
  r.remotePort = v.sourcePort;
  if (!packet.src.isV4 && packet.src.isLinkLocal) r.device = packet.inIndex;
  r.irs = v.sequence;
  r.peerMss = v.mss > 0 ? Math.max(v.mss, s.tcpMinMss) : packet.src.isV4 ? 536 : 1220;
  r.peerWindow = v.window;
  r.timestamp = s.tcpTimestamps && v.hasTimestamp;
  r.tsRecent = r.timestamp ? v.tsValue : 0;
  r.tsOffset = listener.shared.timestampOffset(packet.dst, packet.src);
  r.sack = s.tcpSack && v.sackPermitted;
  if (s.tcpWindowScaling && v.windowScale >= 0) {
    r.sndWscale = v.windowScale;
    r.rcvWscale = Math.max(0, chooseWindowScale(listener));
  }
  r.ecn = s.tcpEcn !== 0 && (v.flags & (ECE | CWR)) === (ECE | CWR);
  r.tos = packet.tos;
  return r;
}

function takeSyn(
  listener: TcpEndpoint,
  v: TcpView,
  packet: Packet,
  wantedSequence: number | null,
): void {
  const shared = listener.shared;
  const counters = listener.ctx.counters;
  if (listener.acceptQueue.length > listener.backlog) {
    counters.tcpListenOverflows++;
    counters.tcpListenDrops++;
    return;
  }
  const settings = listener.ctx.settings;
  const limit = Math.min(settings.tcpSynBacklog, Math.max(8, listener.backlog));
  const full = listener.synRequests >= limit;
  const cookie = settings.tcpSynCookies === 2 || (full && settings.tcpSynCookies === 1);
  if (full && !cookie) {
    counters.tcpListenDrops++;
    return;
  }
  const r = requestOf(listener, v, packet);
  if (cookie) {
    r.isCookie = true;
    // Without timestamps there is no room for these options.
    if (!r.timestamp) {
      r.sack = false;
      r.sndWscale = -1;
      r.ecn = false;
    }
    r.iss = makeCookie(
      shared,
      r.local,
      r.localPort,
      r.remote,
      r.remotePort,
      r.irs,
      r.peerMss,
    );
    listener.lastSynOverflow = listener.ctx.clock.now();
    counters.tcpSynCookiesSent++;
    r.answer();
    return;
  }
  r.iss = wantedSequence ??
    shared.initialSequence(r.local, r.localPort, r.remote, r.remotePort);
  if (v.cookieAt >= 0 && takeFastOpen(listener, r, v)) return;
  r.start();
  r.answer();
}

/** Fast Open: with the right cookie the data of a SYN is taken at once (RFC 7413 4.2.1). */
function takeFastOpen(listener: TcpEndpoint, r: SynRequest, v: TcpView): boolean {
  const enabled = (listener.ctx.settings.tcpFastOpen & 2) !== 0;
  if (!enabled || listener.fastOpenQueue <= 0) return false;
  const right = listener.shared.fastOpenCookie(r.local, r.remote);
  let valid = v.cookieLength === right.length;
  for (let i = 0; valid && i < right.length; i++) valid = v.bytes[v.cookieAt + i] === right[i];
  const length = v.end - v.at - v.headerLength;
  let pending = 0;
  for (let i = 0; i < listener.acceptQueue.length; i++) {
    if (listener.acceptQueue.at(i)?.state === TcpState.SynReceived) pending++;
  }
  if (!valid || pending >= listener.fastOpenQueue) {
    r.giveCookie = !valid;
    return false;
  }
  const t = createChild(listener, r, v);
  // The handshake is not over: one step back from what a complete one makes.
  t.ctx.counters.tcpCurrentEstablished--;
  t.state = TcpState.SynReceived;
  t.fastOpened = true;
  t.synAcked = false;
  t.sndUna = r.iss;
  t.sndNxt = (r.iss + 1) | 0;
  t.rcvWnd = initialWindow(listener, t.advertisedMss);
  if (length > 0) receiveData(t, v, v.at + v.headerLength, length, (v.sequence + 1) | 0);
  t.ctx.counters.tcpFastOpenPassive++;
  armRetransmit(t, RetransmitTimer.Rto, t.rto);
  sendSynOf(t);
  t.rearm();
  queueChild(listener, t);
  return true;
}

/** A segment for a half-open connection. The packet is borrowed. */
export function requestSegment(r: SynRequest, v: TcpView, packet: Packet): void {
  const flags = v.flags;
  const listener = r.listener;
  const rcvNxt = (r.irs + 1) | 0;
  const now = listener.ctx.clock.now();
  if ((flags & (SYN | ACK | RST)) === SYN && v.sequence === r.irs) {
    if (now - r.lastAnswerAt >= 500e6) {
      r.lastAnswerAt = now;
      r.answer();
    }
    return;
  }
  const stale = r.timestamp && v.hasTimestamp && before(v.tsValue, r.tsRecent);
  const length = v.end - v.at - v.headerLength;
  const end = (v.sequence + length) | 0;
  const right = (rcvNxt + r.window) | 0;
  if (stale || before(end, rcvNxt) || after(v.sequence, right)) {
    if ((flags & RST) === 0 && now - r.lastAnswerAt >= 500e6) {
      r.lastAnswerAt = now;
      r.answer();
    }
    return;
  }
  if ((flags & RST) !== 0) {
    if (v.sequence === rcvNxt) {
      listener.ctx.counters.tcpAttemptFails++;
      r.remove();
    }
    return;
  }
  if ((flags & SYN) !== 0 || (flags & ACK) === 0) return;
  if (v.acknowledgement !== ((r.iss + 1) | 0)) {
    sendResetFor(listener.shared, v, packet.dst, packet.src, packet.inIndex);
    return;
  }
  if (listener.deferAccept > 0 && length === 0 && r.retransmits < listener.deferAccept) {
    r.acknowledged = true;
    return;
  }
  if (listener.acceptQueue.length > listener.backlog) {
    listener.ctx.counters.tcpListenOverflows++;
    if (listener.ctx.settings.tcpAbortOnOverflow) {
      r.remove();
      sendResetFor(listener.shared, v, packet.dst, packet.src, packet.inIndex);
    } else r.acknowledged = true;
    return;
  }
  r.remove();
  const child = createChild(listener, r, v);
  queueChild(listener, child);
  segmentArrives(child, v, packet);
}

function queueChild(listener: TcpEndpoint, child: TcpEndpoint): void {
  child.parent = listener;
  listener.ctx.counters.tcpPassiveOpens++;
  listener.acceptQueue.push(child);
  listener.notify(POLLIN | POLLRDNORM);
}

function takeCookie(listener: TcpEndpoint, v: TcpView, packet: Packet): boolean {
  const settings = listener.ctx.settings;
  const shared = listener.shared;
  const counters = listener.ctx.counters;
  if (settings.tcpSynCookies === 0) return false;
  const now = listener.ctx.clock.now();
  if (settings.tcpSynCookies === 1 && now - listener.lastSynOverflow > COOKIE_LIFETIME) {
    return false;
  }
  const cookie = (v.acknowledgement - 1) | 0;
  const irs = (v.sequence - 1) | 0;
  const mss = checkCookie(
    shared,
    packet.dst,
    v.destinationPort,
    packet.src,
    v.sourcePort,
    irs,
    cookie,
  );
  if (mss < 0) {
    counters.tcpSynCookiesFailed++;
    return false;
  }
  if (listener.acceptQueue.length > listener.backlog) {
    counters.tcpListenOverflows++;
    return true;
  }
  counters.tcpSynCookiesReceived++;
  const r = new SynRequest(listener);
  r.local = packet.dst;
  r.localPort = v.destinationPort;
  r.remote = packet.src;
  r.remotePort = v.sourcePort;
  r.irs = irs;
  r.iss = cookie;
  r.peerMss = mss;
  r.timestamp = settings.tcpTimestamps && v.hasTimestamp;
  r.tsOffset = shared.timestampOffset(packet.dst, packet.src);
  r.retransmits = 1;
  if (r.timestamp) {
    r.tsRecent = v.tsValue;
    const stamped = (v.tsEcho - r.tsOffset) | 0;
    r.sack = stampedSack(stamped) && settings.tcpSack;
    r.ecn = stampedEcn(stamped) && settings.tcpEcn !== 0;
    r.sndWscale = stampedWindowScale(stamped);
    if (r.sndWscale >= 0) r.rcvWscale = Math.max(0, chooseWindowScale(listener));
  }
  r.window = initialWindow(listener, mss);
  r.peerWindow = v.window;
  const child = createChild(listener, r, v);
  queueChild(listener, child);
  segmentArrives(child, v, packet);
  return true;
}

/** Makes the endpoint of a connection whose handshake is complete. */
function createChild(listener: TcpEndpoint, r: SynRequest, v: TcpView): TcpEndpoint {
  const shared = listener.shared;
  const t = new TcpEndpoint(shared, listener.isV6);
  inherit(t, listener);
  t.local = r.local;
  t.localPort = r.localPort;
  t.remote = r.remote;
  t.remotePort = r.remotePort;
  t.device = r.device;
  t.iss = r.iss;
  t.irs = r.irs;
  t.sndUna = (r.iss + 1) | 0;
  t.sndNxt = t.sndUna;
  t.rcvNxt = (r.irs + 1) | 0;
  t.rcvWup = t.rcvNxt;
  t.copiedSeq = t.rcvNxt;
  t.lastAckSent = t.rcvNxt;
  t.rcvWnd = r.window;
  t.windowScaling = r.sndWscale >= 0;
  t.sndWscale = Math.max(0, r.sndWscale);
  t.rcvWscale = t.windowScaling ? r.rcvWscale : 0;
  t.sackOk = r.sack;
  t.tsEnabled = r.timestamp;
  t.tsOffset = r.tsOffset;
  t.tsRecent = r.tsRecent;
  t.tsRecentAt = shared.ctx.clock.now();
  t.ecnOk = r.ecn;
  t.peerMss = r.peerMss;
  t.sndWnd = v.window << t.sndWscale;
  t.maxWindow = t.sndWnd;
  t.sndWl1 = v.sequence;
  t.sndWl2 = v.acknowledgement;
  const route = shared.ctx.routes.lookup(t.remote, t.local, t.device, t.mark);
  if (typeof route !== "number") {
    t.route = route;
    t.advertisedMss = announcedMss(t, route);
    updateMss(t, route);
  }
  shared.table.insert(t);
  shared.table.hold(t);
  t.markConnected();
  establish(t);
  if (r.sentAt > 0) {
    const now = shared.ctx.clock.now();
    t.rtt.sample(now - r.sentAt, now);
    t.rto = t.rtt.rto;
  }
  t.rearm();
  return t;
}

/** Gives a new endpoint its listener's options, as accept(2) does on Linux. */
function inherit(t: TcpEndpoint, listener: TcpEndpoint): void {
  t.v6Only = listener.v6Only;
  t.reuseAddress = listener.reuseAddress;
  t.reusePort = listener.reusePort;
  t.uid = listener.uid;
  t.mark = listener.mark;
  t.priority = listener.priority;
  t.sendBufferSize = listener.sendBufferSize;
  t.receiveBufferSize = listener.receiveBufferSize;
  t.sendLocked = listener.sendLocked;
  t.receiveLocked = listener.receiveLocked;
  t.noDelay = listener.noDelay;
  t.cork = listener.cork;
  t.keepAlive = listener.keepAlive;
  t.keepIdle = listener.keepIdle;
  t.keepInterval = listener.keepInterval;
  t.keepCount = listener.keepCount;
  t.userTimeout = listener.userTimeout;
  t.lingerSeconds = listener.lingerSeconds;
  t.linger2 = listener.linger2;
  t.maxSegment = listener.maxSegment;
  t.windowClamp = listener.windowClamp;
  t.oobInline = listener.oobInline;
  t.receiveLowWater = listener.receiveLowWater;
  t.notSentLowWater = listener.notSentLowWater;
  t.ip.ttl = listener.ip.ttl;
  t.ip.hops6 = listener.ip.hops6;
  t.ip.tos = listener.ip.tos;
  t.ip.trafficClass = listener.ip.trafficClass;
  t.ip.mtuDiscover = listener.ip.mtuDiscover;
  t.ip.mtuDiscover6 = listener.ip.mtuDiscover6;
  t.ip.minTtl = listener.ip.minTtl;
  t.ip.receiveErrors = listener.ip.receiveErrors;
  t.ip.receiveErrors6 = listener.ip.receiveErrors6;
  if (t.control.name !== listener.control.name) t.setCongestionControl(listener.control.name);
}
