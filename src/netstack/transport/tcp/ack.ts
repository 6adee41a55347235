// hot: every segment acknowledges.

/** What the acknowledgement part of a segment does (RFC 9293 3.10.7.4, fifth). */

import { ECE, type TcpView } from "../../wire/tcp.ts";
import { POLLOUT, POLLWRNORM } from "../../core/poll.ts";
import {
  after,
  before,
  CaState,
  INVALID_ACK_INTERVAL,
  RetransmitTimer,
  TcpState,
} from "./constants.ts";
import { sendAck } from "./emit.ts";
import { armPersist, rearmRto, scheduleLossProbe, stopRetransmit } from "./output.ts";
import { enterCwr, recover } from "./recovery.ts";
import type { PathModel } from "./congestion.ts";
import { finishSample } from "./rate.ts";
import { rateSample } from "./rate_sample.ts";
import { AckNews, takeCumulative, takeSacks } from "./sack.ts";
import type { Tcb } from "./tcb.ts";
import { growSendBuffer } from "./window.ts";

const news = new AckNews();

/** Results of {@link takeAck}. */
export const enum AckResult {
  /** Go on with the segment. */
  Ok,
  /** An old acknowledgement: nothing learnt, the data may still count. */
  Old,
  /** Drop the segment. */
  Drop,
}

/** Sends an ACK that tells the peer where we are, at a bounded rate (RFC 5961). */
export function challenge(t: Tcb): void {
  if (t.shared.allowChallenge()) sendAck(t);
}

/** As {@link challenge} for segments out of the window, at most one in half a second. */
export function outOfWindowAck(t: Tcb): void {
  const now = t.ctx.clock.now();
  if (now - t.lastInvalidAckAt < INVALID_ACK_INTERVAL) return;
  t.lastInvalidAckAt = now;
  sendAck(t);
}

/** Takes a segment's acknowledgement number, window and SACK blocks. */
export function takeAck(t: Tcb, v: TcpView, hasData: boolean): AckResult {
  const ack = v.acknowledgement;
  const seq = v.sequence;
  const now = t.ctx.clock.now();
  news.reset();
  if (before(ack, t.sndUna)) {
    if (before(ack, (t.sndUna - Math.max(t.maxWindow, 65535)) | 0)) {
      challenge(t);
      return AckResult.Drop;
    }
    if (v.sackCount > 0 && t.sackOk) {
      takeSacks(t, v, t.sndUna, now, news);
      recover(t, news, false, v.tsEcho, v.hasTimestamp, now);
    }
    return AckResult.Old;
  }
  if (after(ack, t.sndNxt)) {
    sendAck(t);
    return AckResult.Drop;
  }
  const advanced = after(ack, t.sndUna);
  const windowBefore = t.sndWnd;
  const newWindow = updateWindow(t, v, ack, seq);
  t.probes = 0;
  t.softError = 0;
  const inFlightBefore = t.sent.packetsOut;
  if (t.control.isModel) rateSample.reset(t.sent.inFlight);
  if (advanced) {
    news.advanced = true;
    t.retransmits = 0;
    takeCumulative(t, ack, now, news);
    const base = t.sendBase;
    const bytes = Math.min((ack - base) | 0, t.sendRing.length);
    t.bytesAcked += bytes;
    t.sndUna = ack;
    if (bytes > 0) {
      t.sendRing.discard(bytes);
      t.account();
    }
    if (t.urgentOut && !before(ack, t.sndUp)) t.urgentOut = false;
  }
  if (v.sackCount > 0 && t.sackOk) takeSacks(t, v, ack, now, news);
  t.deliveredPackets += news.delivered;
  sampleRtt(t, v, now);
  if (t.ecnOk && (v.flags & ECE) !== 0) news.ece = true;
  if (inFlightBefore > 0) {
    const duplicate = !advanced && !hasData && !newWindow && windowBefore === t.sndWnd;
    if (advanced && t.backoff > 0) resetBackoff(t);
    finishLossProbe(t, ack, duplicate);
    recover(t, news, duplicate, v.tsEcho, v.hasTimestamp, now);
    if (t.control.isModel) {
      finishSample(t, news.delivered, news.lost, now);
      (t.control as PathModel).control(t, rateSample, now);
    }
    if (advanced) {
      confirmNeighbour(t);
      if (t.timerKind !== RetransmitTimer.Reorder || t.sent.packetsOut === 0) rearmRto(t);
      if (t.ca === CaState.Open) scheduleLossProbe(t);
    }
  } else takeProbeAnswer(t);
  if (t.sent.packetsOut === 0) {
    t.retransmitStamp = 0;
    t.maxPacketsOut = 0;
  }
  if (advanced) {
    growSendBuffer(t);
    notifyWritable(t);
  }
  return AckResult.Ok;
}

function updateWindow(t: Tcb, v: TcpView, ack: number, seq: number): boolean {
  const window = v.window << t.sndWscale;
  const may = after(ack, t.sndUna) || after(seq, t.sndWl1) ||
    (seq === t.sndWl1 && (window > t.sndWnd || window === 0));
  if (!may) return false;
  t.sndWl1 = seq;
  t.sndWl2 = ack;
  if (window === t.sndWnd) return false;
  t.sndWnd = window;
  if (window > t.maxWindow) t.maxWindow = window;
  return true;
}

function resetBackoff(t: Tcb): void {
  t.backoff = 0;
  t.rto = t.rtt.rto;
}

function sampleRtt(t: Tcb, v: TcpView, now: number): void {
  let rtt = -1;
  if (news.firstSentAt > 0 && !news.retransmittedAcked) rtt = now - news.firstSentAt;
  else if (news.sackSentAt > 0) rtt = now - news.sackSentAt;
  else if (news.advanced && v.hasTimestamp && t.tsEnabled && v.tsEcho !== 0) {
    const ms = (t.shared.timestamp(t.tsOffset) - v.tsEcho) | 0;
    if (ms >= 0 && ms < 0x7fffffff / 1000) rtt = Math.max(ms, 1) * 1e6;
  }
  if (rtt < 0) return;
  rateSample.rtt = rtt;
  t.rtt.sample(rtt, now);
  t.control.sample(t, rtt);
  t.backoff = 0;
  t.rto = t.rtt.rto;
}

/** The answer to a loss probe tells whether the probe repaired a loss (RFC 8985 7.4). */
function finishLossProbe(t: Tcb, ack: number, duplicate: boolean): void {
  if (!t.tlpActive || before(ack, t.tlpHighSeq)) return;
  if (!t.tlpRetransmitted) {
    t.tlpActive = false;
  } else if (news.dsack) t.tlpActive = false;
  else if (after(ack, t.tlpHighSeq)) {
    // Both copies would have made a duplicate; there was none, so one was lost.
    t.tlpActive = false;
    enterCwr(t);
  } else if (duplicate || news.newlySacked > 0) t.tlpActive = false;
}

/** With nothing in flight an acknowledgement answers a probe of the window. */
function takeProbeAnswer(t: Tcb): void {
  if (t.writeSeq === t.sndNxt) return;
  const room = (t.sndUna + t.sndWnd - t.sndNxt) | 0;
  if (room > 0) {
    t.backoff = 0;
    t.probeStamp = 0;
    if (t.timerKind === RetransmitTimer.ZeroWindow) stopRetransmit(t);
  } else armPersist(t);
}

function confirmNeighbour(t: Tcb): void {
  const r = t.route;
  if (r === null || !r.out.isEthernet) return;
  const table = r.nextHop.isV4 ? r.out.neighbours4 : r.out.neighbours6;
  table?.confirm(r.nextHop);
}

/** Whether there is room enough in the send buffer that a writer should be told. */
export function isWritable(t: Tcb): boolean {
  const used = t.sendRing.length;
  if (t.sendBufferSize - used < used >>> 1) return false;
  const low = t.notSentLowWater > 0 ? t.notSentLowWater : t.ctx.settings.tcpNotSentLowWater;
  return low >= 0xffffffff || ((t.writeSeq - t.sndNxt) | 0) < low;
}

/** Tells a writer if there is room. */
export function notifyWritable(t: Tcb): void {
  if (t.state !== TcpState.SynSent && t.state !== TcpState.SynReceived && isWritable(t)) {
    t.notify(POLLOUT | POLLWRNORM);
  }
}
