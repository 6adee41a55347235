/** Memory mappings. */

import { type Memory, sys, syscall } from "../syscall.ts";

/** Makes an anonymous file in memory. */
export function memfd_create(name: Memory, flags: number): number {
  return syscall(319, name, flags) | 0;
}

/** Maps memory; the result is its address. */
export function mmap(
  address: number,
  length: number,
  prot: number,
  flags: number,
  fd: number,
  offset: number,
): number {
  return sys(9, address, length, prot, flags, fd, offset);
}

/** Removes mappings. */
export function munmap(address: number, length: number): number {
  return sys(11, address, length, 0, 0, 0, 0) | 0;
}

/** Sets the protection of mappings. */
export function mprotect(address: number, length: number, prot: number): number {
  return sys(10, address, length, prot, 0, 0, 0) | 0;
}

/** Resizes or moves a mapping; the result is its address. */
export function mremap(
  address: number,
  oldSize: number,
  newSize: number,
  flags: number,
  newAddress: number,
): number {
  return sys(25, address, oldSize, newSize, flags, newAddress, 0);
}

/** Advises about use of memory. */
export function madvise(address: number, length: number, advice: number): number {
  return sys(28, address, length, advice, 0, 0, 0) | 0;
}

/** Writes a mapping back. */
export function msync(address: number, length: number, flags: number): number {
  return sys(26, address, length, flags, 0, 0, 0) | 0;
}

/** Tells which pages are resident. */
export function mincore(address: number, length: number, vector: Memory): number {
  return syscall(27, address, length, vector) | 0;
}

/** Locks pages. */
export function mlock(address: number, length: number): number {
  return sys(149, address, length, 0, 0, 0, 0) | 0;
}

/** Unlocks pages. */
export function munlock(address: number, length: number): number {
  return sys(150, address, length, 0, 0, 0, 0) | 0;
}

/** Reads another process's memory. */
export function process_vm_readv(
  pid: number,
  localIov: Memory,
  localCount: number,
  remoteIov: Memory,
  remoteCount: number,
  flags: number,
): number {
  return syscall(310, pid, localIov, localCount, remoteIov, remoteCount, flags);
}

/** Writes another process's memory. */
export function process_vm_writev(
  pid: number,
  localIov: Memory,
  localCount: number,
  remoteIov: Memory,
  remoteCount: number,
  flags: number,
): number {
  return syscall(311, pid, localIov, localCount, remoteIov, remoteCount, flags);
}

/** Issues memory barriers on other threads. */
export function membarrier(command: number, flags: number, cpu: number): number {
  return sys(324, command, flags, cpu, 0, 0, 0) | 0;
}

/** Makes a user fault descriptor. */
export function userfaultfd(flags: number): number {
  return sys(323, flags, 0, 0, 0, 0, 0) | 0;
}
