/** Who may have which port, and which port one gets who asks for any. */

import { EADDRINUSE, EADDRNOTAVAIL } from "../core/errno.ts";
import type { NetContext } from "../network/context.ts";
import { addressesOverlap, type Binding } from "./binding.ts";
import type { EndpointTable } from "./endpoint_table.ts";

/** Whether `b` may not have its port beside `o` (inet_csk_bind_conflict, udp's rules). */
function conflicts(b: Binding, o: Binding, isTcp: boolean): boolean {
  if (o === b || !addressesOverlap(b, o)) return false;
  if (b.reusePort && o.reusePort && b.uid === o.uid) return false;
  if (b.reuseAddress && o.reuseAddress && !(isTcp && o.listening)) return false;
  return true;
}

/** Whether some owner of `port` keeps `b` from having it. */
export function portConflicts(
  table: EndpointTable,
  b: Binding,
  port: number,
  isTcp: boolean,
): boolean {
  for (const o of table.ownersOf(port)) if (conflicts(b, o, isTcp)) return true;
  return false;
}

/** Binds `b` to `port`, or to a free one if that is 0. Returns 0 or a negative errno. */
export function bindPort(
  ctx: NetContext,
  table: EndpointTable,
  b: Binding,
  port: number,
  isTcp: boolean,
): number {
  if (port !== 0) {
    if (portConflicts(table, b, port, isTcp)) return -EADDRINUSE;
    b.localPort = port;
    table.hold(b);
    return 0;
  }
  const low = ctx.settings.localPortLow;
  const count = ctx.settings.localPortHigh - low + 1;
  if (count <= 0) return -EADDRINUSE;
  const start = ctx.random.below(count);
  for (let i = 0; i < count; i++) {
    const candidate = low + ((start + i) % count);
    // A port that is wholly free first: sharing one by SO_REUSEADDR is not what was asked for.
    if (table.ownersOf(candidate).length > 0) continue;
    b.localPort = candidate;
    table.hold(b);
    return 0;
  }
  for (let i = 0; i < count; i++) {
    const candidate = low + ((start + i) % count);
    if (portConflicts(table, b, candidate, isTcp)) continue;
    b.localPort = candidate;
    table.hold(b);
    return 0;
  }
  return -EADDRINUSE;
}

const OFFSETS = 256;

/** Chooses ports for outgoing connections by a hash of the destination (RFC 6056, algorithm 4). */
export class ConnectPorts {
  private readonly ctx: NetContext;
  private readonly table: EndpointTable;
  private readonly offsets: Uint32Array = new Uint32Array(OFFSETS);
  private readonly words: Int32Array = new Int32Array(10);

  constructor(ctx: NetContext, table: EndpointTable) {
    this.ctx = ctx;
    this.table = table;
    for (let i = 0; i < OFFSETS; i++) this.offsets[i] = ctx.random.u32();
  }

  /**
   * Gives `b`, whose addresses and remote port are set, a local port such that its four-tuple is
   * unused. `usable` says whether the endpoint that has the tuple now may be replaced.
   */
  choose(b: Binding, usable: (other: Binding) => boolean): number {
    const w = this.words;
    w[0] = b.local.w3;
    w[1] = b.local.w2;
    w[2] = b.local.w1;
    w[3] = b.local.w0;
    w[4] = b.remote.w3;
    w[5] = b.remote.w2;
    w[6] = b.remote.w1;
    w[7] = b.remote.w0;
    w[8] = b.remotePort;
    const h = this.ctx.hash.hash(w, 9);
    const slot = this.ctx.hash.high & (OFFSETS - 1);
    const low = this.ctx.settings.localPortLow;
    const count = this.ctx.settings.localPortHigh - low + 1;
    const start = (h + this.offsets[slot]) % count;
    for (let i = 0; i < count; i++) {
      const port = low + ((start + i) % count);
      if (!this.shareable(b, port)) continue;
      const other = this.table.findConnected(b.local, port, b.remote, b.remotePort, b.device);
      if (other !== null && !usable(other)) continue;
      this.offsets[slot] += i + 1;
      b.localPort = port;
      this.table.hold(b);
      return 0;
    }
    return -EADDRNOTAVAIL;
  }

  /** A port is shared among connections, but not taken from one who was bound to it. */
  private shareable(b: Binding, port: number): boolean {
    for (const o of this.table.ownersOf(port)) {
      if (o.remotePort !== 0 && !o.listening) {
        // The owners are connections alike; one tells for all, uniqueness is checked after.
        if (o.receiverIndex < 0) return true;
      }
      if (addressesOverlap(b, o)) return false;
    }
    return true;
  }
}
