// hot: path walks go from dentry to dentry.

import type { Inode } from "./inode.ts";
import type { Mount } from "./mount.ts";

/**
 * A name in a directory, cached. `inode` null means that the name is known not to exist.
 *
 * A dentry with children or uses stays in the cache. The others are dropped oldest first when
 * there are too many (see `dentry_cache.ts`).
 */
export class Dentry {
  name: string;
  parent: Dentry | null;
  inode: Inode | null;
  children: Map<string, Dentry> | null;
  /** Mounts on this dentry, in any namespace and on any mount of its file system. */
  mounts: Mount[] | null;
  /** Open files, working directories, mounts. */
  refs: number;
  /** In its parent's children; false after unlink, rmdir or eviction. */
  hashed: boolean;
  /** Walked since the cache last looked for something to drop. */
  referenced: boolean;
  // The cache's list.
  prev: Dentry | null;
  next: Dentry | null;

  constructor(name: string, parent: Dentry | null, inode: Inode | null) {
    this.name = name;
    this.parent = parent;
    this.inode = inode;
    this.children = null;
    this.mounts = null;
    this.refs = 0;
    this.hashed = false;
    this.referenced = false;
    this.prev = null;
    this.next = null;
    if (inode !== null) inode.refs++;
  }

  get(): this {
    this.refs++;
    return this;
  }

  /** Ends a use. A dentry with no name and no use lets go of its inode. */
  put(): void {
    if (--this.refs === 0 && !this.hashed) this.dropInode();
  }

  /** Makes a negative dentry name `inode`. */
  instantiate(inode: Inode): void {
    inode.refs++;
    this.inode = inode;
  }

  dropInode(): void {
    const inode = this.inode;
    if (inode !== null) {
      this.inode = null;
      inode.put();
    }
  }

  /** Whether this is `other` or lies beneath it, in the tree of one file system. */
  isWithin(other: Dentry): boolean {
    if (this === other) return true;
    for (let d = this.parent; d !== null; d = d.parent) if (d === other) return true;
    return false;
  }
}
