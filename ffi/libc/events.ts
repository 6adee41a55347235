/** Waiting: poll, epoll, eventfd, timerfd, signalfd, futex. */

import { type Memory, sys, syscall } from "../syscall.ts";

/** Makes an event descriptor. */
export function eventfd2(initial: number, flags: number): number {
  return sys(290, initial, flags, 0, 0, 0, 0) | 0;
}

/** Makes an epoll descriptor. */
export function epoll_create1(flags: number): number {
  return sys(291, flags, 0, 0, 0, 0, 0) | 0;
}

/** Adds, changes or removes a descriptor of interest. */
export function epoll_ctl(epollFd: number, operation: number, fd: number, event: Memory): number {
  return syscall(233, epollFd, operation, fd, event) | 0;
}

/** Waits for events. */
export function epoll_wait(
  epollFd: number,
  events: Memory,
  maxEvents: number,
  timeoutMs: number,
): number {
  return syscall(232, epollFd, events, maxEvents, timeoutMs) | 0;
}

/** Waits for events under a signal mask. */
export function epoll_pwait(
  epollFd: number,
  events: Memory,
  maxEvents: number,
  timeoutMs: number,
  sigmask: Memory,
  sigsetSize: number,
): number {
  return syscall(281, epollFd, events, maxEvents, timeoutMs, sigmask, sigsetSize) | 0;
}

/** Waits for events with a `struct timespec`. */
export function epoll_pwait2(
  epollFd: number,
  events: Memory,
  maxEvents: number,
  timeout: Memory,
  sigmask: Memory,
  sigsetSize: number,
): number {
  return syscall(441, epollFd, events, maxEvents, timeout, sigmask, sigsetSize) | 0;
}

/** Waits for events on some descriptors. */
export function poll(fds: Memory, count: number, timeoutMs: number): number {
  return syscall(7, fds, count, timeoutMs) | 0;
}

/** Waits with a `struct timespec` and a signal mask. */
export function ppoll(
  fds: Memory,
  count: number,
  timeout: Memory,
  sigmask: Memory,
  sigsetSize: number,
): number {
  return syscall(271, fds, count, timeout, sigmask, sigsetSize) | 0;
}

/** Makes a timer descriptor. */
export function timerfd_create(clock: number, flags: number): number {
  return sys(283, clock, flags, 0, 0, 0, 0) | 0;
}

/** Arms a timer descriptor. */
export function timerfd_settime(
  fd: number,
  flags: number,
  newValue: Memory,
  oldValue: Memory,
): number {
  return syscall(286, fd, flags, newValue, oldValue) | 0;
}

/** Reads a timer descriptor's setting. */
export function timerfd_gettime(fd: number, value: Memory): number {
  return syscall(287, fd, value) | 0;
}

/** Makes a descriptor that signals are read from. */
export function signalfd4(fd: number, mask: Memory, sigsetSize: number, flags: number): number {
  return syscall(289, fd, mask, sigsetSize, flags) | 0;
}

/** Waits on or wakes a futex. */
export function futex(
  word: Memory,
  operation: number,
  value: number,
  timeout: Memory,
  word2: Memory,
  value3: number,
): number {
  return syscall(202, word, operation, value, timeout, word2, value3) | 0;
}
