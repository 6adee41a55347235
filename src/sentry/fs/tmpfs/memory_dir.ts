import { ENOENT, ENOTEMPTY } from "../../../abi/errno.ts";
import { RENAME_EXCHANGE, RENAME_WHITEOUT } from "../../../abi/fcntl.ts";
import { direntType, S_IFCHR, S_IFDIR, S_IFMT } from "../../../abi/stat.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { DirEntry, type Inode } from "../../vfs/inode.ts";
import type { MemoryFileSystem } from "./memory_file_system.ts";
import { MemoryInode } from "./memory_inode.ts";

/** A directory in memory. */
export class MemoryDir extends MemoryInode {
  /** In the order of creation, which is that of listings. */
  protected readonly entries: Map<string, Inode>;

  constructor(fs: MemoryFileSystem, mode: number, uid: number, gid: number) {
    super(fs, S_IFDIR | (mode & 0o7777), uid, gid);
    this.entries = new Map();
    this.size = fs.dirBase;
  }

  override get blocks(): number {
    return this.below === null ? this.fs.dirBlocks : this.below.blocks;
  }

  override lookup(_ctx: VfsContext, name: string): Inode | number {
    return this.entries.get(name) ?? -ENOENT;
  }

  override list(_ctx: VfsContext): DirEntry[] | number {
    const list: DirEntry[] = [];
    for (const [name, inode] of this.entries) {
      list.push(new DirEntry(name, inode.ino, direntType(inode.mode)));
    }
    return list;
  }

  /** Whether nothing but "." and ".." is in it; may be a negative errno. */
  isEmpty(_ctx: VfsContext): boolean | number {
    return this.entries.size === 0;
  }

  /** Puts an entry in, over what was there by that name. */
  protected setEntry(name: string, inode: Inode): void {
    if (!this.entries.has(name)) this.size += this.fs.dirEntry;
    this.entries.set(name, inode);
  }

  /** Takes an entry out. */
  protected drop(_ctx: VfsContext, name: string): void {
    if (this.entries.delete(name)) this.size -= this.fs.dirEntry;
  }

  private add(ctx: VfsContext, name: string, inode: Inode): Inode {
    this.setEntry(name, inode);
    this.touchModified(ctx.kernel.clock.realtime());
    return inode;
  }

  override create(
    ctx: VfsContext,
    name: string,
    mode: number,
    uid: number,
    gid: number,
  ): Inode | number {
    const r = this.fs.inodeBorn();
    return r !== 0 ? r : this.add(ctx, name, this.fs.newFile(ctx, mode, uid, gid));
  }

  override mkdir(
    ctx: VfsContext,
    name: string,
    mode: number,
    uid: number,
    gid: number,
  ): Inode | number {
    const r = this.fs.inodeBorn();
    if (r !== 0) return r;
    this.nlink++;
    return this.add(ctx, name, this.fs.newDir(ctx, mode, uid, gid));
  }

  override mknod(
    ctx: VfsContext,
    name: string,
    mode: number,
    uid: number,
    gid: number,
    rdev: number,
  ): Inode | number {
    const r = this.fs.inodeBorn();
    return r !== 0 ? r : this.add(ctx, name, this.fs.newNode(ctx, mode, uid, gid, rdev));
  }

  override symlink(
    ctx: VfsContext,
    name: string,
    target: string,
    uid: number,
    gid: number,
  ): Inode | number {
    const r = this.fs.inodeBorn();
    return r !== 0 ? r : this.add(ctx, name, this.fs.newLink(ctx, target, uid, gid));
  }

  override tmpfile(ctx: VfsContext, mode: number, uid: number, gid: number): Inode | number {
    const r = this.fs.inodeBorn();
    return r !== 0 ? r : this.fs.newFile(ctx, mode, uid, gid);
  }

  override link(ctx: VfsContext, name: string, target: Inode): number {
    const now = ctx.kernel.clock.realtime();
    target.nlink++;
    target.linkable = false;
    target.touchChanged(now);
    this.setEntry(name, target);
    this.touchModified(now);
    return 0;
  }

  override unlink(ctx: VfsContext, name: string, child: Inode): number {
    const now = ctx.kernel.clock.realtime();
    this.drop(ctx, name);
    child.nlink--;
    child.touchChanged(now);
    this.touchModified(now);
    return 0;
  }

  override rmdir(ctx: VfsContext, name: string, child: Inode): number {
    const empty = (child as MemoryDir).isEmpty(ctx);
    if (empty !== true) return empty === false ? -ENOTEMPTY : empty;
    const now = ctx.kernel.clock.realtime();
    this.drop(ctx, name);
    this.nlink--;
    child.nlink = 0;
    child.touchChanged(now);
    this.touchModified(now);
    return 0;
  }

  override rename(
    ctx: VfsContext,
    name: string,
    child: Inode,
    newDir: Inode,
    newName: string,
    replaced: Inode | null,
    flags: number,
  ): number {
    const to = newDir as MemoryDir;
    const isDir = (child.mode & S_IFMT) === S_IFDIR;
    const now = ctx.kernel.clock.realtime();
    if ((flags & RENAME_EXCHANGE) !== 0) {
      const otherIsDir = replaced!.isDir;
      if (to !== this && isDir !== otherIsDir) {
        this.nlink += isDir ? -1 : 1;
        to.nlink += isDir ? 1 : -1;
      }
      this.drop(ctx, name);
      to.drop(ctx, newName);
      this.setEntry(name, replaced!);
      to.setEntry(newName, child);
      replaced!.touchChanged(now);
    } else {
      if (replaced !== null) {
        if (isDir) {
          const empty = (replaced as MemoryDir).isEmpty(ctx);
          if (empty !== true) return empty === false ? -ENOTEMPTY : empty;
          replaced.nlink = 0;
          to.nlink--;
        } else {
          replaced.nlink--;
        }
        replaced.touchChanged(now);
        to.drop(ctx, newName);
      }
      this.drop(ctx, name);
      to.setEntry(newName, child);
      if (isDir && to !== this) {
        this.nlink--;
        to.nlink++;
      }
      if ((flags & RENAME_WHITEOUT) !== 0) {
        this.fs.usedInodes++;
        this.setEntry(name, this.fs.newNode(ctx, S_IFCHR, 0, 0, 0));
      }
    }
    this.touchModified(now);
    if (to !== this) to.touchModified(now);
    child.touchChanged(now);
    return 0;
  }

  /** Frees all content beneath, when the file system goes. */
  override discard(): void {
    // Trees may be deeper than the stack of this program.
    const dirs: MemoryDir[] = [this];
    for (let dir = dirs.pop(); dir !== undefined; dir = dirs.pop()) {
      for (const inode of dir.entries.values()) {
        if (inode instanceof MemoryDir) dirs.push(inode);
        else if (inode instanceof MemoryInode) inode.discard();
      }
      dir.entries.clear();
    }
  }
}
