// hot: every segment of a connection.

/** What a segment does to a connection (RFC 9293 3.10.7.4, RFC 5961). */

import type { Packet } from "../../core/packet.ts";
import { POLLHUP, POLLIN, POLLOUT, POLLRDHUP, POLLRDNORM, POLLWRNORM } from "../../core/poll.ts";
import { ACK, CWR, FIN, RST, SYN, type TcpView } from "../../wire/tcp.ts";
import { AckResult, challenge, outOfWindowAck, takeAck } from "./ack.ts";
import { establish, segmentInSynSent, sendSynOf } from "./connect.ts";
import { after, before, PAWS_EXPIRY, TcpState } from "./constants.ts";
import { sendAck, sendReset, sendResetFor } from "./emit.ts";
import { enterTimeWait, finish, resetByPeer } from "./lifecycle.ts";
import { output } from "./output.ts";
import {
  acknowledge,
  enterQuickAck,
  fetchUrgent,
  noteUrgent,
  notifyReadable,
  receiveData,
} from "./receive.ts";
import type { Tcb } from "./tcb.ts";
import { offeredWindow } from "./window.ts";

/** A segment for `t`, which is no listener; options are parsed. The packet is borrowed. */
export function segmentArrives(t: Tcb, v: TcpView, packet: Packet): void {
  t.segmentsIn++;
  t.lastHeardAt = t.ctx.clock.now();
  if (t.state === TcpState.SynSent) {
    segmentInSynSent(t, v, packet.inIndex);
    if (t.isSynchronized) finishSegment(t);
    return;
  }
  if (t.state === TcpState.Close) return;
  if (!acceptable(t, v)) return;
  const flags = v.flags;
  if ((flags & ACK) === 0) return;
  if (t.state === TcpState.SynReceived && !completeOpen(t, v, packet.inIndex)) return;
  if (t.ip.minTtl > 0 && packet.ttl < t.ip.minTtl) return;
  const length = v.end - v.at - v.headerLength;
  noteTimestamp(t, v);
  const r = takeAck(t, v, length > 0 || (flags & FIN) !== 0);
  if (r === AckResult.Drop) {
    finishSegment(t);
    return;
  }
  if (t.finSent && t.sndUna === t.sndNxt && !finAcknowledged(t)) return;
  if (length > 0 && (packet.tos & 3) === 3 && t.ecnOk) {
    if (!t.ecnDemand) enterQuickAck(t);
    t.ecnDemand = true;
  }
  if ((flags & CWR) !== 0) t.ecnDemand = false;
  noteUrgent(t, v);
  if (length > 0 || (flags & FIN) !== 0) {
    if (!takeData(t, v, length)) return;
  }
  finishSegment(t);
}

function finishSegment(t: Tcb): void {
  output(t);
  acknowledge(t, t.ctx.clock.now());
  t.rearm();
}

/** The checks that come before the acknowledgement; false if the segment is done with. */
function acceptable(t: Tcb, v: TcpView): boolean {
  const flags = v.flags;
  const seq = v.sequence;
  const length = v.end - v.at - v.headerLength;
  const end = (seq + length + (flags & FIN ? 1 : 0) + (flags & SYN ? 1 : 0)) | 0;
  const now = t.ctx.clock.now();
  if (
    t.tsEnabled && v.hasTimestamp && before(v.tsValue, t.tsRecent) && (flags & RST) === 0 &&
    now - t.tsRecentAt < PAWS_EXPIRY
  ) {
    t.ctx.counters.tcpPawsRejected++;
    answerInvalid(t, v, seq, end);
    return false;
  }
  const right = (t.rcvNxt + offeredWindow(t)) | 0;
  if (before(end, t.rcvWup) || after(seq, right)) {
    if ((flags & RST) === 0) {
      if ((flags & SYN) !== 0) return takeSyn(t, v, seq, end);
      answerInvalid(t, v, seq, end);
    }
    return false;
  }
  if ((flags & RST) !== 0) {
    if (seq === t.rcvNxt || matchesSack(t, seq)) resetByPeer(t);
    else challenge(t);
    return false;
  }
  if ((flags & SYN) !== 0) return takeSyn(t, v, seq, end);
  return true;
}

function answerInvalid(t: Tcb, v: TcpView, seq: number, end: number): void {
  if (t.state === TcpState.SynReceived && (v.flags & ACK) === 0 && seq === t.irs) {
    sendSynOf(t);
    return;
  }
  // An old segment may be a retransmission whose acknowledgement was lost: tell it was a duplicate.
  if (before(seq, t.rcvNxt) && t.sackOk && t.ctx.settings.tcpDsack && end !== seq) {
    t.hasDsack = true;
    t.dsackStart = seq;
    t.dsackEnd = after(end, t.rcvNxt) ? t.rcvNxt : end;
  }
  outOfWindowAck(t);
}

/** A reset at the right edge of what was sacked is as good as one at the left. */
function matchesSack(t: Tcb, seq: number): boolean {
  let most = t.rcvNxt;
  for (let i = 1; i < t.sackRanges.length; i += 2) {
    if (after(t.sackRanges[i], most)) most = t.sackRanges[i];
  }
  return t.sackRanges.length > 0 && seq === most;
}

/** A SYN on a connection: the end of a simultaneous open, or an attack or a restarted peer. */
function takeSyn(t: Tcb, v: TcpView, seq: number, end: number): boolean {
  if (t.state === TcpState.SynReceived && seq === t.irs) {
    if ((v.flags & ACK) !== 0 && v.acknowledgement === t.sndNxt && end === t.rcvNxt) return true;
    if ((v.flags & ACK) === 0) {
      sendSynOf(t);
      return false;
    }
  }
  challenge(t);
  return false;
}

function noteTimestamp(t: Tcb, v: TcpView): void {
  if (!t.tsEnabled || !v.hasTimestamp) return;
  // Only segments that start at or before what was acknowledged count (RFC 7323 4.3).
  if (after(v.sequence, t.lastAckSent) || before(v.tsValue, t.tsRecent)) return;
  t.tsRecent = v.tsValue;
  t.tsRecentAt = t.ctx.clock.now();
}

/** The acknowledgement of our SYN in SYN_RECEIVED. */
function completeOpen(t: Tcb, v: TcpView, index: number): boolean {
  const ack = v.acknowledgement;
  if (!after(ack, t.sndUna) || after(ack, t.sndNxt)) {
    sendResetFor(t.shared, v, t.local, t.remote, index);
    return false;
  }
  if (t.retransmits === 0 && t.synSentAt > 0) {
    const now = t.ctx.clock.now();
    t.rtt.sample(now - t.synSentAt, now);
    t.rto = t.rtt.rto;
  }
  establish(t);
  t.sndUna = (t.iss + 1) | 0;
  t.sndWnd = v.window << t.sndWscale;
  t.maxWindow = Math.max(t.maxWindow, t.sndWnd);
  t.sndWl1 = v.sequence;
  t.sndWl2 = ack;
  t.notify(POLLOUT | POLLWRNORM);
  return true;
}

/** Our FIN is acknowledged; false if the connection is gone. */
function finAcknowledged(t: Tcb): boolean {
  switch (t.state) {
    case TcpState.FinWait1: {
      t.state = TcpState.FinWait2;
      t.notify(POLLOUT | POLLHUP | POLLIN);
      if (t.orphan) {
        if (t.linger2 < 0) {
          finish(t);
          return false;
        }
        const wait = t.linger2 > 0 ? t.linger2 : t.ctx.settings.tcpFinTimeout;
        t.waitAt = t.ctx.clock.now() + wait;
      }
      return true;
    }
    case TcpState.Closing:
      enterTimeWait(t);
      return false;
    case TcpState.LastAck:
      finish(t);
      return false;
    default:
      return true;
  }
}

/** Takes a segment's data and FIN; false if the connection is gone. */
function takeData(t: Tcb, v: TcpView, length: number): boolean {
  if (!t.mayReceive) {
    // The peer's FIN has come before: nothing may follow it, but a repetition is answered.
    if (before(v.sequence, t.rcvNxt)) {
      t.ackPending = true;
      t.ackAt = 0;
    }
    return true;
  }
  const end = (v.sequence + length) | 0;
  if (t.orphan && length > 0 && after(end, t.rcvNxt)) {
    // Data for a user who is gone (RFC 1122 4.2.2.13).
    t.ctx.counters.tcpAbortOnData++;
    sendReset(t);
    finish(t);
    return false;
  }
  const before1 = t.rcvNxt;
  receiveData(t, v, v.at + v.headerLength, length, v.sequence);
  if (t.urgentState === 1) fetchUrgent(t);
  if (t.finSeen && t.rcvNxt === t.finSeq) return takeFin(t);
  if (t.rcvNxt !== before1) notifyReadable(t);
  return true;
}

/** The peer will send no more; false if the connection is gone. */
function takeFin(t: Tcb): boolean {
  t.rcvNxt = (t.rcvNxt + 1) | 0;
  t.readClosed = true;
  t.early.length = 0;
  t.sackRanges.length = 0;
  t.ackPending = true;
  switch (t.state) {
    case TcpState.Established:
      t.state = TcpState.CloseWait;
      t.pingPong = true;
      // The peer waits for this: it is told at once.
      t.ackAt = 0;
      break;
    case TcpState.FinWait1:
      t.state = TcpState.Closing;
      t.ackAt = 0;
      break;
    case TcpState.FinWait2:
      sendAck(t);
      enterTimeWait(t);
      return false;
    default:
      break;
  }
  t.notify(POLLIN | POLLRDNORM | POLLRDHUP | POLLHUP);
  return true;
}
