/** fsopen(2), fsconfig(2), fsmount(2), fspick(2), open_tree(2), move_mount(2) and mount_setattr(2). */

import { CAP_SYS_ADMIN } from "../../abi/capability.ts";
import {
  E2BIG,
  EBADF,
  EBUSY,
  EFAULT,
  EINVAL,
  ENAMETOOLONG,
  ENODEV,
  EOPNOTSUPP,
  EPERM,
} from "../../abi/errno.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_NO_AUTOMOUNT,
  AT_RECURSIVE,
  AT_SYMLINK_NOFOLLOW,
  O_NOFOLLOW,
  O_PATH,
} from "../../abi/fcntl.ts";
import * as abi from "../../abi/mount.ts";
import { DetachedMount, MountContext, Phase } from "../fs/mount_context.ts";
import { createUnion } from "../fs/overlay/union_file_system.ts";
import type { Task } from "../kernel/task.ts";
import type { File } from "../vfs/file.ts";
import { PathFile } from "../vfs/file.ts";
import { Mount, MOUNT_FLAGS } from "../vfs/mount.ts";
import { applyPropagation, attach, moveMount } from "../vfs/mounts.ts";
import type { Path } from "../vfs/path.ts";
import { copyTree } from "../vfs/propagation.ts";
import { installNew } from "./eventfd.ts";
import { mountAny } from "./mount.ts";

const NAME_MAX = 256;
const ATIME_MASK = abi.MOUNT_ATTR__ATIME;
/** MOUNT_ATTR_* bits that are MS_* flags of a mount. */
const SIMPLE: readonly (readonly [attr: number, flag: number])[] = [
  [abi.MOUNT_ATTR_RDONLY, abi.MS_RDONLY],
  [abi.MOUNT_ATTR_NOSUID, abi.MS_NOSUID],
  [abi.MOUNT_ATTR_NODEV, abi.MS_NODEV],
  [abi.MOUNT_ATTR_NOEXEC, abi.MS_NOEXEC],
  [abi.MOUNT_ATTR_NODIRATIME, abi.MS_NODIRATIME],
  [abi.MOUNT_ATTR_NOSYMFOLLOW, abi.MS_NOSYMFOLLOW],
];
const KNOWN_ATTR = SIMPLE.reduce((all, [attr]) => all | attr, ATIME_MASK);

/** The MS_* flags for MOUNT_ATTR_* bits; -1 if the access times make no sense. */
function flagsOf(attr: number): number {
  let flags = 0;
  for (const [bit, flag] of SIMPLE) if ((attr & bit) !== 0) flags |= flag;
  switch (attr & ATIME_MASK) {
    case abi.MOUNT_ATTR_RELATIME:
      return flags | abi.MS_RELATIME;
    case abi.MOUNT_ATTR_NOATIME:
      return flags | abi.MS_NOATIME;
    case abi.MOUNT_ATTR_STRICTATIME:
      return flags;
  }
  return -1;
}

function admin(t: Task): boolean {
  return t.creds.capable(CAP_SYS_ADMIN);
}

function shortText(t: Task, address: number): string | number {
  const text = t.mm.readString(address, NAME_MAX);
  return text === -ENAMETOOLONG ? -EINVAL : text;
}

function contextOf(t: Task, fd: number): MountContext | number {
  const file = t.files.get(fd);
  if (file === null) return -EBADF;
  return file instanceof MountContext ? file : -EINVAL;
}

/** mount(2) of types that are loaded only now. */
export function mount(t: Task): number {
  t.kernel.vfs.registerFileSystem("overlay", createUnion);
  return mountAny(t);
}

export function fsopen(t: Task): number {
  t.kernel.vfs.registerFileSystem("overlay", createUnion);
  if (!admin(t)) return -EPERM;
  const flags = t.args[1] >>> 0;
  if ((flags & ~abi.FSOPEN_CLOEXEC) !== 0) return -EINVAL;
  const type = t.mm.readString(t.args[0], 4096);
  if (typeof type === "number") return type;
  if (!t.kernel.vfs.types.has(type)) return -ENODEV;
  return installNew(t, new MountContext(t.kernel.vfs, type, null), flags !== 0);
}

export function fsconfig(t: Task): number {
  const fd = t.args[0] | 0;
  const cmd = t.args[1] >>> 0;
  const key = t.args[2];
  const value = t.args[3];
  const aux = t.args[4] | 0;
  if (fd < 0) return -EINVAL;
  switch (cmd) {
    case abi.FSCONFIG_SET_FLAG:
      if (key === 0 || value !== 0 || aux !== 0) return -EINVAL;
      break;
    case abi.FSCONFIG_SET_STRING:
      if (key === 0 || value === 0 || aux !== 0) return -EINVAL;
      break;
    case abi.FSCONFIG_SET_BINARY:
      if (key === 0 || value === 0 || aux <= 0 || aux > 1024 * 1024) return -EINVAL;
      break;
    case abi.FSCONFIG_SET_PATH:
    case abi.FSCONFIG_SET_PATH_EMPTY:
      if (key === 0 || value === 0 || (aux !== AT_FDCWD && aux < 0)) return -EINVAL;
      break;
    case abi.FSCONFIG_SET_FD:
      if (key === 0 || value !== 0 || aux < 0) return -EINVAL;
      break;
    case abi.FSCONFIG_CMD_CREATE:
    case abi.FSCONFIG_CMD_RECONFIGURE:
    case abi.FSCONFIG_CMD_CREATE_EXCL:
      if (key !== 0 || value !== 0 || aux !== 0) return -EINVAL;
      break;
    default:
      return -EOPNOTSUPP;
  }
  const context = contextOf(t, fd);
  if (typeof context === "number") return context;
  if (cmd === abi.FSCONFIG_CMD_RECONFIGURE) return reconfigure(t, context);
  if (cmd >= abi.FSCONFIG_CMD_CREATE) return create(t, context);
  const name = shortText(t, key);
  if (typeof name === "number") return name;
  if (cmd === abi.FSCONFIG_SET_FLAG) return context.set(name, null);
  if (cmd !== abi.FSCONFIG_SET_STRING) {
    return context.complain(`${context.type}: Unknown parameter '${name}'`);
  }
  const text = shortText(t, value);
  return typeof text === "number" ? text : context.set(name, text);
}

function create(t: Task, context: MountContext): number {
  if (context.phase !== Phase.Create) return -EBUSY;
  if (!admin(t)) return -EPERM;
  const { type, source, sbFlags, data } = context;
  const fs = t.kernel.vfs.createFileSystem(t, type, source ?? "none", sbFlags, data);
  if (typeof fs === "number") {
    context.phase = Phase.Failed;
    return fs;
  }
  if ((sbFlags & abi.MS_RDONLY) !== 0) fs.readOnly = true;
  context.fs = fs;
  context.phase = Phase.Mount;
  return 0;
}

function reconfigure(t: Task, context: MountContext): number {
  if (context.phase !== Phase.Reconfigure || context.fs === null) return -EBUSY;
  if (!admin(t)) return -EPERM;
  const readOnly = (context.sbFlags & abi.MS_RDONLY) !== 0;
  const r = context.fs.remount(readOnly, context.data);
  if (r !== 0) return r;
  context.fs.readOnly = readOnly;
  context.options.length = 0;
  return 0;
}

export function fsmount(t: Task): number {
  const flags = t.args[1] >>> 0;
  const attr = t.args[2] >>> 0;
  if (!admin(t)) return -EPERM;
  if ((flags & ~abi.FSMOUNT_CLOEXEC) !== 0 || (attr & ~KNOWN_ATTR) !== 0) return -EINVAL;
  const mountFlags = flagsOf(attr);
  if (mountFlags < 0) return -EINVAL;
  const context = contextOf(t, t.args[0] | 0);
  if (typeof context === "number") return context;
  if (context.fs === null) return -EINVAL;
  if (context.phase !== Phase.Mount) return -EBUSY;
  const fs = context.fs;
  context.phase = Phase.Reconfigure;
  context.options.length = 0;
  t.kernel.vfs.mounted.add(fs);
  const m = new Mount(fs, fs.rootDentry, context.source ?? "none", mountFlags);
  return installNew(t, new DetachedMount(m, O_PATH), flags !== 0);
}

export function fspick(t: Task): number {
  const flags = t.args[2] >>> 0;
  if (!admin(t)) return -EPERM;
  const known = abi.FSPICK_CLOEXEC | abi.FSPICK_SYMLINK_NOFOLLOW | abi.FSPICK_NO_AUTOMOUNT |
    abi.FSPICK_EMPTY_PATH;
  if ((flags & ~known) !== 0) return -EINVAL;
  const path = t.pathArg(1);
  if (typeof path === "number") return path;
  const at = t.kernel.vfs.resolve(
    t,
    t.args[0] | 0,
    path,
    ((flags & abi.FSPICK_SYMLINK_NOFOLLOW) !== 0 ? AT_SYMLINK_NOFOLLOW : 0) |
      ((flags & abi.FSPICK_EMPTY_PATH) !== 0 ? AT_EMPTY_PATH : 0),
  );
  if (typeof at === "number") return at;
  if (at.dentry !== at.mount.root) return -EINVAL;
  const fs = at.mount.fs;
  const context = new MountContext(t.kernel.vfs, fs.typeName, fs);
  return installNew(t, context, (flags & abi.FSPICK_CLOEXEC) !== 0);
}

export function open_tree(t: Task): number {
  const flags = t.args[2] >>> 0;
  const known = AT_EMPTY_PATH | AT_NO_AUTOMOUNT | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW |
    abi.OPEN_TREE_CLONE | abi.OPEN_TREE_CLOEXEC;
  if ((flags & ~known) !== 0) return -EINVAL;
  const clone = (flags & abi.OPEN_TREE_CLONE) !== 0;
  if ((flags & AT_RECURSIVE) !== 0 && !clone) return -EINVAL;
  if (clone && !admin(t)) return -EPERM;
  const path = t.pathArg(1);
  if (typeof path === "number") return path;
  const walk = flags & (AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
  const at = t.kernel.vfs.resolve(t, t.args[0] | 0, path, walk);
  if (typeof at === "number") return at;
  const opened = O_PATH | ((flags & AT_SYMLINK_NOFOLLOW) !== 0 ? O_NOFOLLOW : 0);
  let file: File;
  if (clone) {
    if (at.mount.unbindable || at.mount.fs.anonymous) return -EINVAL;
    const m = (flags & AT_RECURSIVE) !== 0
      ? copyTree(at.mount, null, at.dentry)
      : at.mount.clone(at.dentry);
    file = new DetachedMount(m, opened);
  } else {
    file = new PathFile(at, opened);
  }
  return installNew(t, file, (flags & abi.OPEN_TREE_CLOEXEC) !== 0);
}

/** Where the path of arguments `i` and `i + 1` of move_mount(2) leads. */
function placeOf(t: Task, i: number, nofollow: boolean, empty: boolean): Path | number {
  const path = t.pathArg(i + 1);
  if (typeof path === "number") return path;
  const flags = (nofollow ? AT_SYMLINK_NOFOLLOW : 0) | (empty ? AT_EMPTY_PATH : 0);
  return t.kernel.vfs.resolve(t, t.args[i] | 0, path, flags);
}

export function move_mount(t: Task): number {
  const flags = t.args[4] >>> 0;
  if (!admin(t)) return -EPERM;
  if ((flags & ~(abi.MOVE_MOUNT__MASK | abi.MOVE_MOUNT_BENEATH)) !== 0) return -EINVAL;
  const has = (flag: number) => (flags & flag) !== 0;
  if (has(abi.MOVE_MOUNT_BENEATH)) return -EINVAL;
  const from = placeOf(t, 0, !has(abi.MOVE_MOUNT_F_SYMLINKS), has(abi.MOVE_MOUNT_F_EMPTY_PATH));
  if (typeof from === "number") return from;
  const to = placeOf(t, 2, !has(abi.MOVE_MOUNT_T_SYMLINKS), has(abi.MOVE_MOUNT_T_EMPTY_PATH));
  if (typeof to === "number") return to;
  if (to.mount.ns !== t.nsproxy.mnt) return -EINVAL;
  if (has(abi.MOVE_MOUNT_SET_GROUP)) return -EINVAL;
  const m = from.mount;
  if (m.ns !== null) return moveMount(from, to);
  // At no place yet: only the whole of it can be put at one.
  if (from.dentry !== m.root || m.parent !== null || m.fs.anonymous) return -EINVAL;
  return from.inode.isDir === to.inode.isDir ? attach(m, to) : -EINVAL;
}

export function mount_setattr(t: Task): number {
  const flags = t.args[2] >>> 0;
  const size = t.args[4];
  const known = AT_EMPTY_PATH | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT;
  if ((flags & ~known) !== 0) return -EINVAL;
  if (size > 4096) return -E2BIG;
  if (size < 32) return -EINVAL;
  if (!admin(t)) return -EPERM;
  if (t.copyIn(t.args[3], size) !== 0) return -EFAULT;
  for (let i = 32; i < size; i++) if (t.scratch[i] !== 0) return -E2BIG;
  const set = t.view.getUint32(0, true);
  const clear = t.view.getUint32(8, true);
  const propagation = t.view.getUint32(16, true);
  const high = t.view.getUint32(4, true) | t.view.getUint32(12, true) | t.view.getUint32(20, true);
  if (set === 0 && clear === 0 && propagation === 0 && high === 0) return 0;
  const kinds = abi.MS_SHARED | abi.MS_PRIVATE | abi.MS_SLAVE | abi.MS_UNBINDABLE;
  if ((propagation & ~kinds) !== 0 || (propagation & (propagation - 1)) !== 0) return -EINVAL;
  // Owners that a mount changes for what it shows are not provided.
  if (high !== 0 || ((set | clear) & ~KNOWN_ATTR) !== 0) return -EINVAL;
  const changesTimes = ((set | clear) & ATIME_MASK) !== 0;
  if (changesTimes && (clear & ATIME_MASK) !== ATIME_MASK) return -EINVAL;
  const added = flagsOf(set);
  if (added < 0) return -EINVAL;
  const path = t.pathArg(1);
  if (typeof path === "number") return path;
  const walk = flags & (AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW);
  const at = t.kernel.vfs.resolve(t, t.args[0] | 0, path, walk);
  if (typeof at === "number") return at;
  if (at.dentry !== at.mount.root || at.mount.fs.anonymous) return -EINVAL;
  const times = abi.MS_NOATIME | abi.MS_RELATIME;
  let removed = flagsOf(clear & ~ATIME_MASK) & MOUNT_FLAGS & ~times;
  if (changesTimes) removed |= times;
  const put = changesTimes ? added : added & ~times;
  setFlags(at.mount, put, removed, (flags & AT_RECURSIVE) !== 0);
  if (propagation !== 0) applyPropagation(at.mount, propagation, (flags & AT_RECURSIVE) !== 0);
  at.mount.ns?.changed();
  return 0;
}

function setFlags(m: Mount, put: number, removed: number, recursive: boolean): void {
  m.flags = (m.flags & ~removed) | put;
  if (recursive) { for (const child of m.children) setFlags(child, put, removed, true); }
}
