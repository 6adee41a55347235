import { Dentry } from "./dentry.ts";
import type { Inode } from "./inode.ts";
import type { Vfs } from "./vfs.ts";

/** What statfs(2) tells of a file system. */
export class StatFs {
  type = 0;
  blockSize = 4096;
  blocks = 0;
  free = 0;
  available = 0;
  files = 0;
  filesFree = 0;
  nameMax = 255;
}

/** One instance of a file system: a super block. Any number of mounts may show it. */
export abstract class FileSystem {
  readonly vfs: Vfs;
  /** The type as in /proc/filesystems. */
  readonly typeName: string;
  /** The magic number of statfs(2). */
  readonly magic: number;
  /** `st_dev` of its inodes. */
  readonly dev: number;
  /** Mounted read-only as a whole (the super block, not one mount). */
  readOnly: boolean;
  /** Number of mounts that show it; at zero {@link release} runs. */
  mountCount: number;
  /** Its directories and files have no names in a tree (pipes, sockets, anonymous inodes). */
  readonly anonymous: boolean;
  private nextIno: number;
  private rootName: Dentry | null;

  constructor(vfs: Vfs, typeName: string, magic: number, anonymous = false) {
    this.vfs = vfs;
    this.typeName = typeName;
    this.magic = magic;
    this.dev = vfs.allocateDev();
    this.readOnly = false;
    this.mountCount = 0;
    this.anonymous = anonymous;
    this.nextIno = 1;
    this.rootName = null;
  }

  /** The root directory. */
  abstract readonly root: Inode;

  /** The dentry of the root, shared by all mounts of this file system. */
  get rootDentry(): Dentry {
    if (this.rootName === null) {
      this.rootName = new Dentry("", null, this.root);
      this.rootName.hashed = true;
    }
    return this.rootName;
  }

  /** A new inode number. */
  allocateIno(): number {
    return this.nextIno++;
  }

  /** Fills `out` for statfs(2). */
  statfs(out: StatFs): number {
    out.type = this.magic;
    return 0;
  }

  /** The options of this super block as /proc/mounts shows them (`size=1024k,mode=755`). */
  showOptions(): string {
    return "";
  }

  /** Applies mount options on remount; `data` is a comma-separated list. */
  remount(_readOnly: boolean, _data: string): number {
    return 0;
  }

  /** Writes back what is dirty. */
  sync(): number {
    return 0;
  }

  /** The last mount is gone. */
  release(): void {}
}
