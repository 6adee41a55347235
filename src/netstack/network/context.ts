/** What the protocols of one stack share. */

import { Counters } from "../core/counters.ts";
import { type Packet, PacketPool } from "../core/packet.ts";
import { type Random, RandomNumbers, SipHash } from "../core/random.ts";
import { SECOND, TimerQueue } from "../core/timer.ts";
import type { IpAddress } from "../wire/address.ts";
import type { NetworkInterface } from "./interface.ts";
import { RoutingTable } from "./routing.ts";
import { NetworkSettings } from "./settings.ts";

/** The owner's clock. */
export interface Clock {
  /** Nanoseconds since some fixed time; never goes back. */
  now(): number;
  /** Nanoseconds since the epoch. */
  realtime(): number;
}

/** The owner's clock, which can be held still while a batch of packets is handled. */
export class HeldClock implements Clock {
  private readonly inner: Clock;
  private held = -1;

  constructor(inner: Clock) {
    this.inner = inner;
  }

  now(): number {
    return this.held >= 0 ? this.held : this.inner.now();
  }

  realtime(): number {
    return this.inner.realtime();
  }

  /** Holds the time; false if it was held already. */
  hold(): boolean {
    if (this.held >= 0) return false;
    this.held = this.inner.now();
    return true;
  }

  /** Takes the time anew while it is held. */
  refresh(): void {
    this.held = this.inner.now();
  }

  /** Lets the time go on. */
  release(): void {
    this.held = -1;
  }
}

/** Where packet filters look at packets, `NF_INET_`. */
export const enum HookPoint {
  PreRouting = 0,
  LocalIn = 1,
  Forward = 2,
  LocalOut = 3,
  PostRouting = 4,
}

/** Packet filter, address translation and connection tracking. */
export interface PacketHooks {
  /**
   * Decides on a packet whose network header is at `packet.start`. True lets it pass, perhaps
   * with other addresses; false means it was dropped and released.
   */
  run(
    point: HookPoint,
    packet: Packet,
    input: NetworkInterface | null,
    output: NetworkInterface | null,
  ): boolean;
}

/** An ICMP error about a packet of ours, as transports get it. Reused from error to error. */
export class NetworkError {
  /** ICMP type and code; `isV4` tells of which ICMP. */
  isV4 = true;
  type = 0;
  code = 0;
  /** Positive errno it stands for. */
  errno = 0;
  /** Whether it ends a connection attempt or is only advice. */
  hard = false;
  /** MTU of a "too big". */
  mtu = 0;
  /** Who sent the error. */
  offender: IpAddress | null = null;
  inIndex = 0;
  /** Addresses and protocol of the quoted packet. */
  src: IpAddress | null = null;
  dst: IpAddress | null = null;
  upper = 0;
  /** The quoted transport header: `bytes[at..end)`. */
  bytes: Uint8Array = new Uint8Array(0);
  at = 0;
  end = 0;
}

/** A transport protocol. */
export interface TransportHandler {
  /** A packet for this host, `start` at the transport header. The callee owns it. */
  receive(packet: Packet, at: NetworkInterface): void;
  /** An error about a packet of this protocol. */
  error(e: NetworkError): void;
}

/** Sees every packet delivered to this host: raw sockets. */
export interface RawTap {
  /** A packet with `networkStart` and `transportStart` set, borrowed. True if someone took it. */
  deliver(packet: Packet, at: NetworkInterface): boolean;
  /** As {@link TransportHandler.error}. */
  error(e: NetworkError): void;
}

/** The shared state. */
export class NetContext {
  readonly clock: HeldClock;
  readonly timers = new TimerQueue();
  readonly pool = new PacketPool();
  readonly random: RandomNumbers;
  readonly hash: SipHash;
  /** Secret of the hash tables. */
  readonly secret: number;
  readonly counters = new Counters();
  readonly settings = new NetworkSettings();
  readonly routes: RoutingTable;
  readonly transports: (TransportHandler | null)[] = new Array<TransportHandler | null>(256).fill(
    null,
  );
  raw: RawTap | null = null;
  hooks: PacketHooks | null = null;
  /** Bytes in all endpoints' queues. */
  socketMemory = 0;
  private icmpTokens: number;
  private icmpFilled = 0;

  constructor(clock: Clock, random: Random) {
    this.clock = new HeldClock(clock);
    this.random = new RandomNumbers(random);
    this.hash = new SipHash(this.random);
    this.secret = this.random.u32();
    this.routes = new RoutingTable(this.random.u32(), () => this.clock.now());
    this.icmpTokens = this.settings.icmpBurst;
  }

  /** Whether one more ICMP error may be sent now. */
  allowIcmpError(): boolean {
    const now = this.clock.now();
    const rate = this.settings.icmpRatePerSecond;
    const gained = ((now - this.icmpFilled) * rate) / SECOND;
    if (gained >= 1) {
      this.icmpTokens = Math.min(this.settings.icmpBurst, this.icmpTokens + Math.floor(gained));
      this.icmpFilled = now;
    }
    if (this.icmpTokens <= 0) {
      this.counters.icmpOutRateLimited++;
      return false;
    }
    this.icmpTokens--;
    return true;
  }
}
