import { EINVAL, EOPNOTSUPP, EPERM } from "../../../abi/errno.ts";
import { CAP_NET_ADMIN } from "../../../abi/capability.ts";
import * as N from "../../../abi/netlink.ts";
import type { NetlinkWriter } from "../../../abi/netlink_message.ts";
import type { Task } from "../../kernel/task.ts";
import { type NetworkStack, networkStack } from "../inet/network_stack.ts";
import { changeAddress, dumpAddresses } from "./address_requests.ts";
import { changeLink, dumpLinks, getLink, removeLinkRequest } from "./link_requests.ts";
import { changeNeighbour, dumpNeighbours, getNeighbour } from "./neighbour_requests.ts";
import { type NetlinkRequest, NetlinkSocket } from "./netlink_socket.ts";
import { RouteEvents } from "./route_events.ts";
import { changeRoute, dumpRoutes, getRoute } from "./route_requests.ts";
import { changeRule, dumpRules } from "./rule_requests.ts";

/** What requests work on. */
export interface RouteContext {
  readonly network: NetworkStack;
  readonly writer: NetlinkWriter;
  /** To be called after each message of a dump. */
  readonly written: () => void;
}

/** A NETLINK_ROUTE socket (rtnetlink(7)): it tells of and changes interfaces, addresses, routes, neighbours, rules. */
export class RouteSocket extends NetlinkSocket {
  private readonly context: RouteContext;

  constructor(t: Task, type: number, flags: number) {
    super(t, type, N.NETLINK_ROUTE, flags);
    this.context = {
      network: networkStack(t.kernel, this.net),
      writer: this.writer,
      written: () => this.sendLongReplies(),
    };
  }

  protected override groupsChanged(): void {
    RouteEvents.update(this.context.network);
  }

  protected override handle(request: NetlinkRequest): number {
    if (request.body.length < 1) return -EINVAL;
    if (this.isGet(request.type)) return request.isDump ? this.dump(request) : this.get(request);
    if (!request.task.creds.capable(CAP_NET_ADMIN, this.net.userNs)) return -EPERM;
    const r = this.change(request);
    this.context.network.pump();
    return r;
  }

  private dump(request: NetlinkRequest): number {
    const { context } = this;
    switch (request.type) {
      case N.RTM_GETLINK:
        return dumpLinks(context, request);
      case N.RTM_GETADDR:
        return dumpAddresses(context, request);
      case N.RTM_GETROUTE:
        return dumpRoutes(context, request);
      case N.RTM_GETNEIGH:
        return dumpNeighbours(context, request);
      case N.RTM_GETRULE:
        return dumpRules(context, request);
      // There are none of these.
      case N.RTM_GETQDISC:
      case N.RTM_GETTCLASS:
      case N.RTM_GETTFILTER:
      case N.RTM_GETNETCONF:
      case N.RTM_GETNEIGHTBL:
      case N.RTM_GETADDRLABEL:
      case N.RTM_GETMULTICAST:
      case N.RTM_GETANYCAST:
      case N.RTM_GETNEXTHOP:
      case N.RTM_GETMDB:
      case N.RTM_GETVLAN:
      case N.RTM_GETNSID:
        return 0;
      default:
        return -EOPNOTSUPP;
    }
  }

  private get(request: NetlinkRequest): number {
    const { context } = this;
    switch (request.type) {
      case N.RTM_GETLINK:
        return getLink(context, request);
      case N.RTM_GETROUTE:
        return getRoute(context, request);
      case N.RTM_GETNEIGH:
        return getNeighbour(context, request);
      case N.RTM_GETNSID:
        // No namespace has been given an id.
        this.writer.begin(N.RTM_NEWNSID, 0, request.sequence, request.port).u32(0);
        this.writer.attribute32(N.NETNSA_NSID, 0xffffffff).end();
        return 0;
      default:
        return -EOPNOTSUPP;
    }
  }

  private change(request: NetlinkRequest): number {
    const { context } = this;
    switch (request.type) {
      case N.RTM_NEWLINK:
      case N.RTM_SETLINK:
        return changeLink(context, request);
      case N.RTM_DELLINK:
        return removeLinkRequest(context, request);
      case N.RTM_NEWADDR:
      case N.RTM_DELADDR:
        return changeAddress(context, request);
      case N.RTM_NEWROUTE:
      case N.RTM_DELROUTE:
        return changeRoute(context, request);
      case N.RTM_NEWNEIGH:
      case N.RTM_DELNEIGH:
        return changeNeighbour(context, request);
      case N.RTM_NEWRULE:
      case N.RTM_DELRULE:
        return changeRule(context, request);
      default:
        return -EOPNOTSUPP;
    }
  }
}
