/** Programs that answer the system calls of others (seccomp_unotify(2)). */

import {
  EBADF,
  EFAULT,
  EINPROGRESS,
  EINVAL,
  ENOENT,
  ENOSYS,
  ERESTARTSYS,
} from "../../abi/errno.ts";
import { O_CLOEXEC, O_RDWR } from "../../abi/fcntl.ts";
import { POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../../abi/poll.ts";
import * as P from "../../abi/prctl.ts";
import { RLIMIT_NOFILE } from "../../abi/resource.ts";
import { anonPath } from "../vfs/anon.ts";
import { File } from "../vfs/file.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { SECCOMP_PASS, type Task } from "./task.ts";
import { BLOCKED, NO_RETURN, WaitQueue } from "./wait.ts";

// ioctls of SECCOMP_IOC_MAGIC (include/uapi/linux/seccomp.h).
const NOTIF_RECV = 0xc0502100;
const NOTIF_SEND = 0xc0182101;
const NOTIF_ID_VALID = 0x40082102;
/** It was declared in the wrong direction at first. */
const NOTIF_ID_VALID_OLD = 0x80082102;
const NOTIF_ADDFD = 0x40182103;
/** Sizes of struct seccomp_notif, seccomp_notif_resp and seccomp_notif_addfd. */
const NOTIF_SIZE = 80;
const RESPONSE_SIZE = 24;
const ADDFD_SIZE = 24;
const MAX_ERRNO = 4095;

const enum State {
  /** Nobody has read of it yet. */
  New,
  /** The listener knows of it. */
  Sent,
  Replied,
}

/** A system call that waits for its answer. */
class Notification {
  readonly id: number;
  readonly task: Task;
  /** struct seccomp_data. */
  readonly data: Uint8Array;
  readonly queue: WaitQueue = new WaitQueue();
  state: State = State.New;
  value = 0;
  error = 0;
  goesOn = false;

  constructor(id: number, task: Task, data: Uint8Array) {
    this.id = id;
    this.task = task;
    this.data = data;
  }
}

/** The descriptor by which system calls are read and answered. */
export class SeccompListener extends File {
  readonly #waiters: WaitQueue = new WaitQueue();
  readonly #waiting: Notification[] = [];
  #lastId = 0;
  #closed = false;
  /** How many tasks have the filter. */
  #users = 0;

  /** Whether only what ends a task interrupts it once its system call has been read. */
  readonly #killable: boolean;

  constructor(vfs: Vfs, killable: boolean) {
    super(anonPath(vfs, "anon_inode:seccomp notify"), O_RDWR);
    this.#killable = killable;
  }

  /** A task more has the filter. */
  enter(): void {
    this.#users++;
  }

  /** A task that had the filter has ended. */
  leave(): void {
    if (--this.#users === 0) this.#waiters.notify(POLLHUP | POLLIN);
  }

  /** Has the listener answer the system call of `t`; the result, BLOCKED, or SECCOMP_PASS. `words` is its seccomp_data. */
  ask(t: Task, words: Uint32Array): number {
    let n = t.block.data instanceof Notification ? t.block.data : null;
    if (n === null) {
      if (this.#closed) return -ENOSYS;
      const data = new Uint8Array(words.buffer, words.byteOffset, words.byteLength).slice();
      n = new Notification(++this.#lastId, t, data);
      t.block.data = n;
      this.#waiting.push(n);
      this.#waiters.notify(POLLIN | POLLRDNORM);
    }
    if (n.state === State.Replied) {
      this.#forget(t, n);
      return n.goesOn ? SECCOMP_PASS : resultOf(t, n);
    }
    t.waitOn(n.queue, POLLIN);
    const r = t.sleep(-ERESTARTSYS);
    if (r !== BLOCKED) this.#forget(t, n);
    return r;
  }

  /** Takes back what a task that ends has asked. */
  withdraw(t: Task): void {
    if (t.block.data instanceof Notification) this.#forget(t, t.block.data);
  }

  #forget(t: Task, n: Notification): void {
    const i = this.#waiting.indexOf(n);
    if (i >= 0) this.#waiting.splice(i, 1);
    t.block.reset();
  }

  override get queue(): WaitQueue {
    return this.#waiters;
  }

  override poll(_t: Task | null): number {
    let mask = this.#users === 0 ? POLLHUP : 0;
    for (const n of this.#waiting) {
      if (n.state === State.New) mask |= POLLIN | POLLRDNORM;
      else if (n.state === State.Sent) mask |= POLLOUT | POLLWRNORM;
    }
    return mask;
  }

  override release(): void {
    this.#closed = true;
    for (const n of this.#waiting) this.#reply(n, 0, -ENOSYS, false);
  }

  override ioctl(t: Task, cmd: number, arg: number): number {
    switch (cmd >>> 0) {
      case NOTIF_RECV:
        return this.#receive(t, arg);
      case NOTIF_SEND:
        return this.#send(t, arg);
      case NOTIF_ID_VALID:
      case NOTIF_ID_VALID_OLD:
        if (t.copyIn(arg, 8) !== 0) return -EFAULT;
        return this.#find(idIn(t))?.state === State.Sent ? 0 : -ENOENT;
      case NOTIF_ADDFD:
        return this.#addDescriptor(t, arg);
      default:
        return -EINVAL;
    }
  }

  #find(id: number): Notification | null {
    return this.#waiting.find((n) => n.id === id) ?? null;
  }

  #receive(t: Task, address: number): number {
    if (t.copyIn(address, NOTIF_SIZE) !== 0) return -EFAULT;
    for (let i = 0; i < NOTIF_SIZE; i++) if (t.scratch[i] !== 0) return -EINVAL;
    const n = this.#waiting.find(({ state }) => state === State.New);
    if (n === undefined) {
      if (this.#users === 0) return -ENOENT;
      t.waitOn(this.#waiters, POLLIN | POLLHUP);
      return t.sleep(-ERESTARTSYS);
    }
    putId(t, n.id);
    t.view.setUint32(8, n.task.pid.numberIn(t.pid.ns), true);
    t.view.setUint32(12, 0, true);
    t.scratch.set(n.data, 16);
    const r = t.copyOut(address, NOTIF_SIZE);
    if (r !== 0) return r;
    n.state = State.Sent;
    if (this.#killable) n.task.block.killableOnly = true;
    this.#waiters.notify(POLLOUT | POLLWRNORM);
    return 0;
  }

  #send(t: Task, address: number): number {
    if (t.copyIn(address, RESPONSE_SIZE) !== 0) return -EFAULT;
    const { view } = t;
    const value = view.getInt32(12, true) * 4294967296 + view.getUint32(8, true);
    const error = view.getInt32(16, true);
    const flags = view.getUint32(20, true);
    if ((flags & ~P.SECCOMP_USER_NOTIF_FLAG_CONTINUE) !== 0) return -EINVAL;
    if (flags !== 0 && (error !== 0 || value !== 0)) return -EINVAL;
    const n = this.#find(idIn(t));
    if (n === null) return -ENOENT;
    if (n.state !== State.Sent) return -EINPROGRESS;
    this.#reply(n, value, error, flags !== 0);
    return 0;
  }

  #reply(n: Notification, value: number, error: number, goesOn: boolean): void {
    n.state = State.Replied;
    n.value = value;
    n.error = error;
    n.goesOn = goesOn;
    n.queue.notify(POLLIN);
  }

  #addDescriptor(t: Task, address: number): number {
    if (t.copyIn(address, ADDFD_SIZE) !== 0) return -EFAULT;
    const { view } = t;
    const flags = view.getUint32(8, true);
    const wanted = view.getUint32(16, true);
    const newFlags = view.getUint32(20, true);
    const atNumber = (flags & P.SECCOMP_ADDFD_FLAG_SETFD) !== 0;
    const sends = (flags & P.SECCOMP_ADDFD_FLAG_SEND) !== 0;
    if ((flags & ~(P.SECCOMP_ADDFD_FLAG_SETFD | P.SECCOMP_ADDFD_FLAG_SEND)) !== 0) return -EINVAL;
    if ((newFlags & ~O_CLOEXEC) !== 0 || (wanted !== 0 && !atNumber)) return -EINVAL;
    const file = t.files.get(view.getInt32(12, true));
    if (file === null) return -EBADF;
    const n = this.#find(idIn(t));
    if (n === null) return -ENOENT;
    if (n.state !== State.Sent) return -EINPROGRESS;
    const { task } = n;
    const cloexec = (newFlags & O_CLOEXEC) !== 0;
    const limit = task.group.rlimits.soft[RLIMIT_NOFILE];
    if (atNumber && wanted >= limit) return -EBADF;
    file.ref();
    const fd = atNumber
      ? task.files.installAt(task, wanted, file, cloexec)
      : task.files.install(file, cloexec, 0, limit);
    if (fd < 0) file.unref();
    else if (sends) this.#reply(n, fd, 0, false);
    return fd;
  }
}

/** What the program gets: an error if there is one, else the value, whatever it is. */
function resultOf(t: Task, n: Notification): number {
  const r = n.error !== 0 ? n.error : n.value;
  if (r >= -MAX_ERRNO) return r;
  // Not a result that the kernel itself would have: it must not be taken for one of its marks.
  t.ctx.setReturn(r);
  return NO_RETURN;
}

function idIn(t: Task): number {
  return t.view.getUint32(4, true) * 4294967296 + t.view.getUint32(0, true);
}

function putId(t: Task, id: number): void {
  t.view.setUint32(0, id >>> 0, true);
  t.view.setUint32(4, Math.floor(id / 4294967296), true);
}
