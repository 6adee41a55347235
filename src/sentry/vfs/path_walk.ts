// hot: every path goes through `run`.

import { EACCES, EBADF, ELOOP, ENAMETOOLONG, ENOENT, ENOTDIR, EXDEV } from "../../abi/errno.ts";
import {
  AT_FDCWD,
  NAME_MAX,
  RESOLVE_BENEATH,
  RESOLVE_IN_ROOT,
  RESOLVE_NO_MAGICLINKS,
  RESOLVE_NO_SYMLINKS,
  RESOLVE_NO_XDEV,
} from "../../abi/fcntl.ts";
import { MS_NOSYMFOLLOW } from "../../abi/mount.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_ISVTX, S_IWOTH } from "../../abi/stat.ts";
import type { VfsContext } from "./context.ts";
import type { Dentry } from "./dentry.ts";
import type { DentryCache } from "./dentry_cache.ts";
import type { Inode } from "./inode.ts";
import type { Mount } from "./mount.ts";
import { Path } from "./path.ts";
import { MAY_EXEC, permission } from "./permissions.ts";

/** Follow a symbolic link that the last component names. */
export const WALK_FOLLOW = 1;
/** Stop before the last component, which {@link PathWalk.last} then names. */
export const WALK_PARENT = 2;
/** The result must be a directory. */
export const WALK_DIRECTORY = 4;
/** An empty path means the starting point. */
export const WALK_EMPTY = 8;

/** What the last component is, after a walk with {@link WALK_PARENT}. */
export const enum Last {
  Normal = 0,
  Dot = 1,
  DotDot = 2,
  Root = 3,
}

const MAX_LINKS = 40;
const SLASH = 0x2f;
const DOT = 0x2e;

/**
 * One walk along a path (path_resolution(7)). The object is used again for every walk; its result
 * is where {@link mount} and {@link dentry} stand, and holds until the next walk begins.
 */
export class PathWalk {
  mount!: Mount;
  dentry!: Dentry;
  /** The last component, for walks that stop before it. */
  last: string;
  lastKind: Last;
  /** The path ended in a slash. */
  trailingSlash: boolean;
  /** No directory on the way is one that only some may search, or that changes by itself. */
  memoable: boolean;
  /** The last component was a link that was followed. */
  followedLast: boolean;
  private readonly cache: DentryCache;
  private ctx!: VfsContext;
  private rootMount!: Mount;
  private rootDentry!: Dentry;
  private resolve: number;
  private links: number;

  constructor(cache: DentryCache) {
    this.cache = cache;
    this.last = "";
    this.lastKind = Last.Normal;
    this.trailingSlash = false;
    this.memoable = false;
    this.followedLast = false;
    this.resolve = 0;
    this.links = 0;
  }

  /** A lasting object for the place where the walk ended. */
  path(): Path {
    return new Path(this.mount, this.dentry);
  }

  /** Walks `path` from `dirfd`. Returns 0 or an error; the result may be a negative dentry only
   * if {@link lookupLast} found it. */
  walk(ctx: VfsContext, dirfd: number, path: string, flags: number, resolve = 0): number {
    this.begin(ctx, resolve);
    const fs = ctx.fs;
    if (path.length === 0 && (flags & WALK_EMPTY) === 0) return -ENOENT;
    if (path.charCodeAt(0) === SLASH && (resolve & RESOLVE_IN_ROOT) === 0) {
      if ((resolve & RESOLVE_BENEATH) !== 0) return -EXDEV;
      this.mount = this.rootMount;
      this.dentry = this.rootDentry;
    } else if (dirfd === AT_FDCWD) {
      this.mount = fs.cwd.mount;
      this.dentry = fs.cwd.dentry;
    } else {
      const file = ctx.files === null ? null : ctx.files.get(dirfd);
      if (file === null) return -EBADF;
      this.mount = file.path.mount;
      this.dentry = file.path.dentry;
      if (path.length > 0 && (file.inode.mode & S_IFMT) !== S_IFDIR) return -ENOTDIR;
    }
    if (path.length === 0) {
      this.lastKind = Last.Root;
      return 0;
    }
    if ((resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) !== 0) {
      this.rootMount = this.mount;
      this.rootDentry = this.dentry;
    }
    return this.run(path, flags);
  }

  /** Walks `path` from a place; the root is that of `ctx`. */
  walkFrom(ctx: VfsContext, start: Path, path: string, flags: number): number {
    this.begin(ctx, 0);
    const absolute = path.charCodeAt(0) === SLASH;
    this.mount = absolute ? this.rootMount : start.mount;
    this.dentry = absolute ? this.rootDentry : start.dentry;
    return this.run(path, flags);
  }

  private begin(ctx: VfsContext, resolve: number): void {
    if (this.cache.count > this.cache.limit) this.cache.shrink();
    this.ctx = ctx;
    this.rootMount = ctx.fs.root.mount;
    this.rootDentry = ctx.fs.root.dentry;
    this.resolve = resolve;
    this.links = 0;
    this.memoable = true;
    this.followedLast = false;
    this.trailingSlash = false;
    this.lastKind = Last.Normal;
  }

  private run(path: string, flags: number): number {
    let i = 0;
    for (;;) {
      let n = path.length;
      while (i < n && path.charCodeAt(i) === SLASH) i++;
      if (i >= n) {
        // Nothing but slashes: the place where the walk stands.
        this.lastKind = Last.Root;
        return this.finish(flags);
      }
      const dir = this.dentry.inode;
      if (dir === null) return -ENOENT;
      const mode = dir.mode;
      if ((mode & S_IFMT) !== S_IFDIR) return -ENOTDIR;
      if ((mode & 0o111) !== 0o111 || dir.acl !== null) {
        this.memoable = false;
        const r = permission(this.ctx.creds, dir, MAY_EXEC);
        if (r !== 0) return r;
      }
      let end = path.indexOf("/", i);
      let next: number;
      if (end < 0) {
        end = next = n;
      } else {
        next = end + 1;
        while (next < n && path.charCodeAt(next) === SLASH) next++;
        if (next === n) this.trailingSlash = true;
      }
      const length = end - i;
      const last = next === n;
      if (path.charCodeAt(i) === DOT) {
        if (length === 1) {
          if (last) {
            this.lastKind = Last.Dot;
            if ((flags & WALK_PARENT) !== 0) return 0;
            return this.finish(flags);
          }
          i = next;
          continue;
        }
        if (length === 2 && path.charCodeAt(i + 1) === DOT) {
          if (last && (flags & WALK_PARENT) !== 0) {
            this.lastKind = Last.DotDot;
            return 0;
          }
          const r = this.up();
          if (r !== 0) return r;
          if (last) {
            this.lastKind = Last.DotDot;
            return this.finish(flags);
          }
          i = next;
          continue;
        }
      }
      if (length > NAME_MAX) return -ENAMETOOLONG;
      const name = path.substring(i, end);
      if (last) {
        this.last = name;
        this.lastKind = Last.Normal;
        if ((flags & WALK_PARENT) !== 0) return 0;
      }
      const parentMount = this.mount;
      const parent = this.dentry;
      const r = this.step(name);
      if (r !== 0) return r;
      const inode = this.dentry.inode;
      if (inode === null) return -ENOENT;
      if (
        (inode.mode & S_IFMT) === S_IFLNK &&
        (!last || (flags & WALK_FOLLOW) !== 0 || this.trailingSlash)
      ) {
        const target = this.follow(parentMount, parent);
        if (typeof target === "number") {
          if (target !== 0) return target;
          // A magic link: the walk stands where it leads.
          if (last) {
            this.followedLast = true;
            return this.finish(flags);
          }
          i = next;
          continue;
        }
        if (last) this.followedLast = true;
        path = end < n ? target + path.substring(end) : target;
        i = 0;
        n = path.length;
        continue;
      }
      if (last) return this.finish(flags);
      i = next;
    }
  }

  private finish(flags: number): number {
    if (this.trailingSlash || (flags & WALK_DIRECTORY) !== 0) {
      const inode = this.dentry.inode;
      if (inode !== null && (inode.mode & S_IFMT) !== S_IFDIR) return -ENOTDIR;
    }
    return 0;
  }

  /**
   * Goes from the directory where the walk stands to its entry `name`, which may turn out
   * negative, and down to what is mounted there.
   */
  step(name: string): number {
    const parent = this.dentry;
    const dir = parent.inode!;
    let d = parent.children === null ? undefined : parent.children.get(name);
    if (dir.dynamic) {
      this.memoable = false;
      if (d !== undefined && d.inode !== null && !dir.revalidate(this.ctx, name, d.inode)) {
        const inode = dir.lookup(this.ctx, name);
        if (inode !== d.inode) {
          if (d.mounts === null) {
            this.cache.unhashTree(d);
            d = undefined;
          }
          if (typeof inode === "number") return inode;
          if (d === undefined) d = this.cache.add(parent, name, inode);
        }
      }
    }
    if (d === undefined || (d.inode === null && dir.dynamic)) {
      const inode = dir.lookup(this.ctx, name);
      if (typeof inode === "number") {
        if (inode !== -ENOENT) return inode;
        if (d === undefined) d = this.cache.add(parent, name, null);
        if (dir.dynamic) {
          // Kept out of the tree: the entry may appear by itself.
          this.cache.unhash(d);
        }
      } else if (d === undefined) {
        d = this.cache.add(parent, name, inode);
      } else {
        d.instantiate(inode);
      }
    }
    d.referenced = true;
    this.dentry = d;
    return d.mounts === null ? 0 : this.down();
  }

  /** After a walk with {@link WALK_PARENT}: goes to the last component. */
  lookupLast(): number {
    return this.step(this.last);
  }

  /** Goes down to what is mounted where the walk stands. */
  private down(): number {
    while (this.dentry.mounts !== null) {
      const m = this.mount.childAt(this.dentry);
      if (m === null) return 0;
      if ((this.resolve & RESOLVE_NO_XDEV) !== 0) return -EXDEV;
      this.mount = m;
      this.dentry = m.root;
    }
    return 0;
  }

  /** Goes to the parent directory. */
  private up(): number {
    for (;;) {
      if (this.dentry === this.rootDentry && this.mount === this.rootMount) {
        return (this.resolve & RESOLVE_BENEATH) !== 0 ? -EXDEV : 0;
      }
      if (this.dentry !== this.mount.root) break;
      const parent = this.mount.parent;
      if (parent === null) return 0;
      if ((this.resolve & RESOLVE_NO_XDEV) !== 0) return -EXDEV;
      this.dentry = this.mount.mountpoint!;
      this.mount = parent;
    }
    const parent = this.dentry.parent;
    if (parent !== null) this.dentry = parent;
    return this.dentry.mounts === null ? 0 : this.down();
  }

  /**
   * Follows the link where the walk stands, which was found in `parent`. Returns the text to go on
   * with from there, or 0 after a jump, or an error.
   */
  private follow(parentMount: Mount, parent: Dentry): string | number {
    if (++this.links > MAX_LINKS) return -ELOOP;
    const inode = this.dentry.inode!;
    if ((this.resolve & RESOLVE_NO_SYMLINKS) !== 0) return -ELOOP;
    if ((this.mount.flags & MS_NOSYMFOLLOW) !== 0) return -ELOOP;
    if (inode.magicLink) {
      this.memoable = false;
      if ((this.resolve & RESOLVE_NO_MAGICLINKS) !== 0) return -ELOOP;
    }
    if (!this.mayFollow(parent.inode!, inode)) return -EACCES;
    const target = inode.followLink(this.ctx);
    if (typeof target === "number") return target;
    if (typeof target !== "string") {
      if ((this.resolve & (RESOLVE_BENEATH | RESOLVE_IN_ROOT)) !== 0) return -EXDEV;
      if ((this.resolve & RESOLVE_NO_XDEV) !== 0 && target.mount !== this.mount) return -EXDEV;
      this.memoable = false;
      this.mount = target.mount;
      this.dentry = target.dentry;
      return 0;
    }
    if (target.length === 0) return -ENOENT;
    if (target.charCodeAt(0) === SLASH) {
      if ((this.resolve & RESOLVE_BENEATH) !== 0) return -EXDEV;
      if ((this.resolve & RESOLVE_NO_XDEV) !== 0 && this.mount !== this.rootMount) return -EXDEV;
      this.mount = this.rootMount;
      this.dentry = this.rootDentry;
    } else {
      this.mount = parentMount;
      this.dentry = parent;
    }
    return target;
  }

  /**
   * Whether fs.protected_symlinks, which is on (proc(5)), lets the walk follow a link: in a sticky
   * directory that all may write to, only one's own or the directory owner's.
   */
  private mayFollow(dir: Inode, link: Inode): boolean {
    return (dir.mode & (S_ISVTX | S_IWOTH)) !== (S_ISVTX | S_IWOTH) ||
      link.uid === this.ctx.creds.fsuid || link.uid === dir.uid;
  }

  /**
   * After {@link lookupLast} of a walk with {@link WALK_PARENT} came to a link: follows it, and
   * walks to the parent of what it names. `mount` and `parent` are where the link was found.
   */
  followToParent(mount: Mount, parent: Dentry): number {
    const target = this.follow(mount, parent);
    if (typeof target === "number") {
      this.lastKind = Last.Root;
      return target;
    }
    this.trailingSlash = false;
    return this.run(target, WALK_PARENT);
  }
}
