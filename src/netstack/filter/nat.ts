/** Network address translation on top of connection tracking. */

import type { Packet } from "../core/packet.ts";
import type { NetContext } from "../network/context.ts";
import { type IpAddress, ipFromWords } from "../wire/address.ts";
import { get16, get32, set16 } from "../wire/bytes.ts";
import {
  adjustChecksum16,
  adjustChecksum32,
  checksum,
  transportChecksum,
} from "../wire/checksum.ts";
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP, sealIpv4 } from "../wire/ipv4.ts";
import { IPPROTO_ICMPV6 } from "../wire/ipv6.ts";
import { type ConnTrack, NAT_DESTINATION, NAT_SOURCE, type Track } from "./conntrack.ts";
import { PacketParts, Tuple } from "./tuple.ts";

/** Addresses and ports to translate to; ports 0 to 0 keep the port where that is possible. */
export interface NatRange {
  first: IpAddress | null;
  last: IpAddress | null;
  firstPort: number;
  lastPort: number;
}

/** Ports that are tried to make a flow unique. */
const MAX_TRIES = 512;

/** Translates packets of connections. */
export class Nat {
  private readonly ctx: NetContext;
  private readonly tracks: ConnTrack;
  private readonly wanted = new Tuple();
  private readonly target = new Tuple();
  private readonly parts = new PacketParts();
  private readonly quoted = new PacketParts();

  constructor(ctx: NetContext, tracks: ConnTrack) {
    this.ctx = ctx;
    this.tracks = tracks;
  }

  /** Decides the translation of one side of a new connection; false if no free port is left. */
  setUp(c: Track, side: number, range: NatRange | null): boolean {
    if ((c.natDone & side) !== 0 || c.confirmed) return true;
    c.natDone |= side;
    // What the flow looks like once translated so far.
    const w = this.wanted.invert(c.reply);
    const source = side === NAT_SOURCE;
    if (range !== null) {
      const a = this.pick(range, c);
      if (a !== null) {
        if (source) w.src = a;
        else w.dst = a;
      }
      if (range.firstPort > 0) {
        const port = source ? w.srcPort : w.dstPort;
        if (port < range.firstPort || port > range.lastPort) {
          if (source) w.srcPort = range.firstPort;
          else w.dstPort = range.firstPort;
        }
      }
    }
    if (source && !this.makeUnique(w, range)) return false;
    this.target.invert(w);
    if (!this.target.equals(c.reply)) {
      c.reply.copy(this.target);
      c.natChanged |= side;
    }
    return true;
  }

  /** An address of the range, the same for all flows of one client. */
  private pick(range: NatRange, c: Track): IpAddress | null {
    if (range.first === null || range.last === null || range.first.equals(range.last)) {
      return range.first;
    }
    const span = range.last.w3 - range.first.w3 + 1;
    const h = (Math.imul(c.original.src.w3 ^ this.ctx.secret, 0x9e3779b1) >>> 0) % span;
    const f = range.first;
    return ipFromWords(f.w0, f.w1, f.w2, f.w3 + h);
  }

  private makeUnique(w: Tuple, range: NatRange | null): boolean {
    this.target.invert(w);
    if (!this.tracks.isReplyTaken(this.target)) return true;
    if (w.protocol !== IPPROTO_TCP && w.protocol !== IPPROTO_UDP && w.protocol !== IPPROTO_ICMP) {
      return false;
    }
    // A privileged port stays privileged.
    let low = w.srcPort < 512 ? 1 : w.srcPort < 1024 ? 600 : 1024;
    let high = w.srcPort < 512 ? 511 : w.srcPort < 1024 ? 1023 : 65535;
    if (range !== null && range.firstPort > 0) {
      low = range.firstPort;
      high = range.lastPort;
    }
    const count = high - low + 1;
    const start = this.ctx.random.below(count);
    for (let i = 0; i < Math.min(count, MAX_TRIES); i++) {
      w.srcPort = low + ((start + i) % count);
      if (w.protocol === IPPROTO_ICMP) w.dstPort = w.srcPort;
      this.target.invert(w);
      if (!this.tracks.isReplyTaken(this.target)) return true;
    }
    return false;
  }

  /** Rewrites one side of a packet as its connection wants it. */
  apply(packet: Packet, c: Track, side: number): void {
    const reply = packet.trackReply;
    // Replies are translated back on the other side.
    const needed = reply ? (side === NAT_SOURCE ? NAT_DESTINATION : NAT_SOURCE) : side;
    if ((c.natChanged & needed) === 0) return;
    const p = this.parts;
    if (!p.read(packet)) return;
    const t = this.target.invert(reply ? c.original : c.reply);
    if (p.isError) this.rewriteQuoted(packet, p, c, side);
    this.rewrite(packet, p, t, side);
    packet.src = p.src;
    packet.dst = p.dst;
  }

  private rewrite(packet: Packet, p: PacketParts, t: Tuple, side: number): void {
    const b = packet.bytes;
    const source = side === NAT_SOURCE;
    const address = source ? t.src : t.dst;
    const port = source ? t.srcPort : t.dstPort;
    const at = packet.start + (p.isV4 ? (source ? 12 : 16) : source ? 8 : 24);
    const field = checksumField(p);
    const sum = field >= 0 && p.transport + field + 2 <= packet.end && !p.opaque
      ? p.transport + field
      : -1;
    // UDP without a checksum stays without.
    const skip = p.protocol === IPPROTO_UDP && sum >= 0 && get16(b, sum) === 0;
    const usesPseudo = p.protocol !== IPPROTO_ICMP;
    const words = p.isV4 ? 1 : 4;
    const before = [0, 0, 0, 0];
    for (let i = 0; i < words; i++) before[i] = get32(b, at + 4 * i);
    address.write(b, at);
    for (let i = 0; i < words; i++) {
      const after = get32(b, at + 4 * i);
      if (p.isV4) adjustChecksum32(b, packet.start + 10, before[i], after);
      if (sum >= 0 && !skip && usesPseudo) adjustChecksum32(b, sum, before[i], after);
    }
    if (source) p.src = address;
    else p.dst = address;
    if (p.opaque || p.isError) return;
    this.rewritePort(b, p, source, port, skip ? -1 : sum);
  }

  private rewritePort(
    b: Uint8Array,
    p: PacketParts,
    source: boolean,
    port: number,
    sum: number,
  ): void {
    let at = -1;
    if (p.protocol === IPPROTO_TCP || p.protocol === IPPROTO_UDP) {
      at = p.transport + (source ? 0 : 2);
    } else if (p.protocol === IPPROTO_ICMP || p.protocol === IPPROTO_ICMPV6) at = p.transport + 4;
    if (at < 0) return;
    const old = get16(b, at);
    if (old === port) return;
    set16(b, at, port);
    if (sum >= 0) adjustChecksum16(b, sum, old, port);
    if (sum >= 0 && p.protocol === IPPROTO_UDP && get16(b, sum) === 0) set16(b, sum, 0xffff);
  }

  /** The packet quoted in an error must look to its sender as it sent it. */
  private rewriteQuoted(packet: Packet, p: PacketParts, c: Track, side: number): void {
    const b = packet.bytes;
    const at = p.transport + 8;
    const q = this.quoted;
    if (!q.readAt(b, at, packet.end, p.isV4)) return;
    const want = packet.trackReply ? c.original : c.reply;
    // Inside, source and destination are the other way round.
    const source = side === NAT_DESTINATION;
    const address = source ? want.src : want.dst;
    const port = source ? want.srcPort : want.dstPort;
    address.write(b, at + (p.isV4 ? (source ? 12 : 16) : source ? 8 : 24));
    if (p.isV4) sealIpv4(b, at);
    if (!q.opaque) this.rewritePort(b, q, source, port, -1);
    set16(b, p.transport + 2, 0);
    const sum = p.isV4
      ? checksum(b, p.transport, packet.end)
      : transportChecksum(b, p.transport, packet.end, p.src, p.dst, IPPROTO_ICMPV6);
    set16(b, p.transport + 2, sum);
  }
}

function checksumField(p: PacketParts): number {
  switch (p.protocol) {
    case IPPROTO_TCP:
      return 16;
    case IPPROTO_UDP:
      return 6;
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
      return 2;
    default:
      return -1;
  }
}
