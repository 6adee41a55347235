import {
  EBUSY,
  EEXIST,
  EINVAL,
  EISDIR,
  EMLINK,
  ENOENT,
  ENOTDIR,
  ENOTEMPTY,
  EPERM,
  EROFS,
  EXDEV,
} from "../../abi/errno.ts";
import {
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_FOLLOW,
  AT_SYMLINK_NOFOLLOW,
  RENAME_EXCHANGE,
  RENAME_NOREPLACE,
  RENAME_WHITEOUT,
} from "../../abi/fcntl.ts";
import { CAP_DAC_READ_SEARCH, CAP_MKNOD } from "../../abi/capability.ts";
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISVTX,
} from "../../abi/stat.ts";
import {
  IN_ATTRIB,
  IN_CREATE,
  IN_DELETE,
  IN_DELETE_SELF,
  IN_ISDIR,
  IN_MOVE_SELF,
  IN_MOVED_FROM,
  IN_MOVED_TO,
} from "../../abi/eventfd.ts";
import { inheritAcl } from "./acl.ts";
import { privilegeBits } from "./attributes.ts";
import type { VfsContext } from "./context.ts";
import type { Dentry } from "./dentry.ts";
import type { Inode } from "./inode.ts";
import type { Mount } from "./mount.ts";
import { notifyDentry, notifyDir } from "./notify.ts";
import { createMode, newGroup } from "./open.ts";
import { detachMounts, isMountpoint } from "./mounts.ts";
import { Last, WALK_PARENT } from "./path_walk.ts";
import {
  MAY_EXEC,
  MAY_READ,
  MAY_WRITE,
  mayDelete,
  ownerOrCapable,
  permission,
} from "./permissions.ts";
import type { Vfs } from "./vfs.ts";

/** The place for a new name. Filled by {@link startCreate}. */
interface Place {
  mount: Mount;
  parent: Dentry;
  dentry: Dentry;
}

const place: Place = { mount: null!, parent: null!, dentry: null! };

/** Walks to where a new name shall stand; 0, or the error that link(2), mkdir(2), … give. */
function startCreate(
  vfs: Vfs,
  ctx: VfsContext,
  dirfd: number,
  path: string,
  isDir: boolean,
): number {
  const walk = vfs.walk;
  let r = walk.walk(ctx, dirfd, path, WALK_PARENT);
  if (r !== 0) return r;
  if (walk.lastKind !== Last.Normal) return -EEXIST;
  place.mount = walk.mount;
  place.parent = walk.dentry;
  r = walk.lookupLast();
  if (r !== 0) return r;
  place.dentry = walk.dentry;
  if (walk.dentry.inode !== null) return -EEXIST;
  // A name with a slash at its end can only become that of a directory.
  if (walk.trailingSlash && !isDir) return -ENOENT;
  if (place.mount.readOnly) return -EROFS;
  const dir = place.parent.inode!;
  if (dir.nlink === 0) return -ENOENT;
  return permission(ctx.creds, dir, MAY_WRITE | MAY_EXEC);
}

function finishCreate(vfs: Vfs, made: Inode, isDir: boolean): number {
  const d = place.dentry;
  if (d.hashed) d.instantiate(made);
  else vfs.dentries.add(place.parent, d.name, made);
  const dir = place.parent.inode!;
  if (dir.watches !== null) notifyDir(dir, IN_CREATE, d.name, isDir);
  return 0;
}

/** mkdirat(2). */
export function mkdirAt(
  vfs: Vfs,
  ctx: VfsContext,
  dirfd: number,
  path: string,
  mode: number,
): number {
  const r = startCreate(vfs, ctx, dirfd, path, true);
  if (r !== 0) return r;
  const dir = place.parent.inode!;
  const bits = createMode(ctx, dir, S_IFDIR | (mode & (0o777 | S_ISVTX)), true);
  const made = dir.mkdir(ctx, place.dentry.name, bits, ctx.creds.fsuid, newGroup(ctx, dir));
  if (typeof made === "number") return made;
  if (dir.defaultAcl !== null) inheritAcl(dir, made, mode);
  return finishCreate(vfs, made, true);
}

/** mknodat(2). */
export function mknodAt(
  vfs: Vfs,
  ctx: VfsContext,
  dirfd: number,
  path: string,
  mode: number,
  rdev: number,
): number {
  let type = mode & S_IFMT;
  if (type === 0) type = S_IFREG;
  if (type === S_IFDIR) return -EPERM;
  if (
    type !== S_IFREG && type !== S_IFCHR && type !== S_IFBLK && type !== S_IFIFO &&
    type !== S_IFSOCK
  ) return -EINVAL;
  const r = startCreate(vfs, ctx, dirfd, path, false);
  if (r !== 0) return r;
  const isDevice = type === S_IFCHR || type === S_IFBLK;
  if (isDevice && !(type === S_IFCHR && rdev === 0) && !ctx.creds.capable(CAP_MKNOD)) return -EPERM;
  const dir = place.parent.inode!;
  const bits = createMode(ctx, dir, type | (mode & 0o7777), false);
  const name = place.dentry.name;
  const uid = ctx.creds.fsuid;
  const gid = newGroup(ctx, dir);
  const made = type === S_IFREG
    ? dir.create(ctx, name, bits, uid, gid)
    : dir.mknod(ctx, name, bits, uid, gid, isDevice ? rdev : 0);
  if (typeof made === "number") return made;
  if (dir.defaultAcl !== null) inheritAcl(dir, made, mode);
  return finishCreate(vfs, made, false);
}

/**
 * Makes the socket file of bind(2); returns the new inode. `mode` is before the umask.
 */
export function bindSocket(
  vfs: Vfs,
  ctx: VfsContext,
  path: string,
  mode: number,
): Inode | number {
  const r = mknodAt(vfs, ctx, AT_FDCWD, path, S_IFSOCK | mode, 0);
  if (r !== 0) return r;
  return vfs.locate(ctx, AT_FDCWD, path, AT_SYMLINK_NOFOLLOW);
}

/** symlinkat(2). */
export function symlinkAt(
  vfs: Vfs,
  ctx: VfsContext,
  target: string,
  dirfd: number,
  path: string,
): number {
  if (target.length === 0) return -ENOENT;
  const r = startCreate(vfs, ctx, dirfd, path, false);
  if (r !== 0) return r;
  const dir = place.parent.inode!;
  const made = dir.symlink(ctx, place.dentry.name, target, ctx.creds.fsuid, newGroup(ctx, dir));
  return typeof made === "number" ? made : finishCreate(vfs, made, false);
}

/** Whether fs.protected_hardlinks, which is on (proc(5)), lets `ctx` give the file another name. */
function mayLink(ctx: VfsContext, inode: Inode): boolean {
  if (ownerOrCapable(ctx.creds, inode)) return true;
  return inode.isRegular && privilegeBits(inode.mode) === 0 &&
    permission(ctx.creds, inode, MAY_READ | MAY_WRITE) === 0;
}

/** linkat(2). */
export function linkAt(
  vfs: Vfs,
  ctx: VfsContext,
  oldDirfd: number,
  oldPath: string,
  newDirfd: number,
  newPath: string,
  flags: number,
): number {
  if ((flags & ~(AT_SYMLINK_FOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  if ((flags & AT_EMPTY_PATH) !== 0 && !ctx.creds.capable(CAP_DAC_READ_SEARCH)) return -ENOENT;
  const follow = (flags & AT_SYMLINK_FOLLOW) !== 0 ? 0 : AT_SYMLINK_NOFOLLOW;
  const inode = vfs.locate(ctx, oldDirfd, oldPath, follow | (flags & AT_EMPTY_PATH));
  if (typeof inode === "number") return inode;
  const mount = vfs.walk.mount;
  const old = vfs.walk.dentry;
  const r = startCreate(vfs, ctx, newDirfd, newPath, false);
  if (r !== 0) return r;
  if (place.mount !== mount) return -EXDEV;
  if (inode.isDir) return -EPERM;
  if (inode.nlink === 0 && !inode.linkable) return -ENOENT;
  if (inode.nlink >= 65000) return -EMLINK;
  if (!mayLink(ctx, inode)) return -EPERM;
  const dir = place.parent.inode!;
  const done = dir.link(ctx, place.dentry.name, inode);
  if (done !== 0) return done;
  notifyDentry(old, IN_ATTRIB);
  return finishCreate(vfs, inode, false);
}

/** unlink(2). */
export function unlinkAt(vfs: Vfs, ctx: VfsContext, dirfd: number, path: string): number {
  const walk = vfs.walk;
  let r = walk.walk(ctx, dirfd, path, WALK_PARENT);
  if (r !== 0) return r;
  if (walk.lastKind !== Last.Normal) return -EISDIR;
  const mount = walk.mount;
  const dir = walk.dentry.inode!;
  r = walk.lookupLast();
  if (r !== 0) return r;
  const dentry = walk.dentry;
  const inode = dentry.inode;
  if (mount !== walk.mount) return inode?.isDir ? -EISDIR : -EBUSY;
  if (inode === null) return -ENOENT;
  if (walk.trailingSlash) return inode.isDir ? -EISDIR : -ENOTDIR;
  if (mount.readOnly) return -EROFS;
  r = mayDelete(ctx.creds, dir, inode);
  if (r !== 0) return r;
  if (inode.isDir) return -EISDIR;
  if (dentry.mounts !== null && isMountpoint(ctx, dentry)) return -EBUSY;
  r = dir.unlink(ctx, dentry.name, inode);
  if (r !== 0) return r;
  if (dentry.mounts !== null) detachMounts(dentry);
  if (inode.watches !== null) {
    inode.watches.notify(inode.nlink === 0 ? IN_ATTRIB | IN_DELETE_SELF : IN_ATTRIB, "", 0);
  }
  if (dir.watches !== null) notifyDir(dir, IN_DELETE, dentry.name, false);
  removed(vfs, dentry);
  return 0;
}

/** rmdir(2). */
export function rmdirAt(vfs: Vfs, ctx: VfsContext, dirfd: number, path: string): number {
  const walk = vfs.walk;
  let r = walk.walk(ctx, dirfd, path, WALK_PARENT);
  if (r !== 0) return r;
  switch (walk.lastKind) {
    case Last.DotDot:
      return -ENOTEMPTY;
    case Last.Dot:
      return -EINVAL;
    case Last.Root:
      return -EBUSY;
  }
  const mount = walk.mount;
  const dir = walk.dentry.inode!;
  r = walk.lookupLast();
  if (r !== 0) return r;
  if (walk.mount !== mount) return -EBUSY;
  const dentry = walk.dentry;
  const inode = dentry.inode;
  if (inode === null) return -ENOENT;
  if (mount.readOnly) return -EROFS;
  r = mayDelete(ctx.creds, dir, inode);
  if (r !== 0) return r;
  if (!inode.isDir) return -ENOTDIR;
  if (dentry.mounts !== null && isMountpoint(ctx, dentry)) return -EBUSY;
  r = dir.rmdir(ctx, dentry.name, inode);
  if (r !== 0) return r;
  if (dentry.mounts !== null) detachMounts(dentry);
  if (inode.watches !== null) inode.watches.notify(IN_DELETE_SELF | IN_ISDIR, "", 0);
  if (dir.watches !== null) notifyDir(dir, IN_DELETE, dentry.name, true);
  removed(vfs, dentry);
  return 0;
}

/** A name is gone: it leaves a negative entry, so that asking for it again is cheap. */
function removed(vfs: Vfs, dentry: Dentry): void {
  const parent = dentry.parent!;
  vfs.dentries.unhashTree(dentry);
  if (!parent.inode!.dynamic) vfs.dentries.add(parent, dentry.name, null);
}

/** renameat2(2). */
export function renameAt(
  vfs: Vfs,
  ctx: VfsContext,
  oldDirfd: number,
  oldPath: string,
  newDirfd: number,
  newPath: string,
  flags: number,
): number {
  if ((flags & ~(RENAME_NOREPLACE | RENAME_EXCHANGE | RENAME_WHITEOUT)) !== 0) return -EINVAL;
  const exchange = (flags & RENAME_EXCHANGE) !== 0;
  if (exchange && (flags & (RENAME_NOREPLACE | RENAME_WHITEOUT)) !== 0) return -EINVAL;
  if ((flags & RENAME_WHITEOUT) !== 0 && !ctx.creds.capable(CAP_MKNOD)) return -EPERM;
  const walk = vfs.walk;
  let r = walk.walk(ctx, oldDirfd, oldPath, WALK_PARENT);
  if (r !== 0) return r;
  const oldMount = walk.mount;
  const oldParent = walk.dentry;
  const oldKind = walk.lastKind;
  const oldName = walk.last;
  const oldSlash = walk.trailingSlash;
  r = walk.walk(ctx, newDirfd, newPath, WALK_PARENT);
  if (r !== 0) return r;
  const newMount = walk.mount;
  const newParent = walk.dentry;
  const newSlash = walk.trailingSlash;
  if (oldMount !== newMount) return -EXDEV;
  if (oldKind !== Last.Normal) return -EBUSY;
  if (walk.lastKind !== Last.Normal) return (flags & RENAME_NOREPLACE) !== 0 ? -EEXIST : -EBUSY;
  if (oldMount.readOnly) return -EROFS;
  // Both names are looked up as they stand in the directories, whatever is mounted on them.
  r = walk.lookupLast();
  if (r !== 0) return r;
  const newCovered = walk.mount !== newMount;
  const target = newCovered ? newParent.children!.get(walk.last)! : walk.dentry;
  const newName = target.name;
  walk.mount = oldMount;
  walk.dentry = oldParent;
  r = walk.step(oldName);
  if (r !== 0) return r;
  const oldCovered = walk.mount !== oldMount;
  const source = oldCovered ? oldParent.children!.get(oldName)! : walk.dentry;
  const child = source.inode;
  if (child === null) return -ENOENT;
  const replaced = target.inode;
  if (replaced !== null && (flags & RENAME_NOREPLACE) !== 0) return -EEXIST;
  if (exchange && replaced === null) return -ENOENT;
  const isDir = child.isDir;
  if (!isDir) {
    if (oldSlash) return -ENOTDIR;
    if (newSlash && !exchange) return -ENOTDIR;
  }
  if (exchange && newSlash && !replaced!.isDir) return -ENOTDIR;
  if (newParent.isWithin(source)) return -EINVAL;
  if (oldParent.isWithin(target)) return exchange ? -EINVAL : -ENOTEMPTY;
  if (child === replaced) return 0;
  const oldDir = oldParent.inode!;
  const newDir = newParent.inode!;
  r = mayDelete(ctx.creds, oldDir, child);
  if (r !== 0) return r;
  if (replaced === null) {
    if (newDir.nlink === 0) return -ENOENT;
    r = permission(ctx.creds, newDir, MAY_WRITE | MAY_EXEC);
  } else {
    r = mayDelete(ctx.creds, newDir, replaced);
    if (r === 0 && !exchange) {
      if (isDir && !replaced.isDir) r = -ENOTDIR;
      else if (!isDir && replaced.isDir) r = -EISDIR;
    }
  }
  if (r !== 0) return r;
  if (oldDir !== newDir) {
    // The entry ".." of a directory changes with its parent.
    if (isDir) r = permission(ctx.creds, child, MAY_WRITE);
    if (r === 0 && exchange && replaced!.isDir) r = permission(ctx.creds, replaced!, MAY_WRITE);
    if (r !== 0) return r;
  }
  if (source.mounts !== null && isMountpoint(ctx, source)) return -EBUSY;
  if (target.mounts !== null && isMountpoint(ctx, target)) return -EBUSY;
  r = oldDir.rename(ctx, oldName, child, newDir, newName, replaced, flags);
  if (r !== 0) return r;
  if (target.mounts !== null && !exchange) detachMounts(target);
  if (exchange) {
    vfs.dentries.exchange(source, target);
  } else {
    vfs.dentries.unhashTree(target);
    vfs.dentries.move(source, newParent, newName);
    if ((flags & RENAME_WHITEOUT) === 0 && !oldDir.dynamic) {
      vfs.dentries.add(oldParent, oldName, null);
    }
  }
  if (oldDir.watches !== null || newDir.watches !== null) {
    const cookie = vfs.nextCookie();
    notifyDir(oldDir, IN_MOVED_FROM, oldName, isDir, cookie);
    notifyDir(newDir, IN_MOVED_TO, newName, isDir, cookie);
    if (exchange) {
      const other = vfs.nextCookie();
      notifyDir(newDir, IN_MOVED_FROM, newName, replaced!.isDir, other);
      notifyDir(oldDir, IN_MOVED_TO, oldName, replaced!.isDir, other);
    }
  }
  if (child.watches !== null) {
    child.watches.notify(isDir ? IN_MOVE_SELF | IN_ISDIR : IN_MOVE_SELF, "", 0);
  }
  if (!exchange && replaced !== null && replaced.watches !== null) {
    replaced.watches.notify(replaced.nlink === 0 ? IN_DELETE_SELF : IN_ATTRIB, "", 0);
  }
  return 0;
}
