import type { Dentry } from "./dentry.ts";
import type { Inode } from "./inode.ts";
import type { Mount } from "./mount.ts";

/** A place in the tree: a dentry as seen through a mount. */
export class Path {
  readonly mount: Mount;
  readonly dentry: Dentry;

  constructor(mount: Mount, dentry: Dentry) {
    this.mount = mount;
    this.dentry = dentry;
  }

  /** The inode there. A path of an open file always has one. */
  get inode(): Inode {
    return this.dentry.inode!;
  }

  /** Counts a use, for whoever keeps the path beyond the system call. */
  get(): this {
    this.dentry.refs++;
    this.mount.refs++;
    return this;
  }

  /** Ends a use. */
  put(): void {
    this.mount.put();
    this.dentry.put();
  }

  equals(other: Path): boolean {
    return this.mount === other.mount && this.dentry === other.dentry;
  }
}

/**
 * The absolute name of a place as seen from `root`. A name that was removed gets " (deleted)"; a
 * place that is not beneath `root` gets the prefix that `unreachable` names.
 */
export function pathName(path: Path, root: Path, unreachable = ""): string {
  let mount = path.mount;
  let d = path.dentry;
  if (mount.fs.anonymous) return d.name;
  const deleted = !d.hashed && d !== mount.root;
  let name = "";
  for (;;) {
    if (mount === root.mount && d === root.dentry) break;
    if (d === mount.root || d.parent === null) {
      if (mount.parent === null) {
        name = unreachable + (name === "" ? "/" : name);
        return deleted ? name + " (deleted)" : name;
      }
      d = mount.mountpoint!;
      mount = mount.parent;
      continue;
    }
    name = "/" + d.name + name;
    d = d.parent;
  }
  if (name === "") name = "/";
  return deleted ? name + " (deleted)" : name;
}

/** Whether `path` is `root` or lies beneath it, across mounts. */
export function isReachable(path: Path, root: Path): boolean {
  let mount = path.mount;
  let d: Dentry | null = path.dentry;
  while (d !== null) {
    if (mount === root.mount && d === root.dentry) return true;
    if (d === mount.root) {
      if (mount.parent === null) return false;
      d = mount.mountpoint!;
      mount = mount.parent;
    } else {
      d = d.parent;
    }
  }
  return false;
}
