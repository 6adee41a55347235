import { ENOENT, ENOTEMPTY, EROFS, EXDEV } from "../../../abi/errno.ts";
import { RENAME_EXCHANGE } from "../../../abi/fcntl.ts";
import { DT_CHR } from "../../../abi/stat.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { Dentry } from "../../vfs/dentry.ts";
import { DirEntry, type Inode } from "../../vfs/inode.ts";
import * as layer from "./layer.ts";
import { UnionInode } from "./union_inode.ts";

/** A directory of an overlay: the entries of all layers that have it, those above first. */
export class UnionDir extends UnionInode {
  /** The layers that show, the uppermost first. */
  private get layers(): Dentry[] {
    return this.upper === null ? [...this.lower] : [this.upper, ...this.lower];
  }

  override lookup(ctx: VfsContext, name: string): Inode | number {
    let upper: Dentry | null = null;
    const lower: Dentry[] = [];
    for (const dir of this.layers) {
      const d = layer.find(ctx, dir, name);
      if (typeof d === "number") return d;
      if (d === null) continue;
      if (layer.isWhiteout(d.inode!)) break;
      const first = upper === null && lower.length === 0;
      if (!d.inode!.isDir && !first) break;
      if (dir === this.upper) upper = d;
      else lower.push(d);
      if (!d.inode!.isDir || layer.isOpaque(ctx, d)) break;
    }
    if (upper === null && lower.length === 0) return -ENOENT;
    return this.fs.node(this, name, upper, lower);
  }

  override list(ctx: VfsContext): DirEntry[] | number {
    const seen = new Map<string, DirEntry | null>();
    for (const dir of this.layers) {
      const list = dir.inode!.list(ctx);
      if (typeof list === "number") return list;
      for (const e of list) {
        if (seen.has(e.name)) continue;
        let shown: DirEntry | null = e;
        if (e.type === DT_CHR) {
          const d = layer.find(ctx, dir, e.name);
          if (d !== null && typeof d !== "number" && layer.isWhiteout(d.inode!)) shown = null;
        }
        seen.set(e.name, shown);
      }
    }
    const entries: DirEntry[] = [];
    for (const e of seen.values()) if (e !== null) entries.push(e);
    return entries;
  }

  /** Whether a lower layer has the name, so that removing it takes a whiteout. */
  private isBelow(ctx: VfsContext, name: string): boolean {
    for (const dir of this.lower) {
      const d = layer.find(ctx, dir, name);
      if (d !== null && typeof d !== "number") return !layer.isWhiteout(d.inode!);
    }
    return false;
  }

  /** Makes room for a new name in the upper layer: 1 if there was a whiteout, or an error. */
  private makeRoom(ctx: VfsContext, name: string): number {
    if (this.fs.readOnly) return -EROFS;
    const r = this.copyUp(ctx);
    if (r !== 0) return r;
    const there = layer.find(ctx, this.upper!, name);
    if (typeof there === "number") return there;
    if (there === null || !layer.isWhiteout(there.inode!)) return 0;
    const u = layer.remove(ctx, there);
    return u !== 0 ? u : 1;
  }

  /** Makes an entry with `make`, which gets the directory of the upper layer. */
  private add(
    ctx: VfsContext,
    name: string,
    make: (dir: Inode) => Inode | number,
  ): Inode | number {
    const room = this.makeRoom(ctx, name);
    if (room < 0) return room;
    const made = make(this.upper!.inode!);
    if (typeof made === "number") {
      if (room === 1) layer.whiteOut(ctx, this.upper!, name);
      return made;
    }
    const d = layer.enter(this.upper!, name, made);
    if (made.isDir && (room === 1 || this.isBelow(ctx, name))) layer.makeOpaque(ctx, d);
    this.pull();
    return this.fs.node(this, name, d, []);
  }

  override create(ctx: VfsContext, name: string, mode: number, uid: number, gid: number) {
    return this.add(ctx, name, (dir) => dir.create(ctx, name, mode, uid, gid));
  }

  override mkdir(ctx: VfsContext, name: string, mode: number, uid: number, gid: number) {
    return this.add(ctx, name, (dir) => dir.mkdir(ctx, name, mode, uid, gid));
  }

  override mknod(
    ctx: VfsContext,
    name: string,
    mode: number,
    uid: number,
    gid: number,
    rdev: number,
  ) {
    return this.add(ctx, name, (dir) => dir.mknod(ctx, name, mode, uid, gid, rdev));
  }

  override symlink(ctx: VfsContext, name: string, target: string, uid: number, gid: number) {
    return this.add(ctx, name, (dir) => dir.symlink(ctx, name, target, uid, gid));
  }

  override tmpfile(ctx: VfsContext, mode: number, uid: number, gid: number): Inode | number {
    if (this.fs.readOnly) return -EROFS;
    const r = this.copyUp(ctx);
    if (r !== 0) return r;
    const made = this.upper!.inode!.tmpfile(ctx, mode, uid, gid);
    if (typeof made === "number") return made;
    made.nlink = 0;
    return this.fs.node(this, "", new Dentry(`#${made.ino}`, this.upper, made), []);
  }

  override link(ctx: VfsContext, name: string, target: Inode): number {
    const from = target as UnionInode;
    let r = from.copyUp(ctx);
    if (r !== 0) return r;
    r = this.makeRoom(ctx, name);
    if (r < 0) return r;
    r = this.upper!.inode!.link(ctx, name, from.real);
    if (r !== 0) return r;
    from.linkable = false;
    layer.enter(this.upper!, name, from.real);
    from.pull();
    this.pull();
    return 0;
  }

  override unlink(ctx: VfsContext, name: string, child: Inode): number {
    return this.removeEntry(ctx, name, child as UnionInode);
  }

  override rmdir(ctx: VfsContext, name: string, child: Inode): number {
    const list = child.list(ctx);
    if (typeof list === "number") return list;
    if (list.length > 0) return -ENOTEMPTY;
    const r = this.removeEntry(ctx, name, child as UnionInode);
    if (r === 0) child.nlink = 0;
    return r;
  }

  private removeEntry(ctx: VfsContext, name: string, child: UnionInode): number {
    if (this.fs.readOnly) return -EROFS;
    let r = this.copyUp(ctx);
    if (r !== 0) return r;
    const there = layer.find(ctx, this.upper!, name);
    if (typeof there === "number") return there;
    if (there !== null) {
      r = child.isDir ? layer.removeDir(ctx, there) : layer.remove(ctx, there);
      if (r !== 0) return r;
    }
    if (this.isBelow(ctx, name)) {
      r = layer.whiteOut(ctx, this.upper!, name);
      if (r !== 0) return r;
    }
    if (child.upper !== null) child.pull();
    else child.nlink = Math.max(0, child.nlink - 1);
    this.pull();
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
    const to = newDir as UnionDir;
    const moved = child as UnionInode;
    const other = replaced as UnionInode | null;
    if (this.fs.readOnly) return -EROFS;
    const exchange = (flags & RENAME_EXCHANGE) !== 0;
    // Directories that have parts in lower layers can't be moved without redirects, as on Linux.
    if (moved.isDir && moved.lower.length > 0) return -EXDEV;
    if (exchange && other!.isDir && other!.lower.length > 0) return -EXDEV;
    let r = this.copyUp(ctx);
    if (r === 0) r = to.copyUp(ctx);
    if (r === 0) r = moved.copyUp(ctx);
    if (r === 0 && exchange) r = other!.copyUp(ctx);
    if (r !== 0) return r;
    if (!exchange && other !== null && other.isDir) {
      const list = other.list(ctx);
      if (typeof list === "number") return list;
      if (list.length > 0) return -ENOTEMPTY;
    }
    const dentries = this.fs.vfs.dentries;
    // One of perhaps several names of the file.
    const from = layer.find(ctx, this.upper!, name);
    if (typeof from === "number") return from;
    if (from === null) return -ENOENT;
    let target = layer.find(ctx, to.upper!, newName);
    if (typeof target === "number") return target;
    if (!exchange && target !== null && (moved.isDir || target.inode!.isDir)) {
      r = target.inode!.isDir ? layer.removeDir(ctx, target) : layer.remove(ctx, target);
      if (r !== 0) return r;
      target = null;
    }
    const real = this.upper!.inode!;
    const goal = to.upper!.inode!;
    const kept = exchange ? RENAME_EXCHANGE : 0;
    r = real.rename(ctx, name, from.inode!, goal, newName, target?.inode ?? null, kept);
    if (r !== 0) return r;
    if (exchange) {
      dentries.exchange(from, target!);
      other!.moveTo(this, name);
    } else {
      const negative = to.upper!.children?.get(newName);
      if (negative !== undefined) dentries.unhashTree(negative);
      dentries.move(from, to.upper!, newName);
      if (this.isBelow(ctx, name)) layer.whiteOut(ctx, this.upper!, name);
    }
    if (moved.isDir && to.isBelow(ctx, newName)) layer.makeOpaque(ctx, from);
    moved.moveTo(to, newName);
    moved.pull();
    if (other !== null) {
      if (other.isDir && !exchange) other.nlink = 0;
      else if (other.upper !== null) other.pull();
      else other.nlink = Math.max(0, other.nlink - 1);
    }
    this.pull();
    to.pull();
    return 0;
  }
}
