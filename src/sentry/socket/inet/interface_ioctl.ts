/** Requests about network interfaces that any internet socket answers (netdevice(7)). */

import { EADDRNOTAVAIL, EFAULT, EINVAL, ENODEV, EOPNOTSUPP } from "../../../abi/errno.ts";
import * as IO from "../../../abi/ioctl.ts";
import { AF_INET, IFNAMSIZ } from "../../../abi/socket.ts";
import type { InterfaceAddress, NetworkInterface } from "../../../netstack/network/interface.ts";
import { cString, putString } from "../../kernel/bytes.ts";
import { readU64 } from "../../../abi/int64.ts";
import type { Task } from "../../kernel/task.ts";
import { changeNetwork, changesNetwork, neighbourIoctl } from "./interface_change.ts";
import type { NetworkStack } from "./network_stack.ts";

/** Size of `struct ifreq`. */
const IFREQ_SIZE = 40;
const IFF_RUNNING = 0x40;
const ARPHRD_LOOPBACK = 772;

/** Answers `cmd`; -EOPNOTSUPP if it is not about interfaces. */
export function interfaceIoctl(t: Task, network: NetworkStack, cmd: number, arg: number): number {
  if (changesNetwork(cmd)) return changeNetwork(t, network, cmd, arg);
  if (cmd === IO.SIOCGARP) return neighbourIoctl(t, network, cmd, arg);
  if (cmd === IO.SIOCGIFCONF) return listInterfaces(t, network, arg);
  switch (cmd) {
    case IO.SIOCGIFNAME:
    case IO.SIOCGIFFLAGS:
    case IO.SIOCGIFADDR:
    case IO.SIOCGIFDSTADDR:
    case IO.SIOCGIFBRDADDR:
    case IO.SIOCGIFNETMASK:
    case IO.SIOCGIFMETRIC:
    case IO.SIOCGIFMTU:
    case IO.SIOCGIFHWADDR:
    case IO.SIOCGIFINDEX:
    case IO.SIOCGIFTXQLEN:
      break;
    default:
      return -EOPNOTSUPP;
  }
  if (t.copyIn(arg, IFREQ_SIZE) < 0) return -EFAULT;
  const view = t.view;
  const stack = network.stack;
  if (cmd === IO.SIOCGIFNAME) {
    const index = view.getInt32(IFNAMSIZ, true);
    const at = stack.interfaces().find((i) => i.index === index);
    if (at === undefined) return -ENODEV;
    t.scratch.fill(0, 0, IFNAMSIZ);
    putString(t.scratch, 0, at.name);
    return t.copyOut(arg, IFREQ_SIZE);
  }
  const at = stack.interfaceByName(cString(t.scratch, 0, IFNAMSIZ));
  if (at === null) return -ENODEV;
  t.scratch.fill(0, IFNAMSIZ, IFREQ_SIZE);
  const r = fill(view, at, cmd);
  return r < 0 ? r : t.copyOut(arg, IFREQ_SIZE);
}

function fill(view: DataView, at: NetworkInterface, cmd: number): number {
  switch (cmd) {
    case IO.SIOCGIFFLAGS:
      view.setUint16(IFNAMSIZ, at.flags | (at.isUp ? IFF_RUNNING : 0), true);
      return 0;
    case IO.SIOCGIFINDEX:
      view.setInt32(IFNAMSIZ, at.index, true);
      return 0;
    case IO.SIOCGIFMTU:
      view.setInt32(IFNAMSIZ, at.mtu, true);
      return 0;
    case IO.SIOCGIFMETRIC:
      return 0;
    case IO.SIOCGIFTXQLEN:
      view.setInt32(IFNAMSIZ, 1000, true);
      return 0;
    case IO.SIOCGIFHWADDR:
      view.setUint16(IFNAMSIZ, at.isLoopback ? ARPHRD_LOOPBACK : 1, true);
      view.setUint16(IFNAMSIZ + 2, Math.floor(at.mac / 0x100000000));
      view.setUint32(IFNAMSIZ + 4, at.mac >>> 0);
      return 0;
  }
  const entry = firstV4(at);
  if (entry === null) return -EADDRNOTAVAIL;
  view.setUint16(IFNAMSIZ, AF_INET, true);
  switch (cmd) {
    case IO.SIOCGIFNETMASK:
      view.setUint32(IFNAMSIZ + 4, entry.prefix === 0 ? 0 : (-1 << (32 - entry.prefix)) >>> 0);
      return 0;
    case IO.SIOCGIFBRDADDR:
      view.setUint32(IFNAMSIZ + 4, entry.broadcast === null ? 0 : entry.broadcast.v4);
      return 0;
    case IO.SIOCGIFDSTADDR:
      view.setUint32(IFNAMSIZ + 4, (entry.peer ?? entry.address).v4);
      return 0;
    case IO.SIOCGIFADDR:
      view.setUint32(IFNAMSIZ + 4, entry.address.v4);
      return 0;
  }
  return -EINVAL;
}

function firstV4(at: NetworkInterface): InterfaceAddress | null {
  return at.addresses.find((e) => e.address.isV4) ?? null;
}

/** SIOCGIFCONF: the interfaces that have an IPv4 address. */
function listInterfaces(t: Task, network: NetworkStack, arg: number): number {
  if (t.copyIn(arg, 16) < 0) return -EFAULT;
  const space = t.view.getInt32(0, true);
  const buffer = readU64(t.view, 8);
  const entries = network.stack.interfaces().flatMap((at) =>
    at.addresses.filter((e) => e.address.isV4).map((e) => [at.name, e.address.v4] as const)
  );
  let used = 0;
  if (buffer === 0) {
    used = entries.length * IFREQ_SIZE;
  } else {
    for (const [name, address] of entries) {
      if (used + IFREQ_SIZE > space) break;
      t.scratch.fill(0, 0, IFREQ_SIZE);
      putString(t.scratch, 0, name);
      t.view.setUint16(IFNAMSIZ, AF_INET, true);
      t.view.setUint32(IFNAMSIZ + 4, address);
      if (t.copyOut(buffer + used, IFREQ_SIZE) < 0) return -EFAULT;
      used += IFREQ_SIZE;
    }
  }
  return t.mm.writeU32(arg, used);
}
