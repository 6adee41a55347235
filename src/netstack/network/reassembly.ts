/** Putting fragmented datagrams together, for both IP versions. */

import { HEADROOM, type Packet, type PacketPool } from "../core/packet.ts";
import { Timer, type TimerQueue } from "../core/timer.ts";
import { hashTuple } from "../core/random.ts";
import type { IpAddress } from "../wire/address.ts";

/** Fragments of one datagram. */
const MAX_FRAGMENTS = 256;
/** Datagrams in progress. */
const MAX_DATAGRAMS = 1024;
const MAX_DATAGRAM = 65535;

interface Piece {
  packet: Packet;
  /** Start of its data in the packet's buffer. */
  at: number;
  from: number;
  to: number;
}

/** A datagram of which some fragments are still out. */
export class PartialDatagram extends Timer {
  private readonly owner: Reassembler;
  readonly key: number;
  readonly ident: number;
  readonly upper: number;
  readonly src: IpAddress;
  readonly dst: IpAddress;
  next: PartialDatagram | null = null;
  readonly pieces: Piece[] = [];
  /** Sum of the pieces' lengths. */
  have = 0;
  /** Length of the whole, -1 until the last fragment is there. */
  total = -1;
  memory = 0;
  /** End of the header in the fragment at offset 0. */
  headerEnd = 0;
  largest = 0;
  /** Ecn bits of all fragments (RFC 3168 5.3). */
  ecn = 0;

  constructor(owner: Reassembler, key: number, ident: number, packet: Packet) {
    super();
    this.owner = owner;
    this.key = key;
    this.ident = ident;
    this.upper = packet.upper;
    this.src = packet.src;
    this.dst = packet.dst;
  }

  fire(): void {
    this.owner.expire(this);
  }
}

/** The datagrams in progress of one family. */
export class Reassembler {
  private readonly pool: PacketPool;
  private readonly timers: TimerQueue;
  private readonly secret: number;
  private readonly buckets = new Map<number, PartialDatagram>();
  /** Oldest first. */
  private readonly order = new Set<PartialDatagram>();
  memory = 0;
  memoryLimit: number;
  /** Called with the first fragment of a datagram whose time ran out; null if it never came. */
  onTimeout: ((first: Packet) => void) | null = null;
  onFail: (() => void) | null = null;

  constructor(pool: PacketPool, timers: TimerQueue, secret: number, memoryLimit: number) {
    this.pool = pool;
    this.timers = timers;
    this.secret = secret;
    this.memoryLimit = memoryLimit;
  }

  /** Datagrams in progress. */
  get size(): number {
    return this.order.size;
  }

  /**
   * Adds a fragment, of which it takes ownership: data at `[dataAt, packet.end)` belongs at
   * `offset`; `headerEnd` ends the header to keep if this is the first. Returns the whole
   * datagram once it is complete: that header, then the data.
   */
  add(
    packet: Packet,
    ident: number,
    headerEnd: number,
    dataAt: number,
    offset: number,
    more: boolean,
    deadline: number,
  ): Packet | null {
    const length = packet.end - dataAt;
    const end = offset + length;
    if (end > MAX_DATAGRAM || length <= 0) {
      packet.release();
      this.failed();
      return null;
    }
    const d = this.find(packet, ident, deadline);
    if ((!more && d.total >= 0 && d.total !== end) || (d.total >= 0 && end > d.total)) {
      return this.reject(d, packet);
    }
    // Pieces are sorted; fragments mostly come in order, so look from the end.
    let i = d.pieces.length;
    while (i > 0 && d.pieces[i - 1].from >= offset) i--;
    if (i < d.pieces.length && d.pieces[i].from === offset && d.pieces[i].to === end) {
      packet.release();
      return null;
    }
    const before = i > 0 ? d.pieces[i - 1] : null;
    const after = i < d.pieces.length ? d.pieces[i] : null;
    // Overlapping fragments are an attack: the datagram is dropped (RFC 5722).
    if ((before !== null && before.to > offset) || (after !== null && after.from < end)) {
      return this.reject(d, packet);
    }
    if (!more && i < d.pieces.length) return this.reject(d, packet);
    if (d.pieces.length >= MAX_FRAGMENTS) return this.reject(d, packet);
    d.pieces.splice(i, 0, { packet, at: dataAt, from: offset, to: end });
    d.have += length;
    d.memory += packet.trueSize;
    this.memory += packet.trueSize;
    d.largest = Math.max(d.largest, packet.length);
    d.ecn |= 1 << (packet.tos & 3);
    if (offset === 0) d.headerEnd = headerEnd;
    if (!more) d.total = end;
    if (d.have === d.total) return this.assemble(d);
    while (this.memory > this.memoryLimit) {
      const oldest = this.order.values().next().value;
      if (oldest === undefined) break;
      this.failed();
      this.drop(oldest);
    }
    return null;
  }

  private find(packet: Packet, ident: number, deadline: number): PartialDatagram {
    const key = hashTuple(this.secret, packet.dst, ident & 0xffff, packet.src, packet.upper) ^
      (ident >>> 16);
    let d = this.buckets.get(key) ?? null;
    for (; d !== null; d = d.next) {
      if (
        d.ident === ident && d.upper === packet.upper && d.src.equals(packet.src) &&
        d.dst.equals(packet.dst)
      ) return d;
    }
    if (this.order.size >= MAX_DATAGRAMS) {
      const oldest = this.order.values().next().value;
      if (oldest !== undefined) {
        this.failed();
        this.drop(oldest);
      }
    }
    d = new PartialDatagram(this, key, ident, packet);
    d.next = this.buckets.get(key) ?? null;
    this.buckets.set(key, d);
    this.order.add(d);
    this.timers.arm(d, deadline);
    return d;
  }

  private failed(): void {
    if (this.onFail !== null) this.onFail();
  }

  private reject(d: PartialDatagram, packet: Packet): null {
    packet.release();
    this.failed();
    this.drop(d);
    return null;
  }

  private drop(d: PartialDatagram): void {
    this.unlink(d);
    for (const p of d.pieces) p.packet.release();
    d.pieces.length = 0;
  }

  private unlink(d: PartialDatagram): void {
    this.timers.remove(d);
    this.order.delete(d);
    this.memory -= d.memory;
    let e = this.buckets.get(d.key) ?? null;
    if (e === d) {
      if (d.next === null) this.buckets.delete(d.key);
      else this.buckets.set(d.key, d.next);
      return;
    }
    for (; e !== null; e = e.next) {
      if (e.next === d) {
        e.next = d.next;
        return;
      }
    }
  }

  /** The time of `d` ran out. */
  expire(d: PartialDatagram): void {
    this.failed();
    const first = d.pieces.length > 0 && d.pieces[0].from === 0 ? d.pieces[0].packet : null;
    if (first !== null) {
      first.retain();
      if (this.onTimeout !== null) this.onTimeout(first);
      first.release();
    }
    this.drop(d);
  }

  private assemble(d: PartialDatagram): Packet | null {
    this.unlink(d);
    const first = d.pieces[0].packet;
    const header = d.headerEnd - first.start;
    // CE from any fragment marks the whole; CE together with not-ECT is a broken or hostile path.
    const invalid = (d.ecn & 8) !== 0 && (d.ecn & 1) !== 0;
    if (invalid || header + d.total > MAX_DATAGRAM + 40) {
      for (const p of d.pieces) p.packet.release();
      this.failed();
      return null;
    }
    const whole = this.pool.get(header + d.total);
    whole.bytes.set(first.bytes.subarray(first.start, d.headerEnd), HEADROOM);
    const base = HEADROOM + header;
    for (const p of d.pieces) {
      whole.bytes.set(p.packet.bytes.subarray(p.at, p.at + p.to - p.from), base + p.from);
    }
    whole.copyMetadata(first);
    whole.end = base + d.total;
    whole.networkStart = HEADROOM;
    whole.transportStart = base;
    whole.fragmentSize = d.largest;
    if ((d.ecn & 8) !== 0) whole.tos |= 3;
    for (const p of d.pieces) p.packet.release();
    return whole;
  }
}
