/** Counters and small tables of /proc/net (proc_pid_net(5)): snmp, snmp6, netstat, sockstat, arp, ipv6_route, dev_mcast. */

import { RouteType } from "../../../netstack/network/route.ts";
import { RawEndpoint } from "../../../netstack/transport/raw_endpoint.ts";
import { TcpEndpoint } from "../../../netstack/transport/tcp/endpoint.ts";
import { TimeWait } from "../../../netstack/transport/tcp/time_wait.ts";
import { UdpEndpoint } from "../../../netstack/transport/udp_endpoint.ts";
import type { Stack } from "../../../netstack/stack/stack.ts";
import { formatMac, type IpAddress, multicastMac } from "../../../netstack/wire/address.ts";
import type { InetSocket } from "./inet_socket.ts";

type Fields = Record<string, number>;

/** Two lines as /proc/net/snmp has them: names, then numbers. */
function pair(title: string, fields: Fields): string {
  return `${title}: ${Object.keys(fields).join(" ")}\n${title}: ${
    Object.values(fields).join(" ")
  }\n`;
}

/** snmp. */
export function snmpTable(stack: Stack): string {
  const c = stack.ctx.counters;
  const s = stack.ctx.settings;
  const zeros = (...names: string[]) => Object.fromEntries(names.map((name) => [name, 0]));
  return pair("Ip", {
    Forwarding: s.forwarding4 ? 1 : 2,
    DefaultTTL: s.defaultTtl,
    InReceives: c.ipInReceives,
    InHdrErrors: c.ipInHeaderErrors,
    InAddrErrors: c.ipInAddressErrors,
    ForwDatagrams: c.ipForwarded,
    InUnknownProtos: c.ipInUnknownProtocols,
    InDiscards: c.ipInDiscards,
    InDelivers: c.ipInDelivers,
    OutRequests: c.ipOutRequests,
    OutDiscards: c.ipOutDiscards,
    OutNoRoutes: c.ipOutNoRoutes,
    ReasmTimeout: c.ipReassemblyTimeouts,
    ReasmReqds: c.ipReassemblyRequests,
    ReasmOKs: c.ipReassemblyOk,
    ReasmFails: c.ipReassemblyFails,
    FragOKs: c.ipFragmentsOk,
    FragFails: c.ipFragmentsFail,
    FragCreates: c.ipFragmentsCreated,
    OutTransmits: c.ipOutRequests + c.ipForwarded,
  }) + pair("Icmp", {
    InMsgs: c.icmpInMessages,
    InErrors: c.icmpInErrors,
    InCsumErrors: c.icmpInChecksumErrors,
    ...zeros("InDestUnreachs", "InTimeExcds", "InParmProbs", "InSrcQuenchs", "InRedirects"),
    ...zeros("InEchos", "InEchoReps", "InTimestamps", "InTimestampReps", "InAddrMasks"),
    InAddrMaskReps: 0,
    OutMsgs: c.icmpOutMessages,
    OutErrors: c.icmpOutErrors,
    OutRateLimitGlobal: c.icmpOutRateLimited,
    ...zeros("OutRateLimitHost", "OutDestUnreachs", "OutTimeExcds", "OutParmProbs"),
    ...zeros("OutSrcQuenchs", "OutRedirects", "OutEchos", "OutEchoReps", "OutTimestamps"),
    ...zeros("OutTimestampReps", "OutAddrMasks", "OutAddrMaskReps"),
  }) + pair("Tcp", {
    RtoAlgorithm: 1,
    RtoMin: 200,
    RtoMax: 120000,
    MaxConn: -1,
    ActiveOpens: c.tcpActiveOpens,
    PassiveOpens: c.tcpPassiveOpens,
    AttemptFails: c.tcpAttemptFails,
    EstabResets: c.tcpEstablishedResets,
    CurrEstab: c.tcpCurrentEstablished,
    InSegs: c.tcpInSegments,
    OutSegs: c.tcpOutSegments,
    RetransSegs: c.tcpRetransmitted,
    InErrs: c.tcpInErrors,
    OutRsts: c.tcpOutResets,
    InCsumErrors: c.tcpChecksumErrors,
  }) + pair("Udp", {
    InDatagrams: c.udpInDatagrams,
    NoPorts: c.udpNoPorts,
    InErrors: c.udpInErrors,
    OutDatagrams: c.udpOutDatagrams,
    RcvbufErrors: c.udpReceiveBufferErrors,
    SndbufErrors: c.udpSendBufferErrors,
    InCsumErrors: c.udpChecksumErrors,
    IgnoredMulti: 0,
    MemErrors: 0,
  }) + pair("UdpLite", {
    ...zeros("InDatagrams", "NoPorts", "InErrors", "OutDatagrams", "RcvbufErrors"),
    ...zeros("SndbufErrors", "InCsumErrors", "IgnoredMulti", "MemErrors"),
  });
}

/** snmp6. */
export function snmp6Table(stack: Stack): string {
  const c = stack.ctx.counters;
  const fields: Fields = {
    Ip6InReceives: c.ip6InReceives,
    Ip6InHdrErrors: c.ip6InHeaderErrors,
    Ip6InNoRoutes: 0,
    Ip6InAddrErrors: c.ip6InAddressErrors,
    Ip6InUnknownProtos: c.ip6InUnknownProtocols,
    Ip6InDiscards: c.ip6InDiscards,
    Ip6InDelivers: c.ip6InDelivers,
    Ip6OutForwDatagrams: c.ip6Forwarded,
    Ip6OutRequests: c.ip6OutRequests,
    Ip6OutDiscards: c.ip6OutDiscards,
    Ip6OutNoRoutes: c.ip6OutNoRoutes,
    Icmp6InMsgs: c.icmp6InMessages,
    Icmp6InErrors: c.icmp6InErrors,
    Icmp6OutMsgs: c.icmp6OutMessages,
  };
  return Object.entries(fields).map(([name, n]) => `${name.padEnd(32)}\t${n}\n`).join("");
}

/** netstat: the counters of it that the stack has. */
export function netstatTable(stack: Stack): string {
  const c = stack.ctx.counters;
  return pair("TcpExt", {
    SyncookiesSent: c.tcpSynCookiesSent,
    SyncookiesRecv: c.tcpSynCookiesReceived,
    SyncookiesFailed: c.tcpSynCookiesFailed,
    TW: c.tcpTimeWaits,
    TWRecycled: c.tcpTimeWaitRecycled,
    PAWSEstab: c.tcpPawsRejected,
    DelayedACKs: c.tcpDelayedAcks,
    ListenOverflows: c.tcpListenOverflows,
    ListenDrops: c.tcpListenDrops,
    TCPRenoRecovery: c.tcpRenoRecoveries,
    TCPSackRecovery: c.tcpSackRecoveries,
    TCPFullUndo: c.tcpUndos,
    TCPTimeouts: c.tcpTimeouts,
    TCPLossProbes: c.tcpLossProbes,
    TCPFastRetrans: c.tcpFastRetransmits,
    TCPAbortOnData: c.tcpAbortOnData,
    TCPAbortOnClose: c.tcpAbortOnClose,
    TCPAbortOnMemory: c.tcpAbortOnMemory,
    TCPAbortOnTimeout: c.tcpAbortOnTimeout,
    TCPChallengeACK: c.tcpChallengeAcks,
    TCPKeepAlive: c.tcpKeepAlives,
    TCPOFOQueue: c.tcpOutOfOrderQueued,
    TCPRcvQDrop: c.tcpReceiveQueueDrops,
    TCPFastOpenActive: c.tcpFastOpenActive,
    TCPFastOpenPassive: c.tcpFastOpenPassive,
  });
}

/** sockstat and sockstat6. */
export function socketCounts(sockets: Iterable<InetSocket>, stack: Stack, v6: boolean): string {
  let all = 0, tcp = 0, udp = 0, raw = 0, waits = 0, orphans = 0;
  const seen = new Set<unknown>();
  for (const s of sockets) {
    all++;
    seen.add(s.endpoint);
    if (s.isV6 !== v6) continue;
    if (s.endpoint instanceof TcpEndpoint) tcp++;
    else if (s.endpoint instanceof UdpEndpoint) udp++;
    else if (s.endpoint instanceof RawEndpoint) raw++;
  }
  const n = v6 ? "6" : "";
  const rest = `RAW${n}: inuse ${raw}\nFRAG${n}: inuse 0 memory 0\n`;
  if (v6) return `TCP6: inuse ${tcp}\nUDP6: inuse ${udp}\nUDPLITE6: inuse 0\n${rest}`;
  stack.tcp.table.forEach((b) => {
    if (b instanceof TimeWait) waits++;
    else if (b.remotePort !== 0 && !seen.has(b)) orphans++;
  });
  const pages = Math.ceil(stack.ctx.socketMemory / 4096);
  return `sockets: used ${all}\n` +
    `TCP: inuse ${tcp} orphan ${orphans} tw ${waits} alloc ${tcp} mem ${pages}\n` +
    `UDP: inuse ${udp} mem 0\nUDPLITE: inuse 0\n${rest}`;
}

function dotted(a: IpAddress): string {
  return [24, 16, 8, 0].map((shift) => (a.v4 >>> shift) & 255).join(".");
}

/** arp, without the header. */
export function arpTable(stack: Stack): string {
  let text = "";
  for (const at of stack.interfaces()) {
    for (const n of at.neighbours4?.list() ?? []) {
      const flags = n.mac < 0 ? "0x0" : n.state === 0x80 ? "0x6" : "0x2";
      const mac = formatMac(Math.max(n.mac, 0));
      text +=
        `${dotted(n.address).padEnd(16)} 0x1         ${flags.padEnd(10)}  ${mac}     *        ` +
        `${at.name}\n`;
    }
  }
  return text;
}

function digits(a: IpAddress): string {
  return [a.w0, a.w1, a.w2, a.w3].map((w) => (w >>> 0).toString(16).padStart(8, "0")).join("");
}

/** ipv6_route. */
export function route6Table(stack: Stack): string {
  let text = "";
  const hex = (n: number, width: number) => n.toString(16).padStart(width, "0");
  for (const r of stack.ctx.routes.list(false)) {
    const at = stack.ctx.routes.interfaces[r.interfaceIndex];
    const flags = 1 | (r.gateway !== null ? 2 : 0) | (r.prefix === 128 ? 4 : 0) |
      (r.type === RouteType.Unicast ? 0 : 0x200);
    const gateway = r.gateway === null ? "0".repeat(32) : digits(r.gateway);
    text += `${digits(r.destination)} ${hex(r.prefix, 2)} ${"0".repeat(32)} 00 ${gateway} ${
      hex(r.metric, 8)
    } 00000001 00000000 ${hex(flags, 8)} ${(at?.name ?? "lo").padStart(8)}\n`;
  }
  return text;
}

/** dev_mcast: hardware addresses of joined groups. */
export function multicastTable(stack: Stack): string {
  let text = "";
  for (const at of stack.interfaces()) {
    for (const g of at.groups.values()) {
      const mac = formatMac(multicastMac(g.group)).replaceAll(":", "");
      text += `${String(at.index).padEnd(4)} ${at.name.padEnd(15)} ${
        String(g.users).padEnd(5)
      } 0     ${mac}\n`;
    }
  }
  return text;
}
