import { EAGAIN, EINVAL, ENOTCONN, EOPNOTSUPP, EPIPE } from "../../../abi/errno.ts";
import { MSG_EOR, MSG_OOB, MSG_PEEK, SOCK_SEQPACKET } from "../../../abi/socket.ts";
import type { NetNamespace } from "../../kernel/namespaces.ts";
import type { Task } from "../../kernel/task.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import type { Message } from "../message.ts";
import { ConnectionSocket } from "./connection_socket.ts";
import { makeDatagram, takeDatagram } from "./packet_queue.ts";
import { DatagramQueue } from "./unix_queue.ts";
import { READABLE, WRITABLE } from "./unix_socket.ts";

/** A SOCK_SEQPACKET socket of the unix family: a connection that keeps the bounds of messages. */
export class PacketSocket extends ConnectionSocket {
  private readonly incoming: DatagramQueue;

  constructor(t: Task, net: NetNamespace, flags: number) {
    super(t, net, SOCK_SEQPACKET, flags);
    this.incoming = new DatagramQueue();
  }

  protected override spawn(t: Task): PacketSocket {
    return new PacketSocket(t, this.net, 0);
  }

  private get other(): PacketSocket | null {
    return this.peer as PacketSocket | null;
  }

  override send(t: Task, io: IoBuffer, message: Message): number {
    if ((message.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
    if (message.address !== null && message.address.length > 0) return this.refuseAddress();
    const other = this.other;
    if (other === null) return -ENOTCONN;
    if (this.sendShut || other.closed || other.receiveShut) return -EPIPE;
    const queue = other.incoming;
    if (queue.count > 0 && queue.weight + io.remaining > this.options.sendBuffer) return -EAGAIN;
    const d = makeDatagram(t, this, io, message);
    if (typeof d === "number") return d;
    queue.push(d);
    other.waiters.notify(READABLE);
    return d.length;
  }

  override receive(_t: Task, io: IoBuffer, message: Message): number {
    if ((message.flags & MSG_OOB) !== 0) return -EOPNOTSUPP;
    if (!this.wasConnected) return -ENOTCONN;
    const queue = this.incoming;
    if (queue.count === 0) {
      if (this.error !== 0) return -this.takeError();
      return this.receiveShut ? 0 : -EAGAIN;
    }
    const n = takeDatagram(queue, io, message, this.options.passCredentials);
    if (n >= 0) message.outFlags |= MSG_EOR;
    if ((message.flags & MSG_PEEK) === 0) this.other?.waiters.notify(WRITABLE);
    return n;
  }

  protected override get hasInput(): boolean {
    return this.incoming.count > 0;
  }

  protected override get hasRoom(): boolean {
    const other = this.other;
    if (other === null || this.sendShut) return true;
    return other.incoming.weight * 2 <= this.options.sendBuffer;
  }

  override get unread(): number {
    if (this.listening) return -EINVAL;
    return this.incoming.bytes;
  }

  override get unsent(): number {
    return this.other === null ? 0 : this.other.incoming.bytes;
  }

  protected override dropQueue(): void {
    this.incoming.release();
  }
}
