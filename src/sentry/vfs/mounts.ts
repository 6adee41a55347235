import { EBUSY, EINVAL, ELOOP, ENOENT, ENOTDIR, EPERM } from "../../abi/errno.ts";
import { CAP_SYS_ADMIN } from "../../abi/capability.ts";
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "../../abi/fcntl.ts";
import {
  MNT_DETACH,
  MNT_EXPIRE,
  MNT_FORCE,
  MS_BIND,
  MS_MGC_MSK,
  MS_MGC_VAL,
  MS_MOVE,
  MS_NOATIME,
  MS_NODIRATIME,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_RELATIME,
  MS_REMOUNT,
  MS_SHARED,
  MS_SLAVE,
  MS_STRICTATIME,
  MS_UNBINDABLE,
  UMOUNT_NOFOLLOW,
} from "../../abi/mount.ts";
import type { VfsContext } from "./context.ts";
import type { FileSystem } from "./file_system.ts";
import { Mount, MOUNT_FLAGS, Propagation } from "./mount.ts";
import { copyTree } from "./mount_namespace.ts";
import { isReachable, Path } from "./path.ts";
import type { Vfs } from "./vfs.ts";

const PROPAGATION = MS_SHARED | MS_PRIVATE | MS_SLAVE | MS_UNBINDABLE;

/** mount(2); see {@link Vfs.mount}. */
export function doMount(
  vfs: Vfs,
  ctx: VfsContext,
  source: string,
  target: string,
  type: string,
  flags: number,
  data: string,
): number {
  if (((flags & MS_MGC_MSK) >>> 0) === MS_MGC_VAL) flags &= ~MS_MGC_MSK;
  const at = vfs.resolve(ctx, AT_FDCWD, target);
  if (typeof at === "number") return at;
  if (!ctx.creds.capable(CAP_SYS_ADMIN)) return -EPERM;
  if ((flags & MS_REMOUNT) !== 0) return remount(at, flags, data);
  if ((flags & MS_BIND) !== 0) return bind(vfs, ctx, source, at, (flags & MS_REC) !== 0);
  if ((flags & PROPAGATION) !== 0) return setPropagation(vfs, at, flags);
  if ((flags & MS_MOVE) !== 0) return move(vfs, ctx, source, at);
  const fs = vfs.createFileSystem(ctx, type, source, flags, data);
  if (typeof fs === "number") return fs;
  return mountFileSystem(vfs, fs, at, source, flags);
}

/** The mount flags that mount(2) flags ask for. Access times are by relatime unless told. */
export function mountFlags(flags: number): number {
  let f = flags & MOUNT_FLAGS;
  if ((flags & (MS_NOATIME | MS_STRICTATIME)) === 0) f |= MS_RELATIME;
  if ((flags & (MS_NOATIME | MS_STRICTATIME)) !== 0) f &= ~MS_RELATIME;
  return f;
}

/** Mounts an instance of a file system at a place. */
export function mountFileSystem(
  vfs: Vfs,
  fs: FileSystem,
  at: Path,
  source: string,
  flags: number,
): number {
  const m = new Mount(fs, fs.rootDentry, source, mountFlags(flags));
  vfs.mounted.add(fs);
  const r = attach(m, at);
  if (r !== 0) m.dispose();
  return r;
}

function attach(m: Mount, at: Path): number {
  const isDir = m.root.inode!.isDir;
  if (at.inode.isDir !== isDir) return -ENOTDIR;
  if (at.mount.ns === null) return -EINVAL;
  if (!at.dentry.hashed) return -ENOENT;
  m.attach(at.mount, at.dentry);
  at.mount.ns.add(m);
  return 0;
}

function remount(at: Path, flags: number, data: string): number {
  const m = at.mount;
  if (at.dentry !== m.root) return -EINVAL;
  let f = mountFlags(flags);
  if ((flags & (MS_NOATIME | MS_NODIRATIME | MS_RELATIME | MS_STRICTATIME)) === 0) {
    const atime = MS_NOATIME | MS_NODIRATIME | MS_RELATIME;
    f = (f & ~atime) | (m.flags & atime);
  }
  if ((flags & MS_BIND) === 0) {
    const readOnly = (flags & MS_RDONLY) !== 0;
    const r = m.fs.remount(readOnly, data);
    if (r !== 0) return r;
    m.fs.readOnly = readOnly;
  }
  m.flags = f;
  m.ns?.changed();
  return 0;
}

function bind(vfs: Vfs, ctx: VfsContext, source: string, at: Path, recursive: boolean): number {
  if (source === "") return -EINVAL;
  const from = vfs.resolve(ctx, AT_FDCWD, source);
  if (typeof from === "number") return from;
  if (from.mount.ns === null || from.mount.propagation === Propagation.Unbindable) return -EINVAL;
  const m = recursive
    ? copyTree(from.mount, new Map(), from.dentry)
    : from.mount.clone(from.dentry);
  const r = attach(m, at);
  if (r !== 0) disposeTree(m);
  return r;
}

function disposeTree(m: Mount): void {
  for (const child of [...m.children]) {
    disposeTree(child);
    child.detach();
  }
  m.ns = null;
  if (m.refs === 0) m.dispose();
}

function move(vfs: Vfs, ctx: VfsContext, source: string, at: Path): number {
  const from = vfs.resolve(ctx, AT_FDCWD, source);
  if (typeof from === "number") return from;
  const m = from.mount;
  if (from.dentry !== m.root || m.parent === null || m.ns === null) return -EINVAL;
  if (at.mount.ns !== m.ns || at.inode.isDir !== from.inode.isDir) return -EINVAL;
  for (let p: Mount | null = at.mount; p !== null; p = p.parent) if (p === m) return -ELOOP;
  m.detach();
  m.attach(at.mount, at.dentry);
  m.ns.changed();
  return 0;
}

function setPropagation(vfs: Vfs, at: Path, flags: number): number {
  const kind = flags & PROPAGATION;
  if ((kind & (kind - 1)) !== 0 || at.dentry !== at.mount.root) return -EINVAL;
  apply(vfs, at.mount, kind, (flags & MS_REC) !== 0);
  at.mount.ns?.changed();
  return 0;
}

function apply(vfs: Vfs, m: Mount, kind: number, recursive: boolean): void {
  switch (kind) {
    case MS_SHARED:
      m.propagation = Propagation.Shared;
      if (m.peerGroup === 0) m.peerGroup = vfs.allocatePeerGroup();
      break;
    case MS_SLAVE:
      if (m.propagation === Propagation.Shared) m.propagation = Propagation.Slave;
      break;
    default:
      m.propagation = kind === MS_UNBINDABLE ? Propagation.Unbindable : Propagation.Private;
      m.peerGroup = 0;
  }
  if (recursive) { for (const child of m.children) apply(vfs, child, kind, true); }
}

/** umount2(2); see {@link Vfs.umount}. */
export function doUmount(vfs: Vfs, ctx: VfsContext, target: string, flags: number): number {
  if ((flags & ~(MNT_FORCE | MNT_DETACH | MNT_EXPIRE | UMOUNT_NOFOLLOW)) !== 0) return -EINVAL;
  const nofollow = (flags & UMOUNT_NOFOLLOW) !== 0 ? AT_SYMLINK_NOFOLLOW : 0;
  const at = vfs.resolve(ctx, AT_FDCWD, target, nofollow);
  if (typeof at === "number") return at;
  if (!ctx.creds.capable(CAP_SYS_ADMIN)) return -EPERM;
  const m = at.mount;
  if (at.dentry !== m.root || m.ns === null) return -EINVAL;
  if (m.parent === null) return -EINVAL;
  if ((flags & MNT_DETACH) === 0 && (m.refs > 0 || m.children.length > 0)) return -EBUSY;
  if ((flags & MNT_EXPIRE) !== 0) return -EINVAL;
  unmountTree(m);
  return 0;
}

/** Takes a mount and all beneath it out of the tree. What is still used lives on unseen. */
export function unmountTree(m: Mount): void {
  for (const child of [...m.children]) unmountTree(child);
  m.detach();
  m.ns?.remove(m);
  m.fs.sync();
  if (m.refs === 0) m.dispose();
}

/** pivot_root(2); see {@link Vfs.pivotRoot}. */
export function pivotRoot(vfs: Vfs, ctx: VfsContext, newRoot: string, putOld: string): number {
  if (!ctx.creds.capable(CAP_SYS_ADMIN)) return -EPERM;
  const to = vfs.resolve(ctx, AT_FDCWD, newRoot);
  if (typeof to === "number") return to;
  const old = vfs.resolve(ctx, AT_FDCWD, putOld);
  if (typeof old === "number") return old;
  if (!to.inode.isDir || !old.inode.isDir) return -ENOTDIR;
  const root = ctx.fs.root;
  const ns = root.mount.ns;
  if (ns === null || to.mount.ns !== ns || old.mount.ns !== ns) return -EINVAL;
  if (to.dentry !== to.mount.root || to.mount.parent === null) return -EINVAL;
  if (root.dentry !== root.mount.root) return -EINVAL;
  if (to.mount === root.mount || old.mount === root.mount) return -EBUSY;
  if (!isReachable(old, to) || !isReachable(to, root)) return -EINVAL;
  const newMount = to.mount;
  const oldMount = root.mount;
  const parent = oldMount.parent;
  const point = oldMount.mountpoint;
  newMount.detach();
  if (parent !== null) oldMount.detach();
  oldMount.attach(old.mount, old.dentry);
  if (parent !== null) newMount.attach(parent, point!);
  else ns.root = newMount;
  ns.changed();
  const oldPath = new Path(oldMount, oldMount.root);
  const newPath = new Path(newMount, newMount.root);
  vfs.onPivot?.(oldPath, newPath);
  if (ctx.fs.root.equals(oldPath)) ctx.fs.setRoot(newPath);
  if (ctx.fs.cwd.equals(oldPath)) ctx.fs.setCwd(newPath);
  vfs.dentries.generation++;
  return 0;
}
