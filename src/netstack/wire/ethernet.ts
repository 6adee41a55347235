/** Ethernet II framing and ARP for IPv4 over it (RFC 894, RFC 826). */

import { get16, get32, get48, set16, set32, set48 } from "./bytes.ts";

/** Bytes of an Ethernet header without a VLAN tag. */
export const ETHERNET_HEADER = 14;
export const ETH_P_ALL = 0x0003;
export const ETH_P_IP = 0x0800;
export const ETH_P_ARP = 0x0806;
export const ETH_P_8021Q = 0x8100;
export const ETH_P_IPV6 = 0x86dd;

/** A checked Ethernet header in place. */
export class EthernetView {
  bytes: Uint8Array = new Uint8Array(ETHERNET_HEADER);
  at = 0;

  /** Points at the frame `[start, end)`; false if it is too short. */
  wrap(bytes: Uint8Array, start: number, end: number): boolean {
    this.bytes = bytes;
    this.at = start;
    return end - start >= ETHERNET_HEADER && end <= bytes.length;
  }

  get destination(): number {
    return get48(this.bytes, this.at);
  }

  get source(): number {
    return get48(this.bytes, this.at + 6);
  }

  get type(): number {
    return get16(this.bytes, this.at + 12);
  }
}

/** Writes an Ethernet header at `o`. */
export function emitEthernet(
  b: Uint8Array,
  o: number,
  destination: number,
  source: number,
  type: number,
): void {
  set48(b, o, destination);
  set48(b, o + 6, source);
  set16(b, o + 12, type);
}

/** Bytes of an ARP packet for IPv4 over Ethernet. */
export const ARP_LENGTH = 28;
export const ARP_REQUEST = 1;
export const ARP_REPLY = 2;

/** A checked ARP packet (Ethernet, IPv4) in place. */
export class ArpView {
  bytes: Uint8Array = new Uint8Array(ARP_LENGTH);
  at = 0;

  /** Points at the packet `[start, end)`; false if it is no ARP for IPv4 over Ethernet. */
  wrap(b: Uint8Array, start: number, end: number): boolean {
    this.bytes = b;
    this.at = start;
    return end - start >= ARP_LENGTH && end <= b.length && get16(b, start) === 1 &&
      get16(b, start + 2) === ETH_P_IP && b[start + 4] === 6 && b[start + 5] === 4;
  }

  get operation(): number {
    return get16(this.bytes, this.at + 6);
  }

  get senderMac(): number {
    return get48(this.bytes, this.at + 8);
  }

  get senderIp(): number {
    return get32(this.bytes, this.at + 14);
  }

  get targetMac(): number {
    return get48(this.bytes, this.at + 18);
  }

  get targetIp(): number {
    return get32(this.bytes, this.at + 24);
  }
}

/** Writes an ARP packet at `o`. */
export function emitArp(
  b: Uint8Array,
  o: number,
  operation: number,
  senderMac: number,
  senderIp: number,
  targetMac: number,
  targetIp: number,
): void {
  set16(b, o, 1);
  set16(b, o + 2, ETH_P_IP);
  b[o + 4] = 6;
  b[o + 5] = 4;
  set16(b, o + 6, operation);
  set48(b, o + 8, senderMac);
  set32(b, o + 14, senderIp);
  set48(b, o + 18, targetMac);
  set32(b, o + 24, targetIp);
}
