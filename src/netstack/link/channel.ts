import { type Packet, PacketPool } from "../core/packet.ts";
import { ARPHRD_ETHER, type LinkDevice } from "./device.ts";

/** Settings of a {@link ChannelDevice}. */
export interface ChannelOptions {
  hardwareType?: number;
  address?: number;
  mtu?: number;
  capabilities?: number;
}

/** A link whose far end is a program: sent frames are queued for it, and it injects others. */
export class ChannelDevice implements LinkDevice {
  readonly hardwareType: number;
  readonly address: number;
  readonly mtu: number;
  readonly capabilities: number;
  onReceive: ((packet: Packet) => void) | null = null;
  /** Frames sent and not yet taken. */
  readonly sent: Uint8Array[] = [];
  private readonly pool = new PacketPool();
  private readonly limit: number;

  constructor(options: ChannelOptions = {}, limit = 65536) {
    this.hardwareType = options.hardwareType ?? ARPHRD_ETHER;
    this.address = options.address ?? 0x020000000001;
    this.mtu = options.mtu ?? 1500;
    this.capabilities = options.capabilities ?? 0;
    this.limit = limit;
  }

  send(packet: Packet): void {
    if (this.sent.length < this.limit) this.sent.push(packet.view().slice());
    packet.release();
  }

  flush(): void {}

  /** The oldest frame sent, or null. */
  take(): Uint8Array | null {
    return this.sent.shift() ?? null;
  }

  /** Makes `frame` come in; `protocol` is the ethertype where frames have no link header. */
  inject(frame: Uint8Array, protocol = 0): void {
    const packet = this.pool.from(frame);
    packet.protocol = protocol;
    if (this.onReceive !== null) this.onReceive(packet);
  }
}
