/** Extended attributes. */

import { type Memory, syscall } from "../syscall.ts";

/** Reads an attribute; the result is its length. */
export function getxattr(path: Memory, name: Memory, value: Memory, size: number): number {
  return syscall(191, path, name, value, size) | 0;
}

/** Reads an attribute of a link itself. */
export function lgetxattr(path: Memory, name: Memory, value: Memory, size: number): number {
  return syscall(192, path, name, value, size) | 0;
}

/** Reads an attribute of a descriptor. */
export function fgetxattr(fd: number, name: Memory, value: Memory, size: number): number {
  return syscall(193, fd, name, value, size) | 0;
}

/** Sets an attribute. */
export function setxattr(
  path: Memory,
  name: Memory,
  value: Memory,
  size: number,
  flags: number,
): number {
  return syscall(188, path, name, value, size, flags) | 0;
}

/** Sets an attribute of a link itself. */
export function lsetxattr(
  path: Memory,
  name: Memory,
  value: Memory,
  size: number,
  flags: number,
): number {
  return syscall(189, path, name, value, size, flags) | 0;
}

/** Sets an attribute of a descriptor. */
export function fsetxattr(
  fd: number,
  name: Memory,
  value: Memory,
  size: number,
  flags: number,
): number {
  return syscall(190, fd, name, value, size, flags) | 0;
}

/** Lists attribute names; the result is their length. */
export function listxattr(path: Memory, list: Memory, size: number): number {
  return syscall(194, path, list, size) | 0;
}

/** Lists attribute names of a link itself. */
export function llistxattr(path: Memory, list: Memory, size: number): number {
  return syscall(195, path, list, size) | 0;
}

/** Lists attribute names of a descriptor. */
export function flistxattr(fd: number, list: Memory, size: number): number {
  return syscall(196, fd, list, size) | 0;
}

/** Removes an attribute. */
export function removexattr(path: Memory, name: Memory): number {
  return syscall(197, path, name) | 0;
}

/** Removes an attribute of a link itself. */
export function lremovexattr(path: Memory, name: Memory): number {
  return syscall(198, path, name) | 0;
}

/** Removes an attribute of a descriptor. */
export function fremovexattr(fd: number, name: Memory): number {
  return syscall(199, fd, name) | 0;
}
