/**
 * System calls that a program hands over and does not wait for (io_uring(7), io_submit(2)). Each has a task of its own
 * that is no thread: it runs the same handler as the call itself would, waits in the same queues, and is run again by
 * the run loop when something wakes it. Its owner is told the result.
 */

import { EAGAIN, EINTR, ERESTART_RESTARTBLOCK, ERESTARTSYS } from "../../../abi/errno.ts";
import type { Credentials } from "../../kernel/credentials.ts";
import { Task, TaskState, type Worker } from "../../kernel/task.ts";
import { BLOCKED } from "../../kernel/wait.ts";
import type { Context } from "../../platform/platform.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { FdTable } from "../../vfs/fd_table.ts";
import type { File } from "../../vfs/file.ts";
import type { SyscallHandler } from "../handler.ts";

/** The descriptor by which a handler finds the description that was looked up when the call was handed over. */
export const PINNED_FD = 0x7ffffff0;

/** The descriptors of whoever hands a call over, with the one description that it is about. */
class PinnedFiles extends FdTable {
  base: FdTable;
  pinned: File | null = null;

  constructor(base: FdTable) {
    super();
    this.base = base;
  }

  override get(fd: number): File | null {
    return fd === PINNED_FD ? this.pinned : this.base.get(fd);
  }

  override get size(): number {
    return this.base.size;
  }

  override install(file: File, cloexec: boolean, min?: number, limit?: number): number {
    return this.base.install(file, cloexec, min, limit);
  }

  override installAt(t: VfsContext, fd: number, file: File, cloexec: boolean): number {
    return this.base.installAt(t, fd, file, cloexec);
  }

  override close(t: VfsContext, fd: number): number {
    return this.base.close(t, fd);
  }

  override getCloexec(fd: number): boolean {
    return this.base.getCloexec(fd);
  }

  override setCloexec(fd: number, on: boolean): void {
    this.base.setCloexec(fd, on);
  }

  override nextOpen(from: number): number {
    return this.base.nextOpen(from);
  }
}

/** Told when a call has ended. */
export interface BackgroundOwner {
  ended(task: BackgroundTask, result: number): void;
}

/** One call. It can be used again when it has ended. */
export class BackgroundTask extends Task implements Worker {
  readonly #files: PinnedFiles;
  #handler: SyscallHandler | null = null;
  #owner: BackgroundOwner | null = null;
  /** Events to wait for when the call says EAGAIN; 0 lets it. */
  waitFor = 0;

  constructor(submitter: Task) {
    const files = new PinnedFiles(submitter.files);
    super({
      kernel: submitter.kernel,
      pid: submitter.pid,
      group: submitter.group,
      // There is no thread, so nothing that a handler of such a call may look at.
      ctx: { task: null } as unknown as Context,
      mm: submitter.mm,
      files,
      fs: submitter.fs,
      creds: submitter.creds,
      nsproxy: submitter.nsproxy,
      name: submitter.name,
      affinity: submitter.affinity,
    });
    this.#files = files;
    this.worker = this;
  }

  /** Takes over who the submitter is, and a use of the description that the call is about. */
  prepare(submitter: Task, creds: Credentials, file: File | null): void {
    this.group = submitter.group;
    this.pid = submitter.pid;
    this.tid = submitter.tid;
    this.mm = submitter.mm;
    this.fs = submitter.fs;
    this.creds = creds;
    this.nsproxy = submitter.nsproxy;
    this.#files.base = submitter.files;
    this.#files.pinned = file;
  }

  /** Takes over a use of the description that the next call is about. */
  repin(file: File): void {
    this.#files.pinned = file;
  }

  /** The description that the call is about. */
  get file(): File | null {
    return this.#files.pinned;
  }

  /** Makes the call, whose arguments are in `args`. */
  start(handler: SyscallHandler, owner: BackgroundOwner): void {
    this.#handler = handler;
    this.#owner = owner;
    this.proceed();
  }

  proceed(): void {
    const handler = this.#handler;
    if (handler === null) return;
    this.state = TaskState.Kernel;
    let r = handler(this);
    if (r === BLOCKED) return;
    if (r === -EAGAIN && this.waitFor !== 0 && this.#waitForFile()) return;
    // Nothing interrupts it, but handlers may say so of their own.
    if (r <= -ERESTARTSYS && r >= -ERESTART_RESTARTBLOCK) r = -EINTR;
    this.#end(r);
  }

  /** A call on a description that does not block: waits for it here, as rings do since they poll. */
  #waitForFile(): boolean {
    const queue = this.file?.queue ?? null;
    if (queue === null) return false;
    this.waitOn(queue, this.waitFor);
    this.sleep();
    return true;
  }

  #end(result: number): void {
    const owner = this.#owner!;
    this.#finish();
    owner.ended(this, result);
  }

  #finish(): void {
    this.cancelWait();
    this.#handler = null;
    this.#owner = null;
    this.state = TaskState.Kernel;
    this.block.reset();
    this.signalPending = false;
    const file = this.#files.pinned;
    this.#files.pinned = null;
    if (file !== null) file.unref();
  }

  /** Ends a call that waits; its owner is not told. */
  abandon(): void {
    this.#finish();
  }
}

/** Waits until the pinned description is ready for the poll(2) events in argument 1; the ready ones. */
export function pollPinned(t: Task): number {
  const file = t.files.get(PINNED_FD)!;
  const wanted = t.args[1] | POLL_ALWAYS;
  const ready = file.poll(t) & wanted;
  if (ready !== 0 || file.queue === null) return ready;
  t.waitOn(file.queue, wanted);
  return t.sleep();
}

/** POLLERR and POLLHUP. */
const POLL_ALWAYS = 0x18;
