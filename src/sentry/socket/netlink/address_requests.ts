/** RTM_NEWADDR, RTM_DELADDR, RTM_GETADDR. */

import { EADDRNOTAVAIL, EAFNOSUPPORT, EEXIST, EINVAL, ENODEV } from "../../../abi/errno.ts";
import * as N from "../../../abi/netlink.ts";
import { NetlinkAttributes } from "../../../abi/netlink_message.ts";
import { AF_INET, AF_INET6 } from "../../../abi/socket.ts";
import { type IpAddress, readIpv4, readIpv6 } from "../../../netstack/wire/address.ts";
import type { NetlinkRequest } from "./netlink_socket.ts";
import { writeAddress } from "./route_messages.ts";
import type { RouteContext } from "./route_socket.ts";

/** Bytes of `struct ifaddrmsg`. */
const ADDRESS_SIZE = 8;
const IFA_RT_PRIORITY = 9;

/** An address of the family out of the bytes of an attribute; null where there is none or it is too short. */
export function addressOf(bytes: Uint8Array | null, isV4: boolean): IpAddress | null {
  if (bytes === null || bytes.length < (isV4 ? 4 : 16)) return null;
  return isV4 ? readIpv4(bytes, 0) : readIpv6(bytes, 0);
}

/** Whether a dump for `family` (0: all) takes in what is of IPv4 or not. */
export function wantsFamily(family: number, isV4: boolean): boolean {
  return family === 0 || family === (isV4 ? AF_INET : AF_INET6);
}

/** All addresses of a family. */
export function dumpAddresses(context: RouteContext, q: NetlinkRequest): number {
  const { network, writer, written } = context;
  const now = network.stack.ctx.clock.now();
  const [family] = q.body;
  const index = q.body.length < ADDRESS_SIZE
    ? 0
    : new DataView(q.body.buffer, q.body.byteOffset).getInt32(4, true);
  for (const at of network.stack.interfaces()) {
    if (index !== 0 && at.index !== index) continue;
    for (const e of at.addresses) {
      if (!wantsFamily(family, e.address.isV4)) continue;
      writeAddress(writer, at, e, q, N.NLM_F_MULTI, now);
      written();
    }
  }
  return 0;
}

/** Adds or removes an address. */
export function changeAddress({ network }: RouteContext, q: NetlinkRequest): number {
  const { body } = q;
  if (body.length < ADDRESS_SIZE) return -EINVAL;
  const [family, prefix] = body;
  if (family !== AF_INET && family !== AF_INET6) return -EAFNOSUPPORT;
  const isV4 = family === AF_INET;
  const { stack } = network;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const at = stack.ctx.routes.interfaces[view.getInt32(4, true)];
  if (at === undefined) return -ENODEV;
  const attributes = new NetlinkAttributes(body, ADDRESS_SIZE);
  const far = addressOf(attributes.get(N.IFA_ADDRESS), isV4);
  const address = addressOf(attributes.get(N.IFA_LOCAL), isV4) ?? far;
  if (address === null) return q.type === N.RTM_NEWADDR || isV4 ? -EINVAL : -EADDRNOTAVAIL;
  if (q.type === N.RTM_DELADDR) {
    const e = at.findAddress(address);
    if (e === null || (prefix !== 0 && e.prefix !== prefix)) return -EADDRNOTAVAIL;
    return stack.removeAddress(at, address);
  }
  if (attributes.has(IFA_RT_PRIORITY) && attributes.number(IFA_RT_PRIORITY) === 0) return -EINVAL;
  const known = at.findAddress(address);
  if (known !== null) {
    // Lifetimes and flags of an address that stays are all that `replace` can change.
    return (q.flags & N.NLM_F_EXCL) !== 0 || (q.flags & N.NLM_F_REPLACE) === 0 ? -EEXIST : 0;
  }
  const broadcast = addressOf(attributes.get(N.IFA_BROADCAST), isV4);
  const peer = far !== null && !far.equals(address) ? far : null;
  const flags = attributes.number(N.IFA_FLAGS, body[2]);
  const dad = at.dadTransmits;
  if ((flags & N.IFA_F_NODAD) !== 0) at.dadTransmits = 0;
  const r = stack.addAddress(at, address, prefix, {
    broadcast: isV4 ? broadcast : null,
    ...(peer === null ? {} : { peer }),
    ...(isV4 ? { scope: body[3] } : {}),
  });
  at.dadTransmits = dad;
  return r;
}
