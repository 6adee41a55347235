/** ioctl(2): what every file answers alike, then the file itself. */

import { EBADF, EISDIR, ENOTTY, EOPNOTSUPP, EPERM } from "../../abi/errno.ts";
import { O_NONBLOCK, O_PATH } from "../../abi/fcntl.ts";
import {
  FIBMAP,
  FICLONE,
  FICLONERANGE,
  FIFREEZE,
  FIGETBSZ,
  FIOASYNC,
  FIOCLEX,
  FIONBIO,
  FIONCLEX,
  FIONREAD,
  FIOQSIZE,
  FITHAW,
  FS_IOC_FIEMAP,
  FS_IOC_FSGETXATTR,
  FS_IOC_FSSETXATTR,
  FS_IOC_GETFLAGS,
  FS_IOC_GETVERSION,
  FS_IOC_SETFLAGS,
  FS_IOC_SETVERSION,
} from "../../abi/ioctl.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../../abi/stat.ts";
import { write64 } from "../../abi/int64.ts";
import { followAsync } from "./fcntl.ts";
import type { Task } from "../kernel/task.ts";
import type { File } from "../vfs/file.ts";

const O_ASYNC = 0o20000;
/** FS_IMMUTABLE_FL and FS_APPEND_FL, which only CAP_LINUX_IMMUTABLE may set. */
const GUARDED_FLAGS = 0x30;

/** ioctl(2). */
export function sys_ioctl(t: Task): number {
  const fd = t.args[0] | 0;
  const file = t.files.get(fd);
  if (file === null || (file.flags & O_PATH) !== 0) return -EBADF;
  const cmd = t.args[1] >>> 0;
  const arg = t.args[2];
  switch (cmd) {
    case FIOCLEX:
      t.files.setCloexec(fd, true);
      return 0;
    case FIONCLEX:
      t.files.setCloexec(fd, false);
      return 0;
    case FIONBIO:
      return switchFlag(t, file, arg, O_NONBLOCK);
    case FIOASYNC:
      return switchFlag(t, file, arg, O_ASYNC);
    case FIOQSIZE: {
      const type = file.inode.mode & S_IFMT;
      if (type !== S_IFREG && type !== S_IFDIR && type !== S_IFLNK) return -ENOTTY;
      write64(t.view, 0, file.inode.size);
      return t.copyOut(arg, 8);
    }
    case FIGETBSZ:
      return t.mm.writeU32(arg, file.inode.blockSize);
    case FIFREEZE:
    case FITHAW:
      return -EPERM;
    case FICLONE:
    case FICLONERANGE:
      return -EOPNOTSUPP;
  }
  if ((file.inode.mode & S_IFMT) === S_IFREG || (file.inode.mode & S_IFMT) === S_IFDIR) {
    const r = fileIoctl(t, file, cmd, arg);
    if (r !== -ENOTTY) return r;
  }
  return file.ioctl(t, cmd, arg);
}

function switchFlag(t: Task, file: File, arg: number, flag: number): number {
  const on = t.mm.readU32(arg);
  if (on < 0) return on;
  const r = file.setFlags(t, on !== 0 ? file.flags | flag : file.flags & ~flag);
  if (r === 0 && flag === O_ASYNC) followAsync(file, t.args[0] | 0);
  return r;
}

/** Requests to files and directories of a file system. */
function fileIoctl(t: Task, file: File, cmd: number, arg: number): number {
  switch (cmd) {
    case FIONREAD: {
      if ((file.inode.mode & S_IFMT) !== S_IFREG) return -ENOTTY;
      const left = Math.max(file.inode.size - file.pos, 0);
      return t.mm.writeU32(arg, Math.min(left, 0x7fffffff));
    }
    case FIBMAP:
      return -EPERM;
    case FS_IOC_GETFLAGS:
      return t.mm.writeU32(arg, 0);
    case FS_IOC_SETFLAGS: {
      const flags = t.mm.readU32(arg);
      if (flags < 0) return flags;
      if ((flags & GUARDED_FLAGS) !== 0) return -EPERM;
      return flags === 0 ? 0 : -EOPNOTSUPP;
    }
    case FS_IOC_GETVERSION:
      return t.mm.writeU32(arg, 0);
    case FS_IOC_SETVERSION:
    case FS_IOC_FSGETXATTR:
    case FS_IOC_FSSETXATTR:
      return -ENOTTY;
    case FS_IOC_FIEMAP:
      return (file.inode.mode & S_IFMT) === S_IFDIR ? -EISDIR : -EOPNOTSUPP;
  }
  return -ENOTTY;
}
