import { RTO_INITIAL, RTO_MAX, RTO_MIN } from "./constants.ts";

/** Round-trip time, its variation and the timeout that follows (RFC 6298, with Linux's bounds). */
export class RttEstimator {
  /** Smoothed RTT, ns; 0 before the first sample. */
  srtt = 0;
  /** Mean deviation. */
  rttvar = 0;
  /** Timeout before backing off. */
  rto: number = RTO_INITIAL;
  /** Lowest of the last minutes, for RACK; Infinity before the first sample. */
  minRtt = Infinity;
  private minAt = 0;

  /** Takes a sample of a segment that was sent once. */
  sample(rtt: number, now: number): void {
    if (rtt < 1) rtt = 1;
    if (rtt <= this.minRtt || now - this.minAt > 300e9) {
      this.minRtt = rtt;
      this.minAt = now;
    }
    if (this.srtt === 0) {
      this.srtt = rtt;
      this.rttvar = rtt / 2;
    } else {
      const d = Math.abs(this.srtt - rtt);
      this.rttvar += (d - this.rttvar) / 4;
      this.srtt += (rtt - this.srtt) / 8;
    }
    this.rto = Math.min(RTO_MAX, this.srtt + Math.max(RTO_MIN, 4 * this.rttvar));
  }
}
