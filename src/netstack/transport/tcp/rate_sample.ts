/** What one acknowledgement tells of the rate; one instance serves all. */
export class RateSample {
  /** `delivered` of the connection when the newest segment acknowledged was sent. */
  priorDelivered = 0;
  priorTime = 0;
  isAppLimited = false;
  sendInterval = 0;
  /** Packets delivered over `interval`, -1 if there is no valid sample. */
  delivered = -1;
  interval = 0;
  /** Newly delivered and newly lost packets. */
  acked = 0;
  losses = 0;
  /** RTT of this acknowledgement, -1 for none. */
  rtt = -1;
  priorInFlight = 0;

  /** Starts a new acknowledgement. */
  reset(inFlight: number): void {
    this.priorDelivered = 0;
    this.priorTime = 0;
    this.isAppLimited = false;
    this.sendInterval = 0;
    this.delivered = -1;
    this.interval = 0;
    this.acked = 0;
    this.losses = 0;
    this.rtt = -1;
    this.priorInFlight = inFlight;
  }
}

/** The sample that is being taken. */
export const rateSample: RateSample = new RateSample();
