import { S_IFLNK } from "../../../abi/stat.ts";
import type { VfsContext } from "../../vfs/context.ts";
import type { MemoryFileSystem } from "./memory_file_system.ts";
import { MemoryInode } from "./memory_inode.ts";

/** A symbolic link in memory. */
export class MemoryLink extends MemoryInode {
  private readonly target: string;

  constructor(fs: MemoryFileSystem, target: string, uid: number, gid: number) {
    super(fs, S_IFLNK | 0o777, uid, gid);
    this.target = target;
    this.size = target.length;
  }

  override get blocks(): number {
    return 0;
  }

  override readlink(_ctx: VfsContext): string {
    return this.target;
  }
}

/** A device node, fifo or socket in memory; the VFS knows how to open it. */
export class MemoryNode extends MemoryInode {
  constructor(fs: MemoryFileSystem, mode: number, uid: number, gid: number, rdev: number) {
    super(fs, mode, uid, gid);
    this.rdev = rdev;
  }

  override get blocks(): number {
    return 0;
  }
}
