/** Message queues of System V (msgget(2), msgop(2), msgctl(2)). */

import { CAP_SYS_RESOURCE } from "../../../abi/capability.ts";
import {
  E2BIG,
  EAGAIN,
  EFAULT,
  EIDRM,
  EINVAL,
  ENOMEM,
  ENOMSG,
  ENOSPC,
  EPERM,
  ERESTARTNOHAND,
} from "../../../abi/errno.ts";
import { IPC_NOWAIT, MSG_COPY, MSG_EXCEPT, MSG_NOERROR } from "../../../abi/ipc.ts";
import { POLLIN, POLLOUT } from "../../../abi/poll.ts";
import { Msginfo, MsqidDs } from "../../../abi/structs/ipc.ts";
import type { IpcNamespace } from "../namespaces.ts";
import type { Task } from "../task.ts";
import type { UserNamespace } from "../user_namespace.ts";
import { WaitQueue } from "../wait.ts";
import { IpcObject, IpcTable, reportHead, reportNumbers, seconds } from "./ipc_object.ts";

/** Bytes that wait in all queues of all namespaces, with some for each message: they are in the sentry's own memory. */
const MOST_BYTES = 64 << 20;
const MESSAGE_COST = 64;
let allBytes = 0;

class QueuedMessage {
  constructor(readonly type: number, readonly bytes: Uint8Array) {}

  get cost(): number {
    return this.bytes.length + MESSAGE_COST;
  }
}

/** A queue. */
export class MessageQueue extends IpcObject {
  readonly #family: MessageQueues;
  readonly #messages: QueuedMessage[] = [];
  readonly queue = new WaitQueue();
  bytes = 0;
  maxBytes: number;
  sent = 0;
  received = 0;
  lastSender = 0;
  lastReceiver = 0;

  constructor(t: Task, family: MessageQueues, key: number, mode: number) {
    super(t, key, mode);
    this.#family = family;
    this.maxBytes = family.ns.limits.msgmnb;
  }

  get count(): number {
    return this.#messages.length;
  }

  /** msgsnd(2) of `size` bytes at `address`. */
  send(t: Task, type: number, address: number, size: number, flags: number): number {
    if (this.removed) return -EIDRM;
    const denied = this.permits(t, 0o222);
    if (denied !== 0) return denied;
    const bytes = new Uint8Array(size);
    if (t.mm.copyIn(address, bytes, 0, size) !== 0) return -EFAULT;
    if (size + this.bytes > this.maxBytes || 1 + this.count > this.maxBytes) {
      if ((flags & IPC_NOWAIT) !== 0) return -EAGAIN;
      t.block.data = this;
      t.waitOn(this.queue, POLLOUT);
      return t.sleep(-ERESTARTNOHAND);
    }
    if (allBytes + size + MESSAGE_COST > MOST_BYTES) return -ENOMEM;
    const message = new QueuedMessage(type, bytes);
    this.#messages.push(message);
    this.bytes += size;
    this.#family.bytes += size;
    this.#family.messages++;
    allBytes += message.cost;
    this.lastSender = t.group.tgid;
    this.sent = seconds(t);
    this.queue.notify(POLLIN);
    return 0;
  }

  /** msgrcv(2) into `address`, the type first. */
  receive(t: Task, address: number, size: number, type: number, flags: number): number {
    if (this.removed) return -EIDRM;
    const denied = this.permits(t, 0o444);
    if (denied !== 0) return denied;
    const copy = (flags & MSG_COPY) !== 0;
    const i = copy ? type : this.#find(type, (flags & MSG_EXCEPT) !== 0);
    if (i < 0 || i >= this.count) {
      if ((flags & IPC_NOWAIT) !== 0) return -ENOMSG;
      t.block.data = this;
      t.waitOn(this.queue, POLLIN);
      return t.sleep(-ERESTARTNOHAND);
    }
    const message = this.#messages[i];
    if (message.bytes.length > size && (flags & MSG_NOERROR) === 0) return -E2BIG;
    if (!copy) this.#take(t, i);
    const n = Math.min(size, message.bytes.length);
    if (t.mm.writeU64(address, message.type) !== 0) return -EFAULT;
    return t.mm.copyOut(address + 8, message.bytes, 0, n) !== 0 ? -EFAULT : n;
  }

  #take(t: Task, i: number): void {
    const [message] = this.#messages.splice(i, 1);
    this.#uncount(message);
    this.lastReceiver = t.group.tgid;
    this.received = seconds(t);
    this.queue.notify(POLLOUT);
  }

  #uncount(message: QueuedMessage): void {
    this.bytes -= message.bytes.length;
    this.#family.bytes -= message.bytes.length;
    this.#family.messages--;
    allBytes -= message.cost;
  }

  /** The message that `type` means: the first at all, of a type, not of a type, or of the lowest type up to one. */
  #find(type: number, except: boolean): number {
    const list = this.#messages;
    if (type === 0) return 0;
    if (type > 0) {
      return list.findIndex((message) => (message.type === type) !== except);
    }
    let best = -1;
    for (let i = 0; i < list.length; i++) {
      if (list[i].type <= -type && (best < 0 || list[i].type < list[best].type)) best = i;
    }
    return best;
  }

  /** IPC_SET of the `msqid_ds` in scratch. */
  override update(t: Task): number {
    const maxBytes = MsqidDs.get(t.view, 0, "msg_qbytes");
    if (maxBytes > this.ns.limits.msgmnb && !t.creds.capable(CAP_SYS_RESOURCE, this.ns.userNs)) {
      return -EPERM;
    }
    const r = super.update(t);
    if (r !== 0) return r;
    this.maxBytes = maxBytes;
    // Permissions and room may be others now.
    this.queue.notify(POLLIN | POLLOUT);
    return 0;
  }

  /** IPC_RMID. */
  destroy(): void {
    if (this.removed) return;
    this.#family.table.remove(this);
    for (const message of this.#messages.splice(0)) this.#uncount(message);
    this.queue.notify(POLLIN | POLLOUT);
  }

  /** Writes the `msqid_ds` to scratch. */
  write(t: Task): void {
    MsqidDs.write(t.view, 0, {
      msg_perm: this.permission(t),
      msg_stime: this.sent,
      msg_rtime: this.received,
      msg_ctime: this.changed,
      msg_cbytes: this.bytes,
      msg_qnum: this.count,
      msg_qbytes: this.maxBytes,
      msg_lspid: this.lastSender,
      msg_lrpid: this.lastReceiver,
    });
  }
}

/** All queues of a namespace. */
export class MessageQueues {
  readonly table: IpcTable<MessageQueue> = new IpcTable();
  readonly ns: IpcNamespace;
  messages = 0;
  bytes = 0;

  constructor(ns: IpcNamespace) {
    this.ns = ns;
  }

  /** Those of the task's namespace. */
  static of(t: Task): MessageQueues {
    const ns = t.nsproxy.ipc;
    ns.messages ??= new MessageQueues(ns);
    return ns.messages as MessageQueues;
  }

  /** msgget(2). */
  obtain(t: Task, key: number, flags: number): number {
    const most = this.ns.limits.msgmni;
    return this.table.obtain(
      t,
      key,
      flags,
      most,
      () => 0,
      () => this.table.count >= most ? -ENOSPC : new MessageQueue(t, this, key, flags),
    );
  }

  /** The last task of the namespace is gone. */
  release(): void {
    for (const queue of this.table.objects()) queue.destroy();
  }

  /** IPC_INFO and MSG_INFO (`use`): limits to scratch; the size of the structure. */
  writeInfo(t: Task, use: boolean): number {
    const { msgmax, msgmnb, msgmni } = this.ns.limits;
    Msginfo.write(t.view, 0, {
      msgpool: use ? this.table.count : Math.floor(msgmni * msgmnb / 1024),
      msgmap: use ? this.messages : msgmnb,
      msgmax,
      msgmnb,
      msgmni,
      msgssz: 16,
      msgtql: use ? this.bytes : msgmnb,
      msgseg: 0xffff,
    });
    return Msginfo.size;
  }

  report(userNs: UserNamespace): string {
    let text = "";
    for (const q of this.table.objects()) {
      text += reportHead(q) + reportNumbers(
        [q.bytes, 11],
        [q.count, 10],
        [q.lastSender, 5],
        [q.lastReceiver, 5],
        [userNs.fromKuid(q.uid), 5],
        [userNs.fromKgid(q.gid), 5],
        [userNs.fromKuid(q.creatorUid), 5],
        [userNs.fromKgid(q.creatorGid), 5],
        [q.sent, 10],
        [q.received, 10],
        [q.changed, 10],
      ) + "\n";
    }
    return text;
  }
}

/** Whether msgrcv(2) may be asked this: 0 or -EINVAL. */
export function checkReceive(flags: number): number {
  if ((flags & MSG_COPY) === 0) return 0;
  return (flags & MSG_EXCEPT) !== 0 || (flags & IPC_NOWAIT) === 0 ? -EINVAL : 0;
}
