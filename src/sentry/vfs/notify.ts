import { IN_ISDIR } from "../../abi/eventfd.ts";
import type { Dentry } from "./dentry.ts";
import type { Inode } from "./inode.ts";

/** Who watches an inode: kept by the notification file (inotify(7)). */
export interface Watch {
  /** IN_* bits of interest. */
  mask: number;
  /** `name` is empty for events of the inode itself. */
  event(mask: number, name: string, cookie: number): void;
}

/** Watches that exist: while there are none, reads and writes need not look for them. */
export let watching = 0;

/** The watches of one inode. */
export class WatchList {
  readonly watches: Watch[] = [];

  add(w: Watch): void {
    this.watches.push(w);
    watching++;
  }

  remove(w: Watch): void {
    const i = this.watches.indexOf(w);
    if (i < 0) return;
    this.watches.splice(i, 1);
    watching--;
  }

  notify(mask: number, name: string, cookie: number): void {
    const watches = this.watches;
    for (let i = watches.length - 1; i >= 0; i--) {
      if ((watches[i].mask & mask) !== 0) watches[i].event(mask, name, cookie);
    }
  }
}

/** Tells the watchers of a directory what happened to its entry `name`. */
export function notifyDir(
  dir: Inode,
  mask: number,
  name: string,
  isDir: boolean,
  cookie = 0,
): void {
  if (dir.watches !== null) dir.watches.notify(isDir ? mask | IN_ISDIR : mask, name, cookie);
}

/** Tells the watchers of an inode, and those of the directory it was reached by. */
export function notifyDentry(d: Dentry, mask: number): void {
  const inode = d.inode;
  if (inode === null) return;
  const bits = inode.isDir ? mask | IN_ISDIR : mask;
  const parent = d.parent?.inode;
  if (parent && parent.watches !== null && d.hashed) parent.watches.notify(bits, d.name, 0);
  if (inode.watches !== null) inode.watches.notify(bits, "", 0);
}

/** Tells the watchers of an inode. */
export function fsnotify(inode: Inode, mask: number, name = ""): void {
  if (inode.watches !== null) inode.watches.notify(mask, name, 0);
}
