import { OVERLAYFS_SUPER_MAGIC } from "../../../abi/mount.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../../../abi/stat.ts";
import type { VfsContext } from "../../vfs/context.ts";
import type { FileSystem, StatFs } from "../../vfs/file_system.ts";
import type { Inode } from "../../vfs/inode.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { MemoryFile } from "../tmpfs/memory_file.ts";
import { MemoryFileSystem } from "../tmpfs/memory_file_system.ts";
import type { MemoryInode } from "../tmpfs/memory_inode.ts";
import { MemoryNode } from "../tmpfs/memory_node.ts";
import { OverlayDir } from "./overlay_dir.ts";
import { OverlayLink } from "./overlay_link.ts";

/** Inode numbers of what is made in the overlay start here, above those of common lower ones. */
const FIRST_INO = 2 ** 33;

/**
 * A lower tree that stays as it is, and what was changed, in memory.
 *
 * An inode of the lower tree is represented by one of the overlay, which starts out with the same
 * attributes, and takes its content from below until somebody writes. So "copying up" is no event:
 * whatever changes is kept here, and what did not change is forgotten when nobody uses it.
 */
export class OverlayFileSystem extends MemoryFileSystem {
  readonly root: OverlayDir;
  readonly lower: FileSystem;
  /** By lower inode: those in use, and those that differ from below. */
  private readonly wrapped: Map<Inode, MemoryInode>;
  private readonly devices: Map<number, number>;
  private made: number;

  constructor(vfs: Vfs, lower: FileSystem) {
    super(vfs, "overlay", OVERLAYFS_SUPER_MAGIC);
    this.lower = lower;
    lower.mountCount++;
    this.wrapped = new Map();
    this.devices = new Map([[lower.root.dev, this.dev]]);
    this.made = 0;
    this.dirBase = 4096;
    this.dirEntry = 0;
    this.dirBlocks = 8;
    this.root = this.wrap(lower.root) as OverlayDir;
  }

  override allocateIno(): number {
    return FIRST_INO + ++this.made;
  }

  override newDir(ctx: VfsContext, mode: number, uid: number, gid: number): OverlayDir {
    return new OverlayDir(this, mode, uid, gid).born(ctx.kernel.clock.realtime());
  }

  /** What stands for an inode of the lower tree. */
  wrap(lower: Inode): MemoryInode {
    const known = this.wrapped.get(lower);
    if (known !== undefined) return known;
    const { mode, uid, gid } = lower;
    let inode: MemoryInode;
    switch (mode & S_IFMT) {
      case S_IFDIR:
        inode = new OverlayDir(this, mode, uid, gid);
        break;
      case S_IFREG:
        inode = new MemoryFile(this, mode, uid, gid);
        break;
      case S_IFLNK:
        inode = new OverlayLink(this, uid, gid);
        break;
      default:
        inode = new MemoryNode(this, mode, uid, gid, lower.rdev);
    }
    inode.layOver(lower, this.deviceFor(lower.dev));
    this.wrapped.set(lower, inode);
    return inode;
  }

  override unwrap(inode: MemoryInode): void {
    const below = inode.below!;
    if (this.wrapped.get(below) === inode) this.wrapped.delete(below);
    below.put();
  }

  /** `st_dev` of what comes from a device of the lower tree. */
  private deviceFor(lowerDev: number): number {
    let dev = this.devices.get(lowerDev);
    if (dev === undefined) {
      dev = this.vfs.allocateDev();
      this.devices.set(lowerDev, dev);
    }
    return dev;
  }

  override statfs(out: StatFs): number {
    const r = this.lower.statfs(out);
    out.type = this.magic;
    return r;
  }

  override release(): void {
    this.root.discard();
    if (--this.lower.mountCount === 0) {
      this.vfs.forgetFileSystem(this.lower);
      this.lower.release();
    }
  }
}
