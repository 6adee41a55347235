import { EAGAIN, EDEADLK, ENOLCK } from "../../abi/errno.ts";
import { F_UNLCK, F_WRLCK } from "../../abi/fcntl.ts";
import { WaitQueue } from "../kernel/wait.ts";
import type { FdTable } from "./fd_table.ts";
import type { File } from "./file.ts";

/** Who holds a byte-range lock: a descriptor table (POSIX locks) or a description (OFD locks). */
export type LockOwner = FdTable | File;

/** The end of a lock that reaches to the end of the file, however long it becomes. */
export const LOCK_TO_END = Number.MAX_SAFE_INTEGER;

/** Byte-range locks that one file may have. */
const MAX_RANGES = 16384;

/** A byte-range lock on [start, end). */
export class RangeLock {
  owner: LockOwner;
  /** For F_GETLK; -1 for OFD locks. */
  pid: number;
  type: number;
  start: number;
  end: number;

  constructor(owner: LockOwner, pid: number, type: number, start: number, end: number) {
    this.owner = owner;
    this.pid = pid;
    this.type = type;
    this.start = start;
    this.end = end;
  }
}

/** The locks of one inode (fcntl(2), flock(2)). */
export class LockState {
  /** Byte-range locks, by start; those of one owner do not overlap. */
  ranges: RangeLock[] = [];
  /** Holders of flock(2) locks; several only if all are shared. */
  readonly flocks: Map<File, boolean> = new Map();
  /** Notified when a lock goes away or becomes weaker. */
  readonly queue: WaitQueue = new WaitQueue();

  /** The first lock that keeps `owner` from a lock of `type` on [start, end), or null. */
  conflict(owner: LockOwner, type: number, start: number, end: number): RangeLock | null {
    for (const l of this.ranges) {
      if (l.owner === owner || l.end <= start || l.start >= end) continue;
      if (type === F_WRLCK || l.type === F_WRLCK) return l;
    }
    return null;
  }

  /** Sets, changes or removes (F_UNLCK) the lock of `owner` on [start, end). */
  set(owner: LockOwner, pid: number, type: number, start: number, end: number): number {
    if (type !== F_UNLCK) {
      if (this.conflict(owner, type, start, end) !== null) return -EAGAIN;
      if (this.ranges.length >= MAX_RANGES) return -ENOLCK;
    }
    const kept: RangeLock[] = [];
    let weaker = false;
    for (const l of this.ranges) {
      if (l.owner !== owner || l.end < start || l.start > end) {
        kept.push(l);
        continue;
      }
      if (l.type === type) {
        // Adjacent or overlapping locks of the same kind become one.
        if (l.start < start) start = l.start;
        if (l.end > end) end = l.end;
        continue;
      }
      if (l.end === start || l.start === end) {
        kept.push(l);
        continue;
      }
      if (l.type === F_WRLCK || type === F_UNLCK) weaker = true;
      if (l.start < start) kept.push(new RangeLock(owner, l.pid, l.type, l.start, start));
      if (l.end > end) kept.push(new RangeLock(owner, l.pid, l.type, end, l.end));
    }
    if (type !== F_UNLCK) kept.push(new RangeLock(owner, pid, type, start, end));
    kept.sort((a, b) => a.start - b.start);
    this.ranges = kept;
    if (weaker) this.queue.notify(~0);
    return 0;
  }

  /** A descriptor of the table was closed: its POSIX locks on the file go. */
  dropPosix(table: FdTable): void {
    this.dropOwner(table);
  }

  /** A description is gone: its OFD and flock(2) locks go. */
  dropFile(file: File): void {
    this.dropOwner(file);
    if (this.flocks.delete(file)) this.queue.notify(~0);
  }

  private dropOwner(owner: LockOwner): void {
    const before = this.ranges.length;
    if (before === 0) return;
    this.ranges = this.ranges.filter((l) => l.owner !== owner);
    if (this.ranges.length !== before) this.queue.notify(~0);
  }

  /** flock(2): takes a shared or exclusive lock, or -EAGAIN. */
  flock(file: File, exclusive: boolean): number {
    for (const [holder, held] of this.flocks) {
      if (holder !== file && (exclusive || held)) {
        // Converting a lock gives the old one up first, even if that fails (flock(2)).
        if (this.flocks.delete(file)) this.queue.notify(~0);
        return -EAGAIN;
      }
    }
    const was = this.flocks.get(file);
    this.flocks.set(file, exclusive);
    if (was === true && !exclusive) this.queue.notify(~0);
    return 0;
  }

  /** flock(LOCK_UN). */
  funlock(file: File): void {
    if (this.flocks.delete(file)) this.queue.notify(~0);
  }
}

/** Who waits for whom, to refuse a wait that could never end (EDEADLK). */
export class LockWaits {
  private readonly blockedOn: Map<LockOwner, LockOwner> = new Map();

  /** Notes that `waiter` is about to wait for `holder`; -EDEADLK if that closes a circle. */
  begin(waiter: LockOwner, holder: LockOwner): number {
    let o: LockOwner | undefined = holder;
    for (let depth = 0; o !== undefined && depth < 1000; depth++) {
      if (o === waiter) return -EDEADLK;
      o = this.blockedOn.get(o);
    }
    this.blockedOn.set(waiter, holder);
    return 0;
  }

  end(waiter: LockOwner): void {
    this.blockedOn.delete(waiter);
  }
}
