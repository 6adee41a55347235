/**
 * BBR version 1 (Cardwell et al. 2016, draft-cardwell-iccrg-bbr-congestion-control-00): a model of
 * the path's bandwidth and round trip time sets a pacing rate and a window; loss does not.
 */

import { MS, SECOND } from "../../core/timer.ts";
import type { CongestionState, PathModel } from "./congestion.ts";
import { CaState } from "./constants.ts";
import type { RateSample } from "./rate_sample.ts";

const enum Mode {
  Startup,
  Drain,
  ProbeBandwidth,
  ProbeRtt,
}

const HIGH_GAIN = 2885 / 1000;
const DRAIN_GAIN = 1 / HIGH_GAIN;
const CYCLE: readonly number[] = [1.25, 0.75, 1, 1, 1, 1, 1, 1];
const BANDWIDTH_ROUNDS = CYCLE.length + 2;
const MIN_RTT_WINDOW = 10 * SECOND;
const PROBE_RTT_TIME = 200 * MS;
const MIN_CWND = 4;
/** Pacing a little below the estimate keeps queues from building up. */
const PACING_MARGIN = 0.99;

/** The algorithm's state for one connection. */
export class Bbr implements PathModel {
  readonly name = "bbr";
  readonly isModel = true;
  private mode: Mode = Mode.Startup;
  /** Best bandwidth of recent rounds, packets per ns: values and the rounds they are of. */
  private readonly bandwidths: number[] = [0, 0, 0];
  private readonly bandwidthRounds: number[] = [0, 0, 0];
  private minRtt = Infinity;
  private minRttAt = 0;
  private rounds = 0;
  private nextRoundDelivered = 0;
  private roundStart = false;
  private fullBandwidth = 0;
  private fullCount = 0;
  private isFull = false;
  private cycle = 0;
  private cycleAt = 0;
  private pacingGain = HIGH_GAIN;
  private cwndGain = HIGH_GAIN;
  private priorCwnd = 0;
  private conserving = false;
  private previousCa: CaState = CaState.Open;
  private probeRttDoneAt = 0;
  private probeRttRoundDone = false;
  private restartedIdle = false;
  private hasPaced = false;
  private readonly random: () => number;

  constructor(random: () => number) {
    this.random = random;
  }

  private get bandwidth(): number {
    return this.bandwidths[0];
  }

  slowStartThreshold(c: CongestionState): number {
    this.saveCwnd(c.cwnd);
    return c.ssthresh;
  }

  acknowledged(): void {}
  sample(): void {}

  reset(): void {
    // After a timeout the pipe must be found full anew.
    this.fullBandwidth = 0;
    this.previousCa = CaState.Loss;
  }

  restarted(): void {
    this.restartedIdle = true;
  }

  private saveCwnd(cwnd: number): void {
    this.priorCwnd = this.previousCa < CaState.Recovery && this.mode !== Mode.ProbeRtt
      ? cwnd
      : Math.max(this.priorCwnd, cwnd);
  }

  control(c: CongestionState, r: RateSample, now: number): void {
    this.updateBandwidth(c, r);
    this.updateCycle(c, r, now);
    this.checkFull(r);
    this.checkDrain(c, now);
    this.updateMinRtt(c, r, now);
    this.setGains();
    this.setPacing(c);
    this.setCwnd(c, r);
  }

  private updateBandwidth(c: CongestionState, r: RateSample): void {
    this.roundStart = false;
    if (r.delivered < 0 || r.interval <= 0) return;
    if (r.priorDelivered >= this.nextRoundDelivered) {
      this.nextRoundDelivered = c.deliveredPackets;
      this.rounds++;
      this.roundStart = true;
      this.conserving = false;
    }
    const bw = r.delivered / r.interval;
    if (!r.isAppLimited || bw >= this.bandwidth) this.pushBandwidth(bw);
  }

  /** A windowed maximum of three samples (Nichols' algorithm, as the kernel's minmax has it). */
  private pushBandwidth(bw: number): void {
    const v = this.bandwidths;
    const t = this.bandwidthRounds;
    const now = this.rounds;
    if (bw >= v[0] || now - t[2] > BANDWIDTH_ROUNDS) {
      v.fill(bw);
      t.fill(now);
      return;
    }
    if (bw >= v[1]) {
      v[1] = v[2] = bw;
      t[1] = t[2] = now;
    } else if (bw >= v[2]) {
      v[2] = bw;
      t[2] = now;
    }
    const age = now - t[0];
    if (age > BANDWIDTH_ROUNDS) {
      this.shiftBandwidth(bw, now);
      if (now - t[0] > BANDWIDTH_ROUNDS) this.shiftBandwidth(bw, now);
    } else if (t[1] === t[0] && age > BANDWIDTH_ROUNDS / 4) {
      v[1] = v[2] = bw;
      t[1] = t[2] = now;
    } else if (t[2] === t[1] && age > BANDWIDTH_ROUNDS / 2) {
      v[2] = bw;
      t[2] = now;
    }
  }

  private shiftBandwidth(bw: number, now: number): void {
    const v = this.bandwidths;
    const t = this.bandwidthRounds;
    v[0] = v[1];
    v[1] = v[2];
    v[2] = bw;
    t[0] = t[1];
    t[1] = t[2];
    t[2] = now;
  }

  /** Packets in flight that give `gain` times the model's bandwidth-delay product. */
  private target(c: CongestionState, gain: number): number {
    if (this.minRtt === Infinity) return c.initialCwnd;
    let n = Math.ceil(this.bandwidth * this.minRtt * gain);
    // Room for segments that are cut and acknowledged together.
    n += 3 * c.sendQuantum;
    n = (n + 1) & ~1;
    if (this.mode === Mode.ProbeBandwidth && this.cycle === 0) n += 2;
    return n;
  }

  private updateCycle(c: CongestionState, r: RateSample, now: number): void {
    if (this.mode !== Mode.ProbeBandwidth) return;
    const whole = now - this.cycleAt > this.minRtt;
    let next: boolean;
    if (this.pacingGain === 1) next = whole;
    else if (this.pacingGain > 1) {
      next = whole && (r.losses > 0 || r.priorInFlight >= this.target(c, this.pacingGain));
    } else next = whole || r.priorInFlight <= this.target(c, 1);
    if (!next) return;
    this.cycle = (this.cycle + 1) % CYCLE.length;
    this.cycleAt = now;
  }

  private checkFull(r: RateSample): void {
    if (this.isFull || !this.roundStart || r.isAppLimited) return;
    if (this.bandwidth >= this.fullBandwidth * 1.25) {
      this.fullBandwidth = this.bandwidth;
      this.fullCount = 0;
      return;
    }
    this.isFull = ++this.fullCount >= 3;
  }

  private checkDrain(c: CongestionState, now: number): void {
    if (this.mode === Mode.Startup && this.isFull) {
      this.mode = Mode.Drain;
      c.ssthresh = this.target(c, 1);
    }
    if (this.mode === Mode.Drain && c.inFlight <= this.target(c, 1)) this.enterProbeBandwidth(now);
  }

  private enterProbeBandwidth(now: number): void {
    this.mode = Mode.ProbeBandwidth;
    // Any phase but the one that drains, so that flows do not march in step.
    const k = Math.floor(this.random() * (CYCLE.length - 1));
    this.cycle = k === 0 ? 0 : k + 1;
    this.cycleAt = now;
  }

  private updateMinRtt(c: CongestionState, r: RateSample, now: number): void {
    const expired = this.minRttAt > 0 && now > this.minRttAt + MIN_RTT_WINDOW;
    if (r.rtt >= 0 && (r.rtt < this.minRtt || expired)) {
      this.minRtt = Math.max(1000, r.rtt);
      this.minRttAt = now;
    }
    if (expired && !this.restartedIdle && this.mode !== Mode.ProbeRtt) {
      this.saveCwnd(c.cwnd);
      this.mode = Mode.ProbeRtt;
      this.probeRttDoneAt = 0;
    }
    if (this.mode === Mode.ProbeRtt) {
      c.appLimited = Math.max(1, c.deliveredPackets + c.inFlight);
      if (this.probeRttDoneAt === 0) {
        if (c.inFlight <= MIN_CWND) {
          this.probeRttDoneAt = now + PROBE_RTT_TIME;
          this.probeRttRoundDone = false;
          this.nextRoundDelivered = c.deliveredPackets;
        }
      } else {
        if (this.roundStart) this.probeRttRoundDone = true;
        if (this.probeRttRoundDone && now > this.probeRttDoneAt) {
          this.minRttAt = now;
          c.cwnd = Math.max(c.cwnd, this.priorCwnd);
          if (this.isFull) this.enterProbeBandwidth(now);
          else this.mode = Mode.Startup;
        }
      }
    }
    if (r.delivered > 0) this.restartedIdle = false;
  }

  private setGains(): void {
    switch (this.mode) {
      case Mode.Startup:
        this.pacingGain = HIGH_GAIN;
        this.cwndGain = HIGH_GAIN;
        break;
      case Mode.Drain:
        this.pacingGain = DRAIN_GAIN;
        this.cwndGain = HIGH_GAIN;
        break;
      case Mode.ProbeBandwidth:
        this.pacingGain = CYCLE[this.cycle];
        this.cwndGain = 2;
        break;
      case Mode.ProbeRtt:
        this.pacingGain = 1;
        this.cwndGain = 1;
        break;
    }
  }

  private setPacing(c: CongestionState): void {
    if (!this.hasPaced && c.srtt > 0) {
      this.hasPaced = true;
      c.pacingRate = (HIGH_GAIN * c.cwnd * (c.mss + 60)) / c.srtt;
    }
    const rate = this.bandwidth * (c.mss + 60) * this.pacingGain * PACING_MARGIN;
    if (this.isFull || rate > c.pacingRate) c.pacingRate = rate;
  }

  private setCwnd(c: CongestionState, r: RateSample): void {
    if (r.acked > 0 && !this.recoverOrRestore(c, r)) {
      const target = this.target(c, this.cwndGain);
      if (this.isFull) c.cwnd = Math.min(c.cwnd + r.acked, target);
      else if (c.cwnd < target || c.deliveredPackets < c.initialCwnd) c.cwnd += r.acked;
      c.cwnd = Math.max(c.cwnd, MIN_CWND);
    }
    if (this.mode === Mode.ProbeRtt) c.cwnd = Math.min(c.cwnd, MIN_CWND);
  }

  /** In the first round of recovery as much is sent as arrives; true if that decides. */
  private recoverOrRestore(c: CongestionState, r: RateSample): boolean {
    if (r.losses > 0) c.cwnd = Math.max(1, c.cwnd - r.losses);
    const ca = c.ca;
    if (ca === CaState.Recovery && this.previousCa !== CaState.Recovery) {
      this.conserving = true;
      this.nextRoundDelivered = c.deliveredPackets;
      c.cwnd = c.inFlight + r.acked;
    } else if (this.previousCa >= CaState.Recovery && ca < CaState.Recovery) {
      c.cwnd = Math.max(c.cwnd, this.priorCwnd);
      this.conserving = false;
    }
    this.previousCa = ca;
    if (!this.conserving) return false;
    c.cwnd = Math.max(c.cwnd, c.inFlight + r.acked);
    return true;
  }
}
