// hot: every system call on a descriptor starts here.

import { EBADF, EINVAL, EMFILE } from "../../abi/errno.ts";
import type { VfsContext } from "./context.ts";
import type { File } from "./file.ts";

/** The most descriptors that any limit allows. */
export const NR_OPEN = 1 << 20;

/** The descriptors of a task, or of several that share them (CLONE_FILES). */
export class FdTable {
  private files: (File | null)[];
  private cloexec: Uint8Array;
  /** No descriptor below this one is free. */
  private next: number;
  /** Open descriptors. */
  count: number;
  /** Tasks that share the table. */
  users: number;

  constructor() {
    this.files = [];
    this.cloexec = new Uint8Array(64);
    this.next = 0;
    this.count = 0;
    this.users = 1;
  }

  /** The description of `fd`, or null. */
  get(fd: number): File | null {
    return fd >= 0 && fd < this.files.length ? this.files[fd] : null;
  }

  /** One more than the highest descriptor that was ever open. */
  get size(): number {
    return this.files.length;
  }

  /**
   * Gives `file` the lowest free descriptor from `min` on, below `limit` (RLIMIT_NOFILE); takes
   * over the caller's use. On error the caller keeps it.
   */
  install(file: File, cloexec: boolean, min = 0, limit = NR_OPEN): number {
    const files = this.files;
    let fd = min > this.next ? min : this.next;
    while (fd < files.length && files[fd] !== null) fd++;
    if (fd >= limit || fd >= NR_OPEN) return min >= limit ? -EINVAL : -EMFILE;
    this.set(fd, file, cloexec);
    if (min <= this.next) this.next = fd + 1;
    return fd;
  }

  /** Puts `file` at exactly `fd`, closing what was there; takes over the caller's use. */
  installAt(t: VfsContext, fd: number, file: File, cloexec: boolean): number {
    const old = this.get(fd);
    this.set(fd, file, cloexec);
    if (old !== null) {
      this.count--;
      this.dropped(t, old);
    }
    return fd;
  }

  /** dup2(2) and dup3(2) after their argument checks. */
  dup2(t: VfsContext, fd: number, newFd: number, cloexec: boolean): number {
    const file = this.get(fd);
    if (file === null) return -EBADF;
    if (fd === newFd) return newFd;
    return this.installAt(t, newFd, file.ref(), cloexec);
  }

  /** close(2). */
  close(t: VfsContext, fd: number): number {
    const file = this.get(fd);
    if (file === null) return -EBADF;
    this.files[fd] = null;
    this.cloexec[fd] = 0;
    this.count--;
    if (fd < this.next) this.next = fd;
    return this.dropped(t, file);
  }

  getCloexec(fd: number): boolean {
    return this.cloexec[fd] !== 0;
  }

  setCloexec(fd: number, on: boolean): void {
    this.cloexec[fd] = on ? 1 : 0;
  }

  /** A copy for a task that does not share; with the descriptors below `limit` only. */
  fork(limit = NR_OPEN): FdTable {
    const copy = new FdTable();
    const length = Math.min(this.files.length, limit);
    copy.files = this.files.slice(0, length);
    copy.cloexec = this.cloexec.slice();
    for (let fd = 0; fd < length; fd++) {
      const file = copy.files[fd];
      if (file !== null) {
        file.refs++;
        copy.count++;
      }
    }
    if (length < this.files.length) copy.cloexec.fill(0, length);
    copy.next = Math.min(this.next, length);
    return copy;
  }

  /** Another task shares it. */
  retain(): this {
    this.users++;
    return this;
  }

  /** A task that shared it is gone; the last one closes everything. */
  release(t: VfsContext): void {
    if (--this.users > 0) return;
    for (let fd = 0; fd < this.files.length; fd++) if (this.files[fd] !== null) this.close(t, fd);
    this.files = [];
  }

  /** Closes what execve(2) closes. The table must not be shared. */
  closeOnExec(t: VfsContext): void {
    for (let fd = 0; fd < this.files.length; fd++) {
      if (this.cloexec[fd] !== 0 && this.files[fd] !== null) this.close(t, fd);
    }
  }

  /** close_range(2). */
  closeRange(t: VfsContext, first: number, last: number, cloexec: boolean): void {
    const end = Math.min(last, this.files.length - 1);
    for (let fd = first; fd <= end; fd++) {
      if (this.files[fd] === null) continue;
      if (cloexec) this.cloexec[fd] = 1;
      else this.close(t, fd);
    }
  }

  /** The lowest open descriptor from `from` on, or -1. */
  nextOpen(from: number): number {
    for (let fd = from; fd < this.files.length; fd++) if (this.files[fd] !== null) return fd;
    return -1;
  }

  private set(fd: number, file: File, cloexec: boolean): void {
    const files = this.files;
    while (files.length < fd) files.push(null);
    if (fd === files.length) files.push(file);
    else files[fd] = file;
    if (fd >= this.cloexec.length) {
      const grown = new Uint8Array(Math.max(fd + 1, this.cloexec.length * 2));
      grown.set(this.cloexec);
      this.cloexec = grown;
    }
    this.cloexec[fd] = cloexec ? 1 : 0;
    this.count++;
  }

  /** What closing one descriptor does to its description (fcntl(2): "close releases all locks"). */
  private dropped(t: VfsContext, file: File): number {
    const r = file.flush(t);
    if (file.inode.locks !== null) file.inode.locks.dropPosix(this);
    file.unref();
    return r;
  }
}
