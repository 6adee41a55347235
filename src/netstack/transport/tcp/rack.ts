// hot: runs on every acknowledgement that tells of loss or reordering.

/** RACK: loss detection by time of sending (RFC 8985). */

import { MS } from "../../core/timer.ts";
import { after, CaState, RetransmitTimer } from "./constants.ts";
import { armRetransmit } from "./output.ts";
import { EVER_RETRANSMITTED, LOST, RETRANSMITTED, type Sent } from "./sent.ts";
import type { Tcb } from "./tcb.ts";

/** Notes that `s` was delivered. `rtt` is the time since its last transmission. */
export function rackAdvance(t: Tcb, s: Sent, now: number): void {
  const rtt = now - s.sentAt;
  // The acknowledgement may be of the original: too quick for the retransmission.
  if ((s.flags & EVER_RETRANSMITTED) !== 0 && rtt < t.rtt.minRtt) return;
  t.rackRtt = rtt;
  if (s.sentAt > t.rackSentAt || (s.sentAt === t.rackSentAt && after(s.end, t.rackEnd))) {
    t.rackSentAt = s.sentAt;
    t.rackEnd = s.end;
  }
}

/** How much later than its successors a segment may arrive and not be lost. */
function reorderWindow(t: Tcb): number {
  if (!t.reorderingSeen) {
    if (t.ca >= CaState.Recovery) return 0;
    if (t.sent.sackedOut >= t.reordering) return 0;
  }
  const min = t.rtt.minRtt === Infinity ? MS : t.rtt.minRtt;
  return Math.min((min / 4) * t.rackSteps, t.rtt.srtt);
}

/** Marks as lost what was sent long enough before something that arrived. Returns how much. */
export function rackDetect(t: Tcb, now: number): number {
  if (t.rackSentAt === 0) return 0;
  const window = reorderWindow(t);
  const b = t.sent;
  const before = b.lostOut;
  let wait = 0;
  let s = b.oldest;
  while (s !== null) {
    const next = s.newer;
    const isSentBefore = s.sentAt < t.rackSentAt ||
      (s.sentAt === t.rackSentAt && after(t.rackEnd, s.end));
    if (!isSentBefore) break;
    if ((s.flags & LOST) === 0 || (s.flags & RETRANSMITTED) !== 0) {
      const left = s.sentAt + t.rackRtt + window - now;
      if (left <= 0) b.markLost(s);
      else wait = Math.max(wait, left);
    }
    s = next;
  }
  if (wait > 0 && t.ca !== CaState.Loss) {
    const at = now + wait + 2 * MS;
    if (t.timerKind !== RetransmitTimer.Rto || at < t.retransmitAt) {
      armRetransmit(t, RetransmitTimer.Reorder, wait + 2 * MS);
    }
  }
  return b.lostOut - before;
}

/** A segment arrived twice: what was deemed lost was only late, so wait longer next time. */
export function rackDsack(t: Tcb): void {
  if (t.rackDsackRound !== 0 && !after(t.sndUna, t.rackDsackRound)) return;
  t.rackDsackRound = t.sndNxt;
  t.rackSteps = Math.min(255, t.rackSteps + 1);
}
