/** Sockets. */

import { type Memory, sys, syscall } from "../syscall.ts";

/** Makes a socket. */
export function socket(domain: number, type: number, protocol: number): number {
  return sys(41, domain, type, protocol, 0, 0, 0) | 0;
}

/** Makes two connected sockets; two 32-bit descriptors are stored. */
export function socketpair(domain: number, type: number, protocol: number, fds: Memory): number {
  return syscall(53, domain, type, protocol, fds) | 0;
}

/** Gives a socket its address. */
export function bind(fd: number, address: Memory, length: number): number {
  return syscall(49, fd, address, length) | 0;
}

/** Accepts connections from now on. */
export function listen(fd: number, backlog: number): number {
  return sys(50, fd, backlog, 0, 0, 0, 0) | 0;
}

/** Takes a connection. */
export function accept4(fd: number, address: Memory, length: Memory, flags: number): number {
  return syscall(288, fd, address, length, flags) | 0;
}

/** Connects. */
export function connect(fd: number, address: Memory, length: number): number {
  return syscall(42, fd, address, length) | 0;
}

/** Ends one or both directions. */
export function shutdown(fd: number, how: number): number {
  return sys(48, fd, how, 0, 0, 0, 0) | 0;
}

/** Sends a datagram. */
export function sendto(
  fd: number,
  buffer: Memory,
  size: number,
  flags: number,
  address: Memory,
  length: number,
): number {
  return syscall(44, fd, buffer, size, flags, address, length);
}

/** Receives a datagram. */
export function recvfrom(
  fd: number,
  buffer: Memory,
  size: number,
  flags: number,
  address: Memory,
  length: Memory,
): number {
  return syscall(45, fd, buffer, size, flags, address, length);
}

/** Sends a message. */
export function sendmsg(fd: number, msghdr: Memory, flags: number): number {
  return syscall(46, fd, msghdr, flags);
}

/** Receives a message. */
export function recvmsg(fd: number, msghdr: Memory, flags: number): number {
  return syscall(47, fd, msghdr, flags);
}

/** Sends several messages. */
export function sendmmsg(fd: number, msgvec: Memory, count: number, flags: number): number {
  return syscall(307, fd, msgvec, count, flags) | 0;
}

/** Receives several messages. */
export function recvmmsg(
  fd: number,
  msgvec: Memory,
  count: number,
  flags: number,
  timeout: Memory,
): number {
  return syscall(299, fd, msgvec, count, flags, timeout) | 0;
}

/** Sets an option. */
export function setsockopt(
  fd: number,
  level: number,
  name: number,
  value: Memory,
  length: number,
): number {
  return syscall(54, fd, level, name, value, length) | 0;
}

/** Reads an option. */
export function getsockopt(
  fd: number,
  level: number,
  name: number,
  value: Memory,
  length: Memory,
): number {
  return syscall(55, fd, level, name, value, length) | 0;
}

/** Reads the own address. */
export function getsockname(fd: number, address: Memory, length: Memory): number {
  return syscall(51, fd, address, length) | 0;
}

/** Reads the peer's address. */
export function getpeername(fd: number, address: Memory, length: Memory): number {
  return syscall(52, fd, address, length) | 0;
}
