import { EBUSY, EINVAL, ELOOP, ENOENT, ENOSPC, ENOTDIR, EPERM } from "../../abi/errno.ts";
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
import type { Dentry } from "./dentry.ts";
import type { FileSystem } from "./file_system.ts";
import { Mount, MOUNT_FLAGS } from "./mount.ts";
import { isReachable, Path } from "./path.ts";
import {
  type Arrival,
  copyTree,
  counterparts,
  hasUnbindable,
  makePrivate,
  makeShared,
  makeSlave,
  makeUnbindable,
  shareTree,
  spread,
} from "./propagation.ts";
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
  if ((flags & PROPAGATION) !== 0) return setPropagation(at, flags);
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

/** Mounts that one namespace may have (`fs.mount-max`): sharing multiplies them. */
const MOUNT_MAX = 100_000;
/** Mounts on mounts: trees of them are walked by functions that call themselves. */
const MOUNT_DEPTH = 1000;

function depth(m: Mount): number {
  let n = 0;
  for (let p: Mount | null = m; p !== null; p = p.parent) n++;
  return n;
}

function height(m: Mount): number {
  let n = 0;
  for (const child of m.children) n = Math.max(n, height(child));
  return n + 1;
}

/** Puts a mount, and those beneath it, at a place, and copies where that place is shared with. */
export function attach(m: Mount, at: Path): number {
  const isDir = m.root.inode!.isDir;
  if (at.inode.isDir !== isDir) return -ENOTDIR;
  const parent = at.mount;
  if (parent.ns === null) return -EINVAL;
  if (!at.dentry.hashed && at.dentry !== parent.root) return -ENOENT;
  if (parent.ns.mounts.length >= MOUNT_MAX) return -ENOSPC;
  if (depth(parent) + height(m) > MOUNT_DEPTH) return -ENOSPC;
  let arrivals: Arrival[] = [];
  if (parent.group !== null) {
    if (hasUnbindable(m)) return -EINVAL;
    shareTree(m);
    arrivals = spread(parent, m, at.dentry);
  }
  m.attach(parent, at.dentry);
  if (m.ns === null) parent.ns.add(m);
  for (const { copy, parent: to } of arrivals) {
    if (to.ns === null || to.ns.mounts.length >= MOUNT_MAX || depth(to) >= MOUNT_DEPTH) {
      disposeTree(copy);
      continue;
    }
    copy.attach(to, at.dentry);
    to.ns.add(copy);
  }
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
  if (from.mount.ns === null || from.mount.unbindable) return -EINVAL;
  const m = recursive ? copyTree(from.mount, null, from.dentry) : from.mount.clone(from.dentry);
  const r = attach(m, at);
  if (r !== 0) disposeTree(m);
  return r;
}

/** Lets go of mounts that are at no place. */
export function disposeTree(m: Mount): void {
  for (const child of [...m.children]) {
    disposeTree(child);
    child.detach();
  }
  m.ns = null;
  if (m.refs === 0) m.dispose();
}

function move(vfs: Vfs, ctx: VfsContext, source: string, at: Path): number {
  const from = vfs.resolve(ctx, AT_FDCWD, source);
  return typeof from === "number" ? from : moveMount(from, at);
}

/** Moves the mount whose root is `from` to another place (MS_MOVE, move_mount(2)). */
export function moveMount(from: Path, at: Path): number {
  const m = from.mount;
  if (from.dentry !== m.root || m.parent === null || m.ns === null) return -EINVAL;
  if (at.mount.ns !== m.ns || at.inode.isDir !== from.inode.isDir) return -EINVAL;
  if (m.parent.group !== null || (at.mount.group !== null && hasUnbindable(m))) return -EINVAL;
  for (let p: Mount | null = at.mount; p !== null; p = p.parent) if (p === m) return -ELOOP;
  const ns = m.ns;
  const back = new Path(m.parent, m.mountpoint!).get();
  m.detach();
  const r = attach(m, at);
  if (r !== 0) m.attach(back.mount, back.dentry);
  back.put();
  ns.changed();
  return r;
}

function setPropagation(at: Path, flags: number): number {
  const kind = flags & PROPAGATION;
  if ((kind & (kind - 1)) !== 0 || at.dentry !== at.mount.root) return -EINVAL;
  applyPropagation(at.mount, kind, (flags & MS_REC) !== 0);
  at.mount.ns?.changed();
  return 0;
}

/** Changes how a mount, or all beneath it too, shares; `kind` is an MS_* flag. */
export function applyPropagation(m: Mount, kind: number, recursive: boolean): void {
  if (kind === MS_SHARED) makeShared(m);
  else if (kind === MS_SLAVE) makeSlave(m);
  else if (kind === MS_UNBINDABLE) makeUnbindable(m);
  else makePrivate(m);
  if (recursive) { for (const child of m.children) applyPropagation(child, kind, true); }
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
  const others = counterparts(m);
  unmountOne(m);
  for (const other of others) if (other.children.length === 0) unmountOne(other);
}

function unmountOne(m: Mount): void {
  m.detach();
  m.ns?.remove(m);
  makePrivate(m);
  m.fs.sync();
  if (m.refs === 0) m.dispose();
}

/** Whether something is mounted on a name that `ctx` can see; it can't be removed or moved then. */
export function isMountpoint(ctx: VfsContext, d: Dentry): boolean {
  const ns = ctx.fs.root.mount.ns;
  return d.mounts!.some((m) => m.ns === ns);
}

/** A name is gone: what other namespaces had mounted on it is unmounted. */
export function detachMounts(d: Dentry): void {
  while (d.mounts !== null) unmountTree(d.mounts[d.mounts.length - 1]);
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
  if (to.mount.parent.group !== null || old.mount.group !== null) return -EINVAL;
  if (root.mount.parent !== null && root.mount.parent.group !== null) return -EINVAL;
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
