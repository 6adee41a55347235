/** SYN cookies: a connection's parameters in the sequence number of its SYN-ACK (RFC 4987 3.6). */

import { SECOND } from "../../core/timer.ts";
import type { IpAddress } from "../../wire/address.ts";
import type { TcpShared } from "./shared.ts";

const MSS_V4: readonly number[] = [536, 1300, 1440, 1460];
const MSS_V6: readonly number[] = [1220, 1440, 1460, 8940];
const PERIOD = 64 * SECOND;
/** Periods for which a cookie is good. */
const MAX_AGE = 2;
/** Low bits of the timestamp: window scale (15 for none), SACK, ECN. */
const TS_BITS = 6;

/** What a cookie brings back. */
export interface CookieContents {
  mss: number;
}

/** The sequence number that holds `mss` for a SYN with sequence number `irs`. */
export function makeCookie(
  shared: TcpShared,
  local: IpAddress,
  lport: number,
  remote: IpAddress,
  rport: number,
  irs: number,
  mss: number,
): number {
  const table = remote.isV4 ? MSS_V4 : MSS_V6;
  let index = 0;
  while (index < 3 && table[index + 1] <= mss) index++;
  const count = Math.floor(shared.ctx.clock.now() / PERIOD);
  const base = shared.cookieHash(local, lport, remote, rport, 0, 2);
  const low = (shared.cookieHash(local, lport, remote, rport, count, 3) + index) & 0xffffff;
  return (base + irs + ((count & 0xff) << 24) + low) | 0;
}

/** The segment size in a cookie that came back, or -1 if it is none of ours. */
export function checkCookie(
  shared: TcpShared,
  local: IpAddress,
  lport: number,
  remote: IpAddress,
  rport: number,
  irs: number,
  cookie: number,
): number {
  const count = Math.floor(shared.ctx.clock.now() / PERIOD);
  const x = (cookie - shared.cookieHash(local, lport, remote, rport, 0, 2) - irs) >>> 0;
  const age = (count - (x >>> 24)) & 0xff;
  if (age >= MAX_AGE) return -1;
  const hash = shared.cookieHash(local, lport, remote, rport, count - age, 3);
  const index = (x - hash) & 0xffffff;
  if (index > 3) return -1;
  return (remote.isV4 ? MSS_V4 : MSS_V6)[index];
}

/** Puts options into the low bits of a timestamp, which stays in the past. */
export function stampOptions(ts: number, windowScale: number, sack: boolean, ecn: boolean): number {
  const bits = (windowScale < 0 ? 15 : windowScale) | (sack ? 16 : 0) | (ecn ? 32 : 0);
  let stamped = (ts & ~((1 << TS_BITS) - 1)) | bits;
  if (((stamped - ts) | 0) > 0) stamped = (stamped - (1 << TS_BITS)) | 0;
  return stamped;
}

/** Window scale in a stamped timestamp, -1 for none. */
export function stampedWindowScale(ts: number): number {
  const scale = ts & 15;
  return scale === 15 ? -1 : scale;
}

/** Whether a stamped timestamp allows SACK. */
export function stampedSack(ts: number): boolean {
  return (ts & 16) !== 0;
}

/** Whether a stamped timestamp allows ECN. */
export function stampedEcn(ts: number): boolean {
  return (ts & 32) !== 0;
}
