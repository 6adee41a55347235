// hot: one record for every segment in flight.

/**
 * The segments that were sent and are not acknowledged: the scoreboard of SACK (RFC 2018, 6675)
 * and, in order of sending, of RACK (RFC 8985).
 */

import { before } from "./constants.ts";

/** The receiver has it, by SACK. */
export const SACKED = 1;
/** It is deemed lost. */
export const LOST = 2;
/** A retransmission of it is in flight. */
export const RETRANSMITTED = 4;
/** It was retransmitted at some time. */
export const EVER_RETRANSMITTED = 8;

/** A segment in flight. */
export class Sent {
  seq = 0;
  end = 0;
  /** Packets it went out as. */
  packets = 1;
  /** Time of the last transmission. */
  sentAt = 0;
  flags = 0;
  /** Neighbours in order of sending. */
  older: Sent | null = null;
  newer: Sent | null = null;
  inTimeOrder = false;
  /** State of delivery at its sending, see rate.ts; `deliveredTime` 0 once it is accounted. */
  firstSentAt = 0;
  deliveredTime = 0;
  delivered = 0;
  isAppLimited = false;
}

const freeList: Sent[] = [];
const MAX_FREE = 4096;

function allocate(): Sent {
  return freeList.pop() ?? new Sent();
}

/** The scoreboard of one connection. */
export class Scoreboard {
  private items: Sent[] = [];
  private head = 0;
  /** Ends of the list in order of sending. */
  oldest: Sent | null = null;
  newest: Sent | null = null;
  /** Counts in packets. */
  packetsOut = 0;
  sackedOut = 0;
  lostOut = 0;
  retransmittedOut = 0;
  /** No segment before this sequence number is lost and still to be sent again. */
  lostFrom = 0;

  /** Segments in flight. */
  get length(): number {
    return this.items.length - this.head;
  }

  /** Packets believed to be in the network. */
  get inFlight(): number {
    return this.packetsOut - this.sackedOut - this.lostOut + this.retransmittedOut;
  }

  /** The `i`th segment by sequence number. */
  at(i: number): Sent {
    return this.items[this.head + i];
  }

  /** Adds a segment that was just sent, behind all others. */
  push(seq: number, end: number, packets: number, now: number): Sent {
    const s = allocate();
    s.seq = seq;
    s.end = end;
    s.packets = packets;
    s.sentAt = now;
    s.flags = 0;
    s.deliveredTime = 0;
    this.items.push(s);
    this.packetsOut += packets;
    this.appendByTime(s);
    return s;
  }

  /** Removes the first segment, whose counts the caller has taken off by {@link uncount}. */
  shift(): void {
    const s = this.items[this.head++];
    this.unlinkByTime(s);
    if (this.head === this.items.length) {
      this.items.length = 0;
      this.head = 0;
    } else if (this.head >= 256 && this.head * 2 >= this.items.length) {
      this.items.splice(0, this.head);
      this.head = 0;
    }
    if (freeList.length < MAX_FREE) freeList.push(s);
  }

  /** Takes `n` packets of `s` off all counts. */
  uncount(s: Sent, n: number): void {
    this.packetsOut -= n;
    if ((s.flags & SACKED) !== 0) this.sackedOut -= n;
    if ((s.flags & LOST) !== 0) this.lostOut -= n;
    if ((s.flags & RETRANSMITTED) !== 0) this.retransmittedOut -= n;
  }

  /** Index of the first segment whose end is after `seq`. */
  search(seq: number): number {
    let low = 0;
    let high = this.length;
    while (low < high) {
      const mid = (low + high) >>> 1;
      if (before(seq, this.at(mid).end)) high = mid;
      else low = mid + 1;
    }
    return low;
  }

  /** Cuts segment `i` at sequence number `seq`, of which `packets` packets are before. */
  split(i: number, seq: number, packets: number): void {
    const s = this.at(i);
    const rest = allocate();
    rest.seq = seq;
    rest.end = s.end;
    rest.packets = s.packets - packets;
    rest.sentAt = s.sentAt;
    rest.flags = s.flags;
    rest.inTimeOrder = false;
    rest.firstSentAt = s.firstSentAt;
    rest.deliveredTime = s.deliveredTime;
    rest.delivered = s.delivered;
    rest.isAppLimited = s.isAppLimited;
    s.end = seq;
    s.packets = packets;
    this.items.splice(this.head + i + 1, 0, rest);
    if (s.inTimeOrder) this.insertAfter(s, rest);
  }

  private insertAfter(s: Sent, t: Sent): void {
    t.older = s;
    t.newer = s.newer;
    if (s.newer !== null) s.newer.older = t;
    else this.newest = t;
    s.newer = t;
    t.inTimeOrder = true;
  }

  private appendByTime(s: Sent): void {
    s.older = this.newest;
    s.newer = null;
    if (this.newest !== null) this.newest.newer = s;
    else this.oldest = s;
    this.newest = s;
    s.inTimeOrder = true;
  }

  private unlinkByTime(s: Sent): void {
    if (!s.inTimeOrder) return;
    if (s.older !== null) s.older.newer = s.newer;
    else this.oldest = s.newer;
    if (s.newer !== null) s.newer.older = s.older;
    else this.newest = s.older;
    s.older = null;
    s.newer = null;
    s.inTimeOrder = false;
  }

  /** Marks `s` as received by the peer. */
  markSacked(s: Sent): void {
    if ((s.flags & LOST) !== 0) this.lostOut -= s.packets;
    if ((s.flags & RETRANSMITTED) !== 0) this.retransmittedOut -= s.packets;
    s.flags = (s.flags & ~(LOST | RETRANSMITTED)) | SACKED;
    this.sackedOut += s.packets;
    this.unlinkByTime(s);
  }

  /** Marks `s` as lost; a lost retransmission of it too. */
  markLost(s: Sent): void {
    if ((s.flags & SACKED) !== 0) return;
    if ((s.flags & RETRANSMITTED) !== 0) {
      this.retransmittedOut -= s.packets;
      s.flags &= ~RETRANSMITTED;
    }
    if ((s.flags & LOST) === 0) {
      if (this.lostOut === 0 || before(s.seq, this.lostFrom)) this.lostFrom = s.seq;
      s.flags |= LOST;
      this.lostOut += s.packets;
    } else if (before(s.seq, this.lostFrom)) this.lostFrom = s.seq;
    this.unlinkByTime(s);
  }

  /** Forgets that the peer told of `s` by SACK: it has gone back on it. */
  forgetSack(s: Sent): void {
    if ((s.flags & SACKED) === 0) return;
    s.flags &= ~SACKED;
    this.sackedOut -= s.packets;
  }

  /** Forgets that `s` was deemed lost. */
  unmarkLost(s: Sent): void {
    if ((s.flags & LOST) === 0) return;
    s.flags &= ~LOST;
    this.lostOut -= s.packets;
    if (!s.inTimeOrder && (s.flags & SACKED) === 0) this.appendByTime(s);
  }

  /** Notes that `s` was sent again at `now`. */
  markRetransmitted(s: Sent, now: number): void {
    if ((s.flags & RETRANSMITTED) === 0) this.retransmittedOut += s.packets;
    s.flags |= RETRANSMITTED | EVER_RETRANSMITTED;
    s.sentAt = now;
    this.unlinkByTime(s);
    this.appendByTime(s);
  }

  /** Drops everything. */
  clear(): void {
    while (this.length > 0) this.shift();
    this.packetsOut = 0;
    this.sackedOut = 0;
    this.lostOut = 0;
    this.retransmittedOut = 0;
  }
}
