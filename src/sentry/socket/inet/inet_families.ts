/** Makes the sockets of AF_INET, AF_INET6 and AF_NETLINK. Loaded when a program first asks for one. */

import { EACCES, EPERM, EPROTONOSUPPORT, ESOCKTNOSUPPORT } from "../../../abi/errno.ts";
import * as N from "../../../abi/netlink.ts";
import { CAP_NET_RAW } from "../../../abi/capability.ts";
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  IPPROTO_ICMP,
  IPPROTO_ICMPV6,
  IPPROTO_TCP,
  IPPROTO_UDP,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_STREAM,
} from "../../../abi/socket.ts";
import type { Task } from "../../kernel/task.ts";
import { registerFamily } from "../families.ts";
import { DiagSocket } from "../netlink/diag_socket.ts";
import { GenericSocket } from "../netlink/generic_socket.ts";
import { AuditSocket, UeventSocket, UserSocket } from "../netlink/quiet_sockets.ts";
import { RouteSocket } from "../netlink/route_socket.ts";
import { setInterfaceAnswer } from "../interface_requests.ts";
import { interfaceIoctl } from "./interface_ioctl.ts";
import type { SocketFile } from "../socket_file.ts";
import { DatagramInetSocket } from "./datagram_socket.ts";
import { stackOf } from "./inet_socket.ts";
import { TcpSocket } from "./tcp_socket.ts";

function make(
  t: Task,
  family: number,
  type: number,
  protocol: number,
  flags: number,
): SocketFile | number {
  const network = stackOf(t);
  const { stack } = network;
  const v6 = family === AF_INET6;
  switch (type) {
    case SOCK_STREAM:
      if (protocol !== 0 && protocol !== IPPROTO_TCP) return -EPROTONOSUPPORT;
      return new TcpSocket(t, network, stack.tcp.createEndpoint(v6), family, flags);
    case SOCK_DGRAM: {
      const icmp = v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP;
      if (protocol === icmp) {
        const { pingGroupLow, pingGroupHigh } = stack.ctx.settings;
        const gid = t.creds.egid;
        if (gid < pingGroupLow || gid > pingGroupHigh) return -EACCES;
        const ping = stack.ping.createEndpoint(v6);
        return new DatagramInetSocket(t, network, ping, family, type, protocol, flags);
      }
      if (protocol !== 0 && protocol !== IPPROTO_UDP) return -EPROTONOSUPPORT;
      const udp = stack.udp.createEndpoint(v6);
      return new DatagramInetSocket(t, network, udp, family, type, IPPROTO_UDP, flags);
    }
    case SOCK_RAW: {
      if (protocol === 0 || protocol < 0 || protocol > 255) return -EPROTONOSUPPORT;
      if (!t.creds.capable(CAP_NET_RAW)) return -EPERM;
      const raw = stack.raw.createEndpoint(v6, protocol);
      return new DatagramInetSocket(t, network, raw, family, type, protocol, flags);
    }
    default:
      return -ESOCKTNOSUPPORT;
  }
}

/** AF_NETLINK (netlink(7)). */
function makeNetlink(t: Task, type: number, protocol: number, flags: number): SocketFile | number {
  if (type !== SOCK_RAW && type !== SOCK_DGRAM) return -ESOCKTNOSUPPORT;
  switch (protocol) {
    case N.NETLINK_ROUTE:
      return new RouteSocket(t, type, flags);
    case N.NETLINK_SOCK_DIAG:
      return new DiagSocket(t, type, flags);
    case N.NETLINK_GENERIC:
      return new GenericSocket(t, type, flags);
    case N.NETLINK_KOBJECT_UEVENT:
      return new UeventSocket(t, type, flags);
    case N.NETLINK_AUDIT:
      return new AuditSocket(t, type, flags);
    case N.NETLINK_USERSOCK:
      return new UserSocket(t, type, flags);
    default:
      return -EPROTONOSUPPORT;
  }
}

/** Adds the families. */
export function registerInetFamilies(): void {
  setInterfaceAnswer((t, cmd, arg) => interfaceIoctl(t, stackOf(t), cmd, arg));
  registerFamily(AF_NETLINK, makeNetlink);
  registerFamily(AF_INET, (t, type, protocol, flags) => make(t, AF_INET, type, protocol, flags));
  registerFamily(AF_INET6, (t, type, protocol, flags) => make(t, AF_INET6, type, protocol, flags));
}
