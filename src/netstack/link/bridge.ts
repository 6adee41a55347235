import { type Packet, PacketPool } from "../core/packet.ts";
import { SECOND } from "../core/timer.ts";
import { isGroupMac } from "../wire/address.ts";
import { EthernetView } from "../wire/ethernet.ts";
import { ARPHRD_ETHER, type LinkDevice } from "./device.ts";

/** Hardware addresses that a bridge remembers. */
const MAX_LEARNED = 4096;
const AGEING = 300 * SECOND;
/** Packets that wait for the bridge's own interface. */
const QUEUE_LIMIT = 4096;

interface Learned {
  port: LinkDevice | null;
  seen: number;
}

/**
 * A learning Ethernet bridge over other devices. It is a device itself: what its own interface
 * sends goes to the ports, what is for it waits until {@link BridgeDevice.deliver}.
 */
export class BridgeDevice implements LinkDevice {
  readonly hardwareType = ARPHRD_ETHER;
  readonly address: number;
  readonly mtu: number;
  readonly capabilities = 0;
  onReceive: ((packet: Packet) => void) | null = null;
  /** Called when packets wait for {@link BridgeDevice.deliver}. */
  onPending: (() => void) | null = null;
  private readonly now: () => number;
  private readonly ports: LinkDevice[] = [];
  private readonly table = new Map<number, Learned>();
  private readonly pool = new PacketPool();
  private readonly view = new EthernetView();
  private inbox: Packet[] = [];

  constructor(address: number, mtu: number, now: () => number) {
    this.address = address;
    this.mtu = mtu;
    this.now = now;
  }

  /** Makes `device` a port; what comes in by it is the bridge's from now on. */
  addPort(device: LinkDevice): void {
    this.ports.push(device);
    device.onReceive = (packet) => this.forward(packet, device);
  }

  /** Takes a port away and forgets who was behind it. */
  removePort(device: LinkDevice): void {
    const i = this.ports.indexOf(device);
    if (i < 0) return;
    this.ports.splice(i, 1);
    device.onReceive = null;
    for (const [mac, l] of this.table) if (l.port === device) this.table.delete(mac);
  }

  /** Addresses learned, for listings: hardware address to index of the port. */
  learned(): [number, number][] {
    return [...this.table].map((
      [mac, l],
    ) => [mac, l.port === null ? -1 : this.ports.indexOf(l.port)]);
  }

  send(packet: Packet): void {
    this.forward(packet, null);
  }

  flush(): void {
    for (const p of this.ports) p.flush();
  }

  /** Hands on what waits for the bridge's own interface; returns how many packets that were. */
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

  private learn(mac: number, from: LinkDevice | null): void {
    if (isGroupMac(mac)) return;
    const known = this.table.get(mac);
    if (known !== undefined) {
      known.port = from;
      known.seen = this.now();
      return;
    }
    if (this.table.size >= MAX_LEARNED) this.expire();
    if (this.table.size < MAX_LEARNED) this.table.set(mac, { port: from, seen: this.now() });
  }

  private expire(): void {
    const oldest = this.now() - AGEING;
    for (const [mac, l] of this.table) if (l.seen < oldest) this.table.delete(mac);
  }

  /** Sends a frame on; `from` is the port it came by, null for the bridge's own interface. */
  private forward(packet: Packet, from: LinkDevice | null): void {
    const v = this.view;
    if (!v.wrap(packet.bytes, packet.start, packet.end)) {
      packet.release();
      return;
    }
    const to = v.destination;
    this.learn(v.source, from);
    // Frames to 01:80:c2:00:00:0x are between neighbours only (IEEE 802.1D 7.12.6).
    if (Math.floor(to / 16) === 0x0180c200000) {
      packet.release();
      return;
    }
    if (to === this.address && from !== null) {
      this.toSelf(packet);
      return;
    }
    const known = isGroupMac(to) ? undefined : this.table.get(to);
    if (known !== undefined && this.now() - known.seen < AGEING) {
      if (known.port === from) packet.release();
      else if (known.port === null) this.toSelf(packet);
      else known.port.send(packet);
      return;
    }
    for (const p of this.ports) if (p !== from) p.send(this.pool.clone(packet));
    if (from !== null && isGroupMac(to)) this.toSelf(packet);
    else packet.release();
  }

  private toSelf(packet: Packet): void {
    if (this.inbox.length >= QUEUE_LIMIT) {
      packet.release();
      return;
    }
    this.inbox.push(packet);
    if (this.inbox.length === 1 && this.onPending !== null) this.onPending();
  }
}
