/** Signatures of system calls on memory. */

import { fd, hexInt, hexLong, hexResult, int, pid, pointer, size, uint } from "./arg_types.ts";
import { iovecIn, iovecOut } from "./arg_types_file.ts";
import * as m from "./arg_types_memory.ts";
import type { Signatures } from "./table.ts";

export const memorySignatures: Signatures = {
  mmap: [[pointer, size, m.protection, m.mapFlags, fd, hexLong], hexResult],
  mprotect: [[pointer, size, m.protection]],
  munmap: [[pointer, size]],
  brk: [[pointer], hexResult],
  mremap: [[pointer, size, size, m.remapFlags, m.remapAddress], hexResult],
  msync: [[pointer, size, m.syncFlags]],
  mincore: [[pointer, size, pointer]],
  madvise: [[pointer, size, m.memoryAdvice]],
  mlock: [[pointer, size]],
  munlock: [[pointer, size]],
  mlockall: [[m.lockAllFlags]],
  munlockall: [[]],
  remap_file_pages: [[pointer, size, m.protection, size, m.mapFlags]],
  mbind: [[pointer, size, m.memoryPolicy, pointer, size, hexInt]],
  set_mempolicy: [[m.memoryPolicy, pointer, size]],
  get_mempolicy: [[pointer, pointer, size, pointer, hexInt]],
  migrate_pages: [[pid, size, pointer, pointer]],
  move_pages: [[pid, size, pointer, pointer, pointer, hexInt]],
  process_vm_readv: [[pid, iovecOut(2), size, iovecIn(4), size, hexInt]],
  process_vm_writev: [[pid, iovecIn(2), size, iovecIn(4), size, hexInt]],
  mlock2: [[pointer, size, m.lockFlags]],
  pkey_mprotect: [[pointer, size, m.protection, int]],
  pkey_alloc: [[hexInt, hexInt]],
  pkey_free: [[int]],
  process_madvise: [[fd, iovecIn(2), size, m.memoryAdvice, hexInt]],
  process_mrelease: [[fd, hexInt]],
  set_mempolicy_home_node: [[pointer, size, uint, hexInt]],
  map_shadow_stack: [[pointer, size, hexInt], hexResult],
  mseal: [[pointer, size, hexInt]],
  userfaultfd: [[hexInt]],
};
