// hot: every byte between processes by socketpair or a unix socket passes here.

import { EAGAIN, EINVAL, ENOTCONN, EOPNOTSUPP, EPIPE, ETOOMANYREFS } from "../../../abi/errno.ts";
import { MSG_OOB, MSG_PEEK, SO_SNDBUF, SOCK_STREAM } from "../../../abi/socket.ts";
import type { NetNamespace } from "../../kernel/namespaces.ts";
import type { Task } from "../../kernel/task.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import type { File } from "../../vfs/file.ts";
import { type Message, type SenderCredentials, UNKNOWN_SENDER } from "../message.ts";
import { DEFAULT_BUFFER } from "../options.ts";
import { ConnectionSocket } from "./connection_socket.ts";
import { mayFly } from "./flight.ts";
import { countInFlight, Mark, StreamQueue } from "./unix_queue.ts";
import { READABLE, senderOf, WRITABLE } from "./unix_socket.ts";

/** A SOCK_STREAM socket of the unix family. */
export class StreamSocket extends ConnectionSocket {
  /** What the peer sent. */
  private readonly incoming: StreamQueue;

  constructor(t: Task, net: NetNamespace, flags: number) {
    super(t, net, SOCK_STREAM, flags);
    this.incoming = new StreamQueue(DEFAULT_BUFFER);
  }

  protected override spawn(t: Task): StreamSocket {
    return new StreamSocket(t, this.net, 0);
  }

  private get other(): StreamSocket | null {
    return this.peer as StreamSocket | null;
  }

  protected override joined(): void {
    this.optionChanged(SO_SNDBUF);
  }

  override optionChanged(name: number): void {
    if (name === SO_SNDBUF && this.other !== null) {
      this.other.incoming.ring.capacity = this.options.sendBuffer;
    }
  }

  override send(t: Task, io: IoBuffer, message: Message): number {
    if ((message.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
    if (message.address !== null) return this.refuseAddress();
    const other = this.other;
    if (other === null) return -ENOTCONN;
    if (this.sendShut || other.closed || other.receiveShut) return -EPIPE;
    const queue = other.incoming;
    if (io.remaining === 0) return 0;
    if (queue.ring.space <= 0) return -EAGAIN;
    const rights = message.rights;
    if (rights !== null && !mayFly(t, rights.length)) return -ETOOMANYREFS;
    const wantsCredentials = message.credentials !== null || other.options.passCredentials ||
      this.options.passCredentials;
    const at = queue.end;
    const n = queue.ring.takeFrom(io, io.remaining);
    if (n <= 0) return n;
    if (rights !== null || wantsCredentials || queue.marks !== null) {
      const who = wantsCredentials ? message.credentials ?? senderOf(t) : null;
      this.mark(queue, at, rights, who);
    }
    other.waiters.notify(READABLE);
    return n;
  }

  /** Marks what comes from `at` on, unless it goes with what is before. */
  private mark(
    queue: StreamQueue,
    at: number,
    rights: File[] | null,
    who: SenderCredentials | null,
  ): void {
    const marks = queue.marks;
    const last = marks === null ? null : marks[marks.length - 1];
    if (rights === null && (last === null ? who === null : last.rights === null)) {
      const before = last === null ? null : last.credentials;
      if (same(before, who)) return;
    }
    if (rights !== null) {
      countInFlight(rights.length);
      for (const file of rights) file.ref();
    }
    queue.addMark(new Mark(at, rights, who));
  }

  override receive(_t: Task, io: IoBuffer, message: Message): number {
    if ((message.flags & MSG_OOB) !== 0) return -EINVAL;
    if (!this.wasConnected) return -EINVAL;
    const queue = this.incoming;
    if (queue.length === 0) {
      if (this.error !== 0) return -this.takeError();
      return this.receiveShut ? 0 : -EAGAIN;
    }
    if (io.remaining === 0) return 0;
    if ((message.flags & MSG_PEEK) !== 0) return this.peek(io, message);
    const before = queue.ring.space;
    let done = 0;
    let first = true;
    while (io.remaining > 0 && queue.length > 0) {
      const mark = queue.firstMark;
      const who = mark?.credentials ?? UNKNOWN_SENDER;
      if (this.options.passCredentials) {
        // Bytes of different senders are not given out as one.
        if (!first && !same(message.credentials, who)) break;
        message.credentials = who;
      }
      first = false;
      const n = queue.ring.putTo(io, Math.min(queue.run, io.remaining));
      if (n <= 0) return done > 0 ? done : n;
      done += n;
      if (mark !== null && mark.rights !== null) {
        message.rights = mark.rights;
        countInFlight(-mark.rights.length);
        mark.rights = null;
        queue.took(n);
        break;
      }
      queue.took(n);
    }
    const half = queue.ring.capacity / 2;
    if (before < half && queue.ring.space >= half) this.other?.waiters.notify(WRITABLE);
    return done;
  }

  private peek(io: IoBuffer, message: Message): number {
    const queue = this.incoming;
    const mark = queue.firstMark;
    if (mark !== null) {
      if (this.options.passCredentials) message.credentials = mark.credentials;
      if (mark.rights !== null) message.rights = mark.rights.map((file) => file.ref());
    }
    return queue.ring.peekTo(io, 0, Math.min(queue.run, io.remaining));
  }

  protected override get hasInput(): boolean {
    return this.incoming.length > 0;
  }

  protected override get hasRoom(): boolean {
    const other = this.other;
    if (other === null || this.sendShut) return true;
    return other.incoming.ring.space >= other.incoming.ring.capacity / 2;
  }

  override get unread(): number {
    return this.listening ? -EINVAL : this.incoming.length;
  }

  override get unsent(): number {
    return this.other === null ? 0 : this.other.incoming.length;
  }

  protected override dropQueue(): void {
    this.incoming.release();
  }
}

function same(a: SenderCredentials | null, b: SenderCredentials | null): boolean {
  if (a === b) return true;
  return a !== null && b !== null && a.pid === b.pid && a.uid === b.uid && a.gid === b.gid;
}
