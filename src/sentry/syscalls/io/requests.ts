/** The requests of an io_uring(7) that are under way: chains, time limits, cancelling. */
// hot: every submission passes here.

import {
  EAGAIN,
  EALREADY,
  EBADF,
  ECANCELED,
  EFAULT,
  EINVAL,
  ENOENT,
  ETIME,
} from "../../../abi/errno.ts";
import * as o from "../../../abi/io_uring.ts";
import { readI64 } from "../../../abi/int64.ts";
import type { Credentials } from "../../kernel/credentials.ts";
import type { Task } from "../../kernel/task.ts";
import { Timer } from "../../kernel/timers.ts";
import type { MemoryManager } from "../../mm/memory_manager.ts";
import type { File } from "../../vfs/file.ts";
import { type BackgroundOwner, BackgroundTask } from "./background.ts";
import {
  isCall,
  isKnown,
  isTransfer,
  needsFile,
  prepareCall,
  Submission,
  waitsFor,
} from "./operations.ts";
import type { RingFile } from "./ring.ts";
import { updateFiles } from "./registered_files.ts";

/** Requests of one ring that are under way at once. */
const MOST_REQUESTS = 4096;
/** Ended calls whose tasks are kept for the next. */
const MOST_IDLE = 64;
const KNOWN_FLAGS = o.IOSQE_FIXED_FILE | o.IOSQE_IO_DRAIN | o.IOSQE_IO_LINK |
  o.IOSQE_IO_HARDLINK | o.IOSQE_ASYNC | o.IOSQE_CQE_SKIP_SUCCESS;

/** A time limit of a ring. */
class RequestTimer extends Timer {
  constructor(readonly request: Request) {
    super();
  }

  override fire(): void {
    this.request.queue.expired(this.request);
  }
}

/** A request. */
export class Request implements BackgroundOwner {
  readonly submission: Submission;
  readonly mm: MemoryManager;
  readonly creds: Credentials;
  /** What is done when this has ended. */
  next: Request | null = null;
  task: BackgroundTask | null = null;
  timer: RequestTimer | null = null;
  /** TIMEOUT: completions after which it ends; Infinity for none. */
  until = Infinity;
  /** LINK_TIMEOUT: what it limits. And what is limited by it. */
  limits: Request | null = null;
  limit: Request | null = null;
  /** Periods of a repeated time limit. */
  period = 0;
  repeats = 0;
  /** It was not valid. */
  error = 0;
  /** Still within the call that submitted it. */
  atOnce = true;

  constructor(readonly queue: RequestQueue, t: Task, creds: Credentials, submission: Submission) {
    this.submission = submission;
    this.mm = t.mm;
    this.creds = creds;
  }

  ended(task: BackgroundTask, result: number): void {
    this.task = null;
    this.queue.callEnded(this, task, result);
  }

  get linked(): boolean {
    return (this.submission.flags & (o.IOSQE_IO_LINK | o.IOSQE_IO_HARDLINK)) !== 0;
  }
}

/** The requests of one ring. */
export class RequestQueue {
  readonly #ring: RingFile;
  readonly #active: Set<Request> = new Set();
  /** Those that wait until all before them have ended (IOSQE_IO_DRAIN), and what came after. */
  readonly #drained: [Request, Task][] = [];
  readonly #idle: BackgroundTask[] = [];
  /** Completions but those of time limits, for those that count them. */
  #completions = 0;
  /** The chain that is being put together. */
  #head: Request | null = null;
  #tail: Request | null = null;
  #broken = false;

  constructor(ring: RingFile) {
    this.#ring = ring;
  }

  /** Whether there is room for another. */
  get isFull(): boolean {
    return this.#active.size + this.#drained.length >= MOST_REQUESTS;
  }

  /** Takes a submission; false if it is not valid and stands alone, which ends the taking (IORING_SETUP_SUBMIT_ALL). */
  submit(t: Task, view: DataView): boolean {
    const s = new Submission().read(view);
    const creds = s.personality === 0 ? t.creds : this.#ring.personalities.get(s.personality);
    const request = new Request(this, t, creds ?? t.creds, s);
    const invalid = creds === undefined || !isKnown(s.opcode) || (s.flags & ~KNOWN_FLAGS) !== 0
      ? -EINVAL
      : this.isFull
      ? -EAGAIN
      : 0;
    request.error = invalid;
    if (invalid !== 0) this.#broken = true;
    if (this.#head === null) this.#head = request;
    else this.#tail!.next = request;
    this.#tail = request;
    const alone = this.#head === request && !request.linked;
    if (!request.linked) this.endChain(t);
    return request.error === 0 || !alone;
  }

  /** The chain is complete: it begins, or none of it is done. */
  endChain(t: Task): void {
    const head = this.#head;
    const broken = this.#broken;
    this.#head = null;
    this.#tail = null;
    this.#broken = false;
    if (head === null) return;
    if (broken) {
      for (let r: Request | null = head; r !== null; r = r.next) {
        this.#post(r, r.error !== 0 ? r.error : -ECANCELED);
      }
      return;
    }
    const drains = (head.submission.flags & o.IOSQE_IO_DRAIN) !== 0;
    if ((drains && this.#active.size > 0) || this.#drained.length > 0) {
      this.#drained.push([head, t]);
      return;
    }
    this.#begin(t, head);
  }

  #begin(t: Task, r: Request): void {
    const { submission: s } = r;
    this.#active.add(r);
    // A time limit right after a request limits that.
    const after = r.next;
    if (after !== null && after.submission.opcode === o.IORING_OP_LINK_TIMEOUT) {
      r.next = after.next;
      r.limit = after;
      after.limits = r;
      const error = this.#arm(t, after);
      if (error < 0) {
        r.limit = null;
        this.#end(after, error);
        this.#end(r, -ECANCELED);
        return;
      }
      this.#active.add(after);
    }
    if (isCall(s.opcode)) {
      this.#call(t, r);
      r.atOnce = false;
      return;
    }
    const result = this.#own(t, r);
    r.atOnce = false;
    if (result !== UNDER_WAY) this.#end(r, result);
  }

  #call(t: Task, r: Request): void {
    const { submission: s } = r;
    const ring = this.#ring;
    let file: File | null = null;
    if (needsFile(s.opcode)) {
      file = (s.flags & o.IOSQE_FIXED_FILE) !== 0 ? ring.files?.[s.fd] ?? null : t.files.get(s.fd);
      if (file === null) {
        this.#end(r, -EBADF);
        return;
      }
    } else if ((s.flags & o.IOSQE_FIXED_FILE) !== 0) {
      this.#end(r, s.opcode === o.IORING_OP_CLOSE ? -EINVAL : -EBADF);
      return;
    }
    if (s.opcode === o.IORING_OP_CLOSE && t.files.get(s.fd) === ring) {
      this.#end(r, -EBADF);
      return;
    }
    const task = this.#idle.pop() ?? new BackgroundTask(t);
    task.prepare(t, r.creds, file?.ref() ?? null);
    const handler = prepareCall(s, task.args, file, ring.buffers);
    if (typeof handler === "number") {
      task.abandon();
      this.#keep(task);
      this.#end(r, handler);
      return;
    }
    r.task = task;
    task.waitFor = waitsFor(s);
    task.start(handler, r);
  }

  #keep(task: BackgroundTask): void {
    if (this.#idle.length < MOST_IDLE) this.#idle.push(task);
  }

  /** The call of a request has returned. */
  callEnded(r: Request, task: BackgroundTask, result: number): void {
    const { submission: s } = r;
    const again = result >= 0 && this.#repeats(s) && !this.isFull;
    if (again) {
      this.#complete(r, result, o.IORING_CQE_F_MORE);
      this.#repeat(r, task, s);
      return;
    }
    this.#keep(task);
    this.#end(r, result);
  }

  #repeats(s: Submission): boolean {
    switch (s.opcode) {
      case o.IORING_OP_ACCEPT:
        return (s.ioprio & o.IORING_ACCEPT_MULTISHOT) !== 0;
      default:
        return false;
    }
  }

  #repeat(r: Request, task: BackgroundTask, s: Submission): void {
    // The description was let go at the end of the call; the listening socket is looked up by what it was found with.
    const file = (s.flags & o.IOSQE_FIXED_FILE) !== 0
      ? this.#ring.files?.[s.fd] ?? null
      : task.files.get(s.fd);
    if (file === null) {
      this.#keep(task);
      this.#end(r, -EBADF);
      return;
    }
    task.repin(file.ref());
    const handler = prepareCall(s, task.args, file, null);
    if (typeof handler === "number") {
      this.#end(r, handler);
      return;
    }
    r.task = task;
    r.atOnce = false;
    task.start(handler, r);
  }

  // What rings do by themselves.

  #own(t: Task, r: Request): number {
    const { submission: s } = r;
    switch (s.opcode) {
      case o.IORING_OP_NOP:
        return 0;
      case o.IORING_OP_TIMEOUT:
        return this.#timeout(t, r);
      case o.IORING_OP_TIMEOUT_REMOVE:
        return this.#changeTimeout(t, s);
      case o.IORING_OP_POLL_REMOVE:
        return this.#removePoll(s);
      case o.IORING_OP_ASYNC_CANCEL:
        return this.#cancelCall(r);
      case o.IORING_OP_FILES_UPDATE:
        return updateFiles(t, this.#ring, s.offset, s.address, s.length);
      default:
        // A time limit that follows nothing.
        return -EINVAL;
    }
  }

  #timeout(t: Task, r: Request): number {
    const { submission: s } = r;
    if (s.length !== 1 || s.bufferIndex !== 0) return -EINVAL;
    const error = this.#arm(t, r);
    if (error < 0) return error;
    if (s.offset > 0 && r.period === 0) r.until = this.#completions + s.offset;
    r.repeats = r.period > 0 ? s.offset : 0;
    return UNDER_WAY;
  }

  /** Starts the clock of a request whose address names a time. */
  #arm(t: Task, r: Request): number {
    const { submission: s } = r;
    const flags = s.opFlags;
    const known = o.IORING_TIMEOUT_ABS | o.IORING_TIMEOUT_BOOTTIME | o.IORING_TIMEOUT_REALTIME |
      o.IORING_TIMEOUT_ETIME_SUCCESS | o.IORING_TIMEOUT_MULTISHOT;
    if ((flags & ~known) !== 0) return -EINVAL;
    const multishot = (flags & o.IORING_TIMEOUT_MULTISHOT) !== 0;
    if (multishot && (flags & o.IORING_TIMEOUT_ABS) !== 0) return -EINVAL;
    const time = timeAt(t, s.address);
    if (time < 0) return time;
    if (multishot) r.period = Math.max(time, 1);
    const timer = new RequestTimer(r);
    timer.deadline = deadline(t, time, flags);
    r.timer = timer;
    t.kernel.timers.add(timer);
    return 0;
  }

  /** The time of a request is up. */
  expired(r: Request): void {
    const { submission: s } = r;
    if (r.limits !== null) {
      const limited = r.limits;
      limited.limit = null;
      r.limits = null;
      this.#cancel(limited);
      this.#end(r, -ETIME);
      return;
    }
    if (r.period > 0 && (r.repeats === 0 || --r.repeats > 0)) {
      this.#complete(r, -ETIME, o.IORING_CQE_F_MORE);
      r.timer!.deadline += r.period;
      this.#ring.kernel.timers.add(r.timer!);
      return;
    }
    const success = (s.opFlags & o.IORING_TIMEOUT_ETIME_SUCCESS) !== 0;
    this.#end(r, -ETIME, success);
  }

  #changeTimeout(t: Task, s: Submission): number {
    const flags = s.opFlags;
    const update = (flags & (o.IORING_TIMEOUT_UPDATE | o.IORING_LINK_TIMEOUT_UPDATE)) !== 0;
    const wanted = (flags & o.IORING_LINK_TIMEOUT_UPDATE) !== 0
      ? o.IORING_OP_LINK_TIMEOUT
      : o.IORING_OP_TIMEOUT;
    let time = 0;
    if (update) {
      time = timeAt(t, s.offset);
      if (time < 0) return time;
    } else if (flags !== 0) return -EINVAL;
    for (const r of this.#active) {
      if (r.submission.opcode !== wanted || !sameUser(r, s.address)) continue;
      if (r.timer === null) continue;
      if (!update) {
        this.#end(r, -ECANCELED);
        return 0;
      }
      t.kernel.timers.cancel(r.timer);
      r.timer.deadline = deadline(t, time, flags);
      t.kernel.timers.add(r.timer);
      return 0;
    }
    return -ENOENT;
  }

  #removePoll(s: Submission): number {
    for (const r of this.#active) {
      if (r.submission.opcode !== o.IORING_OP_POLL_ADD || !sameUser(r, s.address)) continue;
      return this.#cancel(r) ? 0 : -EALREADY;
    }
    return -ENOENT;
  }

  /** ASYNC_CANCEL. */
  #cancelCall(canceller: Request): number {
    const { submission: s } = canceller;
    const flags = s.opFlags;
    const any = (flags & o.IORING_ASYNC_CANCEL_ANY) !== 0;
    const all = any || (flags & o.IORING_ASYNC_CANCEL_ALL) !== 0;
    const byFile = (flags & (o.IORING_ASYNC_CANCEL_FD | o.IORING_ASYNC_CANCEL_FD_FIXED)) !== 0;
    let count = 0;
    for (const r of [...this.#active]) {
      if (r === canceller || r.limits !== null) continue;
      const matches = any ||
        (byFile ? r.submission.fd === s.fd && r.task !== null : sameUser(r, s.address));
      if (!matches || !this.#cancel(r)) continue;
      count++;
      if (!all) return 0;
    }
    if (all) return count;
    return -ENOENT;
  }

  /** Ends a request that waits; false if it has ended. */
  #cancel(r: Request): boolean {
    if (!this.#active.has(r)) return false;
    const { task } = r;
    r.task = null;
    if (task !== null) {
      task.abandon();
      this.#keep(task);
    }
    this.#end(r, -ECANCELED);
    return true;
  }

  // Ends.

  /** A request has ended: tells the program, and goes on with what follows. */
  #end(r: Request, result: number, success = result >= 0): void {
    this.#active.delete(r);
    if (r.timer !== null) {
      this.#ring.kernel.timers.cancel(r.timer);
      r.timer = null;
    }
    const { limit, next, submission: s } = r;
    r.next = null;
    this.#complete(r, result, 0);
    if (limit !== null) {
      r.limit = null;
      limit.limits = null;
      this.#end(limit, -ECANCELED);
    }
    if (next !== null) {
      const short = isTransfer(s.opcode) && result !== s.length;
      const fine = (success && !short) || (s.flags & o.IOSQE_IO_HARDLINK) !== 0;
      if (fine) this.#follow(r, next);
      else this.#cancelChain(next);
    }
    if (this.#drained.length > 0 && this.#active.size === 0) this.#continueDrained();
  }

  readonly #ready: [Request, Request][] = [];
  #following = false;

  /** Begins the next of a chain; long chains of what ends at once are a loop here, not a recursion. */
  #follow(before: Request, next: Request): void {
    this.#ready.push([before, next]);
    if (this.#following) return;
    this.#following = true;
    for (let step = this.#ready.shift(); step !== undefined; step = this.#ready.shift()) {
      const submitter = this.#submitters.get(step[0].mm);
      if (submitter === undefined) this.#cancelChain(step[1]);
      else this.#begin(submitter, step[1]);
    }
    this.#following = false;
  }

  #cancelChain(first: Request): void {
    for (let r: Request | null = first; r !== null; r = r.next) this.#post(r, -ECANCELED);
  }

  /** The tasks in whose name the later parts of chains are done. */
  readonly #submitters: Map<MemoryManager, Task> = new Map();

  /** Notes who submits. */
  submitter(t: Task): void {
    this.#submitters.set(t.mm, t);
  }

  #continueDrained(): void {
    while (this.#drained.length > 0) {
      const [head, t] = this.#drained[0];
      const drains = (head.submission.flags & o.IOSQE_IO_DRAIN) !== 0;
      if (drains && this.#active.size > 0) return;
      this.#drained.shift();
      this.#begin(t, head);
    }
  }

  #post(r: Request, result: number): void {
    const { submission: s } = r;
    this.#ring.complete(s.userLow, s.userHigh, result, 0, r.atOnce);
  }

  #complete(r: Request, result: number, flags: number): void {
    const { submission: s } = r;
    const quiet = (s.flags & o.IOSQE_CQE_SKIP_SUCCESS) !== 0 && result >= 0;
    if (!quiet) this.#ring.complete(s.userLow, s.userHigh, result, flags, r.atOnce);
    const isLimit = s.opcode === o.IORING_OP_TIMEOUT || s.opcode === o.IORING_OP_LINK_TIMEOUT;
    if (isLimit) return;
    const count = ++this.#completions;
    for (const other of this.#active) {
      if (other.until <= count) this.#end(other, 0);
    }
  }

  /** Ends all requests of a memory, or all (null), without a word. */
  abandon(mm: MemoryManager | null): void {
    for (const r of [...this.#active]) {
      if (mm !== null && r.mm !== mm) continue;
      this.#active.delete(r);
      if (r.timer !== null) this.#ring.kernel.timers.cancel(r.timer);
      r.timer = null;
      r.task?.abandon();
      r.task = null;
      r.next = null;
    }
    for (let i = this.#drained.length - 1; i >= 0; i--) {
      if (mm === null || this.#drained[i][0].mm === mm) this.#drained.splice(i, 1);
    }
    if (mm === null) this.#submitters.clear();
    else this.#submitters.delete(mm);
  }
}

/** A request that has not ended yet. */
const UNDER_WAY = 1 << 30;

/** Whether a request has this user data, which was told as the number that an address is. */
function sameUser(r: Request, user: number): boolean {
  const { userLow, userHigh } = r.submission;
  return (userLow >>> 0) + userHigh * 4294967296 === user;
}

/** Reads a time in nanoseconds, or gives a negative errno. */
function timeAt(t: Task, address: number): number {
  const bytes = new Uint8Array(16);
  if (t.mm.copyIn(address, bytes, 0, 16) !== 0) return -EFAULT;
  const view = new DataView(bytes.buffer);
  const seconds = readI64(view, 0);
  const nanoseconds = readI64(view, 8);
  if (seconds < 0 || nanoseconds < 0) return -EINVAL;
  return seconds * 1e9 + nanoseconds;
}

/** The monotonic time that a time means. */
function deadline(t: Task, time: number, flags: number): number {
  const { clock } = t.kernel;
  if ((flags & o.IORING_TIMEOUT_ABS) === 0) return clock.monotonic() + time;
  const realtime = (flags & o.IORING_TIMEOUT_REALTIME) !== 0;
  return realtime ? clock.monotonic() + (time - clock.realtime()) : time;
}
