// hot: every byte of a TCP connection passes here.

import { EINVAL, ENOTCONN } from "../../../abi/errno.ts";
import { O_NONBLOCK } from "../../../abi/fcntl.ts";
import { SIOCATMARK, SIOCOUTQNSD } from "../../../abi/ioctl.ts";
import {
  AF_UNSPEC,
  IPPROTO_TCP,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_OOBINLINE,
  SO_RCVLOWAT,
  SOCK_STREAM,
} from "../../../abi/socket.ts";
import type { TcpEndpoint } from "../../../netstack/transport/tcp/endpoint.ts";
import type { Task } from "../../kernel/task.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import type { Message } from "../message.ts";
import { familyOf, inetAddress, type InetName } from "./inet_address.ts";
import { InetSocket, parsed } from "./inet_socket.ts";
import type { NetworkStack } from "./network_stack.ts";

/** A TCP socket. */
export class TcpSocket extends InetSocket<TcpEndpoint> {
  constructor(
    t: Task,
    network: NetworkStack,
    endpoint: TcpEndpoint,
    family: number,
    flags: number,
  ) {
    super(t, network, endpoint, family, SOCK_STREAM, IPPROTO_TCP, flags);
  }

  protected override bindEndpoint(name: InetName): number {
    return this.endpoint.bind(name.address, name.port, name.scope);
  }

  override connect(_t: Task, address: Uint8Array): number {
    if (familyOf(address) === AF_UNSPEC) return this.after(this.endpoint.disconnect());
    const r = this.parse(address);
    if (r < 0) return r;
    return this.after(this.endpoint.connect(parsed.address, parsed.port, parsed.scope));
  }

  override listen(_t: Task, backlog: number): number {
    return this.after(this.endpoint.listen(backlog < 0 ? 4096 : backlog));
  }

  override get listening(): boolean {
    return this.endpoint.listening;
  }

  override accept(t: Task, flags: number): TcpSocket | number {
    const child = this.endpoint.accept();
    if (typeof child === "number") return child;
    const socket = new TcpSocket(t, this.network, child, this.family, flags & O_NONBLOCK);
    for (const [name, value] of this.options.values) socket.options.values.set(name, value);
    this.network.pump();
    return socket;
  }

  override peerAddress(): Uint8Array | number {
    const e = this.endpoint;
    if (e.remotePort === 0 || e.listening || !e.isSynchronized) return -ENOTCONN;
    return inetAddress(this.family, e.remote, e.remotePort, e.device);
  }

  override send(_t: Task, io: IoBuffer, message: Message): number {
    return this.after(this.endpoint.send(io, io.remaining, message.flags));
  }

  override receive(_t: Task, io: IoBuffer, message: Message): number {
    return this.after(this.endpoint.receive(io, io.remaining, message.flags));
  }

  override shutdown(_t: Task, how: number): number {
    if (how < 0 || how > 2) return -EINVAL;
    return this.after(this.endpoint.shutdown(how));
  }

  override get unread(): number {
    return this.listening ? -EINVAL : this.endpoint.available;
  }

  override get unsent(): number {
    return this.listening ? -EINVAL : this.endpoint.unacknowledged;
  }

  protected override ownOptionChanged(name: number): void {
    const e = this.endpoint;
    const o = this.options;
    switch (name) {
      case SO_KEEPALIVE:
        e.setKeepAlive(o.has(name));
        break;
      case SO_LINGER:
        e.lingerSeconds = o.lingerOn ? o.lingerSeconds : -1;
        break;
      case SO_OOBINLINE:
        e.oobInline = o.has(name);
        break;
      case SO_RCVLOWAT:
        e.receiveLowWater = o.lowWater;
        break;
    }
  }

  override ioctl(t: Task, cmd: number, arg: number): number {
    if (cmd === SIOCATMARK) return t.mm.writeU32(arg, this.endpoint.atMark ? 1 : 0);
    if (cmd === SIOCOUTQNSD) return t.mm.writeU32(arg, this.endpoint.unsent);
    return super.ioctl(t, cmd, arg);
  }
}
