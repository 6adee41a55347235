/** RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE. */

import {
  EAFNOSUPPORT,
  EINVAL,
  ENETUNREACH,
  ENODEV,
  EOPNOTSUPP,
  ESRCH,
} from "../../../abi/errno.ts";
import * as N from "../../../abi/netlink.ts";
import { NetlinkAttributes } from "../../../abi/netlink_message.ts";
import { AF_INET, AF_INET6 } from "../../../abi/socket.ts";
import {
  byDestination,
  type RouteEntry,
  RouteType,
  TABLE_LOCAL,
  TABLE_MAIN,
} from "../../../netstack/network/route.ts";
import { ANY_V4, ANY_V6, ipv4 } from "../../../netstack/wire/address.ts";
import type { NetworkStack } from "../inet/network_stack.ts";
import { addressOf, wantsFamily } from "./address_requests.ts";
import type { NetlinkRequest } from "./netlink_socket.ts";
import { writeRoute } from "./route_messages.ts";
import type { RouteContext } from "./route_socket.ts";

/** Bytes of `struct rtmsg`. */
const ROUTE_SIZE = 12;
const RTAX_MTU = 2;
const RTCF_LOCAL = 0x80000000;
const PROTOCOL_KERNEL = 2;
const SCOPE_HOST = 254;
const SCOPE_LINK = 253;

/** The routes of the table `local`, which the stack has in its addresses. */
function localRoutes(network: NetworkStack, isV4: boolean): RouteEntry[] {
  const found: RouteEntry[] = [];
  for (const at of network.stack.interfaces()) {
    if (!at.isUp) continue;
    for (const e of at.addresses) {
      if (e.address.isV4 !== isV4) continue;
      const entry: RouteEntry = {
        destination: e.address,
        prefix: isV4 ? 32 : 128,
        gateway: null,
        interfaceIndex: at.index,
        metric: 0,
        table: TABLE_LOCAL,
        protocol: PROTOCOL_KERNEL,
        scope: SCOPE_HOST,
        type: RouteType.Local,
        source: isV4 ? e.address : null,
        mtu: 0,
        tos: 0,
        expires: Infinity,
      };
      if (isV4 && e.address.isLoopback && e.prefix < 32) {
        found.push({ ...entry, destination: e.address.masked(e.prefix), prefix: e.prefix });
      }
      found.push(entry);
      if (e.broadcast !== null) {
        const type = RouteType.Broadcast;
        found.push({ ...entry, destination: e.broadcast, scope: SCOPE_LINK, type });
      } else if (isV4 && e.address.isLoopback && e.prefix < 31) {
        const last = ipv4((e.address.v4 | (0xffffffff >>> e.prefix)) >>> 0);
        found.push({ ...entry, destination: last, scope: SCOPE_LINK, type: RouteType.Broadcast });
      }
    }
  }
  return found;
}

/** All routes of a family; with a table in the request only that one. */
export function dumpRoutes(context: RouteContext, q: NetlinkRequest): number {
  const { network, writer, written } = context;
  const [family] = q.body;
  const attributes = new NetlinkAttributes(q.body, ROUTE_SIZE);
  const table = attributes.number(N.RTA_TABLE, q.body.length >= ROUTE_SIZE ? q.body[4] : 0);
  for (const isV4 of [true, false]) {
    if (!wantsFamily(family, isV4)) continue;
    const all = [...network.stack.ctx.routes.list(isV4), ...localRoutes(network, isV4)];
    for (const r of all.sort(byDestination)) {
      if (table !== 0 && r.table !== table) continue;
      writeRoute(writer, r, q, N.NLM_F_MULTI);
      written();
    }
  }
  return 0;
}

/** The route that a packet would take, as `ip route get` asks. */
export function getRoute({ network, writer }: RouteContext, q: NetlinkRequest): number {
  const { body } = q;
  if (body.length < ROUTE_SIZE) return -EINVAL;
  const [family] = body;
  if (family !== AF_INET && family !== AF_INET6) return -EAFNOSUPPORT;
  const isV4 = family === AF_INET;
  const attributes = new NetlinkAttributes(body, ROUTE_SIZE);
  const to = addressOf(attributes.get(N.RTA_DST), isV4) ?? (isV4 ? ANY_V4 : ANY_V6);
  const from = addressOf(attributes.get(N.RTA_SRC), isV4);
  const { routes } = network.stack.ctx;
  const found = routes.lookup(to, from, attributes.number(N.RTA_OIF));
  if (typeof found === "number") return found;
  writeRoute(
    writer,
    {
      destination: to,
      prefix: isV4 ? 32 : 128,
      gateway: found.viaGateway ? found.nextHop : null,
      interfaceIndex: found.out.index,
      metric: 0,
      table: TABLE_MAIN,
      protocol: 0,
      scope: 0,
      type: found.type,
      source: found.source,
      mtu: found.mtu < found.out.mtu ? found.mtu : 0,
      tos: 0,
      expires: Infinity,
    },
    q,
    0,
    false,
    N.RTM_F_CLONED | (found.isLocal && isV4 ? RTCF_LOCAL : 0),
  );
  return 0;
}

/** Adds, replaces or removes a route. */
export function changeRoute({ network }: RouteContext, q: NetlinkRequest): number {
  const { body } = q;
  if (body.length < ROUTE_SIZE) return -EINVAL;
  const [family, prefix, , tos, , protocol, scope] = body;
  if (family !== AF_INET && family !== AF_INET6) return -EAFNOSUPPORT;
  const isV4 = family === AF_INET;
  const { stack } = network;
  const { routes } = stack.ctx;
  const attributes = new NetlinkAttributes(body, ROUTE_SIZE);
  if (attributes.has(N.RTA_MULTIPATH)) return -EOPNOTSUPP;
  const destination = addressOf(attributes.get(N.RTA_DST), isV4) ?? (isV4 ? ANY_V4 : ANY_V6);
  if (prefix > (isV4 ? 32 : 128)) return -EINVAL;
  const gateway = addressOf(attributes.get(N.RTA_GATEWAY), isV4);
  const table = attributes.number(N.RTA_TABLE, body[4]) || TABLE_MAIN;
  const metric = attributes.number(N.RTA_PRIORITY);
  let index = attributes.number(N.RTA_OIF);
  if (index !== 0 && routes.interfaces[index] === undefined) return -ENODEV;
  if (q.type === N.RTM_DELROUTE) {
    return routes.remove(destination.masked(prefix), prefix, table, gateway, index, metric);
  }
  const type = body[7] as RouteType;
  if (body[7] === 0 || type > RouteType.Throw) return -EINVAL;
  const drops = type === RouteType.Blackhole || type === RouteType.Unreachable ||
    type === RouteType.Prohibit || type === RouteType.Throw;
  if (!drops && index === 0) {
    if (gateway === null) return -ENODEV;
    // The gateway must be on a link, whose interface the route takes.
    const hop = routes.lookup(gateway, null, 0);
    if (typeof hop === "number" || hop.viaGateway || hop.isLocal) return -ENETUNREACH;
    index = hop.out.index;
  } else if (!drops && routes.interfaces[index]?.isUp === false) return -ENETUNREACH;
  const source = addressOf(attributes.get(N.RTA_PREFSRC), isV4);
  if (source !== null && routes.findLocal(source) === null) return -EINVAL;
  const replace = (q.flags & N.NLM_F_REPLACE) !== 0;
  if (replace && (q.flags & N.NLM_F_CREATE) === 0) {
    const known = routes.list(isV4).some((r) =>
      r.prefix === prefix && r.destination.equals(destination) && r.table === table
    );
    if (!known) return -ESRCH;
  }
  const r = stack.addRoute({
    destination,
    prefix,
    gateway,
    interfaceIndex: drops ? 0 : index,
    table,
    protocol,
    scope,
    type,
    source,
    tos,
    mtu: attributes.nested(N.RTA_METRICS)?.number(RTAX_MTU) ?? 0,
    ...(attributes.has(N.RTA_PRIORITY) ? { metric } : {}),
  }, replace);
  return r;
}
