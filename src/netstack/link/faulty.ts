import { type Packet, PacketPool } from "../core/packet.ts";
import type { SeededRandom } from "../core/random.ts";
import { Timer, type TimerQueue } from "../core/timer.ts";
import { DeviceWrapper, type LinkDevice } from "./device.ts";

/** What happens to packets that are sent; probabilities are 0 to 1, times ns. */
export interface Faults {
  loss?: number;
  duplicate?: number;
  /** A packet is held back by `reorderDelay` more. */
  reorder?: number;
  reorderDelay?: number;
  corrupt?: number;
  delay?: number;
  jitter?: number;
  /** Bits in a second; 0 for no limit. */
  rate?: number;
  /** Packets that wait for their turn at that rate before more are dropped. */
  queue?: number;
}

interface Waiting {
  at: number;
  order: number;
  packet: Packet;
}

class ReleaseTimer extends Timer {
  private readonly owner: FaultyLink;

  constructor(owner: FaultyLink) {
    super();
    this.owner = owner;
  }

  fire(now: number): void {
    this.owner.releaseDue(now);
  }
}

/** A link with loss, delay, reordering, duplication, corruption and a rate, all from a seed. */
export class FaultyLink extends DeviceWrapper {
  private readonly timers: TimerQueue;
  private readonly now: () => number;
  private readonly random: SeededRandom;
  private readonly pool = new PacketPool();
  private readonly timer = new ReleaseTimer(this);
  private readonly waiting: Waiting[] = [];
  private order = 0;
  private freeAt = 0;
  faults: Faults;
  /** Packets to drop by number, counted from the first sent; for tests of one loss. */
  readonly dropNumbers = new Set<number>();
  sentCount = 0;
  lost = 0;

  constructor(
    inner: LinkDevice,
    timers: TimerQueue,
    now: () => number,
    random: SeededRandom,
    faults: Faults,
  ) {
    super(inner);
    this.timers = timers;
    this.now = now;
    this.random = random;
    this.faults = faults;
  }

  /** Large segments and unfinished checksums would hide what the faults do to packets. */
  override get capabilities(): number {
    return 0;
  }

  override send(packet: Packet): void {
    const f = this.faults;
    const r = this.random;
    const number = this.sentCount++;
    if (this.dropNumbers.has(number) || r.chance(f.loss ?? 0)) {
      this.lost++;
      packet.release();
      return;
    }
    if (r.chance(f.corrupt ?? 0) && packet.length > 14) {
      packet.bytes[packet.start + 14 + r.below(packet.length - 14)] ^= 1 << r.below(8);
    }
    const now = this.now();
    let at = now;
    if ((f.rate ?? 0) > 0) {
      const takes = (packet.length * 8 * 1e9) / (f.rate as number);
      const start = Math.max(now, this.freeAt);
      if ((start - now) / takes > (f.queue ?? 1000)) {
        this.lost++;
        packet.release();
        return;
      }
      this.freeAt = start + takes;
      at = this.freeAt;
    }
    at += (f.delay ?? 0) + r.below((f.jitter ?? 0) + 1);
    if (r.chance(f.reorder ?? 0)) at += f.reorderDelay ?? 1e6;
    if (r.chance(f.duplicate ?? 0)) this.hold(this.pool.clone(packet), at + r.below(1e6));
    if (at <= now && this.waiting.length === 0) this.inner.send(packet);
    else this.hold(packet, at);
  }

  private hold(packet: Packet, at: number): void {
    const w = { at, order: this.order++, packet };
    let i = this.waiting.length;
    while (i > 0 && this.waiting[i - 1].at > at) i--;
    this.waiting.splice(i, 0, w);
    this.timers.arm(this.timer, this.waiting[0].at);
  }

  /** Sends what has waited long enough. */
  releaseDue(now: number): void {
    let n = 0;
    while (n < this.waiting.length && this.waiting[n].at <= now) n++;
    const due = this.waiting.splice(0, n);
    for (const w of due) this.inner.send(w.packet);
    if (this.waiting.length > 0) this.timers.arm(this.timer, this.waiting[0].at);
  }
}
