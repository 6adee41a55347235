/** Congestion control: Reno (RFC 5681) and CUBIC (RFC 9438), windows counted in packets. */

import { MS, SECOND } from "../../core/timer.ts";
import { type CaState, INFINITE_SSTHRESH, MAX_CWND } from "./constants.ts";
import type { RateSample } from "./rate_sample.ts";

/** The part of a connection that congestion control works on. */
export interface CongestionState {
  cwnd: number;
  ssthresh: number;
  /** Acknowledged packets towards the next step of `cwnd`. */
  cwndCount: number;
  /** Smoothed round-trip time, ns; 0 if unknown. */
  readonly srtt: number;
  readonly ca: CaState;
  readonly mss: number;
  readonly inFlight: number;
  readonly deliveredPackets: number;
  readonly initialCwnd: number;
  /** Packets that leave together. */
  readonly sendQuantum: number;
  /** `deliveredPackets` up to which samples are of an idle application, 0 if none are. */
  appLimited: number;
  /** Bytes per ns at which data may leave, 0 for no limit. */
  pacingRate: number;
}

/** A congestion control algorithm, one instance for each connection. */
export interface CongestionControl {
  readonly name: string;
  /** Whether it sets window and rate itself, as a {@link PathModel}. */
  readonly isModel: boolean;
  /** The slow start threshold after a loss. */
  slowStartThreshold(c: CongestionState): number;
  /** `acked` packets were newly acknowledged while the window was in full use. */
  acknowledged(c: CongestionState, acked: number, now: number): void;
  /** An RTT sample. */
  sample(c: CongestionState, rtt: number): void;
  /** A timeout: what was learnt of the path is void. */
  reset(): void;
  /** Sending starts again after being idle for `idle` ns. */
  restarted(idle: number): void;
}

/** An algorithm that sets window and pacing rate by a model of the path. */
export interface PathModel extends CongestionControl {
  /** An acknowledgement and what it told of the delivery rate. */
  control(c: CongestionState, r: RateSample, now: number): void;
}

function slowStart(c: CongestionState, acked: number): number {
  const cwnd = Math.min(c.cwnd + acked, c.ssthresh);
  const rest = acked - (cwnd - c.cwnd);
  c.cwnd = Math.min(cwnd, MAX_CWND);
  return rest;
}

function additive(c: CongestionState, perPackets: number, acked: number): void {
  if (c.cwndCount >= perPackets) {
    c.cwndCount = 0;
    c.cwnd++;
  }
  c.cwndCount += acked;
  if (c.cwndCount >= perPackets) {
    const delta = Math.floor(c.cwndCount / perPackets);
    c.cwndCount -= delta * perPackets;
    c.cwnd += delta;
  }
  c.cwnd = Math.min(c.cwnd, MAX_CWND);
}

/** Reno. */
export class Reno implements CongestionControl {
  readonly name = "reno";
  readonly isModel = false;

  slowStartThreshold(c: CongestionState): number {
    return Math.max(c.cwnd >>> 1, 2);
  }

  acknowledged(c: CongestionState, acked: number): void {
    if (c.cwnd < c.ssthresh) {
      acked = slowStart(c, acked);
      if (acked <= 0) return;
    }
    additive(c, c.cwnd, acked);
  }

  sample(): void {}
  reset(): void {}
  restarted(): void {}
}

const CUBIC_C = 0.4;
const CUBIC_BETA = 0.7;
/** Round trips with at least this many packets are looked at by HyStart. */
const HYSTART_LOW_WINDOW = 16;
const HYSTART_MIN_SAMPLES = 8;

/** CUBIC, with HyStart's delay rule to leave slow start (RFC 9438, Ha and Rhee 2011). */
export class Cubic implements CongestionControl {
  readonly name = "cubic";
  readonly isModel = false;
  private wMax = 0;
  private k = 0;
  private origin = 0;
  /** Start of this avoidance epoch, 0 if none. */
  private epoch = 0;
  /** Window that Reno would have (RFC 9438 4.3). */
  private wEst = 0;
  private minRtt = 0;
  private roundEnds = 0;
  private roundMin = 0;
  private samples = 0;
  private ackedInRound = 0;

  slowStartThreshold(c: CongestionState): number {
    this.epoch = 0;
    // Fast convergence: a flow that lost before it reached its old maximum gives room to others.
    this.wMax = c.cwnd < this.wMax ? (c.cwnd * (1 + CUBIC_BETA)) / 2 : c.cwnd;
    return Math.max(Math.floor(c.cwnd * CUBIC_BETA), 2);
  }

  acknowledged(c: CongestionState, acked: number, now: number): void {
    if (c.cwnd < c.ssthresh) {
      this.hystart(c, acked);
      acked = slowStart(c, acked);
      if (acked <= 0) return;
    }
    additive(c, this.packetsPerStep(c, acked, now), acked);
  }

  private packetsPerStep(c: CongestionState, acked: number, now: number): number {
    if (this.epoch === 0) {
      this.epoch = now;
      this.wEst = c.cwnd;
      if (c.cwnd >= this.wMax) {
        this.k = 0;
        this.origin = c.cwnd;
      } else {
        this.k = Math.cbrt((this.wMax - c.cwnd) / CUBIC_C);
        this.origin = this.wMax;
      }
    }
    const t = (now - this.epoch + c.srtt) / SECOND - this.k;
    const target = Math.min(this.origin + CUBIC_C * t * t * t, c.cwnd * 1.5);
    let per = target > c.cwnd ? c.cwnd / (target - c.cwnd) : 100 * c.cwnd;
    const alpha = c.cwnd >= this.wMax ? 1 : (3 * (1 - CUBIC_BETA)) / (1 + CUBIC_BETA);
    this.wEst += (alpha * acked) / c.cwnd;
    if (this.wEst > c.cwnd) per = Math.min(per, c.cwnd / (this.wEst - c.cwnd));
    return Math.max(2, Math.floor(per));
  }

  private hystart(c: CongestionState, acked: number): void {
    this.ackedInRound += acked;
    if (this.ackedInRound >= this.roundEnds) {
      this.ackedInRound = 0;
      this.roundEnds = c.cwnd;
      this.roundMin = 0;
      this.samples = 0;
    }
    if (c.cwnd < HYSTART_LOW_WINDOW || this.samples < HYSTART_MIN_SAMPLES) return;
    const threshold = Math.min(16 * MS, Math.max(4 * MS, this.minRtt / 8));
    if (this.roundMin > this.minRtt + threshold && c.ssthresh === INFINITE_SSTHRESH) {
      c.ssthresh = c.cwnd;
    }
  }

  sample(_c: CongestionState, rtt: number): void {
    if (this.minRtt === 0 || rtt < this.minRtt) this.minRtt = rtt;
    if (this.samples < HYSTART_MIN_SAMPLES) {
      this.samples++;
      if (this.roundMin === 0 || rtt < this.roundMin) this.roundMin = rtt;
    }
  }

  reset(): void {
    this.wMax = 0;
    this.epoch = 0;
    this.minRtt = 0;
    this.samples = 0;
    this.roundMin = 0;
  }

  restarted(idle: number): void {
    // Time spent idle must not count as time since the last loss.
    if (this.epoch !== 0) this.epoch += idle;
  }
}
