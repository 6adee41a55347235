/** Reading and writing: the calls a busy sentry makes most. */

// hot

import { type Memory, sys, sys1 } from "../syscall.ts";

/** Reads; see read(2). The result is a count of bytes or a negative errno. */
export function read(fd: number, buffer: Memory, size: number): number {
  if (typeof buffer === "number") return sys(0, fd, buffer, size, 0, 0, 0) | 0;
  if (buffer === null) return sys(0, fd, 0, size, 0, 0, 0) | 0;
  return sys1(0, fd, 0, size, 0, 0, 0, 1, buffer) | 0;
}

/** Writes. */
export function write(fd: number, buffer: Memory, size: number): number {
  if (typeof buffer === "number") return sys(1, fd, buffer, size, 0, 0, 0) | 0;
  if (buffer === null) return sys(1, fd, 0, size, 0, 0, 0) | 0;
  return sys1(1, fd, 0, size, 0, 0, 0, 1, buffer) | 0;
}

/** Reads at an offset. */
export function pread(fd: number, buffer: Memory, size: number, offset: number): number {
  if (typeof buffer === "number") return sys(17, fd, buffer, size, offset, 0, 0) | 0;
  if (buffer === null) return sys(17, fd, 0, size, offset, 0, 0) | 0;
  return sys1(17, fd, 0, size, offset, 0, 0, 1, buffer) | 0;
}

/** Writes at an offset. */
export function pwrite(fd: number, buffer: Memory, size: number, offset: number): number {
  if (typeof buffer === "number") return sys(18, fd, buffer, size, offset, 0, 0) | 0;
  if (buffer === null) return sys(18, fd, 0, size, offset, 0, 0) | 0;
  return sys1(18, fd, 0, size, offset, 0, 0, 1, buffer) | 0;
}
