import { E2BIG, EEXIST, ENODATA, ENOSPC } from "../../../abi/errno.ts";
import { XATTR_LIST_MAX } from "../../../abi/fcntl.ts";
import { XATTR_CREATE, XATTR_REPLACE } from "../../../abi/mount.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { Inode } from "../../vfs/inode.ts";
import type { SetAttr } from "../../vfs/set_attr.ts";
import type { MemoryFileSystem } from "./memory_file_system.ts";

/** The most bytes of extended attributes that one inode may have. */
const XATTR_TOTAL = 1 << 20;

/**
 * An inode that lives in memory: all of it in tmpfs, what differs from the lower tree in an overlay.
 */
export abstract class MemoryInode extends Inode {
  declare readonly fs: MemoryFileSystem;
  /** The inode of a lower tree that this one stands for, or null. */
  below: Inode | null;
  /** It differs from the one below, and so must be kept. */
  private changed: boolean;
  /** Null until one is set; then they hide those from below. */
  private xattrs: Map<string, Uint8Array> | null;

  constructor(fs: MemoryFileSystem, mode: number, uid: number, gid: number) {
    super(fs, mode, uid, gid);
    this.below = null;
    this.changed = false;
    this.xattrs = null;
  }

  override get supportsAcl(): boolean {
    return !this.isLink;
  }

  /** Starts out as what `lower` is. */
  layOver(lower: Inode, dev: number): void {
    this.below = lower.get();
    this.dev = dev;
    this.ino = lower.ino;
    this.nlink = lower.nlink;
    this.size = lower.size;
    this.atimeSec = lower.atimeSec;
    this.atimeNsec = lower.atimeNsec;
    this.mtimeSec = lower.mtimeSec;
    this.mtimeNsec = lower.mtimeNsec;
    this.ctimeSec = lower.ctimeSec;
    this.ctimeNsec = lower.ctimeNsec;
    this.btimeSec = lower.btimeSec;
    this.btimeNsec = lower.btimeNsec;
  }

  override touchModified(now: number): void {
    this.changed = true;
    super.touchModified(now);
  }

  override touchChanged(now: number): void {
    this.changed = true;
    super.touchChanged(now);
  }

  override setattr(ctx: VfsContext, attr: SetAttr): number {
    this.changed = true;
    return super.setattr(ctx, attr);
  }

  /** Numbers a new inode and sets its times. */
  born(now: number): this {
    this.ino = this.fs.allocateIno();
    this.initTimes(now);
    return this;
  }

  protected override evict(): void {
    if (this.nlink === 0) {
      this.discard();
      if (this.below === null) this.fs.inodeGone();
      else this.fs.unwrap(this);
    } else if (this.below !== null && !this.changed) {
      this.discard();
      this.fs.unwrap(this);
    }
  }

  /** Frees the content. */
  discard(): void {}

  override getxattr(ctx: VfsContext, name: string): Uint8Array | number {
    if (this.xattrs !== null) return this.xattrs.get(name) ?? -ENODATA;
    return this.below === null ? -ENODATA : this.below.getxattr(ctx, name);
  }

  override setxattr(ctx: VfsContext, name: string, value: Uint8Array, flags: number): number {
    const xattrs = this.ownXattrs(ctx);
    const has = xattrs.has(name);
    if (has && (flags & XATTR_CREATE) !== 0) return -EEXIST;
    if (!has && (flags & XATTR_REPLACE) !== 0) return -ENODATA;
    let total = name.length + 1 + value.length;
    let names = name.length + 1;
    for (const [n, v] of xattrs) {
      if (n === name) continue;
      total += n.length + 1 + v.length;
      names += n.length + 1;
    }
    if (total > XATTR_TOTAL) return -ENOSPC;
    if (names > XATTR_LIST_MAX) return -E2BIG;
    xattrs.set(name, value);
    this.touchChanged(ctx.kernel.clock.realtime());
    return 0;
  }

  private ownXattrs(ctx: VfsContext): Map<string, Uint8Array> {
    if (this.xattrs !== null) return this.xattrs;
    const xattrs = new Map<string, Uint8Array>();
    const below = this.below;
    const names = below === null ? [] : below.listxattr(ctx);
    if (typeof names !== "number") {
      for (const name of names) {
        const value = below!.getxattr(ctx, name);
        if (typeof value !== "number") xattrs.set(name, value);
      }
    }
    this.xattrs = xattrs;
    return xattrs;
  }

  override listxattr(ctx: VfsContext): string[] | number {
    if (this.xattrs !== null) return [...this.xattrs.keys()];
    return this.below === null ? [] : this.below.listxattr(ctx);
  }

  override removexattr(ctx: VfsContext, name: string): number {
    if (!this.ownXattrs(ctx).delete(name)) return -ENODATA;
    this.touchChanged(ctx.kernel.clock.realtime());
    return 0;
  }
}
