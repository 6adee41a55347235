/** Placement of memory on nodes (numa(7)): the sandbox has one node, so every policy holds by itself. */

import { CAP_SYS_NICE } from "../../abi/capability.ts";
import { EFAULT, EINVAL, ENODEV, ENOENT, EPERM } from "../../abi/errno.ts";
import * as m from "../../abi/mman.ts";
import type { Task } from "../kernel/task.ts";

const MAX_NODES = 1024;
const PAGE = 4096;

/** Whether a mode and its nodes can be had: how many nodes it names, or a negative errno. */
function checkPolicy(t: Task, modeAndFlags: number, nodes: number, maxNode: number): number {
  const mode = modeAndFlags & ~m.MPOL_MODE_FLAGS;
  if (mode < m.MPOL_DEFAULT || mode > m.MPOL_PREFERRED_MANY) return -EINVAL;
  if (maxNode < 0 || maxNode > PAGE * 8) return -EINVAL;
  let wanted = false;
  for (let bit = 0; nodes !== 0 && bit < maxNode - 1; bit += 8) {
    const byte = t.mm.readU8(nodes + bit / 8);
    if (byte < 0) return -EFAULT;
    const valid = bit === 0 ? 1 : 0;
    if ((byte & ~valid) !== 0) return -EINVAL;
    if (byte !== 0) wanted = true;
  }
  switch (mode) {
    case m.MPOL_DEFAULT:
    case m.MPOL_LOCAL:
      return wanted ? -EINVAL : 0;
    case m.MPOL_PREFERRED:
      return wanted ? 1 : 0;
    default:
      return wanted ? 1 : -EINVAL;
  }
}

/** set_mempolicy(2). */
export function sys_set_mempolicy(t: Task): number {
  const nodes = checkPolicy(t, t.args[0] | 0, t.args[1], t.args[2]);
  if (nodes < 0) return nodes;
  t.memoryPolicy = t.args[0] | 0;
  t.memoryNodes = nodes;
  return 0;
}

/** mbind(2). */
export function sys_mbind(t: Task): number {
  const a = t.args;
  if (a[0] % PAGE !== 0 || (a[5] & ~m.MPOL_MF_VALID) !== 0) return -EINVAL;
  if ((a[5] & m.MPOL_MF_MOVE_ALL) !== 0 && !t.creds.capable(CAP_SYS_NICE)) return -EPERM;
  const r = checkPolicy(t, a[2] | 0, a[3], a[4]);
  if (r < 0) return r;
  const length = Math.ceil(a[1] / PAGE) * PAGE;
  return length === 0 || t.mm.isMapped(a[0], length) ? 0 : -EFAULT;
}

/** get_mempolicy(2): memory is all on node 0. */
export function sys_get_mempolicy(t: Task): number {
  const [mode, nodes, maxNode, addr, flags] = t.args;
  if ((flags & ~(m.MPOL_F_NODE | m.MPOL_F_ADDR | m.MPOL_F_MEMS_ALLOWED)) !== 0) return -EINVAL;
  if (nodes !== 0 && maxNode < 1) return -EINVAL;
  if ((flags & m.MPOL_F_ADDR) !== 0) {
    if (t.mm.findVma(addr) === null) return -EFAULT;
  } else if (addr !== 0 || (flags & m.MPOL_F_NODE) !== 0) return -EINVAL;
  // Areas have the default policy, whatever mbind(2) was told: with one node it makes no difference.
  const own = flags === 0;
  const tell = own ? t.memoryPolicy : 0;
  if (mode !== 0 && t.mm.writeU32(mode, tell) < 0) return -EFAULT;
  if (nodes !== 0) {
    const bytes = Math.ceil(Math.min(maxNode, MAX_NODES) / 64) * 8;
    if (t.mm.zeroOut(nodes, bytes) < 0) return -EFAULT;
    const bits = (flags & m.MPOL_F_MEMS_ALLOWED) !== 0 ? 1 : own ? t.memoryNodes : 0;
    if (bits !== 0) t.mm.writeU8(nodes, bits);
  }
  return 0;
}

/** set_mempolicy_home_node(2): policies hold by themselves here, so that no area has one to change. */
export function sys_set_mempolicy_home_node(t: Task): number {
  const [start, length, node, flags] = t.args;
  if (start % PAGE !== 0 || flags !== 0 || length < 0) return -EINVAL;
  if (node !== 0) return -EINVAL;
  return length === 0 ? 0 : -ENOENT;
}

/** migrate_pages(2): everything is where it could go. */
export function sys_migrate_pages(_t: Task): number {
  return 0;
}

/** move_pages(2): tells the node of each page. */
export function sys_move_pages(t: Task): number {
  const [, count, pages, nodes, status, flags] = t.args;
  if ((flags & ~(m.MPOL_MF_MOVE | m.MPOL_MF_MOVE_ALL)) !== 0 || count < 0) return -EINVAL;
  if ((flags & m.MPOL_MF_MOVE_ALL) !== 0 && !t.creds.capable(CAP_SYS_NICE)) return -EPERM;
  for (let i = 0; i < count; i++) {
    const page = t.mm.readU64(pages + 8 * i);
    if (page < 0) return -EFAULT;
    if (nodes !== 0) {
      const node = t.mm.readU32(nodes + 4 * i);
      if (node < 0) return -EFAULT;
      if (node !== 0) return -ENODEV;
    }
    const there = t.mm.table.get(Math.floor(page / PAGE)) !== 0;
    if (t.mm.writeU32(status + 4 * i, there ? 0 : -ENOENT) < 0) return -EFAULT;
  }
  return 0;
}
