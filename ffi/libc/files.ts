/** Files, directories and descriptors. */

import { type Memory, sys, syscall } from "../syscall.ts";

/** Opens a path; see open(2). */
export function open(path: Memory, flags: number, mode: number): number {
  return syscall(2, path, flags, mode) | 0;
}

/** Opens a path below a directory descriptor. */
export function openat(dirFd: number, path: Memory, flags: number, mode: number): number {
  return syscall(257, dirFd, path, flags, mode) | 0;
}

/** Opens with `struct open_how`, whose resolve flags confine the walk. */
export function openat2(dirFd: number, path: Memory, how: Memory, size: number): number {
  return syscall(437, dirFd, path, how, size) | 0;
}

/** Closes a descriptor. */
export function close(fd: number): number {
  return sys(3, fd, 0, 0, 0, 0, 0) | 0;
}

/** Closes a range of descriptors. */
export function close_range(first: number, last: number, flags: number): number {
  return sys(436, first, last, flags, 0, 0, 0) | 0;
}

/** Reads into several buffers. */
export function readv(fd: number, iov: Memory, count: number): number {
  return syscall(19, fd, iov, count);
}

/** Writes from several buffers. */
export function writev(fd: number, iov: Memory, count: number): number {
  return syscall(20, fd, iov, count);
}

/** Reads into several buffers at an offset. */
export function preadv(fd: number, iov: Memory, count: number, offset: number): number {
  return syscall(295, fd, iov, count, offset, 0);
}

/** Writes from several buffers at an offset. */
export function pwritev(fd: number, iov: Memory, count: number, offset: number): number {
  return syscall(296, fd, iov, count, offset, 0);
}

/** Moves a file offset; the result is the new one. */
export function lseek(fd: number, offset: number, whence: number): number {
  return sys(8, fd, offset, whence, 0, 0, 0);
}

/** Fills a `struct stat`. */
export function fstat(fd: number, stat: Memory): number {
  return syscall(5, fd, stat) | 0;
}

/** Fills a `struct stat` of a path. */
export function newfstatat(dirFd: number, path: Memory, stat: Memory, flags: number): number {
  return syscall(262, dirFd, path, stat, flags) | 0;
}

/** Fills a `struct statx`. */
export function statx(
  dirFd: number,
  path: Memory,
  flags: number,
  mask: number,
  statx: Memory,
): number {
  return syscall(332, dirFd, path, flags, mask, statx) | 0;
}

/** Fills a `struct statfs` of a path. */
export function statfs(path: Memory, statfs: Memory): number {
  return syscall(137, path, statfs) | 0;
}

/** Fills a `struct statfs`. */
export function fstatfs(fd: number, statfs: Memory): number {
  return syscall(138, fd, statfs) | 0;
}

/** Reads a symbolic link; the result is its length. */
export function readlinkat(dirFd: number, path: Memory, buffer: Memory, size: number): number {
  return syscall(267, dirFd, path, buffer, size) | 0;
}

/** Reads directory entries. */
export function getdents64(fd: number, buffer: Memory, size: number): number {
  return syscall(217, fd, buffer, size) | 0;
}

/** Makes a directory. */
export function mkdirat(dirFd: number, path: Memory, mode: number): number {
  return syscall(258, dirFd, path, mode) | 0;
}

/** Makes a node. */
export function mknodat(dirFd: number, path: Memory, mode: number, device: number): number {
  return syscall(259, dirFd, path, mode, device) | 0;
}

/** Removes a name; AT_REMOVEDIR for a directory. */
export function unlinkat(dirFd: number, path: Memory, flags: number): number {
  return syscall(263, dirFd, path, flags) | 0;
}

/** Renames. */
export function renameat2(
  oldDirFd: number,
  oldPath: Memory,
  newDirFd: number,
  newPath: Memory,
  flags: number,
): number {
  return syscall(316, oldDirFd, oldPath, newDirFd, newPath, flags) | 0;
}

/** Makes a hard link. */
export function linkat(
  oldDirFd: number,
  oldPath: Memory,
  newDirFd: number,
  newPath: Memory,
  flags: number,
): number {
  return syscall(265, oldDirFd, oldPath, newDirFd, newPath, flags) | 0;
}

/** Makes a symbolic link. */
export function symlinkat(target: Memory, dirFd: number, path: Memory): number {
  return syscall(266, target, dirFd, path) | 0;
}

/** Sets permission bits. */
export function fchmod(fd: number, mode: number): number {
  return sys(91, fd, mode, 0, 0, 0, 0) | 0;
}

/** Sets permission bits of a path; links are followed. */
export function fchmodat(dirFd: number, path: Memory, mode: number): number {
  return syscall(268, dirFd, path, mode) | 0;
}

/** Sets owner and group. */
export function fchown(fd: number, uid: number, gid: number): number {
  return sys(93, fd, uid, gid, 0, 0, 0) | 0;
}

/** Sets owner and group of a path. */
export function fchownat(
  dirFd: number,
  path: Memory,
  uid: number,
  gid: number,
  flags: number,
): number {
  return syscall(260, dirFd, path, uid, gid, flags) | 0;
}

/** Checks access. */
export function faccessat2(dirFd: number, path: Memory, mode: number, flags: number): number {
  return syscall(439, dirFd, path, mode, flags) | 0;
}

/** Sets access and modification times; a null path means the descriptor. */
export function utimensat(dirFd: number, path: Memory, times: Memory, flags: number): number {
  return syscall(280, dirFd, path, times, flags) | 0;
}

/** Sets the size of a path. */
export function truncate(path: Memory, size: number): number {
  return syscall(76, path, size) | 0;
}

/** Sets the size. */
export function ftruncate(fd: number, size: number): number {
  return sys(77, fd, size, 0, 0, 0, 0) | 0;
}

/** Allocates or punches holes. */
export function fallocate(fd: number, mode: number, offset: number, length: number): number {
  return sys(285, fd, mode, offset, length, 0, 0) | 0;
}

/** Writes a file back. */
export function fsync(fd: number): number {
  return sys(74, fd, 0, 0, 0, 0, 0) | 0;
}

/** Writes a file's data back. */
export function fdatasync(fd: number): number {
  return sys(75, fd, 0, 0, 0, 0, 0) | 0;
}

/** Writes a file system back. */
export function syncfs(fd: number): number {
  return sys(306, fd, 0, 0, 0, 0, 0) | 0;
}

/** Descriptor operations; the argument is a number or a buffer. */
export function fcntl(fd: number, command: number, argument: Memory): number {
  return syscall(72, fd, command, argument);
}

/** Device operations; the argument is a number or a buffer. */
export function ioctl(fd: number, request: number, argument: Memory): number {
  return syscall(16, fd, request, argument);
}

/** Advisory lock of a whole file. */
export function flock(fd: number, operation: number): number {
  return sys(73, fd, operation, 0, 0, 0, 0) | 0;
}

/** Duplicates a descriptor. */
export function dup(fd: number): number {
  return sys(32, fd, 0, 0, 0, 0, 0) | 0;
}

/** Duplicates a descriptor onto another. */
export function dup2(fd: number, newFd: number): number {
  return sys(33, fd, newFd, 0, 0, 0, 0) | 0;
}

/** Duplicates a descriptor onto another, with O_CLOEXEC. */
export function dup3(fd: number, newFd: number, flags: number): number {
  return sys(292, fd, newFd, flags, 0, 0, 0) | 0;
}

/** Makes a pipe; two 32-bit descriptors are stored. */
export function pipe2(fds: Memory, flags: number): number {
  return syscall(293, fds, flags) | 0;
}

/** Copies between descriptors. */
export function sendfile(outFd: number, inFd: number, offset: Memory, count: number): number {
  return syscall(40, outFd, inFd, offset, count);
}

/** Moves data to or from a pipe. */
export function splice(
  fdIn: number,
  offsetIn: Memory,
  fdOut: number,
  offsetOut: Memory,
  length: number,
  flags: number,
): number {
  return syscall(275, fdIn, offsetIn, fdOut, offsetOut, length, flags);
}

/** Copies within the kernel. */
export function copy_file_range(
  fdIn: number,
  offsetIn: Memory,
  fdOut: number,
  offsetOut: Memory,
  length: number,
  flags: number,
): number {
  return syscall(326, fdIn, offsetIn, fdOut, offsetOut, length, flags);
}

/** Announces an access pattern. */
export function fadvise64(fd: number, offset: number, length: number, advice: number): number {
  return sys(221, fd, offset, length, advice, 0, 0) | 0;
}

/** Sets the file mode mask; the result is the old one. */
export function umask(mask: number): number {
  return sys(95, mask, 0, 0, 0, 0, 0) | 0;
}

/** Stores the working directory; the result is its length with the NUL. */
export function getcwd(buffer: Memory, size: number): number {
  return syscall(79, buffer, size) | 0;
}

/** Changes the working directory. */
export function chdir(path: Memory): number {
  return syscall(80, path) | 0;
}

/** Changes the working directory to a descriptor's. */
export function fchdir(fd: number): number {
  return sys(81, fd, 0, 0, 0, 0, 0) | 0;
}

/** Names a file by a handle. */
export function name_to_handle_at(
  dirFd: number,
  path: Memory,
  handle: Memory,
  mountId: Memory,
  flags: number,
): number {
  return syscall(303, dirFd, path, handle, mountId, flags) | 0;
}

/** Makes an inotify descriptor. */
export function inotify_init1(flags: number): number {
  return sys(294, flags, 0, 0, 0, 0, 0) | 0;
}

/** Watches a path. */
export function inotify_add_watch(fd: number, path: Memory, mask: number): number {
  return syscall(254, fd, path, mask) | 0;
}

/** Ends a watch. */
export function inotify_rm_watch(fd: number, watch: number): number {
  return sys(255, fd, watch, 0, 0, 0, 0) | 0;
}
