/** mmap(2), munmap(2), mprotect(2) and brk(2). */

import {
  EACCES,
  EAGAIN,
  EEXIST,
  EINVAL,
  ENODEV,
  ENOMEM,
  EOPNOTSUPP,
  EOVERFLOW,
  EPERM,
} from "../../abi/errno.ts";
import {
  MAP_32BIT,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_FIXED_NOREPLACE,
  MAP_GROWSDOWN,
  MAP_HUGETLB,
  MAP_LOCKED,
  MAP_NONBLOCK,
  MAP_NORESERVE,
  MAP_POPULATE,
  MAP_PRIVATE,
  MAP_SHARED,
  MAP_SHARED_VALIDATE,
  MAP_STACK,
  MAP_TYPE,
  PROT_EXEC,
  PROT_GROWSDOWN,
  PROT_GROWSUP,
  PROT_READ,
  PROT_SEM,
  PROT_WRITE,
} from "../../abi/mman.ts";
import { F_SEAL_FUTURE_WRITE, F_SEAL_WRITE } from "../../abi/fcntl.ts";
import { MS_NOEXEC } from "../../abi/mount.ts";
import { RLIMIT_AS, RLIMIT_DATA, RLIMIT_MEMLOCK } from "../../abi/resource.ts";
import { RESERVED_LOW_END, RESERVED_LOW_START, USER_TOP } from "../platform/platform.ts";
import * as areas from "./areas.ts";
import { copySourcePages, hostProt, mapPresent, mapUnmapped, populateRange } from "./fault.ts";
import type { MapRequest, MemoryManager } from "./memory_manager.ts";
import { type PageSource, sharedMemory } from "./page_cache.ts";
import { PTE_FRAME, PTE_MAPPED, PTE_PRIVATE, PTE_WRITE } from "./page_table.ts";
import {
  VM_GROWSDOWN,
  VM_HEAP,
  VM_LOCKED,
  VM_LOCKONFAULT,
  VM_NORESERVE,
  VM_SEALED,
  VM_SHARED,
  VM_SPECIAL,
  Vma,
} from "./vma.ts";

const PAGE = 4096;
const PROT_ALL = PROT_READ | PROT_WRITE | PROT_EXEC;
/** Private memory up to this size gets its frames when it is mapped: one operation instead of many faults. */
const EAGER_BYTES = 1 << 20;
/** Writable private mappings of files up to this size are copied when they are mapped: they are data about to be relocated. */
const EAGER_COPY_PAGES = 16;
/** Pages of a file, already in the cache, that are mapped at once. */
const EAGER_CACHED_PAGES = 1024;
/** MAP_32BIT gives addresses from here to 2 GiB. */
const LOW_START = 0x40000000;
const LOW_END = 0x80000000;
/** Flags that MAP_SHARED_VALIDATE knows. */
const KNOWN_FLAGS = MAP_TYPE | MAP_FIXED | MAP_ANONYMOUS | MAP_32BIT | MAP_GROWSDOWN | 0x800 |
  0x1000 | MAP_LOCKED | MAP_NORESERVE | MAP_POPULATE | MAP_NONBLOCK | MAP_STACK | MAP_HUGETLB |
  MAP_FIXED_NOREPLACE;

function roundUp(n: number): number {
  return Math.ceil(n / PAGE) * PAGE;
}

/** Whether an area of `bytes` with these bits keeps within the limits; 0 or a negative errno. */
export function checkLimits(
  mm: MemoryManager,
  bytes: number,
  prot: number,
  vmFlags: number,
  canLock: boolean,
): number {
  if (mm.mappedBytes + bytes > mm.limits[RLIMIT_AS]) return -ENOMEM;
  if (areas.isData(vmFlags, prot)) {
    if (mm.dataBytes + bytes > mm.limits[RLIMIT_DATA]) return -ENOMEM;
    // What could never be had is refused at once (vm.overcommit_memory = 0).
    if ((vmFlags & VM_NORESERVE) === 0 && bytes / PAGE > mm.frames.limit) return -ENOMEM;
  }
  if (
    (vmFlags & VM_LOCKED) !== 0 && !canLock &&
    mm.lockedBytes + bytes > mm.limits[RLIMIT_MEMLOCK]
  ) return -EAGAIN;
  return 0;
}

/** mmap(2). */
export function map(mm: MemoryManager, req: MapRequest): number {
  const { flags, file } = req;
  const prot = req.prot & PROT_ALL;
  if (!(req.length > 0)) return -EINVAL;
  const length = roundUp(req.length);
  if (length > USER_TOP) return -ENOMEM;
  if (req.offset < 0 || req.offset + length > Number.MAX_SAFE_INTEGER) return -EOVERFLOW;
  if (req.offset % PAGE !== 0) return -EINVAL;
  if (mm.vmas.list.length >= areas.MAX_AREAS) return -ENOMEM;

  let source: PageSource | null = req.source ?? null;
  let maxProt = req.maxProt ?? PROT_ALL;
  let vmFlags = (req.vmFlags ?? 0) | mm.defaultFlags;
  const type = flags & MAP_TYPE;
  if (file !== null) {
    const r = checkFile(file, prot, flags);
    if (r < 0) return r;
    source = file.inode.pages;
    if (source === null) return -ENODEV;
    if ((flags & MAP_GROWSDOWN) !== 0) return -EINVAL;
    if (type !== MAP_PRIVATE && (!file.writable || isSealed(file))) maxProt &= ~PROT_WRITE;
    if ((file.path.mount.flags & MS_NOEXEC) !== 0) maxProt &= ~PROT_EXEC;
    if (type !== MAP_PRIVATE) vmFlags |= VM_SHARED;
  } else {
    if ((flags & MAP_HUGETLB) !== 0) return -ENOMEM;
    if (type === MAP_SHARED || type === MAP_SHARED_VALIDATE) {
      if ((flags & MAP_GROWSDOWN) !== 0) return -EINVAL;
      vmFlags |= VM_SHARED;
      source ??= sharedMemory(mm.frames, length);
    } else if (type !== MAP_PRIVATE) return -EINVAL;
  }
  if ((flags & MAP_GROWSDOWN) !== 0) vmFlags |= VM_GROWSDOWN;
  if ((flags & MAP_LOCKED) !== 0) vmFlags |= VM_LOCKED;
  if ((flags & MAP_NORESERVE) !== 0) vmFlags |= VM_NORESERVE;

  const addr = chooseAddress(mm, req.addr, length, flags);
  if (addr < 0) return addr;
  // A range that replaces others frees their memory first.
  const before = (flags & MAP_FIXED) !== 0 ? mappedIn(mm, addr, addr + length) : 0;
  const r = checkLimits(mm, length - before, prot, vmFlags, req.canLock ?? false);
  if (r < 0) return r;
  if ((flags & MAP_FIXED) !== 0) {
    if (areas.hasSealed(mm, addr, addr + length)) return -EPERM;
    areas.remove(mm, addr, addr + length);
  }

  const offset = source === null ? 0 : req.offset;
  const fresh = new Vma(
    mm,
    addr,
    addr + length,
    prot,
    maxProt,
    vmFlags,
    file,
    source,
    offset,
    req.name ?? "",
  );
  const vma = areas.insert(mm, fresh);
  if ((flags & MAP_POPULATE) !== 0 || (vmFlags & (VM_LOCKED | VM_LOCKONFAULT)) === VM_LOCKED) {
    if ((flags & MAP_NONBLOCK) === 0) populate(mm, addr, addr + length);
  } else prefault(mm, vma, addr, addr + length);
  return addr;
}

function checkFile(file: NonNullable<MapRequest["file"]>, prot: number, flags: number): number {
  const type = flags & MAP_TYPE;
  if (type === MAP_SHARED_VALIDATE) {
    if ((flags & ~KNOWN_FLAGS) !== 0) return -EOPNOTSUPP;
  } else if (type !== MAP_SHARED && type !== MAP_PRIVATE) return -EINVAL;
  if ((flags & MAP_HUGETLB) !== 0) return -EINVAL;
  if (!file.readable) return -EACCES;
  if (type !== MAP_PRIVATE && (prot & PROT_WRITE) !== 0 && !file.writable) return -EACCES;
  if ((prot & PROT_EXEC) !== 0 && (file.path.mount.flags & MS_NOEXEC) !== 0) return -EPERM;
  if (type !== MAP_PRIVATE && (prot & PROT_WRITE) !== 0 && isSealed(file)) return -EPERM;
  return 0;
}

/** Whether seals keep new mappings from writing (memfd_create(2)). */
function isSealed(file: NonNullable<MapRequest["file"]>): boolean {
  const seals = file.inode.getSeals();
  return seals > 0 && (seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0;
}

function mappedIn(mm: MemoryManager, start: number, end: number): number {
  const list = mm.vmas.list;
  let bytes = 0;
  for (let i = mm.vmas.indexAbove(start); i < list.length && list[i].start < end; i++) {
    bytes += Math.min(list[i].end, end) - Math.max(list[i].start, start);
  }
  return bytes;
}

function chooseAddress(mm: MemoryManager, hint: number, length: number, flags: number): number {
  if ((flags & (MAP_FIXED | MAP_FIXED_NOREPLACE)) !== 0) {
    if (hint % PAGE !== 0) return -EINVAL;
    if (!(hint >= 0 && hint + length <= USER_TOP)) return -ENOMEM;
    if (hint < areas.MIN_ADDRESS) return -EPERM;
    if (hint < RESERVED_LOW_END && hint + length > RESERVED_LOW_START) return -ENOMEM;
    if ((flags & MAP_FIXED_NOREPLACE) !== 0 && mm.vmas.overlaps(hint, hint + length)) {
      return -EEXIST;
    }
    return hint;
  }
  if (hint > 0 && hint < USER_TOP) {
    const at = Math.max(roundUp(hint), areas.MIN_ADDRESS);
    if (
      areas.isFree(mm, at, at + length) && ((flags & MAP_32BIT) === 0 || at + length <= LOW_END)
    ) return at;
  }
  let at: number;
  if ((flags & MAP_32BIT) !== 0) at = areas.findBottomUp(mm, length, LOW_START, LOW_END);
  else {
    at = areas.findTopDown(mm, length);
    if (at < 0) at = areas.findBottomUp(mm, length, mm.mmapBase, USER_TOP);
  }
  return at < 0 ? -ENOMEM : at;
}

/** Maps at once what is likely to be touched soon and cheap to have. */
function prefault(mm: MemoryManager, vma: Vma, start: number, end: number): void {
  if (vma.prot === 0) return;
  const source = vma.source;
  if (source === null) {
    if (end - start > EAGER_BYTES || (vma.prot & PROT_WRITE) === 0) return;
    if (mm.frames.usedFrames > mm.frames.limit / 2) return;
    populateRange(mm, vma, start, end);
    return;
  }
  const lo = start / PAGE;
  const pages = end / PAGE - lo;
  const index = vma.pageIndex(start);
  if (!vma.shared && (vma.prot & PROT_WRITE) !== 0) {
    if (pages > EAGER_COPY_PAGES || mm.frames.usedFrames > mm.frames.limit / 2) return;
    // The page past the end of the file, if there is one, must stay one that raises SIGBUS.
    const first = source.getPage(index, false);
    if (first < 0) return;
    const n = source.run(index, pages);
    if (n > 0) copySourcePages(mm, vma, source, lo, lo + n, lo);
    return;
  }
  if (vma.shared && vma.file === null) {
    if (end - start <= EAGER_BYTES) source.prefetch(index, pages);
  }
  const write = vma.shared && (vma.prot & PROT_WRITE) !== 0 && !source.tracksWrites;
  const n = Math.min(pages, EAGER_CACHED_PAGES);
  mapPresent(mm, vma, source, lo, lo + n, write ? PTE_MAPPED | PTE_WRITE : PTE_MAPPED);
}

/** Brings in all pages of [start, end) that may be accessed (MAP_POPULATE); 0 or the errno of the first that can't be. */
export function populate(mm: MemoryManager, start: number, end: number, write = false): number {
  const list = mm.vmas.list;
  for (let at = start, i = mm.vmas.indexAbove(start); at < end; i++) {
    if (i >= list.length || list[i].start > at) return -ENOMEM;
    const v = list[i];
    const stop = Math.min(v.end, end);
    if (v.prot !== 0 && v.source === null && (v.prot & PROT_WRITE) !== 0) {
      if (!populateRange(mm, v, at, stop)) return -ENOMEM;
    }
    if (v.prot !== 0) {
      const w = write || ((v.prot & PROT_WRITE) !== 0 && !v.shared);
      for (let p = at / PAGE; p < stop / PAGE; p++) {
        const e = mm.table.get(p);
        if (e !== 0 && (!w || (e & PTE_WRITE) !== 0)) continue;
        const r = mm.handleFault(p * PAGE, w, false);
        if (r < 0) return r;
      }
    }
    at = stop;
  }
  return 0;
}

/** munmap(2). */
export function unmap(mm: MemoryManager, addr: number, length: number): number {
  if (addr % PAGE !== 0 || !(length > 0)) return -EINVAL;
  const end = addr + roundUp(length);
  if (!(addr >= 0 && end <= USER_TOP)) return -EINVAL;
  if (mm.vmas.list.length >= areas.MAX_AREAS && areas.cutsHole(mm, addr, end)) return -ENOMEM;
  if (areas.hasSealed(mm, addr, end)) return -EPERM;
  areas.remove(mm, addr, end);
  return 0;
}

/** mseal(2). */
export function seal(mm: MemoryManager, addr: number, length: number): number {
  if (addr % PAGE !== 0 || length < 0) return -EINVAL;
  const end = addr + roundUp(length);
  if (!(addr >= 0 && end <= USER_TOP)) return -EINVAL;
  if (end === addr) return 0;
  if (!areas.isCovered(mm, addr, end)) return -ENOMEM;
  if (mm.vmas.list.length + 2 > areas.MAX_AREAS) return -ENOMEM;
  mm.hasSeals = true;
  const list = mm.vmas.list;
  for (let i = areas.isolate(mm, addr, end); i < list.length && list[i].start < end; i++) {
    list[i].flags |= VM_SEALED;
  }
  areas.mergeRange(mm, addr, end);
  return 0;
}

/** mprotect(2). */
export function protect(mm: MemoryManager, addr: number, length: number, protBits: number): number {
  if (addr % PAGE !== 0) return -EINVAL;
  const grows = protBits & (PROT_GROWSDOWN | PROT_GROWSUP);
  if (grows === (PROT_GROWSDOWN | PROT_GROWSUP)) return -EINVAL;
  if ((protBits & ~(PROT_ALL | PROT_SEM | PROT_GROWSDOWN | PROT_GROWSUP)) !== 0) return -EINVAL;
  if (length === 0) return 0;
  let start = addr;
  const end = addr + roundUp(length);
  if (!(length > 0 && addr >= 0 && end <= USER_TOP)) return -ENOMEM;
  const prot = protBits & PROT_ALL;
  if ((grows & PROT_GROWSUP) !== 0) return -EINVAL;
  if ((grows & PROT_GROWSDOWN) !== 0) {
    const v = mm.vmas.find(addr);
    if (v === null) return -ENOMEM;
    if ((v.flags & VM_GROWSDOWN) === 0) return -EINVAL;
    start = v.start;
  }
  if (areas.hasSealed(mm, start, end)) return -EPERM;
  const list = mm.vmas.list;
  // Linux changes what comes before the first area that refuses.
  let at = start;
  let error = 0;
  let grown = 0;
  for (let i = mm.vmas.indexAbove(start); at < end; i++) {
    if (i >= list.length || list[i].start > at) {
      error = -ENOMEM;
      break;
    }
    const v = list[i];
    if ((prot & ~v.maxProt) !== 0 || ((v.flags & VM_SPECIAL) !== 0 && (prot & PROT_WRITE) !== 0)) {
      error = -EACCES;
      break;
    }
    if (areas.isData(v.flags, prot) && !areas.isData(v.flags, v.prot)) {
      grown += Math.min(v.end, end) - at;
      if (mm.dataBytes + grown > mm.limits[RLIMIT_DATA]) {
        error = -ENOMEM;
        break;
      }
    }
    at = v.end;
  }
  if (at > end) at = end;
  if (at > start) {
    if (list.length + 2 > areas.MAX_AREAS && needsSplit(mm, start, at, prot)) return -ENOMEM;
    protectRange(mm, start, at, prot);
  }
  return error;
}

function needsSplit(mm: MemoryManager, start: number, end: number, prot: number): boolean {
  const a = mm.vmas.find(start);
  const b = mm.vmas.find(end - 1);
  return (a !== null && a.prot !== prot && a.start < start) ||
    (b !== null && b.prot !== prot && b.end > end);
}

function protectRange(mm: MemoryManager, start: number, end: number, prot: number): void {
  const list = mm.vmas.list;
  let changed = false;
  for (let i = mm.vmas.indexAbove(start); i < list.length && list[i].start < end; i++) {
    let v = list[i];
    if (v.prot === prot) continue;
    if (v.start < start) {
      areas.split(mm, i++, start);
      v = list[i];
    }
    if (v.end > end) areas.split(mm, i, end);
    const old = v.prot;
    const size = v.end - v.start;
    areas.account(mm, v, -size);
    v.prot = prot;
    areas.account(mm, v, size);
    protectPages(mm, v);
    changed = true;
    // Memory that was reserved and is made usable bit by bit, as allocators do, is used at once.
    if (
      old === 0 && (prot & PROT_WRITE) !== 0 && v.source === null && size <= EAGER_BYTES &&
      mm.frames.usedFrames < mm.frames.limit / 2
    ) populateRange(mm, v, v.start, v.end);
  }
  if (!changed) return;
  mm.flushTlb();
  areas.mergeRange(mm, start, end);
}

/** Brings what the stub has mapped of an area in line with the area's new protection. */
function protectPages(mm: MemoryManager, v: Vma): void {
  const { table } = mm;
  const counts = mm.frames.counts;
  const writable = (v.prot & PROT_WRITE) !== 0;
  const sharedWrite = writable && v.shared && !v.source!.tracksWrites;
  const full = hostProt(v.prot);
  const last = v.end / PAGE;
  // The run of equal protection under way.
  let from = -1;
  let count = 0;
  let runWrite = false;
  let p = table.nextPresent(v.start / PAGE, last);
  while (p < last) {
    const e = table.get(p);
    if ((e & PTE_MAPPED) !== 0) {
      const write = (e & PTE_PRIVATE) !== 0 ? writable && counts[e & PTE_FRAME] === 1 : sharedWrite;
      table.set(p, write ? e | PTE_WRITE : e & ~PTE_WRITE);
      if (p === from + count && write === runWrite) count++;
      else {
        if (count > 0) {
          mm.as.protect(from * PAGE, count * PAGE, runWrite ? full : full & ~PROT_WRITE);
        }
        from = p;
        count = 1;
        runWrite = write;
      }
    } else if ((e & PTE_WRITE) !== 0) table.set(p, e & ~PTE_WRITE);
    p = table.nextPresent(p + 1, last);
  }
  if (count > 0) mm.as.protect(from * PAGE, count * PAGE, runWrite ? full : full & ~PROT_WRITE);
}

/** brk(2): the new break, or the old one if it can't be had. */
export function setBrk(mm: MemoryManager, addr: number): number {
  if (addr < mm.brkStart || addr > USER_TOP) return mm.brk;
  const oldEnd = roundUp(mm.brk);
  const newEnd = roundUp(addr);
  if (newEnd < oldEnd) {
    if (areas.hasSealed(mm, newEnd, oldEnd)) return mm.brk;
    areas.remove(mm, newEnd, oldEnd);
  }
  if (newEnd > oldEnd) {
    const grow = newEnd - oldEnd;
    const dataSize = mm.endData - mm.startData;
    if (addr - mm.brkStart + dataSize > mm.limits[RLIMIT_DATA]) return mm.brk;
    if (!areas.isFree(mm, oldEnd, newEnd + PAGE)) return mm.brk;
    const flags = VM_HEAP | mm.defaultFlags;
    if (checkLimits(mm, grow, PROT_READ | PROT_WRITE, flags, false) < 0) return mm.brk;
    const prot = PROT_READ | PROT_WRITE;
    const heap = new Vma(mm, oldEnd, newEnd, prot, PROT_ALL, flags, null, null, 0, "[heap]");
    const vma = areas.insert(mm, heap);
    prefault(mm, vma, oldEnd, newEnd);
  }
  mm.brk = addr;
  return addr;
}

/** Maps everything present in [start, end) that the stub has not, as far as `most` runs go. */
export function mapAllPresent(mm: MemoryManager, start: number, end: number, most: number): void {
  const list = mm.vmas.list;
  for (let i = mm.vmas.indexAbove(start); i < list.length && list[i].start < end && most > 0; i++) {
    const v = list[i];
    if (v.prot === 0) continue;
    most = mapUnmapped(
      mm,
      v,
      Math.max(v.start, start) / PAGE,
      Math.min(v.end, end) / PAGE,
      most,
    );
  }
}
