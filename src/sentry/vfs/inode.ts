// hot: every stat, open, read and write looks at these fields.

import {
  EINVAL,
  EISDIR,
  ENODATA,
  ENOTDIR,
  ENXIO,
  EOPNOTSUPP,
  EPERM,
  EROFS,
} from "../../abi/errno.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../../abi/stat.ts";
import type { IoBuffer } from "../mm/io_buffer.ts";
import type { PageCache, PageSource } from "../mm/page_cache.ts";
import type { Acl } from "./acl.ts";
import type { VfsContext } from "./context.ts";
import { DirFile } from "./dir_file.ts";
import type { File } from "./file.ts";
import type { FileSystem } from "./file_system.ts";
import type { LockState } from "./locks.ts";
import type { WatchList } from "./notify.ts";
import type { Path } from "./path.ts";
import { ATTR, type SetAttr } from "./set_attr.ts";

/** One entry of a directory listing. */
export class DirEntry {
  readonly name: string;
  readonly ino: number;
  /** A DT_* number. */
  readonly type: number;

  constructor(name: string, ino: number, type: number) {
    this.name = name;
    this.ino = ino;
    this.type = type;
  }
}

/**
 * A file itself, whatever its names. File systems extend this class; the defaults are those of a
 * read-only file system without extended attributes.
 *
 * Directory operations are called only after the permission checks of the VFS, with names that
 * are neither "." nor ".." and at most NAME_MAX bytes.
 */
export abstract class Inode {
  readonly fs: FileSystem;
  ino: number;
  /** `st_dev`; differs from `fs.dev` where a file system shows several devices. */
  dev: number;
  /** Type and permissions, as `st_mode`. */
  mode: number;
  uid: number;
  gid: number;
  nlink: number;
  size: number;
  /** The device that a device node names. */
  rdev: number;
  // Times are seconds and nanoseconds since the epoch: one double can't hold them exactly.
  atimeSec: number;
  atimeNsec: number;
  mtimeSec: number;
  mtimeNsec: number;
  ctimeSec: number;
  ctimeNsec: number;
  btimeSec: number;
  btimeNsec: number;
  /** The page cache, for what can be mapped. */
  pages: PageSource | null;
  /** Uses: dentries, and whoever else calls {@link get}. */
  refs: number;
  /** A directory whose entries appear and go by themselves (procfs): nothing of it is cached. */
  dynamic: boolean;
  /** Access control list, and the one that new files in this directory get; null without. */
  acl: Acl | null;
  defaultAcl: Acl | null;
  /** Who watches this inode (inotify), or null. */
  watches: WatchList | null;
  /** Locks on it, or null while it never had any. */
  locks: LockState | null;
  /** Open descriptions that may write (above zero), or running executables (below zero). */
  writers: number;
  /** Following it leads to an object rather than a text (the links of procfs). */
  magicLink: boolean;
  /** It never had a name but may get one (O_TMPFILE without O_EXCL). */
  linkable: boolean;

  constructor(fs: FileSystem, mode: number, uid: number, gid: number) {
    this.fs = fs;
    this.ino = 0;
    this.dev = fs.dev;
    this.mode = mode;
    this.uid = uid;
    this.gid = gid;
    this.nlink = (mode & S_IFMT) === S_IFDIR ? 2 : 1;
    this.size = 0;
    this.rdev = 0;
    this.atimeSec = 0;
    this.atimeNsec = 0;
    this.mtimeSec = 0;
    this.mtimeNsec = 0;
    this.ctimeSec = 0;
    this.ctimeNsec = 0;
    this.btimeSec = 0;
    this.btimeNsec = 0;
    this.pages = null;
    this.refs = 0;
    this.dynamic = false;
    this.acl = null;
    this.defaultAcl = null;
    this.watches = null;
    this.locks = null;
    this.writers = 0;
    this.magicLink = false;
    this.linkable = false;
  }

  get isDir(): boolean {
    return (this.mode & S_IFMT) === S_IFDIR;
  }

  get isLink(): boolean {
    return (this.mode & S_IFMT) === S_IFLNK;
  }

  get isRegular(): boolean {
    return (this.mode & S_IFMT) === S_IFREG;
  }

  /** It can have access control lists. */
  get supportsAcl(): boolean {
    return false;
  }

  /** `st_blocks`, in units of 512 bytes. */
  get blocks(): number {
    return Math.ceil(this.size / 4096) * 8;
  }

  /** `st_blksize`. */
  get blockSize(): number {
    return 4096;
  }

  get(): this {
    this.refs++;
    return this;
  }

  put(): void {
    if (--this.refs === 0) this.evict();
  }

  /** Nobody uses the inode any more. File systems free what it held. */
  protected evict(): void {}

  /** Brings the attribute fields up to date before they are shown. */
  refresh(_ctx: VfsContext): number {
    return 0;
  }

  // Directories.

  /** The inode of the entry `name`, or -ENOENT. */
  lookup(_ctx: VfsContext, _name: string): Inode | number {
    return -ENOTDIR;
  }

  /** For {@link dynamic} directories: whether `child`, found earlier as `name`, still holds. */
  revalidate(_ctx: VfsContext, _name: string, _child: Inode): boolean {
    return false;
  }

  /** All entries but "." and "..", in an order that is stable. */
  list(_ctx: VfsContext): DirEntry[] | number {
    return -ENOTDIR;
  }

  /** Makes a regular file; `mode` has the type and the permissions after umask. */
  create(
    _ctx: VfsContext,
    _name: string,
    _mode: number,
    _uid: number,
    _gid: number,
  ): Inode | number {
    return -EROFS;
  }

  mkdir(
    _ctx: VfsContext,
    _name: string,
    _mode: number,
    _uid: number,
    _gid: number,
  ): Inode | number {
    return -EROFS;
  }

  mknod(
    _ctx: VfsContext,
    _name: string,
    _mode: number,
    _uid: number,
    _gid: number,
    _rdev: number,
  ): Inode | number {
    return -EROFS;
  }

  symlink(
    _ctx: VfsContext,
    _name: string,
    _target: string,
    _uid: number,
    _gid: number,
  ): Inode | number {
    return -EROFS;
  }

  /** Makes a file with no name in this directory (O_TMPFILE). */
  tmpfile(_ctx: VfsContext, _mode: number, _uid: number, _gid: number): Inode | number {
    return -EOPNOTSUPP;
  }

  /** Gives `target` another name in this directory. */
  link(_ctx: VfsContext, _name: string, _target: Inode): number {
    return -EROFS;
  }

  unlink(_ctx: VfsContext, _name: string, _child: Inode): number {
    return -EROFS;
  }

  rmdir(_ctx: VfsContext, _name: string, _child: Inode): number {
    return -EROFS;
  }

  /**
   * Moves the entry `name` (`child`) to `newDir` as `newName`, in place of `replaced` if there is
   * one; with RENAME_EXCHANGE the two swap.
   */
  rename(
    _ctx: VfsContext,
    _name: string,
    _child: Inode,
    _newDir: Inode,
    _newName: string,
    _replaced: Inode | null,
    _flags: number,
  ): number {
    return -EROFS;
  }

  // Links.

  /** The text of a symbolic link. */
  readlink(_ctx: VfsContext): string | number {
    return -EINVAL;
  }

  /** Where a walk continues: a text, or for magic links of procfs a place. */
  followLink(ctx: VfsContext): string | Path | number {
    return this.readlink(ctx);
  }

  // Content and attributes.

  /**
   * Opens a regular file or a directory. `path` is already counted for the file to be. Device
   * nodes, fifos and sockets do not come here: the VFS dispatches them.
   */
  open(_ctx: VfsContext, flags: number, path: Path): File | number {
    if ((this.mode & S_IFMT) === S_IFDIR) return new DirFile(path, flags, this);
    return -ENXIO;
  }

  /** The pages of a regular file, made ready on first use; null if it has none. */
  prepareContent(): PageCache | null {
    return null;
  }

  /** Reads up to `length` bytes at `pos`: the content of a regular file. */
  readAt(_ctx: VfsContext, _io: IoBuffer, _pos: number, _length: number): number {
    return -EINVAL;
  }

  /** Writes up to `length` bytes at `pos`. */
  writeAt(_ctx: VfsContext, _io: IoBuffer, _pos: number, _length: number): number {
    return -EINVAL;
  }

  /** The next data (`data`) or hole at or after `offset`, which is below the size. */
  seekData(_ctx: VfsContext, offset: number, data: boolean): number {
    return data ? offset : this.size;
  }

  /** Applies attributes that the VFS has checked. */
  setattr(_ctx: VfsContext, attr: SetAttr): number {
    this.applyAttr(attr);
    return 0;
  }

  /** Sets the size; the VFS has checked permissions, type and limits. */
  truncate(_ctx: VfsContext, _size: number): number {
    return (this.mode & S_IFMT) === S_IFDIR ? -EISDIR : -EINVAL;
  }

  fallocate(_ctx: VfsContext, _mode: number, _offset: number, _length: number): number {
    return -EOPNOTSUPP;
  }

  getxattr(_ctx: VfsContext, _name: string): Uint8Array | number {
    return -ENODATA;
  }

  setxattr(_ctx: VfsContext, _name: string, _value: Uint8Array, _flags: number): number {
    return -EOPNOTSUPP;
  }

  listxattr(_ctx: VfsContext): string[] | number {
    return [];
  }

  removexattr(_ctx: VfsContext, _name: string): number {
    return -EOPNOTSUPP;
  }

  /** Seals of memfd_create(2) files. */
  getSeals(): number {
    return -EINVAL;
  }

  addSeals(_seals: number): number {
    return -EPERM;
  }

  /** A description of this regular file is gone; `written` if it could write. */
  closed(_written: boolean): void {}

  /** Writes dirty pages and attributes to where they live. */
  sync(_dataOnly: boolean): number {
    return 0;
  }

  // Helpers for file systems.

  /** Copies the fields that `attr` names. */
  protected applyAttr(attr: SetAttr): void {
    const valid = attr.valid;
    if (valid & ATTR.MODE) this.mode = (this.mode & S_IFMT) | (attr.mode & 0o7777);
    if (valid & ATTR.UID) this.uid = attr.uid;
    if (valid & ATTR.GID) this.gid = attr.gid;
    if (valid & ATTR.ATIME) {
      this.atimeSec = attr.atimeSec;
      this.atimeNsec = attr.atimeNsec;
    }
    if (valid & ATTR.MTIME) {
      this.mtimeSec = attr.mtimeSec;
      this.mtimeNsec = attr.mtimeNsec;
    }
    if (valid & ATTR.CTIME) {
      this.ctimeSec = attr.ctimeSec;
      this.ctimeNsec = attr.ctimeNsec;
    }
  }

  /** Sets all times to `now`, for a new file. */
  initTimes(now: number): void {
    const sec = Math.floor(now / 1e9);
    const nsec = Math.floor(now - sec * 1e9);
    this.atimeSec =
      this.mtimeSec =
      this.ctimeSec =
      this.btimeSec =
        sec;
    this.atimeNsec =
      this.mtimeNsec =
      this.ctimeNsec =
      this.btimeNsec =
        nsec;
  }

  /** The content changed at `now`. */
  touchModified(now: number): void {
    const sec = Math.floor(now / 1e9);
    const nsec = Math.floor(now - sec * 1e9);
    this.mtimeSec = this.ctimeSec = sec;
    this.mtimeNsec = this.ctimeNsec = nsec;
  }

  /** The attributes changed at `now`. */
  touchChanged(now: number): void {
    const sec = Math.floor(now / 1e9);
    this.ctimeSec = sec;
    this.ctimeNsec = Math.floor(now - sec * 1e9);
  }

  /** The content was read at `now`. */
  touchAccessed(now: number): void {
    const sec = Math.floor(now / 1e9);
    this.atimeSec = sec;
    this.atimeNsec = Math.floor(now - sec * 1e9);
  }

  /** The rule of relatime: an access is worth noting only if older than the last change. */
  get accessIsStale(): boolean {
    return this.atimeSec < this.mtimeSec ||
      (this.atimeSec === this.mtimeSec && this.atimeNsec <= this.mtimeNsec) ||
      this.atimeSec < this.ctimeSec ||
      (this.atimeSec === this.ctimeSec && this.atimeNsec <= this.ctimeNsec);
  }
}
