// hot: every UDP datagram passes here.

import { EDESTADDRREQ, EINVAL, ENOTCONN } from "../../../abi/errno.ts";
import { AF_UNSPEC, MSG_ERRQUEUE, MSG_TRUNC, SO_BROADCAST } from "../../../abi/socket.ts";
import { ReceiveInfo } from "../../../netstack/transport/datagram.ts";
import type { PingEndpoint } from "../../../netstack/transport/ping.ts";
import { RawEndpoint } from "../../../netstack/transport/raw_endpoint.ts";
import { SendTarget, UdpEndpoint } from "../../../netstack/transport/udp_endpoint.ts";
import type { Task } from "../../kernel/task.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import type { Message } from "../message.ts";
import { readChanges, receiveError, SendChanges, tellAncillary } from "./ancillary.ts";
import { familyOf, inetAddress, type InetName } from "./inet_address.ts";
import { InetSocket, parsed } from "./inet_socket.ts";

const info = new ReceiveInfo();
const target = new SendTarget();
const changes = new SendChanges();

/** A UDP, raw or ping socket. */
export class DatagramInetSocket extends InetSocket<UdpEndpoint | RawEndpoint | PingEndpoint> {
  protected override bindEndpoint(name: InetName): number {
    const e = this.endpoint;
    if (e instanceof RawEndpoint) return e.bind(name.address, name.scope);
    return e.bind(name.address, name.port, name.scope);
  }

  override connect(_t: Task, address: Uint8Array): number {
    const e = this.endpoint;
    if (familyOf(address) === AF_UNSPEC) return this.after(e.disconnect());
    const r = this.parse(address);
    if (r < 0) return r;
    if ("cork" in e) return this.after(e.connect(parsed.address, parsed.port, parsed.scope));
    return this.after(e.connect(parsed.address, parsed.scope));
  }

  override peerAddress(): Uint8Array | number {
    const e = this.endpoint;
    if (!e.connected) return -ENOTCONN;
    return inetAddress(this.family, e.remote, e.remotePort, e.device);
  }

  override send(_t: Task, io: IoBuffer, message: Message): number {
    const e = this.endpoint;
    let to: SendTarget | null = null;
    if (message.address !== null) {
      const r = this.parse(message.address);
      if (r < 0) return r;
      if ("cork" in e && parsed.port === 0) return -EINVAL;
      to = target;
      to.address = parsed.address;
      to.port = parsed.port;
      to.index = parsed.scope;
      to.source = null;
      to.ttl = -1;
      to.tos = -1;
    } else if (!e.connected) {
      return -EDESTADDRREQ;
    }
    if (message.control !== null) return this.sendChanged(io, message, to);
    return this.after(e.send(io, io.remaining, message.flags, to));
  }

  /** A send with control messages. */
  private sendChanged(io: IoBuffer, message: Message, given: SendTarget | null): number {
    const e = this.endpoint;
    const r = readChanges(this, message, changes);
    if (r < 0) return r;
    let to = given;
    if (to === null) {
      to = target;
      to.address = e.remote;
      to.port = e.remotePort;
      to.index = 0;
      to.source = null;
    }
    changes.apply(to);
    if (changes.segmentSize < 0 || !(e instanceof UdpEndpoint)) {
      return this.after(e.send(io, io.remaining, message.flags, to));
    }
    const before = e.segmentSize;
    e.segmentSize = changes.segmentSize;
    const n = e.send(io, io.remaining, message.flags, to);
    e.segmentSize = before;
    return this.after(n);
  }

  override receive(_t: Task, io: IoBuffer, message: Message): number {
    if ((message.flags & MSG_ERRQUEUE) !== 0) {
      return receiveError(this, this.endpoint, io, message);
    }
    const n = this.endpoint.receive(io, io.remaining, message.flags & ~MSG_TRUNC, info);
    if (n < 0) return n;
    message.fullLength = info.length;
    if (info.truncated) message.outFlags |= MSG_TRUNC;
    message.address = inetAddress(this.family, info.address, info.port, info.index);
    if (this.ancillary !== 0) tellAncillary(this, message, info);
    return n;
  }

  override shutdown(_t: Task, how: number): number {
    if (how < 0 || how > 2) return -EINVAL;
    return this.after(this.endpoint.shutdown(how));
  }

  override get unread(): number {
    return this.endpoint.nextLength;
  }

  override get unsent(): number {
    return 0;
  }

  protected override ownOptionChanged(name: number): void {
    if (name === SO_BROADCAST) this.endpoint.broadcast = this.options.has(name);
  }
}
