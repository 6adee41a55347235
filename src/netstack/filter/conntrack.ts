/** Connection tracking: flows seen in both directions, with their translated addresses. */

import type { Packet } from "../core/packet.ts";
import { hashTuple } from "../core/random.ts";
import { SECOND, Timer } from "../core/timer.ts";
import type { NetContext } from "../network/context.ts";
import type { IpAddress } from "../wire/address.ts";
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from "../wire/ipv4.ts";
import { IPPROTO_ICMPV6 } from "../wire/ipv6.ts";
import { ACK, FIN, RST, SYN } from "../wire/tcp.ts";
import { PacketParts, Tuple } from "./tuple.ts";

/** What a packet is to its connection, `IP_CT_`. */
export const enum TrackState {
  /** Not tracked, or no part of any flow. */
  Invalid = 1,
  New = 2,
  Established = 4,
  Related = 8,
  Untracked = 16,
}

const enum TcpTrack {
  None,
  SynSent,
  SynReceived,
  Established,
  FinWait,
  LastAck,
  TimeWait,
  Close,
}

const TCP_TIMEOUTS: readonly number[] = [120, 120, 60, 432000, 120, 30, 120, 10];
const UDP_TIMEOUT = 30;
const UDP_STREAM_TIMEOUT = 120;
const ICMP_TIMEOUT = 30;
const GENERIC_TIMEOUT = 600;

/** Address translation of a connection's source is set up. */
export const NAT_SOURCE = 1;
/** Address translation of its destination is set up. */
export const NAT_DESTINATION = 2;

/** A connection. */
export class Track extends Timer {
  private readonly owner: ConnTrack;
  readonly original = new Tuple();
  /** How replies look; differs from the inverse of `original` where addresses are translated. */
  readonly reply = new Tuple();
  nextOriginal: Track | null = null;
  nextReply: Track | null = null;
  originalHash = 0;
  replyHash = 0;
  /** Whether it is in the table: its first packet got through. */
  confirmed = false;
  seenReply = false;
  assured = false;
  /** `NAT_` bits: which parts are decided, and which really differ. */
  natDone = 0;
  natChanged = 0;
  mark = 0;
  related = false;
  tcp: number = TcpTrack.None;
  packets = 0;
  replyPackets = 0;

  constructor(owner: ConnTrack) {
    super();
    this.owner = owner;
  }

  fire(): void {
    this.owner.remove(this);
  }
}

/** The connections of one stack. */
export class ConnTrack {
  private readonly ctx: NetContext;
  private readonly secret: number;
  private buckets: (Track | null)[];
  private replyBuckets: (Track | null)[];
  private readonly order = new Set<Track>();
  readonly parts = new PacketParts();
  private readonly inner = new PacketParts();
  private readonly tuple = new Tuple();
  private readonly inverse = new Tuple();
  /** Connections in the table before new ones push out old ones. */
  limit = 65536;
  /** What the last packet was to its connection. */
  state: TrackState = TrackState.Invalid;

  constructor(ctx: NetContext) {
    this.ctx = ctx;
    this.secret = ctx.random.u32();
    this.buckets = new Array<Track | null>(1024).fill(null);
    this.replyBuckets = new Array<Track | null>(1024).fill(null);
  }

  /** Connections in the table. */
  get size(): number {
    return this.order.size;
  }

  /** All connections, oldest first. */
  list(): Track[] {
    return [...this.order];
  }

  private hash(t: Tuple): number {
    return hashTuple(this.secret ^ t.protocol, t.dst, t.dstPort, t.src, t.srcPort);
  }

  private findOriginal(t: Tuple): Track | null {
    const h = this.hash(t);
    let e = this.buckets[h & (this.buckets.length - 1)];
    while (e !== null && !(e.originalHash === h && e.original.equals(t))) e = e.nextOriginal;
    return e;
  }

  private findReply(t: Tuple): Track | null {
    const h = this.hash(t);
    let e = this.replyBuckets[h & (this.replyBuckets.length - 1)];
    while (e !== null && !(e.replyHash === h && e.reply.equals(t))) e = e.nextReply;
    return e;
  }

  /** Whether a flow already has `t` as the way its replies look. */
  isReplyTaken(t: Tuple): boolean {
    return this.findReply(t) !== null || this.findOriginal(t) !== null;
  }

  /** The original direction of the flow whose replies go from `src` to `dst`, or null. */
  originalOf(
    protocol: number,
    src: IpAddress,
    srcPort: number,
    dst: IpAddress,
    dstPort: number,
  ): Tuple | null {
    const t = this.tuple;
    t.protocol = protocol;
    t.src = src;
    t.srcPort = srcPort;
    t.dst = dst;
    t.dstPort = dstPort;
    return this.findReply(t)?.original ?? null;
  }

  /** Finds or makes the connection of a packet and notes both in the packet and `state`. */
  track(packet: Packet): void {
    if (packet.track instanceof Track) {
      this.state = this.stateOf(packet.track, packet.trackReply);
      return;
    }
    this.state = TrackState.Invalid;
    const p = this.parts;
    if (!p.read(packet) || p.opaque) return;
    if (p.isError) {
      this.trackError(packet);
      return;
    }
    const t = p.tuple(this.tuple);
    let c = this.findOriginal(t);
    let reply = false;
    if (c === null) {
      c = this.findReply(t);
      reply = c !== null;
    }
    if (c === null) c = this.create(packet, t);
    if (c === null) return;
    packet.track = c;
    packet.trackReply = reply;
    if (!this.update(c, packet, reply)) {
      packet.track = null;
      return;
    }
    this.state = this.stateOf(c, reply);
  }

  private stateOf(c: Track, reply: boolean): TrackState {
    if (reply || c.seenReply) return TrackState.Established;
    return c.related ? TrackState.Related : TrackState.New;
  }

  /** An ICMP error is related to the flow of the packet it quotes. */
  private trackError(packet: Packet): void {
    const q = this.inner;
    const p = this.parts;
    if (!q.readAt(packet.bytes, p.transport + 8, packet.end, p.isV4) || q.opaque) return;
    const t = q.tuple(this.tuple);
    // The quoted packet as the table knows it: what went out is the inverse of what comes in.
    this.inverse.invert(t);
    let c = this.findReply(this.inverse);
    let reply = true;
    if (c === null) {
      c = this.findOriginal(this.inverse);
      reply = false;
    }
    if (c === null) return;
    packet.track = c;
    packet.trackReply = reply;
    this.state = TrackState.Related;
  }

  private create(packet: Packet, t: Tuple): Track | null {
    const flags = t.protocol === IPPROTO_TCP ? packet.bytes[this.parts.transport + 13] : 0;
    if (t.protocol === IPPROTO_TCP && (flags & RST) !== 0) return null;
    if (t.protocol === IPPROTO_ICMP && this.parts.icmpType !== 8 && this.parts.icmpType !== 13) {
      return null;
    }
    if (t.protocol === IPPROTO_ICMPV6 && this.parts.icmpType !== 128) return null;
    const c = new Track(this);
    c.original.copy(t);
    c.reply.invert(t);
    return c;
  }

  /** Moves a connection's state on; false if the packet does not fit it. */
  private update(c: Track, packet: Packet, reply: boolean): boolean {
    if (reply) {
      c.seenReply = true;
      c.replyPackets++;
    } else c.packets++;
    let seconds: number;
    switch (c.original.protocol) {
      case IPPROTO_TCP:
        this.updateTcp(c, packet.bytes[this.parts.transport + 13], reply);
        seconds = TCP_TIMEOUTS[c.tcp];
        break;
      case IPPROTO_UDP:
        if (reply && c.packets > 1) c.assured = true;
        seconds = c.assured ? UDP_STREAM_TIMEOUT : UDP_TIMEOUT;
        break;
      case IPPROTO_ICMP:
      case IPPROTO_ICMPV6:
        seconds = ICMP_TIMEOUT;
        break;
      default:
        seconds = GENERIC_TIMEOUT;
    }
    if (c.confirmed) this.ctx.timers.arm(c, this.ctx.clock.now() + seconds * SECOND);
    else c.deadline = this.ctx.clock.now() + seconds * SECOND;
    return true;
  }

  private updateTcp(c: Track, flags: number, reply: boolean): void {
    if ((flags & RST) !== 0) c.tcp = TcpTrack.Close;
    else if ((flags & (SYN | ACK)) === SYN) {
      if (c.tcp === TcpTrack.None || c.tcp >= TcpTrack.TimeWait) c.tcp = TcpTrack.SynSent;
    } else if ((flags & (SYN | ACK)) === (SYN | ACK)) {
      if (reply && c.tcp === TcpTrack.SynSent) c.tcp = TcpTrack.SynReceived;
    } else if ((flags & FIN) !== 0) {
      c.tcp = c.tcp === TcpTrack.FinWait ? TcpTrack.LastAck : TcpTrack.FinWait;
    } else if ((flags & ACK) !== 0) {
      if (c.tcp === TcpTrack.SynReceived && !reply) {
        c.tcp = TcpTrack.Established;
        c.assured = true;
      } else if (c.tcp === TcpTrack.None) {
        // Picked up in the middle, as after a restart.
        c.tcp = TcpTrack.Established;
      } else if (c.tcp === TcpTrack.LastAck) c.tcp = TcpTrack.TimeWait;
    }
  }

  /** Enters the connection of a packet that got through all filters; false if it lost a race. */
  confirm(packet: Packet): boolean {
    const c = packet.track;
    if (!(c instanceof Track) || c.confirmed) return true;
    if (this.findOriginal(c.original) !== null || this.findReply(c.reply) !== null) return false;
    if (this.order.size >= this.limit && !this.evict()) return false;
    if (this.order.size >= this.buckets.length) this.grow();
    c.originalHash = this.hash(c.original);
    c.replyHash = this.hash(c.reply);
    this.link(c);
    this.order.add(c);
    c.confirmed = true;
    const deadline = c.deadline;
    c.deadline = Infinity;
    this.ctx.timers.arm(c, deadline);
    return true;
  }

  private link(c: Track): void {
    const mask = this.buckets.length - 1;
    c.nextOriginal = this.buckets[c.originalHash & mask];
    this.buckets[c.originalHash & mask] = c;
    c.nextReply = this.replyBuckets[c.replyHash & mask];
    this.replyBuckets[c.replyHash & mask] = c;
  }

  /** Drops an old connection that is not assured. */
  private evict(): boolean {
    let looked = 0;
    for (const c of this.order) {
      if (!c.assured) {
        this.remove(c);
        return true;
      }
      if (++looked >= 64) return false;
    }
    return false;
  }

  /** Removes a connection. */
  remove(c: Track): void {
    if (!c.confirmed) return;
    c.confirmed = false;
    this.ctx.timers.remove(c);
    this.order.delete(c);
    const mask = this.buckets.length - 1;
    let e = this.buckets[c.originalHash & mask];
    if (e === c) this.buckets[c.originalHash & mask] = c.nextOriginal;
    else {
      while (e !== null && e.nextOriginal !== c) e = e.nextOriginal;
      if (e !== null) e.nextOriginal = c.nextOriginal;
    }
    e = this.replyBuckets[c.replyHash & mask];
    if (e === c) this.replyBuckets[c.replyHash & mask] = c.nextReply;
    else {
      while (e !== null && e.nextReply !== c) e = e.nextReply;
      if (e !== null) e.nextReply = c.nextReply;
    }
  }

  private grow(): void {
    const size = this.buckets.length * 2;
    this.buckets = new Array<Track | null>(size).fill(null);
    this.replyBuckets = new Array<Track | null>(size).fill(null);
    for (const c of this.order) this.link(c);
  }

  /** Removes all connections. */
  flush(): void {
    for (const c of [...this.order]) this.remove(c);
  }
}
