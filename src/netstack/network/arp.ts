/** ARP (RFC 826, RFC 5227's probes are answered, not sent). */

import { type Packet, PacketType } from "../core/packet.ts";
import { ANY_V4, BROADCAST_MAC, type IpAddress, ipv4, isGroupMac } from "../wire/address.ts";
import {
  ARP_LENGTH,
  ARP_REPLY,
  ARP_REQUEST,
  ArpView,
  emitArp,
  ETH_P_ARP,
} from "../wire/ethernet.ts";
import type { NetContext } from "./context.ts";
import { AddressState, type NetworkInterface } from "./interface.ts";
import type { NeighbourLink } from "./neighbour.ts";

/** Answers questions for this host's addresses and asks for others. */
export class Arp {
  private readonly ctx: NetContext;
  private readonly view = new ArpView();
  /** What becomes of packets whose next hop does not answer. */
  onUnreachable: ((packet: Packet) => void) | null = null;

  constructor(ctx: NetContext) {
    this.ctx = ctx;
  }

  /** An ARP packet came in by `at`. */
  receive(packet: Packet, at: NetworkInterface): void {
    this.handle(packet, at);
    packet.release();
  }

  private handle(packet: Packet, at: NetworkInterface): void {
    const v = this.view;
    if (packet.type === PacketType.OtherHost || at.neighbours4 === null) return;
    if (!v.wrap(packet.bytes, packet.start, packet.end)) return;
    const senderMac = v.senderMac;
    const sender = ipv4(v.senderIp);
    const target = ipv4(v.targetIp);
    const operation = v.operation;
    if (operation !== ARP_REQUEST && operation !== ARP_REPLY) return;
    if (isGroupMac(senderMac) || target.isLoopback || target.isMulticast) return;
    if (senderMac === at.mac && this.ctx.routes.local.get(sender) !== null) return;
    const own = this.ctx.routes.local.get(target);
    const forUs = own !== null && !own.at.isLoopback &&
      own.entry.state !== AddressState.Tentative;
    if (sender.isAny) {
      // A probe for duplicates: defend the address, learn nothing.
      if (operation === ARP_REQUEST && forUs) {
        this.transmit(at, ARP_REPLY, target, senderMac, sender, senderMac);
      }
      return;
    }
    if (!sender.isUnicast || this.ctx.routes.local.get(sender) !== null) return;
    const solicited = operation === ARP_REPLY && packet.type === PacketType.Host;
    at.neighbours4.heard(sender, senderMac, solicited, forUs && operation === ARP_REQUEST, true);
    if (operation === ARP_REQUEST && forUs) {
      this.transmit(at, ARP_REPLY, target, senderMac, sender, senderMac);
    }
  }

  /** The link that the IPv4 neighbours of an interface are asked for on. */
  linkFor(at: NetworkInterface): NeighbourLink {
    return {
      probe: (target, mac) => this.probe(at, target, mac),
      unreachable: (packet) => this.unreachable(packet),
      sendTo: (mac, packet) => at.sendTo(mac, packet),
    };
  }

  private probe(at: NetworkInterface, target: IpAddress, mac: number): void {
    const source = this.ctx.routes.selectSource(target, at, null) ?? ANY_V4;
    this.transmit(at, ARP_REQUEST, source, 0, target, mac < 0 ? BROADCAST_MAC : mac);
  }

  private unreachable(packet: Packet): void {
    if (this.onUnreachable !== null) this.onUnreachable(packet);
    else packet.release();
  }

  /** Tells the link that `address` is here (gratuitous ARP). */
  announce(at: NetworkInterface, address: IpAddress): void {
    if (at.isEthernet) {
      this.transmit(at, ARP_REQUEST, address, 0, address, BROADCAST_MAC);
    }
  }

  private transmit(
    at: NetworkInterface,
    operation: number,
    sender: IpAddress,
    targetMac: number,
    target: IpAddress,
    to: number,
  ): void {
    const p = this.ctx.pool.get(ARP_LENGTH);
    p.end = p.start + ARP_LENGTH;
    p.protocol = ETH_P_ARP;
    emitArp(p.bytes, p.start, operation, at.mac, sender.v4, targetMac, target.v4);
    at.sendTo(to, p);
  }
}
