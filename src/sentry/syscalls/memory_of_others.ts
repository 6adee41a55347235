/** System calls on the memory of other processes. */

import { EBADF, EFAULT, EINVAL, EPERM, ESRCH } from "../../abi/errno.ts";
import { MADV_COLD, MADV_COLLAPSE, MADV_PAGEOUT, MADV_WILLNEED } from "../../abi/mman.ts";
import { mayInspect, memoryOf } from "../fs/proc/task_access.ts";
import { PidFile } from "../kernel/pidfd.ts";
import type { Task } from "../kernel/task.ts";
import { MAX_RW_COUNT, UIO_MAXIOV } from "../mm/io_buffer.ts";
import type { MemoryManager } from "../mm/memory_manager.ts";

const PAGE = 4096;

/** process_vm_readv(2). */
export function sys_process_vm_readv(t: Task): number {
  return transfer(t, false);
}

/** process_vm_writev(2). */
export function sys_process_vm_writev(t: Task): number {
  return transfer(t, true);
}

function transfer(t: Task, write: boolean): number {
  const [pid, localAddr, localCount, remoteAddr, remoteCount, flags] = t.args;
  if (flags !== 0 || remoteCount < 0 || remoteCount > UIO_MAXIOV) return -EINVAL;
  const r = t.io.resetIov(t.mm, localAddr, localCount);
  if (r < 0) return r;
  const target = t.nsproxy.pidForChildren.task(pid | 0);
  if (target === null) return -ESRCH;
  const mm = memoryOf(target);
  if (mm === null) return -ESRCH;
  if (mayInspect(t, target) < 0) return -EPERM;
  let done = 0;
  for (let i = 0; i < remoteCount && t.io.remaining > 0; i++) {
    const base = t.mm.readU64(remoteAddr + 16 * i);
    const length = t.mm.readU64(remoteAddr + 16 * i + 8);
    if (base < 0 || length < 0) return done > 0 ? done : -EFAULT;
    const want = Math.min(length, t.io.remaining, MAX_RW_COUNT);
    const n = write ? writeTo(t, mm, base, want) : readFrom(t, mm, base, want);
    if (n < 0) return done > 0 ? done : n;
    done += n;
    if (n < want) break;
  }
  return done;
}

function readFrom(t: Task, mm: MemoryManager, addr: number, length: number): number {
  let done = 0;
  while (done < length) {
    const at = mm.physical(addr + done, false);
    if (at < 0) break;
    const n = Math.min(PAGE - (addr + done) % PAGE, length - done);
    const moved = t.io.putMemory(at, n);
    if (moved < 0) break;
    done += moved;
    if (moved < n) break;
  }
  return done > 0 || length === 0 ? done : -EFAULT;
}

function writeTo(t: Task, mm: MemoryManager, addr: number, length: number): number {
  let done = 0;
  while (done < length) {
    const at = mm.physical(addr + done, true);
    if (at < 0) break;
    const n = Math.min(PAGE - (addr + done) % PAGE, length - done);
    const moved = t.io.takeMemory(at, n);
    if (moved < 0) break;
    done += moved;
    if (moved < n) break;
  }
  return done > 0 || length === 0 ? done : -EFAULT;
}

/** process_madvise(2). */
export function sys_process_madvise(t: Task): number {
  const [fd, iov, count, advice, flags] = t.args;
  if (flags !== 0 || count < 0 || count > UIO_MAXIOV) return -EINVAL;
  const file = t.files.get(fd | 0);
  if (!(file instanceof PidFile)) return -EBADF;
  const target = file.pid.task;
  if (target === null) return -ESRCH;
  const mm = memoryOf(target);
  if (mm === null) return -ESRCH;
  switch (advice) {
    case MADV_COLD:
    case MADV_PAGEOUT:
    case MADV_WILLNEED:
    case MADV_COLLAPSE:
      break;
    default:
      if (mm !== t.mm) return -EINVAL;
  }
  if (mayInspect(t, target) < 0) return -EPERM;
  let done = 0;
  for (let i = 0; i < count; i++) {
    const base = t.mm.readU64(iov + 16 * i);
    const length = t.mm.readU64(iov + 16 * i + 8);
    if (base < 0 || length < 0) return done > 0 ? done : -EFAULT;
    const r = mm.madvise(base, length, advice);
    if (r < 0) return done > 0 ? done : r;
    done += length;
  }
  return done;
}
