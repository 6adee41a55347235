/** One POSIX message queue: the inode behind its name. */

import { EAGAIN, EMSGSIZE, ENOMEM } from "../../../abi/errno.ts";
import { O_NONBLOCK } from "../../../abi/fcntl.ts";
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../../../abi/poll.ts";
import { SI_MESGQ } from "../../../abi/signals.ts";
import type { UserAccounts } from "../../kernel/accounts.ts";
import { SigInfo } from "../../kernel/signal_set.ts";
import type { Task } from "../../kernel/task.ts";
import { sendToGroup } from "../../kernel/task_signals.ts";
import type { ThreadGroup } from "../../kernel/thread_group.ts";
import { WaitQueue } from "../../kernel/wait.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import { seekWithin } from "../../vfs/file.ts";
import { File } from "../../vfs/file.ts";
import type { VfsContext } from "../../vfs/context.ts";
import type { Path } from "../../vfs/path.ts";
import { MemoryInode } from "../tmpfs/memory_inode.ts";
import type { MemoryFileSystem } from "../tmpfs/memory_file_system.ts";
import { stringToBytes } from "../../kernel/bytes.ts";

/** Size of what a read of a queue tells (FILENT_SIZE). */
const REPORT_SIZE = 80;
/** What the kernel counts for a message and for a priority beside the text (struct msg_msg, posix_msg_tree_node). */
const MESSAGE_COST = 48;
const NODE_COST = 48;
/** The most priorities (MQ_PRIO_MAX). */
export const MQ_PRIO_MAX = 32768;
/** Texts that wait in all queues of a kernel: they lie in the sentry's own memory. */
const MOST_BYTES = 64 << 20;
let allBytes = 0;

/** How many messages a queue takes, and how long they may be. */
export interface QueueSize {
  maxMessages: number;
  messageSize: number;
}

/** Bytes that a queue counts against RLIMIT_MSGQUEUE (getrlimit(2)). */
export function queueCost({ maxMessages, messageSize }: QueueSize): number {
  return maxMessages * (MESSAGE_COST + messageSize) +
    Math.min(maxMessages, MQ_PRIO_MAX) * NODE_COST;
}

/** Where the end of a message is told (mq_notify(3)). */
export interface Notification {
  readonly owner: ThreadGroup;
  /** The signal; 0 for none. */
  readonly signo: number;
  readonly valueLow: number;
  readonly valueHigh: number;
  /** SIGEV_THREAD: tells the C library's thread, through a socket of its own; null otherwise. */
  readonly tell: ((removed: boolean) => void) | null;
  /** Lets go of what `tell` uses. */
  readonly release: (() => void) | null;
}

class QueuedMessage {
  constructor(readonly priority: number, readonly bytes: Uint8Array) {}
}

/** A queue. */
export class MqueueInode extends MemoryInode {
  readonly limits: QueueSize;
  readonly #accounts: UserAccounts;
  readonly #accountUid: number;
  /** Highest priority first, oldest first. */
  readonly #messages: QueuedMessage[] = [];
  readonly queue = new WaitQueue();
  /** Tasks that wait for a message. */
  receivers = 0;
  notification: Notification | null = null;
  #bytes = 0;

  constructor(
    fs: MemoryFileSystem,
    ctx: VfsContext,
    mode: number,
    uid: number,
    gid: number,
    size: QueueSize,
  ) {
    super(fs, mode, uid, gid);
    this.size = REPORT_SIZE;
    this.limits = size;
    this.#accounts = ctx.kernel.accounts;
    this.#accountUid = ctx.creds.ruid;
    this.#accounts.addQueueBytes(this.#accountUid, queueCost(size));
  }

  get count(): number {
    return this.#messages.length;
  }

  override get blocks(): number {
    return 0;
  }

  /** mq_timedsend(2), without waiting: 0 or a negative errno. */
  send(t: Task, address: number, length: number, priority: number): number {
    if (length > this.limits.messageSize) return -EMSGSIZE;
    const bytes = new Uint8Array(length);
    const r = t.mm.copyIn(address, bytes, 0, length);
    if (r !== 0) return r;
    const list = this.#messages;
    if (list.length >= this.limits.maxMessages) return -EAGAIN;
    if (allBytes + length > MOST_BYTES) return -ENOMEM;
    allBytes += length;
    this.#bytes += length;
    let at = list.length;
    while (at > 0 && list[at - 1].priority < priority) at--;
    list.splice(at, 0, new QueuedMessage(priority, bytes));
    this.touchModified(t.kernel.clock.realtime());
    // Whoever waits takes it; only a message that would stay is told of.
    if (list.length === 1 && this.receivers === 0) this.#notify(t);
    this.queue.notify(POLLIN | POLLRDNORM);
    return 0;
  }

  /** mq_timedreceive(2), without waiting: the length or a negative errno. */
  receive(t: Task, address: number, length: number, priorityAddress: number): number {
    if (length < this.limits.messageSize) return -EMSGSIZE;
    const message = this.#messages.shift();
    if (message === undefined) return -EAGAIN;
    allBytes -= message.bytes.length;
    this.#bytes -= message.bytes.length;
    this.touchAccessed(t.kernel.clock.realtime());
    this.queue.notify(POLLOUT | POLLWRNORM);
    if (priorityAddress !== 0) {
      const r = t.mm.writeU32(priorityAddress, message.priority);
      if (r !== 0) return r;
    }
    const r = t.mm.copyOut(address, message.bytes, 0, message.bytes.length);
    return r !== 0 ? r : message.bytes.length;
  }

  /** A message came to the empty queue: tells of it once. */
  #notify(t: Task): void {
    const n = this.notification;
    if (n === null) return;
    this.notification = null;
    if (n.signo !== 0) {
      const pid = t.group.pid.numberIn(n.owner.pid.ns);
      const uid = n.owner.leader.creds.userNs.fromKuid(t.creds.ruid);
      const info = SigInfo.user(n.signo, pid, uid, SI_MESGQ);
      info.setValue(n.valueLow, n.valueHigh);
      sendToGroup(n.owner, info);
    }
    n.tell?.(false);
    n.release?.();
  }

  /** The process does not want to be told any more, or has closed the queue. */
  removeNotification(): void {
    const n = this.notification;
    if (n === null) return;
    this.notification = null;
    n.tell?.(true);
    n.release?.();
  }

  override open(_ctx: VfsContext, flags: number, path: Path): File {
    return new MqueueFile(path, flags, this);
  }

  override truncate(): number {
    return 0;
  }

  override discard(): void {
    allBytes -= this.#bytes;
    this.#bytes = 0;
    this.#messages.length = 0;
    this.#accounts.addQueueBytes(this.#accountUid, -queueCost(this.limits));
    this.notification?.release?.();
    this.notification = null;
  }

  /** What a read tells. */
  report(reader: Task): string {
    const n = this.notification;
    const how = n === null ? 0 : n.tell !== null ? 2 : n.signo === 0 ? 1 : 0;
    const pid = n === null ? 0 : n.owner.pid.numberIn(reader.pid.ns);
    const signo = how === 0 && n !== null ? n.signo : 0;
    const text = `QSIZE:${String(this.#bytes).padEnd(10)} NOTIFY:${String(how).padEnd(5)} SIGNO:${
      String(signo).padEnd(5)
    } NOTIFY_PID:${String(pid).padEnd(6)}\n`;
    return text;
  }
}

/** An open queue: what mq_open(2) gives. */
export class MqueueFile extends File {
  declare readonly inode: MqueueInode;

  constructor(path: Path, flags: number, inode: MqueueInode) {
    super(path, flags, inode);
  }

  override get queue(): WaitQueue {
    return this.inode.queue;
  }

  override get seekable(): boolean {
    return true;
  }

  override seek(_t: VfsContext, offset: number, whence: number): number {
    return seekWithin(this, offset, whence, REPORT_SIZE);
  }

  override read(t: Task, io: IoBuffer, pos: number): number {
    const bytes = stringToBytes(this.inode.report(t));
    const n = Math.min(io.remaining, bytes.length - pos);
    return n <= 0 ? 0 : io.put(bytes, pos, n);
  }

  override poll(_t: Task | null): number {
    const { count, limits } = this.inode;
    let mask = 0;
    if (count > 0) mask |= POLLIN | POLLRDNORM;
    if (count < limits.maxMessages) mask |= POLLOUT | POLLWRNORM;
    return mask;
  }

  override flush(ctx: VfsContext): number {
    const n = this.inode.notification;
    if (n !== null && n.owner === (ctx as Partial<Task>).group) this.inode.removeNotification();
    return 0;
  }

  /** The flags that mq_getsetattr(2) tells. */
  get queueFlags(): number {
    return this.flags & O_NONBLOCK;
  }
}
