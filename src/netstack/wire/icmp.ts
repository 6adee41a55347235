/** ICMP for IPv4 and IPv6 (RFC 792, RFC 4443): types, codes and the common header. */

import { get16, get32, set16, set32 } from "./bytes.ts";

/** Bytes of an ICMP header with its second word. */
export const ICMP_HEADER = 8;

export const ICMP_ECHO_REPLY = 0;
export const ICMP_UNREACHABLE = 3;
export const ICMP_SOURCE_QUENCH = 4;
export const ICMP_REDIRECT = 5;
export const ICMP_ECHO = 8;
export const ICMP_TIME_EXCEEDED = 11;
export const ICMP_PARAMETER_PROBLEM = 12;
export const ICMP_TIMESTAMP = 13;
export const ICMP_TIMESTAMP_REPLY = 14;

export const ICMP_NET_UNREACHABLE = 0;
export const ICMP_HOST_UNREACHABLE = 1;
export const ICMP_PROTOCOL_UNREACHABLE = 2;
export const ICMP_PORT_UNREACHABLE = 3;
export const ICMP_FRAGMENTATION_NEEDED = 4;
export const ICMP_ADMIN_PROHIBITED = 13;

export const ICMP6_UNREACHABLE = 1;
export const ICMP6_PACKET_TOO_BIG = 2;
export const ICMP6_TIME_EXCEEDED = 3;
export const ICMP6_PARAMETER_PROBLEM = 4;
export const ICMP6_ECHO = 128;
export const ICMP6_ECHO_REPLY = 129;
export const ICMP6_MLD_QUERY = 130;
export const ICMP6_MLD_REPORT = 131;
export const ICMP6_MLD_DONE = 132;
export const ICMP6_ROUTER_SOLICITATION = 133;
export const ICMP6_ROUTER_ADVERTISEMENT = 134;
export const ICMP6_NEIGHBOUR_SOLICITATION = 135;
export const ICMP6_NEIGHBOUR_ADVERTISEMENT = 136;
export const ICMP6_REDIRECT = 137;
export const ICMP6_MLD2_REPORT = 143;

export const ICMP6_NO_ROUTE = 0;
export const ICMP6_ADMIN_PROHIBITED = 1;
export const ICMP6_ADDRESS_UNREACHABLE = 3;
export const ICMP6_PORT_UNREACHABLE = 4;

/** A checked ICMP header in place. */
export class IcmpView {
  bytes: Uint8Array = new Uint8Array(ICMP_HEADER);
  at = 0;

  /** Points at the message `[start, end)`; false if it is shorter than its header. */
  wrap(b: Uint8Array, start: number, end: number): boolean {
    this.bytes = b;
    this.at = start;
    return end - start >= ICMP_HEADER && end <= b.length;
  }

  get type(): number {
    return this.bytes[this.at];
  }

  get code(): number {
    return this.bytes[this.at + 1];
  }

  get ident(): number {
    return get16(this.bytes, this.at + 4);
  }

  get sequence(): number {
    return get16(this.bytes, this.at + 6);
  }

  /** The second word: MTU of a "too big", pointer of a parameter problem. */
  get rest(): number {
    return get32(this.bytes, this.at + 4);
  }
}

/** Writes an ICMP header with a zero checksum at `o`. */
export function emitIcmp(
  b: Uint8Array,
  o: number,
  type: number,
  code: number,
  rest: number,
): void {
  b[o] = type;
  b[o + 1] = code;
  set16(b, o + 2, 0);
  set32(b, o + 4, rest);
}

/** Whether an ICMPv4 type is an error that quotes a packet; errors are never answered by errors. */
export function isIcmpError(type: number): boolean {
  return type === ICMP_UNREACHABLE || type === ICMP_SOURCE_QUENCH || type === ICMP_REDIRECT ||
    type === ICMP_TIME_EXCEEDED || type === ICMP_PARAMETER_PROBLEM;
}
