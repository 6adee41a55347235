import {
  EAGAIN,
  ECONNREFUSED,
  EINVAL,
  ENOTCONN,
  EOPNOTSUPP,
  EPERM,
  EPIPE,
  EPROTOTYPE,
} from "../../../abi/errno.ts";
import { AF_UNSPEC, MSG_OOB, SOCK_DGRAM } from "../../../abi/socket.ts";
import { POLLHUP, POLLRDHUP } from "../../../abi/poll.ts";
import type { NetNamespace } from "../../kernel/namespaces.ts";
import type { Task } from "../../kernel/task.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import type { Message } from "../message.ts";
import { makeDatagram, takeDatagram } from "./packet_queue.ts";
import { unixAddress } from "./unix_address.ts";
import { DatagramQueue } from "./unix_queue.ts";
import { credentialsOf, READABLE, UnixSocket, WRITABLE } from "./unix_socket.ts";

/** Datagrams that wait at a receiver which is not its sender's peer (net.unix.max_dgram_qlen). */
const MAX_QUEUED = 10;

/** A SOCK_DGRAM socket of the unix family. */
export class DatagramSocket extends UnixSocket {
  private readonly incoming: DatagramQueue;
  /** Senders that found the queue full. */
  private readonly refused: Set<DatagramSocket>;

  constructor(t: Task, net: NetNamespace, flags: number) {
    super(t, net, SOCK_DGRAM, flags);
    this.incoming = new DatagramQueue();
    this.refused = new Set();
  }

  protected override readonly shutsPeer = false;

  protected override get hasUnread(): boolean {
    return this.incoming.count > 0;
  }

  override connect(t: Task, address: Uint8Array): number {
    if (address.length >= 2 && (address[0] | (address[1] << 8)) === AF_UNSPEC) {
      this.peer = null;
      this.waiters.notify(WRITABLE);
      return 0;
    }
    const other = this.target(t, address);
    if (typeof other === "number") return other;
    if (this.options.passCredentials) {
      const r = this.autobind();
      if (r < 0) return r;
    }
    this.peer = other;
    this.notePeer(credentialsOf(t), t.creds.groups);
    this.waiters.notify(WRITABLE);
    return 0;
  }

  /** The socket that `address` names, if it takes datagrams of this one. */
  private target(t: Task, address: Uint8Array): DatagramSocket | number {
    const other = this.find(t, address);
    if (typeof other === "number") return other;
    if (!(other instanceof DatagramSocket)) return -EPROTOTYPE;
    if (other.peer !== null && other.peer !== this) return -EPERM;
    return other;
  }

  override send(t: Task, io: IoBuffer, message: Message): number {
    if ((message.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
    if (this.options.passCredentials) {
      const r = this.autobind();
      if (r < 0) return r;
    }
    let other: DatagramSocket;
    if (message.address !== null) {
      const found = this.target(t, message.address);
      if (typeof found === "number") return found;
      other = found;
    } else {
      if (this.peer === null) return -ENOTCONN;
      other = this.peer as DatagramSocket;
      if (other.closed) {
        this.peer = null;
        return -ECONNREFUSED;
      }
      if (other.peer !== null && other.peer !== this) return -EPERM;
    }
    if (this.sendShut) return -EPIPE;
    if (other.receiveShut) return -EPIPE;
    if (!this.fits(other, io.remaining)) {
      other.refused.add(this);
      return -EAGAIN;
    }
    const d = makeDatagram(t, this, io, message);
    if (typeof d === "number") return d;
    other.incoming.push(d);
    other.waiters.notify(READABLE);
    return d.length;
  }

  private fits(other: DatagramSocket, length: number): boolean {
    const queue = other.incoming;
    if (queue.count === 0) return true;
    if (other.peer !== this && queue.count > MAX_QUEUED) return false;
    return queue.weight + length <= this.options.sendBuffer;
  }

  override receive(_t: Task, io: IoBuffer, message: Message): number {
    if ((message.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
    const queue = this.incoming;
    const d = queue.first;
    if (d === null) {
      if (this.error !== 0) return -this.takeError();
      return this.receiveShut ? 0 : -EAGAIN;
    }
    const n = takeDatagram(queue, io, message, this.options.passCredentials);
    // An unnamed sender has no address at all, not even a family.
    message.address = d.from === null ? null : unixAddress(d.from);
    this.wakeRefused();
    return n;
  }

  private wakeRefused(): void {
    if (this.refused.size === 0) return;
    const senders = [...this.refused];
    this.refused.clear();
    for (const sender of senders) sender.waiters.notify(WRITABLE);
  }

  override poll(_t: Task | null): number {
    let mask = 0;
    if (this.receiveShut) mask |= READABLE | POLLRDHUP;
    if (this.receiveShut && this.sendShut) mask |= POLLHUP;
    if (this.incoming.count > 0) mask |= READABLE;
    const other = this.peer as DatagramSocket | null;
    if (other === null || other.closed || this.fits(other, 0)) mask |= WRITABLE;
    else other.refused.add(this);
    return mask;
  }

  override get unread(): number {
    return this.incoming.first === null ? 0 : this.incoming.first.length;
  }

  override get unsent(): number {
    const other = this.peer as DatagramSocket | null;
    return other === null ? 0 : other.incoming.bytes;
  }

  protected override dropQueue(): void {
    this.incoming.release();
    this.wakeRefused();
  }

  /** A datagram socket is no server. */
  override accept(): number {
    return -EOPNOTSUPP;
  }

  override shutdown(t: Task, how: number): number {
    if (this.peer === null) return -ENOTCONN;
    return how < 0 ? -EINVAL : super.shutdown(t, how);
  }
}
