import { ENOSPC } from "../../../abi/errno.ts";
import type { FrameAllocator } from "../../mm/frames.ts";
import type { PageQuota } from "../../mm/page_cache.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { FileSystem, type StatFs } from "../../vfs/file_system.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import type { MemoryDir } from "./memory_dir.ts";
import { MemoryFile } from "./memory_file.ts";
import type { MemoryInode } from "./memory_inode.ts";
import { MemoryLink, MemoryNode } from "./memory_node.ts";

/** Inodes that one file system in memory may have unless told otherwise: they live in the heap. */
export const MAX_INODES = 1 << 20;

/** A file system whose files live in the memory of the sandbox, within limits. */
export abstract class MemoryFileSystem extends FileSystem implements PageQuota {
  readonly frames: FrameAllocator;
  /** The most pages of content, and inodes; Infinity where there is no limit. */
  maxPages: number;
  maxInodes: number;
  usedPages: number;
  usedInodes: number;
  /** Size of an empty directory, what each entry adds to it, and its blocks. */
  dirBase: number;
  dirEntry: number;
  dirBlocks: number;
  /** F_SEAL_* bits of a new file; -1 if files of this kind have no seals. */
  defaultSeals: number;

  constructor(vfs: Vfs, typeName: string, magic: number) {
    super(vfs, typeName, magic);
    this.frames = vfs.kernel.frames;
    this.maxPages = Infinity;
    this.maxInodes = MAX_INODES;
    this.usedPages = 0;
    this.usedInodes = 0;
    // What Linux's tmpfs counts for an entry, "." and ".." included.
    this.dirBase = 40;
    this.dirEntry = 20;
    this.dirBlocks = 0;
    this.defaultSeals = -1;
  }

  /** An inode that stood for one of a lower tree is used no more. */
  unwrap(_inode: MemoryInode): void {}

  /** A new directory of this file system. */
  abstract newDir(ctx: VfsContext, mode: number, uid: number, gid: number): MemoryDir;

  /** Counts pages of content; false past the limit. */
  charge(pages: number): boolean {
    if (this.usedPages + pages > this.maxPages) return false;
    this.usedPages += pages;
    return true;
  }

  uncharge(pages: number): void {
    this.usedPages -= pages;
  }

  /** Counts a new inode; -ENOSPC past the limit. */
  inodeBorn(): number {
    if (this.usedInodes >= this.maxInodes) return -ENOSPC;
    this.usedInodes++;
    return 0;
  }

  inodeGone(): void {
    this.usedInodes--;
  }

  newFile(ctx: VfsContext, mode: number, uid: number, gid: number): MemoryFile {
    return new MemoryFile(this, mode, uid, gid).born(ctx.kernel.clock.realtime());
  }

  newLink(ctx: VfsContext, target: string, uid: number, gid: number): MemoryLink {
    return new MemoryLink(this, target, uid, gid).born(ctx.kernel.clock.realtime());
  }

  newNode(ctx: VfsContext, mode: number, uid: number, gid: number, rdev: number): MemoryNode {
    return new MemoryNode(this, mode, uid, gid, rdev).born(ctx.kernel.clock.realtime());
  }

  override statfs(out: StatFs): number {
    super.statfs(out);
    const max = this.maxPages === Infinity ? this.frames.frames : this.maxPages;
    out.blocks = max;
    out.free = out.available = Math.max(0, max - this.usedPages);
    const inodes = this.maxInodes === Infinity ? this.frames.frames : this.maxInodes;
    out.files = inodes;
    out.filesFree = Math.max(0, inodes - this.usedInodes);
    return 0;
  }
}
