import {
  EAGAIN,
  ECONNREFUSED,
  EINVAL,
  EISCONN,
  EOPNOTSUPP,
  EPROTOTYPE,
} from "../../../abi/errno.ts";
import { O_NONBLOCK } from "../../../abi/fcntl.ts";
import { POLLERR, POLLHUP, POLLOUT, POLLRDHUP } from "../../../abi/poll.ts";
import { SOMAXCONN } from "../../../abi/socket.ts";
import type { Task } from "../../kernel/task.ts";
import type { SenderCredentials } from "../message.ts";
import { credentialsOf, READABLE, UnixSocket, WRITABLE } from "./unix_socket.ts";

/** A unix socket with connections: SOCK_STREAM and SOCK_SEQPACKET. */
export abstract class ConnectionSocket extends UnixSocket {
  /** Ends that clients have, waiting to be accepted; null unless listening. */
  private pending: ConnectionSocket[] | null = null;
  private backlog = 0;
  private listenCredentials: SenderCredentials | null = null;
  private listenGroups: readonly number[] = [];
  /** It had a peer at some time. */
  protected wasConnected = false;
  /** Connected, but not accepted yet. */
  private embryo = false;

  protected override readonly shutsPeer = true;

  override get listening(): boolean {
    return this.pending !== null;
  }

  override get connected(): boolean {
    return this.wasConnected;
  }

  /** A socket of the same kind, for the server's end of a connection. */
  protected abstract spawn(t: Task): ConnectionSocket;

  override listen(t: Task, backlog: number): number {
    if (this.name === null || this.wasConnected) return -EINVAL;
    if (this.pending === null) this.pending = [];
    this.backlog = Math.min(backlog < 0 ? SOMAXCONN : backlog, SOMAXCONN);
    this.listenCredentials = credentialsOf(t);
    this.listenGroups = t.creds.groups;
    this.waiters.notify(WRITABLE);
    return 0;
  }

  override connect(t: Task, address: Uint8Array): number {
    if (this.pending !== null) return -EINVAL;
    if (this.wasConnected) return -EISCONN;
    const server = this.find(t, address);
    if (typeof server === "number") return server;
    if (server.type !== this.type) return -EPROTOTYPE;
    if (!(server instanceof ConnectionSocket) || server.pending === null || server.receiveShut) {
      return -ECONNREFUSED;
    }
    if (this.options.passCredentials && this.name === null) {
      const r = this.autobind();
      if (r < 0) return r;
    }
    if (server.pending.length > server.backlog) {
      if ((this.flags & O_NONBLOCK) !== 0) return -EAGAIN;
      t.waitOn(server.waiters, POLLOUT | POLLHUP);
      return t.sleep();
    }
    const end = this.spawn(t);
    end.name = server.name;
    end.options.passCredentials = server.options.passCredentials;
    ConnectionSocket.connectPair(this, end);
    end.notePeer(credentialsOf(t), t.creds.groups);
    this.notePeer(server.listenCredentials!, server.listenGroups);
    end.embryo = true;
    server.pending.push(end);
    server.waiters.notify(READABLE);
    this.waiters.notify(WRITABLE);
    return 0;
  }

  /** Joins two fresh sockets. */
  static connectPair(a: ConnectionSocket, b: ConnectionSocket): void {
    UnixSocket.join(a, b);
    a.wasConnected = true;
    b.wasConnected = true;
    a.joined();
    b.joined();
  }

  /** A peer is there now. */
  protected joined(): void {}

  override accept(_t: Task, flags: number): UnixSocket | number {
    if (this.pending === null) return -EINVAL;
    const end = this.pending.shift();
    if (end === undefined) return this.receiveShut ? -EINVAL : -EAGAIN;
    end.embryo = false;
    end.flags |= flags & O_NONBLOCK;
    this.waiters.notify(POLLOUT);
    return end;
  }

  /** Whether there is something to receive, and room to send. */
  protected abstract readonly hasInput: boolean;
  protected abstract readonly hasRoom: boolean;

  override poll(_t: Task | null): number {
    let mask = 0;
    if (this.error !== 0) mask |= POLLERR;
    if (this.receiveShut) mask |= READABLE | POLLRDHUP;
    if (this.receiveShut && this.sendShut) mask |= POLLHUP;
    if (this.pending !== null) {
      return this.pending.length > 0 ? mask | READABLE : mask;
    }
    if (!this.wasConnected) return mask | WRITABLE | POLLHUP;
    if (this.hasInput) mask |= READABLE;
    if (this.hasRoom) mask |= WRITABLE;
    return mask;
  }

  protected override get hasUnread(): boolean {
    return this.embryo || this.hasInput;
  }

  /** Refuses an address given to a send. */
  protected refuseAddress(): number {
    return this.wasConnected ? -EISCONN : -EOPNOTSUPP;
  }

  override release(): void {
    const pending = this.pending;
    super.release();
    if (pending === null) return;
    this.pending = null;
    for (const end of pending) end.unref();
  }
}
