/** Raw sockets (raw(7)): who gets a copy of what is delivered to this host. */

import type { Packet } from "../core/packet.ts";
import type { NetContext, NetworkError, RawTap } from "../network/context.ts";
import type { Groups } from "../network/groups.ts";
import type { NetworkInterface } from "../network/interface.ts";
import type { IpOutput } from "../network/ip_output.ts";
import { RawEndpoint } from "./raw_endpoint.ts";

/** All raw endpoints of one stack, by protocol. */
export class Raw implements RawTap {
  private readonly ctx: NetContext;
  private readonly output: IpOutput;
  private readonly groups: Groups;
  private readonly byProtocol = new Map<number, RawEndpoint[]>();

  constructor(ctx: NetContext, output: IpOutput, groups: Groups) {
    this.ctx = ctx;
    this.output = output;
    this.groups = groups;
  }

  /** A new endpoint for an IP protocol (255 only sends). */
  createEndpoint(isV6: boolean, protocol: number): RawEndpoint {
    const e = new RawEndpoint(this.ctx, this.output, this.groups, isV6, protocol);
    const list = this.byProtocol.get(protocol);
    if (list === undefined) this.byProtocol.set(protocol, [e]);
    else list.push(e);
    this.ctx.raw = this;
    e.onClose = () => this.remove(e);
    return e;
  }

  private remove(e: RawEndpoint): void {
    const list = this.byProtocol.get(e.protocol);
    if (list === undefined) return;
    list.splice(list.indexOf(e), 1);
    if (list.length === 0) this.byProtocol.delete(e.protocol);
    // Without raw endpoints no packet pays for them.
    if (this.byProtocol.size === 0) this.ctx.raw = null;
  }

  deliver(packet: Packet, at: NetworkInterface): boolean {
    const list = this.byProtocol.get(packet.upper);
    if (list === undefined) return false;
    let taken = false;
    for (const e of list) if (e.offer(packet, at)) taken = true;
    return taken;
  }

  error(e: NetworkError): void {
    for (const r of this.byProtocol.get(e.upper) ?? []) r.networkError(e);
  }

  /** All endpoints, for listings. */
  list(): RawEndpoint[] {
    return [...this.byProtocol.values()].flat();
  }
}
