/**
 * Structures of files and file systems.
 */

import { write64 } from "../int64.ts";
import {
  array,
  bytes,
  hex,
  i16,
  i32,
  i64,
  octal,
  pointer,
  struct,
  u16,
  u32,
  u64,
  u8,
} from "../struct.ts";
import { writeTimespec } from "./time.ts";

/** What stat(2) tells of a file. */
export const Stat = struct("stat", {
  st_dev: hex(u64),
  st_ino: u64,
  st_nlink: u64,
  st_mode: octal(u32),
  st_uid: u32,
  st_gid: u32,
  _pad0: u32,
  st_rdev: hex(u64),
  st_size: i64,
  st_blksize: i64,
  st_blocks: i64,
  st_atime: u64,
  st_atime_nsec: u64,
  st_mtime: u64,
  st_mtime_nsec: u64,
  st_ctime: u64,
  st_ctime_nsec: u64,
  _unused: array(i64, 3),
});

/** A time of statx(2). */
export const StatxTimestamp = struct("statx_timestamp", {
  tv_sec: i64,
  tv_nsec: u32,
  _reserved: i32,
});

/** What statx(2) tells of a file. */
export const Statx = struct("statx", {
  stx_mask: hex(u32),
  stx_blksize: u32,
  stx_attributes: hex(u64),
  stx_nlink: u32,
  stx_uid: u32,
  stx_gid: u32,
  stx_mode: octal(u16),
  _spare0: u16,
  stx_ino: u64,
  stx_size: u64,
  stx_blocks: u64,
  stx_attributes_mask: hex(u64),
  stx_atime: StatxTimestamp,
  stx_btime: StatxTimestamp,
  stx_ctime: StatxTimestamp,
  stx_mtime: StatxTimestamp,
  stx_rdev_major: u32,
  stx_rdev_minor: u32,
  stx_dev_major: u32,
  stx_dev_minor: u32,
  stx_mnt_id: u64,
  stx_dio_mem_align: u32,
  stx_dio_offset_align: u32,
  _spare3: array(u64, 12),
});

/** What statfs(2) tells of a file system. */
export const Statfs = struct("statfs", {
  f_type: hex(i64),
  f_bsize: i64,
  f_blocks: i64,
  f_bfree: i64,
  f_bavail: i64,
  f_files: i64,
  f_ffree: i64,
  f_fsid: array(i32, 2),
  f_namelen: i64,
  f_frsize: i64,
  f_flags: hex(i64),
  _spare: array(i64, 4),
});

/** The fixed part of a directory entry of getdents64(2); the name and its NUL follow at offset 19. */
export const Dirent64 = struct("dirent64", { d_ino: u64, d_off: i64, d_reclen: u16, d_type: u8 }, {
  packed: true,
});

/** The fixed part of a directory entry of getdents(2); the name follows at offset 18, the type is the last byte. */
export const Dirent = struct("dirent", { d_ino: u64, d_off: u64, d_reclen: u16 }, { packed: true });

/** One piece of memory of readv(2). */
export const Iovec = struct("iovec", { iov_base: pointer, iov_len: u64 });

/** A record lock of fcntl(2). */
export const Flock = struct("flock", {
  l_type: i16,
  l_whence: i16,
  l_start: i64,
  l_len: i64,
  l_pid: i32,
});

/** The owner of a descriptor's signals (F_SETOWN_EX). */
export const FOwnerEx = struct("f_owner_ex", { type: i32, pid: i32 });

/** The arguments of openat2(2). */
export const OpenHow = struct("open_how", { flags: hex(u64), mode: octal(u64), resolve: hex(u64) });

/** The fixed part of a file handle (name_to_handle_at(2)); `handle_bytes` bytes follow. */
export const FileHandle = struct("file_handle", { handle_bytes: u32, handle_type: i32 });

/** The fixed part of an event of inotify(7); `len` bytes of name follow. */
export const InotifyEvent = struct("inotify_event", {
  wd: i32,
  mask: hex(u32),
  cookie: u32,
  len: u32,
});

/** The arguments of mount_setattr(2). */
export const MountAttr = struct("mount_attr", {
  attr_set: hex(u64),
  attr_clr: hex(u64),
  propagation: hex(u64),
  userns_fd: u64,
});

/** Attributes of a file as FS_IOC_FSGETXATTR tells them. */
export const Fsxattr = struct("fsxattr", {
  fsx_xflags: hex(u32),
  fsx_extsize: u32,
  fsx_nextents: u32,
  fsx_projid: u32,
  fsx_cowextsize: u32,
  _pad: bytes(8),
});

/** The argument of FICLONERANGE. */
export const FileCloneRange = struct("file_clone_range", {
  src_fd: i64,
  src_offset: u64,
  src_length: u64,
  dest_offset: u64,
});

/** One descriptor of poll(2). */
export const Pollfd = struct("pollfd", { fd: i32, events: hex(i16), revents: hex(i16) });

/** An event of epoll(7). On amd64 it is packed, as on i386. */
export const EpollEvent = struct("epoll_event", { events: hex(u32), data: hex(u64) }, {
  packed: true,
});

/** The signal set that pselect6(2) takes as its sixth argument. */
export const SigsetArgument = struct("sigset_argpack", { p: pointer, size: u64 });

/**
 * Writes what stat(2) tells of a file. Devices are encoded as makedev(3) does; times are nanoseconds since the epoch.
 */
export function writeStat(
  view: DataView,
  offset: number,
  dev: number,
  ino: number,
  nlink: number,
  mode: number,
  uid: number,
  gid: number,
  rdev: number,
  size: number,
  blksize: number,
  blocks: number,
  atime: number,
  mtime: number,
  ctime: number,
): void {
  write64(view, offset, dev);
  write64(view, offset + 8, ino);
  write64(view, offset + 16, nlink);
  view.setUint32(offset + 24, mode, true);
  view.setUint32(offset + 28, uid, true);
  view.setUint32(offset + 32, gid, true);
  view.setUint32(offset + 36, 0, true);
  write64(view, offset + 40, rdev);
  write64(view, offset + 48, size);
  write64(view, offset + 56, blksize);
  write64(view, offset + 64, blocks);
  writeTimespec(view, offset + 72, atime);
  writeTimespec(view, offset + 88, mtime);
  writeTimespec(view, offset + 104, ctime);
  for (let i = 120; i < 144; i += 4) view.setUint32(offset + i, 0, true);
}

/** Writes the fixed part of an entry of getdents64(2); the caller puts the name and its NUL at `offset + 19`. */
export function writeDirent64(
  view: DataView,
  offset: number,
  ino: number,
  next: number,
  length: number,
  type: number,
): void {
  write64(view, offset, ino);
  write64(view, offset + 8, next);
  view.setUint16(offset + 16, length, true);
  view.setUint8(offset + 18, type);
}

/** Writes an event of epoll(7) whose user data is given in two halves. */
export function writeEpollEvent(
  view: DataView,
  offset: number,
  events: number,
  dataLow: number,
  dataHigh: number,
): void {
  view.setUint32(offset, events, true);
  view.setUint32(offset + 4, dataLow, true);
  view.setUint32(offset + 8, dataHigh, true);
}

/** A device number of a major and a minor, as makedev(3) encodes it for stat(2) and mknod(2). */
export function makeDevice(major: number, minor: number): number {
  return ((minor & 0xff) | ((major & 0xfff) << 8)) + (minor >>> 8) * 0x100000;
}

/** The major of a device number that fits in 32 bits. */
export function deviceMajor(device: number): number {
  return (device >>> 8) & 0xfff;
}

/** The minor of a device number that fits in 32 bits. */
export function deviceMinor(device: number): number {
  return (device & 0xff) | ((device >>> 12) & 0xfff00);
}
