/** What happens when a connection's time comes. */

import { EHOSTUNREACH, ETIMEDOUT } from "../../core/errno.ts";
import { Timer } from "../../core/timer.ts";
import { keepAliveTime, sendSynOf } from "./connect.ts";
import { ATO_MIN, RetransmitTimer, RTO_MAX, RTO_MIN, TcpState } from "./constants.ts";
import { sendAck, sendProbe, sendReset } from "./emit.ts";
import { fail, finish } from "./lifecycle.ts";
import {
  armPersist,
  armRetransmit,
  output,
  rearmRto,
  retransmit,
  stopRetransmit,
} from "./output.ts";
import { enterLoss, recover } from "./recovery.ts";
import { AckNews } from "./sack.ts";
import { SACKED } from "./sent.ts";
import type { Tcb } from "./tcb.ts";

const noNews = new AckNews();

/** The timer of a connection. */
export class ConnectionTimer extends Timer {
  private readonly t: Tcb;

  constructor(t: Tcb) {
    super();
    this.t = t;
  }

  fire(now: number): void {
    const t = this.t;
    if (t.waitAt <= now) {
      finish(t);
      return;
    }
    if (t.paceTimerAt <= now) {
      t.paceTimerAt = Infinity;
      output(t);
    }
    if (t.ackAt <= now) delayedAck(t, now);
    if (t.retransmitAt <= now) retransmitTimer(t, now);
    if (t.keepAliveAt <= now && t.state !== TcpState.Close) keepAlive(t, now);
    if (t.state !== TcpState.Close) t.rearm();
  }
}

function delayedAck(t: Tcb, _now: number): void {
  t.ackAt = Infinity;
  if (!t.ackPending) return;
  if (t.pingPong) {
    // No reply came that could have carried it: the traffic is not interactive after all.
    t.pingPong = false;
    t.ato = ATO_MIN;
  } else t.ato = Math.min(t.ato * 2, t.rto);
  t.ctx.counters.tcpDelayedAcks++;
  sendAck(t);
}

function retransmitTimer(t: Tcb, now: number): void {
  const kind = t.timerKind;
  stopRetransmit(t);
  switch (kind) {
    case RetransmitTimer.Rto:
      timeout(t, now);
      break;
    case RetransmitTimer.LossProbe:
      lossProbe(t);
      break;
    case RetransmitTimer.Reorder:
      reorderTimeout(t, now);
      break;
    case RetransmitTimer.ZeroWindow:
      windowProbe(t, now);
      break;
  }
}

/** Whether retransmission has gone on for as long as `count` timeouts would take. */
function timedOut(t: Tcb, count: number, limit: number, now: number): boolean {
  if (t.retransmits === 0 && t.retransmitStamp === 0) return false;
  const since = t.retransmitStamp > 0 ? t.retransmitStamp : now;
  if (limit === 0) {
    const doublings = 9;
    limit = count <= doublings
      ? (2 ** (count + 1) - 1) * RTO_MIN
      : (2 ** (doublings + 1) - 1) * RTO_MIN + (count - doublings) * RTO_MAX;
  }
  return now - since >= limit;
}

function giveUp(t: Tcb): void {
  t.ctx.counters.tcpAbortOnTimeout++;
  fail(t, t.softError !== 0 ? t.softError : ETIMEDOUT);
}

function timeout(t: Tcb, now: number): void {
  if (t.state === TcpState.SynSent || t.state === TcpState.SynReceived) {
    synTimeout(t, now);
    return;
  }
  if (t.sent.packetsOut === 0) return;
  const s = t.ctx.settings;
  t.ctx.counters.tcpTimeouts++;
  if (t.retransmitStamp === 0) t.retransmitStamp = t.sent.at(0).sentAt;
  if (t.sndWnd === 0 && !t.orphan) {
    // The peer took its window back: what is in flight is a probe now.
    if (now - t.lastReceivedAt > 120e9 && now - t.retransmitStamp > 120e9) {
      giveUp(t);
      return;
    }
  } else {
    const retries = t.orphan ? s.tcpOrphanRetries : s.tcpRetries2;
    if (timedOut(t, retries, t.userTimeout, now)) {
      giveUp(t);
      return;
    }
    if (t.retransmits === s.tcpRetries1) t.route = null;
  }
  enterLoss(t);
  t.retransmits++;
  t.backoff++;
  t.rto = Math.min(t.rto * 2, RTO_MAX);
  output(t);
  if (t.timerKind === RetransmitTimer.None) armRetransmit(t, RetransmitTimer.Rto, t.rto);
  t.retransmitAt = now + clampToUserTimeout(t, t.rto, now);
}

/** With a user timeout the last wait ends when that does. */
function clampToUserTimeout(t: Tcb, rto: number, now: number): number {
  if (t.userTimeout === 0 || t.retransmitStamp === 0) return rto;
  const left = t.userTimeout - (now - t.retransmitStamp);
  return Math.max(1e6, Math.min(rto, left));
}

function synTimeout(t: Tcb, now: number): void {
  const s = t.ctx.settings;
  const retries = t.state === TcpState.SynReceived
    ? s.tcpSynAckRetries
    : t.synCount > 0
    ? t.synCount
    : s.tcpSynRetries;
  const expired = t.userTimeout > 0 && now - t.synSentAt >= t.userTimeout;
  if (t.retransmits >= retries || expired) {
    t.ctx.counters.tcpAttemptFails++;
    giveUp(t);
    return;
  }
  t.retransmits++;
  t.backoff++;
  // A middlebox may drop what it does not know: try without (RFC 7413 4.2.2).
  t.synData = 0;
  t.synCookie = null;
  t.rto = Math.min(t.rto * 2, RTO_MAX);
  t.ctx.counters.tcpRetransmitted++;
  t.totalRetransmits++;
  armRetransmit(t, RetransmitTimer.Rto, t.rto);
  const r = sendSynOf(t);
  if (r === -EHOSTUNREACH) t.softError = EHOSTUNREACH;
}

/** Sends something the peer must acknowledge, so that a lost tail shows (RFC 8985 7.3). */
function lossProbe(t: Tcb): void {
  const b = t.sent;
  if (b.packetsOut === 0) return;
  t.tlpRetransmitted = false;
  t.tlpHighSeq = t.sndNxt;
  const next = t.sndNxt;
  const room = (t.sndUna + t.sndWnd - t.sndNxt) | 0;
  const fresh = (t.writeSeq - t.sndNxt) | 0;
  t.tlpActive = true;
  if (fresh > 0 && room > 0 && !t.finSent) {
    const saved = t.cwnd;
    t.cwnd = b.inFlight + 1;
    output(t, true);
    t.cwnd = saved;
  }
  if (t.sndNxt === next) {
    // The last packet goes again.
    let i = b.length - 1;
    const s = b.at(i);
    if ((s.flags & SACKED) !== 0) {
      t.tlpActive = false;
      rearmRto(t);
      return;
    }
    if (s.packets > 1) {
      b.split(i, (s.seq + (s.packets - 1) * t.mss) | 0, s.packets - 1);
      i++;
    }
    retransmit(t, i, 1);
    t.tlpRetransmitted = true;
  } else t.tlpHighSeq = t.sndNxt;
  t.ctx.counters.tcpLossProbes++;
  armRetransmit(t, RetransmitTimer.Rto, t.rto);
}

function reorderTimeout(t: Tcb, now: number): void {
  noNews.reset();
  recover(t, noNews, false, 0, false, now);
  if (t.timerKind === RetransmitTimer.None) rearmRto(t);
  output(t);
}

/** Asks for the window, or lets go of data that was held back for long enough. */
function windowProbe(t: Tcb, now: number): void {
  const s = t.ctx.settings;
  if (t.sent.packetsOut > 0) {
    rearmRto(t);
    return;
  }
  const data = (t.writeSeq - t.sndNxt) | 0;
  if (data <= 0 && !(t.writeClosed && !t.finSent)) return;
  const room = (t.sndUna + t.sndWnd - t.sndNxt) | 0;
  if (room > 0) {
    const corked = t.cork;
    t.cork = false;
    output(t, true);
    t.cork = corked;
    if (t.timerKind === RetransmitTimer.None) armPersist(t);
    return;
  }
  if (t.probeStamp === 0) t.probeStamp = now;
  else if (t.userTimeout > 0 && now - t.probeStamp >= t.userTimeout) {
    giveUp(t);
    return;
  }
  const most = t.orphan ? s.tcpOrphanRetries : s.tcpRetries2;
  if (t.probes >= most) {
    giveUp(t);
    return;
  }
  t.probes++;
  if (t.backoff < 12) t.backoff++;
  sendProbe(t);
  armPersist(t);
}

function keepAlive(t: Tcb, now: number): void {
  t.keepAliveAt = Infinity;
  if (!t.keepAlive || !t.isSynchronized) return;
  const idle = keepAliveTime(t);
  const s = t.ctx.settings;
  const interval = t.keepInterval > 0 ? t.keepInterval : s.tcpKeepAliveInterval;
  const count = t.keepCount > 0 ? t.keepCount : s.tcpKeepAliveProbes;
  const elapsed = now - Math.max(t.lastReceivedAt, t.lastHeardAt);
  // Retransmission finds out as well as probes would.
  if (t.sent.packetsOut > 0 || t.writeSeq !== t.sndNxt && !t.finSent) {
    t.keepAliveAt = now + idle;
    return;
  }
  if (elapsed < idle) {
    t.keepAliveAt = now + idle - elapsed;
    return;
  }
  const dead = t.userTimeout > 0 ? elapsed >= t.userTimeout && t.probes > 0 : t.probes >= count;
  if (dead) {
    sendReset(t);
    giveUp(t);
    return;
  }
  t.probes++;
  t.ctx.counters.tcpKeepAlives++;
  sendProbe(t);
  t.keepAliveAt = now + interval;
}
