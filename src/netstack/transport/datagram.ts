/** Endpoints that receive whole datagrams: the queue, the error queue, multicast membership. */

import { EADDRINUSE, EADDRNOTAVAIL, EAGAIN, EINVAL, ENOBUFS, ENODEV } from "../core/errno.ts";
import { Fifo } from "../core/fifo.ts";
import type { ByteSink } from "../core/io.ts";
import type { Packet } from "../core/packet.ts";
import {
  MSG_ERRQUEUE,
  MSG_PEEK,
  MSG_TRUNC,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRNORM,
} from "../core/poll.ts";
import type { NetContext, NetworkError } from "../network/context.ts";
import type { Groups } from "../network/groups.ts";
import type { NetworkInterface } from "../network/interface.ts";
import type { IpOutput } from "../network/ip_output.ts";
import { ANY_V4, type IpAddress } from "../wire/address.ts";
import { Endpoint } from "./endpoint.ts";
import { MAX_MEMBERSHIPS, MAX_SOURCES, SocketMembership } from "./ip_options.ts";

/** What a receive call learns besides the bytes. */
export class ReceiveInfo {
  address: IpAddress = ANY_V4;
  port = 0;
  /** Address the datagram was sent to. */
  destination: IpAddress = ANY_V4;
  index = 0;
  ttl = 0;
  tos = 0;
  timestamp = 0;
  /** Length of the whole datagram. */
  length = 0;
  truncated = false;
}

/** Origins of queued errors (`SO_EE_ORIGIN_`). */
export const ORIGIN_LOCAL = 1;
export const ORIGIN_ICMP = 2;
export const ORIGIN_ICMP6 = 3;

/** An entry of the error queue, `sock_extended_err` and what goes with it. */
export interface QueuedError {
  errno: number;
  origin: number;
  type: number;
  code: number;
  info: number;
  offender: IpAddress | null;
  /** Where the datagram at fault was going. */
  destination: IpAddress;
  port: number;
  index: number;
  /** What was quoted of its payload. */
  payload: Uint8Array;
}

/** Errors that wait to be read. */
const MAX_ERRORS = 64;
/** Bytes kept of the datagram at fault. */
const MAX_QUOTED = 1024;

/** A datagram endpoint. */
export abstract class DatagramEndpoint extends Endpoint {
  private readonly queue = new Fifo<Packet>();
  private queued = 0;
  private readonly errors = new Fifo<QueuedError>();
  private readonly groups: Groups;
  /** Datagrams dropped because the queue was full. */
  drops = 0;
  readClosed = false;
  writeClosed = false;
  connected = false;
  broadcast = false;

  constructor(ctx: NetContext, output: IpOutput, groups: Groups, isV6: boolean) {
    super(ctx, output, isV6);
    this.groups = groups;
  }

  /** Bytes of the next datagram (FIONREAD). */
  get nextLength(): number {
    return this.queue.peek()?.length ?? 0;
  }

  /** Bytes of memory that the receive queue occupies. */
  get queuedBytes(): number {
    return this.queued;
  }

  readiness(): number {
    let mask = 0;
    if (this.queue.length > 0 || this.readClosed) mask |= POLLIN | POLLRDNORM;
    if (this.readClosed) mask |= POLLRDHUP;
    if (this.readClosed && this.writeClosed) mask |= POLLHUP;
    if (this.pendingError !== 0 || this.errors.length > 0) mask |= POLLERR;
    return mask | POLLOUT | POLLWRNORM;
  }

  /** Puts a datagram in the queue, its payload at `packet.start`; borrowed, false if dropped. */
  protected enqueue(packet: Packet): boolean {
    const size = packet.trueSize;
    const ctx = this.ctx;
    const full = this.queued > 0 && this.queued + size > this.receiveBufferSize;
    if (this.readClosed || full || ctx.socketMemory + size > ctx.settings.socketMemory) {
      this.drops++;
      return false;
    }
    packet.retain();
    if (this.stampsPackets) packet.timestamp = ctx.clock.realtime();
    this.queued += size;
    ctx.socketMemory += size;
    this.queue.push(packet);
    this.notify(POLLIN | POLLRDNORM);
    return true;
  }

  /** The port that `packet` came from, 0 where the protocol has none. */
  protected abstract sourcePort(packet: Packet): number;

  /**
   * Receives a datagram: up to `len` bytes go to `dst`, the rest is lost. Returns the bytes copied
   * (with MSG_TRUNC the length of the datagram), or -EAGAIN, or another negative errno.
   */
  receive(dst: ByteSink, len: number, flags: number, info: ReceiveInfo | null): number {
    if ((flags & MSG_ERRQUEUE) !== 0) return -EINVAL;
    if (this.pendingError !== 0) return -this.takeError();
    const packet = this.queue.peek();
    if (packet === undefined) return this.readClosed ? 0 : -EAGAIN;
    const whole = packet.length;
    const n = Math.min(len, whole);
    if (n > 0) {
      const r = this.copyPayload(packet, n, dst);
      if (r < 0) return r;
    }
    if (info !== null) {
      info.address = packet.src;
      info.port = this.sourcePort(packet);
      info.destination = packet.dst;
      info.index = packet.inIndex;
      info.ttl = packet.ttl;
      info.tos = packet.tos;
      info.timestamp = packet.timestamp;
      info.length = whole;
      info.truncated = whole > len;
    }
    if ((flags & MSG_PEEK) === 0) this.dropFirst();
    return (flags & MSG_TRUNC) !== 0 ? whole : n;
  }

  private copyPayload(packet: Packet, n: number, dst: ByteSink): number {
    let done = 0;
    while (done < n) {
      const r = dst.put(packet.bytes, packet.start + done, n - done);
      if (r <= 0) return r < 0 ? r : done;
      done += r;
    }
    return done;
  }

  private dropFirst(): void {
    const packet = this.queue.shift();
    if (packet === undefined) return;
    const size = packet.trueSize;
    this.queued -= size;
    this.ctx.socketMemory -= size;
    packet.release();
  }

  /** Takes the oldest entry of the error queue, or null. */
  takeQueuedError(): QueuedError | null {
    const e = this.errors.shift() ?? null;
    if (e !== null && this.errors.length === 0) this.pendingError = 0;
    return e;
  }

  /** Adds an entry to the error queue. */
  protected queueError(e: QueuedError): void {
    if (this.errors.length >= MAX_ERRORS) return;
    this.errors.push(e);
    this.notify(POLLERR);
  }

  /** Handles an ICMP error about a datagram of this endpoint; its payload starts at `payloadAt`. */
  protected handleError(e: NetworkError, port: number, payloadAt: number): void {
    const wanted = e.isV4 ? this.ip.receiveErrors : this.ip.receiveErrors6;
    const discover = e.isV4 ? this.ip.mtuDiscover : this.ip.mtuDiscover6;
    let hard = e.hard;
    if (e.mtu > 0 && e.dst !== null) {
      if (discover !== 0) {
        this.ctx.routes.setPathMtu(e.dst, e.mtu, this.ctx.settings.pathMtuExpires);
        hard = wanted;
      } else return;
    }
    if (wanted) {
      this.queueError({
        errno: e.errno,
        origin: e.isV4 ? ORIGIN_ICMP : ORIGIN_ICMP6,
        type: e.type,
        code: e.code,
        info: e.mtu,
        offender: e.offender,
        destination: e.dst ?? ANY_V4,
        port,
        index: e.inIndex,
        payload: e.bytes.slice(
          Math.min(payloadAt, e.end),
          Math.min(e.end, payloadAt + MAX_QUOTED),
        ),
      });
    } else if (!hard || !this.connected) return;
    this.pendingError = e.errno;
    this.notify(POLLERR | POLLIN | POLLOUT);
  }

  /** The interface that a membership request means. */
  private interfaceFor(group: IpAddress, index: number): NetworkInterface | null {
    const routes = this.ctx.routes;
    if (index !== 0) return routes.interfaces[index] ?? null;
    const r = routes.lookup(group, null, this.device);
    return typeof r === "number" ? null : r.out;
  }

  private findMembership(group: IpAddress, index: number): SocketMembership | null {
    for (const m of this.ip.memberships) {
      if (m.group.equals(group) && (index === 0 || m.index === index)) return m;
    }
    return null;
  }

  /** IP_ADD_MEMBERSHIP, IPV6_JOIN_GROUP. */
  joinGroup(group: IpAddress, index: number): number {
    if (!group.isMulticast) return -EINVAL;
    const at = this.interfaceFor(group, index);
    if (at === null) return -ENODEV;
    if (this.findMembership(group, at.index) !== null) return -EADDRINUSE;
    if (this.ip.memberships.length >= MAX_MEMBERSHIPS) return -ENOBUFS;
    const r = this.groups.join(at, group);
    if (r < 0) return r;
    this.ip.memberships.push(new SocketMembership(group, at.index));
    return 0;
  }

  /** IP_DROP_MEMBERSHIP, IPV6_LEAVE_GROUP. */
  leaveGroup(group: IpAddress, index: number): number {
    if (!group.isMulticast) return -EINVAL;
    const m = this.findMembership(group, index);
    if (m === null) return -EADDRNOTAVAIL;
    this.ip.memberships.splice(this.ip.memberships.indexOf(m), 1);
    const at = this.ctx.routes.interfaces[m.index];
    if (at !== undefined) this.groups.leave(at, group);
    return 0;
  }

  /** IP_ADD_SOURCE_MEMBERSHIP: only packets from `source` (and others so added) are let in. */
  joinSource(group: IpAddress, source: IpAddress, index: number): number {
    const at = this.interfaceFor(group, index);
    if (at === null) return -ENODEV;
    let m = this.findMembership(group, at.index);
    if (m === null) {
      const r = this.joinGroup(group, at.index);
      if (r < 0) return r;
      m = this.findMembership(group, at.index);
      if (m === null) return -ENOBUFS;
      m.include = true;
    } else if (!m.include) return -EINVAL;
    if (m.sources.some((s) => s.equals(source))) return -EADDRNOTAVAIL;
    if (m.sources.length >= MAX_SOURCES) return -ENOBUFS;
    m.sources.push(source);
    return 0;
  }

  /** IP_DROP_SOURCE_MEMBERSHIP. */
  leaveSource(group: IpAddress, source: IpAddress, index: number): number {
    const m = this.findMembership(group, index);
    if (m === null || !m.include) return -EINVAL;
    const i = m.sources.findIndex((s) => s.equals(source));
    if (i < 0) return -EADDRNOTAVAIL;
    m.sources.splice(i, 1);
    return m.sources.length === 0 ? this.leaveGroup(group, m.index) : 0;
  }

  /** IP_BLOCK_SOURCE (`block`) and IP_UNBLOCK_SOURCE. */
  blockSource(group: IpAddress, source: IpAddress, index: number, block: boolean): number {
    const m = this.findMembership(group, index);
    if (m === null || m.include) return -EINVAL;
    const i = m.sources.findIndex((s) => s.equals(source));
    if (block === (i >= 0)) return -EADDRNOTAVAIL;
    if (!block) m.sources.splice(i, 1);
    else if (m.sources.length >= MAX_SOURCES) return -ENOBUFS;
    else m.sources.push(source);
    return 0;
  }

  /** Whether this endpoint wants packets to `group` that came from `source` by `index`. */
  wantsGroup(group: IpAddress, source: IpAddress, index: number): boolean {
    for (const m of this.ip.memberships) {
      if (m.group.equals(group) && m.index === index) return m.allows(source);
    }
    return this.ip.multicastAll;
  }

  /** Gives up memberships and queues. */
  protected releaseAll(): void {
    for (const m of this.ip.memberships) {
      const at = this.ctx.routes.interfaces[m.index];
      if (at !== undefined) this.groups.leave(at, m.group);
    }
    this.ip.memberships.length = 0;
    while (this.queue.length > 0) this.dropFirst();
    while (this.errors.length > 0) this.errors.shift();
  }
}
