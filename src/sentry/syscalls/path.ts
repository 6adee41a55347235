import { EBADF, EINVAL, ENOENT } from "../../abi/errno.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_REMOVEDIR, AT_SYMLINK_NOFOLLOW } from "../../abi/fcntl.ts";
import { stringToBytes } from "../kernel/bytes.ts";
import type { Task } from "../kernel/task.ts";

function mkdir(t: Task, dirfd: number, path: string | number, mode: number): number {
  return typeof path === "number" ? path : t.kernel.vfs.mkdir(t, dirfd, path, mode & 0o7777);
}

export function sys_mkdir(t: Task): number {
  return mkdir(t, AT_FDCWD, t.pathArg(0), t.args[1]);
}

export function sys_mkdirat(t: Task): number {
  return mkdir(t, t.args[0] | 0, t.pathArg(1), t.args[2]);
}

function mknod(t: Task, dirfd: number, path: string | number, mode: number, dev: number): number {
  if (typeof path === "number") return path;
  return t.kernel.vfs.mknod(t, dirfd, path, mode & 0o177777, dev >>> 0);
}

export function sys_mknod(t: Task): number {
  return mknod(t, AT_FDCWD, t.pathArg(0), t.args[1], t.args[2]);
}

export function sys_mknodat(t: Task): number {
  return mknod(t, t.args[0] | 0, t.pathArg(1), t.args[2], t.args[3]);
}

function unlink(t: Task, dirfd: number, path: string | number): number {
  return typeof path === "number" ? path : t.kernel.vfs.unlink(t, dirfd, path);
}

function rmdir(t: Task, dirfd: number, path: string | number): number {
  return typeof path === "number" ? path : t.kernel.vfs.rmdir(t, dirfd, path);
}

export function sys_unlink(t: Task): number {
  return unlink(t, AT_FDCWD, t.pathArg(0));
}

export function sys_rmdir(t: Task): number {
  return rmdir(t, AT_FDCWD, t.pathArg(0));
}

export function sys_unlinkat(t: Task): number {
  const flags = t.args[2] | 0;
  if ((flags & ~AT_REMOVEDIR) !== 0) return -EINVAL;
  if ((flags & AT_REMOVEDIR) !== 0) return rmdir(t, t.args[0] | 0, t.pathArg(1));
  return unlink(t, t.args[0] | 0, t.pathArg(1));
}

function symlink(
  t: Task,
  target: string | number,
  dirfd: number,
  path: string | number,
): number {
  if (typeof target === "number") return target;
  return typeof path === "number" ? path : t.kernel.vfs.symlink(t, target, dirfd, path);
}

export function sys_symlink(t: Task): number {
  return symlink(t, t.pathArg(0), AT_FDCWD, t.pathArg(1));
}

export function sys_symlinkat(t: Task): number {
  return symlink(t, t.pathArg(0), t.args[1] | 0, t.pathArg(2));
}

function link(
  t: Task,
  oldDirfd: number,
  oldPath: string | number,
  newDirfd: number,
  newPath: string | number,
  flags: number,
): number {
  if (typeof oldPath === "number") return oldPath;
  if (typeof newPath === "number") return newPath;
  return t.kernel.vfs.link(t, oldDirfd, oldPath, newDirfd, newPath, flags);
}

export function sys_link(t: Task): number {
  return link(t, AT_FDCWD, t.pathArg(0), AT_FDCWD, t.pathArg(1), 0);
}

export function sys_linkat(t: Task): number {
  const a = t.args;
  return link(t, a[0] | 0, t.pathArg(1), a[2] | 0, t.pathArg(3), a[4] | 0);
}

function rename(
  t: Task,
  oldDirfd: number,
  oldPath: string | number,
  newDirfd: number,
  newPath: string | number,
  flags: number,
): number {
  if (typeof oldPath === "number") return oldPath;
  if (typeof newPath === "number") return newPath;
  return t.kernel.vfs.rename(t, oldDirfd, oldPath, newDirfd, newPath, flags);
}

export function sys_rename(t: Task): number {
  return rename(t, AT_FDCWD, t.pathArg(0), AT_FDCWD, t.pathArg(1), 0);
}

export function sys_renameat(t: Task): number {
  return rename(t, t.args[0] | 0, t.pathArg(1), t.args[2] | 0, t.pathArg(3), 0);
}

export function sys_renameat2(t: Task): number {
  const a = t.args;
  return rename(t, a[0] | 0, t.pathArg(1), a[2] | 0, t.pathArg(3), a[4] | 0);
}

function readlink(
  t: Task,
  dirfd: number,
  path: string | number,
  address: number,
  size: number,
): number {
  if (size <= 0) return -EINVAL;
  if (typeof path === "number") return path;
  if (path === "" && dirfd >= 0 && t.files.get(dirfd) === null) return -EBADF;
  const inode = t.kernel.vfs.locate(t, dirfd, path, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH);
  if (typeof inode === "number") return inode;
  // An empty path is good only for a descriptor of a link (readlinkat(2)).
  if (path === "" && !inode.isLink) return -ENOENT;
  const target = inode.readlink(t);
  if (typeof target === "number") return target;
  const n = Math.min(target.length, size);
  const r = t.mm.copyOut(address, stringToBytes(target), 0, n);
  return r !== 0 ? r : n;
}

export function sys_readlink(t: Task): number {
  return readlink(t, AT_FDCWD, t.pathArg(0), t.args[1], t.args[2] | 0);
}

export function sys_readlinkat(t: Task): number {
  return readlink(t, t.args[0] | 0, t.pathArg(1), t.args[2], t.args[3] | 0);
}
