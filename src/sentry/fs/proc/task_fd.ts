/** fd/ and fdinfo/ of a task (proc_pid_fd(5)). */

import { ENOENT } from "../../../abi/errno.ts";
import { O_CLOEXEC, O_LARGEFILE, O_PATH } from "../../../abi/fcntl.ts";
import { DT_LNK, DT_REG } from "../../../abi/stat.ts";
import type { Task } from "../../kernel/task.ts";
import type { VfsContext } from "../../vfs/context.ts";
import type { File } from "../../vfs/file.ts";
import type { FileSystem } from "../../vfs/file_system.ts";
import { DirEntry, Inode } from "../../vfs/inode.ts";
import { type Path, pathName } from "../../vfs/path.ts";
import { KernelDir, ProcLink, ProcText } from "./proc_inode.ts";
import { mayInspect, memoryOf } from "./task_access.ts";

/** A number below 2^31 without signs or leading zeros, or -1. */
export function parseNumber(name: string): number {
  return /^(0|[1-9][0-9]{0,9})$/.test(name) ? Number(name) : -1;
}

/** A link to what a descriptor is open on. */
class FdLink extends ProcLink {
  readonly file: File;

  constructor(fs: FileSystem, task: Task, fd: number, file: File) {
    const check = (ctx: VfsContext): number => {
      const r = mayInspect(ctx, task);
      return r < 0 ? r : task.files.get(fd) === file ? 0 : -ENOENT;
    };
    const text = (ctx: VfsContext): string | number => {
      const r = check(ctx);
      return r < 0 ? r : pathName(file.path, ctx.fs.root);
    };
    const target = (ctx: VfsContext): Path | number => {
      const r = check(ctx);
      return r < 0 ? r : file.path;
    };
    const mode = (file.readable ? 0o500 : 0) | (file.writable ? 0o300 : 0);
    super(fs, text, target, task.creds.euid, task.creds.egid, mode);
    this.file = file;
    this.size = 64;
  }
}

/** A directory with an entry for each open descriptor. */
abstract class FdListDir extends KernelDir {
  protected readonly task: Task;

  constructor(fs: FileSystem, task: Task, mode: number) {
    super(fs, mode, task.creds.euid, task.creds.egid);
    this.task = task;
    this.dynamic = true;
  }

  /** The description of the descriptor that `name` names, or null. */
  protected find(name: string): File | null {
    const fd = parseNumber(name);
    return fd < 0 || memoryOf(this.task) === null ? null : this.task.files.get(fd);
  }

  override list(ctx: VfsContext): DirEntry[] | number {
    const r = mayInspect(ctx, this.task);
    if (r < 0) return r;
    const list: DirEntry[] = [];
    if (memoryOf(this.task) === null) return list;
    const files = this.task.files;
    for (let fd = files.nextOpen(0); fd >= 0; fd = files.nextOpen(fd + 1)) {
      list.push(new DirEntry(String(fd), this.ino + 1 + fd, this.entryType));
    }
    return list;
  }

  protected abstract readonly entryType: number;
}

/** /proc/PID/fd. */
export class FdDir extends FdListDir {
  protected override readonly entryType = DT_LNK;

  constructor(fs: FileSystem, task: Task) {
    super(fs, task, 0o500);
  }

  override lookup(ctx: VfsContext, name: string): Inode | number {
    const file = this.find(name);
    if (file === null) return -ENOENT;
    const r = mayInspect(ctx, this.task);
    return r < 0 ? r : new FdLink(this.fs, this.task, Number(name), file);
  }

  override revalidate(_ctx: VfsContext, name: string, child: Inode): boolean {
    return child instanceof FdLink && this.find(name) === child.file;
  }
}

/** Tells of one descriptor. */
class FdInfo extends ProcText {
  readonly file: File;

  constructor(fs: FileSystem, task: Task, fd: number, file: File) {
    super(
      fs,
      0o444,
      (ctx) => {
        const r = mayInspect(ctx, task);
        if (r < 0) return r;
        return task.files.get(fd) === file ? fdInfoText(task, fd, file) : -ENOENT;
      },
      null,
      task.creds.euid,
      task.creds.egid,
    );
    this.file = file;
  }
}

function fdInfoText(task: Task, fd: number, file: File): string {
  let flags = file.flags;
  if ((flags & O_PATH) === 0) flags |= O_LARGEFILE;
  if (task.files.getCloexec(fd)) flags |= O_CLOEXEC;
  return `pos:\t${file.pos}\nflags:\t0${
    flags.toString(8)
  }\nmnt_id:\t${file.path.mount.id}\nino:\t${file.inode.ino}\n${file.fdInfo()}`;
}

/** /proc/PID/fdinfo. */
export class FdInfoDir extends FdListDir {
  protected override readonly entryType = DT_REG;

  constructor(fs: FileSystem, task: Task) {
    super(fs, task, 0o555);
  }

  override lookup(_ctx: VfsContext, name: string): Inode | number {
    const file = this.find(name);
    return file === null ? -ENOENT : new FdInfo(this.fs, this.task, Number(name), file);
  }

  override revalidate(_ctx: VfsContext, name: string, child: Inode): boolean {
    return child instanceof FdInfo && this.find(name) === child.file;
  }
}
