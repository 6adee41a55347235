// hot: one for every packet.

/**
 * A packet on its way through the stack, in one buffer with room in front for lower headers.
 *
 * Ownership goes along with the call: whoever is handed a packet releases it or hands it on.
 * {@link Packet.retain} adds an owner. A packet that is dropped without a release costs nothing but
 * its reuse.
 */

import { ANY_V4, type IpAddress } from "../wire/address.ts";

/** Bytes kept free before the transport header: link, network with options, transport. */
export const HEADROOM = 160;

/** How a packet came to this host (`PACKET_HOST` and so on, packet(7)). */
export const enum PacketType {
  Host = 0,
  Broadcast = 1,
  Multicast = 2,
  OtherHost = 3,
  Outgoing = 4,
  Loopback = 5,
}

/** What is known of the transport checksum. */
export const enum ChecksumState {
  /** It stands in the packet and must be verified by the receiver. */
  Unknown = 0,
  /** It is right, or nothing between sender and receiver could have hurt the packet. */
  Verified = 1,
  /** It is not computed yet: the field holds the pseudo header's sum, the device does the rest. */
  Partial = 2,
}

/** A packet. */
export class Packet {
  readonly bytes: Uint8Array;
  /** First byte of what is now seen of the packet. */
  start = 0;
  /** Past its last byte. */
  end = 0;
  /** Where the link header stood, -1 if there was none. */
  linkStart = -1;
  networkStart = 0;
  transportStart = 0;
  /** Ethertype. */
  protocol = 0;
  /** Protocol number of the upper layer. */
  upper = 0;
  src: IpAddress = ANY_V4;
  dst: IpAddress = ANY_V4;
  tos = 0;
  ttl = 0;
  /** Index of the interface by which it came in, 0 if it was made here. */
  inIndex = 0;
  type: number = PacketType.Host;
  checksum: number = ChecksumState.Unknown;
  /** Payload bytes of each segment that the device shall cut this into; 0 if it is one packet. */
  segmentSize = 0;
  /** Largest fragment this was put together from; 0 if it came whole. */
  fragmentSize = 0;
  /** Wall time of its coming in, ns since the epoch; 0 if not taken. */
  timestamp = 0;
  /** Mark for routing and filters (SO_MARK). */
  mark = 0;
  /** Its connection tracking entry. */
  track: object | null = null;
  /** Whether it goes the entry's reply way. */
  trackReply = false;
  private references = 1;
  private readonly pool: PacketPool | null;

  constructor(bytes: Uint8Array, pool: PacketPool | null) {
    this.bytes = bytes;
    this.pool = pool;
  }

  /** Bytes now seen. */
  get length(): number {
    return this.end - this.start;
  }

  /** What this occupies, as socket buffers account it. */
  get trueSize(): number {
    return this.bytes.length + 256;
  }

  /** Adds an owner. */
  retain(): void {
    this.references++;
  }

  /** Gives up ownership; the last owner's release makes the buffer reusable. */
  release(): void {
    if (--this.references === 0 && this.pool !== null) this.pool.put(this);
  }

  /** Makes a fresh packet of this with `headroom` bytes before its first. */
  reset(headroom: number): void {
    this.start = headroom;
    this.end = headroom;
    this.linkStart = -1;
    this.networkStart = headroom;
    this.transportStart = headroom;
    this.protocol = 0;
    this.upper = 0;
    this.tos = 0;
    this.ttl = 0;
    this.inIndex = 0;
    this.type = PacketType.Host;
    this.checksum = ChecksumState.Unknown;
    this.segmentSize = 0;
    this.fragmentSize = 0;
    this.timestamp = 0;
    this.mark = 0;
    this.track = null;
    this.trackReply = false;
    this.references = 1;
  }

  /** Copies what is known about `other`, not its bytes. */
  copyMetadata(other: Packet): void {
    this.protocol = other.protocol;
    this.upper = other.upper;
    this.src = other.src;
    this.dst = other.dst;
    this.tos = other.tos;
    this.ttl = other.ttl;
    this.inIndex = other.inIndex;
    this.type = other.type;
    this.checksum = other.checksum;
    this.segmentSize = other.segmentSize;
    this.fragmentSize = other.fragmentSize;
    this.timestamp = other.timestamp;
    this.mark = other.mark;
    this.track = other.track;
    this.trackReply = other.trackReply;
  }

  /** The visible bytes, as a view. */
  view(): Uint8Array {
    return this.bytes.subarray(this.start, this.end);
  }
}

const CLASS_SIZES = [512, 2048, 65536 + 512];
const CLASS_LIMITS = [512, 512, 16];

/** Buffers for reuse, in three sizes. */
export class PacketPool {
  private readonly free: Packet[][] = [[], [], []];

  /** A packet with room for `size` bytes behind {@link HEADROOM}. */
  get(size: number): Packet {
    const need = size + HEADROOM;
    let c = 0;
    while (c < 3 && CLASS_SIZES[c] < need) c++;
    if (c === 3) {
      const big = new Packet(new Uint8Array(need), null);
      big.reset(HEADROOM);
      return big;
    }
    const list = this.free[c];
    const p = list.length > 0
      ? list.pop() as Packet
      : new Packet(new Uint8Array(CLASS_SIZES[c]), this);
    p.reset(HEADROOM);
    return p;
  }

  /** A copy of the visible bytes of `packet`, with headroom and the same metadata. */
  clone(packet: Packet): Packet {
    const copy = this.get(packet.length);
    copy.bytes.set(packet.view(), HEADROOM);
    copy.end = HEADROOM + packet.length;
    copy.copyMetadata(packet);
    copy.networkStart = HEADROOM + packet.networkStart - packet.start;
    copy.transportStart = HEADROOM + packet.transportStart - packet.start;
    return copy;
  }

  /** A packet that holds a copy of `frame`. */
  from(frame: Uint8Array): Packet {
    const p = this.get(frame.length);
    p.bytes.set(frame, HEADROOM);
    p.end = HEADROOM + frame.length;
    return p;
  }

  /** Takes a buffer back. */
  put(packet: Packet): void {
    const size = packet.bytes.length;
    const c = size === CLASS_SIZES[0] ? 0 : size === CLASS_SIZES[1] ? 1 : 2;
    const list = this.free[c];
    packet.track = null;
    if (list.length < CLASS_LIMITS[c]) list.push(packet);
  }
}
