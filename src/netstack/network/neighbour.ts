/**
 * The neighbour cache of one interface and family (RFC 4861 7.3, as Linux also does for ARP).
 *
 * An entry is Incomplete while its first probes are out, Reachable for a while after a
 * confirmation, then Stale; use of a stale entry starts Delay, then unicast Probes.
 */

import { AddressMap } from "../core/address_map.ts";
import type { Packet } from "../core/packet.ts";
import { SECOND, Timer, type TimerQueue } from "../core/timer.ts";
import type { IpAddress } from "../wire/address.ts";

/** States, `NUD_` of rtnetlink(7). */
export const enum NeighbourState {
  Incomplete = 0x01,
  Reachable = 0x02,
  Stale = 0x04,
  Delay = 0x08,
  Probe = 0x10,
  Failed = 0x20,
  Permanent = 0x80,
}

const RETRANSMIT = SECOND;
const DELAY_FIRST_PROBE = 5 * SECOND;
const MULTICAST_PROBES = 3;
const UNICAST_PROBES = 3;
const BASE_REACHABLE = 30 * SECOND;
/** Entries of one table; the oldest idle one makes room. */
const MAX_ENTRIES = 1024;
/** Packets that wait for one answer (`unres_qlen`). */
const MAX_PENDING = 101;

/** What a table asks of its interface and of ARP or neighbour discovery there. */
export interface NeighbourLink {
  /** Asks for `target`; `mac` is -1 to ask everyone. */
  probe(target: IpAddress, mac: number): void;
  /** No one answered: this packet can't be sent. Takes ownership. */
  unreachable(packet: Packet): void;
  /** Sends a packet to a hardware address. Takes ownership. */
  sendTo(mac: number, packet: Packet): void;
}

/** A neighbour. */
export class Neighbour extends Timer {
  readonly address: IpAddress;
  private readonly table: NeighbourTable;
  state: NeighbourState = NeighbourState.Incomplete;
  /** -1 while unknown. */
  mac = -1;
  isRouter = false;
  probes = 0;
  /** Last time a packet was sent by it. */
  used = 0;
  confirmed = 0;
  readonly pending: Packet[] = [];

  constructor(table: NeighbourTable, address: IpAddress) {
    super();
    this.table = table;
    this.address = address;
  }

  fire(now: number): void {
    this.table.expire(this, now);
  }
}

/** The neighbours of one interface. */
export class NeighbourTable {
  private readonly link: NeighbourLink;
  private readonly timers: TimerQueue;
  private readonly now: () => number;
  private readonly entries: AddressMap<Neighbour>;
  private readonly jitter: () => number;
  /** Called when an entry changes, for notifications; null while nobody listens. */
  onChange: ((n: Neighbour) => void) | null = null;

  constructor(
    link: NeighbourLink,
    timers: TimerQueue,
    now: () => number,
    secret: number,
    jitter: () => number,
  ) {
    this.link = link;
    this.timers = timers;
    this.now = now;
    this.entries = new AddressMap(secret);
    this.jitter = jitter;
  }

  /** All entries. */
  list(): Neighbour[] {
    return this.entries.values();
  }

  /** The entry of `address`, or null. */
  get(address: IpAddress): Neighbour | null {
    return this.entries.get(address);
  }

  /** Sends `packet` to the neighbour `address`, now or once its hardware address is known. */
  send(address: IpAddress, packet: Packet): void {
    const n = this.entries.get(address) ?? this.create(address);
    if (n === null) {
      packet.release();
      return;
    }
    const now = this.now();
    n.used = now;
    if (n.mac >= 0) {
      if (n.state === NeighbourState.Stale) {
        this.change(n, NeighbourState.Delay);
        this.timers.arm(n, now + DELAY_FIRST_PROBE);
      }
      this.link.sendTo(n.mac, packet);
      return;
    }
    if (n.pending.length >= MAX_PENDING) n.pending.shift()?.release();
    n.pending.push(packet);
    if (n.state !== NeighbourState.Incomplete || n.probes === 0) {
      n.probes = 1;
      this.change(n, NeighbourState.Incomplete);
      this.timers.arm(n, now + RETRANSMIT);
      this.link.probe(address, -1);
    }
  }

  private create(address: IpAddress): Neighbour | null {
    if (this.entries.size >= MAX_ENTRIES && !this.evict()) return null;
    const n = new Neighbour(this, address);
    this.entries.set(address, n);
    return n;
  }

  private evict(): boolean {
    let oldest: Neighbour | null = null;
    for (const n of this.entries.values()) {
      if (n.state === NeighbourState.Permanent) continue;
      if (oldest === null || n.used < oldest.used) oldest = n;
    }
    if (oldest === null) return false;
    this.remove(oldest.address);
    return true;
  }

  /** Removes an entry; whether it was there. */
  remove(address: IpAddress): boolean {
    const n = this.entries.get(address);
    if (n === null) return false;
    this.timers.remove(n);
    for (const p of n.pending) p.release();
    n.pending.length = 0;
    this.entries.delete(address);
    return true;
  }

  /** Removes all entries but permanent ones. */
  flush(): void {
    for (const n of this.entries.values()) {
      if (n.state !== NeighbourState.Permanent) this.remove(n.address);
    }
  }

  /** Sets an entry by hand. */
  set(address: IpAddress, mac: number, state: NeighbourState): number {
    const n = this.entries.get(address) ?? this.create(address);
    if (n === null) return -1;
    this.learn(n, mac, state);
    return 0;
  }

  private learn(n: Neighbour, mac: number, state: NeighbourState): void {
    n.mac = mac;
    n.probes = 0;
    const now = this.now();
    this.change(n, state);
    if (state === NeighbourState.Reachable) {
      n.confirmed = now;
      this.timers.arm(n, now + BASE_REACHABLE * (0.5 + this.jitter()));
    } else this.timers.cancel(n);
    const waiting = n.pending.splice(0);
    for (const p of waiting) this.link.sendTo(mac, p);
  }

  /**
   * Someone told where `address` is. `solicited` is the answer to a question of ours; `create`
   * whether an unknown neighbour is remembered; `override` whether a known address changes.
   */
  heard(
    address: IpAddress,
    mac: number,
    solicited: boolean,
    create: boolean,
    override: boolean,
  ): Neighbour | null {
    let n = this.entries.get(address);
    if (n === null) {
      if (!create) return null;
      n = this.create(address);
      if (n === null) return null;
      n.used = this.now();
    }
    if (n.state === NeighbourState.Permanent) return n;
    if (n.mac >= 0 && n.mac !== mac && !override) {
      if (n.state === NeighbourState.Reachable) this.change(n, NeighbourState.Stale);
      return n;
    }
    if (solicited) this.learn(n, mac, NeighbourState.Reachable);
    else if (n.mac !== mac || n.state === NeighbourState.Failed) {
      this.learn(n, mac, NeighbourState.Stale);
    }
    return n;
  }

  /** The upper layer made progress with this neighbour: it is there. */
  confirm(address: IpAddress): void {
    const n = this.entries.get(address);
    if (n === null || n.mac < 0 || n.state === NeighbourState.Permanent) return;
    if (n.state === NeighbourState.Reachable) {
      n.confirmed = this.now();
      return;
    }
    this.learn(n, n.mac, NeighbourState.Reachable);
  }

  private change(n: Neighbour, state: NeighbourState): void {
    n.state = state;
    if (this.onChange !== null) this.onChange(n);
  }

  /** The timer of `n` came up. */
  expire(n: Neighbour, now: number): void {
    switch (n.state) {
      case NeighbourState.Reachable: {
        const until = n.confirmed + BASE_REACHABLE;
        if (now < until) this.timers.arm(n, until);
        else this.change(n, NeighbourState.Stale);
        break;
      }
      case NeighbourState.Delay:
        n.probes = 0;
        this.change(n, NeighbourState.Probe);
        this.probe(n, now);
        break;
      case NeighbourState.Probe:
      case NeighbourState.Incomplete:
        this.probe(n, now);
        break;
    }
  }

  private probe(n: Neighbour, now: number): void {
    const unicast = n.state === NeighbourState.Probe;
    if (n.probes >= (unicast ? UNICAST_PROBES : MULTICAST_PROBES)) {
      n.mac = -1;
      n.probes = 0;
      this.change(n, NeighbourState.Failed);
      const waiting = n.pending.splice(0);
      for (const p of waiting) this.link.unreachable(p);
      return;
    }
    n.probes++;
    this.timers.arm(n, now + RETRANSMIT);
    this.link.probe(n.address, unicast ? n.mac : -1);
  }
}
