/** Shared memory segments (shmget(2), shmop(2), shmctl(2)). */

import { CAP_IPC_LOCK } from "../../../abi/capability.ts";
import { EINVAL, ENOMEM, ENOSPC, EPERM } from "../../../abi/errno.ts";
import { SHM_HUGETLB, SHMMIN } from "../../../abi/ipc.ts";
import { RLIMIT_MEMLOCK } from "../../../abi/resource.ts";
import { ShmidDs, ShmInfo, Shminfo } from "../../../abi/structs/ipc.ts";
import { newSharedMemory } from "../../fs/memfd/memfd.ts";
import type { MemoryManager } from "../../mm/memory_manager.ts";
import type { PageCache, PageSource } from "../../mm/page_cache.ts";
import type { Vma } from "../../mm/vma.ts";
import type { File } from "../../vfs/file.ts";
import type { IpcNamespace } from "../namespaces.ts";
import type { Task } from "../task.ts";
import type { UserNamespace } from "../user_namespace.ts";
import { UNLIMITED } from "./limits.ts";
import { IpcObject, IpcTable, reportHead, reportNumbers, seconds } from "./ipc_object.ts";

const PAGE = 4096;
/** The segment goes with its last attachment. */
const SHM_DEST = 0o1000;
const SHM_LOCKED = 0o2000;

/** ULONG_MAX minus 16 MiB, which no number of JavaScript tells exactly. */
function writeUnlimited(view: DataView, offset: number): void {
  view.setUint32(offset, 0xfeffffff, true);
  view.setUint32(offset + 4, 0xffffffff, true);
}

/** Pages of a segment: they know where the segment is attached. */
class SegmentPages implements PageSource {
  readonly tracksWrites = false;

  constructor(readonly segment: Segment, readonly cache: PageCache) {}

  getPage(index: number, write: boolean): number {
    return this.cache.getPage(index, write);
  }

  run(index: number, max: number): number {
    return this.cache.run(index, max);
  }

  prefetch(index: number, count: number): void {
    this.cache.prefetch(index, count);
  }

  addMapping(mm: MemoryManager, vma: Vma): void {
    this.cache.addMapping(mm, vma);
    this.segment.attached();
  }

  removeMapping(vma: Vma): void {
    this.cache.removeMapping(vma);
    this.segment.detached();
  }
}

/** A segment. */
export class Segment extends IpcObject {
  readonly #memory: SharedMemory;
  readonly #kernel: Task["kernel"];
  readonly size: number;
  readonly file: File;
  readonly pages: SegmentPages;
  readonly creatorPid: number;
  lastPid = 0;
  attachments = 0;
  attachTime = 0;
  detachTime = 0;
  /** Who attaches or detaches just now. */
  actor = 0;

  constructor(t: Task, memory: SharedMemory, key: number, mode: number, size: number) {
    super(t, key, mode);
    this.#memory = memory;
    this.#kernel = t.kernel;
    this.size = size;
    this.creatorPid = t.group.tgid;
    this.file = newSharedMemory(t, `SYSV${(key >>> 0).toString(16).padStart(8, "0")}`, size);
    this.pages = new SegmentPages(this, this.file.inode.pages as PageCache);
    this.file.inode.pages = this.pages;
    // What is mapped, not what attaches, decides over access from here on.
    this.file.inode.mode = (this.file.inode.mode & ~0o777) | (mode & 0o777);
  }

  get pageCount(): number {
    return Math.ceil(this.size / PAGE);
  }

  attached(): void {
    this.attachments++;
    this.attachTime = seconds({ kernel: this.#kernel });
    if (this.actor !== 0) this.lastPid = this.actor;
  }

  detached(): void {
    this.attachments--;
    this.detachTime = seconds({ kernel: this.#kernel });
    if (this.actor !== 0) this.lastPid = this.actor;
    if (this.attachments === 0 && (this.mode & SHM_DEST) !== 0) this.#memory.destroy(this);
  }

  /** IPC_RMID: now, or when nobody has it attached any more. */
  markRemoved(): void {
    if (this.attachments === 0) {
      this.#memory.destroy(this);
      return;
    }
    this.mode |= SHM_DEST;
    this.#memory.table.forgetKey(this);
  }

  /** SHM_LOCK and SHM_UNLOCK; memory of the sandbox is never swapped by its own kernel. */
  setLocked(t: Task, locked: boolean): number {
    if (!t.creds.capable(CAP_IPC_LOCK, this.ns.userNs)) {
      const euid = t.creds.euid;
      if (euid !== this.uid && euid !== this.creatorUid) return -EPERM;
      if (locked && t.group.rlimits.soft[RLIMIT_MEMLOCK] === 0) return -EPERM;
    }
    this.mode = locked ? this.mode | SHM_LOCKED : this.mode & ~SHM_LOCKED;
    return 0;
  }

  /** Writes the `shmid_ds` to scratch. */
  write(t: Task): void {
    ShmidDs.write(t.view, 0, {
      shm_perm: this.permission(t),
      shm_segsz: this.size,
      shm_atime: this.attachTime,
      shm_dtime: this.detachTime,
      shm_ctime: this.changed,
      shm_cpid: this.creatorPid,
      shm_lpid: this.lastPid,
      shm_nattch: this.attachments,
    });
  }
}

/** All segments of a namespace. */
export class SharedMemory {
  readonly table: IpcTable<Segment> = new IpcTable();
  readonly ns: IpcNamespace;
  /** Pages of all segments. */
  pages = 0;

  constructor(ns: IpcNamespace) {
    this.ns = ns;
  }

  /** That of the task's namespace. */
  static of(t: Task): SharedMemory {
    const ns = t.nsproxy.ipc;
    ns.shared ??= new SharedMemory(ns);
    return ns.shared as SharedMemory;
  }

  /** The segment that an area is attached to, or null. */
  static segmentOf(source: PageSource | null): Segment | null {
    return source instanceof SegmentPages ? source.segment : null;
  }

  /** shmget(2). */
  obtain(t: Task, key: number, size: number, flags: number): number {
    const limits = this.ns.limits;
    return this.table.obtain(
      t,
      key,
      flags,
      limits.shmmni,
      (segment) => segment.size < size ? -EINVAL : 0,
      () => {
        if (size < SHMMIN || size > limits.shmmax) return -EINVAL;
        const pages = Math.ceil(size / PAGE);
        if (this.pages + pages > limits.shmall) return -ENOSPC;
        if (this.table.count >= limits.shmmni) return -ENOSPC;
        // There are no huge pages; and no more than all memory can ever be used.
        if ((flags & SHM_HUGETLB) !== 0 || pages > t.kernel.frames.limit) return -ENOMEM;
        this.pages += pages;
        const segment = new Segment(t, this, key, flags, size);
        return segment;
      },
    );
  }

  destroy(segment: Segment): void {
    if (segment.removed) return;
    this.table.remove(segment);
    this.pages -= segment.pageCount;
    segment.file.unref();
  }

  /** The last task of the namespace is gone. */
  release(): void {
    for (const segment of this.table.objects()) segment.markRemoved();
  }

  /** IPC_INFO: limits to scratch; the size of the structure. */
  writeLimits(t: Task): number {
    const { shmmax, shmmni, shmall } = this.ns.limits;
    Shminfo.write(t.view, 0, { shmmax, shmmin: SHMMIN, shmmni, shmseg: shmmni, shmall });
    if (shmmax >= UNLIMITED) writeUnlimited(t.view, Shminfo.offsets.shmmax);
    if (shmall >= UNLIMITED) writeUnlimited(t.view, Shminfo.offsets.shmall);
    return Shminfo.size;
  }

  /** SHM_INFO. */
  writeUse(t: Task): number {
    let resident = 0;
    for (const segment of this.table.objects()) resident += segment.pages.cache.present;
    ShmInfo.write(t.view, 0, {
      used_ids: this.table.count,
      shm_tot: this.pages,
      shm_rss: resident,
    });
    return ShmInfo.size;
  }

  report(userNs: UserNamespace): string {
    let text = "";
    for (const s of this.table.objects()) {
      text += reportHead(s) + reportNumbers(
        [s.size, 21],
        [s.creatorPid, 5],
        [s.lastPid, 5],
        [s.attachments, 5 + 1],
        [userNs.fromKuid(s.uid), 5],
        [userNs.fromKgid(s.gid), 5],
        [userNs.fromKuid(s.creatorUid), 5],
        [userNs.fromKgid(s.creatorGid), 5],
        [s.attachTime, 10],
        [s.detachTime, 10],
        [s.changed, 10],
        [s.pages.cache.present * PAGE, 21],
        [0, 21],
      ) + "\n";
    }
    return text;
  }
}
