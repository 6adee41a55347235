// hot: reads and writes of files.

import { EBADF, EFBIG, EINVAL, ENXIO } from "../../abi/errno.ts";
import { IN_ACCESS, IN_CLOSE_NOWRITE, IN_CLOSE_WRITE, IN_MODIFY } from "../../abi/eventfd.ts";
import { O_DSYNC, O_NOATIME, SEEK_DATA, SEEK_HOLE } from "../../abi/fcntl.ts";
import { MS_NOATIME } from "../../abi/mount.ts";
import { RLIMIT_FSIZE } from "../../abi/resource.ts";
import { SIGXFSZ } from "../../abi/signals.ts";
import type { Task } from "../kernel/task.ts";
import { SigInfo } from "../kernel/signal_set.ts";
import { sendToTask } from "../kernel/task_signals.ts";
import type { IoBuffer } from "../mm/io_buffer.ts";
import { dropPrivileges, truncateInode } from "./attributes.ts";
import type { VfsContext } from "./context.ts";
import { File, MAX_OFFSET, seekWithin } from "./file.ts";
import type { Inode } from "./inode.ts";
import { notifyDentry, watching } from "./notify.ts";
import type { Path } from "./path.ts";

/** An open regular file. Its content is reached by `readAt` and `writeAt` of the inode. */
export class RegularFile extends File {
  private readonly noAtime: boolean;

  constructor(path: Path, flags: number, inode: Inode) {
    super(path, flags, inode);
    if (this.writable) inode.writers++;
    this.noAtime = (flags & O_NOATIME) !== 0 || (path.mount.flags & MS_NOATIME) !== 0 ||
      path.mount.readOnly;
  }

  override get seekable(): boolean {
    return true;
  }

  override get pollable(): boolean {
    return false;
  }

  override read(t: Task, io: IoBuffer, pos: number): number {
    const inode = this.inode;
    const n = inode.readAt(t, io, pos, io.remaining);
    if (!this.noAtime && inode.accessIsStale) inode.touchAccessed(t.kernel.clock.realtime());
    if (n > 0 && watching > 0) notifyDentry(this.path.dentry, IN_ACCESS);
    return n;
  }

  override write(t: Task, io: IoBuffer, pos: number): number {
    const inode = this.inode;
    let length = io.remaining;
    if (length === 0) return 0;
    const limit = t.group.rlimits.soft[RLIMIT_FSIZE];
    if (pos + length > limit) {
      if (pos >= limit) {
        sendToTask(t, SigInfo.kernel(SIGXFSZ));
        return -EFBIG;
      }
      length = limit - pos;
    }
    if (pos + length > MAX_OFFSET) return -EFBIG;
    dropPrivileges(t, inode);
    const n = inode.writeAt(t, io, pos, length);
    if (n > 0) {
      if ((this.flags & O_DSYNC) !== 0) inode.sync(true);
      if (watching > 0) notifyDentry(this.path.dentry, IN_MODIFY);
    }
    return n;
  }

  override seek(t: VfsContext, offset: number, whence: number): number {
    const inode = this.inode;
    if (whence === SEEK_DATA || whence === SEEK_HOLE) {
      if (offset < 0 || offset >= inode.size) return -ENXIO;
      const at = inode.seekData(t, offset, whence === SEEK_DATA);
      if (at >= 0) this.pos = at;
      return at;
    }
    return seekWithin(this, offset, whence, inode.size);
  }

  override fsync(_t: VfsContext, dataOnly: boolean): number {
    return this.inode.sync(dataOnly);
  }

  override truncate(t: VfsContext, size: number): number {
    if (!this.writable) return -EINVAL;
    return truncateInode(t, this.path.dentry, this.inode, size);
  }

  override fallocate(t: VfsContext, mode: number, offset: number, length: number): number {
    if (!this.writable) return -EBADF;
    dropPrivileges(t, this.inode);
    const r = this.inode.fallocate(t, mode, offset, length);
    if (r === 0) notifyDentry(this.path.dentry, IN_MODIFY);
    return r;
  }

  override release(): void {
    if (this.writable) this.inode.writers--;
    if (watching > 0) {
      notifyDentry(this.path.dentry, this.writable ? IN_CLOSE_WRITE : IN_CLOSE_NOWRITE);
    }
    this.inode.closed(this.writable);
  }
}
