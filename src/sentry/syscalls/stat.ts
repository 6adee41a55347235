// hot: stat(2) is among the most frequent system calls.

import { EBADF, EINVAL } from "../../abi/errno.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_NO_AUTOMOUNT,
  AT_STATX_SYNC_TYPE,
  AT_SYMLINK_NOFOLLOW,
} from "../../abi/fcntl.ts";
import { ST_VALID } from "../../abi/mount.ts";
import { write64 } from "../../abi/int64.ts";
import {
  STATX_ATTR_MOUNT_ROOT,
  STATX_BASIC_STATS,
  STATX_BTIME,
  STATX_MNT_ID,
  STATX_MNT_ID_UNIQUE,
} from "../../abi/stat.ts";
import { Statfs } from "../../abi/structs/file.ts";
import type { Task } from "../kernel/task.ts";
import { devMajor, devMinor } from "../vfs/device_number.ts";
import { StatFs } from "../vfs/file_system.ts";
import type { Inode } from "../vfs/inode.ts";
import { type Mount, UNIQUE_ID } from "../vfs/mount.ts";

const STAT_SIZE = 144;
const STATX_SIZE = 256;

function put(v: DataView, at: number, n: number): void {
  // Nearly every number here is below 2^31; the others are split.
  if (n >= 0 && n <= 0x7fffffff) {
    v.setInt32(at, n, true);
    v.setInt32(at + 4, 0, true);
  } else {
    write64(v, at, n);
  }
}

/** The upper half of a number that seldom needs one. */
function high(n: number): number {
  return n >= 0 && n < 0x100000000 ? 0 : Math.floor(n / 0x100000000);
}

/**
 * Lays out `struct stat`. Fields are written as they are loaded: handing a time to a function would
 * make an object of it, as it does not fit into a small integer.
 */
function layStat(v: DataView, o: number, inode: Inode): void {
  const size = inode.size;
  const ino = inode.ino;
  const blocks = inode.blocks;
  v.setUint32(o, inode.dev, true);
  v.setUint32(o + 4, 0, true);
  v.setUint32(o + 8, ino, true);
  v.setInt32(o + 12, high(ino), true);
  v.setUint32(o + 16, inode.nlink, true);
  v.setUint32(o + 20, 0, true);
  v.setUint32(o + 24, inode.mode, true);
  v.setUint32(o + 28, inode.uid, true);
  v.setUint32(o + 32, inode.gid, true);
  v.setUint32(o + 36, 0, true);
  v.setUint32(o + 40, inode.rdev, true);
  v.setUint32(o + 44, 0, true);
  v.setUint32(o + 48, size, true);
  v.setInt32(o + 52, size < 0x100000000 ? 0 : high(size), true);
  v.setUint32(o + 56, inode.blockSize, true);
  v.setUint32(o + 60, 0, true);
  v.setUint32(o + 64, blocks, true);
  v.setInt32(o + 68, blocks < 0x100000000 ? 0 : high(blocks), true);
  let sec = inode.atimeSec;
  v.setUint32(o + 72, sec, true);
  v.setInt32(o + 76, sec >= 0 && sec < 0x100000000 ? 0 : high(sec), true);
  v.setUint32(o + 80, inode.atimeNsec, true);
  v.setUint32(o + 84, 0, true);
  sec = inode.mtimeSec;
  v.setUint32(o + 88, sec, true);
  v.setInt32(o + 92, sec >= 0 && sec < 0x100000000 ? 0 : high(sec), true);
  v.setUint32(o + 96, inode.mtimeNsec, true);
  v.setUint32(o + 100, 0, true);
  sec = inode.ctimeSec;
  v.setUint32(o + 104, sec, true);
  v.setInt32(o + 108, sec >= 0 && sec < 0x100000000 ? 0 : high(sec), true);
  v.setUint32(o + 112, inode.ctimeNsec, true);
  v.setUint32(o + 116, 0, true);
  for (let i = 120; i < STAT_SIZE; i += 4) v.setUint32(o + i, 0, true);
}

function writeStat(t: Task, inode: Inode, address: number): number {
  const r = inode.refresh(t);
  if (r !== 0) return r;
  // Straight into the application's page, unless the structure crosses into the next.
  if ((address & 4095) <= 4096 - STAT_SIZE) {
    const at = t.mm.physical(address, true);
    if (at < 0) return at;
    layStat(t.kernel.frames.view, at, inode);
    return 0;
  }
  layStat(t.view, 0, inode);
  return t.copyOut(address, STAT_SIZE);
}

function statPath(
  t: Task,
  dirfd: number,
  path: string | number,
  address: number,
  flags: number,
): number {
  if (typeof path === "number") return path;
  const inode = t.kernel.vfs.locate(t, dirfd, path, flags);
  return typeof inode === "number" ? inode : writeStat(t, inode, address);
}

export function sys_stat(t: Task): number {
  return statPath(t, AT_FDCWD, t.pathArg(0), t.args[1], 0);
}

export function sys_lstat(t: Task): number {
  return statPath(t, AT_FDCWD, t.pathArg(0), t.args[1], AT_SYMLINK_NOFOLLOW);
}

export function sys_fstat(t: Task): number {
  const file = t.files.get(t.args[0] | 0);
  return file === null ? -EBADF : writeStat(t, file.inode, t.args[1]);
}

export function sys_newfstatat(t: Task): number {
  const flags = t.args[3] | 0;
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  const dirfd = t.args[0] | 0;
  // Since Linux 6.11 a null path is as good as an empty one; C libraries use both for fstat.
  const path = t.args[1] === 0 && (flags & AT_EMPTY_PATH) !== 0 ? "" : t.pathArg(1);
  if (path === "" && (flags & AT_EMPTY_PATH) !== 0 && dirfd >= 0) {
    const file = t.files.get(dirfd);
    return file === null ? -EBADF : writeStat(t, file.inode, t.args[2]);
  }
  return statPath(t, dirfd, path, t.args[2], flags);
}

export function sys_statx(t: Task): number {
  const flags = t.args[2] | 0;
  const mask = t.args[3] >>> 0;
  const known = AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT | AT_EMPTY_PATH | AT_STATX_SYNC_TYPE;
  if ((flags & ~known) !== 0 || (flags & AT_STATX_SYNC_TYPE) === AT_STATX_SYNC_TYPE) return -EINVAL;
  if ((mask & 0x80000000) !== 0) return -EINVAL;
  const path = t.args[1] === 0 && (flags & AT_EMPTY_PATH) !== 0 ? "" : t.pathArg(1);
  if (typeof path === "number") return path;
  const vfs = t.kernel.vfs;
  const inode = vfs.locate(t, t.args[0] | 0, path, flags);
  if (typeof inode === "number") return inode;
  const mount = vfs.walk.mount;
  const isRoot = vfs.walk.dentry === mount.root;
  const r = inode.refresh(t);
  return r !== 0 ? r : writeStatx(t, inode, mount, isRoot, t.args[4]);
}

function writeStatx(
  t: Task,
  inode: Inode,
  mount: Mount,
  isRoot: boolean,
  address: number,
): number {
  t.scratch.fill(0, 0, STATX_SIZE);
  const v = t.view;
  const unique = (t.args[3] & STATX_MNT_ID_UNIQUE) !== 0;
  const kind = unique ? STATX_MNT_ID_UNIQUE : STATX_MNT_ID;
  v.setUint32(0, STATX_BASIC_STATS | STATX_BTIME | kind, true);
  v.setUint32(4, inode.blockSize, true);
  put(v, 8, isRoot ? STATX_ATTR_MOUNT_ROOT : 0);
  v.setUint32(16, inode.nlink, true);
  v.setUint32(20, inode.uid, true);
  v.setUint32(24, inode.gid, true);
  v.setUint16(28, inode.mode, true);
  put(v, 32, inode.ino);
  put(v, 40, inode.size);
  put(v, 48, inode.blocks);
  put(v, 56, STATX_ATTR_MOUNT_ROOT);
  writeTime(v, 64, inode.atimeSec, inode.atimeNsec);
  writeTime(v, 80, inode.btimeSec, inode.btimeNsec);
  writeTime(v, 96, inode.ctimeSec, inode.ctimeNsec);
  writeTime(v, 112, inode.mtimeSec, inode.mtimeNsec);
  v.setUint32(128, devMajor(inode.rdev), true);
  v.setUint32(132, devMinor(inode.rdev), true);
  v.setUint32(136, devMajor(inode.dev), true);
  v.setUint32(140, devMinor(inode.dev), true);
  put(v, 144, unique ? mount.id + UNIQUE_ID : mount.id);
  return t.copyOut(address, STATX_SIZE);
}

function writeTime(v: DataView, at: number, sec: number, nsec: number): void {
  put(v, at, sec);
  v.setUint32(at + 8, nsec, true);
}

const statfs = new StatFs();

function writeStatfs(t: Task, mount: Mount, address: number): number {
  Object.assign(statfs, new StatFs());
  const r = mount.fs.statfs(statfs);
  if (r !== 0) return r;
  t.scratch.fill(0, 0, Statfs.size);
  const v = t.view;
  put(v, 0, statfs.type);
  put(v, 8, statfs.blockSize);
  put(v, 16, statfs.blocks);
  put(v, 24, statfs.free);
  put(v, 32, statfs.available);
  put(v, 40, statfs.files);
  put(v, 48, statfs.filesFree);
  put(v, 56, mount.fs.dev);
  put(v, 64, statfs.nameMax);
  put(v, 72, statfs.blockSize);
  put(v, 80, ST_VALID | mount.statfsFlags);
  return t.copyOut(address, Statfs.size);
}

export function sys_statfs(t: Task): number {
  const path = t.pathArg(0);
  if (typeof path === "number") return path;
  const inode = t.kernel.vfs.locate(t, AT_FDCWD, path, 0);
  return typeof inode === "number" ? inode : writeStatfs(t, t.kernel.vfs.walk.mount, t.args[1]);
}

export function sys_fstatfs(t: Task): number {
  const file = t.files.get(t.args[0] | 0);
  return file === null ? -EBADF : writeStatfs(t, file.path.mount, t.args[1]);
}

export function sys_ustat(t: Task): number {
  const dev = t.args[0] >>> 0;
  for (const fs of t.kernel.vfs.mounted) {
    if (fs.dev !== dev) continue;
    const out = new StatFs();
    const r = fs.statfs(out);
    if (r !== 0) return r;
    t.scratch.fill(0, 0, 32);
    t.view.setInt32(0, out.free, true);
    put(t.view, 8, out.filesFree);
    return t.copyOut(t.args[1], 32);
  }
  return -EINVAL;
}
