/** /proc/PID/mem (proc_pid_mem(5)). */

import { EINVAL, EIO } from "../../../abi/errno.ts";
import { S_IFREG } from "../../../abi/stat.ts";
import type { Task } from "../../kernel/task.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { File, MAX_OFFSET, seekWithin } from "../../vfs/file.ts";
import type { FileSystem } from "../../vfs/file_system.ts";
import { Inode } from "../../vfs/inode.ts";
import type { Path } from "../../vfs/path.ts";
import { mayInspect, memoryOf } from "./task_access.ts";

const chunk = new Uint8Array(4096);

class MemFile extends File {
  private readonly task: Task;

  constructor(path: Path, flags: number, task: Task) {
    super(path, flags);
    this.task = task;
  }

  override get seekable(): boolean {
    return true;
  }

  override read(_t: Task, io: IoBuffer, pos: number): number {
    const mm = memoryOf(this.task);
    if (mm === null) return 0;
    let done = 0;
    while (io.remaining > 0) {
      const at = pos + done;
      const n = mm.copyInPartial(at, chunk, 0, Math.min(io.remaining, 4096 - at % 4096));
      if (n <= 0) return done > 0 ? done : -EIO;
      const r = io.put(chunk, 0, n);
      if (r < 0) return done > 0 ? done : r;
      done += r;
    }
    return done;
  }

  override write(_t: Task, io: IoBuffer, pos: number): number {
    const mm = memoryOf(this.task);
    if (mm === null) return 0;
    const memory = mm.frames.memory;
    let done = 0;
    while (io.remaining > 0) {
      const at = pos + done;
      const room = 4096 - at % 4096;
      // A debugger writes to code as well: the page becomes the task's own first.
      const offset = mm.forceWritable(at);
      if (offset < 0) return done > 0 ? done : -EIO;
      const n = io.take(chunk, 0, Math.min(io.remaining, room));
      if (n <= 0) return done > 0 ? done : n;
      memory.set(chunk.subarray(0, n), offset);
      done += n;
    }
    return done;
  }

  override seek(_t: VfsContext, offset: number, whence: number): number {
    return whence === 2 ? -EINVAL : seekWithin(this, offset, whence, MAX_OFFSET);
  }
}

/** The file that is a task's memory. */
export class MemInode extends Inode {
  private readonly task: Task;

  constructor(fs: FileSystem, task: Task) {
    super(fs, S_IFREG | 0o600, task.creds.euid, task.creds.egid);
    this.ino = fs.allocateIno();
    this.task = task;
    this.initTimes(fs.vfs.kernel.clock.realtime());
  }

  override open(ctx: VfsContext, flags: number, path: Path): File | number {
    const r = mayInspect(ctx, this.task);
    return r < 0 ? r : new MemFile(path, flags, this.task);
  }
}
