// hot: runs on every acknowledgement.

/**
 * Loss recovery: fast retransmit with SACK and RACK or, without SACK, NewReno (RFC 6582);
 * proportional rate reduction (RFC 6937); undoing what proves needless (RFC 3522, RFC 3708).
 */

import { after, before, CaState, INFINITE_SSTHRESH } from "./constants.ts";
import { rackDetect } from "./rack.ts";
import { EVER_RETRANSMITTED, LOST, SACKED } from "./sent.ts";
import type { AckNews } from "./sack.ts";
import type { Tcb } from "./tcb.ts";

function startReduction(t: Tcb, keepUndo: boolean): void {
  t.highSeq = t.sndNxt;
  t.tlpActive = false;
  t.cwndCount = 0;
  t.priorCwnd = t.cwnd;
  t.prrDelivered = 0;
  t.prrOut = 0;
  t.priorSsthresh = t.ssthresh;
  t.ssthresh = t.control.slowStartThreshold(t);
  t.canUndo = keepUndo;
  t.undoMarker = t.sndUna;
  t.undoRetransmits = t.sent.retransmittedOut > 0 ? t.sent.retransmittedOut : -1;
}

/** Reduces the window without a loss: congestion was notified. */
export function enterCwr(t: Tcb): void {
  if (t.ca >= CaState.Cwr) return;
  startReduction(t, false);
  if (t.ecnOk) t.ecnReduced = true;
  t.ca = CaState.Cwr;
}

function enterRecovery(t: Tcb, ece: boolean): void {
  const counters = t.ctx.counters;
  if (t.sackOk) counters.tcpSackRecoveries++;
  else counters.tcpRenoRecoveries++;
  counters.tcpFastRetransmits++;
  if (t.ca < CaState.Cwr) {
    startReduction(t, !ece);
    if (t.ecnOk) t.ecnReduced = true;
  } else t.highSeq = t.sndNxt;
  t.ca = CaState.Recovery;
}

/** The retransmission timer expired: all in flight is deemed lost but what was sent just now. */
export function enterLoss(t: Tcb): void {
  const b = t.sent;
  const now = t.ctx.clock.now();
  const fresh = t.ca <= CaState.Disorder || !after(t.highSeq, t.sndUna) ||
    (t.ca === CaState.Loss && t.retransmits === 0);
  if (fresh) {
    t.priorCwnd = t.cwnd;
    t.priorSsthresh = t.ssthresh;
    t.ssthresh = t.control.slowStartThreshold(t);
    t.canUndo = true;
    t.undoMarker = t.sndUna;
    t.undoRetransmits = b.retransmittedOut > 0 ? b.retransmittedOut : -1;
  }
  t.control.reset();
  t.sackCache.length = 0;
  const reneged = b.length > 0 && (b.at(0).flags & SACKED) !== 0;
  if (!t.sackOk) b.sackedOut = 0;
  const window = t.rackRtt;
  for (let i = 0; i < b.length; i++) {
    const s = b.at(i);
    if (reneged) b.forgetSack(s);
    if (i > 0 && t.sackOk && t.rackRtt > 0 && s.sentAt + t.rackRtt + window / 4 > now) continue;
    b.markLost(s);
  }
  t.reordering = Math.min(t.reordering, 3);
  t.cwnd = b.inFlight + 1;
  t.cwndCount = 0;
  t.ca = CaState.Loss;
  t.highSeq = t.sndNxt;
  t.tlpActive = false;
  t.duplicateAcks = 0;
  if (t.ecnOk) t.ecnReduced = true;
}

/** Whether the acknowledgement shows that the original arrived, not the retransmission. */
function needless(t: Tcb, tsEcho: number, hasTs: boolean): boolean {
  if (!t.canUndo) return false;
  if (t.undoRetransmits === 0) return true;
  if (!hasTs || t.retransmitStamp === 0 || !t.tsEnabled) return false;
  const first = (Math.floor(t.retransmitStamp / 1e6) + t.tsOffset) | 0;
  return before(tsEcho, first);
}

function undo(t: Tcb, unmark: boolean): void {
  if (unmark) {
    const b = t.sent;
    for (let i = 0; i < b.length && b.lostOut > 0; i++) {
      const s = b.at(i);
      if ((s.flags & LOST) !== 0) b.unmarkLost(s);
    }
  }
  t.cwnd = Math.max(t.cwnd, t.priorCwnd);
  if (t.priorSsthresh > t.ssthresh) {
    t.ssthresh = t.priorSsthresh;
    t.ecnReduced = false;
  }
  t.canUndo = false;
  t.ctx.counters.tcpUndos++;
}

/** Proportional rate reduction: as much may go as arrives, scaled to the new threshold. */
function reduceWindow(t: Tcb, delivered: number, lost: number, advanced: boolean): void {
  const inFlight = t.sent.inFlight;
  const delta = t.ssthresh - inFlight;
  t.prrDelivered += delivered;
  let count: number;
  if (delta < 0) {
    count = Math.floor((t.ssthresh * t.prrDelivered + t.priorCwnd - 1) / t.priorCwnd) - t.prrOut;
  } else {
    count = Math.max(t.prrDelivered - t.prrOut, delivered);
    if (advanced && lost === 0) count++;
    count = Math.min(delta, count);
  }
  count = Math.max(count, t.prrOut > 0 ? 0 : 1);
  t.cwnd = Math.max(1, inFlight + count);
}

function endReduction(t: Tcb): void {
  if (t.control.isModel) return;
  if (t.ssthresh < INFINITE_SSTHRESH && (t.ca === CaState.Cwr || t.canUndo)) {
    t.cwnd = t.ssthresh;
  }
}

/** Without SACK every duplicate acknowledgement stands for one packet that arrived. */
function addRenoSack(t: Tcb): void {
  const b = t.sent;
  if (b.sackedOut < b.packetsOut - 1) b.sackedOut++;
  t.deliveredPackets++;
}

function markHeadLost(t: Tcb): void {
  if (t.sent.length === 0) return;
  const s = t.sent.at(0);
  if ((s.flags & LOST) === 0) t.sent.markLost(s);
}

/** Recovery is over once all is acknowledged that was in flight when it began. */
function maybeFinish(t: Tcb, tsEcho: number, hasTs: boolean): void {
  if (before(t.sndUna, t.highSeq)) return;
  switch (t.ca) {
    case CaState.Cwr:
      // A connection that had nothing in flight needs proof of one window of progress.
      if (t.sndUna !== t.highSeq) {
        endReduction(t);
        t.ca = CaState.Open;
      }
      break;
    case CaState.Recovery:
    case CaState.Loss: {
      if (needless(t, tsEcho, hasTs)) undo(t, t.ca === CaState.Loss);
      // NewReno: later duplicates may be of this very flight, so hold until they can't.
      if (!t.sackOk) {
        t.sent.sackedOut = 0;
        if (t.sndUna === t.highSeq && t.sent.packetsOut > 0) return;
      }
      if (t.ca === CaState.Recovery) endReduction(t);
      t.ca = CaState.Open;
      t.canUndo = false;
      t.retransmitStamp = 0;
      break;
    }
    default:
      break;
  }
}

/**
 * Takes an acknowledgement into account after the scoreboard was brought up to date.
 * `duplicate` says that it moved nothing and carried nothing.
 */
export function recover(
  t: Tcb,
  news: AckNews,
  duplicate: boolean,
  tsEcho: number,
  hasTs: boolean,
  now: number,
): void {
  const b = t.sent;
  if (news.reordered) {
    t.reorderingSeen = true;
    const distance = Math.ceil(((t.highestSack - news.reorderSeq) | 0) / t.mss);
    t.reordering = Math.max(t.reordering, Math.min(300, distance));
  }
  if (news.ece && t.ca < CaState.Cwr) enterCwr(t);
  if (b.length > 0 && t.sackOk && (b.at(0).flags & SACKED) !== 0 && b.sackedOut > 0) {
    // The peer sacked the very next byte and does not acknowledge it: it went back on it.
    for (let i = 0; i < b.length; i++) b.forgetSack(b.at(i));
    t.sackCache.length = 0;
    enterLoss(t);
  }
  maybeFinish(t, tsEcho, hasTs);
  if (!t.sackOk) renoAccount(t, news, duplicate);
  const lostBefore = b.lostOut;
  switch (t.ca) {
    case CaState.Loss:
      if (needless(t, tsEcho, hasTs) && news.advanced) {
        undo(t, true);
        t.ca = CaState.Open;
        t.retransmits = 0;
        break;
      }
      detect(t, now);
      break;
    case CaState.Recovery:
      if (news.advanced && needless(t, tsEcho, hasTs) && t.undoRetransmits === 0) {
        undo(t, true);
        t.ca = CaState.Disorder;
      } else if (news.advanced && !t.sackOk) markHeadLost(t);
      detect(t, now);
      break;
    default:
      detect(t, now);
      if (shouldRecover(t)) {
        if (!t.sackOk) markHeadLost(t);
        enterRecovery(t, news.ece);
      } else if (t.ca <= CaState.Disorder) {
        t.ca = b.sackedOut > 0 ? CaState.Disorder : CaState.Open;
      }
  }
  const newlyLost = Math.max(0, b.lostOut - lostBefore);
  news.lost = newlyLost;
  if (t.control.isModel) return;
  if (t.ca === CaState.Recovery || t.ca === CaState.Cwr) {
    reduceWindow(t, news.delivered, newlyLost, news.advanced);
  } else if (news.advanced || news.delivered > 0) {
    const ok = t.ca === CaState.Loss || news.advanced;
    if (ok && (t.cwndLimited || t.cwnd < t.ssthresh && t.cwnd < 2 * t.maxPacketsOut)) {
      t.control.acknowledged(t, news.delivered, now);
    }
  }
}

function detect(t: Tcb, now: number): void {
  if (t.sackOk) rackDetect(t, now);
}

function shouldRecover(t: Tcb): boolean {
  if (t.sent.lostOut > 0) return true;
  return !t.sackOk && t.sent.sackedOut >= t.reordering;
}

function renoAccount(t: Tcb, news: AckNews, duplicate: boolean): void {
  const b = t.sent;
  if (news.advanced) {
    if (t.ca < CaState.Recovery) b.sackedOut = 0;
    else b.sackedOut = Math.max(0, b.sackedOut - Math.max(0, news.delivered - 1));
    if (b.sackedOut + b.lostOut > b.packetsOut) b.sackedOut = Math.max(0, b.packetsOut - b.lostOut);
  } else if (duplicate) {
    addRenoSack(t);
    news.delivered++;
    if (b.sackedOut + b.lostOut > b.packetsOut) b.sackedOut = Math.max(0, b.packetsOut - b.lostOut);
  }
}

/** The path takes smaller packets only: what is too large goes again, the window stays. */
export function retransmitForMtu(t: Tcb, mss: number): void {
  const b = t.sent;
  let lost = false;
  for (let i = 0; i < b.length; i++) {
    const s = b.at(i);
    if (((s.end - s.seq) | 0) / s.packets > mss && (s.flags & (SACKED | LOST)) === 0) {
      b.markLost(s);
      s.flags |= EVER_RETRANSMITTED;
      lost = true;
    }
  }
  if (lost && t.ca !== CaState.Loss) {
    t.highSeq = t.sndNxt;
    t.ssthresh = Math.max(2, Math.min(t.ssthresh, t.cwnd));
    t.priorCwnd = t.cwnd;
    t.canUndo = false;
    t.ca = CaState.Loss;
  }
}
