/** statmount(2) and listmount(2). */

import { CAP_SYS_ADMIN } from "../../abi/capability.ts";
import { E2BIG, EFAULT, EINVAL, ENOENT, EOVERFLOW, EPERM } from "../../abi/errno.ts";
import * as abi from "../../abi/mount.ts";
import type { Task } from "../kernel/task.ts";
import { devMajor, devMinor } from "../vfs/device_number.ts";
import { type Mount, UNIQUE_ID } from "../vfs/mount.ts";
import { isReachable, Path, pathName } from "../vfs/path.ts";
import { mountOptionsText, rootName } from "../fs/proc/task_mounts.ts";

const STATMOUNT_SB_BASIC = 0x1;
const STATMOUNT_MNT_BASIC = 0x2;
const STATMOUNT_PROPAGATE_FROM = 0x4;
const STATMOUNT_MNT_ROOT = 0x8;
const STATMOUNT_MNT_POINT = 0x10;
const STATMOUNT_FS_TYPE = 0x20;
const STATMOUNT_MNT_NS_ID = 0x40;
const STATMOUNT_MNT_OPTS = 0x80;
const STATMOUNT_SB_SOURCE = 0x200;
/** Bytes before the strings. */
const HEADER = 512;
const REQUEST_V0 = 24;
const REQUEST_V1 = 32;
const LISTMOUNT_REVERSE = 1;
const MAX_LISTED = 1_000_000;

/** The request of argument 0, in scratch; 0 or an error. */
function readRequest(t: Task): number {
  const size = t.mm.readU32(t.args[0]);
  if (size < 0) return size;
  if (size > 4096) return -E2BIG;
  if (size < REQUEST_V0) return -EINVAL;
  t.scratch.fill(0, 0, REQUEST_V1);
  if (t.copyIn(t.args[0], size) !== 0) return -EFAULT;
  // Smaller ones are those of /proc/self/mountinfo.
  if (u64(t, 8) <= 0x80000000) return -EINVAL;
  for (let i = REQUEST_V1; i < size; i++) if (t.scratch[i] !== 0) return -E2BIG;
  return t.view.getUint32(4, true) !== 0 ? -EINVAL : 0;
}

function u64(t: Task, at: number): number {
  return t.view.getUint32(at, true) + t.view.getUint32(at + 4, true) * 0x100000000;
}

/** The mount of that id among those that the task can reach from its root. */
function find(t: Task, id: number): Mount | null {
  for (const m of t.nsproxy.mnt.mounts) {
    if (m.id + UNIQUE_ID !== id) continue;
    return isReachable(new Path(m, m.root), t.fs.root) ? m : null;
  }
  return null;
}

function attributes(m: Mount): number {
  const f = m.flags;
  let attr = 0;
  if ((f & abi.MS_RDONLY) !== 0) attr |= abi.MOUNT_ATTR_RDONLY;
  if ((f & abi.MS_NOSUID) !== 0) attr |= abi.MOUNT_ATTR_NOSUID;
  if ((f & abi.MS_NODEV) !== 0) attr |= abi.MOUNT_ATTR_NODEV;
  if ((f & abi.MS_NOEXEC) !== 0) attr |= abi.MOUNT_ATTR_NOEXEC;
  if ((f & abi.MS_NODIRATIME) !== 0) attr |= abi.MOUNT_ATTR_NODIRATIME;
  if ((f & abi.MS_NOSYMFOLLOW) !== 0) attr |= abi.MOUNT_ATTR_NOSYMFOLLOW;
  if ((f & abi.MS_NOATIME) !== 0) attr |= abi.MOUNT_ATTR_NOATIME;
  else if ((f & abi.MS_RELATIME) === 0) attr |= abi.MOUNT_ATTR_STRICTATIME;
  return attr;
}

function propagation(m: Mount): number {
  if (m.unbindable) return abi.MS_UNBINDABLE;
  if (m.group === null && m.master === null) return abi.MS_PRIVATE;
  return (m.group !== null ? abi.MS_SHARED : 0) | (m.master !== null ? abi.MS_SLAVE : 0);
}

export function statmount(t: Task): number {
  if (t.args[3] !== 0) return -EINVAL;
  const r = readRequest(t);
  if (r !== 0) return r;
  const id = u64(t, 8);
  const mask = t.view.getUint32(16, true);
  const m = find(t, id);
  if (m === null) return -ENOENT;
  const size = Math.min(t.args[2], 1 << 20);
  const strings = new Map<number, string>();
  const path = new Path(m, m.root);
  if ((mask & STATMOUNT_FS_TYPE) !== 0) strings.set(36, m.fs.typeName);
  if ((mask & STATMOUNT_MNT_ROOT) !== 0) strings.set(104, rootName(m));
  if ((mask & STATMOUNT_MNT_POINT) !== 0) strings.set(108, pathName(path, t.fs.root));
  if ((mask & STATMOUNT_MNT_OPTS) !== 0) strings.set(4, mountOptionsText(m));
  if ((mask & STATMOUNT_SB_SOURCE) !== 0) strings.set(124, m.source);
  let text = "";
  const out = new Uint8Array(HEADER);
  const v = new DataView(out.buffer);
  for (const [at, string] of strings) {
    v.setUint32(at, text.length, true);
    text += `${string}\0`;
  }
  const known = STATMOUNT_SB_BASIC | STATMOUNT_MNT_BASIC | STATMOUNT_PROPAGATE_FROM |
    STATMOUNT_MNT_ROOT | STATMOUNT_MNT_POINT | STATMOUNT_FS_TYPE | STATMOUNT_MNT_NS_ID |
    STATMOUNT_MNT_OPTS | STATMOUNT_SB_SOURCE;
  v.setUint32(8, mask & known, true);
  if ((mask & STATMOUNT_SB_BASIC) !== 0) {
    v.setUint32(16, devMajor(m.fs.dev), true);
    v.setUint32(20, devMinor(m.fs.dev), true);
    v.setUint32(24, m.fs.magic, true);
    v.setUint32(32, m.fs.readOnly ? abi.MS_RDONLY : 0, true);
  }
  if ((mask & STATMOUNT_MNT_BASIC) !== 0) {
    const parent = m.parent ?? m;
    put64(v, 40, m.id + UNIQUE_ID);
    put64(v, 48, parent.id + UNIQUE_ID);
    v.setUint32(56, m.id, true);
    v.setUint32(60, parent.id, true);
    put64(v, 64, attributes(m));
    put64(v, 72, propagation(m));
    put64(v, 80, m.group === null ? 0 : m.group.id);
    put64(v, 88, m.master === null ? 0 : m.master.id);
  }
  if ((mask & STATMOUNT_MNT_NS_ID) !== 0) put64(v, 112, t.nsproxy.mnt.id);
  const total = HEADER + text.length;
  if (text.length > 0 && size < total) return -EOVERFLOW;
  v.setUint32(0, total, true);
  const bytes = new Uint8Array(total);
  bytes.set(out);
  for (let i = 0; i < text.length; i++) bytes[HEADER + i] = text.charCodeAt(i);
  return t.mm.copyOut(t.args[1], bytes, 0, Math.min(size, total)) !== 0 ? -EFAULT : 0;
}

function put64(v: DataView, at: number, value: number): void {
  v.setUint32(at, value >>> 0, true);
  v.setUint32(at + 4, Math.floor(value / 0x100000000), true);
}

/** All mounts beneath one, by their numbers. */
function beneath(m: Mount, list: Mount[]): Mount[] {
  for (const child of m.children) {
    list.push(child);
    beneath(child, list);
  }
  return list;
}

export function listmount(t: Task): number {
  const flags = t.args[3];
  const count = t.args[2];
  if (flags !== 0 && flags !== LISTMOUNT_REVERSE) return -EINVAL;
  if (!(count >= 0 && count <= MAX_LISTED)) return -EOVERFLOW;
  const r = readRequest(t);
  if (r !== 0) return r;
  const isRoot = t.view.getUint32(8, true) === 0xffffffff &&
    t.view.getUint32(12, true) === 0xffffffff;
  const last = u64(t, 16);
  const m = isRoot ? t.fs.root.mount : find(t, u64(t, 8));
  if (m === null) return t.creds.capable(CAP_SYS_ADMIN) ? -ENOENT : -EPERM;
  const reverse = flags === LISTMOUNT_REVERSE;
  const list = beneath(m, isRoot ? [m] : []).sort((a, b) => reverse ? b.id - a.id : a.id - b.id);
  const bytes = new Uint8Array(8 * Math.min(count, list.length));
  const v = new DataView(bytes.buffer);
  let n = 0;
  for (const one of list) {
    const id = one.id + UNIQUE_ID;
    if (last !== 0 && (reverse ? id >= last : id <= last)) continue;
    if (n * 8 >= bytes.length) break;
    put64(v, 8 * n++, id);
  }
  return t.mm.copyOut(t.args[1], bytes, 0, 8 * n) !== 0 ? -EFAULT : n;
}
