/** The identity of a flow in one direction, and how to read it out of a packet. */

import type { Packet } from "../core/packet.ts";
import { ANY_V4, type IpAddress, readIpv4, readIpv6 } from "../wire/address.ts";
import { get16 } from "../wire/bytes.ts";
import { ETH_P_IP } from "../wire/ethernet.ts";
import { IPPROTO_ICMP, IPPROTO_TCP, IPPROTO_UDP } from "../wire/ipv4.ts";
import { ExtensionResult, ExtensionWalker, IPPROTO_ICMPV6, IPV6_HEADER } from "../wire/ipv6.ts";

/** One direction of a flow. ICMP queries have their identifier as both ports. */
export class Tuple {
  src: IpAddress = ANY_V4;
  dst: IpAddress = ANY_V4;
  srcPort = 0;
  dstPort = 0;
  protocol = 0;

  /** Makes this the same as `o`. */
  copy(o: Tuple): this {
    this.src = o.src;
    this.dst = o.dst;
    this.srcPort = o.srcPort;
    this.dstPort = o.dstPort;
    this.protocol = o.protocol;
    return this;
  }

  /** Makes this the direction opposite to `o`. */
  invert(o: Tuple): this {
    this.src = o.dst;
    this.dst = o.src;
    this.srcPort = o.dstPort;
    this.dstPort = o.srcPort;
    this.protocol = o.protocol;
    return this;
  }

  /** Whether both are the same. */
  equals(o: Tuple): boolean {
    return this.protocol === o.protocol && this.srcPort === o.srcPort &&
      this.dstPort === o.dstPort && this.src.equals(o.src) && this.dst.equals(o.dst);
  }
}

/** Where the parts of a packet are, as filters need it; reused from packet to packet. */
export class PacketParts {
  isV4 = true;
  src: IpAddress = ANY_V4;
  dst: IpAddress = ANY_V4;
  protocol = 0;
  /** Start of the transport header. */
  transport = 0;
  end = 0;
  srcPort = 0;
  dstPort = 0;
  /** First byte of an ICMP message, -1 for other protocols. */
  icmpType = -1;
  /** A later fragment, or a transport header that is cut: no ports. */
  opaque = false;
  /** Whether it is an ICMP error, which belongs to another flow. */
  isError = false;
  private readonly walker = new ExtensionWalker();

  /** Reads the packet whose network header is at `packet.start`; false if it makes no sense. */
  read(packet: Packet): boolean {
    return this.readAt(packet.bytes, packet.start, packet.end, packet.protocol === ETH_P_IP);
  }

  /** As {@link read}, for a packet quoted in an error. */
  readAt(b: Uint8Array, at: number, end: number, isV4: boolean): boolean {
    this.isV4 = isV4;
    this.opaque = false;
    this.isError = false;
    this.icmpType = -1;
    this.srcPort = 0;
    this.dstPort = 0;
    this.end = end;
    if (isV4) {
      if (end - at < 20) return false;
      this.src = readIpv4(b, at + 12);
      this.dst = readIpv4(b, at + 16);
      this.protocol = b[at + 9];
      this.transport = at + ((b[at] & 15) << 2);
      if ((get16(b, at + 6) & 0x1fff) !== 0) this.opaque = true;
    } else {
      if (end - at < IPV6_HEADER) return false;
      this.src = readIpv6(b, at + 8);
      this.dst = readIpv6(b, at + 24);
      const r = this.walker.walk(b, at, at + IPV6_HEADER, end, b[at + 6], false);
      this.protocol = this.walker.protocol;
      this.transport = this.walker.offset;
      if (r === ExtensionResult.Fragment) this.opaque = true;
      else if (r !== ExtensionResult.Upper) return false;
    }
    if (!this.opaque) this.readPorts(b);
    return true;
  }

  private readPorts(b: Uint8Array): void {
    const t = this.transport;
    const have = this.end - t;
    switch (this.protocol) {
      case IPPROTO_TCP:
      case IPPROTO_UDP:
        if (have < 8) this.opaque = true;
        else {
          this.srcPort = get16(b, t);
          this.dstPort = get16(b, t + 2);
        }
        break;
      case IPPROTO_ICMP:
      case IPPROTO_ICMPV6:
        if (have < 8) {
          this.opaque = true;
          break;
        }
        this.icmpType = b[t];
        this.isError = this.protocol === IPPROTO_ICMP
          ? b[t] === 3 || b[t] === 4 || b[t] === 5 || b[t] === 11 || b[t] === 12
          : b[t] < 128;
        if (!this.isError) {
          this.srcPort = get16(b, t + 4);
          this.dstPort = this.srcPort;
        }
        break;
    }
  }

  /** The flow that this packet is of. */
  tuple(into: Tuple): Tuple {
    into.src = this.src;
    into.dst = this.dst;
    into.protocol = this.protocol;
    into.srcPort = this.srcPort;
    into.dstPort = this.dstPort;
    return into;
  }
}
