/** System calls that move bytes from one file to another inside the kernel. */

import {
  EAGAIN,
  EBADF,
  EFAULT,
  EFBIG,
  EINVAL,
  EISDIR,
  ERESTARTSYS,
  ESPIPE,
  EXDEV,
} from "../../abi/errno.ts";
import {
  O_APPEND,
  O_NONBLOCK,
  SPLICE_F_GIFT,
  SPLICE_F_MORE,
  SPLICE_F_MOVE,
  SPLICE_F_NONBLOCK,
} from "../../abi/fcntl.ts";
import { readI64, write64 } from "../../abi/int64.ts";
import { POLLOUT } from "../../abi/poll.ts";
import { PipeFile } from "../fs/pipe/pipe_file.ts";
import type { Task } from "../kernel/task.ts";
import { type IoBuffer, KernelIo, MAX_RW_COUNT } from "../mm/io_buffer.ts";
import { type File, MAX_OFFSET } from "../vfs/file.ts";
import { WAIT_READ, WAIT_WRITE } from "./rw.ts";

const CHUNK = 65536;
const SPLICE_FLAGS = SPLICE_F_MOVE | SPLICE_F_NONBLOCK | SPLICE_F_MORE | SPLICE_F_GIFT;

const buffer = new Uint8Array(CHUNK);
let inWindow: KernelIo | null = null;
let outWindow: KernelIo | null = null;

function windowIn(t: Task, length: number): KernelIo {
  if (inWindow === null) inWindow = new KernelIo(t.kernel.frames.memory);
  return inWindow.reset(buffer, 0, length);
}

function windowOut(t: Task, offset: number, length: number): KernelIo {
  if (outWindow === null) outWindow = new KernelIo(t.kernel.frames.memory);
  return outWindow.reset(buffer, offset, length);
}

/** An offset argument: where it stands in application memory (0: none), and its value. */
function readOffset(t: Task, address: number): number {
  if (t.copyIn(address, 8) !== 0) return -EFAULT;
  const n = readI64(t.view, 0);
  return n < 0 ? -EINVAL : n;
}

function writeOffset(t: Task, address: number, offset: number): number {
  write64(t.view, 0, offset);
  return t.copyOut(address, 8);
}

/** The last error that stopped {@link copy} before all was moved; 0 if none. */
let stopped = 0;
/** Which side {@link copy} would have to wait for, after -EAGAIN. */
let waitsForInput = false;

/**
 * Copies up to `count` bytes from `from` at `pos` to `to` at `outPos`, as far as it goes without
 * waiting. Bytes that the output does not take stay in the input, where it can keep them.
 */
function copy(
  t: Task,
  from: File,
  pos: number,
  to: File,
  outPos: number,
  count: number,
): number {
  let done = 0;
  stopped = 0;
  waitsForInput = false;
  while (done < count) {
    let want = Math.min(count - done, CHUNK);
    const source = from instanceof PipeFile ? from : null;
    let n: number;
    if (source !== null) {
      // Looked at only: it is taken out when the other side has it.
      const ring = source.pipe.ring;
      if (ring.length === 0) {
        n = source.pipe.writers === 0 ? 0 : -EAGAIN;
      } else {
        want = Math.min(want, ring.length);
        n = ring.peekTo(windowIn(t, want), 0, want);
      }
    } else {
      if (!from.seekable && to.queue !== null && (to.poll(t) & POLLOUT) === 0) {
        stopped = -EAGAIN;
        break;
      }
      // What has no position can't take bytes back that the pipe has no room for.
      if (!from.seekable && to instanceof PipeFile) want = Math.min(want, to.pipe.ring.space);
      n = from.read(t, windowIn(t, want), from.seekable ? pos + done : -1);
    }
    if (n <= 0) {
      stopped = n;
      waitsForInput = n === -EAGAIN;
      break;
    }
    const w = to.write(t, windowOut(t, 0, n), to.seekable ? outPos + done : -1);
    if (w <= 0) {
      stopped = w;
      break;
    }
    if (source !== null) source.read(t, windowIn(t, w), -1);
    done += w;
    if (w < n) {
      stopped = -EAGAIN;
      break;
    }
    // A source without an end gives what it has once.
    if (!from.seekable && n < want) break;
  }
  return done;
}

/** What the system call returns after {@link copy}: waits if nothing was moved yet. */
function finish(t: Task, from: File, to: File, done: number, nonblock: boolean): number {
  if (done > 0 || stopped !== -EAGAIN) return done > 0 ? done : stopped;
  const file = waitsForInput ? from : to;
  if (nonblock || (file.flags & O_NONBLOCK) !== 0 || file.queue === null) return -EAGAIN;
  t.waitOn(file.queue, waitsForInput ? WAIT_READ : WAIT_WRITE);
  return t.sleep(-ERESTARTSYS);
}

export function sys_sendfile(t: Task): number {
  const a = t.args;
  const from = t.files.get(a[1] | 0);
  if (from === null || !from.readable) return -EBADF;
  const to = t.files.get(a[0] | 0);
  if (to === null || !to.writable) return -EBADF;
  const address = a[2];
  let pos = from.pos;
  if (address !== 0) {
    if (!from.seekable) return -ESPIPE;
    pos = readOffset(t, address);
    if (pos < 0) return pos;
  }
  if (from.inode.isDir || from instanceof PipeFile && address !== 0) return -EINVAL;
  if ((to.flags & O_APPEND) !== 0) return -EINVAL;
  if (a[3] < 0) return -EINVAL;
  const count = Math.min(a[3], MAX_RW_COUNT) - t.block.progress;
  const done = copy(t, from, pos, to, to.pos, count);
  if (done > 0) {
    if (address !== 0) {
      const r = writeOffset(t, address, pos + done);
      if (r !== 0) return r;
    } else if (from.seekable) {
      from.pos = pos + done;
    }
    if (to.seekable) to.pos += done;
  }
  const total = t.block.progress + done;
  if (stopped === -EAGAIN && total > 0 && done < count) {
    const file = waitsForInput ? from : to;
    if ((file.flags & O_NONBLOCK) === 0 && file.queue !== null) {
      t.block.progress = total;
      t.waitOn(file.queue, waitsForInput ? WAIT_READ : WAIT_WRITE);
      return t.sleep(total);
    }
  }
  if (total > 0) return total;
  return finish(t, from, to, 0, false);
}

export function sys_copy_file_range(t: Task): number {
  const a = t.args;
  const from = t.files.get(a[0] | 0);
  const to = t.files.get(a[2] | 0);
  if (from === null || to === null || !from.readable || !to.writable) return -EBADF;
  if ((to.flags & O_APPEND) !== 0) return -EBADF;
  if (from.inode.isDir || to.inode.isDir) return -EISDIR;
  if (!from.inode.isRegular || !to.inode.isRegular || (a[5] | 0) !== 0) return -EINVAL;
  const pos = a[1] === 0 ? from.pos : readOffset(t, a[1]);
  if (pos < 0) return pos;
  const outPos = a[3] === 0 ? to.pos : readOffset(t, a[3]);
  if (outPos < 0) return outPos;
  if (a[4] < 0) return -EINVAL;
  let count = Math.min(a[4], MAX_RW_COUNT);
  if (pos + count > MAX_OFFSET || outPos + count > MAX_OFFSET) return -EFBIG;
  count = Math.min(count, Math.max(0, from.inode.size - pos));
  if (from.inode === to.inode && pos < outPos + count && outPos < pos + count) return -EINVAL;
  const done = copy(t, from, pos, to, outPos, count);
  if (done > 0) {
    if (a[1] === 0) from.pos = pos + done;
    else if (writeOffset(t, a[1], pos + done) !== 0) return -EFAULT;
    if (a[3] === 0) to.pos = outPos + done;
    else if (writeOffset(t, a[3], outPos + done) !== 0) return -EFAULT;
  }
  return done > 0 ? done : stopped === -EXDEV ? -EINVAL : stopped;
}

export function sys_splice(t: Task): number {
  const a = t.args;
  const flags = a[5] | 0;
  if (a[4] === 0) return 0;
  if ((flags & ~SPLICE_FLAGS) !== 0 || a[4] < 0) return -EINVAL;
  const from = t.files.get(a[0] | 0);
  const to = t.files.get(a[2] | 0);
  if (from === null || to === null || !from.readable || !to.writable) return -EBADF;
  const fromPipe = from instanceof PipeFile;
  const toPipe = to instanceof PipeFile;
  if (!fromPipe && !toPipe) return -EINVAL;
  if ((fromPipe && a[1] !== 0) || (toPipe && a[3] !== 0)) return -ESPIPE;
  if (fromPipe && toPipe && from.pipe === to.pipe) return -EINVAL;
  if (!toPipe && (to.flags & O_APPEND) !== 0) return -EINVAL;
  if ((a[1] !== 0 && !from.seekable) || (a[3] !== 0 && !to.seekable)) return -ESPIPE;
  if (from.inode.isDir || to.inode.isDir) return -EINVAL;
  const pos = a[1] === 0 ? from.pos : readOffset(t, a[1]);
  if (pos < 0) return pos;
  const outPos = a[3] === 0 ? to.pos : readOffset(t, a[3]);
  if (outPos < 0) return outPos;
  const count = Math.min(a[4], MAX_RW_COUNT);
  const done = copy(t, from, pos, to, outPos, count);
  if (done > 0) {
    if (a[1] !== 0) {
      if (writeOffset(t, a[1], pos + done) !== 0) return -EFAULT;
    } else if (from.seekable) from.pos = pos + done;
    if (a[3] !== 0) {
      if (writeOffset(t, a[3], outPos + done) !== 0) return -EFAULT;
    } else if (to.seekable) to.pos = outPos + done;
  }
  return finish(t, from, to, done, (flags & SPLICE_F_NONBLOCK) !== 0);
}

export function sys_tee(t: Task): number {
  const a = t.args;
  const flags = a[3] | 0;
  if ((flags & ~SPLICE_FLAGS) !== 0) return -EINVAL;
  if (a[2] === 0) return 0;
  const from = t.files.get(a[0] | 0);
  const to = t.files.get(a[1] | 0);
  if (from === null || to === null || !from.readable || !to.writable) return -EBADF;
  if (!(from instanceof PipeFile) || !(to instanceof PipeFile) || from.pipe === to.pipe) {
    return -EINVAL;
  }
  const ring = from.pipe.ring;
  let done = 0;
  stopped = 0;
  waitsForInput = false;
  const count = Math.min(a[2] < 0 ? MAX_RW_COUNT : a[2], ring.length);
  if (count === 0) {
    if (from.pipe.writers === 0) return 0;
    stopped = -EAGAIN;
    waitsForInput = true;
  }
  while (done < count) {
    const n = ring.peekTo(windowIn(t, CHUNK), done, Math.min(CHUNK, count - done));
    const w = to.write(t, windowOut(t, 0, n), -1);
    if (w <= 0) {
      stopped = w;
      break;
    }
    done += w;
    if (w < n) break;
  }
  return finish(t, from, to, done, (flags & SPLICE_F_NONBLOCK) !== 0);
}

export function sys_vmsplice(t: Task): number {
  const a = t.args;
  const flags = a[3] | 0;
  if ((flags & ~SPLICE_FLAGS) !== 0) return -EINVAL;
  const file = t.files.get(a[0] | 0);
  if (file === null) return -EBADF;
  if (!(file instanceof PipeFile)) return -EBADF;
  const r = t.io.resetIov(t.mm, a[1], a[2] | 0);
  if (r !== 0) return r;
  const io: IoBuffer = t.io;
  if (io.remaining === 0) return 0;
  const n = file.writable ? file.write(t, io, -1) : file.read(t, io, -1);
  if (n !== -EAGAIN) return n;
  stopped = -EAGAIN;
  waitsForInput = !file.writable;
  return finish(t, file, file, 0, (flags & SPLICE_F_NONBLOCK) !== 0);
}
