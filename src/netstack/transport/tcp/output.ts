// hot: decides what is sent, after every write and every acknowledgement.

import { ACK, FIN, PSH } from "../../wire/tcp.ts";
import { MS } from "../../core/timer.ts";
import {
  after,
  before,
  CaState,
  RetransmitTimer,
  RTO_MAX,
  RTO_MIN,
  TcpState,
} from "./constants.ts";
import { connectionRoute, sendData } from "./emit.ts";
import { stampSent } from "./rate.ts";
import { EVER_RETRANSMITTED, LOST, RETRANSMITTED, SACKED, type Sent } from "./sent.ts";
import type { Tcb } from "./tcb.ts";

const PACE_SLACK: number = MS;

/** Records in flight; tiny segments must not make the scoreboard long. */
const MAX_SEGMENTS = 8192;

/** Arms the retransmission timer. */
export function armRetransmit(t: Tcb, kind: RetransmitTimer, delay: number): void {
  t.timerKind = kind;
  t.retransmitAt = t.ctx.clock.now() + Math.min(delay, RTO_MAX);
}

/** Disarms the retransmission timer. */
export function stopRetransmit(t: Tcb): void {
  t.timerKind = RetransmitTimer.None;
  t.retransmitAt = Infinity;
}

/** Arms the timer for the oldest segment in flight: a timeout counts from its sending. */
export function rearmRto(t: Tcb): void {
  if (t.sent.packetsOut === 0) {
    stopRetransmit(t);
    return;
  }
  armRetransmit(t, RetransmitTimer.Rto, t.rto);
}

/** How many packets one send may hold on this route. */
function packetsPerSend(t: Tcb, limit: number): number {
  t.sendQuantum = t.pacingRate > 0 ? Math.max(1, Math.floor((t.pacingRate * MS) / t.mss)) : 1;
  if (limit === 0) return 1;
  const most = Math.floor((limit - 120) / t.mss);
  if (t.pacingRate > 0) {
    // As much as a millisecond's worth at the pacing rate.
    const paced = Math.floor((t.pacingRate * MS) / t.mss);
    return Math.max(1, Math.min(most, Math.max(2, paced)));
  }
  return Math.max(1, Math.min(most, Math.max(2, t.cwnd >>> 1)));
}

/** Whether the window to the peer covers `length` bytes at `seq`. */
function windowRoom(t: Tcb, seq: number): number {
  return (t.sndUna + t.sndWnd - seq) | 0;
}

/** Nagle's rule with Minshall's refinement: whether a small segment must wait. */
function nagleHolds(t: Tcb): boolean {
  if (t.cork) return true;
  return !t.noDelay && t.sent.packetsOut > 0 && after(t.smallSeq, t.sndUna) &&
    !after(t.smallSeq, t.sndNxt);
}

/**
 * Sends what may be sent: first what is lost, then new data, then FIN. `force` sends one small
 * segment against Nagle's rule.
 */
export function output(t: Tcb, force = false): void {
  if (t.state === TcpState.Close || t.state === TcpState.Listen) return;
  if (!t.synAcked) return;
  if (t.sent.lostOut > 0) retransmitLost(t);
  sendNew(t, force);
  t.rearm();
}

function canSendData(t: Tcb): boolean {
  return t.state === TcpState.Established || t.state === TcpState.CloseWait ||
    t.state === TcpState.FinWait1 || t.state === TcpState.LastAck || t.state === TcpState.Closing;
}

function sendNew(t: Tcb, force: boolean): void {
  if (!canSendData(t) || t.finSent) return;
  const writeSeq = t.writeSeq;
  const available = (writeSeq - t.sndNxt) | 0;
  if (available === 0 && !t.writeClosed) {
    t.cwndLimited = false;
    return;
  }
  const route = connectionRoute(t);
  if (typeof route === "number") return;
  const idle = t.sent.packetsOut === 0;
  if (idle) restartAfterIdle(t);
  const perSend = packetsPerSend(t, route.out.segmentationLimit);
  let sentAny = false;
  t.cwndLimited = false;
  if (idle && t.pacingRate > 0 && paced(t)) return;
  for (;;) {
    if (sentAny && paced(t)) break;
    if (!sentAny && !idle && paced(t)) break;
    const left = (writeSeq - t.sndNxt) | 0;
    const withFin = t.writeClosed;
    if (left === 0 && !withFin) break;
    const quota = t.cwnd - t.sent.inFlight;
    if ((quota <= 0 || t.sent.length >= MAX_SEGMENTS) && left > 0) {
      t.cwndLimited = true;
      break;
    }
    if (left === 0) {
      // A FIN alone needs no window.
      transmitNew(t, 0, 1, true);
      sentAny = true;
      break;
    }
    const room = windowRoom(t, t.sndNxt);
    if (room <= 0) break;
    const n = chooseLength(t, left, room, Math.min(perSend, quota), force);
    if (n === 0) break;
    const last = n === left;
    const packets = Math.ceil(n / t.mss);
    transmitNew(t, n, packets, last && withFin);
    sentAny = true;
    if (last && withFin) break;
  }
  if (sentAny) {
    if (t.sent.inFlight >= t.cwnd) t.cwndLimited = true;
    t.maxPacketsOut = Math.max(t.maxPacketsOut, t.sent.packetsOut);
    scheduleLossProbe(t);
  } else if (t.sent.packetsOut === 0 && t.timerKind === RetransmitTimer.None) armPersist(t);
}

/** Bytes to send now of `left` with `room` in the window, 0 to wait (RFC 9293 3.8.6.2.1). */
function chooseLength(
  t: Tcb,
  left: number,
  room: number,
  packets: number,
  force: boolean,
): number {
  const mss = t.mss;
  let n = Math.min(left, room, packets * mss);
  if (n >= mss) {
    const partial = n % mss;
    // Whole segments go; a small rest only if it is the end and may go.
    if (partial !== 0 && (n < left || (nagleHolds(t) && !t.writeClosed))) n -= partial;
    return n;
  }
  if (force) return n;
  if (n === left) {
    if (t.writeClosed) return n;
    return nagleHolds(t) ? 0 : n;
  }
  // The window is small: wait for more of it, unless it is as large as it ever was.
  return n >= t.maxWindow >>> 1 ? n : 0;
}

function transmitNew(t: Tcb, length: number, packets: number, fin: boolean): void {
  const seq = t.sndNxt;
  let flags = ACK;
  if (fin) flags |= FIN;
  const end = (seq + length) | 0;
  if (length > 0 && (end === t.writeSeq || !before(end, t.pushedSeq))) flags |= PSH;
  if (length > 0 && length % t.mss !== 0) t.smallSeq = end;
  const first = t.sent.packetsOut === 0;
  // The state must be right before the segment leaves.
  t.sndNxt = (end + (fin ? 1 : 0)) | 0;
  const now = t.ctx.clock.now();
  const s = t.sent.push(seq, t.sndNxt, packets, now);
  if (t.control.isModel) {
    stampSent(t, s, now);
    advancePace(t, length + 60 * packets, now);
  }
  if (fin) t.finSent = true;
  sendData(t, seq, length, flags, packets);
  if (t.ca === CaState.Recovery || t.ca === CaState.Cwr) t.prrOut += packets;
  if (first || t.timerKind === RetransmitTimer.None || t.timerKind === RetransmitTimer.ZeroWindow) {
    armRetransmit(t, RetransmitTimer.Rto, t.rto);
  }
}

/** Whether data must wait for its turn at the pacing rate; the timer is armed then. */
function paced(t: Tcb): boolean {
  if (t.pacingRate <= 0) return false;
  const now = t.ctx.clock.now();
  // Up to a millisecond early: what wakes the stack is not more exact than that.
  if (t.paceAt <= now + PACE_SLACK) return false;
  t.paceTimerAt = t.paceAt - PACE_SLACK;
  return true;
}

function advancePace(t: Tcb, bytes: number, now: number): void {
  if (t.pacingRate <= 0) return;
  t.paceAt = Math.max(t.paceAt, now) + bytes / t.pacingRate;
}

function restartAfterIdle(t: Tcb): void {
  if (t.lastSentAt === 0) return;
  const idle = t.ctx.clock.now() - t.lastSentAt;
  if (idle <= t.rto) return;
  t.control.restarted(idle);
  if (!t.ctx.settings.tcpSlowStartAfterIdle || t.control.isModel) return;
  // What is known of the path grows old: halve for every timeout gone by (RFC 2861).
  const restart = Math.min(t.ctx.settings.tcpInitialWindow, t.cwnd);
  t.ssthresh = Math.max(t.ssthresh, (t.cwnd * 3) >>> 2);
  let cwnd = t.cwnd;
  for (let d = idle - t.rto; d > 0 && cwnd > restart; d -= t.rto) cwnd >>>= 1;
  t.cwnd = Math.max(cwnd, restart);
}

/** Waits to ask for the peer's window, or for corked data to be let go. */
export function armPersist(t: Tcb): void {
  const data = (t.writeSeq - t.sndNxt) | 0;
  if (data <= 0 && !(t.writeClosed && !t.finSent)) return;
  const room = windowRoom(t, t.sndNxt);
  // Data that Nagle or cork holds back while the window is open goes after 200 ms.
  const delay = room > 0 ? RTO_MIN : Math.min(RTO_MAX, Math.max(t.rto, RTO_MIN) * 2 ** t.backoff);
  armRetransmit(t, RetransmitTimer.ZeroWindow, delay);
}

/** Arms a probe for the tail of a flight, which no duplicate acknowledgement would reveal. */
export function scheduleLossProbe(t: Tcb): void {
  if (!t.sackOk || t.sent.packetsOut === 0 || t.sent.sackedOut > 0) return;
  if (t.ca !== CaState.Open && t.ca !== CaState.Cwr) return;
  if (t.tlpActive || t.timerKind === RetransmitTimer.Reorder) return;
  let delay = 1e9;
  if (t.rtt.srtt > 0) {
    delay = 2 * t.rtt.srtt;
    delay += t.sent.packetsOut === 1 ? RTO_MIN : 2 * MS;
  }
  if (t.timerKind === RetransmitTimer.Rto && t.retransmitAt < t.ctx.clock.now() + delay) return;
  armRetransmit(t, RetransmitTimer.LossProbe, delay);
}

/** Sends segment `s` (at `i` in the scoreboard) again, at most `limit` packets of it. */
export function retransmit(t: Tcb, i: number, limit: number): number {
  const s: Sent = t.sent.at(i);
  // Part of it may be acknowledged, or the segment size may have shrunk.
  const bytes = sequenceToBytes(t, s);
  let packets = bytes === 0 ? 1 : Math.ceil(bytes / t.mss);
  if (packets !== s.packets) recount(t, s, packets);
  const route = connectionRoute(t);
  if (typeof route === "number") return route;
  const most = Math.max(1, Math.min(limit, packetsPerSend(t, route.out.segmentationLimit)));
  if (packets > most) {
    t.sent.split(i, (s.seq + most * t.mss) | 0, most);
    packets = most;
  }
  const length = sequenceToBytes(t, s);
  const fin = ((s.end - s.seq) | 0) > length;
  const r = sendData(t, s.seq, length, ACK | (fin ? FIN : PSH), packets);
  if (r < 0) return r;
  const now = t.ctx.clock.now();
  t.sent.markRetransmitted(s, now);
  if (t.control.isModel) {
    stampSent(t, s, now);
    advancePace(t, length + 60 * packets, now);
  }
  if (t.retransmitStamp === 0) t.retransmitStamp = now;
  if (t.canUndo) t.undoRetransmits = Math.max(0, t.undoRetransmits) + packets;
  t.totalRetransmits += packets;
  t.bytesRetransmitted += length;
  t.ctx.counters.tcpRetransmitted += packets;
  if (t.ca === CaState.Recovery || t.ca === CaState.Cwr) t.prrOut += packets;
  return packets;
}

function sequenceToBytes(t: Tcb, s: Sent): number {
  const end = after(s.end, t.writeSeq) ? t.writeSeq : s.end;
  return Math.max(0, (end - s.seq) | 0);
}

function recount(t: Tcb, s: Sent, packets: number): void {
  const d = packets - s.packets;
  const b = t.sent;
  s.packets = packets;
  b.packetsOut += d;
  if ((s.flags & SACKED) !== 0) b.sackedOut += d;
  if ((s.flags & LOST) !== 0) b.lostOut += d;
  if ((s.flags & RETRANSMITTED) !== 0) b.retransmittedOut += d;
}

/** Sends what is marked lost, as far as the congestion window allows. */
export function retransmitLost(t: Tcb): void {
  const b = t.sent;
  if (paced(t)) return;
  // What was gone through before is not gone through again: a peer could make that dear.
  for (let i = b.search(b.lostFrom); i < b.length; i++) {
    const s = b.at(i);
    b.lostFrom = s.seq;
    if ((s.flags & (LOST | RETRANSMITTED)) !== LOST) continue;
    const quota = t.cwnd - b.inFlight;
    if (quota <= 0) return;
    // Nothing beyond the peer's window may go but the first segment.
    if (i > 0 && !before(s.seq, (t.sndUna + t.sndWnd) | 0)) return;
    const first = i === 0 && (s.flags & EVER_RETRANSMITTED) === 0;
    const n = retransmit(t, i, quota);
    if (n < 0) return;
    if (t.pacingRate > 0 && paced(t)) {
      if (t.timerKind !== RetransmitTimer.Rto) armRetransmit(t, RetransmitTimer.Rto, t.rto);
      return;
    }
    if (first || t.timerKind !== RetransmitTimer.Rto) {
      armRetransmit(t, RetransmitTimer.Rto, t.rto);
    }
  }
}
