import { EINVAL, EISDIR, ENOENT } from "../../abi/errno.ts";
import { SEEK_CUR, SEEK_SET } from "../../abi/fcntl.ts";
import { DT_DIR } from "../../abi/stat.ts";
import type { VfsContext } from "./context.ts";
import { type DirSink, File } from "./file.ts";
import type { DirEntry, Inode } from "./inode.ts";
import type { Path } from "./path.ts";

/**
 * An open directory. The listing is taken when reading starts at offset 0 and kept until it starts
 * there again, so that offsets stay good while entries come and go: 0 is ".", 1 is "..", and 2 + i
 * the entry i of the listing.
 */
export class DirFile extends File {
  private entries: DirEntry[] | null;

  constructor(path: Path, flags: number, inode: Inode = path.inode) {
    super(path, flags, inode);
    this.entries = null;
  }

  override get seekable(): boolean {
    return true;
  }

  override get pollable(): boolean {
    return false;
  }

  override read(): number {
    return -EISDIR;
  }

  override write(): number {
    return -EISDIR;
  }

  override fsync(_t: VfsContext, dataOnly: boolean): number {
    return this.inode.sync(dataOnly);
  }

  override seek(_t: VfsContext, offset: number, whence: number): number {
    const pos = whence === SEEK_SET ? offset : whence === SEEK_CUR ? this.pos + offset : -1;
    if (pos < 0) return -EINVAL;
    this.pos = pos;
    return pos;
  }

  override readdir(t: VfsContext, sink: DirSink): number {
    const inode = this.inode;
    if (inode.nlink === 0 && !inode.dynamic) return -ENOENT;
    if (this.pos === 0 || this.entries === null) {
      const list = inode.list(t);
      if (typeof list === "number") return list;
      this.entries = list;
    }
    const entries = this.entries;
    if (this.pos === 0) {
      if (!sink.put(".", inode.ino, DT_DIR, 1)) return 0;
      this.pos = 1;
    }
    if (this.pos === 1) {
      const parent = this.path.dentry.parent?.inode ?? inode;
      if (!sink.put("..", parent.ino, DT_DIR, 2)) return 0;
      this.pos = 2;
    }
    while (this.pos - 2 < entries.length) {
      const e = entries[this.pos - 2];
      if (!sink.put(e.name, e.ino, e.type, this.pos + 1)) return 0;
      this.pos++;
    }
    return 0;
  }
}
