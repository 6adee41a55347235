// hot: every byte that comes in.

/** The data of segments: queueing, early segments, SACK blocks, urgent data, when to acknowledge. */

import { POLLIN, POLLPRI, POLLRDNORM } from "../../core/poll.ts";
import { FIN, type TcpView, URG } from "../../wire/tcp.ts";
import {
  after,
  ATO_MIN,
  before,
  DEFAULT_MSS,
  DELAYED_ACK_MAX,
  MAX_QUICK_ACKS,
} from "./constants.ts";
import { sendAck } from "./emit.ts";
import { MAX_EARLY_RANGES, type Tcb } from "./tcb.ts";
import { offeredWindow, selectWindow } from "./window.ts";

/** Blocks that are kept for SACK options. */
const MAX_SACKS = 4;

/** Acknowledges the next segments at once: the sender probes, or must learn of a gap. */
export function enterQuickAck(t: Tcb): void {
  const window = Math.max(2, Math.floor(offeredWindow(t) / (2 * t.rcvMss)));
  t.quickAcks = Math.max(t.quickAcks, Math.min(MAX_QUICK_ACKS, window));
  t.pingPong = false;
  t.ato = ATO_MIN;
}

/** Learns from the coming of data how the peer sends, to time acknowledgements. */
function noteData(t: Tcb, length: number, now: number): void {
  if (length >= t.rcvMss) t.rcvMss = Math.min(length, Math.max(t.advertisedMss, DEFAULT_MSS));
  else if (length >= 88 && length > t.rcvMss >>> 1) t.rcvMss = length;
  if (t.ato === 0) {
    t.quickAcks = MAX_QUICK_ACKS;
    t.ato = ATO_MIN;
  } else {
    const gap = now - t.lastReceivedAt;
    if (gap <= ATO_MIN / 2) t.ato = t.ato / 2 + ATO_MIN / 2;
    else if (gap < t.ato) t.ato = Math.min(t.ato / 2 + gap, t.rto);
    else if (gap > t.rto) enterQuickAck(t);
  }
  t.lastReceivedAt = now;
}

/** Takes `length` bytes at `dataAt` of the segment's buffer, the first of which is `first`. */
export function receiveData(
  t: Tcb,
  v: TcpView,
  dataAt: number,
  length: number,
  first: number,
): void {
  let seq = first;
  let fin = (v.flags & FIN) !== 0;
  const end = (seq + length) | 0;
  const now = t.ctx.clock.now();
  if (length > 0) {
    t.dataSegmentsIn++;
    if (!after(end, t.rcvNxt)) {
      noteDuplicate(t, seq, end);
      sendAckNow(t);
      if (!fin) return;
    }
  }
  if (before(seq, t.rcvNxt)) {
    const known = Math.min((t.rcvNxt - seq) | 0, length);
    dataAt += known;
    length -= known;
    seq = (seq + known) | 0;
  }
  const room = (t.rcvNxt + offeredWindow(t) - seq) | 0;
  if (length > room) {
    t.ackPending = true;
    enterQuickAck(t);
    if (room <= 0) {
      t.ctx.counters.tcpReceiveQueueDrops++;
      sendAckNow(t);
      return;
    }
    length = room;
    fin = false;
  }
  if (fin && !t.finSeen) {
    t.finSeen = true;
    t.finSeq = (seq + length) | 0;
  }
  if (length > 0) {
    if (seq === t.rcvNxt) {
      acceptInOrder(t, v.bytes, dataAt, length);
      noteData(t, length, now);
    } else if (!acceptEarly(t, v.bytes, dataAt, seq, length)) {
      t.ctx.counters.tcpReceiveQueueDrops++;
    } else enterQuickAck(t);
    t.ackPending = true;
  } else if (fin) t.ackPending = true;
}

function noteDuplicate(t: Tcb, start: number, end: number): void {
  enterQuickAck(t);
  if (!t.sackOk || !t.ctx.settings.tcpDsack) return;
  t.hasDsack = true;
  t.dsackStart = start;
  t.dsackEnd = after(end, t.rcvNxt) ? t.rcvNxt : end;
}

function acceptInOrder(t: Tcb, b: Uint8Array, at: number, length: number): void {
  const ring = t.receiveRing;
  ring.storeAt(ring.length, b, at, length);
  ring.commit(length);
  t.rcvNxt = (t.rcvNxt + length) | 0;
  t.bytesReceived += length;
  if (t.early.length > 0) mergeEarly(t);
  t.account();
}

/** Makes early ranges that now follow without a gap part of the queue. */
function mergeEarly(t: Tcb): void {
  const early = t.early;
  let n = 0;
  while (n < early.length && !after(early[n], t.rcvNxt)) {
    if (after(early[n + 1], t.rcvNxt)) {
      const more = (early[n + 1] - t.rcvNxt) | 0;
      t.receiveRing.commit(more);
      t.bytesReceived += more;
      t.rcvNxt = early[n + 1];
    }
    n += 2;
  }
  if (n > 0) early.splice(0, n);
  const sacks = t.sackRanges;
  for (let i = sacks.length - 2; i >= 0; i -= 2) {
    if (!after(sacks[i + 1], t.rcvNxt)) sacks.splice(i, 2);
  }
  // Filling a gap is told at once.
  if (n > 0) enterQuickAck(t);
}

function acceptEarly(t: Tcb, b: Uint8Array, at: number, seq: number, length: number): boolean {
  const early = t.early;
  const end = (seq + length) | 0;
  if (t.ctx.socketMemory > t.ctx.settings.socketMemory) return false;
  let i = early.length;
  // Ranges that come mostly at the end are found from there.
  while (i > 0 && after(early[i - 2], end)) i -= 2;
  // Now early[i - 2] is the last range that starts at or before `end`.
  let first = i;
  let start = seq;
  let stop = end;
  while (first > 0 && !before(early[first - 1], seq)) {
    first -= 2;
    if (before(early[first], start)) start = early[first];
    if (after(early[first + 1], stop)) stop = early[first + 1];
    if (!after(early[first], seq) && !before(early[first + 1], end)) {
      noteDuplicate(t, seq, end);
      noteSack(t, early[first], early[first + 1]);
      return true;
    }
  }
  if (i === first && early.length >= 2 * MAX_EARLY_RANGES) return false;
  t.receiveRing.storeAt((seq - t.copiedSeq) | 0, b, at, length);
  t.account();
  early.splice(first, i - first, start, stop);
  t.ctx.counters.tcpOutOfOrderQueued++;
  noteSack(t, start, stop);
  return true;
}

/** Puts a range first in the next SACK option. */
function noteSack(t: Tcb, start: number, end: number): void {
  if (!t.sackOk) return;
  const sacks = t.sackRanges;
  for (let i = sacks.length - 2; i >= 0; i -= 2) {
    if (!after(start, sacks[i + 1]) && !after(sacks[i], end)) sacks.splice(i, 2);
  }
  sacks.unshift(start, end);
  if (sacks.length > 2 * MAX_SACKS) sacks.length = 2 * MAX_SACKS;
}

/** Notes an urgent pointer; it points behind the urgent byte, as all systems have it. */
export function noteUrgent(t: Tcb, v: TcpView): void {
  if ((v.flags & URG) === 0) return;
  const pointer = v.urgent;
  const at = (v.sequence + (pointer > 0 ? pointer - 1 : 0)) | 0;
  if (after(t.copiedSeq, at) || before(at, t.rcvNxt)) return;
  if (t.urgentState !== 0 && t.urgentState !== 3 && !after(at, t.urgentSeq)) return;
  t.urgentSeq = at;
  t.urgentState = 1;
  if (t.onUrgent !== null) t.onUrgent();
}

/** Fetches the urgent byte once it is in the queue. */
export function fetchUrgent(t: Tcb): void {
  if (t.urgentState !== 1) return;
  const offset = (t.urgentSeq - t.copiedSeq) | 0;
  if (offset < 0 || offset >= t.receiveRing.length) return;
  t.receiveRing.peek(offset, 1, byte, 0);
  t.urgentByte = byte[0];
  t.urgentState = 2;
  t.notify(POLLPRI | POLLIN);
}

const byte = new Uint8Array(1);

function sendAckNow(t: Tcb): void {
  t.ackPending = true;
  t.ackAt = 0;
}

/** Acknowledges now or later, by what has come since the last acknowledgement. */
export function acknowledge(t: Tcb, now: number): void {
  if (!t.ackPending) return;
  const since = (t.rcvNxt - t.rcvWup) | 0;
  const quick = t.quickAcks > 0 && !t.pingPong;
  if (
    t.ackAt === 0 || quick || t.early.length > 0 || t.ecnDemand && quick ||
    (since > t.rcvMss && selectWindow(t) >= t.rcvWnd - since)
  ) {
    sendAck(t);
    return;
  }
  if (t.ackAt === Infinity) {
    let delay = Math.min(t.ato, DELAYED_ACK_MAX);
    if (t.rtt.srtt > 0) delay = Math.min(delay, Math.max(t.rtt.srtt, ATO_MIN));
    t.ackAt = now + delay;
  }
}

/** Tells a reader of new data. */
export function notifyReadable(t: Tcb): void {
  t.notify(POLLIN | POLLRDNORM);
}

/** After the user read: tells the peer of a window that has opened a good deal. */
export function windowUpdate(t: Tcb): void {
  const offered = offeredWindow(t);
  if (t.ackPending) {
    // The reader has taken all: what is owed need not wait for a reply if the peer streams.
    const since = (t.rcvNxt - t.rcvWup) | 0;
    if (since > t.rcvMss || (!t.pingPong && t.receiveRing.length === 0 && t.quickAcks > 0)) {
      sendAck(t);
      return;
    }
  }
  if (2 * offered <= t.receiveBufferSize) {
    const window = selectWindow(t);
    if (window > 0 && window >= 2 * offered) sendAck(t);
  }
}
