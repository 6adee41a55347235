// hot: for connections whose congestion control models the path.

/** Samples of the delivery rate (draft-cheng-iccrg-delivery-rate-estimation). */

import { rateSample } from "./rate_sample.ts";
import type { Sent } from "./sent.ts";
import type { Tcb } from "./tcb.ts";

/** Notes at the sending of `s` where delivery stood. */
export function stampSent(t: Tcb, s: Sent, now: number): void {
  if (t.sent.packetsOut === s.packets) {
    t.firstSentAt = now;
    t.deliveredTime = now;
  }
  s.firstSentAt = t.firstSentAt;
  s.deliveredTime = t.deliveredTime;
  s.delivered = t.deliveredPackets;
  s.isAppLimited = t.appLimited > 0;
}

/** Notes that `s` was delivered; the segment sent last decides. */
export function noteDelivered(t: Tcb, s: Sent): void {
  if (s.deliveredTime === 0) return;
  const r = rateSample;
  if (r.priorTime === 0 || s.delivered > r.priorDelivered) {
    r.priorDelivered = s.delivered;
    r.priorTime = s.deliveredTime;
    r.isAppLimited = s.isAppLimited;
    r.sendInterval = s.sentAt - s.firstSentAt;
    t.firstSentAt = s.sentAt;
  }
  // Counted once, be it by SACK or cumulatively.
  s.deliveredTime = 0;
}

/** Completes the sample of an acknowledgement. */
export function finishSample(t: Tcb, acked: number, losses: number, now: number): void {
  const r = rateSample;
  if (t.appLimited > 0 && t.deliveredPackets > t.appLimited) t.appLimited = 0;
  if (acked > 0) t.deliveredTime = now;
  r.acked = acked;
  r.losses = losses;
  if (r.priorTime === 0) return;
  const interval = Math.max(r.sendInterval, now - r.priorTime);
  // Shorter than any round trip: the acknowledgement is of something else than it seems.
  if (interval < t.rtt.minRtt) return;
  r.delivered = t.deliveredPackets - r.priorDelivered;
  r.interval = interval;
}

/** Notes that the application, not the network, limits what is sent. */
export function noteAppLimited(t: Tcb): void {
  const b = t.sent;
  if (
    ((t.writeSeq - t.sndNxt) | 0) < t.mss && b.inFlight < t.cwnd &&
    b.lostOut <= b.retransmittedOut
  ) t.appLimited = Math.max(1, t.deliveredPackets + b.inFlight);
}
