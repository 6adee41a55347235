/** Placement of memory on nodes (numa(7)): the sandbox has one node, so every policy holds by itself. */

import { EFAULT, EINVAL, ENODEV, ENOENT } from "../../abi/errno.ts";
import * as m from "../../abi/mman.ts";
import type { Task } from "../kernel/task.ts";

const MAX_NODES = 1024;
const PAGE = 4096;

/** Whether a mode and its nodes can be had: 0 or a negative errno. */
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
      return 0;
    default:
      return wanted ? 0 : -EINVAL;
  }
}

/** set_mempolicy(2). */
export function sys_set_mempolicy(t: Task): number {
  return checkPolicy(t, t.args[0] | 0, t.args[1], t.args[2]);
}

/** mbind(2). */
export function sys_mbind(t: Task): number {
  const a = t.args;
  if (a[0] % PAGE !== 0 || (a[5] & ~m.MPOL_MF_VALID) !== 0) return -EINVAL;
  return checkPolicy(t, a[2] | 0, a[3], a[4]);
}

/** get_mempolicy(2): the default policy, all on node 0. */
export function sys_get_mempolicy(t: Task): number {
  const [mode, nodes, maxNode, addr, flags] = t.args;
  if ((flags & ~(m.MPOL_F_NODE | m.MPOL_F_ADDR | m.MPOL_F_MEMS_ALLOWED)) !== 0) return -EINVAL;
  if (nodes !== 0 && maxNode < 1) return -EINVAL;
  if ((flags & m.MPOL_F_ADDR) !== 0) {
    if (t.mm.findVma(addr) === null) return -EFAULT;
  } else if (addr !== 0 || (flags & m.MPOL_F_NODE) !== 0) return -EINVAL;
  if (mode !== 0 && t.mm.writeU32(mode, 0) < 0) return -EFAULT;
  if (nodes !== 0) {
    const bytes = Math.ceil(Math.min(maxNode, MAX_NODES) / 64) * 8;
    if (t.mm.zeroOut(nodes, bytes) < 0) return -EFAULT;
    if ((flags & m.MPOL_F_MEMS_ALLOWED) !== 0) t.mm.writeU8(nodes, 1);
  }
  return 0;
}

/** migrate_pages(2): everything is where it could go. */
export function sys_migrate_pages(_t: Task): number {
  return 0;
}

/** move_pages(2): tells the node of each page. */
export function sys_move_pages(t: Task): number {
  const [, count, pages, nodes, status, flags] = t.args;
  if ((flags & ~(m.MPOL_MF_MOVE | m.MPOL_MF_MOVE_ALL)) !== 0 || count < 0) return -EINVAL;
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
