/** The system calls on sockets (socket(2) and its kin): arguments in, results out; the families do the rest. */
// hot: send and receive are the reads and writes of servers.

import {
  EAGAIN,
  EBADF,
  EFAULT,
  EINPROGRESS,
  EINTR,
  EINVAL,
  EMSGSIZE,
  ENOBUFS,
  ENOTSOCK,
  EOPNOTSUPP,
  ERESTARTSYS,
} from "../../abi/errno.ts";
import { O_NONBLOCK, UIO_MAXIOV } from "../../abi/fcntl.ts";
import { readI64, readU64, write64 } from "../../abi/int64.ts";
import { POLLERR, POLLHUP, POLLOUT, POLLRDHUP, POLLWRNORM } from "../../abi/poll.ts";
import { POLLIN, POLLRDNORM } from "../../abi/poll.ts";
import { RLIMIT_NOFILE } from "../../abi/resource.ts";
import {
  AF_UNIX,
  MSG_DONTWAIT,
  MSG_ERRQUEUE,
  MSG_PEEK,
  MSG_TRUNC,
  MSG_WAITALL,
  MSG_WAITFORONE,
  SOCK_CLOEXEC,
  SOCK_NONBLOCK,
  SOCK_STREAM,
  SOCK_TYPE_MASK,
  SOCKADDR_STORAGE_SIZE,
  SOL_SOCKET,
} from "../../abi/socket.ts";
import type { Task } from "../kernel/task.ts";
import { BLOCKED } from "../kernel/wait.ts";
import { readControl, writeControl } from "../socket/control.ts";
import { joinUnix, makeSocket } from "../socket/families.ts";
import { Message } from "../socket/message.ts";
import { getCommonOption, setCommonOption } from "../socket/options.ts";
import { SocketFile } from "../socket/socket_file.ts";
import { UnixSocket } from "../socket/unix/unix_socket.ts";
import { installNew } from "./eventfd.ts";

const WAIT_IN = POLLIN | POLLRDNORM | POLLERR | POLLHUP | POLLRDHUP;
const WAIT_OUT = POLLOUT | POLLWRNORM | POLLERR | POLLHUP;
const MSGHDR_SIZE = 56;
const MMSGHDR_SIZE = 64;
/** The most bytes an option may have. */
const MAX_OPTION = 4096;
/** What a sending or receiving call may not have set: flags of the kernel's own. */
const message = new Message();

/** The socket that `fd` names, or an error. */
function socketOf(t: Task, fd: number): SocketFile | number {
  const file = t.files.get(fd);
  if (file === null) return -EBADF;
  return file instanceof SocketFile ? file : -ENOTSOCK;
}

/** Reads a socket address; null when there is none. */
function readAddress(t: Task, address: number, length: number): Uint8Array | number {
  if (length < 0 || length > SOCKADDR_STORAGE_SIZE) return -EINVAL;
  const bytes = new Uint8Array(length);
  return length > 0 && t.mm.copyIn(address, bytes, 0, length) < 0 ? -EFAULT : bytes;
}

/** Writes an address and its length as getsockname(2) does; 0 or an error. */
function writeAddress(t: Task, bytes: Uint8Array, address: number, lengthAt: number): number {
  const space = t.mm.readU32(lengthAt);
  if (space < 0) return space;
  if (space > 0x7fffffff) return -EINVAL;
  const n = Math.min(space, bytes.length);
  if (n > 0 && t.mm.copyOut(address, bytes, 0, n) < 0) return -EFAULT;
  return t.mm.writeU32(lengthAt, bytes.length);
}

// Making and joining.

/** socket(2). */
export function sys_socket(t: Task): number {
  const type = t.args[1] | 0;
  const flags = type & ~SOCK_TYPE_MASK;
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -EINVAL;
  const s = makeSocket(
    t,
    t.args[0] | 0,
    type & SOCK_TYPE_MASK,
    t.args[2] | 0,
    flags & SOCK_NONBLOCK,
  );
  return typeof s === "number" ? s : installNew(t, s, (flags & SOCK_CLOEXEC) !== 0);
}

/** socketpair(2). */
export function sys_socketpair(t: Task): number {
  const type = t.args[1] | 0;
  const flags = type & ~SOCK_TYPE_MASK;
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -EINVAL;
  const make = () =>
    makeSocket(t, t.args[0] | 0, type & SOCK_TYPE_MASK, t.args[2] | 0, flags & SOCK_NONBLOCK);
  const a = make();
  if (typeof a === "number") return a;
  if (a.family !== AF_UNIX) {
    a.unref();
    return -EOPNOTSUPP;
  }
  const b = make() as UnixSocket;
  joinUnix(t, a as UnixSocket, b);
  const cloexec = (flags & SOCK_CLOEXEC) !== 0;
  const limit = t.group.rlimits.soft[RLIMIT_NOFILE];
  const fdA = t.files.install(a, cloexec, 0, limit);
  const fdB = fdA < 0 ? fdA : t.files.install(b, cloexec, 0, limit);
  if (fdB < 0) {
    if (fdA >= 0) t.files.close(t, fdA);
    else a.unref();
    b.unref();
    return fdB;
  }
  t.view.setInt32(0, fdA, true);
  t.view.setInt32(4, fdB, true);
  const r = t.copyOut(t.args[3], 8);
  if (r < 0) {
    t.files.close(t, fdA);
    t.files.close(t, fdB);
  }
  return r;
}

/** bind(2). */
export function sys_bind(t: Task): number {
  const s = socketOf(t, t.args[0]);
  if (typeof s === "number") return s;
  const address = readAddress(t, t.args[1], t.args[2] | 0);
  return typeof address === "number" ? address : s.bind(t, address);
}

/** listen(2). */
export function sys_listen(t: Task): number {
  const s = socketOf(t, t.args[0]);
  return typeof s === "number" ? s : s.listen(t, t.args[1] | 0);
}

/** connect(2). */
export function sys_connect(t: Task): number {
  const s = socketOf(t, t.args[0]);
  if (typeof s === "number") return s;
  if (t.block.runs > 0 && t.block.data === s) return connected(t, s);
  const address = readAddress(t, t.args[1], t.args[2] | 0);
  if (typeof address === "number") return address;
  const r = s.connect(t, address);
  if (r !== -EINPROGRESS || (s.flags & O_NONBLOCK) !== 0) return r;
  t.block.data = s;
  return connected(t, s);
}

/** A connection under way has come to something, or the wait has ended otherwise. */
function connected(t: Task, s: SocketFile): number {
  if ((s.poll(t) & (POLLOUT | POLLERR | POLLHUP)) !== 0) return -s.takeError();
  return t.block.timedOut ? -EINPROGRESS : awaitConnection(t, s);
}

function awaitConnection(t: Task, s: SocketFile): number {
  t.waitOn(s.queue, WAIT_OUT);
  return sleepFor(t, s.options.sendTimeout);
}

/** Waits with the timeout of the socket; with one, a signal ends the call (signal(7)). */
function sleepFor(t: Task, timeout: number): number {
  if (timeout === Infinity) return t.sleep();
  return t.sleepUntil(t.kernel.clock.monotonic() + timeout, -EINTR);
}

/** accept(2). */
export function sys_accept(t: Task): number {
  return accept(t, 0);
}

/** accept4(2). */
export function sys_accept4(t: Task): number {
  return accept(t, t.args[3] | 0);
}

function accept(t: Task, flags: number): number {
  if ((flags & ~(SOCK_CLOEXEC | SOCK_NONBLOCK)) !== 0) return -EINVAL;
  const s = socketOf(t, t.args[0]);
  if (typeof s === "number") return s;
  const end = s.accept(t, flags & SOCK_NONBLOCK);
  if (typeof end === "number") {
    if (end !== -EAGAIN || (s.flags & O_NONBLOCK) !== 0 || t.block.timedOut) return end;
    t.waitOn(s.queue, WAIT_IN);
    return sleepFor(t, s.options.receiveTimeout);
  }
  if (t.args[1] !== 0) {
    const peer = end.peerAddress();
    const r = typeof peer === "number" ? peer : writeAddress(t, peer, t.args[1], t.args[2]);
    if (r < 0) {
      end.unref();
      return r;
    }
  }
  return installNew(t, end, (flags & SOCK_CLOEXEC) !== 0);
}

/** shutdown(2). */
export function sys_shutdown(t: Task): number {
  const s = socketOf(t, t.args[0]);
  return typeof s === "number" ? s : s.shutdown(t, t.args[1] | 0);
}

/** getsockname(2). */
export function sys_getsockname(t: Task): number {
  const s = socketOf(t, t.args[0]);
  if (typeof s === "number") return s;
  const address = s.localAddress();
  if (typeof address === "number") return address;
  return writeAddress(t, address, t.args[1], t.args[2]);
}

/** getpeername(2). */
export function sys_getpeername(t: Task): number {
  const s = socketOf(t, t.args[0]);
  if (typeof s === "number") return s;
  const address = s.peerAddress();
  if (typeof address === "number") return address;
  return writeAddress(t, address, t.args[1], t.args[2]);
}

// Options.

/** getsockopt(2). */
export function sys_getsockopt(t: Task): number {
  const s = socketOf(t, t.args[0]);
  if (typeof s === "number") return s;
  const space = t.mm.readU32(t.args[4]);
  if (space < 0) return space;
  if (space > 0x7fffffff) return -EINVAL;
  const level = t.args[1] | 0;
  const name = t.args[2] | 0;
  const value = level === SOL_SOCKET ? getCommonOption(t, s, name) : s.getOption(t, level, name);
  if (typeof value === "number") return value;
  const n = Math.min(space, value.length);
  if (n > 0 && t.mm.copyOut(t.args[3], value, 0, n) < 0) return -EFAULT;
  return t.mm.writeU32(t.args[4], n);
}

/** setsockopt(2). */
export function sys_setsockopt(t: Task): number {
  const s = socketOf(t, t.args[0]);
  if (typeof s === "number") return s;
  const length = t.args[4] | 0;
  if (length < 0) return -EINVAL;
  const value = new Uint8Array(Math.min(length, MAX_OPTION));
  if (value.length > 0 && t.mm.copyIn(t.args[3], value, 0, value.length) < 0) return -EFAULT;
  const level = t.args[1] | 0;
  const name = t.args[2] | 0;
  return level === SOL_SOCKET
    ? setCommonOption(t, s, name, value)
    : s.setOption(t, level, name, value);
}

// Sending.

/** Sends what `t.io` holds; what earlier runs sent is counted in `block.progress`. */
function sendIo(t: Task, s: SocketFile, m: Message): number {
  let done = s.type === SOCK_STREAM ? t.block.progress : 0;
  if (done > 0) t.io.skip(done);
  let n: number;
  do {
    n = s.sendMessage(t, t.io, m);
    if (n < 0 || n === BLOCKED) break;
    done += n;
    m.dropRights();
  } while (s.type === SOCK_STREAM && n > 0 && t.io.remaining > 0);
  if (n >= 0) return done;
  if (n !== -EAGAIN) return done > 0 && n !== BLOCKED ? done : n;
  if ((m.flags & MSG_DONTWAIT) !== 0 || (s.flags & O_NONBLOCK) !== 0 || t.block.timedOut) {
    return done > 0 ? done : n;
  }
  t.block.progress = done;
  t.waitOn(s.queue, WAIT_OUT);
  const timeout = s.options.sendTimeout;
  if (timeout === Infinity) return t.sleep(done > 0 ? done : -ERESTARTSYS);
  return t.sleepUntil(t.kernel.clock.monotonic() + timeout, done > 0 ? done : -EINTR);
}

/** sendto(2). */
export function sys_sendto(t: Task): number {
  const s = socketOf(t, t.args[0]);
  if (typeof s === "number") return s;
  if (t.args[2] < 0) return -EFAULT;
  const m = message.reset(t.args[3] | 0);
  if (t.args[4] !== 0) {
    const address = readAddress(t, t.args[4], t.args[5] | 0);
    if (typeof address === "number") return address;
    m.address = address;
  }
  t.io.reset(t.mm, t.args[1], t.args[2]);
  return sendIo(t, s, m);
}

/** sendmsg(2). */
export function sys_sendmsg(t: Task): number {
  const s = socketOf(t, t.args[0]);
  return typeof s === "number" ? s : sendOne(t, s, t.args[1], t.args[2] | 0);
}

function sendOne(t: Task, s: SocketFile, header: number, flags: number): number {
  if (t.copyIn(header, MSGHDR_SIZE) < 0) return -EFAULT;
  const view = t.view;
  const name = readU64(view, 0);
  const nameLength = view.getInt32(8, true);
  const iov = readU64(view, 16);
  const iovCount = readU64(view, 24);
  const control = readU64(view, 32);
  const controlLength = readU64(view, 40);
  if (iovCount > UIO_MAXIOV) return -EMSGSIZE;
  if (controlLength > 0x7fffffff) return -ENOBUFS;
  const m = message.reset(flags);
  if (name !== 0 && nameLength !== 0) {
    const address = readAddress(t, name, Math.min(nameLength, SOCKADDR_STORAGE_SIZE));
    if (typeof address === "number") return address;
    m.address = address;
  }
  const r = t.io.resetIov(t.mm, iov, iovCount);
  if (r < 0) return r;
  // Rights travel with the first byte, so that a run that goes on has sent them.
  if (control !== 0 && controlLength > 0 && t.block.progress === 0) {
    const c = readControl(t, control, controlLength, m);
    if (c < 0) return c;
  }
  const n = sendIo(t, s, m);
  m.dropRights();
  return n;
}

/** sendmmsg(2). */
export function sys_sendmmsg(t: Task): number {
  const s = socketOf(t, t.args[0]);
  if (typeof s === "number") return s;
  const count = Math.min(t.args[2] >>> 0, UIO_MAXIOV);
  const state = manyState(t);
  while (state.done < count) {
    const header = t.args[1] + state.done * MMSGHDR_SIZE;
    const n = sendOne(t, s, header, t.args[3] | 0);
    if (n === BLOCKED) return n;
    if (n < 0) return endMany(t, state, n);
    if (t.mm.writeU32(header + MSGHDR_SIZE, n) < 0) return endMany(t, state, -EFAULT);
    state.next(t);
  }
  return endMany(t, state, 0);
}

/** How far a call with many messages has come, across runs. */
class ManyState {
  done = 0;

  /** One message is through: the next starts from nothing. */
  next(t: Task): void {
    this.done++;
    t.block.progress = 0;
  }
}

function manyState(t: Task): ManyState {
  if (!(t.block.data instanceof ManyState)) t.block.data = new ManyState();
  return t.block.data as ManyState;
}

/** The result: how many messages, or the error of the first. */
function endMany(t: Task, state: ManyState, error: number): number {
  t.block.data = null;
  t.block.progress = 0;
  return state.done > 0 ? state.done : error;
}

// Receiving.

/** Receives into `t.io`. */
function receiveIo(t: Task, s: SocketFile, m: Message): number {
  const all = (m.flags & MSG_WAITALL) !== 0 && s.type === SOCK_STREAM &&
    (m.flags & MSG_PEEK) === 0;
  let done = all ? t.block.progress : 0;
  if (done > 0) t.io.skip(done);
  let n: number;
  do {
    n = s.receive(t, t.io, m);
    if (n <= 0) break;
    done += n;
  } while (all && t.io.remaining > 0 && m.rights === null);
  if (n >= 0) return done;
  if (n !== -EAGAIN) return done > 0 ? done : n;
  const waits = (m.flags & (MSG_DONTWAIT | MSG_ERRQUEUE)) === 0 && (s.flags & O_NONBLOCK) === 0;
  if (!waits || t.block.timedOut) return done > 0 ? done : n;
  t.block.progress = done;
  t.waitOn(s.queue, WAIT_IN);
  const timeout = s.options.receiveTimeout;
  if (timeout === Infinity) return t.sleep(done > 0 ? done : -ERESTARTSYS);
  return t.sleepUntil(t.kernel.clock.monotonic() + timeout, done > 0 ? done : -EINTR);
}

/** recvfrom(2). */
export function sys_recvfrom(t: Task): number {
  const s = socketOf(t, t.args[0]);
  if (typeof s === "number") return s;
  if (t.args[2] < 0) return -EFAULT;
  const m = message.reset(t.args[3] | 0);
  t.io.reset(t.mm, t.args[1], t.args[2]);
  const n = receiveIo(t, s, m);
  m.dropRights();
  if (n < 0) return n;
  if (t.args[4] !== 0) {
    const r = t.args[5] === 0
      ? -EFAULT
      : m.address === null
      ? t.mm.writeU32(t.args[5], 0)
      : writeAddress(t, m.address, t.args[4], t.args[5]);
    if (r < 0) return r;
  }
  return (m.flags & MSG_TRUNC) !== 0 && m.fullLength > n ? m.fullLength : n;
}

/** recvmsg(2). */
export function sys_recvmsg(t: Task): number {
  const s = socketOf(t, t.args[0]);
  return typeof s === "number" ? s : receiveOne(t, s, t.args[1], t.args[2] | 0);
}

function receiveOne(t: Task, s: SocketFile, header: number, flags: number): number {
  if (t.copyIn(header, MSGHDR_SIZE) < 0) return -EFAULT;
  const view = t.view;
  const name = readU64(view, 0);
  const nameSpace = view.getInt32(8, true);
  const iov = readU64(view, 16);
  const iovCount = readU64(view, 24);
  const control = readU64(view, 32);
  const controlSpace = readU64(view, 40);
  if (iovCount > UIO_MAXIOV) return -EMSGSIZE;
  if (nameSpace < 0 && name !== 0) return -EINVAL;
  const m = message.reset(flags);
  const r = t.io.resetIov(t.mm, iov, iovCount);
  if (r < 0) return r;
  const n = receiveIo(t, s, m);
  if (n < 0) {
    m.dropRights();
    return n;
  }
  const used = writeControl(t, s, control, control === 0 ? 0 : controlSpace, m);
  if (name !== 0) {
    const address = m.address;
    const length = address === null ? 0 : address.length;
    const fit = Math.min(length, nameSpace);
    if (fit > 0 && t.mm.copyOut(name, address!, 0, fit) < 0) return -EFAULT;
    if (t.mm.writeU32(header + 8, length) < 0) return -EFAULT;
  }
  // MSG_CMSG_CLOEXEC shows in the result as Linux has it.
  write64(view, 0, used);
  view.setUint32(8, m.outFlags | (flags & 0x40000000), true);
  view.setUint32(12, 0, true);
  if (t.mm.copyOut(header + 40, t.scratch, 0, 12) < 0) return -EFAULT;
  return (flags & MSG_TRUNC) !== 0 && m.fullLength > n ? m.fullLength : n;
}

/** recvmmsg(2). */
export function sys_recvmmsg(t: Task): number {
  const s = socketOf(t, t.args[0]);
  if (typeof s === "number") return s;
  const count = Math.min(t.args[2] >>> 0, UIO_MAXIOV);
  let flags = t.args[3] | 0;
  const state = manyState(t);
  let deadline = t.block.deadline;
  if (t.args[4] !== 0 && deadline === Infinity) {
    if (t.copyIn(t.args[4], 16) < 0) return -EFAULT;
    const seconds = readI64(t.view, 0), ns = readI64(t.view, 8);
    if (seconds < 0 || ns < 0 || ns >= 1e9) return -EINVAL;
    deadline = t.kernel.clock.monotonic() + seconds * 1e9 + ns;
  }
  while (state.done < count) {
    if (state.done > 0 && (flags & MSG_WAITFORONE) !== 0) flags |= MSG_DONTWAIT;
    const header = t.args[1] + state.done * MMSGHDR_SIZE;
    const n = receiveOne(t, s, header, flags & ~MSG_WAITFORONE);
    if (n === BLOCKED) return n;
    if (n < 0) return endMany(t, state, n);
    if (t.mm.writeU32(header + MSGHDR_SIZE, n) < 0) return endMany(t, state, -EFAULT);
    state.next(t);
    if (t.kernel.clock.monotonic() >= deadline) break;
  }
  return endMany(t, state, 0);
}
