/** Rules as iptables(8) has them: tables of chains of rules of matches and a target. */

import type { Packet } from "../core/packet.ts";
import type { NetworkInterface } from "../network/interface.ts";
import type { IpAddress } from "../wire/address.ts";
import type { TrackState } from "./conntrack.ts";
import type { NatRange } from "./nat.ts";
import type { PacketParts } from "./tuple.ts";

/** What matches look at. */
export interface MatchContext {
  packet: Packet;
  parts: PacketParts;
  input: NetworkInterface | null;
  output: NetworkInterface | null;
  state: TrackState;
  /** Type of a local address as seen from here: `LOCAL`, `BROADCAST`, … for addrtype. */
  addressType(a: IpAddress): AddressType;
}

/** Types for the addrtype match, as bits. */
export const enum AddressType {
  Unicast = 1,
  Local = 2,
  Broadcast = 4,
  Multicast = 8,
}

/** A condition. */
export interface Match {
  test(c: MatchContext): boolean;
}

/** What happens to a packet that fits a rule. */
export type Target =
  | { kind: "accept" }
  | { kind: "drop" }
  | { kind: "return" }
  | { kind: "continue" }
  | { kind: "jump"; chain: string }
  | { kind: "goto"; chain: string }
  | { kind: "reject"; tcpReset: boolean; code: number }
  | { kind: "mark"; value: number; mask: number }
  | { kind: "connmark"; value: number; mask: number; action: "set" | "save" | "restore" }
  | { kind: "notrack" }
  | { kind: "snat"; range: NatRange }
  | { kind: "dnat"; range: NatRange }
  | { kind: "masquerade"; firstPort: number; lastPort: number }
  | { kind: "redirect"; firstPort: number; lastPort: number };

/** A rule. */
export interface Rule {
  matches: Match[];
  target: Target;
  packets: number;
  bytes: number;
}

/** A chain; built-in ones have a policy. */
export interface Chain {
  name: string;
  policy: "accept" | "drop" | null;
  rules: Rule[];
  packets: number;
  bytes: number;
}

/** Names of the tables, in no order. */
export type TableName = "raw" | "mangle" | "nat" | "filter";

/** Rules that one table may have. */
export const MAX_RULES = 65536;
/** How deep chains may call each other. */
export const MAX_DEPTH = 64;

/** A rule with zero counters. */
export function rule(target: Target, ...matches: Match[]): Rule {
  return { matches, target, packets: 0, bytes: 0 };
}

/** -i and -o: the name of an interface, `+` at its end for any that begin so. */
export function interfaceMatch(direction: "in" | "out", name: string, invert = false): Match {
  const prefix = name.endsWith("+") ? name.slice(0, -1) : null;
  return {
    test(c) {
      const i = direction === "in" ? c.input : c.output;
      const actual = i === null ? "" : i.name;
      const hit = prefix !== null ? actual.startsWith(prefix) : actual === name;
      return hit !== invert;
    },
  };
}

/** -s and -d. */
export function addressMatch(
  side: "src" | "dst",
  net: IpAddress,
  prefix: number,
  invert = false,
): Match {
  return {
    test: (c) => (side === "src" ? c.parts.src : c.parts.dst).inPrefix(net, prefix) !== invert,
  };
}

/** -p. */
export function protocolMatch(protocol: number, invert = false): Match {
  return { test: (c) => (c.parts.protocol === protocol) !== invert };
}

/** --sport, --dport and multiport: ranges of ports. */
export function portMatch(
  side: "src" | "dst" | "either",
  ranges: readonly (readonly [number, number])[],
  invert = false,
): Match {
  const within = (port: number) => ranges.some(([from, to]) => port >= from && port <= to);
  return {
    test(c) {
      if (c.parts.opaque) return false;
      const hit = (side !== "dst" && within(c.parts.srcPort)) ||
        (side !== "src" && within(c.parts.dstPort));
      return hit !== invert;
    },
  };
}

/** conntrack --ctstate: any of the `TrackState` bits. */
export function stateMatch(states: number, invert = false): Match {
  return { test: (c) => ((c.state & states) !== 0) !== invert };
}

/** mark. */
export function markMatch(value: number, mask: number, invert = false): Match {
  return { test: (c) => (((c.packet.mark & mask) >>> 0) === value >>> 0) !== invert };
}

/** --icmp-type; code -1 for any. */
export function icmpMatch(type: number, code: number, invert = false): Match {
  return {
    test(c) {
      const p = c.parts;
      const hit = p.icmpType === type &&
        (code < 0 || c.packet.bytes[p.transport + 1] === code);
      return hit !== invert;
    },
  };
}

/** tcp --tcp-flags. */
export function tcpFlagsMatch(mask: number, set: number, invert = false): Match {
  return {
    test: (c) =>
      ((c.parts.protocol === 6 && !c.parts.opaque) &&
        (c.packet.bytes[c.parts.transport + 13] & mask) === set) !== invert,
  };
}

/** addrtype: any of the `AddressType` bits. */
export function addressTypeMatch(side: "src" | "dst", types: number, invert = false): Match {
  return {
    test: (c) =>
      ((c.addressType(side === "src" ? c.parts.src : c.parts.dst) & types) !== 0) !== invert,
  };
}
