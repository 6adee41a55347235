import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "../../abi/fcntl.ts";
import { ENODEV, ENOENT } from "../../abi/errno.ts";
import { S_IFLNK, S_IFMT } from "../../abi/stat.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { AnonFileSystems } from "./anon.ts";
import type { VfsContext } from "./context.ts";
import { DentryCache } from "./dentry_cache.ts";
import type { File } from "./file.ts";
import type { FileSystem } from "./file_system.ts";
import type { Inode } from "./inode.ts";
import { LockWaits } from "./locks.ts";
import { doMount, doUmount, pivotRoot } from "./mounts.ts";
import { linkAt, mkdirAt, mknodAt, renameAt, rmdirAt, symlinkAt, unlinkAt } from "./names.ts";
import { openAt, openExec, type OpenSpecial } from "./open.ts";
import type { Path } from "./path.ts";
import { PathWalk, WALK_EMPTY, WALK_FOLLOW } from "./path_walk.ts";
import { WalkMemo } from "./walk_memo.ts";

/** Makes an instance of a file system for mount(2). `data` is the option string. */
export type FileSystemFactory = (
  ctx: VfsContext,
  source: string,
  flags: number,
  data: string,
) => FileSystem | number;

/** The virtual file system of one kernel. */
export class Vfs {
  readonly kernel: Kernel;
  readonly dentries: DentryCache;
  /** The walk that system calls use; see {@link PathWalk}. */
  readonly walk: PathWalk;
  readonly memo: WalkMemo;
  readonly anon: AnonFileSystems;
  readonly lockWaits: LockWaits;
  /** Types that mount(2) knows, in the order of /proc/filesystems. */
  readonly types: Map<string, FileSystemFactory>;
  /** Types that need no device, for /proc/filesystems. */
  readonly mounted: Set<FileSystem>;
  private readonly charDevices: Map<number, OpenSpecial>;
  private readonly blockDevices: Map<number, OpenSpecial>;
  /** Opens a fifo; set by whoever implements pipes. */
  openFifo: OpenSpecial | null;
  /** Moves tasks that stand at the old root, told by pivot_root(2); set by the kernel. */
  onPivot: ((oldRoot: Path, newRoot: Path) => void) | null;
  /** Others may change the root of the container, and what is bound into it, on the host. */
  sharedRoot: boolean;
  sharedBinds: boolean;
  /** The most pages of host files that are kept; null leaves it to the host file system. */
  hostCachePages: number | null;
  private nextDev: number;
  private nextMountId: number;
  private nextNamespaceId: number;
  private readonly groups: Set<number>;
  /** No id below it is free. */
  private freeGroup: number;
  private cookie: number;

  constructor(kernel: Kernel) {
    this.kernel = kernel;
    this.nextDev = 1;
    this.nextMountId = 1;
    this.nextNamespaceId = 0xf0000000;
    this.groups = new Set();
    this.freeGroup = 1;
    this.cookie = 0;
    this.onPivot = null;
    this.sharedRoot = false;
    this.sharedBinds = true;
    this.hostCachePages = null;
    this.dentries = new DentryCache();
    this.walk = new PathWalk(this.dentries);
    this.memo = new WalkMemo();
    this.lockWaits = new LockWaits();
    this.types = new Map();
    this.mounted = new Set();
    this.charDevices = new Map();
    this.blockDevices = new Map();
    this.openFifo = null;
    this.anon = new AnonFileSystems(this);
  }

  /** A device number for a file system without a device: major 0. */
  allocateDev(): number {
    const minor = this.nextDev++;
    return (minor & 0xff) | ((minor & ~0xff) << 12);
  }

  allocateMountId(): number {
    return this.nextMountId++;
  }

  allocateMountNamespaceId(): number {
    return this.nextNamespaceId++;
  }

  /** An id for a new peer group of shared mounts: the least that is free, as on Linux. */
  allocatePeerGroup(): number {
    let id = this.freeGroup;
    while (this.groups.has(id)) id++;
    this.groups.add(id);
    this.freeGroup = id + 1;
    return id;
  }

  freePeerGroup(id: number): void {
    this.groups.delete(id);
    if (id < this.freeGroup) this.freeGroup = id;
  }

  /** Ties the two events of a rename together (inotify(7)). */
  nextCookie(): number {
    this.cookie = (this.cookie + 1) >>> 0;
    return this.cookie;
  }

  /** Makes a type known to mount(2). */
  registerFileSystem(name: string, factory: FileSystemFactory): void {
    this.types.set(name, factory);
  }

  /** An instance of a registered type, as mount(2) makes it; nothing is mounted yet. */
  createFileSystem(
    ctx: VfsContext,
    type: string,
    source: string,
    flags: number,
    data: string,
  ): FileSystem | number {
    const factory = this.types.get(type);
    return factory === undefined ? -ENODEV : factory(ctx, source, flags, data);
  }

  /** The last mount of a file system is gone. */
  forgetFileSystem(fs: FileSystem): void {
    this.mounted.delete(fs);
    if (fs.rootDentry.children !== null) {
      for (const d of [...fs.rootDentry.children.values()]) this.dentries.unhashTree(d);
    }
  }

  /** Opens character devices of a major number; `minor` -1 stands for all that have no own entry. */
  registerCharDevice(major: number, minor: number, open: OpenSpecial): void {
    this.charDevices.set(major * 0x200000 + minor + 1, open);
  }

  /** The counterpart of {@link registerCharDevice} for block devices. */
  registerBlockDevice(major: number, minor: number, open: OpenSpecial): void {
    this.blockDevices.set(major * 0x200000 + minor + 1, open);
  }

  /** How to open a device node. */
  deviceOpener(block: boolean, rdev: number): OpenSpecial | undefined {
    const major = (rdev >>> 8) & 0xfff;
    const minor = (rdev & 0xff) | ((rdev >>> 12) & 0xfff00);
    const devices = block ? this.blockDevices : this.charDevices;
    return devices.get(major * 0x200000 + minor + 1) ?? devices.get(major * 0x200000);
  }

  /**
   * Finds what a path names, without making an object for it: the result stands in {@link walk}
   * until the next walk. `flags` may hold AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH.
   */
  locate(ctx: VfsContext, dirfd: number, path: string, flags: number): Inode | number {
    const walk = this.walk;
    const follow = (flags & AT_SYMLINK_NOFOLLOW) === 0;
    const start = path.charCodeAt(0) === 0x2f
      ? ctx.fs.root
      : dirfd === AT_FDCWD
      ? ctx.fs.cwd
      : null;
    if (start !== null) {
      const hit = this.memo.find(path, start, ctx.fs.root, follow, this.dentries.generation);
      if (hit !== null) {
        const inode = hit.dentry.inode;
        if (inode === null) return -ENOENT;
        if ((inode.mode & S_IFMT) !== S_IFLNK) {
          walk.mount = hit.mount;
          walk.dentry = hit.dentry;
          return inode;
        }
      }
    }
    const r = walk.walk(
      ctx,
      dirfd,
      path,
      (follow ? WALK_FOLLOW : 0) | ((flags & AT_EMPTY_PATH) !== 0 ? WALK_EMPTY : 0),
    );
    if (r !== 0) return r;
    const inode = walk.dentry.inode;
    if (inode === null) return -ENOENT;
    if (start !== null && walk.memoable && !walk.trailingSlash) {
      this.memo.note(
        path,
        start,
        ctx.fs.root,
        walk.followedLast,
        this.dentries.generation,
        walk.mount,
        walk.dentry,
      );
    }
    return inode;
  }

  /** Finds what a path names. The caller that keeps the result calls `get` on it. */
  resolve(ctx: VfsContext, dirfd: number, path: string, flags = 0): Path | number {
    const inode = this.locate(ctx, dirfd, path, flags);
    return typeof inode === "number" ? inode : this.walk.path();
  }

  /** open(2), openat(2), openat2(2): the description has one use, the caller's. */
  open(
    ctx: VfsContext,
    dirfd: number,
    path: string,
    flags: number,
    mode = 0,
    resolve = 0,
  ): File | number {
    return openAt(this, ctx, dirfd, path, flags, mode, resolve);
  }

  /** Opens a program for execve(2); `flags` may hold AT_SYMLINK_NOFOLLOW and AT_EMPTY_PATH. */
  openForExec(ctx: VfsContext, dirfd: number, path: string, flags = 0): File | number {
    return openExec(this, ctx, dirfd, path, flags);
  }

  mkdir(ctx: VfsContext, dirfd: number, path: string, mode: number): number {
    return mkdirAt(this, ctx, dirfd, path, mode);
  }

  mknod(ctx: VfsContext, dirfd: number, path: string, mode: number, rdev: number): number {
    return mknodAt(this, ctx, dirfd, path, mode, rdev);
  }

  symlink(ctx: VfsContext, target: string, dirfd: number, path: string): number {
    return symlinkAt(this, ctx, target, dirfd, path);
  }

  link(
    ctx: VfsContext,
    oldDirfd: number,
    oldPath: string,
    newDirfd: number,
    newPath: string,
    flags = 0,
  ): number {
    return linkAt(this, ctx, oldDirfd, oldPath, newDirfd, newPath, flags);
  }

  unlink(ctx: VfsContext, dirfd: number, path: string): number {
    return unlinkAt(this, ctx, dirfd, path);
  }

  rmdir(ctx: VfsContext, dirfd: number, path: string): number {
    return rmdirAt(this, ctx, dirfd, path);
  }

  rename(
    ctx: VfsContext,
    oldDirfd: number,
    oldPath: string,
    newDirfd: number,
    newPath: string,
    flags = 0,
  ): number {
    return renameAt(this, ctx, oldDirfd, oldPath, newDirfd, newPath, flags);
  }

  /** mount(2). */
  mount(
    ctx: VfsContext,
    source: string,
    target: string,
    type: string,
    flags: number,
    data: string,
  ): number {
    return doMount(this, ctx, source, target, type, flags, data);
  }

  /** umount2(2). */
  umount(ctx: VfsContext, target: string, flags: number): number {
    return doUmount(this, ctx, target, flags);
  }

  /** pivot_root(2). */
  pivotRoot(ctx: VfsContext, newRoot: string, putOld: string): number {
    return pivotRoot(this, ctx, newRoot, putOld);
  }

  /** Writes back every mounted file system (sync(2)). */
  sync(): number {
    for (const fs of this.mounted) fs.sync();
    return 0;
  }
}
