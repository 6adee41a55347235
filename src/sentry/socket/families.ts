/** Which families of sockets there are, and how they make sockets. */

import { EAFNOSUPPORT, EPROTONOSUPPORT, ERESTARTNOINTR, ESOCKTNOSUPPORT } from "../../abi/errno.ts";
import { POLLIN } from "../../abi/poll.ts";
import {
  AF_INET,
  AF_INET6,
  AF_NETLINK,
  AF_UNIX,
  SOCK_DGRAM,
  SOCK_RAW,
  SOCK_SEQPACKET,
  SOCK_STREAM,
} from "../../abi/socket.ts";
import type { Task } from "../kernel/task.ts";
import { WaitQueue } from "../kernel/wait.ts";
import { setInterfaceLoader } from "./interface_requests.ts";
import type { SocketFile } from "./socket_file.ts";
import { ConnectionSocket } from "./unix/connection_socket.ts";
import { DatagramSocket } from "./unix/datagram_socket.ts";
import { PacketSocket } from "./unix/packet_socket.ts";
import { StreamSocket } from "./unix/stream_socket.ts";
import { credentialsOf, UnixSocket } from "./unix/unix_socket.ts";

/** Makes a socket; `flags` may hold O_NONBLOCK. */
export type SocketMaker = (
  t: Task,
  type: number,
  protocol: number,
  flags: number,
) => SocketFile | number;

const families: Map<number, SocketMaker> = new Map([[AF_UNIX, makeUnix]]);

/** Adds a family, by its AF_* number. */
export function registerFamily(family: number, make: SocketMaker): void {
  families.set(family, make);
}

/** Woken when a family has been loaded. */
const loaded = new WaitQueue();

/** Asks for the code of the internet families, which most sandboxes never need; the call is run again then. */
function loadInet(t: Task): number {
  t.kernel.defer(async () => {
    const { registerInetFamilies } = await import("./inet/inet_families.ts");
    registerInetFamilies();
    loaded.notify(POLLIN);
  });
  t.waitOn(loaded, POLLIN);
  return t.sleep(-ERESTARTNOINTR);
}

setInterfaceLoader(loadInet);

/** socket(2) after its flags are parsed. */
export function makeSocket(
  t: Task,
  family: number,
  type: number,
  protocol: number,
  flags: number,
): SocketFile | number {
  const make = families.get(family);
  if (make !== undefined) return make(t, type, protocol, flags);
  const known = family === AF_INET || family === AF_INET6 || family === AF_NETLINK;
  return known ? loadInet(t) : -EAFNOSUPPORT;
}

function makeUnix(t: Task, type: number, protocol: number, flags: number): UnixSocket | number {
  if (protocol !== 0 && protocol !== AF_UNIX) return -EPROTONOSUPPORT;
  const net = t.nsproxy.net;
  switch (type) {
    case SOCK_STREAM:
      return new StreamSocket(t, net, flags);
    case SOCK_DGRAM:
    case SOCK_RAW:
      return new DatagramSocket(t, net, flags);
    case SOCK_SEQPACKET:
      return new PacketSocket(t, net, flags);
    default:
      return -ESOCKTNOSUPPORT;
  }
}

/** Joins two fresh unix sockets, for socketpair(2). */
export function joinUnix(t: Task, a: UnixSocket, b: UnixSocket): void {
  if (a instanceof ConnectionSocket && b instanceof ConnectionSocket) {
    ConnectionSocket.connectPair(a, b);
  } else {
    UnixSocket.join(a, b);
  }
  a.notePeer(credentialsOf(t), t.creds.groups);
  b.notePeer(credentialsOf(t), t.creds.groups);
}
