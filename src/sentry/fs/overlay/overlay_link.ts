import { S_IFLNK } from "../../../abi/stat.ts";
import type { VfsContext } from "../../vfs/context.ts";
import type { MemoryFileSystem } from "../tmpfs/memory_file_system.ts";
import { MemoryInode } from "../tmpfs/memory_inode.ts";

/** A symbolic link of the lower tree. */
export class OverlayLink extends MemoryInode {
  constructor(fs: MemoryFileSystem, uid: number, gid: number) {
    super(fs, S_IFLNK | 0o777, uid, gid);
  }

  override get blocks(): number {
    return this.below!.blocks;
  }

  override readlink(ctx: VfsContext): string | number {
    return this.below!.readlink(ctx);
  }
}
