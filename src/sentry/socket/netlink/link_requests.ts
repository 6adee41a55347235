/** RTM_NEWLINK, RTM_SETLINK, RTM_DELLINK, RTM_GETLINK. */

import {
  EADDRNOTAVAIL,
  EBADF,
  EBUSY,
  EEXIST,
  EINVAL,
  ENODEV,
  EOPNOTSUPP,
  ESRCH,
} from "../../../abi/errno.ts";
import * as N from "../../../abi/netlink.ts";
import { NetlinkAttributes } from "../../../abi/netlink_message.ts";
import type { NetworkInterface } from "../../../netstack/network/interface.ts";
import { NamespaceFile } from "../../kernel/namespace_file.ts";
import { NetNamespace } from "../../kernel/namespaces.ts";
import type { Task } from "../../kernel/task.ts";
import { type NetworkStack, networkStack } from "../inet/network_stack.ts";
import {
  createLink,
  createVeth,
  freeName,
  moveLink,
  randomMac,
  removeLink,
  setMaster,
  virtualLinkOf,
} from "../link/virtual_link.ts";
import type { NetlinkRequest } from "./netlink_socket.ts";
import { writeLink } from "./route_messages.ts";
import type { RouteContext } from "./route_socket.ts";

/** Bytes of `struct ifinfomsg`. */
const LINK_SIZE = 16;
/** Flags of an interface that programs set. */
const SETTABLE = N.IFF_PROMISC | N.IFF_ALLMULTI | N.IFF_MULTICAST | N.IFF_NOARP;

interface LinkRequest {
  index: number;
  flags: number;
  changed: number;
  attributes: NetlinkAttributes;
}

function parse(body: Uint8Array): LinkRequest | null {
  if (body.length < LINK_SIZE) return null;
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  return {
    index: view.getInt32(4, true),
    flags: view.getUint32(8, true),
    changed: view.getUint32(12, true),
    attributes: new NetlinkAttributes(body, LINK_SIZE),
  };
}

function find(network: NetworkStack, r: LinkRequest): NetworkInterface | null {
  if (r.index > 0) return network.stack.ctx.routes.interfaces[r.index] ?? null;
  const name = r.attributes.text(N.IFLA_IFNAME);
  return name === null ? null : network.stack.interfaceByName(name);
}

/** All interfaces. */
export function dumpLinks({ network, writer, written }: RouteContext, q: NetlinkRequest): number {
  for (const at of network.stack.interfaces()) {
    writeLink(writer, at, q, N.NLM_F_MULTI);
    written();
  }
  return 0;
}

/** One interface. */
export function getLink({ network, writer }: RouteContext, q: NetlinkRequest): number {
  const r = parse(q.body);
  if (r === null) return -EINVAL;
  const at = find(network, r);
  if (at === null) return -ENODEV;
  writeLink(writer, at, q, 0);
  return 0;
}

/** The namespace that IFLA_NET_NS_PID or IFLA_NET_NS_FD names; null for none, or an error. */
function namespaceOf(t: Task, attributes: NetlinkAttributes): NetworkStack | null | number {
  if (attributes.has(N.IFLA_NET_NS_FD)) {
    const file = t.files.get(attributes.number(N.IFLA_NET_NS_FD));
    if (file === null) return -EBADF;
    if (!(file instanceof NamespaceFile) || !(file.namespace instanceof NetNamespace)) {
      return -EINVAL;
    }
    return networkStack(t.kernel, file.namespace);
  }
  if (!attributes.has(N.IFLA_NET_NS_PID)) return null;
  const task = t.pid.ns.get(attributes.number(N.IFLA_NET_NS_PID))?.task ?? null;
  return task === null ? -ESRCH : networkStack(t.kernel, task.nsproxy.net);
}

/** RTM_NEWLINK and RTM_SETLINK: makes an interface, or changes one. */
export function changeLink(context: RouteContext, q: NetlinkRequest): number {
  const r = parse(q.body);
  if (r === null) return -EINVAL;
  const { network } = context;
  const at = find(network, r);
  if (at !== null) {
    const exclusive = q.type === N.RTM_NEWLINK && (q.flags & N.NLM_F_EXCL) !== 0;
    return exclusive ? -EEXIST : change(q.task, network, at, r);
  }
  if (q.type === N.RTM_SETLINK || (q.flags & N.NLM_F_CREATE) === 0) return -ENODEV;
  return create(q.task, network, r);
}

function macOf(t: Task, attributes: NetlinkAttributes): number {
  const bytes = attributes.get(N.IFLA_ADDRESS);
  if (bytes === null || bytes.length !== 6) return randomMac(t.kernel);
  return bytes.reduce((value, byte) => value * 256 + byte, 0);
}

function create(t: Task, network: NetworkStack, r: LinkRequest): number {
  const info = r.attributes.nested(N.IFLA_LINKINFO);
  const kind = info?.text(N.IFLA_INFO_KIND) ?? null;
  const target = namespaceOf(t, r.attributes);
  if (typeof target === "number") return target;
  const home = target ?? network;
  const given = r.attributes.text(N.IFLA_IFNAME);
  const mac = macOf(t, r.attributes);
  let made;
  if (kind === "bridge" || kind === "dummy") {
    const name = given ?? freeName(home, kind === "bridge" ? "bridge" : "dummy");
    made = createLink(kind, home, name, mac);
  } else if (kind === "veth") {
    const peer = info?.nested(N.IFLA_INFO_DATA)?.get(N.VETH_INFO_PEER) ?? null;
    const p = peer === null ? null : parse(peer);
    const peerTarget = p === null ? null : namespaceOf(t, p.attributes);
    if (typeof peerTarget === "number") return peerTarget;
    const peerHome = peerTarget ?? network;
    const name = given ?? freeName(home, "veth");
    let peerName = p?.attributes.text(N.IFLA_IFNAME) ?? freeName(peerHome, "veth");
    if (peerHome === home && peerName === name) {
      if (given !== null && p?.attributes.has(N.IFLA_IFNAME)) return -EEXIST;
      peerName = freeName(peerHome, "veth1");
    }
    const peerMac = p === null ? randomMac(t.kernel) : macOf(t, p.attributes);
    made = createVeth(home, name, mac, peerHome, peerName, peerMac);
    if (typeof made !== "number" && p !== null && made.peer !== null) {
      const e = setUpAndMtu(peerHome, made.peer.at, p);
      if (e < 0) {
        removeLink(made);
        return e;
      }
      peerHome.pump();
    }
  } else return -EOPNOTSUPP;
  if (typeof made === "number") return made;
  const e = applyMaster(home, made.at, r.attributes);
  const s = e < 0 ? e : setUpAndMtu(home, made.at, r);
  if (s < 0) removeLink(made);
  if (home !== network) home.pump();
  return s;
}

function setUpAndMtu(network: NetworkStack, at: NetworkInterface, r: LinkRequest): number {
  const { stack } = network;
  if (r.attributes.has(N.IFLA_MTU)) {
    const e = stack.setMtu(at, r.attributes.number(N.IFLA_MTU));
    if (e < 0) return e;
  }
  const settable = r.changed & SETTABLE;
  const flags = (at.flags & ~settable) | (r.flags & settable);
  if (flags !== at.flags) {
    at.flags = flags;
    stack.ctx.routes.events?.link(at, false);
  }
  if ((r.changed & N.IFF_UP) !== 0 || (r.changed === 0 && (r.flags & N.IFF_UP) !== 0)) {
    stack.setUp(at, (r.flags & N.IFF_UP) !== 0);
    // The other end of a pair gains or loses its carrier.
    const peer = virtualLinkOf(at)?.peer ?? null;
    if (peer !== null) peer.network.stack.ctx.routes.events?.link(peer.at, false);
  }
  return 0;
}

function applyMaster(
  network: NetworkStack,
  at: NetworkInterface,
  attributes: NetlinkAttributes,
): number {
  if (!attributes.has(N.IFLA_MASTER)) return 0;
  const index = attributes.number(N.IFLA_MASTER);
  if (index === 0) return setMaster(network, at, null);
  const bridge = network.stack.ctx.routes.interfaces[index];
  if (bridge === undefined) return -EINVAL;
  const link = virtualLinkOf(bridge);
  return link === null ? -EOPNOTSUPP : setMaster(network, at, link);
}

function change(t: Task, network: NetworkStack, at: NetworkInterface, r: LinkRequest): number {
  const { stack } = network;
  const { attributes } = r;
  const target = namespaceOf(t, attributes);
  if (typeof target === "number") return target;
  if (target !== null && target !== network) {
    const link = virtualLinkOf(at);
    // Loopback stays where it is, and so does what leads to the host.
    if (link === null) return -EINVAL;
    const e = moveLink(link, target, attributes.text(N.IFLA_IFNAME) ?? at.name);
    target.pump();
    return e;
  }
  const name = attributes.text(N.IFLA_IFNAME);
  if (name !== null && r.index > 0 && name !== at.name) {
    if (at.isUp) return -EBUSY;
    const e = stack.renameInterface(at, name);
    if (e < 0) return e;
  }
  const mac = attributes.get(N.IFLA_ADDRESS);
  if (mac !== null) {
    if (mac.length !== 6 || at.isLoopback) return -EOPNOTSUPP;
    if ((mac[0] & 1) !== 0) return -EADDRNOTAVAIL;
    // The address of a bridge's own interface is what its device tells frames for itself by.
    if (virtualLinkOf(at)?.kind === "bridge") return -EOPNOTSUPP;
    at.mac = macOf(t, attributes);
    stack.ctx.routes.events?.link(at, false);
  }
  const e = applyMaster(network, at, attributes);
  return e < 0 ? e : setUpAndMtu(network, at, r);
}

/** RTM_DELLINK. */
export function removeLinkRequest({ network }: RouteContext, q: NetlinkRequest): number {
  const r = parse(q.body);
  if (r === null) return -EINVAL;
  const at = find(network, r);
  if (at === null) return -ENODEV;
  const link = virtualLinkOf(at);
  return link === null ? -EOPNOTSUPP : removeLink(link);
}
