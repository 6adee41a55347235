import {
  EBADF,
  EFAULT,
  EFBIG,
  EINVAL,
  EISDIR,
  ENODEV,
  EOPNOTSUPP,
  ESPIPE,
} from "../../abi/errno.ts";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_UNSHARE_RANGE,
  FALLOC_FL_ZERO_RANGE,
  O_PATH,
  POSIX_FADV_NOREUSE,
} from "../../abi/fcntl.ts";

import { readU64, write64 } from "../../abi/int64.ts";
import { RLIMIT_FSIZE } from "../../abi/resource.ts";
import { SIGXFSZ } from "../../abi/signals.ts";
import { SigInfo } from "../kernel/signal_set.ts";
import type { Task } from "../kernel/task.ts";
import { sendToTask } from "../kernel/task_signals.ts";
import { type File, MAX_OFFSET } from "../vfs/file.ts";

function openFile(t: Task): File | null {
  const file = t.files.get(t.args[0] | 0);
  return file === null || (file.flags & O_PATH) !== 0 ? null : file;
}

export function sys_fsync(t: Task): number {
  const file = openFile(t);
  return file === null ? -EBADF : file.fsync(t, false);
}

export function sys_fdatasync(t: Task): number {
  const file = openFile(t);
  return file === null ? -EBADF : file.fsync(t, true);
}

export function sys_sync(t: Task): number {
  return t.kernel.vfs.sync();
}

export function sys_syncfs(t: Task): number {
  const file = openFile(t);
  return file === null ? -EBADF : file.path.mount.fs.sync();
}

export function sys_sync_file_range(t: Task): number {
  const [, offset, length, flags] = t.args;
  if (offset < 0 || length < 0 || (flags & ~7) !== 0) return -EINVAL;
  const file = openFile(t);
  if (file === null) return -EBADF;
  if (!file.seekable) return -ESPIPE;
  return flags === 0 ? 0 : file.fsync(t, true);
}

export function sys_fadvise64(t: Task): number {
  const file = openFile(t);
  if (file === null) return -EBADF;
  if (!file.seekable) return -ESPIPE;
  const advice = t.args[3] | 0;
  return t.args[2] < 0 || advice < 0 || advice > POSIX_FADV_NOREUSE ? -EINVAL : 0;
}

/** cachestat(2). */
export function sys_cachestat(t: Task): number {
  if (t.args[3] !== 0) return -EINVAL;
  const file = openFile(t);
  if (file === null) return -EBADF;
  if (t.copyIn(t.args[1], 16) !== 0) return -EFAULT;
  const first = Math.floor(readU64(t.view, 0) / 4096);
  const length = readU64(t.view, 8);
  const end = length === 0 ? Infinity : Math.ceil((readU64(t.view, 0) + length) / 4096);
  const pages = file.inode.prepareContent();
  const { present, dirty } = pages === null
    ? { present: 0, dirty: 0 }
    : pages.countPages(first, end);
  t.scratch.fill(0, 0, 40);
  write64(t.view, 0, present);
  write64(t.view, 8, dirty);
  return t.copyOut(t.args[2], 40);
}

export function sys_readahead(t: Task): number {
  const file = openFile(t);
  if (file === null || !file.readable) return -EBADF;
  return file.inode.isRegular ? 0 : -EINVAL;
}

export function sys_fallocate(t: Task): number {
  const mode = t.args[1] | 0;
  const offset = t.args[2];
  const length = t.args[3];
  const file = openFile(t);
  if (file === null) return -EBADF;
  if (offset < 0 || length <= 0) return -EINVAL;
  const known = FALLOC_FL_KEEP_SIZE | FALLOC_FL_PUNCH_HOLE | FALLOC_FL_COLLAPSE_RANGE |
    FALLOC_FL_ZERO_RANGE | FALLOC_FL_INSERT_RANGE | FALLOC_FL_UNSHARE_RANGE;
  if ((mode & ~known) !== 0) return -EOPNOTSUPP;
  const punch = (mode & FALLOC_FL_PUNCH_HOLE) !== 0;
  if (punch && (mode & FALLOC_FL_ZERO_RANGE) !== 0) return -EOPNOTSUPP;
  if (punch && (mode & FALLOC_FL_KEEP_SIZE) === 0) return -EOPNOTSUPP;
  if (!file.writable) return -EBADF;
  const inode = file.inode;
  if (inode.isDir) return -EISDIR;
  if (!inode.isRegular) return file.seekable ? -ENODEV : -ESPIPE;
  const end = offset + length;
  if (end > MAX_OFFSET) return -EFBIG;
  if (end > t.group.rlimits.soft[RLIMIT_FSIZE] && (mode & FALLOC_FL_KEEP_SIZE) === 0) {
    sendToTask(t, SigInfo.kernel(SIGXFSZ));
    return -EFBIG;
  }
  return file.fallocate(t, mode, offset, length);
}
