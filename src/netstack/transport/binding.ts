import { ANY_V4, ANY_V6, type IpAddress } from "../wire/address.ts";

/** What the tables know of an endpoint: its addresses, ports and sharing rules. */
export abstract class Binding {
  /** Whether it is an AF_INET6 socket. */
  readonly isV6: boolean;
  v6Only = false;
  local: IpAddress;
  localPort = 0;
  remote: IpAddress;
  remotePort = 0;
  /** Index of the interface it is bound to (SO_BINDTODEVICE), 0 for any. */
  device = 0;
  reuseAddress = false;
  reusePort = false;
  /** Owner; ports are shared within one owner only. */
  uid = 0;
  /** Whether it waits for connections. */
  listening = false;

  /** Owned by {@link EndpointTable}. */
  tableHash = 0;
  tableNext: Binding | null = null;
  inTable = false;
  /** Place in its port's list of owners, -1 outside. */
  portIndex = -1;
  /** Place in its port's list of receivers, -1 outside. */
  receiverIndex = -1;

  constructor(isV6: boolean) {
    this.isV6 = isV6;
    this.local = isV6 ? ANY_V6 : ANY_V4;
    this.remote = this.local;
  }

  /** Whether packets to `dst` that came in by interface `index` may be for it. */
  accepts(dst: IpAddress, index: number): boolean {
    if (this.device !== 0 && this.device !== index) return false;
    const local = this.local;
    if (!local.isAny) return local.equals(dst);
    if (local.isV4) return dst.isV4;
    return !dst.isV4 || !this.v6Only;
  }
}

/** Whether two bindings of one port claim some address both. */
export function addressesOverlap(a: Binding, b: Binding): boolean {
  if (a.device !== 0 && b.device !== 0 && a.device !== b.device) return false;
  const x = a.local;
  const y = b.local;
  if (!x.isAny && !y.isAny) return x.equals(y);
  if (x.isAny && y.isAny) {
    if (x.isV4 === y.isV4) return true;
    return !(x.isV4 ? b : a).v6Only;
  }
  const any = x.isAny ? a : b;
  const fixed = x.isAny ? y : x;
  if (any.local.isV4) return fixed.isV4;
  return !fixed.isV4 || !any.v6Only;
}
