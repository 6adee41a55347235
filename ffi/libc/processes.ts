/** Processes, signals, tracing, scheduling and limits. */

import { type Memory, sys, syscall } from "../syscall.ts";

/** The process id. */
export function getpid(): number {
  return sys(39, 0, 0, 0, 0, 0, 0) | 0;
}

/** The thread id. */
export function gettid(): number {
  return sys(186, 0, 0, 0, 0, 0, 0) | 0;
}

/** The parent's process id. */
export function getppid(): number {
  return sys(110, 0, 0, 0, 0, 0, 0) | 0;
}

/** Sends a signal to a process. */
export function kill(pid: number, signal: number): number {
  return sys(62, pid, signal, 0, 0, 0, 0) | 0;
}

/** Sends a signal to a thread. */
export function tgkill(pid: number, tid: number, signal: number): number {
  return sys(234, pid, tid, signal, 0, 0, 0) | 0;
}

/** Makes a descriptor of a process. */
export function pidfd_open(pid: number, flags: number): number {
  return sys(434, pid, flags, 0, 0, 0, 0) | 0;
}

/** Sends a signal through a process descriptor. */
export function pidfd_send_signal(
  pidfd: number,
  signal: number,
  info: Memory,
  flags: number,
): number {
  return syscall(424, pidfd, signal, info, flags) | 0;
}

/** Takes a copy of another process's descriptor. */
export function pidfd_getfd(pidfd: number, targetFd: number, flags: number): number {
  return sys(438, pidfd, targetFd, flags, 0, 0, 0) | 0;
}

/** Waits for a child. */
export function wait4(pid: number, status: Memory, options: number, usage: Memory): number {
  return syscall(61, pid, status, options, usage) | 0;
}

/** Waits for a child's change of state. */
export function waitid(
  idType: number,
  id: number,
  info: Memory,
  options: number,
  usage: Memory,
): number {
  return syscall(247, idType, id, info, options, usage) | 0;
}

/** Sets the process group. */
export function setpgid(pid: number, pgid: number): number {
  return sys(109, pid, pgid, 0, 0, 0, 0) | 0;
}

/** The process group. */
export function getpgid(pid: number): number {
  return sys(121, pid, 0, 0, 0, 0, 0) | 0;
}

/** Starts a session. */
export function setsid(): number {
  return sys(112, 0, 0, 0, 0, 0, 0) | 0;
}

/** The session. */
export function getsid(pid: number): number {
  return sys(124, pid, 0, 0, 0, 0, 0) | 0;
}

/** Operations on the calling process or thread. */
export function prctl(option: number, a1: Memory, a2: number, a3: number, a4: number): number {
  return syscall(157, option, a1, a2, a3, a4);
}

/** Sets or reads the fs and gs bases. */
export function arch_prctl(option: number, argument: Memory): number {
  return syscall(158, option, argument) | 0;
}

/** Traces a process. */
export function ptrace(request: number, pid: number, address: Memory, data: Memory): number {
  return syscall(101, request, pid, address, data);
}

/** Installs or asks about seccomp filters. */
export function seccomp(operation: number, flags: number, args: Memory): number {
  return syscall(317, operation, flags, args) | 0;
}

/** Ends the process. */
export function exit_group(status: number): number {
  return sys(231, status, 0, 0, 0, 0, 0) | 0;
}

/** Changes the signal mask of the thread. */
export function rt_sigprocmask(
  how: number,
  set: Memory,
  oldSet: Memory,
  sigsetSize: number,
): number {
  return syscall(14, how, set, oldSet, sigsetSize) | 0;
}

/** Sets a signal's action; the struct is the kernel's own. */
export function rt_sigaction(
  signal: number,
  action: Memory,
  oldAction: Memory,
  sigsetSize: number,
): number {
  return syscall(13, signal, action, oldAction, sigsetSize) | 0;
}

/** Reads pending signals. */
export function rt_sigpending(set: Memory, sigsetSize: number): number {
  return syscall(127, set, sigsetSize) | 0;
}

/** Takes a pending signal. */
export function rt_sigtimedwait(
  set: Memory,
  info: Memory,
  timeout: Memory,
  sigsetSize: number,
): number {
  return syscall(128, set, info, timeout, sigsetSize) | 0;
}

/** Sends a signal with data to a thread. */
export function rt_tgsigqueueinfo(pid: number, tid: number, signal: number, info: Memory): number {
  return syscall(297, pid, tid, signal, info) | 0;
}

/** Sets the alternate signal stack of the thread. */
export function sigaltstack(stack: Memory, oldStack: Memory): number {
  return syscall(131, stack, oldStack) | 0;
}

/** Yields the processor. */
export function sched_yield(): number {
  return sys(24, 0, 0, 0, 0, 0, 0) | 0;
}

/** Reads the processors a thread may use. */
export function sched_getaffinity(pid: number, size: number, mask: Memory): number {
  return syscall(204, pid, size, mask) | 0;
}

/** Sets the processors a thread may use. */
export function sched_setaffinity(pid: number, size: number, mask: Memory): number {
  return syscall(203, pid, size, mask) | 0;
}

/** Reads a nice value, as 20 less it. */
export function getpriority(which: number, who: number): number {
  return sys(140, which, who, 0, 0, 0, 0) | 0;
}

/** Sets a nice value. */
export function setpriority(which: number, who: number, priority: number): number {
  return sys(141, which, who, priority, 0, 0, 0) | 0;
}

/** Reads a limit. */
export function getrlimit(resource: number, limit: Memory): number {
  return syscall(97, resource, limit) | 0;
}

/** Sets a limit. */
export function setrlimit(resource: number, limit: Memory): number {
  return syscall(160, resource, limit) | 0;
}

/** Sets and reads a limit of a process. */
export function prlimit64(
  pid: number,
  resource: number,
  newLimit: Memory,
  oldLimit: Memory,
): number {
  return syscall(302, pid, resource, newLimit, oldLimit) | 0;
}

/** Reads resource usage. */
export function getrusage(who: number, usage: Memory): number {
  return syscall(98, who, usage) | 0;
}

/** Executes a program. */
export function execveat(
  dirFd: number,
  path: Memory,
  argv: Memory,
  envp: Memory,
  flags: number,
): number {
  return syscall(322, dirFd, path, argv, envp, flags) | 0;
}
