import { type Packet, PacketType } from "../core/packet.ts";
import { ARPHRD_ETHER, CAP_CHECKSUM, CAP_SEGMENTATION, type LinkDevice } from "./device.ts";

/** Packets that wait at one end of a pair before more are dropped. */
const QUEUE_LIMIT = 4096;

/** One end of a {@link createPair}. */
export class PairDevice implements LinkDevice {
  readonly hardwareType = ARPHRD_ETHER;
  readonly address: number;
  readonly mtu: number;
  readonly capabilities: number = CAP_CHECKSUM | CAP_SEGMENTATION;
  onReceive: ((packet: Packet) => void) | null = null;
  /** Called when packets wait at this end for {@link PairDevice.deliver}. */
  onPending: (() => void) | null = null;
  peer: PairDevice | null = null;
  private inbox: Packet[] = [];

  constructor(address: number, mtu: number) {
    this.address = address;
    this.mtu = mtu;
  }

  /** Whether packets wait at this end. */
  get pending(): boolean {
    return this.inbox.length > 0;
  }

  send(packet: Packet): void {
    const peer = this.peer;
    if (peer === null || peer.inbox.length >= QUEUE_LIMIT) {
      packet.release();
      return;
    }
    packet.type = PacketType.Host;
    packet.track = null;
    packet.mark = 0;
    peer.inbox.push(packet);
    if (peer.inbox.length === 1 && peer.onPending !== null) peer.onPending();
  }

  flush(): void {}

  /** Hands on what came from the other end; returns how many packets that were. */
  deliver(): number {
    const batch = this.inbox;
    if (batch.length === 0) return 0;
    this.inbox = [];
    for (const packet of batch) {
      if (this.onReceive !== null) this.onReceive(packet);
      else packet.release();
    }
    return batch.length;
  }
}

/** Two joined Ethernet devices, as veth(4) makes them: what one sends the other receives. */
export function createPair(
  addressA: number,
  addressB: number,
  mtu = 1500,
): [PairDevice, PairDevice] {
  const a = new PairDevice(addressA, mtu);
  const b = new PairDevice(addressB, mtu);
  a.peer = b;
  b.peer = a;
  return [a, b];
}
