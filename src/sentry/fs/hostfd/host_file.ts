import * as libc from "../../../../ffi/libc.ts";
import { EAGAIN, EINVAL, ENOTTY, EPIPE, ESPIPE } from "../../../abi/errno.ts";
import { F_GETFL, O_ACCMODE, O_APPEND } from "../../../abi/fcntl.ts";
import * as IO from "../../../abi/ioctl.ts";
import { readI64 } from "../../../abi/int64.ts";
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../../../abi/poll.ts";
import { S_IFCHR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK } from "../../../abi/stat.ts";
import { type HostPoller, HostWatch } from "../../kernel/host_poller.ts";
import type { Task } from "../../kernel/task.ts";
import { WaitQueue } from "../../kernel/wait.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import { AnonInode } from "../../vfs/anon.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { File } from "../../vfs/file.ts";
import type { Path } from "../../vfs/path.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { raiseSigpipe } from "../pipe/pipe_file.ts";
import { HostStream } from "./host_stream.ts";

const STAT_SIZE = 144;
const CHUNK = 65536;
const buffer = new Uint8Array(CHUNK);
const stat = new Uint8Array(STAT_SIZE);
const statView = new DataView(stat.buffer);

/** Descriptions with output that the host has not taken; see {@link drainHostOutput}. */
const undrained: Set<HostFile> = new Set();

/** The inode of an inherited descriptor: what fstat(2) of the host says, but for names and owners. */
export class HostFdInode extends AnonInode {
  private readonly poller: HostPoller;
  private readonly fd: number;
  private readonly owned: boolean;
  private users: number;

  constructor(vfs: Vfs, poller: HostPoller, mode: number, fd: number, owned: boolean) {
    super(vfs.anon.anon, mode);
    this.poller = poller;
    this.owned = owned;
    this.users = 0;
    this.fd = fd;
    libc.fstat(fd, stat);
    this.rdev = readI64(statView, 40);
    this.copyTimes();
    if ((mode & S_IFMT) === S_IFREG) {
      // The file may grow by what others do with it, so that its size is asked for each time.
      Object.defineProperty(this, "size", {
        get: () => libc.fstat(fd, stat) === 0 ? readI64(statView, 48) : 0,
        set: () => {},
      });
    }
  }

  /** Opened again by way of /proc/PID/fd (as /dev/stdout does): another use of the same thing. */
  override open(_ctx: VfsContext, flags: number, path: Path): File | number {
    return new HostFile(this.fs.vfs, this.poller, this.fd, path, flags);
  }

  /** One more description of the descriptor. */
  use(): void {
    this.users++;
  }

  /** One less; a descriptor that was handed over is closed with the last one. */
  unuse(): void {
    if (--this.users === 0 && this.owned) libc.close(this.fd);
  }

  override truncate(_ctx: VfsContext, size: number): number {
    return libc.ftruncate(this.fd, size);
  }

  private copyTimes(): void {
    this.atimeSec = readI64(statView, 72);
    this.atimeNsec = readI64(statView, 80);
    this.mtimeSec = readI64(statView, 88);
    this.mtimeNsec = readI64(statView, 96);
    this.ctimeSec = readI64(statView, 104);
    this.ctimeNsec = readI64(statView, 112);
  }
}

class FileWatch extends HostWatch {
  private readonly file: HostFile;

  constructor(fd: number, file: HostFile) {
    super(fd, 0);
    this.file = file;
  }

  override onReady(mask: number): void {
    this.file.hostReady(mask);
  }
}

/** A descriptor that the sandbox was started with: standard input, output or error. */
export class HostFile extends File {
  private readonly stream: HostStream;
  private readonly poller: HostPoller;
  private readonly watch: FileWatch;
  private readonly waiters: WaitQueue;
  private readonly regular: boolean;
  /** Output that was taken from the application, but not yet by the host. */
  private pending: Uint8Array | null;
  private released: boolean;

  /** Wraps the host's `fd`, which stays open unless it is `owned`. */
  constructor(
    vfs: Vfs,
    poller: HostPoller,
    fd: number,
    path: Path | null = null,
    given = 0,
    owned = false,
  ) {
    const flags = path === null ? Math.max(libc.fcntl(fd, F_GETFL, null), 0) : given;
    const stream = new HostStream(fd, flags & O_ACCMODE);
    super(
      path ?? hostPath(vfs, poller, fd, stream.mode, owned),
      flags & (path === null ? O_ACCMODE | O_APPEND : ~0),
    );
    this.stream = stream;
    this.poller = poller;
    this.watch = new FileWatch(stream.fd, this);
    this.waiters = new WaitQueue();
    this.regular = !stream.watchable && (stream.mode & S_IFMT) === S_IFREG;
    this.pending = null;
    this.released = false;
    (this.inode as HostFdInode).use();
    if (this.regular) {
      // The position is the host's: the shell that started the sandbox shares it.
      Object.defineProperty(this, "pos", {
        get: () => libc.lseek(fd, 0, 1),
        set: (value: number) => libc.lseek(fd, value, 0),
      });
    }
  }

  override get queue(): WaitQueue | null {
    return this.stream.watchable ? this.waiters : null;
  }

  override get seekable(): boolean {
    return this.regular;
  }

  override get pollable(): boolean {
    return this.stream.watchable;
  }

  override read(_t: Task, io: IoBuffer, pos: number): number {
    const want = Math.min(io.remaining, CHUNK);
    const n = pos >= 0
      ? libc.pread(this.stream.fd, buffer, want, pos)
      : this.stream.read(buffer, want);
    if (n === -EAGAIN) this.arm(POLLIN);
    return n <= 0 ? n : io.put(buffer, 0, n);
  }

  override write(t: Task, io: IoBuffer, pos: number): number {
    if (this.pending !== null && !this.flushPending()) return -EAGAIN;
    // Asked before bytes are taken, so that a full pipe leaves them where they are.
    if (this.stream.watchable && this.stream.poll(POLLOUT) === 0) {
      this.arm(POLLOUT);
      return -EAGAIN;
    }
    const taken = io.take(buffer, 0, Math.min(io.remaining, CHUNK));
    if (taken <= 0) return taken;
    const n = pos >= 0
      ? libc.pwrite(this.stream.fd, buffer, taken, pos)
      : this.stream.write(buffer, taken);
    if (n === -EPIPE) raiseSigpipe(t);
    if (n < 0 && n !== -EAGAIN) return n;
    const written = Math.max(n, 0);
    if (written < taken) {
      if (pos >= 0) return written;
      this.pending = buffer.slice(written, taken);
      undrained.add(this);
      this.arm(POLLOUT);
    }
    return taken;
  }

  /** Offers the pending output to the host; whether none is left. */
  private flushPending(): boolean {
    while (this.pending !== null) {
      const n = this.stream.write(this.pending, this.pending.length);
      if (n === -EAGAIN) {
        this.arm(POLLOUT);
        return false;
      }
      if (n < 0 || n === this.pending.length) this.pending = null;
      else this.pending = this.pending.subarray(n);
    }
    undrained.delete(this);
    if (this.released) this.close();
    return true;
  }

  /** Waits until the host has taken all output; the sandbox is ending. */
  drain(): void {
    while (!this.flushPending()) {
      if (!this.stream.waitWritable()) return;
    }
  }

  /** Asks to be told of events that have not happened. */
  private arm(mask: number): void {
    const watch = this.watch;
    if (watch.key !== 0 && (watch.mask & mask) === mask) return;
    watch.mask |= mask;
    this.poller.rearm(watch);
  }

  /** The host says that something happened; the watch is spent. */
  hostReady(mask: number): void {
    const watch = this.watch;
    const left = watch.mask & ~mask;
    watch.mask = 0;
    if (this.pending !== null && (mask & (POLLOUT | POLLERR | POLLHUP)) !== 0) this.flushPending();
    if (left !== 0 && (mask & (POLLERR | POLLHUP)) === 0) this.arm(left);
    if (watch.mask === 0) this.poller.remove(watch);
    let events = mask;
    if (mask & POLLIN) events |= POLLRDNORM;
    if (mask & POLLOUT) events |= POLLWRNORM;
    this.waiters.notify(events);
  }

  override poll(_t: Task | null): number {
    if (!this.stream.watchable) return super.poll(null);
    const wanted = (this.readable ? POLLIN : 0) | (this.writable ? POLLOUT : 0);
    let mask = this.stream.poll(wanted);
    if (this.pending !== null) mask &= ~POLLOUT;
    const missing = wanted & ~mask;
    if (missing !== 0 && (mask & (POLLERR | POLLHUP)) === 0) this.arm(missing);
    if (mask & POLLIN) mask |= POLLRDNORM;
    if (mask & POLLOUT) mask |= POLLWRNORM;
    return mask;
  }

  override seek(_t: VfsContext, offset: number, whence: number): number {
    return this.regular ? libc.lseek(this.stream.fd, offset, whence) : -ESPIPE;
  }

  override fsync(_t: VfsContext, dataOnly: boolean): number {
    if (!this.regular) return -EINVAL;
    return dataOnly ? libc.fdatasync(this.stream.fd) : libc.fsync(this.stream.fd);
  }

  override truncate(_t: VfsContext, size: number): number {
    return this.regular && this.writable ? libc.ftruncate(this.stream.fd, size) : -EINVAL;
  }

  /** A terminal of the host shows its modes and size, and lets the modes be set. */
  override ioctl(t: Task, cmd: number, arg: number): number {
    const size = (this.stream.mode & S_IFMT) === S_IFCHR ? TERMINAL_REQUESTS.get(cmd) : undefined;
    if (size === undefined) {
      if (cmd !== IO.FIONREAD || this.regular) return -ENOTTY;
      const r = libc.ioctl(this.stream.fd, cmd, t.scratch);
      return r < 0 ? r : t.copyOut(arg, 4);
    }
    const writes = (cmd === IO.TCSETS) || cmd === IO.TCSETSW || cmd === IO.TCSETSF;
    if (writes) {
      const r = t.copyIn(arg, size);
      return r < 0 ? r : libc.ioctl(this.stream.fd, cmd, t.scratch);
    }
    const r = libc.ioctl(this.stream.fd, cmd, t.scratch);
    return r < 0 ? r : t.copyOut(arg, size);
  }

  override setFlags(_t: Task, flags: number): number {
    // O_APPEND is the host description's own.
    this.flags = (flags & ~O_APPEND) | (this.flags & O_APPEND);
    return 0;
  }

  override release(): void {
    this.released = true;
    if (this.pending === null) this.close();
  }

  private close(): void {
    this.poller.remove(this.watch);
    this.stream.close(false);
    (this.inode as HostFdInode).unuse();
  }
}

function hostPath(vfs: Vfs, poller: HostPoller, fd: number, mode: number, owned: boolean): Path {
  const inode = new HostFdInode(vfs, poller, mode, fd, owned);
  return vfs.anon.anon.path(`${labelOf(mode)}:[${inode.ino}]`, inode);
}

function labelOf(mode: number): string {
  switch (mode & S_IFMT) {
    case S_IFIFO:
      return "pipe";
    case S_IFSOCK:
      return "socket";
    default:
      return "host";
  }
}

/** Bytes that each terminal request moves. */
const TERMINAL_REQUESTS: ReadonlyMap<number, number> = new Map([
  [IO.TCGETS, 36],
  [IO.TCSETS, 36],
  [IO.TCSETSW, 36],
  [IO.TCSETSF, 36],
  [IO.TIOCGWINSZ, 8],
]);

/** Waits until the host has taken what the application wrote to inherited descriptors. */
export function drainHostOutput(): void {
  for (const file of [...undrained]) file.drain();
}
