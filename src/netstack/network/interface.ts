// hot: every packet enters and leaves by an interface.

import { AddressMap } from "../core/address_map.ts";
import type { Packet } from "../core/packet.ts";
import { Timer } from "../core/timer.ts";
import {
  ARPHRD_ETHER,
  ARPHRD_LOOPBACK,
  CAP_CHECKSUM,
  CAP_SEGMENTATION,
  type LinkDevice,
} from "../link/device.ts";
import type { IpAddress } from "../wire/address.ts";
import { emitEthernet, ETHERNET_HEADER } from "../wire/ethernet.ts";
import type { NeighbourTable } from "./neighbour.ts";

export const IFF_UP = 0x1;
export const IFF_BROADCAST = 0x2;
export const IFF_LOOPBACK = 0x8;
export const IFF_POINTOPOINT = 0x10;
export const IFF_RUNNING = 0x40;
export const IFF_NOARP = 0x80;
export const IFF_PROMISC = 0x100;
export const IFF_ALLMULTI = 0x200;
export const IFF_MULTICAST = 0x1000;
export const IFF_LOWER_UP = 0x10000;

/** Scopes of addresses and routes (`RT_SCOPE_`). */
export const SCOPE_UNIVERSE = 0;
export const SCOPE_SITE = 200;
export const SCOPE_LINK = 253;
export const SCOPE_HOST = 254;

/** What may be done with an address (RFC 4862). */
export const enum AddressState {
  /** Duplicate detection runs: it must not be used yet. */
  Tentative,
  Preferred,
  /** Only for what already uses it. */
  Deprecated,
  /** Another node has it. */
  Duplicate,
}

/** An address of an interface. */
export class InterfaceAddress {
  readonly address: IpAddress;
  readonly prefix: number;
  readonly broadcast: IpAddress | null;
  readonly scope: number;
  readonly label: string;
  /** Address of the far end of a point-to-point link. */
  readonly peer: IpAddress | null;
  state: AddressState = AddressState.Preferred;
  preferredUntil = Infinity;
  validUntil = Infinity;
  /** Whether router advertisements made it. */
  automatic = false;
  /** Neighbour solicitations still to be sent by duplicate detection. */
  probesLeft = 0;

  constructor(
    address: IpAddress,
    prefix: number,
    broadcast: IpAddress | null,
    scope: number,
    label: string,
    peer: IpAddress | null,
  ) {
    this.address = address;
    this.prefix = prefix;
    this.broadcast = broadcast;
    this.scope = scope;
    this.label = label;
    this.peer = peer;
  }
}

/** Who sees every frame of an interface: packet sockets. */
export interface FrameTap {
  /** A packet that came in or goes out (`packet.type` tells); borrowed. */
  frame(packet: Packet, at: NetworkInterface): void;
}

/** A multicast group that an interface has joined. */
export class GroupMembership extends Timer {
  readonly group: IpAddress;
  /** How many endpoints joined. */
  users = 1;
  /** Reports still to be sent unasked. */
  reportsLeft = 0;
  /** Whether this host sent the last report, so that it must tell when it leaves. */
  reporter = false;
  private readonly onFire: (g: GroupMembership) => void;

  constructor(group: IpAddress, onFire: (g: GroupMembership) => void) {
    super();
    this.group = group;
    this.onFire = onFire;
  }

  fire(): void {
    this.onFire(this);
  }
}

/** An interface of the stack. */
export class NetworkInterface {
  readonly index: number;
  name: string;
  readonly device: LinkDevice;
  readonly isLoopback: boolean;
  readonly isEthernet: boolean;
  mac: number;
  mtu: number;
  flags: number;
  readonly addresses: InterfaceAddress[] = [];
  neighbours4: NeighbourTable | null = null;
  neighbours6: NeighbourTable | null = null;
  readonly groups: AddressMap<GroupMembership>;
  tap: FrameTap | null = null;
  /** Cuts a large segment into packets, for a device that can't. */
  segmenter: ((packet: Packet, out: (piece: Packet) => void) => void) | null = null;
  /** Computes a partial checksum, for a device that can't. */
  finishChecksum: ((packet: Packet) => void) | null = null;

  rxPackets = 0;
  rxBytes = 0;
  rxDropped = 0;
  rxMulticast = 0;
  txPackets = 0;
  txBytes = 0;
  txDropped = 0;

  forwarding4 = false;
  forwarding6 = false;
  acceptRouterAdvertisements = true;
  autoconfigure = true;
  hopLimit6 = 64;
  dadTransmits = 1;
  /** Router solicitations sent when it comes up. */
  routerSolicitations = 3;
  /** MTU for IPv6 that a router advertised, 0 for the interface's. */
  mtu6 = 0;
  disable6 = false;
  /** Whether it has ever been up. */
  wasUp = false;

  constructor(index: number, name: string, device: LinkDevice, secret = 1) {
    this.index = index;
    this.name = name;
    this.device = device;
    this.groups = new AddressMap(secret);
    this.isLoopback = device.hardwareType === ARPHRD_LOOPBACK;
    this.isEthernet = device.hardwareType === ARPHRD_ETHER;
    this.mac = device.address;
    this.mtu = device.mtu;
    this.flags = this.isLoopback
      ? IFF_LOOPBACK
      : this.isEthernet
      ? IFF_BROADCAST | IFF_MULTICAST
      : IFF_POINTOPOINT | IFF_NOARP | IFF_MULTICAST;
  }

  get isUp(): boolean {
    return (this.flags & IFF_UP) !== 0;
  }

  /** Room the link header needs. */
  get linkHeader(): number {
    return this.isEthernet ? ETHERNET_HEADER : 0;
  }

  /** Largest segment the device cuts itself, 0 if it does not. */
  get segmentationLimit(): number {
    return (this.device.capabilities & CAP_SEGMENTATION) !== 0 ? 65535 : 0;
  }

  /** Whether the device completes partial checksums. */
  get offloadsChecksum(): boolean {
    return (this.device.capabilities & CAP_CHECKSUM) !== 0;
  }

  /** Whether packets to `group` are taken in here. */
  hasGroup(group: IpAddress): boolean {
    if (group.isV4 ? group.w3 === 0xe0000001 : group.w3 === 1 && group.w0 === 0xff020000) {
      return true;
    }
    return this.groups.size > 0 && this.groups.get(group) !== null;
  }

  /** The entry of one of this interface's addresses, or null. */
  findAddress(a: IpAddress): InterfaceAddress | null {
    for (const e of this.addresses) if (e.address.equals(a)) return e;
    return null;
  }

  /** Puts the link header before a network packet and sends it to `mac`. */
  sendTo(mac: number, packet: Packet): void {
    if (packet.segmentSize > 0 && this.segmentationLimit === 0 && this.segmenter !== null) {
      this.segmenter(packet, (piece) => this.sendTo(mac, piece));
      return;
    }
    if (packet.checksum === 2 && !this.offloadsChecksum && this.finishChecksum !== null) {
      this.finishChecksum(packet);
    }
    if (this.isEthernet) {
      packet.start -= ETHERNET_HEADER;
      packet.linkStart = packet.start;
      emitEthernet(packet.bytes, packet.start, mac, this.mac, packet.protocol);
    }
    this.sendFrame(packet);
  }

  /** Sends a frame that is complete. */
  sendFrame(packet: Packet): void {
    if ((this.flags & IFF_UP) === 0) {
      this.txDropped++;
      packet.release();
      return;
    }
    this.txPackets++;
    this.txBytes += packet.end - packet.start;
    if (this.tap !== null) {
      const type = packet.type;
      packet.type = 4;
      this.tap.frame(packet, this);
      packet.type = type;
    }
    this.device.send(packet);
  }
}
