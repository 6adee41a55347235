/** Packet sockets (packet(7)): frames as they come in and go out. */

import { EAGAIN, EINVAL, EMSGSIZE, ENETDOWN, ENXIO } from "../core/errno.ts";
import { Fifo } from "../core/fifo.ts";
import type { ByteSink, ByteSource } from "../core/io.ts";
import { type Packet, PacketType } from "../core/packet.ts";
import {
  MSG_PEEK,
  MSG_TRUNC,
  POLLERR,
  POLLIN,
  POLLOUT,
  POLLRDNORM,
  POLLWRNORM,
} from "../core/poll.ts";
import type { NetContext } from "../network/context.ts";
import { type FrameTap, IFF_PROMISC, type NetworkInterface } from "../network/interface.ts";
import { finishChecksum } from "../network/segmentation.ts";
import { get16, get48 } from "../wire/bytes.ts";
import { emitEthernet, ETH_P_ALL, ETHERNET_HEADER } from "../wire/ethernet.ts";

/** What a receive call learns of a frame: `sockaddr_ll` and more. */
export class FrameInfo {
  index = 0;
  protocol = 0;
  hardwareType = 0;
  type = 0;
  /** Link address of the sender. */
  address = 0;
  timestamp = 0;
  /** Length of the whole frame. */
  length = 0;
  truncated = false;
}

/** All packet endpoints of one stack. */
export class Packets implements FrameTap {
  private readonly ctx: NetContext;
  private readonly endpoints: PacketEndpoint[] = [];

  constructor(ctx: NetContext) {
    this.ctx = ctx;
  }

  /** A new endpoint; `cooked` for SOCK_DGRAM, `protocol` an ethertype (0: nothing is received). */
  createEndpoint(cooked: boolean, protocol: number): PacketEndpoint {
    const e = new PacketEndpoint(this.ctx, this, cooked, protocol);
    this.endpoints.push(e);
    this.updateTaps();
    return e;
  }

  /** Takes an endpoint off the list. */
  remove(e: PacketEndpoint): void {
    const i = this.endpoints.indexOf(e);
    if (i >= 0) this.endpoints.splice(i, 1);
    this.updateTaps();
  }

  /** Interfaces have a tap only while someone listens. */
  updateTaps(): void {
    const tap = this.endpoints.some((e) => e.protocol !== 0) ? this : null;
    for (const i of this.ctx.routes.interfaces) if (i !== undefined) i.tap = tap;
  }

  frame(packet: Packet, at: NetworkInterface): void {
    for (const e of this.endpoints) e.offer(packet, at);
  }

  /** All endpoints, for listings. */
  list(): readonly PacketEndpoint[] {
    return this.endpoints;
  }
}

/** A packet endpoint. */
export class PacketEndpoint {
  private readonly ctx: NetContext;
  private readonly owner: Packets;
  private readonly queue = new Fifo<Packet>();
  readonly cooked: boolean;
  protocol: number;
  /** Interface it is bound to, 0 for all. */
  index = 0;
  receiveBufferSize: number;
  queuedBytes = 0;
  /** PACKET_STATISTICS. */
  received = 0;
  dropped = 0;
  /** PACKET_IGNORE_OUTGOING. */
  ignoreOutgoing = false;
  /** SO_ATTACH_FILTER: how many bytes of a frame to keep, 0 to drop it. */
  filter: ((frame: Packet) => number) | null = null;
  onReadinessChange: ((mask: number) => void) | null = null;
  pendingError = 0;
  closed = false;

  constructor(ctx: NetContext, owner: Packets, cooked: boolean, protocol: number) {
    this.ctx = ctx;
    this.owner = owner;
    this.cooked = cooked;
    this.protocol = protocol;
    this.receiveBufferSize = ctx.settings.receiveBufferDefault;
  }

  /** Binds to an interface (0 for all) and protocol (0 keeps it). */
  bind(protocol: number, index: number): number {
    if (index !== 0 && this.ctx.routes.interfaces[index] === undefined) return -ENXIO;
    if (protocol !== 0) this.protocol = protocol;
    this.index = index;
    this.owner.updateTaps();
    return 0;
  }

  /** PACKET_MR_PROMISC. */
  setPromiscuous(index: number, on: boolean): number {
    const at = this.ctx.routes.interfaces[index];
    if (at === undefined) return -ENXIO;
    if (on) at.flags |= IFF_PROMISC;
    else at.flags &= ~IFF_PROMISC;
    return 0;
  }

  readiness(): number {
    let mask = POLLOUT | POLLWRNORM;
    if (this.queue.length > 0) mask |= POLLIN | POLLRDNORM;
    if (this.pendingError !== 0) mask |= POLLERR;
    return mask;
  }

  /** SO_ERROR. */
  takeError(): number {
    const e = this.pendingError;
    this.pendingError = 0;
    return e;
  }

  /** Takes a copy of a frame if it is wanted; the packet is borrowed. */
  offer(packet: Packet, at: NetworkInterface): void {
    if (this.index !== 0 && this.index !== at.index) return;
    if (this.protocol !== ETH_P_ALL && this.protocol !== packet.protocol) return;
    const outgoing = packet.type === PacketType.Outgoing;
    // Only those who asked for all protocols see what is sent.
    if (outgoing && (this.protocol !== ETH_P_ALL || this.ignoreOutgoing)) return;
    const copy = this.ctx.pool.clone(packet);
    if (copy.checksum === 2) finishChecksum(copy);
    copy.inIndex = at.index;
    copy.timestamp = packet.timestamp !== 0 ? packet.timestamp : this.ctx.clock.realtime();
    this.frameFor(packet, copy, at);
    this.enqueue(copy);
  }

  /** Makes the copy begin where this kind of socket sees frames begin. */
  private frameFor(packet: Packet, copy: Packet, at: NetworkInterface): void {
    const hasHeader = at.isEthernet && packet.linkStart >= 0;
    const visible = packet.start === packet.linkStart;
    if (this.cooked) {
      if (hasHeader && visible) copy.start += ETHERNET_HEADER;
      return;
    }
    if (hasHeader && !visible) {
      const n = packet.start - packet.linkStart;
      copy.start -= n;
      copy.bytes.set(packet.bytes.subarray(packet.linkStart, packet.start), copy.start);
    } else if (at.isLoopback) {
      copy.start -= ETHERNET_HEADER;
      emitEthernet(copy.bytes, copy.start, 0, 0, packet.protocol);
    }
    copy.linkStart = copy.start;
  }

  private enqueue(copy: Packet): void {
    if (this.filter !== null) {
      const keep = this.filter(copy);
      if (keep === 0) {
        copy.release();
        return;
      }
      if (keep < copy.length) copy.end = copy.start + keep;
    }
    const size = copy.trueSize;
    const full = this.queuedBytes + size > this.receiveBufferSize ||
      this.ctx.socketMemory + size > this.ctx.settings.socketMemory;
    if (full) {
      this.dropped++;
      copy.release();
      return;
    }
    this.received++;
    this.queuedBytes += size;
    this.ctx.socketMemory += size;
    this.queue.push(copy);
    if (this.onReadinessChange !== null) this.onReadinessChange(POLLIN | POLLRDNORM);
  }

  /** Receives a frame; see {@link DatagramEndpoint.receive}. */
  receive(dst: ByteSink, len: number, flags: number, info: FrameInfo | null): number {
    if (this.pendingError !== 0) return -this.takeError();
    const p = this.queue.peek();
    if (p === undefined) return -EAGAIN;
    const whole = p.length;
    const n = Math.min(len, whole);
    let done = 0;
    while (done < n) {
      const r = dst.put(p.bytes, p.start + done, n - done);
      if (r < 0) return r;
      if (r === 0) break;
      done += r;
    }
    if (info !== null) this.describe(p, info, len);
    if ((flags & MSG_PEEK) === 0) this.dropFirst();
    return (flags & MSG_TRUNC) !== 0 ? whole : done;
  }

  private describe(p: Packet, info: FrameInfo, len: number): void {
    const at = this.ctx.routes.interfaces[p.inIndex];
    info.index = p.inIndex;
    info.protocol = p.protocol;
    info.hardwareType = at?.device.hardwareType ?? 0;
    info.type = p.type;
    info.address = p.linkStart >= 0 && p.linkStart + 12 <= p.end && !this.cooked
      ? get48(p.bytes, p.linkStart + 6)
      : 0;
    info.timestamp = p.timestamp;
    info.length = p.length;
    info.truncated = p.length > len;
  }

  private dropFirst(): void {
    const p = this.queue.shift();
    if (p === undefined) return;
    this.queuedBytes -= p.trueSize;
    this.ctx.socketMemory -= p.trueSize;
    p.release();
  }

  /** Sends a frame by interface `index` (0: the bound one); `address` is for cooked endpoints. */
  send(
    src: ByteSource,
    len: number,
    index: number,
    protocol: number,
    address: number,
  ): number {
    const at = this.ctx.routes.interfaces[index !== 0 ? index : this.index];
    if (at === undefined) return -ENXIO;
    if (!at.isUp) return -ENETDOWN;
    const header = at.isEthernet || at.isLoopback ? ETHERNET_HEADER : 0;
    const raw = this.cooked ? 0 : header;
    if (len < raw) return -EINVAL;
    if (len - raw > at.mtu) return -EMSGSIZE;
    const p = this.ctx.pool.get(len);
    const n = src.take(p.bytes, p.start, len);
    if (n < 0) {
      p.release();
      return n;
    }
    p.end = p.start + n;
    if (this.cooked) {
      p.protocol = protocol !== 0 ? protocol : this.protocol;
      p.networkStart = p.start;
      p.inIndex = at.isLoopback ? at.index : 0;
      at.sendTo(address, p);
      return n;
    }
    if (header > 0) p.protocol = get16(p.bytes, p.start + 12);
    p.linkStart = p.start;
    p.networkStart = p.start + header;
    if (at.isLoopback) {
      p.start += header;
      p.inIndex = at.index;
      p.linkStart = -1;
    }
    at.sendFrame(p);
    return n;
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.owner.remove(this);
    while (this.queue.length > 0) this.dropFirst();
  }
}
