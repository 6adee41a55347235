/** Users, groups and capabilities of the calling thread (glibc's wrappers would change all threads). */

import { type Memory, sys, syscall } from "../syscall.ts";

/** The real user id. */
export function getuid(): number {
  return sys(102, 0, 0, 0, 0, 0, 0) | 0;
}

/** The effective user id. */
export function geteuid(): number {
  return sys(107, 0, 0, 0, 0, 0, 0) | 0;
}

/** The real group id. */
export function getgid(): number {
  return sys(104, 0, 0, 0, 0, 0, 0) | 0;
}

/** The effective group id. */
export function getegid(): number {
  return sys(108, 0, 0, 0, 0, 0, 0) | 0;
}

/** Sets the user id. */
export function setuid(uid: number): number {
  return sys(105, uid, 0, 0, 0, 0, 0) | 0;
}

/** Sets the group id. */
export function setgid(gid: number): number {
  return sys(106, gid, 0, 0, 0, 0, 0) | 0;
}

/** Sets all user ids. */
export function setresuid(real: number, effective: number, saved: number): number {
  return sys(117, real, effective, saved, 0, 0, 0) | 0;
}

/** Sets all group ids. */
export function setresgid(real: number, effective: number, saved: number): number {
  return sys(119, real, effective, saved, 0, 0, 0) | 0;
}

/** Reads all user ids. */
export function getresuid(real: Memory, effective: Memory, saved: Memory): number {
  return syscall(118, real, effective, saved) | 0;
}

/** Reads all group ids. */
export function getresgid(real: Memory, effective: Memory, saved: Memory): number {
  return syscall(120, real, effective, saved) | 0;
}

/** Sets the user id of file access. */
export function setfsuid(uid: number): number {
  return sys(122, uid, 0, 0, 0, 0, 0) | 0;
}

/** Sets the group id of file access. */
export function setfsgid(gid: number): number {
  return sys(123, gid, 0, 0, 0, 0, 0) | 0;
}

/** Reads the supplementary groups. */
export function getgroups(count: number, list: Memory): number {
  return syscall(115, count, list) | 0;
}

/** Sets the supplementary groups. */
export function setgroups(count: number, list: Memory): number {
  return syscall(116, count, list) | 0;
}

/** Reads capabilities. */
export function capget(header: Memory, data: Memory): number {
  return syscall(125, header, data) | 0;
}

/** Sets capabilities. */
export function capset(header: Memory, data: Memory): number {
  return syscall(126, header, data) | 0;
}
