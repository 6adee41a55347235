/** Namespaces, mounts and the system's names. */

import { type Memory, sys, syscall } from "../syscall.ts";

/** Leaves shared namespaces or tables. */
export function unshare(flags: number): number {
  return sys(272, flags, 0, 0, 0, 0, 0) | 0;
}

/** Joins a namespace. */
export function setns(fd: number, type: number): number {
  return sys(308, fd, type, 0, 0, 0, 0) | 0;
}

/** Mounts. */
export function mount(
  source: Memory,
  target: Memory,
  type: Memory,
  flags: number,
  data: Memory,
): number {
  return syscall(165, source, target, type, flags, data) | 0;
}

/** Unmounts. */
export function umount2(target: Memory, flags: number): number {
  return syscall(166, target, flags) | 0;
}

/** Changes the root mount. */
export function pivot_root(newRoot: Memory, putOld: Memory): number {
  return syscall(155, newRoot, putOld) | 0;
}

/** Changes the root directory. */
export function chroot(path: Memory): number {
  return syscall(161, path) | 0;
}

/** Opens, or clones, a mount. */
export function open_tree(dirFd: number, path: Memory, flags: number): number {
  return syscall(428, dirFd, path, flags) | 0;
}

/** Attaches or moves a mount. */
export function move_mount(
  fromFd: number,
  fromPath: Memory,
  toFd: number,
  toPath: Memory,
  flags: number,
): number {
  return syscall(429, fromFd, fromPath, toFd, toPath, flags) | 0;
}

/** Starts making a file system. */
export function fsopen(type: Memory, flags: number): number {
  return syscall(430, type, flags) | 0;
}

/** Configures a file system in the making. */
export function fsconfig(
  fd: number,
  command: number,
  key: Memory,
  value: Memory,
  aux: number,
): number {
  return syscall(431, fd, command, key, value, aux) | 0;
}

/** Makes a mount of a configured file system. */
export function fsmount(fd: number, flags: number, attributes: number): number {
  return sys(432, fd, flags, attributes, 0, 0, 0) | 0;
}

/** Changes attributes of mounts. */
export function mount_setattr(
  dirFd: number,
  path: Memory,
  flags: number,
  attributes: Memory,
  size: number,
): number {
  return syscall(442, dirFd, path, flags, attributes, size) | 0;
}

/** Sets the host name. */
export function sethostname(name: Memory, length: number): number {
  return syscall(170, name, length) | 0;
}

/** Sets the domain name. */
export function setdomainname(name: Memory, length: number): number {
  return syscall(171, name, length) | 0;
}

/** Fills a `struct utsname`. */
export function uname(utsname: Memory): number {
  return syscall(63, utsname) | 0;
}

/** Fills a `struct sysinfo`. */
export function sysinfo(info: Memory): number {
  return syscall(99, info) | 0;
}

/** Key management. */
export function keyctl(command: number, a1: Memory, a2: number, a3: number, a4: number): number {
  return syscall(250, command, a1, a2, a3, a4);
}
