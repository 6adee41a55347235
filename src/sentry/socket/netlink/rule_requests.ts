/** RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE (ip-rule(8)). */

import {
  EAFNOSUPPORT,
  EEXIST,
  EINVAL,
  ENOBUFS,
  ENODEV,
  ENOENT,
  EOPNOTSUPP,
} from "../../../abi/errno.ts";
import * as N from "../../../abi/netlink.ts";
import { NetlinkAttributes } from "../../../abi/netlink_message.ts";
import { AF_INET, AF_INET6 } from "../../../abi/socket.ts";
import { TABLE_DEFAULT, TABLE_LOCAL, TABLE_MAIN } from "../../../netstack/network/route.ts";
import type { RoutingRule } from "../../../netstack/network/routing.ts";
import type { IpAddress } from "../../../netstack/wire/address.ts";
import type { NetworkStack } from "../inet/network_stack.ts";
import { addressOf, wantsFamily } from "./address_requests.ts";
import type { NetlinkRequest } from "./netlink_socket.ts";
import { RouteEvents } from "./route_events.ts";
import { writeRule } from "./route_messages.ts";
import type { RouteContext } from "./route_socket.ts";

/** Bytes of `struct fib_rule_hdr`. */
const RULE_SIZE = 12;
const MAX_RULES = 4096;
const LAST_FREE = 32765;

function plain(priority: number, table: number, isV4: boolean): RoutingRule {
  return {
    priority,
    table,
    source: null,
    sourcePrefix: 0,
    destination: null,
    destinationPrefix: 0,
    mark: 0,
    markMask: 0,
    oif: 0,
    isV4,
  };
}

/** What the stack does whatever rules there are. */
const ALWAYS: readonly RoutingRule[] = [
  plain(0, TABLE_LOCAL, true),
  plain(32766, TABLE_MAIN, true),
  plain(32767, TABLE_DEFAULT, true),
  plain(0, TABLE_LOCAL, false),
  plain(32766, TABLE_MAIN, false),
];

/** All rules of a family, by priority. */
export function dumpRules({ network, writer, written }: RouteContext, q: NetlinkRequest): number {
  const [family] = q.body;
  for (const isV4 of [true, false]) {
    if (!wantsFamily(family, isV4)) continue;
    const own = network.stack.ctx.routes.rules.filter((r) => r.isV4 === isV4);
    const all = [...own, ...ALWAYS.filter((r) => r.isV4 === isV4)];
    all.sort((a, b) => a.priority - b.priority);
    for (const r of all) {
      writeRule(writer, r, q, N.NLM_F_MULTI);
      written();
    }
  }
  return 0;
}

function parse(network: NetworkStack, body: Uint8Array): RoutingRule | number {
  if (body.length < RULE_SIZE) return -EINVAL;
  const [family, destinationPrefix, sourcePrefix, tos] = body;
  if (family !== AF_INET && family !== AF_INET6) return -EAFNOSUPPORT;
  const isV4 = family === AF_INET;
  const a = new NetlinkAttributes(body, RULE_SIZE);
  const flags = new DataView(body.buffer, body.byteOffset).getUint32(8, true);
  const other = [N.FRA_GOTO, N.FRA_IIFNAME, N.FRA_UID_RANGE].some((type) => a.has(type));
  if (other || tos !== 0 || (flags & N.FIB_RULE_INVERT) !== 0) return -EOPNOTSUPP;
  const full = isV4 ? 32 : 128;
  if (destinationPrefix > full || sourcePrefix > full) return -EINVAL;
  const masked = (type: number, prefix: number): IpAddress | null =>
    prefix === 0 ? null : addressOf(a.get(type), isV4)?.masked(prefix) ?? null;
  let oif = 0;
  const name = a.text(N.FRA_OIFNAME);
  if (name !== null) {
    const at = network.stack.interfaceByName(name);
    if (at === null) return -ENODEV;
    oif = at.index;
  }
  return {
    priority: a.number(N.FRA_PRIORITY),
    table: a.number(N.FRA_TABLE, body[4]),
    source: masked(N.FRA_SRC, sourcePrefix),
    sourcePrefix,
    destination: masked(N.FRA_DST, destinationPrefix),
    destinationPrefix,
    mark: a.number(N.FRA_FWMARK),
    markMask: a.number(N.FRA_FWMASK, a.has(N.FRA_FWMARK) ? 0xffffffff : 0),
    oif,
    isV4,
  };
}

function isFor(
  own: IpAddress | null,
  ownPrefix: number,
  wanted: IpAddress | null,
  prefix: number,
): boolean {
  return prefix === 0 ||
    (prefix === ownPrefix && wanted !== null && own !== null && own.equals(wanted));
}

/** Whether a rule has all that is given of `wanted`. */
function fits(r: RoutingRule, wanted: RoutingRule): boolean {
  return r.isV4 === wanted.isV4 && (wanted.priority === 0 || r.priority === wanted.priority) &&
    (wanted.table === 0 || r.table === wanted.table) &&
    isFor(r.source, r.sourcePrefix, wanted.source, wanted.sourcePrefix) &&
    isFor(r.destination, r.destinationPrefix, wanted.destination, wanted.destinationPrefix) &&
    (wanted.mark === 0 || r.mark === wanted.mark) &&
    (wanted.markMask === 0 || r.markMask === wanted.markMask) &&
    (wanted.oif === 0 || r.oif === wanted.oif);
}

/** Adds or removes a rule. */
export function changeRule({ network }: RouteContext, q: NetlinkRequest): number {
  const rule = parse(network, q.body);
  if (typeof rule === "number") return rule;
  const { routes } = network.stack.ctx;
  const { rules } = routes;
  const tell = (r: RoutingRule, gone: boolean) => {
    if (routes.events instanceof RouteEvents) routes.events.rule(r, gone);
    routes.generation++;
  };
  if (q.type === N.RTM_DELRULE) {
    const i = rules.findIndex((r) => fits(r, rule));
    // The three that always are there stay.
    if (i < 0) return ALWAYS.some((r) => fits(r, rule)) ? -EOPNOTSUPP : -ENOENT;
    const [gone] = rules.splice(i, 1);
    tell(gone, true);
    return 0;
  }
  if (q.body[7] !== N.FR_ACT_TO_TBL) return -EOPNOTSUPP;
  if (rules.length >= MAX_RULES) return -ENOBUFS;
  if (rule.priority === 0) {
    const taken = rules.filter((r) => r.isV4 === rule.isV4).map((r) => r.priority);
    rule.priority = taken.length === 0 ? LAST_FREE : Math.max(Math.min(...taken) - 1, 1);
  } else if ((q.flags & N.NLM_F_EXCL) !== 0 && rules.some((r) => fits(r, rule))) return -EEXIST;
  let i = 0;
  while (i < rules.length && rules[i].priority <= rule.priority) i++;
  rules.splice(i, 0, rule);
  tell(rule, false);
  return 0;
}
