/** POSIX message queues (mq_overview(7)). */

import { CAP_SYS_RESOURCE } from "../../abi/capability.ts";
import {
  EACCES,
  EAGAIN,
  EBADF,
  EBUSY,
  EEXIST,
  EFAULT,
  EINVAL,
  ENAMETOOLONG,
  ENOENT,
  ENOTSOCK,
  EOVERFLOW,
  ETIMEDOUT,
} from "../../abi/errno.ts";
import {
  NAME_MAX,
  O_ACCMODE,
  O_CREAT,
  O_EXCL,
  O_NONBLOCK,
  O_RDONLY,
  O_RDWR,
  O_WRONLY,
} from "../../abi/fcntl.ts";
import { POLLIN, POLLOUT } from "../../abi/poll.ts";
import { NSIG, SIGEV_NONE, SIGEV_SIGNAL, SIGEV_THREAD } from "../../abi/signals.ts";
import { AF_NETLINK } from "../../abi/socket.ts";
import { S_IFREG } from "../../abi/stat.ts";
import { MqAttr } from "../../abi/structs/ipc.ts";
import {
  MQ_PRIO_MAX,
  MqueueFile,
  type MqueueInode,
  type Notification,
  type QueueSize,
} from "../fs/mqueue/message_queue.ts";
import { type MqueueFileSystem, mqueueOf } from "../fs/mqueue/mqueue_file_system.ts";
import type { Task } from "../kernel/task.ts";
import { BLOCKED } from "../kernel/wait.ts";
import { SocketFile } from "../socket/socket_file.ts";
import { Dentry } from "../vfs/dentry.ts";
import { Path } from "../vfs/path.ts";
import { MAY_EXEC, MAY_READ, MAY_WRITE, mayDelete, permission } from "../vfs/permissions.ts";
import { installNew } from "./eventfd.ts";
import { readTimespec } from "./user_time.ts";

/** The most messages and bytes that even root may ask for (HARD_MSGMAX, HARD_MSGSIZEMAX). */
const HARD_MESSAGES = 65536;
const HARD_SIZE = 16 << 20;
/** What the C library's thread for SIGEV_THREAD is told: a cookie, whose last byte says why. */
const COOKIE_SIZE = 32;
const NOTIFY_WOKENUP = 1;
const NOTIFY_REMOVED = 2;

function nameArg(t: Task): string | number {
  const name = t.pathArg(0);
  if (typeof name === "number") return name;
  if (name === "") return -ENOENT;
  if (name.includes("/") || name === "." || name === "..") return -EACCES;
  return name.length > NAME_MAX ? -ENAMETOOLONG : name;
}

/** mq_open(2). */
export function mq_open(t: Task): number {
  const flags = t.args[1] | 0;
  let size: QueueSize | null = null;
  if (t.args[3] !== 0) {
    if (t.copyIn(t.args[3], MqAttr.size) !== 0) return -EFAULT;
    const attr = MqAttr.read(t.view, 0);
    size = { maxMessages: attr.mq_maxmsg, messageSize: attr.mq_msgsize };
  }
  const name = nameArg(t);
  if (typeof name === "number") return name;
  const fs = mqueueOf(t, t.nsproxy.ipc);
  const found = fs.root.lookup(t, name);
  let inode: MqueueInode;
  if (typeof found === "number") {
    if ((flags & O_CREAT) === 0) return -ENOENT;
    const made = create(t, fs, name, t.args[2] & 0o7777 & ~t.fs.umask, size);
    if (typeof made === "number") return made;
    inode = made;
  } else {
    if ((flags & (O_CREAT | O_EXCL)) === (O_CREAT | O_EXCL)) return -EEXIST;
    if ((flags & O_ACCMODE) === (O_RDWR | O_WRONLY)) return -EINVAL;
    const access = flags & O_ACCMODE;
    const want = access === O_RDONLY ? MAY_READ : access === O_WRONLY ? MAY_WRITE : 6;
    const denied = permission(t.creds, found, want);
    if (denied !== 0) return denied;
    inode = found as MqueueInode;
  }
  const dentry = new Dentry(name, fs.rootDentry, inode);
  const path = new Path(fs.mount, dentry);
  return installNew(t, new MqueueFile(path, flags & (O_ACCMODE | O_NONBLOCK), inode), true);
}

function create(
  t: Task,
  fs: MqueueFileSystem,
  name: string,
  mode: number,
  size: QueueSize | null,
): MqueueInode | number {
  const denied = permission(t.creds, fs.root, MAY_WRITE | MAY_EXEC);
  if (denied !== 0) return denied;
  const { limits } = fs.ipc;
  if (size !== null) {
    const { maxMessages, messageSize } = size;
    if (maxMessages <= 0 || messageSize <= 0) return -EINVAL;
    const mighty = t.creds.capable(CAP_SYS_RESOURCE);
    if (maxMessages > (mighty ? HARD_MESSAGES : limits.msgMax)) return -EINVAL;
    if (messageSize > (mighty ? HARD_SIZE : limits.msgsizeMax)) return -EINVAL;
    if (maxMessages * messageSize > Number.MAX_SAFE_INTEGER) return -EOVERFLOW;
  }
  const made = fs.root.makeQueue(
    t,
    name,
    S_IFREG | mode,
    t.creds.fsuid,
    t.creds.fsgid,
    size ?? {
      maxMessages: Math.min(limits.msgMax, limits.msgDefault),
      messageSize: Math.min(limits.msgsizeMax, limits.msgsizeDefault),
    },
  );
  return made as MqueueInode | number;
}

/** mq_unlink(2). */
export function mq_unlink(t: Task): number {
  const name = nameArg(t);
  if (typeof name === "number") return name;
  const { root } = mqueueOf(t, t.nsproxy.ipc);
  const found = root.lookup(t, name);
  if (typeof found === "number") return found;
  const denied = mayDelete(t.creds, root, found);
  if (denied !== 0) return denied;
  found.get();
  root.unlink(t, name, found);
  found.put();
  return 0;
}

function queueOf(t: Task): MqueueFile | number {
  const file = t.files.get(t.args[0] | 0);
  return file instanceof MqueueFile ? file : -EBADF;
}

/** When a call that `t` makes gives up: monotonic nanoseconds of the absolute time that argument 4 points to. */
function deadlineArg(t: Task): number {
  if (t.args[4] === 0) return Infinity;
  if (t.block.runs > 0) return t.block.deadline;
  const time = readTimespec(t, t.args[4]);
  if (time < 0) return time;
  const { clock } = t.kernel;
  return Math.max(0, clock.monotonic() + (time - clock.realtime()));
}

/** mq_timedsend(2). */
export function mq_timedsend(t: Task): number {
  const priority = t.args[3] >>> 0;
  const deadline = deadlineArg(t);
  if (deadline < 0) return deadline;
  if (priority >= MQ_PRIO_MAX) return -EINVAL;
  const file = queueOf(t);
  if (typeof file === "number") return file;
  if (!file.writable) return -EBADF;
  const length = t.args[2] < 0 ? Infinity : t.args[2];
  const r = file.inode.send(t, t.args[1], length, priority);
  if (r !== -EAGAIN || file.nonblocking) return r;
  if (t.block.timedOut) return -ETIMEDOUT;
  t.waitOn(file.inode.queue, POLLOUT);
  return t.sleepUntil(deadline);
}

/** mq_timedreceive(2). */
export function mq_timedreceive(t: Task): number {
  const deadline = deadlineArg(t);
  if (deadline < 0) return deadline;
  const waited = t.block.data as MqueueInode | null;
  if (t.block.runs > 0 && waited !== null) {
    waited.receivers--;
    t.block.data = null;
  }
  const file = queueOf(t);
  if (typeof file === "number") return file;
  if (!file.readable) return -EBADF;
  const length = t.args[2] < 0 ? Infinity : t.args[2];
  const { inode } = file;
  const r = inode.receive(t, t.args[1], length, t.args[3]);
  if (r !== -EAGAIN || file.nonblocking) return r;
  if (t.block.timedOut) return -ETIMEDOUT;
  t.waitOn(inode.queue, POLLIN);
  const slept = t.sleepUntil(deadline);
  if (slept === BLOCKED) {
    inode.receivers++;
    t.block.data = inode;
  }
  return slept;
}

/** mq_notify(2). */
export function mq_notify(t: Task): number {
  if (t.args[1] === 0) {
    const file = queueOf(t);
    if (typeof file === "number") return file;
    if (file.inode.notification?.owner === t.group) file.inode.removeNotification();
    return 0;
  }
  if (t.copyIn(t.args[1], 64) !== 0) return -EFAULT;
  const valueLow = t.view.getInt32(0, true);
  const valueHigh = t.view.getInt32(4, true);
  const signo = t.view.getInt32(8, true);
  const how = t.view.getInt32(12, true);
  if (how !== SIGEV_NONE && how !== SIGEV_SIGNAL && how !== SIGEV_THREAD) return -EINVAL;
  if (how === SIGEV_SIGNAL && (signo <= 0 || signo > NSIG)) return -EINVAL;
  let notification: Notification;
  if (how === SIGEV_THREAD) {
    const made = threadNotification(t, signo, t.view.getUint32(0, true) + valueHigh * 2 ** 32);
    if (typeof made === "number") return made;
    notification = made;
  } else {
    notification = {
      owner: t.group,
      signo: how === SIGEV_SIGNAL ? signo : 0,
      valueLow,
      valueHigh,
      tell: null,
      release: null,
    };
  }
  const file = queueOf(t);
  const error = typeof file === "number" ? file : file.inode.notification !== null ? -EBUSY : 0;
  if (error !== 0 || typeof file === "number") {
    notification.release?.();
    return error;
  }
  file.inode.notification = notification;
  file.inode.touchAccessed(t.kernel.clock.realtime());
  return 0;
}

/** SIGEV_THREAD: a cookie goes through the netlink socket `fd` of the C library. */
function threadNotification(t: Task, fd: number, cookieAddress: number): Notification | number {
  const cookie = new Uint8Array(COOKIE_SIZE);
  if (t.mm.copyIn(cookieAddress, cookie, 0, COOKIE_SIZE) !== 0) return -EFAULT;
  const socket = t.files.get(fd);
  if (socket === null) return -EBADF;
  if (!(socket instanceof SocketFile)) return -ENOTSOCK;
  if (socket.family !== AF_NETLINK) return -EINVAL;
  socket.ref();
  return {
    owner: t.group,
    signo: 0,
    valueLow: 0,
    valueHigh: 0,
    tell: (removed) => {
      cookie[COOKIE_SIZE - 1] = removed ? NOTIFY_REMOVED : NOTIFY_WOKENUP;
      socket.queueNotice(cookie);
    },
    release: () => socket.unref(),
  };
}

/** mq_getsetattr(2). */
export function mq_getsetattr(t: Task): number {
  let wanted = -1;
  if (t.args[1] !== 0) {
    if (t.copyIn(t.args[1], MqAttr.size) !== 0) return -EFAULT;
    wanted = MqAttr.get(t.view, 0, "mq_flags");
    if (wanted !== 0 && wanted !== O_NONBLOCK) return -EINVAL;
  }
  const file = queueOf(t);
  if (typeof file === "number") return file;
  const { limits, count } = file.inode;
  MqAttr.write(t.view, 0, {
    mq_flags: file.queueFlags,
    mq_maxmsg: limits.maxMessages,
    mq_msgsize: limits.messageSize,
    mq_curmsgs: count,
  });
  if (wanted >= 0) file.flags = (file.flags & ~O_NONBLOCK) | wanted;
  return t.args[2] !== 0 ? t.copyOut(t.args[2], MqAttr.size) : 0;
}
