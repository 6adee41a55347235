import {
  EACCES,
  EAGAIN,
  EBADF,
  EFAULT,
  EINVAL,
  ENOTDIR,
  EOVERFLOW,
  EPERM,
  ERESTARTSYS,
  ESRCH,
} from "../../abi/errno.ts";
import { CAP_LEASE, CAP_SYS_RESOURCE } from "../../abi/capability.ts";
import {
  DN_MULTISHOT,
  F_ADD_SEALS,
  F_CREATED_QUERY,
  F_DUPFD,
  F_DUPFD_CLOEXEC,
  F_DUPFD_QUERY,
  F_GET_FILE_RW_HINT,
  F_GET_RW_HINT,
  F_GET_SEALS,
  F_GETFD,
  F_GETFL,
  F_GETLEASE,
  F_GETLK,
  F_GETOWN,
  F_GETOWN_EX,
  F_GETPIPE_SZ,
  F_GETSIG,
  F_NOTIFY,
  F_OFD_GETLK,
  F_OFD_SETLK,
  F_OFD_SETLKW,
  F_OWNER_PGRP,
  F_OWNER_PID,
  F_OWNER_TID,
  F_RDLCK,
  F_SET_FILE_RW_HINT,
  F_SET_RW_HINT,
  F_SETFD,
  F_SETFL,
  F_SETLEASE,
  F_SETLK,
  F_SETLKW,
  F_SETOWN,
  F_SETOWN_EX,
  F_SETPIPE_SZ,
  F_SETSIG,
  F_UNLCK,
  F_WRLCK,
  FD_CLOEXEC,
  LOCK_EX,
  LOCK_NB,
  LOCK_SH,
  LOCK_UN,
  O_APPEND,
  O_DIRECT,
  O_NOATIME,
  O_NONBLOCK,
  O_PATH,
  SEEK_CUR,
  SEEK_END,
  SEEK_SET,
} from "../../abi/fcntl.ts";
import { readI64, write64 } from "../../abi/int64.ts";
import { RLIMIT_NOFILE } from "../../abi/resource.ts";
import { PipeFile } from "../fs/pipe/pipe_file.ts";
import { AsyncNotice, DirectoryNotice } from "../kernel/file_signals.ts";
import type { Task } from "../kernel/task.ts";
import { type File, FileOwner } from "../vfs/file.ts";
import { LOCK_TO_END, type LockOwner, LockState } from "../vfs/locks.ts";
import { ownerOrCapable } from "../vfs/permissions.ts";

const O_ASYNC = 0o20000;
/** What F_SETFL may change. */
const SETFL_FLAGS = O_APPEND | O_ASYNC | O_DIRECT | O_NOATIME | O_NONBLOCK;
const FLOCK_SIZE = 32;

export function sys_fcntl(t: Task): number {
  const fd = t.args[0] | 0;
  const file = t.files.get(fd);
  if (file === null) return -EBADF;
  const cmd = t.args[1] | 0;
  const arg = t.args[2];
  switch (cmd) {
    case F_DUPFD:
    case F_DUPFD_CLOEXEC:
      return duplicate(t, file, arg | 0, cmd === F_DUPFD_CLOEXEC);
    case F_GETFD:
      return t.files.getCloexec(fd) ? FD_CLOEXEC : 0;
    case F_SETFD:
      t.files.setCloexec(fd, (arg & FD_CLOEXEC) !== 0);
      return 0;
    case F_GETFL:
      return file.flags;
    case F_DUPFD_QUERY:
      return t.files.get(arg | 0) === file ? 1 : 0;
  }
  if ((file.flags & O_PATH) !== 0) return -EBADF;
  switch (cmd) {
    case F_SETFL:
      return setFlags(t, file, fd, arg | 0);
    case F_GETLK:
    case F_SETLK:
    case F_SETLKW:
      return rangeLock(t, file, cmd, arg, t.files, t.group.tgid);
    case F_OFD_GETLK:
    case F_OFD_SETLK:
    case F_OFD_SETLKW:
      return rangeLock(t, file, cmd - F_OFD_GETLK + F_GETLK, arg, file, -1);
    case F_SETOWN:
      return setOwn(t, file, arg | 0);
    case F_GETOWN: {
      const id = ownerId(t, file);
      return file.owner?.type === F_OWNER_PGRP ? -id : id;
    }
    case F_SETOWN_EX:
      return setOwnEx(t, file, arg);
    case F_GETOWN_EX:
      t.view.setInt32(0, file.owner === null ? F_OWNER_TID : file.owner.type, true);
      t.view.setInt32(4, ownerId(t, file), true);
      return t.copyOut(arg, 8);
    case F_SETSIG:
      if (arg < 0 || arg > 64) return -EINVAL;
      (file.owner ??= new FileOwner(F_OWNER_PID)).signal = arg;
      return 0;
    case F_GETSIG:
      return file.owner === null ? 0 : file.owner.signal;
    case F_SETLEASE:
      if (!ownerOrCapable(t.creds, file.inode) && !t.creds.capable(CAP_LEASE)) return -EACCES;
      if (!file.inode.isRegular) return -EINVAL;
      return arg === F_UNLCK || arg === F_RDLCK || arg === F_WRLCK ? -EAGAIN : -EINVAL;
    case F_GETLEASE:
      return F_UNLCK;
    case F_NOTIFY:
      return watchDirectory(t, file, fd, arg >>> 0);
    case F_SETPIPE_SZ:
    case F_GETPIPE_SZ:
      return pipeSize(t, file, cmd, arg);
    case F_ADD_SEALS:
      return file.writable ? file.inode.addSeals(arg >>> 0) : -EPERM;
    case F_GET_SEALS:
      return file.inode.getSeals();
    case F_GET_RW_HINT:
    case F_GET_FILE_RW_HINT:
      write64(t.view, 0, 0);
      return t.copyOut(arg, 8);
    case F_SET_RW_HINT:
    case F_SET_FILE_RW_HINT:
      if (t.copyIn(arg, 8) !== 0) return -EFAULT;
      return readI64(t.view, 0) >= 0 && readI64(t.view, 0) <= 5 ? 0 : -EINVAL;
    case F_CREATED_QUERY:
      return 0;
  }
  return -EINVAL;
}

function duplicate(t: Task, file: File, min: number, cloexec: boolean): number {
  const limit = t.group.rlimits.soft[RLIMIT_NOFILE];
  if (min < 0 || min >= limit) return -EINVAL;
  const fd = t.files.install(file.ref(), cloexec, min, limit);
  if (fd < 0) file.unref();
  return fd;
}

function setFlags(t: Task, file: File, fd: number, flags: number): number {
  if (
    (flags & O_NOATIME) !== 0 && (file.flags & O_NOATIME) === 0 &&
    !ownerOrCapable(t.creds, file.inode)
  ) return -EPERM;
  const r = file.setFlags(t, (file.flags & ~SETFL_FLAGS) | (flags & SETFL_FLAGS));
  if (r === 0) followAsync(file, fd);
  return r;
}

/** F_NOTIFY: signals for what happens in a directory; 0 ends them. */
function watchDirectory(t: Task, file: File, fd: number, wanted: number): number {
  if (!file.inode.isDir) return -ENOTDIR;
  if ((wanted & ~DN_MULTISHOT) === 0) {
    file.owner?.watchNothing();
    return 0;
  }
  if (file.owner === null || file.owner.pid === null) {
    const r = own(t, file, F_OWNER_PID, t.group.tgid);
    if (r < 0) return r;
  }
  const owner = file.owner!;
  const old = owner.directory instanceof DirectoryNotice ? owner.directory.wanted : 0;
  owner.watchNothing();
  owner.directory = new DirectoryNotice(file.inode, owner, fd, (wanted | old) >>> 0);
  return 0;
}

/** Starts or ends the signals of a description by its O_ASYNC flag. */
export function followAsync(file: File, fd: number): void {
  if ((file.flags & O_ASYNC) === 0) {
    if (file.owner !== null) file.owner.stop();
    return;
  }
  const { queue } = file;
  if (queue === null) return;
  const owner = file.owner ??= new FileOwner(F_OWNER_PID);
  if (owner.notice !== null) return;
  owner.notice = new AsyncNotice(file, owner, fd);
  queue.add(owner.notice);
}

/** The id of the owner as `t` sees it, 0 if it is gone. */
function ownerId(t: Task, file: File): number {
  const pid = file.owner?.pid ?? null;
  if (pid === null || (pid.task === null && pid.group === null)) return 0;
  return pid.numberIn(t.pid.ns);
}

function own(t: Task, file: File, type: number, id: number): number {
  const pid = id === 0 ? null : t.pid.ns.get(id);
  if (id !== 0 && pid === null) return -ESRCH;
  const owner = file.owner ??= new FileOwner(type);
  owner.type = type;
  owner.id = id;
  owner.pid = pid;
  owner.uid = t.creds.ruid;
  owner.euid = t.creds.euid;
  return 0;
}

function setOwn(t: Task, file: File, arg: number): number {
  if (arg === -0x80000000) return -EINVAL;
  return own(t, file, arg < 0 ? F_OWNER_PGRP : F_OWNER_PID, Math.abs(arg));
}

function setOwnEx(t: Task, file: File, address: number): number {
  if (t.copyIn(address, 8) !== 0) return -EFAULT;
  const type = t.view.getInt32(0, true);
  if (type !== F_OWNER_TID && type !== F_OWNER_PID && type !== F_OWNER_PGRP) return -EINVAL;
  return own(t, file, type, t.view.getInt32(4, true));
}

function pipeSize(t: Task, file: File, cmd: number, arg: number): number {
  if (!(file instanceof PipeFile)) return -EBADF;
  if (cmd === F_GETPIPE_SZ) return file.pipe.ring.capacity;
  return file.pipe.resize(arg, t.creds.capable(CAP_SYS_RESOURCE));
}

/** The locks of an inode, made on first use. */
function locksOf(file: File): LockState {
  const inode = file.inode;
  if (inode.locks === null) inode.locks = new LockState();
  return inode.locks;
}

/** fcntl(2), "Advisory record locking"; `cmd` is the one for POSIX locks. */
function rangeLock(
  t: Task,
  file: File,
  cmd: number,
  address: number,
  owner: LockOwner,
  pid: number,
): number {
  if (t.copyIn(address, FLOCK_SIZE) !== 0) return -EFAULT;
  const v = t.view;
  const type = v.getInt16(0, true);
  const whence = v.getInt16(2, true);
  let start = readI64(v, 8);
  const length = readI64(v, 16);
  // A lock of the description has no process (fcntl(2), "Open file description locks").
  if (pid === -1 && v.getInt32(24, true) !== 0) return -EINVAL;
  if (whence === SEEK_CUR) start += file.pos;
  else if (whence === SEEK_END) start += file.inode.size;
  else if (whence !== SEEK_SET) return -EINVAL;
  let end = length === 0 ? LOCK_TO_END : start + length;
  if (length < 0) {
    end = start;
    start += length;
  }
  if (start < 0) return -EINVAL;
  if (end > LOCK_TO_END) return -EOVERFLOW;
  if (cmd === F_GETLK) {
    if (type !== F_RDLCK && type !== F_WRLCK) return -EINVAL;
    const other = file.inode.locks === null
      ? null
      : file.inode.locks.conflict(owner, type, start, end);
    v.setInt16(0, other === null ? F_UNLCK : other.type, true);
    if (other !== null) {
      v.setInt16(2, SEEK_SET, true);
      write64(v, 8, other.start);
      write64(v, 16, other.end === LOCK_TO_END ? 0 : other.end - other.start);
      v.setInt32(24, other.pid, true);
    }
    return t.copyOut(address, FLOCK_SIZE);
  }
  if (type === F_RDLCK && !file.readable) return -EBADF;
  if (type === F_WRLCK && !file.writable) return -EBADF;
  if (type !== F_RDLCK && type !== F_WRLCK && type !== F_UNLCK) return -EINVAL;
  if (type === F_UNLCK && file.inode.locks === null) return 0;
  const locks = locksOf(file);
  const waits = t.kernel.vfs.lockWaits;
  if (t.block.runs > 0) waits.end(owner);
  const r = locks.set(owner, pid, type, start, end);
  if (r !== -EAGAIN || cmd !== F_SETLKW) return r;
  const holder = locks.conflict(owner, type, start, end)!.owner;
  if (pid !== -1) {
    const d = waits.begin(owner, holder);
    if (d !== 0) return d;
  }
  t.waitOn(locks.queue, ~0);
  const s = t.sleep(-ERESTARTSYS);
  if (s === -ERESTARTSYS) waits.end(owner);
  return s;
}

export function sys_flock(t: Task): number {
  const file = t.files.get(t.args[0] | 0);
  if (file === null || (file.flags & O_PATH) !== 0) return -EBADF;
  const op = t.args[1] & ~LOCK_NB;
  if (op === LOCK_UN) {
    file.inode.locks?.funlock(file);
    return 0;
  }
  if (op !== LOCK_SH && op !== LOCK_EX) return -EINVAL;
  if (!file.readable && !file.writable) return -EBADF;
  const locks = locksOf(file);
  const r = locks.flock(file, op === LOCK_EX);
  if (r !== -EAGAIN || (t.args[1] & LOCK_NB) !== 0) return r;
  t.waitOn(locks.queue, ~0);
  return t.sleep(-ERESTARTSYS);
}
