/** Membership of interfaces in multicast groups, counted over the endpoints that joined. */

import { ENOBUFS } from "../core/errno.ts";
import type { IpAddress } from "../wire/address.ts";
import type { NetContext } from "./context.ts";
import { GroupMembership, type NetworkInterface } from "./interface.ts";

/** Groups that one interface can be in. */
const MAX_GROUPS = 1024;

/** Tells routers of memberships: IGMP and MLD. */
export interface GroupReporter {
  /** The first user joined. */
  joined(at: NetworkInterface, g: GroupMembership): void;
  /** The last user left. */
  left(at: NetworkInterface, g: GroupMembership): void;
  /** The membership's timer came up. */
  due(at: NetworkInterface, g: GroupMembership): void;
}

/** The memberships of one stack. */
export class Groups {
  private readonly ctx: NetContext;
  reporter4: GroupReporter | null = null;
  reporter6: GroupReporter | null = null;

  constructor(ctx: NetContext) {
    this.ctx = ctx;
  }

  private reporter(group: IpAddress): GroupReporter | null {
    return group.isV4 ? this.reporter4 : this.reporter6;
  }

  /** Adds a user of `group` at an interface. */
  join(at: NetworkInterface, group: IpAddress): number {
    const have = at.groups.get(group);
    if (have !== null) {
      have.users++;
      return 0;
    }
    if (at.groups.size >= MAX_GROUPS) return -ENOBUFS;
    const g = new GroupMembership(group, (m) => this.reporter(m.group)?.due(at, m));
    at.groups.set(group, g);
    this.reporter(group)?.joined(at, g);
    return 0;
  }

  /** Removes a user of `group`. */
  leave(at: NetworkInterface, group: IpAddress): void {
    const g = at.groups.get(group);
    if (g === null || --g.users > 0) return;
    this.ctx.timers.remove(g);
    at.groups.delete(group);
    this.reporter(group)?.left(at, g);
  }
}
