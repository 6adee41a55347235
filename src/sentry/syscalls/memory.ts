/** System calls on one's own memory. */

import { EBADF, EFAULT, EINVAL, ENODEV, ENOMEM, ENOSPC } from "../../abi/errno.ts";
import { CAP_IPC_LOCK } from "../../abi/capability.ts";
import {
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_TYPE,
  MLOCK_ONFAULT,
} from "../../abi/mman.ts";
import type { Task } from "../kernel/task.ts";
import type { MapRequest } from "../mm/memory_manager.ts";
import { VM_LOCKED, VM_LOCKONFAULT } from "../mm/vma.ts";
import type { File } from "../vfs/file.ts";

const PAGE = 4096;

function canLock(t: Task): boolean {
  return t.creds.capable(CAP_IPC_LOCK);
}

// One request serves all calls: nothing keeps it.
const request: MapRequest = {
  addr: 0,
  length: 0,
  prot: 0,
  flags: 0,
  file: null,
  offset: 0,
  canLock: false,
};

/** mmap(2). */
export function sys_mmap(t: Task): number {
  const a = t.args;
  const prot = a[2] & 7;
  let flags = a[3] | 0;
  if (a[5] % PAGE !== 0) return -EINVAL;
  let file: File | null = null;
  if ((flags & MAP_ANONYMOUS) === 0) {
    file = t.files.get(a[4] | 0);
    if (file === null) return -EBADF;
    if (a[1] === 0) return -EINVAL;
    const r = file.mmap(t, prot, flags);
    if (r < 0) return r;
    if (file.inode.pages === null) {
      // A device that is all zeros (/dev/zero) is anonymous memory by another name.
      if ((flags & MAP_TYPE) !== MAP_PRIVATE && (flags & MAP_TYPE) !== MAP_SHARED) return -ENODEV;
      file = null;
      flags |= MAP_ANONYMOUS;
    }
  }
  if (a[1] < 0) return -ENOMEM;
  if (a[0] < 0 && (flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0) return -ENOMEM;
  request.addr = a[0] < 0 ? 0 : a[0];
  request.length = a[1];
  request.prot = prot;
  request.flags = flags;
  request.file = file;
  request.offset = file === null ? 0 : a[5];
  request.canLock = canLock(t);
  t.mm.limits = t.group.rlimits.soft;
  return t.mm.mmap(request);
}

/** munmap(2). */
export function sys_munmap(t: Task): number {
  return t.mm.munmap(t.args[0], t.args[1]);
}

/** mprotect(2). */
export function sys_mprotect(t: Task): number {
  const a = t.args;
  return t.mm.mprotect(a[0], a[1], a[2]);
}

/** pkey_mprotect(2): there are no keys but the default one. */
export function sys_pkey_mprotect(t: Task): number {
  const a = t.args;
  const key = a[3] | 0;
  if (key !== -1 && key !== 0) return -EINVAL;
  return t.mm.mprotect(a[0], a[1], a[2]);
}

/** pkey_alloc(2). */
export function sys_pkey_alloc(t: Task): number {
  return t.args[0] !== 0 || (t.args[1] & ~3) !== 0 ? -EINVAL : -ENOSPC;
}

/** pkey_free(2). */
export function sys_pkey_free(_t: Task): number {
  return -EINVAL;
}

/** mremap(2). */
export function sys_mremap(t: Task): number {
  const a = t.args;
  t.mm.limits = t.group.rlimits.soft;
  return t.mm.mremap(a[0], a[1], a[2], a[3] | 0, a[4]);
}

/** brk(2). */
export function sys_brk(t: Task): number {
  t.mm.limits = t.group.rlimits.soft;
  return t.mm.setBrk(t.args[0]);
}

/** madvise(2). */
export function sys_madvise(t: Task): number {
  const a = t.args;
  return t.mm.madvise(a[0], a[1], a[2] | 0);
}

/** mincore(2). */
export function sys_mincore(t: Task): number {
  const [addr, length, vec] = t.args;
  if (addr % PAGE !== 0) return -EINVAL;
  if (addr < 0 || length < 0) return -ENOMEM;
  const pages = Math.ceil(length / PAGE);
  const step = t.scratch.length;
  for (let done = 0; done < pages; done += step) {
    const n = Math.min(step, pages - done);
    const r = t.mm.mincore(addr + done * PAGE, n, t.scratch);
    if (r < 0) return r;
    if (t.copyOut(vec + done, n) < 0) return -EFAULT;
  }
  return 0;
}

/** mseal(2). */
export function sys_mseal(t: Task): number {
  if (t.args[2] !== 0) return -EINVAL;
  return t.mm.seal(t.args[0], t.args[1]);
}

/** msync(2). */
export function sys_msync(t: Task): number {
  const a = t.args;
  return t.mm.msync(a[0], a[1], a[2] | 0);
}

/** mlock(2). */
export function sys_mlock(t: Task): number {
  t.mm.limits = t.group.rlimits.soft;
  return t.mm.mlock(t.args[0], t.args[1], VM_LOCKED, canLock(t));
}

/** mlock2(2). */
export function sys_mlock2(t: Task): number {
  const flags = t.args[2] | 0;
  if ((flags & ~MLOCK_ONFAULT) !== 0) return -EINVAL;
  const bits = flags !== 0 ? VM_LOCKED | VM_LOCKONFAULT : VM_LOCKED;
  t.mm.limits = t.group.rlimits.soft;
  return t.mm.mlock(t.args[0], t.args[1], bits, canLock(t));
}

/** munlock(2). */
export function sys_munlock(t: Task): number {
  return t.mm.mlock(t.args[0], t.args[1], 0, true);
}

/** mlockall(2). */
export function sys_mlockall(t: Task): number {
  const flags = t.args[0] | 0;
  if (flags === 0) return -EINVAL;
  t.mm.limits = t.group.rlimits.soft;
  return t.mm.mlockAll(flags, canLock(t));
}

/** munlockall(2). */
export function sys_munlockall(t: Task): number {
  return t.mm.mlockAll(0, true);
}

/** remap_file_pages(2): a new mapping of another part of the same file, as Linux has done it since 4.0. */
export function sys_remap_file_pages(t: Task): number {
  const [addr, size, prot, pageOffset] = t.args;
  if (prot !== 0 || size <= 0 || pageOffset < 0) return -EINVAL;
  const start = addr - addr % PAGE;
  const length = size - size % PAGE;
  const vma = t.mm.findVma(start);
  if (vma === null || !vma.shared || vma.source === null || length === 0) return -EINVAL;
  if (start + length > vma.end) return -EINVAL;
  const r = t.mm.mmap({
    addr: start,
    length,
    prot: vma.prot,
    flags: MAP_SHARED | MAP_FIXED | (vma.file === null ? MAP_ANONYMOUS : 0),
    file: vma.file,
    offset: pageOffset * PAGE,
    source: vma.source,
    name: vma.name,
    maxProt: vma.maxProt,
  });
  return r < 0 ? r : 0;
}
