/** Clocks of the sandbox: the host's, read when asked. */

/** Where the time comes from; times are nanoseconds. */
export interface ClockSource {
  /** CLOCK_MONOTONIC of the host. */
  monotonic(): number;
  /** CLOCK_REALTIME of the host. */
  realtime(): number;
}

/** The clocks that the application sees. They agree with what the vDSO computes from the host's own. */
export class Clock {
  readonly source: ClockSource;
  /** Monotonic time at which the sandbox booted. */
  readonly bootTime: number;

  constructor(source: ClockSource) {
    this.source = source;
    this.bootTime = source.monotonic();
  }

  /** CLOCK_MONOTONIC, nanoseconds. */
  monotonic(): number {
    return this.source.monotonic();
  }

  /** CLOCK_REALTIME, nanoseconds since the epoch (exact to about 256 ns, as doubles are). */
  realtime(): number {
    return this.source.realtime();
  }

  /** Nanoseconds since the sandbox booted, for uptime. */
  uptime(): number {
    return this.source.monotonic() - this.bootTime;
  }
}

/** A clock that stands still until it is told otherwise, for tests. */
export class ManualClockSource implements ClockSource {
  now = 1_000_000_000;
  epoch = 1_700_000_000_000_000_000;

  /** The set time. */
  monotonic(): number {
    return this.now;
  }

  /** The set time since the epoch. */
  realtime(): number {
    return this.epoch + this.now;
  }
}
