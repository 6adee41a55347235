// hot: open and close are among the most frequent system calls.

import {
  EACCES,
  EEXIST,
  EINVAL,
  EISDIR,
  ELOOP,
  ENOENT,
  ENOTDIR,
  ENXIO,
  EPERM,
  EROFS,
  ETXTBSY,
} from "../../abi/errno.ts";
import { CAP_FSETID } from "../../abi/capability.ts";
import {
  AT_EMPTY_PATH,
  AT_SYMLINK_NOFOLLOW,
  O_ACCMODE,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_LARGEFILE,
  O_NOATIME,
  O_NOCTTY,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_TMPFILE,
  O_TRUNC,
} from "../../abi/fcntl.ts";
import { MS_NODEV, MS_NOEXEC } from "../../abi/mount.ts";
import {
  S_IFBLK,
  S_IFCHR,
  S_IFDIR,
  S_IFIFO,
  S_IFLNK,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  S_ISGID,
  S_IXGRP,
} from "../../abi/stat.ts";
import { IN_CREATE, IN_MODIFY, IN_OPEN } from "../../abi/eventfd.ts";
import { inheritAcl } from "./acl.ts";
import type { VfsContext } from "./context.ts";
import { Dentry } from "./dentry.ts";
import { type File, PathFile } from "./file.ts";
import type { Inode } from "./inode.ts";
import type { Mount } from "./mount.ts";
import { notifyDentry, notifyDir, watching } from "./notify.ts";
import { Path } from "./path.ts";
import { Last, WALK_DIRECTORY, WALK_EMPTY, WALK_FOLLOW, WALK_PARENT } from "./path_walk.ts";
import { MAY_EXEC, MAY_READ, MAY_WRITE, ownerOrCapable, permission } from "./permissions.ts";
import type { Vfs } from "./vfs.ts";

/** Opens a device node or a fifo. May block: a number is what the system call returns. */
export type OpenSpecial = (
  ctx: VfsContext,
  flags: number,
  path: Path,
  inode: Inode,
) => File | number;

const TMPFILE_BIT = O_TMPFILE & ~O_DIRECTORY;
/** Flags that matter to open(2) only and are not kept. */
const OPEN_ONLY = O_CREAT | O_EXCL | O_NOCTTY | O_TRUNC | O_CLOEXEC;
const PATH_FLAGS = O_DIRECTORY | O_NOFOLLOW | O_PATH | O_CLOEXEC;

/** open(2) and its kin; see {@link Vfs.open}. */
export function openAt(
  vfs: Vfs,
  ctx: VfsContext,
  dirfd: number,
  path: string,
  flags: number,
  mode: number,
  resolve: number,
): File | number {
  if ((flags & O_PATH) !== 0) flags &= PATH_FLAGS;
  else flags |= O_LARGEFILE;
  if ((flags & TMPFILE_BIT) !== 0) {
    if (
      (flags & O_DIRECTORY) === 0 || (flags & O_ACCMODE) === O_RDONLY || (flags & O_CREAT) !== 0
    ) {
      return -EINVAL;
    }
    return openUnnamed(vfs, ctx, dirfd, path, flags, mode, resolve);
  }
  if ((flags & O_CREAT) !== 0) {
    if ((flags & O_DIRECTORY) !== 0) return -EINVAL;
    return openCreating(vfs, ctx, dirfd, path, flags, mode, resolve);
  }
  const walk = vfs.walk;
  const nofollow = (flags & O_NOFOLLOW) !== 0;
  if (resolve === 0) {
    const inode = vfs.locate(ctx, dirfd, path, nofollow ? AT_SYMLINK_NOFOLLOW : 0);
    if (typeof inode === "number") return inode;
  } else {
    const r = walk.walk(ctx, dirfd, path, nofollow ? 0 : WALK_FOLLOW, resolve);
    if (r !== 0) return r;
  }
  return openLocated(vfs, ctx, walk.mount, walk.dentry, flags, false);
}

/** Opens the inode of a dentry after its permission checks; `created` skips those of the mode. */
function openLocated(
  vfs: Vfs,
  ctx: VfsContext,
  mount: Mount,
  dentry: Dentry,
  flags: number,
  created: boolean,
): File | number {
  const inode = dentry.inode!;
  const type = inode.mode & S_IFMT;
  if ((flags & O_DIRECTORY) !== 0 && type !== S_IFDIR) return -ENOTDIR;
  if ((flags & O_PATH) !== 0) return new PathFile(new Path(mount, dentry), flags & ~O_CLOEXEC);
  if (!created) {
    const r = mayOpen(ctx, mount, inode, flags);
    if (r !== 0) return r;
    if ((flags & O_TRUNC) !== 0 && type === S_IFREG) {
      const t = inode.truncate(ctx, 0);
      if (t !== 0) return t;
      notifyDentry(dentry, IN_MODIFY);
    }
  }
  const path = new Path(mount, dentry);
  const kept = type === S_IFCHR ? OPEN_ONLY & ~O_NOCTTY : OPEN_ONLY;
  const file = openInode(vfs, ctx, path, inode, flags & ~kept);
  if (watching > 0 && typeof file !== "number") notifyDentry(dentry, IN_OPEN);
  return file;
}

/** Opens by the kind of file, without checks of permission. */
export function openInode(
  vfs: Vfs,
  ctx: VfsContext,
  path: Path,
  inode: Inode,
  flags: number,
): File | number {
  switch (inode.mode & S_IFMT) {
    case S_IFREG:
    case S_IFDIR:
      return inode.open(ctx, flags, path);
    case S_IFCHR:
    case S_IFBLK: {
      // O_NOCTTY concerns the opening of a terminal, so that devices see it.
      const open = vfs.deviceOpener((inode.mode & S_IFMT) === S_IFBLK, inode.rdev);
      return open === undefined ? -ENXIO : open(ctx, flags, path, inode);
    }
    case S_IFIFO:
      return vfs.openFifo === null ? -ENXIO : vfs.openFifo(ctx, flags, path, inode);
    case S_IFSOCK:
      return -ENXIO;
    case S_IFLNK:
      return -ELOOP;
  }
  return inode.open(ctx, flags, path);
}

/** The checks of open(2) on a file that exists. */
function mayOpen(ctx: VfsContext, mount: Mount, inode: Inode, flags: number): number {
  const access = flags & O_ACCMODE;
  const writes = access !== O_RDONLY || (flags & O_TRUNC) !== 0;
  const type = inode.mode & S_IFMT;
  switch (type) {
    case S_IFLNK:
      return -ELOOP;
    case S_IFDIR:
      if (writes) return -EISDIR;
      break;
    case S_IFCHR:
    case S_IFBLK:
      if ((mount.flags & MS_NODEV) !== 0) return -EACCES;
      break;
  }
  let want = access === O_RDONLY ? MAY_READ : access === 1 ? MAY_WRITE : MAY_READ | MAY_WRITE;
  if ((flags & O_TRUNC) !== 0) want |= MAY_WRITE;
  if (writes && mount.readOnly && (type === S_IFREG || type === S_IFDIR)) return -EROFS;
  const r = permission(ctx.creds, inode, want);
  if (r !== 0) return r;
  if ((flags & O_NOATIME) !== 0 && !ownerOrCapable(ctx.creds, inode)) return -EPERM;
  if (writes && type === S_IFREG && inode.writers < 0) return -ETXTBSY;
  return 0;
}

/** The group and mode that a new file in `dir` gets (inode(7): the set-group-ID bit). */
export function newMode(ctx: VfsContext, dir: Inode, mode: number, isDir: boolean): number {
  if ((dir.mode & S_ISGID) === 0) return mode;
  if (isDir) return mode | S_ISGID;
  if (
    (mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP) && !ctx.creds.inGroup(dir.gid) &&
    !ctx.creds.capable(CAP_FSETID)
  ) return mode & ~S_ISGID;
  return mode;
}

/** The mode of a new file in `dir`: the umask counts unless the directory has a default access control list. */
export function createMode(ctx: VfsContext, dir: Inode, mode: number, isDir: boolean): number {
  return newMode(ctx, dir, dir.defaultAcl === null ? mode & ~ctx.fs.umask : mode, isDir);
}

/** The group of a new file in `dir`. */
export function newGroup(ctx: VfsContext, dir: Inode): number {
  return (dir.mode & S_ISGID) !== 0 ? dir.gid : ctx.creds.fsgid;
}

function openCreating(
  vfs: Vfs,
  ctx: VfsContext,
  dirfd: number,
  path: string,
  flags: number,
  mode: number,
  resolve: number,
): File | number {
  const walk = vfs.walk;
  let r = walk.walk(ctx, dirfd, path, WALK_PARENT, resolve);
  for (;;) {
    if (r !== 0) return r;
    if (walk.lastKind !== Last.Normal) {
      if ((flags & O_EXCL) !== 0) return -EEXIST;
      if (walk.lastKind === Last.DotDot || walk.lastKind === Last.Dot) return -EISDIR;
      // "/" itself, or where a magic link led.
      const inode = walk.dentry.inode!;
      if ((inode.mode & S_IFMT) === S_IFDIR) return -EISDIR;
      return openLocated(vfs, ctx, walk.mount, walk.dentry, flags, false);
    }
    if (walk.trailingSlash) return -EISDIR;
    const mount = walk.mount;
    const parent = walk.dentry;
    r = walk.lookupLast();
    if (r !== 0) return r;
    const dentry = walk.dentry;
    const inode = dentry.inode;
    if (inode === null) return createAndOpen(vfs, ctx, mount, parent, dentry, flags, mode);
    if ((flags & O_EXCL) !== 0) return -EEXIST;
    if ((inode.mode & S_IFMT) === S_IFLNK) {
      if ((flags & O_NOFOLLOW) !== 0) return -ELOOP;
      r = walk.followToParent(mount, parent);
      continue;
    }
    if ((inode.mode & S_IFMT) === S_IFDIR) return -EISDIR;
    return openLocated(vfs, ctx, walk.mount, dentry, flags, false);
  }
}

function createAndOpen(
  vfs: Vfs,
  ctx: VfsContext,
  mount: Mount,
  parent: Dentry,
  dentry: Dentry,
  flags: number,
  mode: number,
): File | number {
  const dir = parent.inode!;
  const name = dentry.name;
  if (mount.readOnly) return -EROFS;
  if (dir.nlink === 0) return -ENOENT;
  const r = permission(ctx.creds, dir, MAY_WRITE | MAY_EXEC);
  if (r !== 0) return r;
  const bits = createMode(ctx, dir, S_IFREG | (mode & 0o7777), false);
  const made = dir.create(ctx, name, bits, ctx.creds.fsuid, newGroup(ctx, dir));
  if (typeof made === "number") return made;
  if (dir.defaultAcl !== null) inheritAcl(dir, made, mode);
  if (dentry.hashed) dentry.instantiate(made);
  else dentry = vfs.dentries.add(parent, name, made);
  if (dir.watches !== null) notifyDir(dir, IN_CREATE, name, false);
  return openLocated(vfs, ctx, mount, dentry, flags, true);
}

/** O_TMPFILE. */
function openUnnamed(
  vfs: Vfs,
  ctx: VfsContext,
  dirfd: number,
  path: string,
  flags: number,
  mode: number,
  resolve: number,
): File | number {
  const walk = vfs.walk;
  const r = walk.walk(ctx, dirfd, path, WALK_FOLLOW | WALK_DIRECTORY, resolve);
  if (r !== 0) return r;
  const dir = walk.dentry.inode!;
  const mount = walk.mount;
  const parent = walk.dentry;
  if (mount.readOnly) return -EROFS;
  const p = permission(ctx.creds, dir, MAY_WRITE | MAY_EXEC);
  if (p !== 0) return p;
  const bits = createMode(ctx, dir, S_IFREG | (mode & 0o7777), false);
  const inode = dir.tmpfile(ctx, bits, ctx.creds.fsuid, newGroup(ctx, dir));
  if (typeof inode === "number") return inode;
  if (dir.defaultAcl !== null) inheritAcl(dir, inode, mode);
  inode.nlink = 0;
  inode.linkable = (flags & O_EXCL) === 0;
  const dentry = new Dentry(`#${inode.ino}`, parent, inode);
  return openLocated(vfs, ctx, mount, dentry, flags & ~O_TMPFILE, true);
}

/** Opens a program for execve(2); see {@link Vfs.openForExec}. */
export function openExec(
  vfs: Vfs,
  ctx: VfsContext,
  dirfd: number,
  path: string,
  flags: number,
): File | number {
  const walk = vfs.walk;
  const r = walk.walk(
    ctx,
    dirfd,
    path,
    ((flags & AT_SYMLINK_NOFOLLOW) === 0 ? WALK_FOLLOW : 0) |
      ((flags & AT_EMPTY_PATH) !== 0 ? WALK_EMPTY : 0),
  );
  if (r !== 0) return r;
  const inode = walk.dentry.inode!;
  const type = inode.mode & S_IFMT;
  if (type === S_IFLNK) return -ELOOP;
  if (type !== S_IFREG || (walk.mount.flags & MS_NOEXEC) !== 0) return -EACCES;
  const p = permission(ctx.creds, inode, MAY_EXEC);
  if (p !== 0) return p;
  if (inode.writers > 0) return -ETXTBSY;
  return inode.open(ctx, O_RDONLY, walk.path());
}
