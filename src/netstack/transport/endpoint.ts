/** What all endpoints have in common: addresses, options, errors, readiness. */

import { EADDRNOTAVAIL, EAFNOSUPPORT, EINVAL, ENODEV } from "../core/errno.ts";
import type { NetContext } from "../network/context.ts";
import { type IpOutput, IpSendOptions } from "../network/ip_output.ts";
import { AddressState } from "../network/interface.ts";
import type { Route } from "../network/route.ts";
import { ANY_V4, ANY_V6, type IpAddress } from "../wire/address.ts";
import { Binding } from "./binding.ts";
import { IpSocketOptions, PMTUDISC_DO, PMTUDISC_PROBE } from "./ip_options.ts";

/** Filled from an endpoint's options before each send; one serves all. */
const sendOptions = new IpSendOptions();

/** Which directions {@link Endpoint.shutdown} ends, as in shutdown(2). */
export const SHUT_RD = 0;
export const SHUT_WR = 1;
export const SHUT_RDWR = 2;

/**
 * An endpoint of the stack, which a socket wraps. Methods never block: they return a count, 0 or a
 * negative errno, -EAGAIN where a blocking socket would wait for a change of readiness.
 */
export abstract class Endpoint extends Binding {
  /** What the stack's protocols share; for the protocol's own files. */
  readonly ctx: NetContext;
  protected readonly output: IpOutput;
  readonly ip = new IpSocketOptions();
  /** Pending error (SO_ERROR), positive. */
  pendingError = 0;
  /** Called with the poll bits that may have become true. */
  onReadinessChange: ((mask: number) => void) | null = null;
  /** SO_MARK. */
  mark = 0;
  /** SO_PRIORITY. */
  priority = 0;
  sendBufferSize: number;
  receiveBufferSize: number;
  closed = false;
  /** SO_TIMESTAMP: datagrams are told with the time of their coming in. */
  stampsPackets = false;
  private cachedRoute: Route | null = null;

  constructor(ctx: NetContext, output: IpOutput, isV6: boolean) {
    super(isV6);
    this.ctx = ctx;
    this.output = output;
    this.sendBufferSize = ctx.settings.sendBufferDefault;
    this.receiveBufferSize = ctx.settings.receiveBufferDefault;
  }

  /** What poll(2) would say now. */
  abstract readiness(): number;

  /** Gives up the endpoint; nothing may be called on it afterwards. */
  abstract close(): void;

  /** Tells the owner that bits of `mask` may have become true. */
  notify(mask: number): void {
    if (this.onReadinessChange !== null) this.onReadinessChange(mask);
  }

  /** SO_ERROR: the pending error, which it clears; positive. */
  takeError(): number {
    const e = this.pendingError;
    this.pendingError = 0;
    return e;
  }

  /** SO_SNDBUF as Linux sets it: doubled, at least 4608. */
  setSendBuffer(bytes: number, force = false): void {
    const max = force ? 0x3fffffff : this.ctx.settings.sendBufferMax;
    this.sendBufferSize = Math.max(4608, Math.min(bytes, max) * 2);
  }

  /** SO_RCVBUF as Linux sets it: doubled, at least 2304. */
  setReceiveBuffer(bytes: number, force = false): void {
    const max = force ? 0x3fffffff : this.ctx.settings.receiveBufferMax;
    this.receiveBufferSize = Math.max(2304, Math.min(bytes, max) * 2);
  }

  /** SO_BINDTODEVICE with an interface's index; 0 unbinds. */
  bindToDevice(index: number): number {
    if (index !== 0 && this.ctx.routes.interfaces[index] === undefined) return -ENODEV;
    this.device = index;
    this.cachedRoute = null;
    return 0;
  }

  /** Whether this socket's family can have `a`, which becomes its mapped form's real one. */
  protected familyAllows(a: IpAddress): boolean {
    return this.isV6 ? !(a.isV4 && this.v6Only) : a.isV4;
  }

  /** Checks an address to bind to. */
  protected checkLocal(a: IpAddress, index: number): number {
    if (!this.familyAllows(a)) return this.isV6 ? -EINVAL : -EAFNOSUPPORT;
    if (a.isAny) return 0;
    const routes = this.ctx.routes;
    if (a.isMulticast || a.isBroadcast || routes.isBroadcast(a, null)) return 0;
    if (!a.isV4 && a.isLinkLocal && index === 0 && this.device === 0) return -EINVAL;
    const l = routes.findLocal(a);
    if (l === null) {
      return this.ip.freeBind || this.ip.transparent ? 0 : -EADDRNOTAVAIL;
    }
    if (l.entry.state === AddressState.Tentative || l.entry.state === AddressState.Duplicate) {
      return -EADDRNOTAVAIL;
    }
    return 0;
  }

  /** The "any" address of this socket's family for a peer like `remote`. */
  protected anyFor(remote: IpAddress): IpAddress {
    return remote.isV4 ? ANY_V4 : ANY_V6;
  }

  /** The route to `dst`, kept from call to call while routing does not change. */
  protected routeTo(dst: IpAddress, src: IpAddress | null, index: number): Route | number {
    const c = this.cachedRoute;
    if (
      c !== null && c.generation === this.ctx.routes.generation && c.destination.equals(dst) &&
      (index === 0 || index === c.out.index) &&
      (src === null || src.isAny || src.equals(c.source))
    ) return c;
    const r = this.ctx.routes.lookup(dst, src, index !== 0 ? index : this.device, this.mark);
    if (typeof r !== "number") this.cachedRoute = r;
    return r;
  }

  /** Forgets the kept route. */
  protected dropRoute(): void {
    this.cachedRoute = null;
  }

  /** Fills `sendOptions` for a packet to `dst`; `ttl` and `tos` -1 mean the socket's own. */
  protected prepareOptions(dst: IpAddress, ttl: number, tos: number): IpSendOptions {
    const o = sendOptions;
    const ip = this.ip;
    if (dst.isV4) {
      o.ttl = ttl >= 0 ? ttl : dst.isMulticast ? ip.multicastTtl : ip.ttl;
      o.tos = tos >= 0 ? tos : ip.tos;
      o.loop = ip.multicastLoop;
      o.options = ip.options;
      o.dontFragment = ip.mtuDiscover === PMTUDISC_DO || ip.mtuDiscover === PMTUDISC_PROBE;
    } else {
      o.ttl = ttl >= 0 ? ttl : dst.isMulticast ? ip.multicastHops6 : ip.hops6;
      o.tos = tos >= 0 ? tos : ip.trafficClass;
      o.loop = ip.multicastLoop6;
      o.options = null;
      o.flowLabel = ip.flowLabel;
      o.dontFragment = ip.mtuDiscover6 === PMTUDISC_DO || ip.mtuDiscover6 === PMTUDISC_PROBE;
    }
    return o;
  }
}
