import { Dentry } from "./dentry.ts";
import type { Inode } from "./inode.ts";

/** How many dentries stay cached before the oldest unused ones go. */
const LIMIT = 20000;
/** How many are looked at in one round, so that no system call pays for a whole sweep. */
const ROUND = 512;

/** Owns the links between dentries, and drops unused ones by second chance. */
export class DentryCache {
  /**
   * Counts changes that may make the result of an earlier walk wrong: names that went away,
   * mounts, permissions of directories. Memos of walks compare it.
   */
  generation: number;
  count: number;
  limit: number;
  private head: Dentry | null;
  private tail: Dentry | null;

  constructor(limit = LIMIT) {
    this.generation = 1;
    this.count = 0;
    this.limit = limit;
    this.head = null;
    this.tail = null;
  }

  /** Adds the name `name` to `parent`, negative if `inode` is null. */
  add(parent: Dentry, name: string, inode: Inode | null): Dentry {
    const d = new Dentry(name, parent, inode);
    this.hash(d, parent, name);
    return d;
  }

  /** Gives an unhashed dentry a place in the tree. */
  hash(d: Dentry, parent: Dentry, name: string): void {
    d.parent = parent;
    d.name = name;
    d.hashed = true;
    if (parent.children === null) parent.children = new Map();
    parent.children.set(name, d);
    d.prev = this.tail;
    d.next = null;
    if (this.tail === null) this.head = d;
    else this.tail.next = d;
    this.tail = d;
    this.count++;
  }

  /** Takes a name out of the tree (unlinked, moved or dropped). The dentry keeps its parent. */
  unhash(d: Dentry): void {
    if (!d.hashed) return;
    this.generation++;
    d.hashed = false;
    const siblings = d.parent!.children!;
    siblings.delete(d.name);
    if (siblings.size === 0) d.parent!.children = null;
    this.unlist(d);
    if (d.refs === 0) d.dropInode();
  }

  /** Takes a dentry and all beneath it out of the tree. */
  unhashTree(d: Dentry): void {
    if (d.children === null) {
      this.unhash(d);
      return;
    }
    // Trees may be deeper than the stack of this program. Children go before what they lie in.
    const all = [d];
    for (let i = 0; i < all.length; i++) {
      const children = all[i].children;
      if (children !== null) { for (const child of children.values()) all.push(child); }
    }
    for (let i = all.length - 1; i >= 0; i--) this.unhash(all[i]);
  }

  /** Forgets the negative entries beneath a directory. */
  dropNegative(dir: Dentry): void {
    if (dir.children === null) return;
    for (const child of [...dir.children.values()]) if (child.inode === null) this.unhash(child);
  }

  /** Moves a dentry within the tree of its file system. */
  move(d: Dentry, parent: Dentry, name: string): void {
    this.generation++;
    const siblings = d.parent!.children!;
    siblings.delete(d.name);
    if (siblings.size === 0) d.parent!.children = null;
    d.parent = parent;
    d.name = name;
    if (parent.children === null) parent.children = new Map();
    parent.children.set(name, d);
  }

  /** Swaps the places of two dentries. */
  exchange(a: Dentry, b: Dentry): void {
    this.generation++;
    const aParent = a.parent!, aName = a.name;
    a.parent = b.parent;
    a.name = b.name;
    b.parent = aParent;
    b.name = aName;
    a.parent!.children!.set(a.name, a);
    b.parent!.children!.set(b.name, b);
  }

  /** Drops some of the oldest unused dentries when there are too many. */
  shrink(): void {
    let budget = ROUND;
    while (this.count > this.limit && budget-- > 0) {
      const d = this.head!;
      if (d.refs > 0 || d.children !== null || d.mounts !== null || d.referenced) {
        d.referenced = false;
        this.unlist(d);
        this.count++;
        d.prev = this.tail;
        if (this.tail === null) this.head = d;
        else this.tail.next = d;
        this.tail = d;
      } else {
        this.unhash(d);
      }
    }
  }

  private unlist(d: Dentry): void {
    if (d.prev === null) this.head = d.next;
    else d.prev.next = d.next;
    if (d.next === null) this.tail = d.prev;
    else d.next.prev = d.prev;
    d.prev = null;
    d.next = null;
    this.count--;
  }
}
