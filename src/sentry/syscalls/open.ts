// hot

import { E2BIG, EAGAIN, EBADF, EFAULT, EINVAL } from "../../abi/errno.ts";
import {
  AT_FDCWD,
  CLOSE_RANGE_CLOEXEC,
  CLOSE_RANGE_UNSHARE,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_PATH,
  O_TMPFILE,
  O_TRUNC,
  O_WRONLY,
  RESOLVE_BENEATH,
  RESOLVE_CACHED,
  RESOLVE_IN_ROOT,
} from "../../abi/fcntl.ts";
import { readU64 } from "../../abi/int64.ts";
import { RLIMIT_NOFILE } from "../../abi/resource.ts";
import type { Task } from "../kernel/task.ts";
import type { File } from "../vfs/file.ts";

const OPEN_HOW_SIZE = 24;
const TMPFILE_BIT = O_TMPFILE & ~O_DIRECTORY;

/** Gives an open description a descriptor; closes it again if there is none. */
export function installFile(t: Task, file: File | number, cloexec: boolean): number {
  if (typeof file === "number") return file;
  const fd = t.files.install(file, cloexec, 0, t.group.rlimits.soft[RLIMIT_NOFILE]);
  if (fd < 0) file.unref();
  return fd;
}

function open(
  t: Task,
  dirfd: number,
  path: string | number,
  flags: number,
  mode: number,
  resolve: number,
): number {
  if (typeof path === "number") return path;
  const file = t.kernel.vfs.open(t, dirfd, path, flags, mode, resolve);
  return installFile(t, file, (flags & O_CLOEXEC) !== 0);
}

export function sys_open(t: Task): number {
  return open(t, AT_FDCWD, t.pathArg(0), t.args[1] | 0, t.args[2] & 0o7777, 0);
}

export function sys_creat(t: Task): number {
  return open(t, AT_FDCWD, t.pathArg(0), O_CREAT | O_WRONLY | O_TRUNC, t.args[1] & 0o7777, 0);
}

export function sys_openat(t: Task): number {
  return open(t, t.args[0] | 0, t.pathArg(1), t.args[2] | 0, t.args[3] & 0o7777, 0);
}

export function sys_openat2(t: Task): number {
  const size = t.args[3];
  if (size < OPEN_HOW_SIZE) return -EINVAL;
  if (size > 4096) return -E2BIG;
  if (t.copyIn(t.args[2], size) !== 0) return -EFAULT;
  // Bytes that this kernel has no meaning for must be zero (openat2(2), "extensibility").
  for (let i = OPEN_HOW_SIZE; i < size; i++) if (t.scratch[i] !== 0) return -E2BIG;
  const flags = readU64(t.view, 0);
  const mode = readU64(t.view, 8);
  const resolve = readU64(t.view, 16);
  if (flags > 0x7fffffff || flags < 0 || resolve > 0x3f || resolve < 0) return -EINVAL;
  if ((mode & ~0o7777) !== 0 || mode > 0o7777) return -EINVAL;
  if (mode !== 0 && (flags & (O_CREAT | TMPFILE_BIT)) === 0) return -EINVAL;
  if ((flags & O_PATH) !== 0 && (flags & ~(O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)) !== 0) {
    return -EINVAL;
  }
  const scope = RESOLVE_BENEATH | RESOLVE_IN_ROOT;
  if ((resolve & scope) === scope) return -EINVAL;
  if ((resolve & RESOLVE_CACHED) !== 0) {
    if ((flags & (O_TRUNC | O_CREAT | TMPFILE_BIT)) !== 0) return -EAGAIN;
  }
  return open(t, t.args[0] | 0, t.pathArg(1), flags, mode, resolve & ~RESOLVE_CACHED);
}

export function sys_close(t: Task): number {
  return t.files.close(t, t.args[0] | 0);
}

export function sys_close_range(t: Task): number {
  const first = t.args[0] >>> 0;
  const last = t.args[1] >>> 0;
  const flags = t.args[2] >>> 0;
  if (first > last || (flags & ~(CLOSE_RANGE_CLOEXEC | CLOSE_RANGE_UNSHARE)) !== 0) return -EINVAL;
  if ((flags & CLOSE_RANGE_UNSHARE) !== 0 && t.files.users > 1) {
    const own = t.files.fork();
    t.files.release(t);
    t.files = own;
  }
  t.files.closeRange(t, first, last, (flags & CLOSE_RANGE_CLOEXEC) !== 0);
  return 0;
}

export function sys_dup(t: Task): number {
  const file = t.files.get(t.args[0] | 0);
  return file === null ? -EBADF : installFile(t, file.ref(), false);
}

export function sys_dup2(t: Task): number {
  const fd = t.args[0] | 0;
  const newFd = t.args[1] | 0;
  if (newFd < 0 || newFd >= t.group.rlimits.soft[RLIMIT_NOFILE]) return -EBADF;
  return t.files.dup2(t, fd, newFd, false);
}

export function sys_dup3(t: Task): number {
  const fd = t.args[0] | 0;
  const newFd = t.args[1] | 0;
  const flags = t.args[2] | 0;
  if ((flags & ~O_CLOEXEC) !== 0 || fd === newFd) return -EINVAL;
  if (newFd < 0 || newFd >= t.group.rlimits.soft[RLIMIT_NOFILE]) return -EBADF;
  return t.files.dup2(t, fd, newFd, (flags & O_CLOEXEC) !== 0);
}
