import {
  EADDRINUSE,
  EAGAIN,
  EINVAL,
  EMSGSIZE,
  ENODEV,
  ENOTCONN,
  EOPNOTSUPP,
  EPERM,
} from "../../../abi/errno.ts";
import { CAP_NET_ADMIN } from "../../../abi/capability.ts";
import * as N from "../../../abi/netlink.ts";
import { AF_NETLINK, SOL_NETLINK } from "../../../abi/socket.ts";
import { POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../../../abi/poll.ts";
import { S_IFSOCK } from "../../../abi/stat.ts";
import { cString } from "../../kernel/bytes.ts";
import type { NetNamespace } from "../../kernel/namespaces.ts";
import type { Task } from "../../kernel/task.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import { socketPath } from "../../vfs/anon.ts";
import type { NetworkInterface } from "../../../netstack/network/interface.ts";
import { type NetworkStack, networkStack } from "../inet/network_stack.ts";
import type { Message } from "../message.ts";
import { SocketFile } from "../socket_file.ts";
import { takeDatagram } from "../unix/packet_queue.ts";
import { Datagram, DatagramQueue } from "../unix/unix_queue.ts";
import { NetlinkWriter } from "../../../abi/netlink_message.ts";
import { dump, writeLink } from "./route_dump.ts";

const HEADER_SIZE = 16;
const ADDRESS_SIZE = 12;
/** Longest datagram that holds several answers. */
const MAX_REPLY = 32768;
/** Answers that may wait to be read. */
const MAX_WAITING = 256;

/** Ports in use, by namespace. */
const ports: WeakMap<NetNamespace, Set<number>> = new WeakMap();

/** A NETLINK_ROUTE socket (rtnetlink(7)): it tells of interfaces, addresses and routes. */
export class NetlinkSocket extends SocketFile {
  private readonly net: NetNamespace;
  private readonly network: NetworkStack;
  private readonly incoming: DatagramQueue;
  private readonly writer: NetlinkWriter;
  private port: number;
  private groups: number;

  constructor(t: Task, type: number, protocol: number, flags: number) {
    super(
      socketPath(t.kernel.vfs, S_IFSOCK | 0o777, t.creds.fsuid, t.creds.fsgid),
      flags,
      AF_NETLINK,
      type,
      protocol,
    );
    this.net = t.nsproxy.net;
    this.network = networkStack(t.kernel, this.net);
    this.incoming = new DatagramQueue();
    this.writer = new NetlinkWriter();
    this.port = 0;
    this.groups = 0;
  }

  override bind(t: Task, address: Uint8Array): number {
    const view = new DataView(address.buffer, address.byteOffset, address.length);
    if (address.length < ADDRESS_SIZE || view.getUint16(0, true) !== AF_NETLINK) return -EINVAL;
    this.groups = view.getUint32(8, true);
    const port = view.getUint32(4, true);
    if (this.port !== 0) return port === 0 || port === this.port ? 0 : -EINVAL;
    return this.takePort(t, port);
  }

  /** Takes a port: the process id if it is free, as programs expect. */
  private takePort(t: Task, wanted: number): number {
    let used = ports.get(this.net);
    if (used === undefined) {
      used = new Set();
      ports.set(this.net, used);
    }
    if (wanted !== 0 && used.has(wanted)) return -EADDRINUSE;
    let port = wanted === 0 ? t.group.tgid : wanted;
    for (let n = 0xffffefff; used.has(port); n--) port = n;
    used.add(port);
    this.port = port;
    return 0;
  }

  private autobind(t: Task): void {
    if (this.port === 0) this.takePort(t, 0);
  }

  override connect(t: Task, address: Uint8Array): number {
    if (address.length < ADDRESS_SIZE) return -EINVAL;
    this.autobind(t);
    return 0;
  }

  private address(port: number, groups: number): Uint8Array {
    const bytes = new Uint8Array(ADDRESS_SIZE);
    const view = new DataView(bytes.buffer);
    view.setUint16(0, AF_NETLINK, true);
    view.setUint32(4, port, true);
    view.setUint32(8, groups, true);
    return bytes;
  }

  override localAddress(): Uint8Array {
    return this.address(this.port, this.groups);
  }

  override peerAddress(): Uint8Array {
    return this.address(0, 0);
  }

  override send(t: Task, io: IoBuffer, message: Message): number {
    const length = io.remaining;
    if (length > MAX_REPLY) return -EMSGSIZE;
    if (message.address !== null && message.address.length < ADDRESS_SIZE) return -EINVAL;
    if (this.incoming.count > MAX_WAITING) return -EAGAIN;
    this.autobind(t);
    const bytes = new Uint8Array(length);
    const n = io.take(bytes, 0, length);
    if (n < 0) return n;
    const view = new DataView(bytes.buffer);
    let at = 0;
    while (at + HEADER_SIZE <= n) {
      const size = view.getUint32(at, true);
      if (size < HEADER_SIZE || at + size > n) break;
      this.handle(t, bytes, view, at, size);
      at += (size + 3) & ~3;
    }
    return n;
  }

  /** Answers one request. */
  private handle(t: Task, bytes: Uint8Array, view: DataView, at: number, size: number): void {
    const type = view.getUint16(at + 4, true);
    const flags = view.getUint16(at + 6, true);
    const asker = { sequence: view.getUint32(at + 8, true), port: this.port };
    if (type < N.NLMSG_MIN_TYPE || (flags & N.NLM_F_REQUEST) === 0) return;
    const header = bytes.subarray(at, at + HEADER_SIZE);
    const family = size > HEADER_SIZE ? bytes[at + HEADER_SIZE] : 0;
    const w = this.writer;
    if ((flags & N.NLM_F_DUMP) === N.NLM_F_DUMP) {
      if (!dump(this.network.stack, type, family, asker, w)) {
        this.answerError(-EOPNOTSUPP, header, asker.sequence);
        return;
      }
      if (w.size > 0) this.queueReply(w.take());
      w.begin(N.NLMSG_DONE, N.NLM_F_MULTI, asker.sequence, asker.port).u32(0).end();
      this.queueReply(w.take());
      return;
    }
    if (type === N.RTM_GETLINK) {
      const link = this.findLink(bytes, view, at, size);
      if (link === null) {
        this.answerError(-ENODEV, header, asker.sequence);
        return;
      }
      writeLink(w, link, asker, 0);
      this.queueReply(w.take());
      if ((flags & N.NLM_F_ACK) !== 0) this.answerError(0, header, asker.sequence);
      return;
    }
    const changes = (type & 3) !== 2;
    const denied = changes && !t.creds.capable(CAP_NET_ADMIN);
    this.answerError(denied ? -EPERM : -EOPNOTSUPP, header, asker.sequence);
  }

  /** The interface that a request names by number or by name. */
  private findLink(
    bytes: Uint8Array,
    view: DataView,
    at: number,
    size: number,
  ): NetworkInterface | null {
    const stack = this.network.stack;
    if (size < HEADER_SIZE + 16) return null;
    const index = view.getInt32(at + HEADER_SIZE + 4, true);
    if (index > 0) return stack.interfaces().find((i) => i.index === index) ?? null;
    let a = at + HEADER_SIZE + 16;
    while (a + 4 <= at + size) {
      const length = view.getUint16(a, true);
      if (length < 4 || a + length > at + size) return null;
      if (view.getUint16(a + 2, true) === N.IFLA_IFNAME) {
        return stack.interfaceByName(cString(bytes, a + 4, length - 4));
      }
      a += (length + 3) & ~3;
    }
    return null;
  }

  /** NLMSG_ERROR; 0 is an acknowledgement. */
  private answerError(error: number, header: Uint8Array, sequence: number): void {
    const w = this.writer;
    w.begin(N.NLMSG_ERROR, N.NLM_F_CAPPED, sequence, this.port).u32(error >>> 0).raw(header).end();
    this.queueReply(w.take());
  }

  override queueNotice(bytes: Uint8Array): void {
    this.queueReply(bytes);
  }

  private queueReply(bytes: Uint8Array): void {
    this.incoming.push(new Datagram(bytes, bytes.length, null, null, null));
    this.waiters.notify(POLLIN | POLLRDNORM);
  }

  override receive(_t: Task, io: IoBuffer, message: Message): number {
    if (this.incoming.first === null) return -EAGAIN;
    const n = takeDatagram(this.incoming, io, message, false);
    message.address = this.address(0, 0);
    return n;
  }

  override poll(_t: Task | null): number {
    const mask = POLLOUT | POLLWRNORM;
    return this.incoming.count > 0 ? mask | POLLIN | POLLRDNORM : mask;
  }

  override shutdown(): number {
    return -EOPNOTSUPP;
  }

  override get unread(): number {
    return this.incoming.first === null ? 0 : this.incoming.first.length;
  }

  override get unsent(): number {
    return 0;
  }

  override getOption(_t: Task, level: number, _name: number): Uint8Array | number {
    return level === SOL_NETLINK ? new Uint8Array(4) : -ENOTCONN;
  }

  override setOption(_t: Task, level: number, _name: number, value: Uint8Array): number {
    // Memberships and strictness: nothing changes by itself here, so that there is nothing to tell.
    return level === SOL_NETLINK && value.length >= 4 ? 0 : -EINVAL;
  }

  override release(): void {
    if (this.port !== 0) ports.get(this.net)?.delete(this.port);
    this.incoming.release();
  }
}
