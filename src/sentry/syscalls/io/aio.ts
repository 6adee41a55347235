/** Linux asynchronous I/O (io_setup(2), io_submit(2), io_getevents(2)). */

import { EAGAIN, EBADF, EFAULT, EINPROGRESS, EINTR, EINVAL, ENOMEM } from "../../../abi/errno.ts";
import { readI64, readU64, write64 } from "../../../abi/int64.ts";
import {
  IOCB_CMD_FDSYNC,
  IOCB_CMD_FSYNC,
  IOCB_CMD_NOOP,
  IOCB_CMD_POLL,
  IOCB_CMD_PREAD,
  IOCB_CMD_PREADV,
  IOCB_CMD_PWRITE,
  IOCB_CMD_PWRITEV,
  IOCB_FLAG_IOPRIO,
  IOCB_FLAG_RESFD,
} from "../../../abi/io_uring.ts";
import { MAP_ANONYMOUS, MAP_PRIVATE, PROT_READ, PROT_WRITE } from "../../../abi/mman.ts";
import { POLLIN } from "../../../abi/poll.ts";
import { EventFile } from "../../fs/eventfd/eventfd.ts";
import { AIO_MAX, aioUse } from "../../kernel/aio_use.ts";
import type { Task } from "../../kernel/task.ts";
import { restoreMask, setTemporaryMask } from "../../kernel/task_signals.ts";
import { BLOCKED, WaitQueue } from "../../kernel/wait.ts";
import type { BackgroundWork, MemoryManager } from "../../mm/memory_manager.ts";
import type { SyscallHandler } from "../handler.ts";
import {
  sys_pread64,
  sys_preadv2,
  sys_pwrite64,
  sys_pwritev2,
  sys_read,
  sys_write,
} from "../rw.ts";
import { sys_fdatasync, sys_fsync } from "../sync.ts";
import { readTimespec } from "../user_time.ts";
import { type BackgroundOwner, BackgroundTask, PINNED_FD, pollPinned } from "./background.ts";

const PAGE = 4096;
const IOCB_SIZE = 64;
const EVENT_SIZE = 32;

/** A request under way. */
class Request implements BackgroundOwner {
  task: BackgroundTask | null = null;

  constructor(
    readonly context: AioContext,
    /** The address of the iocb, by which io_cancel(2) finds it. */
    readonly address: number,
    readonly dataLow: number,
    readonly dataHigh: number,
    readonly eventFile: EventFile | null,
    readonly isPoll: boolean,
  ) {}

  ended(_task: BackgroundTask, result: number): void {
    this.context.complete(this, result);
  }
}

/** What a program can fetch. */
class Event {
  constructor(readonly request: Request, readonly result: number) {}
}

/** A context, as io_setup(2) makes it. Its id is the address of a page in the memory of the process. */
class AioContext implements BackgroundWork {
  readonly underWay: Set<Request> = new Set();
  readonly events: Event[] = [];
  readonly queue: WaitQueue = new WaitQueue();
  destroyed = false;

  constructor(readonly mm: MemoryManager, readonly address: number, readonly room: number) {}

  /** Requests that are under way or not fetched. */
  get used(): number {
    return this.underWay.size + this.events.length;
  }

  complete(request: Request, result: number): void {
    this.underWay.delete(request);
    this.events.push(new Event(request, result));
    if (request.eventFile !== null) {
      request.eventFile.signal();
      request.eventFile.unref();
    }
    this.queue.notify(POLLIN);
  }

  destroy(): void {
    if (this.destroyed) return;
    this.destroyed = true;
    aioUse.requests -= this.room;
    for (const request of this.underWay) {
      request.task?.abandon();
      request.eventFile?.unref();
    }
    this.underWay.clear();
    this.events.length = 0;
    this.mm.background?.delete(this);
    this.queue.notify(POLLIN);
  }

  memoryGone(): void {
    this.destroy();
  }
}

function contextOf(t: Task, id: number): AioContext | null {
  if (t.mm.background === null) return null;
  for (const work of t.mm.background) {
    if (work instanceof AioContext && work.address === id) return work;
  }
  return null;
}

/** io_setup(2). */
export function io_setup(t: Task): number {
  const room = t.args[0] >>> 0;
  const id = t.mm.readU64(t.args[1]);
  if (id < 0) return -EFAULT;
  if (id !== 0 || room === 0 || room > 0x10000000) return -EINVAL;
  if (aioUse.requests + room > AIO_MAX) return -EAGAIN;
  // The C library looks for a ring of events there and, as there is none, asks the kernel.
  const address = t.mm.mmap({
    addr: 0,
    length: PAGE,
    prot: PROT_READ | PROT_WRITE,
    flags: MAP_PRIVATE | MAP_ANONYMOUS,
    file: null,
    offset: 0,
    name: "/[aio] (deleted)",
  });
  if (address < 0) return -ENOMEM;
  if (t.mm.writeU64(t.args[1], address) !== 0) {
    t.mm.munmap(address, PAGE);
    return -EFAULT;
  }
  aioUse.requests += room;
  (t.mm.background ??= new Set()).add(new AioContext(t.mm, address, room));
  return 0;
}

/** io_destroy(2). */
export function io_destroy(t: Task): number {
  const context = contextOf(t, t.args[0]);
  if (context === null) return -EINVAL;
  context.destroy();
  t.mm.munmap(context.address, PAGE);
  return 0;
}

/** io_submit(2). */
export function io_submit(t: Task): number {
  const context = contextOf(t, t.args[0]);
  if (context === null) return -EINVAL;
  const count = t.args[1];
  if (count < 0) return -EINVAL;
  let done = 0;
  let error = 0;
  while (done < count) {
    const address = t.mm.readU64(t.args[2] + 8 * done);
    error = address < 0 ? -EFAULT : submitOne(t, context, address);
    if (error < 0) break;
    done++;
  }
  return done > 0 ? done : error;
}

const iocb = new Uint8Array(IOCB_SIZE);
const iocbView = new DataView(iocb.buffer);

function submitOne(t: Task, context: AioContext, address: number): number {
  if (t.mm.copyIn(address, iocb, 0, IOCB_SIZE) !== 0) return -EFAULT;
  const v = iocbView;
  const flags = v.getUint32(56, true);
  if (readU64(v, 48) !== 0 || (flags & ~(IOCB_FLAG_RESFD | IOCB_FLAG_IOPRIO)) !== 0) return -EINVAL;
  if (context.used >= context.room) return -EAGAIN;
  const file = t.files.get(v.getInt32(20, true));
  if (file === null) return -EBADF;
  const handler = handlerOf(v.getUint16(16, true));
  if (handler === null) return -EINVAL;
  let eventFile: EventFile | null = null;
  if ((flags & IOCB_FLAG_RESFD) !== 0) {
    const told = t.files.get(v.getInt32(60, true));
    if (told === null) return -EBADF;
    if (!(told instanceof EventFile)) return -EINVAL;
    eventFile = told;
  }
  const buffer = readU64(v, 24);
  const length = readI64(v, 32);
  const offset = readI64(v, 40);
  if (length < 0 || offset < 0) return -EINVAL;
  const reads = handler === sys_pread64 || handler === sys_preadv2;
  const writes = handler === sys_pwrite64 || handler === sys_pwritev2;
  if ((reads && !file.readable) || (writes && !file.writable)) return -EBADF;
  // The key, by which Linux knows an iocb of its own.
  if (t.mm.writeU32(address + 8, 0) !== 0) return -EFAULT;
  eventFile?.ref();
  const request = new Request(
    context,
    address,
    v.getUint32(0, true),
    v.getUint32(4, true),
    eventFile,
    handler === pollPinned,
  );
  context.underWay.add(request);
  const task = new BackgroundTask(t);
  task.prepare(t, t.creds, file.ref());
  request.task = task;
  const { args } = task;
  args[0] = PINNED_FD;
  args[1] = buffer;
  args[2] = length;
  // Streams have no position.
  args[3] = file.seekable ? offset : -1;
  args[4] = 0;
  args[5] = v.getInt32(12, true);
  if (!file.seekable && (reads || writes)) task.start(streamHandler(handler), request);
  else task.start(handler, request);
  return 0;
}

/** preadv2(2) and pwritev2(2) take a position of -1, the others have none. */
function streamHandler(handler: SyscallHandler): SyscallHandler {
  if (handler === sys_pread64) return sys_read;
  return handler === sys_pwrite64 ? sys_write : handler;
}

function handlerOf(command: number): SyscallHandler | null {
  switch (command) {
    case IOCB_CMD_PREAD:
      return sys_pread64;
    case IOCB_CMD_PWRITE:
      return sys_pwrite64;
    case IOCB_CMD_PREADV:
      return sys_preadv2;
    case IOCB_CMD_PWRITEV:
      return sys_pwritev2;
    case IOCB_CMD_FSYNC:
      return sys_fsync;
    case IOCB_CMD_FDSYNC:
      return sys_fdatasync;
    case IOCB_CMD_POLL:
      return pollPinned;
    case IOCB_CMD_NOOP:
    default:
      return null;
  }
}

/** io_cancel(2): Linux only cancels waits for readiness, and tells of them like of those that end by themselves. */
export function io_cancel(t: Task): number {
  const context = contextOf(t, t.args[0]);
  if (t.mm.readU32(t.args[1] + 8) < 0) return -EFAULT;
  if (context === null) return -EINVAL;
  for (const request of context.underWay) {
    if (request.address !== t.args[1] || !request.isPoll) continue;
    request.task?.abandon();
    context.complete(request, 0);
    return -EINPROGRESS;
  }
  return -EINVAL;
}

/** io_getevents(2). */
export function io_getevents(t: Task): number {
  return fetch(t);
}

/** io_pgetevents(2). */
export function io_pgetevents(t: Task): number {
  if (t.block.runs === 0 && t.args[5] !== 0) {
    if (t.copyIn(t.args[5], 16) !== 0) return -EFAULT;
    const set = readU64(t.view, 0);
    const size = readU64(t.view, 8);
    if (set !== 0) {
      if (size !== 8) return -EINVAL;
      if (t.copyIn(set, 8) !== 0) return -EFAULT;
      setTemporaryMask(t, t.view.getInt32(0, true), t.view.getInt32(4, true));
    }
  }
  const r = fetch(t);
  if (r !== BLOCKED && r !== -EINTR) restoreMask(t);
  return r;
}

function fetch(t: Task): number {
  const [id, least, most, address, timeout] = t.args;
  let deadline = t.block.deadline;
  if (t.block.runs === 0 && timeout !== 0) {
    const time = readTimespec(t, timeout);
    if (time < 0) return time;
    deadline = t.kernel.clock.monotonic() + time;
  }
  const context = t.block.runs > 0 ? t.block.data as AioContext : contextOf(t, id);
  if (context === null || context.destroyed || least < 0 || least > most) return -EINVAL;
  let count = t.block.progress;
  while (count < most && context.events.length > 0) {
    const { request, result } = context.events[0];
    const v = t.view;
    v.setUint32(0, request.dataLow, true);
    v.setUint32(4, request.dataHigh, true);
    write64(v, 8, request.address);
    write64(v, 16, result);
    write64(v, 24, 0);
    if (t.copyOut(address + EVENT_SIZE * count, EVENT_SIZE) !== 0) {
      return count > 0 ? count : -EFAULT;
    }
    context.events.shift();
    count++;
  }
  if (count >= least || t.block.timedOut || most === 0) return count;
  t.block.progress = count;
  t.block.data = context;
  t.waitOn(context.queue, POLLIN);
  return t.sleepUntil(deadline, count > 0 ? count : -EINTR);
}
