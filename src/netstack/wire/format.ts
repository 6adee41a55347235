/** Packets as one line of text, as tcpdump has it. Total: any bytes give some line. */

import { formatMac, ipv4, readIpv6 } from "./address.ts";
import { get16, get32 } from "./bytes.ts";
import { ARP_REQUEST, ArpView, ETH_P_ARP, ETH_P_IP, ETH_P_IPV6, EthernetView } from "./ethernet.ts";
import { ICMP_HEADER } from "./icmp.ts";
import { IPPROTO_ICMP, IPPROTO_IGMP, IPPROTO_TCP, IPPROTO_UDP, Ipv4View } from "./ipv4.ts";
import { IPPROTO_ICMPV6, Ipv6View } from "./ipv6.ts";
import { ExtensionResult, ExtensionWalker, IPV6_HEADER } from "./ipv6.ts";
import { ACK, CWR, ECE, FIN, PSH, RST, SYN, TcpView, URG } from "./tcp.ts";
import { UdpView } from "./udp.ts";

const FLAG_NAMES: readonly [number, string][] = [
  [FIN, "F"],
  [SYN, "S"],
  [RST, "R"],
  [PSH, "P"],
  [URG, "U"],
  [ECE, "E"],
  [CWR, "W"],
  [ACK, "."],
];

const ICMP_NAMES: Readonly<Record<number, string>> = {
  0: "echo reply",
  3: "unreachable",
  5: "redirect",
  8: "echo request",
  11: "time exceeded",
  12: "parameter problem",
  13: "timestamp request",
  14: "timestamp reply",
};

const ICMP6_NAMES: Readonly<Record<number, string>> = {
  1: "unreachable",
  2: "packet too big",
  3: "time exceeded",
  4: "parameter problem",
  128: "echo request",
  129: "echo reply",
  130: "listener query",
  131: "listener report",
  132: "listener done",
  133: "router solicitation",
  134: "router advertisement",
  135: "neighbour solicitation",
  136: "neighbour advertisement",
  137: "redirect",
  143: "listener report v2",
};

/** Describes an Ethernet frame. */
export function formatFrame(b: Uint8Array, start: number, end: number): string {
  const e = new EthernetView();
  if (!e.wrap(b, start, end)) return `short frame, length ${end - start}`;
  const body = formatPacket(b, start + 14, end, e.type);
  return `${formatMac(e.source)} > ${formatMac(e.destination)} ${body}`;
}

/** Describes a packet of an ethertype. */
export function formatPacket(b: Uint8Array, start: number, end: number, type: number): string {
  if (type === ETH_P_IP) return formatIpv4(b, start, end);
  if (type === ETH_P_IPV6) return formatIpv6(b, start, end);
  if (type === ETH_P_ARP) return formatArp(b, start, end);
  return `ethertype 0x${type.toString(16).padStart(4, "0")}, length ${end - start}`;
}

function formatArp(b: Uint8Array, start: number, end: number): string {
  const a = new ArpView();
  if (!a.wrap(b, start, end)) return "ARP, malformed";
  const target = ipv4(a.targetIp);
  const sender = ipv4(a.senderIp);
  return a.operation === ARP_REQUEST
    ? `ARP who-has ${target} tell ${sender}`
    : `ARP reply ${sender} is-at ${formatMac(a.senderMac)}`;
}

function formatIpv4(b: Uint8Array, start: number, end: number): string {
  const v = new Ipv4View();
  if (!v.wrap(b, start, end)) return "IP, malformed";
  const stop = start + v.totalLength;
  const at = start + v.headerLength;
  if (v.fragmentOffset !== 0) {
    return `IP ${v.source} > ${v.destination}: fragment ${v.ident}@${v.fragmentOffset}, length ${
      stop - at
    }`;
  }
  const more = (v.flags & 1) !== 0 ? ` (fragment ${v.ident}@0+)` : "";
  return `IP ${
    formatUpper(b, at, stop, v.protocol, String(v.source), String(v.destination))
  }${more}`;
}

function formatIpv6(b: Uint8Array, start: number, end: number): string {
  const v = new Ipv6View();
  if (!v.wrap(b, start, end)) return "IP6, malformed";
  const stop = start + IPV6_HEADER + v.payloadLength;
  const w = new ExtensionWalker();
  const src = String(v.source);
  const dst = String(v.destination);
  const r = w.walk(b, start, start + IPV6_HEADER, stop, v.nextHeader, true);
  if (r === ExtensionResult.Fragment) return `IP6 ${src} > ${dst}: fragment`;
  if (r !== ExtensionResult.Upper) return `IP6 ${src} > ${dst}: bad extension header`;
  return `IP6 ${formatUpper(b, w.offset, stop, w.protocol, src, dst)}`;
}

function formatUpper(
  b: Uint8Array,
  at: number,
  end: number,
  protocol: number,
  src: string,
  dst: string,
): string {
  switch (protocol) {
    case IPPROTO_TCP:
      return formatTcp(b, at, end, src, dst);
    case IPPROTO_UDP: {
      const u = new UdpView();
      if (!u.wrap(b, at, end)) return `${src} > ${dst}: UDP, malformed`;
      return `${src}.${u.sourcePort} > ${dst}.${u.destinationPort}: UDP, length ${u.length - 8}`;
    }
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6: {
      const six = protocol === IPPROTO_ICMPV6;
      const label = six ? "ICMP6" : "ICMP";
      if (end - at < ICMP_HEADER) return `${src} > ${dst}: ${label}, malformed`;
      const name = (six ? ICMP6_NAMES : ICMP_NAMES)[b[at]] ?? `type ${b[at]}`;
      const echo = name.startsWith("echo")
        ? `, id ${get16(b, at + 4)}, seq ${get16(b, at + 6)}`
        : b[at + 1] !== 0
        ? ` code ${b[at + 1]}`
        : "";
      const about = six && (b[at] === 135 || b[at] === 136) && end - at >= 24
        ? `, ${readIpv6(b, at + 8)}`
        : "";
      return `${src} > ${dst}: ${label} ${name}${echo}${about}, length ${end - at}`;
    }
    case IPPROTO_IGMP:
      return `${src} > ${dst}: IGMP type 0x${(b[at] ?? 0).toString(16)}`;
    default:
      return `${src} > ${dst}: protocol ${protocol}, length ${end - at}`;
  }
}

function formatTcp(b: Uint8Array, at: number, end: number, src: string, dst: string): string {
  const v = new TcpView();
  if (!v.wrap(b, at, end)) return `${src} > ${dst}: TCP, malformed`;
  v.parseOptions();
  let flags = "";
  for (const [bit, name] of FLAG_NAMES) if ((v.flags & bit) !== 0) flags += name;
  const length = end - at - v.headerLength;
  const seq = get32(b, at + 4);
  const parts = [`Flags [${flags === "" ? "none" : flags}]`];
  parts.push(length > 0 ? `seq ${seq}:${(seq + length) >>> 0}` : `seq ${seq}`);
  if ((v.flags & ACK) !== 0) parts.push(`ack ${get32(b, at + 8)}`);
  parts.push(`win ${v.window}`);
  if ((v.flags & URG) !== 0) parts.push(`urg ${v.urgent}`);
  const options: string[] = [];
  if (v.mss >= 0) options.push(`mss ${v.mss}`);
  if (v.windowScale >= 0) options.push(`wscale ${v.windowScale}`);
  if (v.sackPermitted) options.push("sackOK");
  if (v.hasTimestamp) options.push(`TS val ${v.tsValue >>> 0} ecr ${v.tsEcho >>> 0}`);
  for (let i = 0; i < v.sackCount; i++) {
    options.push(`sack ${v.sackStart[i] >>> 0}:${v.sackEnd[i] >>> 0}`);
  }
  if (v.cookieAt >= 0) options.push(`tfo ${v.cookieLength}`);
  if (options.length > 0) parts.push(`options [${options.join(",")}]`);
  parts.push(`length ${length}`);
  return `${src}.${v.sourcePort} > ${dst}.${v.destinationPort}: ${parts.join(", ")}`;
}
