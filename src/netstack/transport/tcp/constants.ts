/** Numbers of TCP: states as in tcp_states.h, sequence arithmetic, limits. */

import { MS, SECOND } from "../../core/timer.ts";

/** Connection states, with Linux's numbers. */
export const enum TcpState {
  Established = 1,
  SynSent = 2,
  SynReceived = 3,
  FinWait1 = 4,
  FinWait2 = 5,
  TimeWait = 6,
  Close = 7,
  CloseWait = 8,
  LastAck = 9,
  Listen = 10,
  Closing = 11,
}

/** Loss recovery states, `TCP_CA_`. */
export const enum CaState {
  Open = 0,
  Disorder = 1,
  Cwr = 2,
  Recovery = 3,
  Loss = 4,
}

/** What the one retransmission timer of a connection is armed for. */
export const enum RetransmitTimer {
  None = 0,
  Rto = 1,
  LossProbe = 2,
  Reorder = 3,
  ZeroWindow = 4,
}

export const RTO_MIN: number = 200 * MS;
export const RTO_MAX: number = 120 * SECOND;
export const RTO_INITIAL: number = SECOND;
export const ATO_MIN: number = 40 * MS;
export const DELAYED_ACK_MAX: number = 200 * MS;
export const MAX_QUICK_ACKS = 16;
/** Duplicate acknowledgements that mean loss. */
export const DUP_THRESHOLD = 3;
export const INFINITE_SSTHRESH = 0x7fffffff;
/** Largest congestion window, in packets. */
export const MAX_CWND = 0xffffff;
/** A timestamp older than this no longer protects against old segments (RFC 7323 5.5). */
export const PAWS_EXPIRY: number = 24 * 24 * 3600 * SECOND;
/** Answers to out-of-window segments of one connection are this far apart. */
export const INVALID_ACK_INTERVAL: number = 500 * MS;
/** Segment sizes without other knowledge (RFC 9293 3.7.1). */
export const DEFAULT_MSS = 536;
export const DEFAULT_MSS_V6 = 1220;

/** Whether sequence number `a` is before `b`. */
export function before(a: number, b: number): boolean {
  return ((a - b) | 0) < 0;
}

/** Whether sequence number `a` is after `b`. */
export function after(a: number, b: number): boolean {
  return ((a - b) | 0) > 0;
}
