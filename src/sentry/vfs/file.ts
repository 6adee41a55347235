// hot: read and write go through these classes.

import {
  EBADF,
  EINVAL,
  ENODEV,
  ENOTDIR,
  ENOTTY,
  ENXIO,
  EOVERFLOW,
  ESPIPE,
} from "../../abi/errno.ts";
import {
  O_ACCMODE,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_WRONLY,
  SEEK_CUR,
  SEEK_DATA,
  SEEK_END,
  SEEK_HOLE,
  SEEK_SET,
} from "../../abi/fcntl.ts";
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../../abi/poll.ts";
import type { Task } from "../kernel/task.ts";
import type { Pid } from "../kernel/pid.ts";
import type { Waiter, WaitQueue } from "../kernel/wait.ts";
import type { IoBuffer } from "../mm/io_buffer.ts";
import type { VfsContext } from "./context.ts";
import type { Inode } from "./inode.ts";
import type { Path } from "./path.ts";

/** Whom F_SETOWN names for SIGIO. */
export class FileOwner {
  /** An F_OWNER_* number. */
  type: number;
  /** The id as it was given, and what it named then; null for nobody. */
  id: number;
  pid: Pid | null;
  /** Real and effective kernel uid of whoever named it: the signal is sent in their name. */
  uid: number;
  euid: number;
  /** F_SETSIG; 0 for SIGIO. */
  signal: number;
  /** Sends the signals while O_ASYNC is on, or null. */
  notice: Waiter | null;
  /** Watches a directory (F_NOTIFY), or null. */
  directory: { end(): void } | null;

  constructor(type: number) {
    this.type = type;
    this.id = 0;
    this.pid = null;
    this.uid = 0;
    this.euid = 0;
    this.signal = 0;
    this.notice = null;
    this.directory = null;
  }

  /** F_NOTIFY is over. */
  watchNothing(): void {
    const directory = this.directory;
    this.directory = null;
    if (directory !== null) directory.end();
  }

  /** Sends no more signals for readiness. */
  stop(): void {
    const notice = this.notice;
    this.notice = null;
    if (notice !== null && notice.queue !== null) notice.queue.remove(notice);
  }
}

/** Told when a description goes away: the interests of epoll(7). */
export interface FileWatcher {
  /** The next one of the same description. */
  nextWatcher: FileWatcher | null;
  fileReleased(): void;
}

/** Receives directory entries of getdents64(2). */
export interface DirSink {
  /** Returns false if the entry does not fit; it will be offered again by the next call. */
  put(name: string, ino: number, type: number, nextOffset: number): boolean;
}

/** The largest file offset. */
export const MAX_OFFSET = Number.MAX_SAFE_INTEGER;

/**
 * An open file description. Descriptors and mappings count as uses; the last one calls
 * {@link release}.
 */
export abstract class File {
  readonly path: Path;
  /** O_* flags without those that matter to open(2) only. */
  flags: number;
  pos: number;
  refs: number;
  readonly inode: Inode;
  owner: FileOwner | null;
  watchers: FileWatcher | null;
  readonly readable: boolean;
  readonly writable: boolean;

  constructor(path: Path, flags: number, inode: Inode = path.dentry.inode!) {
    this.path = path.get();
    this.flags = flags;
    this.pos = 0;
    this.refs = 1;
    this.inode = inode;
    this.owner = null;
    this.watchers = null;
    const mode = flags & O_ACCMODE;
    const real = (flags & O_PATH) === 0;
    this.readable = real && (mode === O_RDONLY || mode === 2);
    this.writable = real && (mode === O_WRONLY || mode === 2);
  }

  /** Has a position that pread(2) and lseek(2) may name. */
  get seekable(): boolean {
    return false;
  }

  /** Notified when readiness changes; null for what is always ready. */
  get queue(): WaitQueue | null {
    return null;
  }

  /** Nanoseconds after which a blocked read or write gives up (SO_RCVTIMEO, SO_SNDTIMEO). */
  timeout(_writing: boolean): number {
    return Infinity;
  }

  get nonblocking(): boolean {
    return (this.flags & O_NONBLOCK) !== 0;
  }

  ref(): this {
    this.refs++;
    return this;
  }

  /** Ends a use. The last one releases. */
  unref(): void {
    if (--this.refs === 0) {
      this.inode.locks?.dropFile(this);
      if (this.watchers !== null) this.dropWatchers();
      if (this.owner !== null) {
        this.owner.stop();
        this.owner.watchNothing();
      }
      this.release();
      this.path.put();
    }
  }

  private dropWatchers(): void {
    let w = this.watchers;
    this.watchers = null;
    while (w !== null) {
      const next: FileWatcher | null = w.nextWatcher;
      w.fileReleased();
      w = next;
    }
  }

  /** Takes one watcher out of {@link watchers}. */
  removeWatcher(watcher: FileWatcher): void {
    if (this.watchers === watcher) {
      this.watchers = watcher.nextWatcher;
      return;
    }
    for (let w = this.watchers; w !== null; w = w.nextWatcher) {
      if (w.nextWatcher === watcher) w.nextWatcher = watcher.nextWatcher;
    }
  }

  /** Lines that /proc/PID/fdinfo adds for this kind of file. */
  fdInfo(): string {
    return "";
  }

  /** The last use is gone. */
  release(): void {}

  /** One descriptor was closed (close(2)); returns what close returns. */
  flush(_t: VfsContext): number {
    return 0;
  }

  /**
   * Reads into `io`, at `pos` if the file is seekable. Returns bytes, 0 at the end, or -EAGAIN
   * when it would block: the system call waits on {@link queue}.
   */
  read(_t: Task, _io: IoBuffer, _pos: number): number {
    return -EINVAL;
  }

  /** Writes from `io`; the counterpart of {@link read}. */
  write(_t: Task, _io: IoBuffer, _pos: number): number {
    return -EINVAL;
  }

  /** Current readiness, as POLL* bits. */
  poll(_t: Task | null): number {
    return POLLIN | POLLOUT | POLLRDNORM | POLLWRNORM;
  }

  /** Whether epoll accepts it (regular files and directories do not poll). */
  get pollable(): boolean {
    return true;
  }

  ioctl(_t: Task, _cmd: number, _arg: number): number {
    return -ENOTTY;
  }

  seek(_t: VfsContext, _offset: number, _whence: number): number {
    return -ESPIPE;
  }

  readdir(_t: VfsContext, _sink: DirSink): number {
    return -ENOTDIR;
  }

  /** Checks that the file can be mapped; the pages come from `inode.pages`. */
  mmap(_t: Task, _prot: number, _flags: number): number {
    return this.inode.pages === null ? -ENODEV : 0;
  }

  fsync(_t: VfsContext, _dataOnly: boolean): number {
    return -EINVAL;
  }

  truncate(_t: VfsContext, _size: number): number {
    return -EINVAL;
  }

  fallocate(_t: VfsContext, _mode: number, _offset: number, _length: number): number {
    return -ESPIPE;
  }

  /** F_SETFL: takes the flags that may change; may refuse. */
  setFlags(_t: Task, flags: number): number {
    this.flags = flags;
    return 0;
  }
}

/** lseek(2) for what has a size; `dataEnd` is where data ends for files without holes. */
export function seekWithin(f: File, offset: number, whence: number, size: number): number {
  let pos: number;
  switch (whence) {
    case SEEK_SET:
      pos = offset;
      break;
    case SEEK_CUR:
      pos = f.pos + offset;
      break;
    case SEEK_END:
      pos = size + offset;
      break;
    case SEEK_DATA:
      if (offset < 0 || offset >= size) return -ENXIO;
      pos = offset;
      break;
    case SEEK_HOLE:
      if (offset < 0 || offset >= size) return -ENXIO;
      pos = size;
      break;
    default:
      return -EINVAL;
  }
  if (pos < 0) return -EINVAL;
  if (pos > MAX_OFFSET) return -EOVERFLOW;
  f.pos = pos;
  return pos;
}

/** What O_PATH opens: a place, nothing more. */
export class PathFile extends File {
  override read(): number {
    return -EBADF;
  }

  override write(): number {
    return -EBADF;
  }

  override ioctl(): number {
    return -EBADF;
  }

  override seek(): number {
    return -EBADF;
  }

  override readdir(): number {
    return -EBADF;
  }

  override mmap(): number {
    return -EBADF;
  }

  override fsync(): number {
    return -EBADF;
  }

  override truncate(): number {
    return -EBADF;
  }

  override fallocate(): number {
    return -EBADF;
  }
}
