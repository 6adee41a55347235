// hot: every frame to and from the host's network passes here.

/**
 * A link of the stack over a packet socket of the host (packet(7)), which is bound to one of its interfaces.
 *
 * Frames come and go many at a time (recvmmsg(2), sendmmsg(2)). Each has a `struct virtio_net_hdr` in front
 * (PACKET_VNET_HDR), so that TCP packets of up to 64 KiB pass whole and checksums inside of one machine are
 * never computed.
 */

import { EAGAIN, EINTR, ENOBUFS } from "../../../abi/errno.ts";
import { write64 } from "../../../abi/int64.ts";
import { POLLERR, POLLIN, POLLOUT } from "../../../abi/poll.ts";
import { addressOf, sys1 } from "../../../../ffi/syscall.ts";
import { SYS } from "../../../abi/syscall_numbers.ts";
import { ChecksumState, HEADROOM, type Packet, PacketPool } from "../../../netstack/core/packet.ts";
import {
  ARPHRD_ETHER,
  CAP_CHECKSUM,
  CAP_SEGMENTATION,
  type LinkDevice,
} from "../../../netstack/link/device.ts";
import { type HostPoller, HostWatch } from "../../kernel/host_poller.ts";

const MSG_DONTWAIT = 0x40;
/** Bytes of `struct virtio_net_hdr`. */
const VNET_HEADER = 10;
const NEEDS_CHECKSUM = 1;
const DATA_VALID = 2;
const GSO_TCPV4 = 1;
const GSO_TCPV6 = 4;
const GSO_TYPE = 0x7f;
const ETHERNET_HEADER = 14;
const ETH_P_IPV6 = 0x86dd;
const TCP = 6;
const UDP = 17;
const ICMPV6 = 58;

/** Bytes of `struct mmsghdr`, and of the `struct iovec` after each here. */
const MMSGHDR = 64;
const IOVEC = 16;
/** Room for one frame: a TCP packet of 64 KiB with all headers. */
const SLOT = 66 * 1024;
/** Frames taken or sent by one call. */
const BATCH = 32;
/** Calls for frames before others have their turn. */
const MAX_ROUNDS = 4;
/** Packets that wait for the host to take them, before more are dropped. */
const QUEUE_LIMIT = 2048;

/** Slots for frames, and the message headers that point to them. */
class FrameBatch {
  readonly frames: Uint8Array = new Uint8Array(SLOT * BATCH);
  readonly frameView: DataView = new DataView(this.frames.buffer);
  readonly headers: Uint8Array = new Uint8Array((MMSGHDR + IOVEC) * BATCH);
  readonly view: DataView = new DataView(this.headers.buffer);

  constructor() {
    const frames = addressOf(this.frames);
    const iovecs = addressOf(this.headers) + MMSGHDR * BATCH;
    for (let i = 0; i < BATCH; i++) {
      write64(this.view, MMSGHDR * i + 16, iovecs + IOVEC * i);
      write64(this.view, MMSGHDR * i + 24, 1);
      const at = MMSGHDR * BATCH + IOVEC * i;
      write64(this.view, at, frames + SLOT * i);
      write64(this.view, at + 8, SLOT);
    }
  }

  /** How long the frame of a slot is, header included, as the kernel told. */
  received(i: number): number {
    return this.view.getUint32(MMSGHDR * i + 56, true);
  }

  /** Says how long the frame of a slot is that shall be sent. */
  setLength(i: number, length: number): void {
    this.view.setUint32(MMSGHDR * BATCH + IOVEC * i + 8, length, true);
  }
}

/** What is known of the host's interface. */
export interface PacketDeviceInit {
  /** A packet socket with PACKET_VNET_HDR, bound to the interface. */
  fd: number;
  address: number;
  mtu: number;
  poller: HostPoller;
  /** Called after frames have come in. */
  received: () => void;
  /** Whether the host takes TCP packets that are larger than its MTU. */
  segmentation: boolean;
}

/** The device. */
export class PacketDevice extends HostWatch implements LinkDevice {
  readonly hardwareType = ARPHRD_ETHER;
  readonly address: number;
  readonly mtu: number;
  readonly capabilities: number;
  onReceive: ((packet: Packet) => void) | null = null;
  /** Frames that were lost on the way to the host. */
  dropped = 0;
  readonly #poller: HostPoller;
  readonly #received: () => void;
  readonly #pool = new PacketPool();
  readonly #in = new FrameBatch();
  readonly #out = new FrameBatch();
  #queue: Packet[] = [];
  /** Where the first packet that waits is in the queue. */
  #head = 0;
  /** Set while the host takes no more. */
  #full = false;

  constructor(init: PacketDeviceInit) {
    super(init.fd, POLLIN);
    this.address = init.address;
    this.mtu = init.mtu;
    this.capabilities = CAP_CHECKSUM | (init.segmentation ? CAP_SEGMENTATION : 0);
    this.#poller = init.poller;
    this.#received = init.received;
    init.poller.add(this);
  }

  override onReady(mask: number): void {
    if ((mask & POLLOUT) !== 0) {
      this.#full = false;
      this.mask = POLLIN;
      this.#drain();
    }
    if ((mask & (POLLIN | POLLERR)) !== 0) this.#take();
    this.#poller.rearm(this);
  }

  /** Takes what came in, as much as is fair. */
  #take(): void {
    const batch = this.#in;
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const n = sys1(SYS.recvmmsg, this.fd, 0, BATCH, MSG_DONTWAIT, 0, 0, 1, batch.headers);
      if (n <= 0) break;
      for (let i = 0; i < n; i++) this.#accept(i, batch.received(i));
      this.#received();
      if (n < BATCH) break;
    }
  }

  #accept(slot: number, length: number): void {
    const size = length - VNET_HEADER;
    if (size < ETHERNET_HEADER || length > SLOT || this.onReceive === null) return;
    const { frames, frameView } = this.#in;
    const at = slot * SLOT;
    const flags = frames[at];
    const packet = this.#pool.get(size);
    packet.bytes.set(frames.subarray(at + VNET_HEADER, at + length), HEADROOM);
    packet.end = HEADROOM + size;
    if ((flags & NEEDS_CHECKSUM) !== 0) this.#acceptPartial(packet, at);
    else if ((flags & DATA_VALID) !== 0) packet.checksum = ChecksumState.Verified;
    const gso = frames[at + 1] & GSO_TYPE;
    if (gso === GSO_TCPV4 || gso === GSO_TCPV6) {
      packet.segmentSize = frameView.getUint16(at + 4, true);
    }
    this.onReceive(packet);
  }

  /** A packet of this very machine, whose checksum nobody has computed. */
  #acceptPartial(packet: Packet, at: number): void {
    const { frameView } = this.#in;
    packet.transportStart = HEADROOM + frameView.getUint16(at + 6, true);
    packet.checksum = packet.transportStart < packet.end
      ? ChecksumState.Partial
      : ChecksumState.Verified;
  }

  send(packet: Packet): void {
    if (this.#queue.length - this.#head >= QUEUE_LIMIT) {
      this.dropped++;
      packet.release();
      return;
    }
    this.#queue.push(packet);
    if (this.#queue.length - this.#head >= BATCH) this.#drain();
  }

  flush(): void {
    if (this.#head < this.#queue.length) this.#drain();
  }

  #drain(): void {
    const queue = this.#queue;
    while (this.#head < queue.length && !this.#full) {
      const count = Math.min(queue.length - this.#head, BATCH);
      for (let i = 0; i < count; i++) this.#write(i, queue[this.#head + i]);
      const sent = this.#submit(count);
      for (let i = 0; i < sent; i++) queue[this.#head + i].release();
      this.#head += sent;
    }
    if (this.#head === queue.length) {
      queue.length = 0;
      this.#head = 0;
    } else if (this.#head >= QUEUE_LIMIT) {
      this.#queue = queue.slice(this.#head);
      this.#head = 0;
    }
  }

  /** Sends slots; how many packets are done with. */
  #submit(count: number): number {
    const batch = this.#out;
    const n = sys1(SYS.sendmmsg, this.fd, 0, count, MSG_DONTWAIT, 0, 0, 1, batch.headers);
    if (n > 0) return n;
    if (n === -EAGAIN || n === -ENOBUFS || n === -EINTR) {
      this.#full = true;
      this.mask = POLLIN | POLLOUT;
      this.#poller.rearm(this);
      return 0;
    }
    // The host refuses the first of them: its interface is down or the packet larger than it takes.
    this.dropped++;
    return 1;
  }

  #write(slot: number, packet: Packet): void {
    const { frames, frameView } = this.#out;
    const at = slot * SLOT;
    const size = Math.min(packet.length, SLOT - VNET_HEADER);
    frames.fill(0, at, at + VNET_HEADER);
    if (packet.checksum === ChecksumState.Partial) {
      frames[at] = NEEDS_CHECKSUM;
      frameView.setUint16(at + 6, packet.transportStart - packet.start, true);
      const { upper } = packet;
      const field = upper === TCP ? 16 : upper === UDP ? 6 : upper === ICMPV6 ? 2 : 0;
      frameView.setUint16(at + 8, field, true);
    }
    if (packet.segmentSize > 0) {
      const transport = packet.transportStart;
      const header = transport - packet.start + ((packet.bytes[transport + 12] >>> 4) << 2);
      if (size - header > packet.segmentSize) {
        frames[at + 1] = packet.protocol === ETH_P_IPV6 ? GSO_TCPV6 : GSO_TCPV4;
        frameView.setUint16(at + 2, header, true);
        frameView.setUint16(at + 4, packet.segmentSize, true);
      }
    }
    frames.set(packet.bytes.subarray(packet.start, packet.start + size), at + VNET_HEADER);
    this.#out.setLength(slot, VNET_HEADER + size);
  }
}
