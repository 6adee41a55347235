// hot: finds the endpoint of every packet.

import { hashTuple } from "../core/random.ts";
import type { IpAddress } from "../wire/address.ts";
import { type Binding } from "./binding.ts";

/**
 * The endpoints of one protocol: connected ones by their four-tuple in a hash table, those that
 * receive from anyone by port. The cost of a look-up does not grow with the number of connections.
 */
export class EndpointTable {
  private buckets: (Binding | null)[] = new Array<Binding | null>(256).fill(null);
  private readonly secret: number;
  private readonly owners = new Map<number, Binding[]>();
  private readonly receivers = new Map<number, Binding[]>();
  /** Connected endpoints. */
  size = 0;

  constructor(secret: number) {
    this.secret = secret;
  }

  private hashOf(local: IpAddress, lport: number, remote: IpAddress, rport: number): number {
    return hashTuple(this.secret, local, lport, remote, rport);
  }

  /** Enters a connected endpoint. */
  insert(b: Binding): void {
    if (this.size >= this.buckets.length * 2) this.grow();
    b.tableHash = this.hashOf(b.local, b.localPort, b.remote, b.remotePort);
    const slot = b.tableHash & (this.buckets.length - 1);
    b.tableNext = this.buckets[slot];
    b.inTable = true;
    this.buckets[slot] = b;
    this.size++;
  }

  /** Takes a connected endpoint out. */
  remove(b: Binding): void {
    if (!b.inTable) return;
    const slot = b.tableHash & (this.buckets.length - 1);
    let e = this.buckets[slot];
    if (e === b) this.buckets[slot] = b.tableNext;
    else {
      while (e !== null && e.tableNext !== b) e = e.tableNext;
      if (e !== null) e.tableNext = b.tableNext;
    }
    b.tableNext = null;
    b.inTable = false;
    this.size--;
  }

  /** Puts `b` in the place of `old`, which has the same four-tuple. */
  replace(old: Binding, b: Binding): void {
    this.remove(old);
    this.insert(b);
  }

  /** The connected endpoint of a four-tuple, or null. */
  findConnected(
    local: IpAddress,
    lport: number,
    remote: IpAddress,
    rport: number,
    index: number,
  ): Binding | null {
    const h = this.hashOf(local, lport, remote, rport);
    let e = this.buckets[h & (this.buckets.length - 1)];
    for (; e !== null; e = e.tableNext) {
      if (
        e.tableHash === h && e.localPort === lport && e.remotePort === rport &&
        e.remote.equals(remote) && e.local.equals(local) &&
        (e.device === 0 || index === 0 || e.device === index)
      ) return e;
    }
    return null;
  }

  /** The endpoint that receives what comes to `local:lport` from strangers, or null. */
  findReceiver(
    local: IpAddress,
    lport: number,
    remote: IpAddress,
    rport: number,
    index: number,
  ): Binding | null {
    const list = this.receivers.get(lport);
    if (list === undefined) return null;
    let best: Binding | null = null;
    let bestScore = -1;
    let ties = 1;
    for (let i = 0; i < list.length; i++) {
      const e = list[i];
      if (!e.accepts(local, index)) continue;
      // Exact address before any address, bound device before none, IPv4 before dual stack.
      const score = (e.local.isAny ? 0 : 4) + (e.device !== 0 ? 2 : 0) +
        (local.isV4 === !e.isV6 ? 1 : 0);
      if (score > bestScore) {
        best = e;
        bestScore = score;
        ties = 1;
      } else if (score === bestScore && e.reusePort && best !== null && best.reusePort) ties++;
    }
    if (ties === 1 || best === null) return best;
    return this.balance(list, bestScore, ties, local, lport, remote, rport, index);
  }

  /** Spreads flows evenly over the endpoints that share a port (SO_REUSEPORT). */
  private balance(
    list: Binding[],
    score: number,
    count: number,
    local: IpAddress,
    lport: number,
    remote: IpAddress,
    rport: number,
    index: number,
  ): Binding | null {
    const h = this.hashOf(local, lport, remote, rport);
    let pick = Math.floor((h / 4294967296) * count);
    for (const e of list) {
      if (!e.accepts(local, index) || !e.reusePort) continue;
      const s = (e.local.isAny ? 0 : 4) + (e.device !== 0 ? 2 : 0) +
        (local.isV4 === !e.isV6 ? 1 : 0);
      if (s === score && pick-- === 0) return e;
    }
    return null;
  }

  /** All endpoints that receive on a port, for packets to groups. */
  receiversOf(lport: number): readonly Binding[] {
    return this.receivers.get(lport) ?? NO_BINDINGS;
  }

  /** All endpoints that hold a port. */
  ownersOf(port: number): readonly Binding[] {
    return this.owners.get(port) ?? NO_BINDINGS;
  }

  /** Makes `b` an owner of its local port. */
  hold(b: Binding): void {
    if (b.portIndex >= 0) return;
    b.portIndex = push(this.owners, b.localPort, b);
  }

  /** Gives the port up. */
  unhold(b: Binding): void {
    if (b.portIndex < 0) return;
    const list = this.owners.get(b.localPort);
    if (list !== undefined) {
      const last = list.pop() as Binding;
      if (last !== b) {
        list[b.portIndex] = last;
        last.portIndex = b.portIndex;
      }
      if (list.length === 0) this.owners.delete(b.localPort);
    }
    b.portIndex = -1;
  }

  /** Makes `b` receive what comes to its port from strangers. */
  listen(b: Binding): void {
    if (b.receiverIndex < 0) b.receiverIndex = push(this.receivers, b.localPort, b);
  }

  /** Ends {@link listen}. */
  unlisten(b: Binding): void {
    if (b.receiverIndex < 0) return;
    const list = this.receivers.get(b.localPort);
    if (list !== undefined) {
      const last = list.pop() as Binding;
      if (last !== b) {
        list[b.receiverIndex] = last;
        last.receiverIndex = b.receiverIndex;
      }
      if (list.length === 0) this.receivers.delete(b.localPort);
    }
    b.receiverIndex = -1;
  }

  /** Calls `visit` for every endpoint that holds a port, for listings. */
  forEach(visit: (b: Binding) => void): void {
    for (const list of this.owners.values()) for (const b of list) visit(b);
  }

  private grow(): void {
    const old = this.buckets;
    this.buckets = new Array<Binding | null>(old.length * 4).fill(null);
    const mask = this.buckets.length - 1;
    for (let e of old) {
      while (e !== null) {
        const next: Binding | null = e.tableNext;
        const slot = e.tableHash & mask;
        e.tableNext = this.buckets[slot];
        this.buckets[slot] = e;
        e = next;
      }
    }
  }
}

const NO_BINDINGS: readonly Binding[] = [];

function push(map: Map<number, Binding[]>, port: number, b: Binding): number {
  const list = map.get(port);
  if (list === undefined) {
    map.set(port, [b]);
    return 0;
  }
  list.push(b);
  return list.length - 1;
}
