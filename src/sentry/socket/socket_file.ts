// hot: messages of every socket come through here.

import { EOPNOTSUPP, EPIPE } from "../../abi/errno.ts";
import { O_NONBLOCK, O_RDWR } from "../../abi/fcntl.ts";
import { FIONREAD, SIOCOUTQ } from "../../abi/ioctl.ts";
import { MSG_NOSIGNAL } from "../../abi/socket.ts";
import type { Task } from "../kernel/task.ts";
import { WaitQueue } from "../kernel/wait.ts";
import type { IoBuffer } from "../mm/io_buffer.ts";
import { raiseSigpipe } from "../fs/pipe/pipe_file.ts";
import { File } from "../vfs/file.ts";
import type { Path } from "../vfs/path.ts";
import { interfaceRequest, isInterfaceRequest } from "./interface_requests.ts";
import { Message } from "./message.ts";
import { SocketOptions } from "./options.ts";

/** The message of read(2) and write(2), which have nothing but bytes. */
const plain = new Message();

/** A socket, as system calls see it. Families extend it. */
export abstract class SocketFile extends File {
  /** AF_*, SOCK_* and IPPROTO_* numbers. */
  readonly family: number;
  readonly type: number;
  readonly protocol: number;
  readonly options: SocketOptions;
  protected readonly waiters: WaitQueue;

  constructor(path: Path, flags: number, family: number, type: number, protocol: number) {
    super(path, O_RDWR | (flags & O_NONBLOCK));
    this.family = family;
    this.type = type;
    this.protocol = protocol;
    this.options = new SocketOptions();
    this.waiters = new WaitQueue();
  }

  override get queue(): WaitQueue {
    return this.waiters;
  }

  override timeout(writing: boolean): number {
    return writing ? this.options.sendTimeout : this.options.receiveTimeout;
  }

  /** bind(2); addresses hold their family. */
  abstract bind(t: Task, address: Uint8Array): number;
  /** connect(2); -EAGAIN or -EINPROGRESS where it has to wait for POLLOUT. */
  abstract connect(t: Task, address: Uint8Array): number;
  /** The own address, or an error. */
  abstract localAddress(): Uint8Array | number;
  /** The address of the peer, or an error. */
  abstract peerAddress(): Uint8Array | number;
  /** Sends from `io`; the count, or -EAGAIN. */
  abstract send(t: Task, io: IoBuffer, message: Message): number;
  /** Receives into `io` and fills `message`; the count, 0 at the end, or -EAGAIN. */
  abstract receive(t: Task, io: IoBuffer, message: Message): number;
  abstract shutdown(t: Task, how: number): number;

  listen(_t: Task, _backlog: number): number {
    return -EOPNOTSUPP;
  }

  /** A connection that waits to be accepted, or -EAGAIN. */
  accept(_t: Task, _flags: number): SocketFile | number {
    return -EOPNOTSUPP;
  }

  /** Whether it is listening (SO_ACCEPTCONN). */
  get listening(): boolean {
    return false;
  }

  /** Takes the pending error (SO_ERROR), a positive number. */
  takeError(): number {
    return 0;
  }

  /** Bytes that can be read, and bytes that the peer has not taken. */
  abstract readonly unread: number;
  abstract readonly unsent: number;

  /** An option of the family: the bytes, or an error. */
  getOption(_t: Task, _level: number, _name: number): Uint8Array | number {
    return -EOPNOTSUPP;
  }

  setOption(_t: Task, _level: number, _name: number, _value: Uint8Array): number {
    return -EOPNOTSUPP;
  }

  /** Puts what the kernel has to tell in the way of a reader (the cookie of mq_notify(2)). */
  queueNotice(_bytes: Uint8Array): void {}

  /** Tells the family that a common option changed. */
  optionChanged(_name: number): void {}

  override read(t: Task, io: IoBuffer, _pos: number): number {
    return this.receive(t, io, plain.reset(0));
  }

  override write(t: Task, io: IoBuffer, _pos: number): number {
    const r = this.send(t, io, plain.reset(0));
    if (r === -EPIPE) raiseSigpipe(t);
    return r;
  }

  /** A send of a system call: raises SIGPIPE as write(2) does. */
  sendMessage(t: Task, io: IoBuffer, message: Message): number {
    const r = this.send(t, io, message);
    if (r === -EPIPE && (message.flags & MSG_NOSIGNAL) === 0) raiseSigpipe(t);
    return r;
  }

  override ioctl(t: Task, cmd: number, arg: number): number {
    switch (cmd) {
      case FIONREAD: {
        const n = this.unread;
        return n < 0 ? n : t.mm.writeU32(arg, n);
      }
      case SIOCOUTQ: {
        const n = this.unsent;
        return n < 0 ? n : t.mm.writeU32(arg, n);
      }
    }
    if (isInterfaceRequest(cmd)) return interfaceRequest(t, cmd, arg);
    return super.ioctl(t, cmd, arg);
  }
}
