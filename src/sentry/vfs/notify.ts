import type { Dentry } from "./dentry.ts";
import type { Inode } from "./inode.ts";

/** Events of inotify(7). */
export const IN = {
  ACCESS: 0x1,
  MODIFY: 0x2,
  ATTRIB: 0x4,
  CLOSE_WRITE: 0x8,
  CLOSE_NOWRITE: 0x10,
  OPEN: 0x20,
  MOVED_FROM: 0x40,
  MOVED_TO: 0x80,
  CREATE: 0x100,
  DELETE: 0x200,
  DELETE_SELF: 0x400,
  MOVE_SELF: 0x800,
  UNMOUNT: 0x2000,
  Q_OVERFLOW: 0x4000,
  IGNORED: 0x8000,
  ISDIR: 0x40000000,
} as const;

/** Who watches an inode: kept by the notification file (inotify(7)). */
export interface Watch {
  /** IN_* bits of interest. */
  mask: number;
  /** `name` is empty for events of the inode itself. */
  event(mask: number, name: string, cookie: number): void;
}

/** The watches of one inode. */
export class WatchList {
  readonly watches: Watch[] = [];

  add(w: Watch): void {
    this.watches.push(w);
  }

  remove(w: Watch): void {
    const i = this.watches.indexOf(w);
    if (i >= 0) this.watches.splice(i, 1);
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
  if (dir.watches !== null) dir.watches.notify(isDir ? mask | IN.ISDIR : mask, name, cookie);
}

/** Tells the watchers of an inode, and those of the directory it was reached by. */
export function notifyDentry(d: Dentry, mask: number): void {
  const inode = d.inode;
  if (inode === null) return;
  const bits = inode.isDir ? mask | IN.ISDIR : mask;
  const parent = d.parent?.inode;
  if (parent && parent.watches !== null && d.hashed) parent.watches.notify(bits, d.name, 0);
  if (inode.watches !== null) inode.watches.notify(bits, "", 0);
}

/** Tells the watchers of an inode. */
export function fsnotify(inode: Inode, mask: number, name = ""): void {
  if (inode.watches !== null) inode.watches.notify(mask, name, 0);
}
