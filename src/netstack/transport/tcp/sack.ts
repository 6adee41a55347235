// hot: runs on every acknowledgement during loss.

/** SACK options that come in (RFC 2018, RFC 2883): what the peer has beyond the acknowledged. */

import type { TcpView } from "../../wire/tcp.ts";
import { after, before } from "./constants.ts";
import { rackAdvance, rackDsack } from "./rack.ts";
import { noteDelivered } from "./rate.ts";
import { EVER_RETRANSMITTED, SACKED, type Sent } from "./sent.ts";
import type { Tcb } from "./tcb.ts";

/** What one acknowledgement told; one instance serves all. */
export class AckNews {
  /** Packets newly known to be delivered. */
  delivered = 0;
  advanced = false;
  newlySacked = 0;
  dsack = false;
  /** Earliest sending time of a once-sent segment that was acknowledged or sacked; 0 if none. */
  firstSentAt = 0;
  sackSentAt = 0;
  /** Lowest once-sent segment that arrived after a higher one. */
  reorderSeq = 0;
  reordered = false;
  retransmittedAcked = false;
  ece = false;
  /** Packets newly deemed lost. */
  lost = 0;

  /** Starts a new acknowledgement. */
  reset(): void {
    this.delivered = 0;
    this.advanced = false;
    this.newlySacked = 0;
    this.dsack = false;
    this.firstSentAt = 0;
    this.sackSentAt = 0;
    this.reordered = false;
    this.reorderSeq = 0;
    this.retransmittedAcked = false;
    this.ece = false;
    this.lost = 0;
  }
}

function noteReordering(t: Tcb, s: Sent, news: AckNews): void {
  if (!before(s.seq, t.highestSack) || t.sent.sackedOut === 0) return;
  if (!news.reordered || before(s.seq, news.reorderSeq)) news.reorderSeq = s.seq;
  news.reordered = true;
}

/** Takes in the SACK blocks of a segment whose acknowledgement number is `ack`. */
export function takeSacks(t: Tcb, v: TcpView, ack: number, now: number, news: AckNews): void {
  const count = v.sackCount;
  let from = 0;
  if (isDuplicateSack(v, ack)) {
    news.dsack = true;
    t.dsackDuplicates++;
    const end = v.sackEnd[0];
    if (t.canUndo && t.undoRetransmits > 0 && after(end, t.undoMarker) && !after(end, t.sndNxt)) {
      t.undoRetransmits--;
    }
    rackDsack(t);
    from = 1;
  }
  const b = t.sent;
  for (let k = from; k < count; k++) {
    let start = v.sackStart[k];
    const end = v.sackEnd[k];
    // Only what is in flight can be sacked; anything else is stale or forged.
    if (!before(start, end) || after(end, t.sndNxt) || before(start, t.sndUna)) continue;
    if (!after(end, ack)) continue;
    start = skipKnown(t, start, end);
    if (!before(start, end)) continue;
    markRange(t, start, end, now, news);
    if (b.sackedOut > 0 && (after(end, t.highestSack) || before(t.highestSack, t.sndUna))) {
      t.highestSack = end;
    }
  }
  const cache = t.sackCache;
  cache.length = 0;
  for (let k = from; k < count; k++) cache.push(v.sackStart[k], v.sackEnd[k]);
}

function isDuplicateSack(v: TcpView, ack: number): boolean {
  const s0 = v.sackStart[0];
  const e0 = v.sackEnd[0];
  if (before(s0, ack)) return before(s0, e0);
  return v.sackCount > 1 && !after(e0, v.sackEnd[1]) && !before(s0, v.sackStart[1]);
}

/** Moves `start` past the part of a block that the last segment told of too. */
function skipKnown(t: Tcb, start: number, end: number): number {
  const cache = t.sackCache;
  for (let i = 0; i < cache.length; i += 2) {
    if (before(start, cache[i]) || after(start, cache[i + 1])) continue;
    return after(end, cache[i + 1]) ? cache[i + 1] : end;
  }
  return start;
}

function markRange(t: Tcb, start: number, end: number, now: number, news: AckNews): void {
  const b = t.sent;
  const mss = t.mss;
  for (let i = b.search(start); i < b.length; i++) {
    const s = b.at(i);
    if (!before(s.seq, end)) return;
    if ((s.flags & SACKED) !== 0) continue;
    if (before(s.seq, start)) {
      const packets = Math.ceil(((start - s.seq) | 0) / mss);
      if (packets >= s.packets) continue;
      b.split(i, (s.seq + packets * mss) | 0, packets);
      continue;
    }
    if (after(s.end, end)) {
      const packets = Math.floor(((end - s.seq) | 0) / mss);
      if (packets === 0 || packets >= s.packets) return;
      b.split(i, (s.seq + packets * mss) | 0, packets);
    }
    if ((s.flags & EVER_RETRANSMITTED) === 0) {
      noteReordering(t, s, news);
      if (news.sackSentAt === 0) news.sackSentAt = s.sentAt;
    }
    rackAdvance(t, s, now);
    noteDelivered(t, s);
    b.markSacked(s);
    news.newlySacked += s.packets;
    news.delivered += s.packets;
  }
}

/** Takes what `ack` covers off the scoreboard. */
export function takeCumulative(t: Tcb, ack: number, now: number, news: AckNews): void {
  const b = t.sent;
  while (b.length > 0) {
    const s = b.at(0);
    if (after(s.end, ack)) {
      if (after(ack, s.seq)) acknowledgePart(t, s, ack, news);
      break;
    }
    if ((s.flags & SACKED) === 0) {
      news.delivered += s.packets;
      if ((s.flags & EVER_RETRANSMITTED) === 0) noteReordering(t, s, news);
      rackAdvance(t, s, now);
      noteDelivered(t, s);
    }
    if ((s.flags & EVER_RETRANSMITTED) !== 0) news.retransmittedAcked = true;
    else if ((s.flags & SACKED) === 0 && news.firstSentAt === 0) news.firstSentAt = s.sentAt;
    b.uncount(s, s.packets);
    b.shift();
  }
}

function acknowledgePart(t: Tcb, s: Sent, ack: number, news: AckNews): void {
  const whole = Math.min(s.packets - 1, Math.floor(((ack - s.seq) | 0) / t.mss));
  if (whole > 0) {
    if ((s.flags & SACKED) === 0) news.delivered += whole;
    t.sent.uncount(s, whole);
    s.packets -= whole;
  }
  s.seq = ack;
  if ((s.flags & EVER_RETRANSMITTED) === 0 && news.firstSentAt === 0) news.firstSentAt = s.sentAt;
}
