/**
 * The page of parameters from which the vDSO computes the time. The sentry alone writes it; applications can only read
 * it. `SEQ` is odd while the sentry writes; a reader starts over when it finds it odd or changed.
 */

import { sampleClocks } from "../../../ffi/tsc.ts";
import type { FrameAllocator } from "../mm/frames.ts";

/** Offsets in the page. */
export const PARAM = {
  /** u32: odd while the page is being written. */
  SEQ: 0,
  /** u32: 1 if the rest is valid, 0 if time must be asked for by system call. */
  USABLE: 4,
  /** u64: counter at the time that the bases are of. */
  TSC: 8,
  /** u64: nanoseconds a tick, times 2^32. */
  MULT: 16,
  /** u64 seconds and u64 nanoseconds of CLOCK_MONOTONIC, and of CLOCK_REALTIME. */
  MONOTONIC: 24,
  REALTIME: 40,
  /** u64: ticks past TSC after which the parameters are too old. */
  MAX_TICKS: 56,
  /** u32: 1 if the processor's number may be read from the segment that Linux keeps it in. */
  CPU: 64,
} as const;

const NS = 1_000_000_000n;
/** The least time over which the counter's frequency is measured. */
const MIN_BASELINE = 10_000_000;
/** Parameters are good for this many times the time that they were measured over, and at most for this long. */
const VALIDITY = 4;
const MAX_VALIDITY = 2_000_000_000;
/** Frequencies that differ by more than this part are no drift: the machine slept, or the counter can't be trusted. */
const MAX_JUMP = 1000n;

class Sample {
  constructor(readonly tsc: bigint, readonly monotonic: bigint, readonly realtime: bigint) {}
}

/** Keeps the parameters. It works only when it is asked: the vDSO makes a system call when they are old. */
export class VdsoParams {
  readonly #view: DataView;
  readonly #seq: Int32Array;
  readonly #buffer = new BigInt64Array(6);
  readonly #sample: (out: BigInt64Array<ArrayBuffer>) => void;
  readonly #trusted: boolean;
  /** Monotonic time of the next refresh. */
  #due = 0;
  /** Where the measurement of the frequency starts, and the last sample. */
  #anchor: Sample | null = null;
  #last: Sample | null = null;
  // What is published.
  #tsc = 0n;
  #mult = 0n;
  #monotonic = 0n;
  #offset = 0n;

  /** `trusted`: the host itself keeps time by the counter. */
  constructor(
    frames: FrameAllocator,
    frame: number,
    trusted: boolean,
    sample: (out: BigInt64Array<ArrayBuffer>) => void = sampleClocks,
  ) {
    const { buffer, byteOffset } = frames.memory;
    this.#view = new DataView(buffer, byteOffset + frame * 4096, 4096);
    this.#seq = new Int32Array(buffer, byteOffset + frame * 4096, 1);
    this.#sample = sample;
    this.#trusted = trusted;
  }

  /** Lets getcpu read the processor's number by itself. */
  allowCpu(): void {
    this.#view.setUint32(PARAM.CPU, 1, true);
  }

  /** To be called when an application asks for the time by system call; `now` is the monotonic time. */
  refresh(now: number): void {
    if (now < this.#due || !this.#trusted) return;
    const s = this.#take();
    const anchor = this.#anchor;
    const last = this.#last;
    this.#last = s;
    if (anchor === null || s.tsc <= anchor.tsc || s.monotonic <= anchor.monotonic) {
      this.#restart(s, now);
      return;
    }
    const elapsed = s.monotonic - anchor.monotonic;
    if (elapsed < BigInt(MIN_BASELINE)) return;
    const mult = (elapsed << 32n) / (s.tsc - anchor.tsc);
    if (this.#mult !== 0n) {
      const change = mult > this.#mult ? mult - this.#mult : this.#mult - mult;
      if (change * MAX_JUMP > mult) {
        this.#restart(s, now);
        return;
      }
    }
    const validity = Math.min(Number(elapsed) * VALIDITY, MAX_VALIDITY);
    this.#publish(s, mult, BigInt(Math.floor(validity)));
    this.#due = now + validity / 2;
    if (elapsed > 4n * NS && last !== null) this.#anchor = last;
  }

  /** The best of some samples: the one during which the counter advanced least. */
  #take(): Sample {
    const b = this.#buffer;
    let best: Sample | null = null;
    let least = 0n;
    for (let i = 0; i < 6; i++) {
      this.#sample(b);
      const span = b[1] - b[0];
      if (best !== null && span >= least) continue;
      least = span;
      best = new Sample((b[0] + b[1]) >> 1n, b[2] * NS + b[3], b[4] * NS + b[5]);
    }
    return best!;
  }

  #restart(s: Sample, now: number): void {
    this.#anchor = s;
    this.#mult = 0n;
    this.#due = now + MIN_BASELINE;
    this.#begin();
    this.#view.setUint32(PARAM.USABLE, 0, true);
    this.#end();
  }

  #publish(s: Sample, mult: bigint, validity: bigint): void {
    let monotonic = s.monotonic;
    let slope = mult;
    if (this.#mult !== 0n) {
      // What the old parameters would say now may be ahead: then time goes slower until it is right again.
      const ticks = s.tsc - this.#tsc;
      const old = this.#monotonic + ((ticks * this.#mult) >> 32n);
      if (old > monotonic) {
        const ahead = old - monotonic;
        monotonic = old;
        slope = ahead * 2n < validity ? mult - mult * ahead / validity : mult / 2n;
      }
    }
    // The offset changes when somebody sets the host's clock; less than that is the error of reading two clocks.
    const offset = s.realtime - s.monotonic;
    const change = offset - this.#offset;
    if (change > 2000n || change < -2000n) this.#offset = offset;
    this.#tsc = s.tsc;
    this.#mult = slope;
    this.#monotonic = monotonic;
    const realtime = monotonic + this.#offset;
    const v = this.#view;
    this.#begin();
    v.setBigUint64(PARAM.TSC, s.tsc, true);
    v.setBigUint64(PARAM.MULT, slope, true);
    v.setBigUint64(PARAM.MONOTONIC, monotonic / NS, true);
    v.setBigUint64(PARAM.MONOTONIC + 8, monotonic % NS, true);
    v.setBigUint64(PARAM.REALTIME, realtime / NS, true);
    v.setBigUint64(PARAM.REALTIME + 8, realtime % NS, true);
    v.setBigUint64(PARAM.MAX_TICKS, (validity << 32n) / mult, true);
    v.setUint32(PARAM.USABLE, 1, true);
    this.#end();
  }

  // Atomic, so that the writes between keep their place.
  #begin(): void {
    Atomics.add(this.#seq, 0, 1);
  }

  #end(): void {
    Atomics.add(this.#seq, 0, 1);
  }
}
