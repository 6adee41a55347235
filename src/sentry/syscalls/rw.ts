// hot: read(2) and write(2) are the most frequent system calls of all.

import {
  EAGAIN,
  EBADF,
  EFAULT,
  EINTR,
  EINVAL,
  EOPNOTSUPP,
  ERESTARTSYS,
  ESPIPE,
} from "../../abi/errno.ts";
import {
  O_APPEND,
  O_DSYNC,
  O_NONBLOCK,
  O_PATH,
  RWF_APPEND,
  RWF_DSYNC,
  RWF_HIPRI,
  RWF_NOAPPEND,
  RWF_NOWAIT,
  RWF_SYNC,
} from "../../abi/fcntl.ts";
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRNORM,
} from "../../abi/poll.ts";
import type { Task } from "../kernel/task.ts";
import type { UserIo } from "../mm/io_buffer.ts";
import type { File } from "../vfs/file.ts";

/** What wakes a reader, and a writer. */
export const WAIT_READ = POLLIN | POLLRDNORM | POLLERR | POLLHUP | POLLRDHUP;
export const WAIT_WRITE = POLLOUT | POLLWRNORM | POLLERR | POLLHUP;

/** A read of what has no position: waits until there is something. */
function readStream(t: Task, file: File, io: UserIo, nowait: boolean): number {
  const n = file.read(t, io, -1);
  if (n !== -EAGAIN || nowait || (file.flags & O_NONBLOCK) !== 0) return n;
  const queue = file.queue;
  if (queue === null) return n;
  const timeout = file.timeout(false);
  if (timeout === Infinity) {
    t.waitOn(queue, WAIT_READ);
    return t.sleep();
  }
  if (t.block.timedOut) return n;
  t.waitOn(queue, WAIT_READ);
  return t.sleepUntil(t.kernel.clock.monotonic() + timeout, -EINTR);
}

/**
 * A write to what has no position: waits until all is written. What a run of the system call has
 * written is counted in `block.progress`, and skipped by the next.
 */
function writeStream(t: Task, file: File, io: UserIo, nowait: boolean): number {
  let done = t.block.progress;
  if (done > 0) io.skip(done);
  let n: number;
  do {
    n = file.write(t, io, -1);
    if (n <= 0) break;
    done += n;
  } while (io.remaining > 0);
  if (n >= 0) return done;
  if (n !== -EAGAIN || nowait || (file.flags & O_NONBLOCK) !== 0) return done > 0 ? done : n;
  const queue = file.queue;
  if (queue === null) return done > 0 ? done : n;
  const timeout = file.timeout(true);
  if (timeout !== Infinity && t.block.timedOut) return done > 0 ? done : n;
  t.block.progress = done;
  t.waitOn(queue, WAIT_WRITE);
  if (timeout === Infinity) return t.sleep(done > 0 ? done : -ERESTARTSYS);
  return t.sleepUntil(t.kernel.clock.monotonic() + timeout, done > 0 ? done : -EINTR);
}

function readFile(t: Task, file: File, io: UserIo): number {
  if (!file.seekable) return readStream(t, file, io, false);
  const pos = file.pos;
  const n = file.read(t, io, pos);
  if (n > 0) file.pos = pos + n;
  return n;
}

function writeFile(t: Task, file: File, io: UserIo): number {
  if (!file.seekable) return writeStream(t, file, io, false);
  // One thread runs the kernel: nothing can come between taking the size and writing there.
  const pos = (file.flags & O_APPEND) !== 0 ? file.inode.size : file.pos;
  const n = file.write(t, io, pos);
  if (n > 0) file.pos = pos + n;
  return n;
}

export function sys_read(t: Task): number {
  const a = t.args;
  const file = t.files.get(a[0] | 0);
  if (file === null || !file.readable) return -EBADF;
  if (a[2] < 0) return -EFAULT;
  return readFile(t, file, t.io.reset(t.mm, a[1], a[2]));
}

export function sys_write(t: Task): number {
  const a = t.args;
  const file = t.files.get(a[0] | 0);
  if (file === null || !file.writable) return -EBADF;
  if (a[2] < 0) return -EFAULT;
  return writeFile(t, file, t.io.reset(t.mm, a[1], a[2]));
}

export function sys_readv(t: Task): number {
  const a = t.args;
  const file = t.files.get(a[0] | 0);
  if (file === null || !file.readable) return -EBADF;
  const r = t.io.resetIov(t.mm, a[1], a[2] | 0);
  return r !== 0 ? r : readFile(t, file, t.io);
}

export function sys_writev(t: Task): number {
  const a = t.args;
  const file = t.files.get(a[0] | 0);
  if (file === null || !file.writable) return -EBADF;
  const r = t.io.resetIov(t.mm, a[1], a[2] | 0);
  return r !== 0 ? r : writeFile(t, file, t.io);
}

export function sys_pread64(t: Task): number {
  const a = t.args;
  const pos = a[3];
  if (pos < 0) return -EINVAL;
  const file = t.files.get(a[0] | 0);
  if (file === null || (file.flags & O_PATH) !== 0) return -EBADF;
  if (!file.seekable) return -ESPIPE;
  if (!file.readable) return -EBADF;
  if (a[2] < 0) return -EFAULT;
  return file.read(t, t.io.reset(t.mm, a[1], a[2]), pos);
}

export function sys_pwrite64(t: Task): number {
  const a = t.args;
  const pos = a[3];
  if (pos < 0) return -EINVAL;
  const file = t.files.get(a[0] | 0);
  if (file === null || (file.flags & O_PATH) !== 0) return -EBADF;
  if (!file.seekable) return -ESPIPE;
  if (!file.writable) return -EBADF;
  if (a[2] < 0) return -EFAULT;
  // On Linux O_APPEND wins over the offset (pwrite(2), "BUGS").
  const at = (file.flags & O_APPEND) !== 0 ? file.inode.size : pos;
  return file.write(t, t.io.reset(t.mm, a[1], a[2]), at);
}

/** `pos` -1 means the position of the description, for the calls that take flags. */
function readAt(t: Task, pos: number, flags: number, usePosition: boolean): number {
  const a = t.args;
  const file = t.files.get(a[0] | 0);
  if (file === null || (file.flags & O_PATH) !== 0) return -EBADF;
  if (!usePosition && pos < 0) return -EINVAL;
  if (!usePosition && !file.seekable) return -ESPIPE;
  if (!file.readable) return -EBADF;
  if ((flags & ~(RWF_HIPRI | RWF_NOWAIT)) !== 0) return -EOPNOTSUPP;
  const r = t.io.resetIov(t.mm, a[1], a[2] | 0);
  if (r !== 0) return r;
  if (!usePosition) return file.read(t, t.io, pos);
  if (!file.seekable) return readStream(t, file, t.io, (flags & RWF_NOWAIT) !== 0);
  return readFile(t, file, t.io);
}

function writeAt(t: Task, pos: number, flags: number, usePosition: boolean): number {
  const a = t.args;
  const file = t.files.get(a[0] | 0);
  if (file === null || (file.flags & O_PATH) !== 0) return -EBADF;
  if (!usePosition && pos < 0) return -EINVAL;
  if (!usePosition && !file.seekable) return -ESPIPE;
  if (!file.writable) return -EBADF;
  const known = RWF_HIPRI | RWF_NOWAIT | RWF_SYNC | RWF_DSYNC | RWF_APPEND | RWF_NOAPPEND;
  if ((flags & ~known) !== 0) return -EOPNOTSUPP;
  if ((flags & RWF_APPEND) !== 0 && (flags & RWF_NOAPPEND) !== 0) return -EINVAL;
  const r = t.io.resetIov(t.mm, a[1], a[2] | 0);
  if (r !== 0) return r;
  if (!file.seekable) return writeStream(t, file, t.io, (flags & RWF_NOWAIT) !== 0);
  const append = (flags & RWF_APPEND) !== 0 ||
    ((file.flags & O_APPEND) !== 0 && (flags & RWF_NOAPPEND) === 0);
  const at = append ? file.inode.size : usePosition ? file.pos : pos;
  const n = file.write(t, t.io, at);
  if (n > 0) {
    if (usePosition) file.pos = at + n;
    if ((flags & (RWF_SYNC | RWF_DSYNC)) !== 0 && (file.flags & O_DSYNC) === 0) {
      file.fsync(t, (flags & RWF_SYNC) === 0);
    }
  }
  return n;
}

export function sys_preadv(t: Task): number {
  return readAt(t, t.args[3], 0, false);
}

export function sys_pwritev(t: Task): number {
  return writeAt(t, t.args[3], 0, false);
}

export function sys_preadv2(t: Task): number {
  return readAt(t, t.args[3], t.args[5] | 0, t.args[3] === -1);
}

export function sys_pwritev2(t: Task): number {
  return writeAt(t, t.args[3], t.args[5] | 0, t.args[3] === -1);
}

export function sys_lseek(t: Task): number {
  const a = t.args;
  const file = t.files.get(a[0] | 0);
  if (file === null || (file.flags & O_PATH) !== 0) return -EBADF;
  return file.seek(t, a[1], a[2] | 0);
}
