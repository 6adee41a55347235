// hot: all traffic between programs of one sandbox.

import { ChecksumState, type Packet } from "../core/packet.ts";
import { ARPHRD_LOOPBACK, CAP_CHECKSUM, CAP_SEGMENTATION, type LinkDevice } from "./device.ts";

/** Packets the loopback queue holds before it drops. */
const QUEUE_LIMIT = 8192;

/**
 * The loopback link. What is sent waits in a queue until {@link LoopbackDevice.deliver}, so that a
 * sender is never re-entered by its own packet.
 */
export class LoopbackDevice implements LinkDevice {
  readonly hardwareType = ARPHRD_LOOPBACK;
  readonly address = 0;
  readonly mtu = 65536;
  readonly capabilities: number = CAP_CHECKSUM | CAP_SEGMENTATION;
  onReceive: ((packet: Packet) => void) | null = null;
  /** Called when the queue was empty and is no longer. */
  onPending: (() => void) | null = null;
  private queue: Packet[] = [];
  private spare: Packet[] = [];
  dropped = 0;

  /** Whether packets wait. */
  get pending(): boolean {
    return this.queue.length > 0;
  }

  send(packet: Packet): void {
    if (this.queue.length >= QUEUE_LIMIT) {
      this.dropped++;
      packet.release();
      return;
    }
    packet.checksum = ChecksumState.Verified;
    this.queue.push(packet);
    if (this.queue.length === 1 && this.onPending !== null) this.onPending();
  }

  flush(): void {}

  /** Hands on what was queued when it was called; returns how many packets that were. */
  deliver(): number {
    const batch = this.queue;
    if (batch.length === 0) return 0;
    this.queue = this.spare;
    const n = batch.length;
    for (let i = 0; i < n; i++) {
      const packet = batch[i];
      if (this.onReceive !== null) this.onReceive(packet);
      else packet.release();
    }
    batch.length = 0;
    this.spare = batch;
    return n;
  }
}
