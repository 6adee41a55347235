import { EACCES, EBADF, EFAULT, EFBIG, EINVAL, EROFS } from "../../abi/errno.ts";
import {
  AT_EACCESS,
  AT_EMPTY_PATH,
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_PATH,
} from "../../abi/fcntl.ts";
import { readI64 } from "../../abi/int64.ts";
import { MS_NOEXEC } from "../../abi/mount.ts";
import { RLIMIT_FSIZE } from "../../abi/resource.ts";
import { SIGXFSZ } from "../../abi/signals.ts";
import {
  S_IFBLK,
  S_IFCHR,
  S_IFIFO,
  S_IFMT,
  S_IFREG,
  S_IFSOCK,
  UTIME_NOW,
  UTIME_OMIT,
} from "../../abi/stat.ts";
import { NSEC_PER_USEC } from "../../abi/time.ts";
import { CapabilitySet, type Credentials } from "../kernel/credentials.ts";
import type { Task } from "../kernel/task.ts";
import { SigInfo } from "../kernel/signal_set.ts";
import { sendToTask } from "../kernel/task_signals.ts";
import {
  changeMode,
  changeOwner,
  changeTimes,
  TimeChoice,
  truncatePath,
} from "../vfs/attributes.ts";
import { MAY_EXEC, MAY_WRITE, permission } from "../vfs/permissions.ts";
import { PlainContext } from "../vfs/context.ts";

function chmod(t: Task, dirfd: number, path: string | number, mode: number, flags: number): number {
  if (typeof path === "number") return path;
  const vfs = t.kernel.vfs;
  const inode = vfs.locate(t, dirfd, path, flags);
  if (typeof inode === "number") return inode;
  return changeMode(t, vfs.walk.mount, vfs.walk.dentry, mode);
}

export function sys_chmod(t: Task): number {
  return chmod(t, AT_FDCWD, t.pathArg(0), t.args[1], 0);
}

export function sys_fchmodat(t: Task): number {
  return chmod(t, t.args[0] | 0, t.pathArg(1), t.args[2], 0);
}

export function sys_fchmodat2(t: Task): number {
  const flags = t.args[3] | 0;
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  return chmod(t, t.args[0] | 0, t.pathArg(1), t.args[2], flags);
}

export function sys_fchmod(t: Task): number {
  const file = t.files.get(t.args[0] | 0);
  if (file === null || (file.flags & O_PATH) !== 0) return -EBADF;
  return changeMode(t, file.path.mount, file.path.dentry, t.args[1]);
}

function chown(
  t: Task,
  dirfd: number,
  path: string | number,
  uid: number,
  gid: number,
  flags: number,
): number {
  if (typeof path === "number") return path;
  const vfs = t.kernel.vfs;
  const inode = vfs.locate(t, dirfd, path, flags);
  if (typeof inode === "number") return inode;
  return changeOwner(t, vfs.walk.mount, vfs.walk.dentry, id(uid), id(gid));
}

/** An id argument: -1 means "leave it". */
function id(arg: number): number {
  const n = arg >>> 0;
  return n === 0xffffffff ? -1 : n;
}

export function sys_chown(t: Task): number {
  return chown(t, AT_FDCWD, t.pathArg(0), t.args[1], t.args[2], 0);
}

export function sys_lchown(t: Task): number {
  return chown(t, AT_FDCWD, t.pathArg(0), t.args[1], t.args[2], AT_SYMLINK_NOFOLLOW);
}

export function sys_fchownat(t: Task): number {
  const flags = t.args[4] | 0;
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  return chown(t, t.args[0] | 0, t.pathArg(1), t.args[2], t.args[3], flags);
}

export function sys_fchown(t: Task): number {
  const file = t.files.get(t.args[0] | 0);
  if (file === null || (file.flags & O_PATH) !== 0) return -EBADF;
  return changeOwner(t, file.path.mount, file.path.dentry, id(t.args[1]), id(t.args[2]));
}

const atime = new TimeChoice();
const mtime = new TimeChoice();

function setChoice(c: TimeChoice, sec: number, nsec: number): boolean {
  if (nsec === UTIME_OMIT) {
    c.kind = 0;
    return true;
  }
  if (nsec === UTIME_NOW) {
    c.kind = 1;
    return true;
  }
  if (nsec < 0 || nsec > 999_999_999) return false;
  c.kind = 2;
  c.sec = sec;
  c.nsec = nsec;
  return true;
}

/** Reads two times; `unit` is the nanoseconds of the second field. */
function readTimes(t: Task, address: number, unit: number): number {
  if (address === 0) {
    atime.kind = mtime.kind = 1;
    return 0;
  }
  if (t.copyIn(address, 32) !== 0) return -EFAULT;
  const v = t.view;
  const aFraction = readI64(v, 8);
  const mFraction = readI64(v, 24);
  if (unit !== 1 && (aFraction < 0 || aFraction >= 1e6 || mFraction < 0 || mFraction >= 1e6)) {
    return -EINVAL;
  }
  if (!setChoice(atime, readI64(v, 0), aFraction * unit)) return -EINVAL;
  return setChoice(mtime, readI64(v, 16), mFraction * unit) ? 0 : -EINVAL;
}

function utimes(t: Task, dirfd: number, path: string | number, flags: number): number {
  if (typeof path === "number") return path;
  const vfs = t.kernel.vfs;
  const inode = vfs.locate(t, dirfd, path, flags);
  if (typeof inode === "number") return inode;
  return changeTimes(t, vfs.walk.mount, vfs.walk.dentry, atime, mtime);
}

export function sys_utimensat(t: Task): number {
  const flags = t.args[3] | 0;
  if ((flags & ~(AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  const r = readTimes(t, t.args[2], 1);
  if (r !== 0) return r;
  if (t.args[1] === 0) {
    // No path: the descriptor itself (futimens(3)).
    const file = t.files.get(t.args[0] | 0);
    if (flags !== 0) return -EINVAL;
    if (file === null || (file.flags & O_PATH) !== 0) return -EBADF;
    return changeTimes(t, file.path.mount, file.path.dentry, atime, mtime);
  }
  return utimes(t, t.args[0] | 0, t.pathArg(1), flags);
}

export function sys_utimes(t: Task): number {
  const r = readTimes(t, t.args[1], NSEC_PER_USEC);
  return r !== 0 ? r : utimes(t, AT_FDCWD, t.pathArg(0), 0);
}

export function sys_futimesat(t: Task): number {
  const r = readTimes(t, t.args[2], NSEC_PER_USEC);
  if (r !== 0) return r;
  if (t.args[1] === 0) {
    const file = t.files.get(t.args[0] | 0);
    if (file === null) return -EBADF;
    return changeTimes(t, file.path.mount, file.path.dentry, atime, mtime);
  }
  return utimes(t, t.args[0] | 0, t.pathArg(1), 0);
}

export function sys_utime(t: Task): number {
  if (t.args[1] === 0) {
    atime.kind = mtime.kind = 1;
  } else {
    if (t.copyIn(t.args[1], 16) !== 0) return -EFAULT;
    setChoice(atime, readI64(t.view, 0), 0);
    setChoice(mtime, readI64(t.view, 8), 0);
  }
  return utimes(t, AT_FDCWD, t.pathArg(0), 0);
}

/** access(2) asks for the real ids, and only a real root has capabilities then. */
function realCredentials(creds: Credentials): Credentials {
  const real = creds.clone();
  real.fsuid = creds.ruid;
  real.fsgid = creds.rgid;
  real.effective = creds.ruid === 0 ? creds.permitted : CapabilitySet.empty();
  return real;
}

function sameCapabilities(c: Credentials): boolean {
  if (c.ruid !== 0) return c.effective.isEmpty;
  return c.effective.lo === c.permitted.lo && c.effective.hi === c.permitted.hi;
}

function access(
  t: Task,
  dirfd: number,
  path: string | number,
  mode: number,
  flags: number,
): number {
  if ((mode & ~7) !== 0) return -EINVAL;
  if (typeof path === "number") return path;
  const vfs = t.kernel.vfs;
  const c = t.creds;
  const same = (flags & AT_EACCESS) !== 0 ||
    (c.ruid === c.fsuid && c.rgid === c.fsgid && sameCapabilities(c));
  const creds = same ? c : realCredentials(c);
  const ctx = same ? t : new PlainContext(t.kernel, creds, t.fs, t.files);
  const inode = vfs.locate(ctx, dirfd, path, flags & ~AT_EACCESS);
  if (typeof inode === "number") return inode;
  if (mode === 0) return 0;
  const mount = vfs.walk.mount;
  const type = inode.mode & S_IFMT;
  if ((mode & MAY_EXEC) !== 0 && type === S_IFREG && (mount.flags & MS_NOEXEC) !== 0) {
    return -EACCES;
  }
  const r = permission(creds, inode, mode);
  if (r !== 0) return r;
  const special = type === S_IFCHR || type === S_IFBLK || type === S_IFIFO || type === S_IFSOCK;
  if ((mode & MAY_WRITE) !== 0 && !special && mount.readOnly) return -EROFS;
  return 0;
}

export function sys_access(t: Task): number {
  return access(t, AT_FDCWD, t.pathArg(0), t.args[1] | 0, 0);
}

export function sys_faccessat(t: Task): number {
  return access(t, t.args[0] | 0, t.pathArg(1), t.args[2] | 0, 0);
}

export function sys_faccessat2(t: Task): number {
  const flags = t.args[3] | 0;
  if ((flags & ~(AT_EACCESS | AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH)) !== 0) return -EINVAL;
  return access(t, t.args[0] | 0, t.pathArg(1), t.args[2] | 0, flags);
}

/** RLIMIT_FSIZE bounds how far a file may grow (setrlimit(2)). */
function checkSize(t: Task, old: number, size: number): number {
  if (size <= old || size <= t.group.rlimits.soft[RLIMIT_FSIZE]) return 0;
  sendToTask(t, SigInfo.kernel(SIGXFSZ));
  return -EFBIG;
}

export function sys_truncate(t: Task): number {
  const size = t.args[1];
  if (size < 0) return -EINVAL;
  const path = t.pathArg(0);
  if (typeof path === "number") return path;
  const vfs = t.kernel.vfs;
  const inode = vfs.locate(t, AT_FDCWD, path, 0);
  if (typeof inode === "number") return inode;
  const mount = vfs.walk.mount;
  const dentry = vfs.walk.dentry;
  const r = checkSize(t, inode.size, size);
  return r !== 0 ? r : truncatePath(t, mount, dentry, size);
}

export function sys_ftruncate(t: Task): number {
  const size = t.args[1];
  if (size < 0) return -EINVAL;
  const file = t.files.get(t.args[0] | 0);
  if (file === null || (file.flags & O_PATH) !== 0) return -EBADF;
  if (!file.writable) return -EINVAL;
  const r = checkSize(t, file.inode.size, size);
  return r !== 0 ? r : file.truncate(t, size);
}

export function sys_umask(t: Task): number {
  const old = t.fs.umask;
  t.fs.umask = t.args[0] & 0o777;
  return old;
}
