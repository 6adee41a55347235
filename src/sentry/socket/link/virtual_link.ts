/** Links that programs make: veth pairs, bridges, dummies (ip-link(8)). */

import { EBUSY, EINVAL, ELOOP, EOPNOTSUPP } from "../../../abi/errno.ts";
import { BridgeDevice } from "../../../netstack/link/bridge.ts";
import { ARPHRD_ETHER, type LinkDevice } from "../../../netstack/link/device.ts";
import { createPair, PairDevice } from "../../../netstack/link/pair.ts";
import type { Packet } from "../../../netstack/core/packet.ts";
import type { NetworkInterface } from "../../../netstack/network/interface.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { NetworkStack } from "../inet/network_stack.ts";

const MTU = 1500;

/** What sends nowhere and receives nothing. */
class DummyDevice implements LinkDevice {
  readonly hardwareType = ARPHRD_ETHER;
  readonly mtu = 65535;
  readonly capabilities = 0;
  onReceive: ((packet: Packet) => void) | null = null;

  constructor(readonly address: number) {}

  send(packet: Packet): void {
    packet.release();
  }

  flush(): void {}
}

/** A link that a program made, seen from one interface. */
export class VirtualLink {
  readonly kind: "veth" | "bridge" | "dummy";
  readonly device: PairDevice | BridgeDevice | DummyDevice;
  network: NetworkStack;
  at: NetworkInterface;
  /** The other end of a pair. */
  peer: VirtualLink | null = null;

  constructor(
    kind: VirtualLink["kind"],
    device: VirtualLink["device"],
    network: NetworkStack,
    at: NetworkInterface,
  ) {
    this.kind = kind;
    this.device = device;
    this.network = network;
    this.at = at;
    links.set(at, this);
    if (device instanceof DummyDevice) return;
    device.onPending = () => this.network.deliverLater(device);
  }
}

const links: WeakMap<NetworkInterface, VirtualLink> = new WeakMap();
/** The bridges that interfaces are ports of. */
const masters: WeakMap<NetworkInterface, VirtualLink> = new WeakMap();

/** What a program made an interface of, or null for loopback and interfaces of the host. */
export function virtualLinkOf(at: NetworkInterface): VirtualLink | null {
  return links.get(at) ?? null;
}

/** The bridge that an interface is a port of. */
export function masterOf(at: NetworkInterface): VirtualLink | null {
  return masters.get(at) ?? null;
}

/** A hardware address of the locally administered ones. */
export function randomMac(kernel: Kernel): number {
  const bytes = new Uint8Array(6);
  kernel.random(bytes);
  bytes[0] = (bytes[0] & 0xfc) | 2;
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

/** A free name that starts with `prefix`. */
export function freeName(network: NetworkStack, prefix: string): string {
  for (let i = 0;; i++) {
    const name = prefix + i;
    if (network.stack.interfaceByName(name) === null) return name;
  }
}

/** Makes a bridge or a dummy; 0 or an error. */
export function createLink(
  kind: "bridge" | "dummy",
  network: NetworkStack,
  name: string,
  mac: number,
): VirtualLink | number {
  const device = kind === "bridge"
    ? new BridgeDevice(mac, MTU, () => network.stack.ctx.clock.now())
    : new DummyDevice(mac);
  const at = network.stack.addInterface(name, device);
  if (typeof at === "number") return at;
  at.mtu = MTU;
  return new VirtualLink(kind, device, network, at);
}

/** Makes a pair of joined interfaces; the first, or an error. */
export function createVeth(
  network: NetworkStack,
  name: string,
  mac: number,
  peerNetwork: NetworkStack,
  peerName: string,
  peerMac: number,
): VirtualLink | number {
  const [a, b] = createPair(mac, peerMac, 65535);
  const far = peerNetwork.stack.addInterface(peerName, b);
  if (typeof far === "number") return far;
  const near = network.stack.addInterface(name, a);
  if (typeof near === "number") {
    peerNetwork.stack.removeInterface(far);
    return near;
  }
  near.mtu = MTU;
  far.mtu = MTU;
  const link = new VirtualLink("veth", a, network, near);
  link.peer = new VirtualLink("veth", b, peerNetwork, far);
  link.peer.peer = link;
  return link;
}

/** Removes an interface that a program made; the other end of a pair goes along. */
export function removeLink(link: VirtualLink): number {
  setMaster(link.network, link.at, null);
  if (link.device instanceof BridgeDevice) {
    for (const port of link.network.stack.interfaces()) {
      if (masterOf(port) === link) setMaster(link.network, port, null);
    }
  }
  links.delete(link.at);
  link.network.stack.removeInterface(link.at);
  const { peer } = link;
  link.peer = null;
  if (peer !== null) {
    peer.peer = null;
    removeLink(peer);
  }
  return 0;
}

/** Moves an interface to another namespace; it loses its addresses, and goes down. */
export function moveLink(link: VirtualLink, network: NetworkStack, name: string): number {
  if (link.device instanceof BridgeDevice) return -EINVAL;
  if (network === link.network) return 0;
  const { mac, mtu } = link.at;
  const to = network.stack.addInterface(name, link.device);
  if (typeof to === "number") return to;
  setMaster(link.network, link.at, null);
  links.delete(link.at);
  link.network.stack.removeInterface(link.at);
  network.stack.reattach(to);
  to.mac = mac;
  to.mtu = mtu;
  link.at = to;
  link.network = network;
  links.set(to, link);
  return 0;
}

/** Makes an interface a port of a bridge, or of none. */
export function setMaster(
  network: NetworkStack,
  port: NetworkInterface,
  bridge: VirtualLink | null,
): number {
  const before = masterOf(port);
  if (before === bridge) return 0;
  if (bridge !== null) {
    if (!(bridge.device instanceof BridgeDevice)) return -EOPNOTSUPP;
    if (bridge.at === port) return -ELOOP;
    if (port.isLoopback || virtualLinkOf(port)?.kind === "bridge") return -EINVAL;
    if (before !== null) return -EBUSY;
  }
  if (before !== null && before.device instanceof BridgeDevice) {
    before.device.removePort(port.device);
    masters.delete(port);
    network.stack.reattach(port);
  }
  if (bridge !== null && bridge.device instanceof BridgeDevice) {
    bridge.device.addPort(port.device);
    masters.set(port, bridge);
  }
  network.stack.ctx.routes.events?.link(port, false);
  return 0;
}
