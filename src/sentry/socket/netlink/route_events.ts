/** Tells those who have joined a group of rtnetlink(7) what changes. */

import * as N from "../../../abi/netlink.ts";
import { NetlinkWriter } from "../../../abi/netlink_message.ts";
import type { NetworkEvents } from "../../../netstack/network/events.ts";
import type { InterfaceAddress, NetworkInterface } from "../../../netstack/network/interface.ts";
import { type Neighbour, NeighbourState } from "../../../netstack/network/neighbour.ts";
import type { RouteEntry } from "../../../netstack/network/route.ts";
import type { RoutingRule } from "../../../netstack/network/routing.ts";
import type { NetworkStack } from "../inet/network_stack.ts";
import { type Asker, multicast, netlinkSockets } from "./netlink_socket.ts";
import {
  writeAddress,
  writeLink,
  writeNeighbour,
  writeRoute,
  writeRule,
} from "./route_messages.ts";

const NOBODY: Asker = { sequence: 0, port: 0 };

/** The notifications of one namespace. */
export class RouteEvents implements NetworkEvents {
  private readonly network: NetworkStack;
  private readonly writer: NetlinkWriter = new NetlinkWriter();

  constructor(network: NetworkStack) {
    this.network = network;
  }

  /** Listens to the network while somebody is in a group, and not longer. */
  static update(network: NetworkStack): void {
    let listeners = 0;
    for (const socket of netlinkSockets(network.net, N.NETLINK_ROUTE)) {
      listeners += socket.groupCount;
    }
    const { routes } = network.stack.ctx;
    if (listeners === 0) routes.events = null;
    else routes.events ??= new RouteEvents(network);
  }

  private tell(group: number): void {
    multicast(this.network.net, N.NETLINK_ROUTE, group, this.writer.take());
  }

  link(at: NetworkInterface, gone: boolean): void {
    writeLink(this.writer, at, NOBODY, 0, gone);
    this.tell(N.RTNLGRP_LINK);
  }

  address(at: NetworkInterface, entry: InterfaceAddress, gone: boolean): void {
    const now = this.network.stack.ctx.clock.now();
    writeAddress(this.writer, at, entry, NOBODY, 0, now, gone);
    this.tell(entry.address.isV4 ? N.RTNLGRP_IPV4_IFADDR : N.RTNLGRP_IPV6_IFADDR);
  }

  route(entry: RouteEntry, gone: boolean): void {
    writeRoute(this.writer, entry, NOBODY, 0, gone);
    this.tell(entry.destination.isV4 ? N.RTNLGRP_IPV4_ROUTE : N.RTNLGRP_IPV6_ROUTE);
  }

  neighbour(at: NetworkInterface, n: Neighbour): void {
    // A neighbour whose address was asked for the first time is no news.
    if (n.state === NeighbourState.Incomplete) return;
    writeNeighbour(this.writer, at, n, NOBODY, 0);
    this.tell(N.RTNLGRP_NEIGH);
  }

  rule(r: RoutingRule, gone: boolean): void {
    writeRule(this.writer, r, NOBODY, 0, gone);
    this.tell(r.isV4 ? N.RTNLGRP_IPV4_RULE : N.RTNLGRP_IPV6_RULE);
  }
}
