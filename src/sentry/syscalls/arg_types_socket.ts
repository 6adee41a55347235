/** Types of arguments of sockets. */

import * as netlinks from "../../abi/netlink.ts";
import * as sockets from "../../abi/socket.ts";
import {
  Cmsghdr,
  Linger,
  Msghdr,
  SockaddrIn,
  SockaddrIn6,
  SockaddrLl,
  SockaddrNl,
  Ucred,
} from "../../abi/structs/socket.ts";
import { Timeval } from "../../abi/structs/time.ts";
import { address, ARRAY_LIMIT, Enumeration, FlagSet, hex64, quote } from "../strace/format.ts";
import {
  type ArgType,
  type Call,
  choice,
  early,
  flags,
  late,
  printBytes,
  printValue,
} from "./arg_types.ts";
import { printMessageIovec } from "./arg_types_file.ts";

const families = new Enumeration(sockets, /^AF_(?!LOCAL|FILE|ROUTE|MAX)/, "AF_");
const types = new Enumeration(
  sockets,
  /^SOCK_(STREAM|DGRAM|RAW|RDM|SEQPACKET|DCCP|PACKET)$/,
  "SOCK_",
);
const protocols = new Enumeration(sockets, /^IPPROTO_(?!HOPOPTS)/, "IPPROTO_");
const netlinkProtocols = new Enumeration(
  netlinks,
  /^NETLINK_(?!.*_MEMBERSHIP|EXT_|GET_)/,
  "NETLINK_",
);
const messageNames = new FlagSet(sockets, /^MSG_/, "MSG_");

export const family: ArgType = choice(families, "address family");
export const socketType: ArgType = early("socket type", (v) => {
  const name = types.print(v & sockets.SOCK_TYPE_MASK);
  const extra = [
    v & sockets.SOCK_CLOEXEC ? "|SOCK_CLOEXEC" : "",
    v & sockets.SOCK_NONBLOCK ? "|SOCK_NONBLOCK" : "",
  ].join("");
  const known = sockets.SOCK_TYPE_MASK | sockets.SOCK_CLOEXEC | sockets.SOCK_NONBLOCK;
  const rest = (v & ~known) >>> 0;
  return name + extra + (rest === 0 ? "" : `|${hex64(rest)}`);
});
export const acceptFlags: ArgType = flags(
  new FlagSet(sockets, /^SOCK_(CLOEXEC|NONBLOCK)$/, "SOCK_"),
  "accept flags",
);
export const protocol: ArgType = early("protocol", (v, call) => {
  switch (call.args[0] | 0) {
    case sockets.AF_INET:
    case sockets.AF_INET6:
      return protocols.print(v | 0);
    case sockets.AF_NETLINK:
      return netlinkProtocols.print(v | 0);
    default:
      return String(v | 0);
  }
});
export const messageFlags: ArgType = flags(messageNames, "message flags");
export const shutdownHow: ArgType = choice(new Enumeration(sockets, /^SHUT_/, "SHUT_"), "how");

function printIpv4(bytes: Uint8Array): string {
  return bytes.join(".");
}

function printIpv6(bytes: Uint8Array): string {
  const groups: string[] = [];
  for (let i = 0; i < 16; i += 2) groups.push(((bytes[i] << 8) | bytes[i + 1]).toString(16));
  const zeros = groups.join(":").match(/(?:^|:)(?:0(?::|$)){2,}/g);
  if (zeros === null) return groups.join(":");
  const longest = zeros.reduce((a, b) => b.length > a.length ? b : a);
  return groups.join(":").replace(longest, "::");
}

function printUnixPath(path: Uint8Array): string {
  if (path.length === 0) return "";
  if (path[0] === 0) return `, sun_path=@${quote(path.subarray(1), false)}`;
  const end = path.indexOf(0);
  return `, sun_path=${quote(end < 0 ? path : path.subarray(0, end), false)}`;
}

/** The socket address of `length` bytes at an address. */
export function printSockaddr(at: number, length: number, call: Call): string {
  if (at === 0) return "NULL";
  const found = call.view.bytes(at, Math.min(length, sockets.SOCKADDR_STORAGE_SIZE));
  if (found === null || found.length < 2) return hex64(at);
  const raw = found.slice();
  const padded = new Uint8Array(sockets.SOCKADDR_STORAGE_SIZE);
  padded.set(raw);
  const view = new DataView(padded.buffer);
  const kind = view.getUint16(0, true);
  const head = `{sa_family=${families.print(kind)}`;
  switch (kind) {
    case sockets.AF_UNIX:
      return `${head}${printUnixPath(raw.subarray(2, 110))}}`;
    case sockets.AF_INET: {
      const { sin_port } = SockaddrIn.read(view, 0);
      return `${head}, sin_port=htons(${sin_port}), sin_addr=inet_addr("${
        printIpv4(padded.subarray(4, 8))
      }")}`;
    }
    case sockets.AF_INET6: {
      const a = SockaddrIn6.read(view, 0);
      return `${head}, sin6_port=htons(${a.sin6_port}), sin6_flowinfo=htonl(${a.sin6_flowinfo}), ` +
        `inet_pton(AF_INET6, "${
          printIpv6(a.sin6_addr)
        }", &sin6_addr), sin6_scope_id=${a.sin6_scope_id}}`;
    }
    case sockets.AF_NETLINK: {
      const a = SockaddrNl.read(view, 0);
      const groups = a.nl_groups.toString(16).padStart(8, "0");
      return `${head}, nl_pid=${a.nl_pid}, nl_groups=${groups}}`;
    }
    case sockets.AF_PACKET: {
      const a = SockaddrLl.read(view, 0);
      return `${head}, sll_protocol=htons(${hex64(a.sll_protocol)}), sll_ifindex=${a.sll_ifindex}}`;
    }
    case sockets.AF_UNSPEC:
      return `${head}, sa_data=${quote(raw.subarray(2, 16), raw.length > 16)}}`;
    default:
      return `${head}, sa_data=${quote(raw.subarray(2, 16), raw.length > 16)}}`;
  }
}

/** The address that the call reads; argument `length` is its size. */
export function sockaddrIn(length: number): ArgType {
  return early("sockaddr", (v, call) => printSockaddr(v, call.args[length], call));
}

/** The address that the call writes; argument `length` points to its size. */
export function sockaddrOut(length: number): ArgType {
  return late("sockaddr out", (v, call) => {
    const size = call.args[length] === 0 ? null : call.view.int(call.args[length]);
    return size === null ? address(v) : printSockaddr(v, size, call);
  });
}

/** The size of an address, which the call reads and writes. */
export const lengthInOut: ArgType = late("length", (v, call) => {
  const length = call.view.int(v);
  return length === null ? address(v) : `[${length}]`;
});

const levels = new Enumeration(sockets, /^SOL_/, "SOL_");
const optionNames: Readonly<Record<number, Enumeration>> = {
  [sockets.SOL_SOCKET]: new Enumeration(sockets, /^SO_(?!GET_FILTER|DETACH_BPF)/, "SO_"),
  [sockets.SOL_IP]: new Enumeration(
    sockets,
    /^(IP_(?!PMTUDISC|DEFAULT|MAX_|RECVRETOPTS|RECVORIG)|MCAST_)/,
    "IP_",
  ),
  [sockets.SOL_IPV6]: new Enumeration(
    sockets,
    /^IPV6_(?!PMTUDISC|RTHDR_|ADD_M|DROP_M|RXH|RXD|RECVORIG)/,
    "IPV6_",
  ),
  [sockets.SOL_TCP]: new Enumeration(
    sockets,
    /^TCP_(?!MSS_|CM_|ESTAB|SYN_|FIN_|TIME_WAIT|CLOS|LAST|LISTEN)/,
    "TCP_",
  ),
  [sockets.SOL_UDP]: new Enumeration(sockets, /^UDP_/, "UDP_"),
  [sockets.SOL_PACKET]: new Enumeration(
    sockets,
    /^PACKET_(ADD|DROP|RECV|RX|STAT|AUX|VERSION|HDRLEN|RESERVE|TX_RING|LOSS|VNET|FANOUT$)/,
    "PACKET_",
  ),
  [sockets.SOL_NETLINK]: new Enumeration(
    netlinks,
    /^NETLINK_(.*_MEMBERSHIP.*|PKTINFO|BROADCAST_ERROR|NO_ENOBUFS|CAP_ACK|EXT_ACK|GET_STRICT_CHK)$/,
    "NETLINK_",
  ),
};

export const optionLevel: ArgType = choice(levels, "option level");
export const optionName: ArgType = early("option name", (v, call) => {
  const names = optionNames[call.args[1] | 0];
  return names === undefined ? hex64(v >>> 0) : names.print(v | 0);
});

function printOption(at: number, length: number, call: Call): string {
  if (at === 0) return "NULL";
  if ((call.args[1] | 0) === sockets.SOL_SOCKET) {
    switch (call.args[2] | 0) {
      case sockets.SO_LINGER:
        return length >= Linger.size ? printValue(Linger, at, call) : hex64(at);
      case sockets.SO_PEERCRED:
        return length >= Ucred.size ? printValue(Ucred, at, call) : hex64(at);
      case sockets.SO_RCVTIMEO_OLD:
      case sockets.SO_SNDTIMEO_OLD:
        return length >= Timeval.size ? printValue(Timeval, at, call) : hex64(at);
    }
  }
  if (length !== 4) return printBytes(at, length, call);
  const value = call.view.int(at);
  return value === null ? hex64(at) : `[${value}]`;
}

export const optionIn: ArgType = early(
  "option value",
  (v, call) => printOption(v, call.args[4] | 0, call),
);
export const optionOut: ArgType = late("option value out", (v, call) => {
  const length = call.view.int(call.args[4]);
  return length === null ? address(v) : printOption(v, length, call);
});

const controlTypes = new Enumeration(sockets, /^SCM_(?!MAX|TIMESTAMPNS)/, "SCM_");

function printControl(at: number, length: number, call: Call): string {
  const found = call.view.bytes(at, Math.min(length, 1024));
  if (found === null) return address(at);
  const bytes = found.slice();
  const view = new DataView(bytes.buffer);
  const parts: string[] = [];
  for (let offset = 0; offset + Cmsghdr.size <= bytes.length;) {
    const header = Cmsghdr.read(view, offset);
    if (header.cmsg_len < Cmsghdr.size || header.cmsg_len > bytes.length - offset) break;
    const data = bytes.subarray(offset + Cmsghdr.size, offset + header.cmsg_len);
    const isSocket = header.cmsg_level === sockets.SOL_SOCKET;
    const type = isSocket ? controlTypes.print(header.cmsg_type) : hex64(header.cmsg_type);
    let value = quote(data.subarray(0, 32), data.length > 32);
    if (isSocket && header.cmsg_type === sockets.SCM_RIGHTS) {
      const fds: number[] = [];
      for (let i = 0; i + 4 <= data.length; i += 4) {
        fds.push(view.getInt32(offset + Cmsghdr.size + i, true));
      }
      value = `[${fds.join(", ")}]`;
    } else if (isSocket && header.cmsg_type === sockets.SCM_CREDENTIALS && data.length >= 12) {
      value = Ucred.print(Ucred.read(view, offset + Cmsghdr.size));
    }
    parts.push(
      `{cmsg_len=${header.cmsg_len}, cmsg_level=${
        levels.print(header.cmsg_level)
      }, cmsg_type=${type}, cmsg_data=${value}}`,
    );
    offset += Math.ceil(header.cmsg_len / 8) * 8;
  }
  return `[${parts.join(", ")}]`;
}

function printMessage(at: number, total: number, call: Call): string {
  const view = call.view.view(at, Msghdr.size);
  if (view === null) return address(at);
  const m = Msghdr.read(view, 0);
  const parts = [
    `msg_name=${printSockaddr(m.msg_name, m.msg_namelen, call)}`,
    `msg_namelen=${m.msg_namelen}`,
    `msg_iov=${printMessageIovec(m.msg_iov, m.msg_iovlen, total, call)}`,
    `msg_iovlen=${m.msg_iovlen}`,
  ];
  if (m.msg_controllen > 0) {
    parts.push(`msg_control=${printControl(m.msg_control, m.msg_controllen, call)}`);
  }
  parts.push(`msg_controllen=${m.msg_controllen}`, `msg_flags=${messageNames.print(m.msg_flags)}`);
  return `{${parts.join(", ")}}`;
}

export const messageIn: ArgType = early("msghdr", (v, call) => printMessage(v, Infinity, call));
export const messageOut: ArgType = late(
  "msghdr out",
  (v, call) => printMessage(v, call.result, call),
);

function printMessages(at: number, count: number, call: Call, received: boolean): string {
  const stride = 64;
  const parts: string[] = [];
  for (let i = 0; i < count; i++) {
    if (i === ARRAY_LIMIT) {
      parts.push("...");
      break;
    }
    const length = call.view.int(at + i * stride + Msghdr.size);
    if (length === null) return parts.length === 0 ? address(at) : `[${parts.join(", ")}, ...]`;
    const message = printMessage(at + i * stride, received ? length : Infinity, call);
    parts.push(`{msg_hdr=${message}${received ? `, msg_len=${length}` : ""}}`);
  }
  return `[${parts.join(", ")}]`;
}

export const messagesIn: ArgType = early(
  "mmsghdr[]",
  (v, call) => printMessages(v, call.args[2], call, false),
);
export const messagesOut: ArgType = late(
  "mmsghdr[] out",
  (v, call) => printMessages(v, call.result, call, true),
);
