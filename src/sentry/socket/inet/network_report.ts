/** Tables of /proc/net about the stack (proc_pid_net(5)). */

import { byDestination, RouteType } from "../../../netstack/network/route.ts";
import { RawEndpoint } from "../../../netstack/transport/raw_endpoint.ts";
import { TcpEndpoint } from "../../../netstack/transport/tcp/endpoint.ts";
import { UdpEndpoint } from "../../../netstack/transport/udp_endpoint.ts";
import type { Stack } from "../../../netstack/stack/stack.ts";
import type { IpAddress } from "../../../netstack/wire/address.ts";
import type { InetSocket } from "./inet_socket.ts";

const ESTABLISHED = 1;
const CLOSE = 7;
const LISTEN = 10;
const RTF_UP = 1;
const RTF_GATEWAY = 2;
const RTF_HOST = 4;
/** Lines of these tables are padded to one length. */
const TCP_LINE = 149;
const UDP_LINE = 127;
const ROUTE_LINE = 127;

function hex(value: number, width: number): string {
  return (value >>> 0).toString(16).toUpperCase().padStart(width, "0");
}

/** A 32-bit word of an address, as a little-endian machine prints it. */
function word(value: number): string {
  const swapped = (value >>> 24) | ((value >>> 8) & 0xff00) | ((value << 8) & 0xff0000) |
    (value << 24);
  return hex(swapped, 8);
}

function place(address: IpAddress, port: number, v6: boolean): string {
  const text = v6
    ? word(address.w0) + word(address.w1) + word(address.w2) + word(address.w3)
    : word(address.isV4 ? address.v4 : 0);
  return `${text}:${hex(port, 4)}`;
}

/** tcp, tcp6, udp, udp6, raw, raw6: the sockets of a kind, without the header. */
export function socketTable(sockets: Iterable<InetSocket>, kind: string, v6: boolean): string {
  let text = "";
  let n = 0;
  for (const s of sockets) {
    const e = s.endpoint;
    if (s.isV6 !== v6) continue;
    const isTcp = e instanceof TcpEndpoint;
    const matches = kind === "tcp"
      ? isTcp && (e.localPort !== 0)
      : kind === "udp"
      ? e instanceof UdpEndpoint && e.localPort !== 0
      : e instanceof RawEndpoint;
    if (!matches) continue;
    const state = isTcp
      ? e.listening ? LISTEN : e.state
      : "connected" in e && e.connected
      ? ESTABLISHED
      : CLOSE;
    const queues = `${hex(Math.max(s.unsent, 0), 8)}:${hex(Math.max(s.unread, 0), 8)}`;
    const local = e instanceof RawEndpoint ? e.protocol : e.localPort;
    const line = `${String(n++).padStart(isTcp ? 4 : 5)}: ${place(e.local, local, v6)} ${
      place(e.remote, e.remotePort, v6)
    } ${hex(state, 2)} ${queues} 00:00000000 00000000 ${
      String(e.uid).padStart(5)
    }        0 ${s.inode.ino} ${isTcp ? "1" : "2"} 0000000000000000 ${
      isTcp ? "100 0 0 10 0" : "0"
    }`;
    text += line.padEnd(isTcp ? TCP_LINE : UDP_LINE) + "\n";
  }
  return text;
}

/** dev: traffic of each interface, without the headers. */
export function deviceTable(stack: Stack): string {
  let text = "";
  for (const at of stack.interfaces()) {
    const cell = (value: number, width: number) => String(value).padStart(width);
    text += `${at.name.padStart(6)}:${cell(at.rxBytes, 8)}${cell(at.rxPackets, 8)}    0${
      cell(at.rxDropped, 5)
    }    0     0          0${cell(at.rxMulticast, 10)}${cell(at.txBytes, 9)}${
      cell(at.txPackets, 8)
    }    0${cell(at.txDropped, 5)}    0     0       0          0\n`;
  }
  return text;
}

/** route: routes of IPv4 in the main table, without the header. */
export function routeTable(stack: Stack): string {
  let text = "";
  for (const r of [...stack.ctx.routes.list(true)].sort(byDestination)) {
    if (r.type !== RouteType.Unicast || r.table !== 254) continue;
    const at = stack.interfaces().find((i) => i.index === r.interfaceIndex);
    if (at === undefined || at.isLoopback) continue;
    const flags = RTF_UP | (r.gateway !== null ? RTF_GATEWAY : 0) |
      (r.prefix === 32 ? RTF_HOST : 0);
    const mask = r.prefix === 0 ? 0 : -1 << (32 - r.prefix);
    const line = `${at.name}\t${word(r.destination.v4)}\t${
      word(r.gateway === null ? 0 : r.gateway.v4)
    }\t${hex(flags, 4)}\t0\t0\t${r.metric}\t${word(mask)}\t${r.mtu}\t0\t0`;
    text += line.padEnd(ROUTE_LINE) + "\n";
  }
  return text;
}

/** if_inet6: addresses of IPv6. */
export function inet6Table(stack: Stack): string {
  let text = "";
  for (const at of stack.interfaces()) {
    for (const e of at.addresses) {
      const a = e.address;
      if (a.isV4) continue;
      const digits = [a.w0, a.w1, a.w2, a.w3].map((w) => hex(w, 8).toLowerCase()).join("");
      const scope = a.isLoopback ? 0x10 : a.isLinkLocal ? 0x20 : 0;
      text += `${digits} ${hex(at.index, 2)} ${hex(e.prefix, 2).toLowerCase()} ${
        hex(scope, 2)
      } 80 ${at.name.padStart(8)}\n`;
    }
  }
  return text;
}
