import { ENOENT } from "../../../abi/errno.ts";
import { direntType } from "../../../abi/stat.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { DirEntry, type Inode } from "../../vfs/inode.ts";
import { MemoryDir } from "../tmpfs/memory_dir.ts";
import type { OverlayFileSystem } from "./overlay_file_system.ts";

/**
 * A directory of the overlay: what was made, moved or linked here, over the entries of the lower
 * directory that were not removed. A name that is in both has a whiteout too.
 */
export class OverlayDir extends MemoryDir {
  declare readonly fs: OverlayFileSystem;
  private whiteouts: Set<string> | null = null;

  override lookup(ctx: VfsContext, name: string): Inode | number {
    const own = this.entries.get(name);
    if (own !== undefined) return own;
    const below = this.below;
    if (below === null || (this.whiteouts !== null && this.whiteouts.has(name))) return -ENOENT;
    const lower = below.lookup(ctx, name);
    return typeof lower === "number" ? lower : this.fs.wrap(lower);
  }

  override list(ctx: VfsContext): DirEntry[] | number {
    const list: DirEntry[] = [];
    const below = this.below;
    if (below !== null) {
      const lower = below.list(ctx);
      if (typeof lower === "number") return lower;
      const whiteouts = this.whiteouts;
      for (const e of lower) {
        if (whiteouts !== null && whiteouts.has(e.name)) continue;
        list.push(e);
      }
    }
    for (const [name, inode] of this.entries) {
      list.push(new DirEntry(name, inode.ino, direntType(inode.mode)));
    }
    return list;
  }

  override isEmpty(ctx: VfsContext): boolean | number {
    if (this.entries.size > 0) return false;
    const below = this.below;
    if (below === null) return true;
    const lower = below.list(ctx);
    if (typeof lower === "number") return lower;
    const whiteouts = this.whiteouts;
    if (whiteouts === null) return lower.length === 0;
    for (const e of lower) if (!whiteouts.has(e.name)) return false;
    return true;
  }

  protected override drop(ctx: VfsContext, name: string): void {
    // An entry of our own covers nothing, or there is a whiteout already.
    const own = this.entries.has(name);
    super.drop(ctx, name);
    if (own || this.below === null) return;
    if (this.whiteouts === null) this.whiteouts = new Set();
    this.whiteouts.add(name);
  }
}
