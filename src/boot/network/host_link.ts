/**
 * Takes the network of the host's namespace over: what is configured there moves into the stack, and the
 * host's kernel keeps the interfaces as mere links.
 */

import { errnoName } from "../../abi/errno.ts";
import {
  flushAddresses,
  type HostAddress,
  type HostLink,
  type HostNetwork,
  readHostNetwork,
} from "../../container/network/host_links.ts";
import { NetlinkClient } from "../../container/network/netlink_client.ts";
import type { LinkDevice } from "../../netstack/link/device.ts";
import { NeighbourState } from "../../netstack/network/neighbour.ts";
import type { NetworkInterface } from "../../netstack/network/interface.ts";
import { PROTOCOL_KERNEL, TABLE_MAIN } from "../../netstack/network/route.ts";
import { ANY_V4, ANY_V6, type IpAddress, readIpv4, readIpv6 } from "../../netstack/wire/address.ts";
import type { HostPoller } from "../../sentry/kernel/host_poller.ts";
import type { Kernel } from "../../sentry/kernel/kernel.ts";
import type { NetNamespace } from "../../sentry/kernel/namespaces.ts";
import { type NetworkStack, networkStack } from "../../sentry/socket/inet/network_stack.ts";
import { PacketDevice } from "../../sentry/socket/link/packet_device.ts";
import { openPacketSocket } from "./packet_socket.ts";

/** What sees the packets of a device, for logs. */
export type WrapDevice = (device: LinkDevice, name: string) => LinkDevice;

/** What is needed to take a network over. */
export interface TakeOver {
  kernel: Kernel;
  net: NetNamespace;
  poller: HostPoller;
  /** Whether packets larger than the MTU may go to the host. */
  segmentation: boolean;
  wrap: WrapDevice | null;
}

function address(bytes: Uint8Array): IpAddress {
  return bytes.length === 4 ? readIpv4(bytes, 0) : readIpv6(bytes, 0);
}

/** Takes over what the namespace of this thread has; returns how many interfaces that are. */
export function takeHostNetwork(init: TakeOver): number {
  using client = new NetlinkClient();
  const host = readHostNetwork(client);
  const up = host.links.filter((link) => link.up);
  if (up.length === 0) return 0;
  const network = networkStack(init.kernel, init.net);
  const sockets = up.map((link) => openPacketSocket(link.index, link.name));
  const mine = new Set(up.map((link) => link.index));
  const r = flushAddresses(client, host.addresses.filter((a) => mine.has(a.index)));
  if (r < 0) init.kernel.log.warn(`addresses of the host's interfaces stay: ${errnoName(-r)}`);
  const interfaces = new Map<number, NetworkInterface>();
  up.forEach((link, i) => {
    const at = addLink(init, network, link, sockets[i], host.addresses);
    if (at !== null) interfaces.set(link.index, at);
  });
  addRoutes(network, host, interfaces);
  addNeighbours(host, interfaces);
  network.pump();
  return interfaces.size;
}

function addLink(
  init: TakeOver,
  network: NetworkStack,
  link: HostLink,
  fd: number,
  addresses: readonly HostAddress[],
): NetworkInterface | null {
  const { stack } = network;
  const device = new PacketDevice({
    fd,
    address: link.mac,
    mtu: link.mtu,
    poller: init.poller,
    received: () => network.pump(),
    segmentation: init.segmentation,
  });
  const at = stack.addInterface(
    link.name,
    init.wrap === null ? device : init.wrap(device, link.name),
  );
  if (typeof at === "number") {
    init.kernel.log.warn(`interface ${link.name} is left out: ${errnoName(-at)}`);
    return null;
  }
  const own = addresses.filter((a) => a.index === link.index);
  at.disable6 = !own.some((a) => a.address.length === 16);
  // The host has made sure already that nobody else has these addresses.
  at.dadTransmits = 0;
  stack.setUp(at, true);
  for (const a of own) {
    stack.addAddress(at, address(a.address), a.prefix, {
      scope: a.scope,
      ...(a.peer === null ? {} : { peer: address(a.peer) }),
      ...(a.address.length === 4
        ? { broadcast: a.broadcast === null ? null : address(a.broadcast) }
        : {}),
    });
  }
  at.dadTransmits = 1;
  return at;
}

function addRoutes(
  { stack }: NetworkStack,
  host: HostNetwork,
  interfaces: ReadonlyMap<number, NetworkInterface>,
): void {
  for (const r of host.routes) {
    const at = interfaces.get(r.index);
    // Those that go with an address have come with it.
    if (at === undefined || (r.protocol === PROTOCOL_KERNEL && r.table === TABLE_MAIN)) continue;
    stack.addRoute({
      destination: r.destination === null ? (r.isV4 ? ANY_V4 : ANY_V6) : address(r.destination),
      prefix: r.prefix,
      gateway: r.gateway === null ? null : address(r.gateway),
      interfaceIndex: at.index,
      source: r.source === null ? null : address(r.source),
      metric: r.metric,
      table: r.table,
      protocol: r.protocol,
      scope: r.scope,
      type: r.type,
      mtu: r.mtu,
    });
  }
}

function addNeighbours(
  host: HostNetwork,
  interfaces: ReadonlyMap<number, NetworkInterface>,
): void {
  for (const n of host.neighbours) {
    const at = interfaces.get(n.index);
    const table = n.address.length === 4 ? at?.neighbours4 : at?.neighbours6;
    const state = n.permanent ? NeighbourState.Permanent : NeighbourState.Stale;
    table?.set(address(n.address), n.mac, state);
  }
}
