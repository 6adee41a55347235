/** What the stack asks of a link. */

import type { Packet } from "../core/packet.ts";

export const ARPHRD_ETHER = 1;
export const ARPHRD_NONE = 0xfffe;
export const ARPHRD_LOOPBACK = 772;

/** The device takes packets whose transport checksum is partial. */
export const CAP_CHECKSUM = 1;
/** The device takes packets with a `segmentSize` and cuts them itself. */
export const CAP_SEGMENTATION = 2;

/**
 * A link. Frames carry the Ethernet header if `hardwareType` is {@link ARPHRD_ETHER}, else they
 * start with the network header and `packet.protocol` tells which.
 */
export interface LinkDevice {
  readonly hardwareType: number;
  /** Hardware address, 0 if there is none. */
  readonly address: number;
  /** Largest network packet. */
  readonly mtu: number;
  /** `CAP_` bits. */
  readonly capabilities: number;
  /** Sends a packet, whose owner the device becomes. */
  send(packet: Packet): void;
  /** Called when the stack has sent all that was due; a device may batch until then. */
  flush(): void;
  /** Called by the device for a packet that came in, whose owner the callee becomes. */
  onReceive: ((packet: Packet) => void) | null;
}

/** A device that passes everything to another one; wrappers change what they care for. */
export abstract class DeviceWrapper implements LinkDevice {
  protected readonly inner: LinkDevice;
  onReceive: ((packet: Packet) => void) | null = null;

  constructor(inner: LinkDevice) {
    this.inner = inner;
    inner.onReceive = (packet) => this.receive(packet);
  }

  get hardwareType(): number {
    return this.inner.hardwareType;
  }

  get address(): number {
    return this.inner.address;
  }

  get mtu(): number {
    return this.inner.mtu;
  }

  get capabilities(): number {
    return this.inner.capabilities;
  }

  send(packet: Packet): void {
    this.inner.send(packet);
  }

  flush(): void {
    this.inner.flush();
  }

  /** A packet from the inner device. */
  protected receive(packet: Packet): void {
    if (this.onReceive !== null) this.onReceive(packet);
    else packet.release();
  }
}
