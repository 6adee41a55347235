/** Netlink families of which there is nothing to tell, that programs open and listen to nevertheless. */

import { ECONNREFUSED } from "../../../abi/errno.ts";
import * as N from "../../../abi/netlink.ts";
import type { Task } from "../../kernel/task.ts";
import { type NetlinkRequest, NetlinkSocket } from "./netlink_socket.ts";

/** NETLINK_KOBJECT_UEVENT: devices come and go, which here they do not. Programs may send events to each other. */
export class UeventSocket extends NetlinkSocket {
  constructor(t: Task, type: number, flags: number) {
    super(t, type, N.NETLINK_KOBJECT_UEVENT, flags);
  }

  // What is sent to the kernel is no request.
  protected override answerAll(): void {}

  protected override handle(_q: NetlinkRequest): number {
    return 0;
  }
}

/** NETLINK_AUDIT: no auditing, which a program in a container is told like this (kernel/audit.c). */
export class AuditSocket extends NetlinkSocket {
  constructor(t: Task, type: number, flags: number) {
    super(t, type, N.NETLINK_AUDIT, flags);
  }

  protected override groupsAreOpen(): boolean {
    return false;
  }

  protected override isGet(): boolean {
    return false;
  }

  protected override handle(_q: NetlinkRequest): number {
    return -ECONNREFUSED;
  }
}

/** NETLINK_USERSOCK: programs among themselves. */
export class UserSocket extends NetlinkSocket {
  constructor(t: Task, type: number, flags: number) {
    super(t, type, N.NETLINK_USERSOCK, flags);
  }

  protected override answerAll(): void {}

  protected override handle(_q: NetlinkRequest): number {
    return 0;
  }
}
