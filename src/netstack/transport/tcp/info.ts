/** What TCP_INFO tells of a connection. */

import { SECOND } from "../../core/timer.ts";
import type { Tcb } from "./tcb.ts";
import { receiveSpace } from "./window.ts";

const OPT_TIMESTAMPS = 1;
const OPT_SACK = 2;
const OPT_WSCALE = 4;
const OPT_ECN = 8;

/** The fields of `struct tcp_info` that have a meaning here; times in microseconds. */
export interface TcpInfo {
  state: number;
  caState: number;
  retransmits: number;
  probes: number;
  backoff: number;
  options: number;
  sndWscale: number;
  rcvWscale: number;
  rto: number;
  ato: number;
  sndMss: number;
  rcvMss: number;
  unacked: number;
  sacked: number;
  lost: number;
  retrans: number;
  /** Milliseconds since. */
  lastDataSent: number;
  lastDataRecv: number;
  lastAckRecv: number;
  pmtu: number;
  rcvSsthresh: number;
  rtt: number;
  rttvar: number;
  sndSsthresh: number;
  sndCwnd: number;
  advmss: number;
  reordering: number;
  rcvSpace: number;
  totalRetrans: number;
  bytesAcked: number;
  bytesReceived: number;
  segsOut: number;
  segsIn: number;
  notSentBytes: number;
  minRtt: number;
  dataSegsIn: number;
  dataSegsOut: number;
  delivered: number;
  bytesSent: number;
  bytesRetrans: number;
  dsackDups: number;
  sndWnd: number;
  rcvWnd: number;
}

function microseconds(ns: number): number {
  return Math.floor(ns / 1000);
}

/** The state of `t` now. */
export function tcpInfo(t: Tcb): TcpInfo {
  const now = t.ctx.clock.now();
  const since = (at: number) => (at > 0 ? Math.floor((now - at) / (SECOND / 1000)) : 0);
  return {
    state: t.state,
    caState: t.ca,
    retransmits: t.retransmits,
    probes: t.probes,
    backoff: t.backoff,
    options: (t.tsEnabled ? OPT_TIMESTAMPS : 0) | (t.sackOk ? OPT_SACK : 0) |
      (t.windowScaling ? OPT_WSCALE : 0) | (t.ecnOk ? OPT_ECN : 0),
    sndWscale: t.sndWscale,
    rcvWscale: t.rcvWscale,
    rto: microseconds(t.rto),
    ato: microseconds(t.ato),
    sndMss: t.mss,
    rcvMss: t.rcvMss,
    unacked: t.listening ? t.acceptQueue.length : t.sent.packetsOut,
    sacked: t.listening ? t.backlog : t.sent.sackedOut,
    lost: t.sent.lostOut,
    retrans: t.sent.retransmittedOut,
    lastDataSent: since(t.lastSentAt),
    lastDataRecv: since(t.lastReceivedAt),
    lastAckRecv: since(t.lastHeardAt),
    pmtu: t.route?.mtu ?? 0,
    rcvSsthresh: receiveSpace(t),
    rtt: microseconds(t.rtt.srtt),
    rttvar: microseconds(t.rtt.rttvar),
    sndSsthresh: t.ssthresh,
    sndCwnd: t.cwnd,
    advmss: t.advertisedMss,
    reordering: t.reordering,
    rcvSpace: t.rcvSpace,
    totalRetrans: t.totalRetransmits,
    bytesAcked: t.bytesAcked,
    bytesReceived: t.bytesReceived,
    segsOut: t.segmentsOut,
    segsIn: t.segmentsIn,
    notSentBytes: Math.max(0, (t.writeSeq - t.sndNxt) | 0),
    minRtt: t.rtt.minRtt === Infinity ? 0xffffffff : microseconds(t.rtt.minRtt),
    dataSegsIn: t.dataSegmentsIn,
    dataSegsOut: t.dataSegmentsOut,
    delivered: t.deliveredPackets,
    bytesSent: t.bytesSent,
    bytesRetrans: t.bytesRetransmitted,
    dsackDups: t.dsackDuplicates,
    sndWnd: t.sndWnd,
    rcvWnd: t.rcvWnd,
  };
}
