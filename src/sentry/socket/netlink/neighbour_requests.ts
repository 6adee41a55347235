/** RTM_NEWNEIGH, RTM_DELNEIGH, RTM_GETNEIGH. */

import { EAFNOSUPPORT, EEXIST, EINVAL, ENODEV, ENOENT, EOPNOTSUPP } from "../../../abi/errno.ts";
import * as N from "../../../abi/netlink.ts";
import { NetlinkAttributes } from "../../../abi/netlink_message.ts";
import { AF_INET, AF_INET6 } from "../../../abi/socket.ts";
import type { NeighbourTable } from "../../../netstack/network/neighbour.ts";
import type { NetworkInterface } from "../../../netstack/network/interface.ts";
import type { IpAddress } from "../../../netstack/wire/address.ts";
import type { NetworkStack } from "../inet/network_stack.ts";
import { addressOf, wantsFamily } from "./address_requests.ts";
import type { NetlinkRequest } from "./netlink_socket.ts";
import { writeNeighbour } from "./route_messages.ts";
import type { RouteContext } from "./route_socket.ts";

/** Bytes of `struct ndmsg`. */
const NEIGHBOUR_SIZE = 12;
/** States that a program may give an entry; the stack knows one to be probed as stale. */
const SETTABLE = N.NUD_PERMANENT | N.NUD_REACHABLE | N.NUD_STALE;

/** All neighbours of a family. */
export function dumpNeighbours(context: RouteContext, q: NetlinkRequest): number {
  const { network, writer, written } = context;
  const [family] = q.body;
  for (const at of network.stack.interfaces()) {
    for (const table of [at.neighbours4, at.neighbours6]) {
      if (table === null || !wantsFamily(family, table === at.neighbours4)) continue;
      for (const n of table.list()) {
        writeNeighbour(writer, at, n, q, N.NLM_F_MULTI);
        written();
      }
    }
  }
  return 0;
}

interface Target {
  at: NetworkInterface;
  table: NeighbourTable;
  address: IpAddress;
  state: number;
  attributes: NetlinkAttributes;
}

function parse(network: NetworkStack, body: Uint8Array): Target | number {
  if (body.length < NEIGHBOUR_SIZE) return -EINVAL;
  const [family] = body;
  if (family !== AF_INET && family !== AF_INET6) {
    return family === 7 ? -EOPNOTSUPP : -EAFNOSUPPORT;
  }
  const isV4 = family === AF_INET;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  const attributes = new NetlinkAttributes(body, NEIGHBOUR_SIZE);
  const address = addressOf(attributes.get(N.NDA_DST), isV4);
  if (address === null) return -EINVAL;
  const at = network.stack.ctx.routes.interfaces[view.getInt32(4, true)];
  if (at === undefined) return -ENODEV;
  const table = isV4 ? at.neighbours4 : at.neighbours6;
  if (table === null) return -EINVAL;
  if ((body[10] & N.NTF_PROXY) !== 0) return -EOPNOTSUPP;
  return { at, table, address, state: view.getUint16(8, true), attributes };
}

/** One neighbour. */
export function getNeighbour({ network, writer }: RouteContext, q: NetlinkRequest): number {
  const target = parse(network, q.body);
  if (typeof target === "number") return target;
  const n = target.table.get(target.address);
  if (n === null) return -ENOENT;
  writeNeighbour(writer, target.at, n, q, 0);
  return 0;
}

/** Adds, replaces or removes a neighbour. */
export function changeNeighbour({ network }: RouteContext, q: NetlinkRequest): number {
  const target = parse(network, q.body);
  if (typeof target === "number") return target;
  const { table, address, attributes, state } = target;
  const known = table.get(address);
  if (q.type === N.RTM_DELNEIGH) return table.remove(address) ? 0 : -ENOENT;
  if (known !== null && (q.flags & N.NLM_F_EXCL) !== 0) return -EEXIST;
  if (known === null && (q.flags & N.NLM_F_CREATE) === 0) return -ENOENT;
  const bytes = attributes.get(N.NDA_LLADDR);
  let mac = known === null ? -1 : known.mac;
  if (bytes !== null) {
    if (bytes.length !== 6) return -EINVAL;
    mac = bytes.reduce((value, byte) => value * 256 + byte, 0);
  }
  if (mac < 0) return -EINVAL;
  return table.set(address, mac, (state & SETTABLE) === 0 ? N.NUD_STALE : state & SETTABLE);
}
