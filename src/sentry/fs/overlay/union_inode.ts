import { ENODATA, ENOSPC, EROFS } from "../../../abi/errno.ts";
import { O_ACCMODE, O_RDONLY } from "../../../abi/fcntl.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../../../abi/stat.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import { KernelIo } from "../../mm/io_buffer.ts";
import type { PageCache } from "../../mm/page_cache.ts";
import type { VfsContext } from "../../vfs/context.ts";
import type { Dentry } from "../../vfs/dentry.ts";
import type { File } from "../../vfs/file.ts";
import { Inode } from "../../vfs/inode.ts";
import type { Path } from "../../vfs/path.ts";
import { RegularFile } from "../../vfs/regular_file.ts";
import { ATTR, SetAttr } from "../../vfs/set_attr.ts";
import * as layer from "./layer.ts";
import type { UnionDir } from "./union_dir.ts";
import type { UnionFileSystem } from "./union_file_system.ts";

const PRIVATE_XATTRS = "trusted.overlay.";
const PIECE = 1 << 16;

/**
 * A file of an overlay: that of the upper layer, or of a lower one until it is changed, when a copy of it is made in the
 * upper layer (copy-up).
 */
export class UnionInode extends Inode {
  declare readonly fs: UnionFileSystem;
  upper: Dentry | null;
  readonly lower: readonly Dentry[];
  /** Where it is found; null for the root. */
  parent: UnionDir | null;
  name: string;

  constructor(
    fs: UnionFileSystem,
    parent: UnionDir | null,
    name: string,
    upper: Dentry | null,
    lower: readonly Dentry[],
  ) {
    const real = (upper ?? lower[0]).inode!;
    super(fs, real.mode, real.uid, real.gid);
    this.upper = upper?.get() ?? null;
    this.lower = lower;
    for (const d of lower) d.get();
    this.parent = parent;
    parent?.get();
    this.name = name;
    this.ino = fs.inoFor(real);
    this.pull();
  }

  /** The file that this one shows. */
  get real(): Inode {
    return (this.upper ?? this.lower[0]).inode!;
  }

  override get blocks(): number {
    return this.real.blocks;
  }

  /** Takes over the attributes of the real file. */
  pull(): void {
    const real = this.real;
    this.mode = real.mode;
    this.uid = real.uid;
    this.gid = real.gid;
    // Nobody counts the directories in all layers; what has but one is as its own.
    if (!this.isDir) this.nlink = real.nlink;
    else this.nlink = this.upper !== null && this.lower.length === 0 ? real.nlink : 1;
    this.size = real.size;
    this.rdev = real.rdev;
    this.atimeSec = real.atimeSec;
    this.atimeNsec = real.atimeNsec;
    this.mtimeSec = real.mtimeSec;
    this.mtimeNsec = real.mtimeNsec;
    this.ctimeSec = real.ctimeSec;
    this.ctimeNsec = real.ctimeNsec;
    this.btimeSec = real.btimeSec;
    this.btimeNsec = real.btimeNsec;
  }

  /** It has another name now. */
  moveTo(parent: UnionDir, name: string): void {
    parent.get();
    this.parent?.put();
    this.parent = parent;
    this.name = name;
  }

  override refresh(ctx: VfsContext): number {
    const r = this.real.refresh(ctx);
    if (r === 0) this.pull();
    return r;
  }

  protected override evict(): void {
    this.fs.forget(this);
    this.upper?.put();
    for (const d of this.lower) d.put();
    const parent = this.parent;
    this.parent = null;
    parent?.put();
  }

  /** Makes sure that there is a file in the upper layer; 0 or an error. */
  copyUp(ctx: VfsContext): number {
    if (this.upper !== null) return 0;
    const parent = this.parent;
    if (parent === null || this.fs.readOnly) return -EROFS;
    const p = parent.copyUp(ctx);
    if (p !== 0) return p;
    const dir = parent.upper!;
    const from = this.lower[0].inode!;
    const made = this.makeCopy(ctx, dir.inode!, from);
    if (typeof made === "number") return made;
    const up = layer.enter(dir, this.name, made);
    const r = this.fill(ctx, from, made);
    if (r < 0) {
      if (this.isDir) layer.removeDir(ctx, up);
      else layer.remove(ctx, up);
      return r;
    }
    this.upper = up.get();
    this.fs.remember(this);
    const cache = this.pages as PageCache | null;
    if (cache !== null) {
      const own = made.prepareContent();
      if (own !== null) cache.handOver(this, own);
      this.pages = own;
    }
    this.pull();
    return 0;
  }

  private makeCopy(ctx: VfsContext, dir: Inode, from: Inode): Inode | number {
    const { mode, uid, gid } = from;
    switch (mode & S_IFMT) {
      case S_IFDIR:
        return dir.mkdir(ctx, this.name, mode, uid, gid);
      case S_IFREG:
        return dir.create(ctx, this.name, mode, uid, gid);
      case S_IFLNK: {
        const target = from.readlink(ctx);
        if (typeof target === "number") return target;
        return dir.symlink(ctx, this.name, target, uid, gid);
      }
    }
    return dir.mknod(ctx, this.name, mode, uid, gid, from.rdev);
  }

  /** Copies content, attributes and times. */
  private fill(ctx: VfsContext, from: Inode, to: Inode): number {
    if ((from.mode & S_IFMT) === S_IFREG) {
      const frames = this.fs.vfs.kernel.frames;
      const io = new KernelIo(frames.memory);
      const piece = new Uint8Array(Math.min(PIECE, from.size));
      from.prepareContent();
      to.prepareContent();
      for (let at = 0; at < from.size;) {
        const n = from.readAt(ctx, io.reset(piece, 0, piece.length), at, piece.length);
        if (n <= 0) return n;
        const w = to.writeAt(ctx, io.reset(piece, 0, n), at, n);
        if (w !== n) return w < 0 ? w : -ENOSPC;
        at += n;
      }
    }
    const names = from.listxattr(ctx);
    if (typeof names !== "number") {
      for (const name of names) {
        if (name.startsWith(PRIVATE_XATTRS)) continue;
        const value = from.getxattr(ctx, name);
        if (typeof value !== "number") to.setxattr(ctx, name, value, 0);
      }
    }
    const attr = new SetAttr();
    attr.valid = ATTR.ATIME | ATTR.MTIME;
    attr.atimeSec = from.atimeSec;
    attr.atimeNsec = from.atimeNsec;
    attr.mtimeSec = from.mtimeSec;
    attr.mtimeNsec = from.mtimeNsec;
    return to.setattr(ctx, attr);
  }

  override readlink(ctx: VfsContext): string | number {
    return this.real.readlink(ctx);
  }

  override open(ctx: VfsContext, flags: number, path: Path): File | number {
    if ((this.mode & S_IFMT) !== S_IFREG) return super.open(ctx, flags, path);
    if ((flags & O_ACCMODE) !== O_RDONLY) {
      const r = this.copyUp(ctx);
      if (r !== 0) return r;
    }
    this.prepareContent();
    return new RegularFile(path, flags, this);
  }

  override prepareContent(): PageCache | null {
    const cache = this.real.prepareContent();
    this.pages = cache;
    return cache;
  }

  override readAt(ctx: VfsContext, io: IoBuffer, pos: number, length: number): number {
    return this.real.readAt(ctx, io, pos, length);
  }

  /** Does what changes the file in the upper layer. */
  private change(ctx: VfsContext, act: (real: Inode) => number): number {
    const c = this.copyUp(ctx);
    if (c !== 0) return c;
    const r = act(this.real);
    // A file may give its pages away when it is first written.
    if (this.pages !== null) this.pages = this.real.prepareContent();
    this.pull();
    return r;
  }

  override writeAt(ctx: VfsContext, io: IoBuffer, pos: number, length: number): number {
    return this.change(ctx, (real) => real.writeAt(ctx, io, pos, length));
  }

  override truncate(ctx: VfsContext, size: number): number {
    return this.change(ctx, (real) => real.truncate(ctx, size));
  }

  override fallocate(ctx: VfsContext, mode: number, offset: number, length: number): number {
    return this.change(ctx, (real) => real.fallocate(ctx, mode, offset, length));
  }

  override setattr(ctx: VfsContext, attr: SetAttr): number {
    return this.change(ctx, (real) => real.setattr(ctx, attr));
  }

  override seekData(ctx: VfsContext, offset: number, data: boolean): number {
    return this.real.seekData(ctx, offset, data);
  }

  override getxattr(ctx: VfsContext, name: string): Uint8Array | number {
    return name.startsWith(PRIVATE_XATTRS) ? -ENODATA : this.real.getxattr(ctx, name);
  }

  override listxattr(ctx: VfsContext): string[] | number {
    const names = this.real.listxattr(ctx);
    return typeof names === "number" ? names : names.filter((n) => !n.startsWith(PRIVATE_XATTRS));
  }

  override setxattr(ctx: VfsContext, name: string, value: Uint8Array, flags: number): number {
    return this.change(ctx, (real) => real.setxattr(ctx, name, value, flags));
  }

  override removexattr(ctx: VfsContext, name: string): number {
    return this.change(ctx, (real) => real.removexattr(ctx, name));
  }

  override closed(written: boolean): void {
    this.real.closed(written);
  }

  override sync(dataOnly: boolean): number {
    return this.upper === null ? 0 : this.real.sync(dataOnly);
  }
}
