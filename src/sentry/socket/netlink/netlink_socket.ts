import {
  EADDRINUSE,
  EAGAIN,
  ECONNREFUSED,
  EINVAL,
  EMSGSIZE,
  ENOBUFS,
  ENOPROTOOPT,
  EOPNOTSUPP,
  EPERM,
} from "../../../abi/errno.ts";
import { CAP_NET_ADMIN } from "../../../abi/capability.ts";
import * as N from "../../../abi/netlink.ts";
import {
  NETLINK_HEADER,
  type NetlinkMessage,
  NetlinkWriter,
  readNetlinkMessages,
} from "../../../abi/netlink_message.ts";
import { AF_NETLINK, SOL_NETLINK } from "../../../abi/socket.ts";
import { POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../../../abi/poll.ts";
import { S_IFSOCK } from "../../../abi/stat.ts";
import type { NetNamespace } from "../../kernel/namespaces.ts";
import type { Task } from "../../kernel/task.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import { socketPath } from "../../vfs/anon.ts";
import type { Message } from "../message.ts";
import { SocketFile } from "../socket_file.ts";
import { takeDatagram } from "../unix/packet_queue.ts";
import { Datagram, DatagramQueue } from "../unix/unix_queue.ts";

const ADDRESS_SIZE = 12;
/** Longest datagram that is taken. */
const MAX_MESSAGE = 32768;
/** After so many bytes a dump goes on in another datagram; glibc reads with a buffer of one page. */
const REPLY_SIZE = 2600;
/** Bytes of answers and notifications that may wait to be read. */
const MAX_WAITING = 16 << 20;
const MAX_GROUPS = 64;

/** Who asked, for the headers of the answers. */
export interface Asker {
  sequence: number;
  port: number;
}

/** One request. */
export interface NetlinkRequest extends NetlinkMessage, Asker {
  readonly task: Task;
  /** Whether NLM_F_DUMP is set: all of its kind are asked for. */
  readonly isDump: boolean;
}

/** The sockets of one namespace, by protocol and port. */
class NetlinkTable {
  private readonly sockets: Map<number, Set<NetlinkSocket>> = new Map();

  of(protocol: number): Set<NetlinkSocket> {
    let set = this.sockets.get(protocol);
    if (set === undefined) {
      set = new Set();
      this.sockets.set(protocol, set);
    }
    return set;
  }
}

const tables: WeakMap<NetNamespace, NetlinkTable> = new WeakMap();

function tableOf(net: NetNamespace): NetlinkTable {
  let table = tables.get(net);
  if (table === undefined) {
    table = new NetlinkTable();
    tables.set(net, table);
  }
  return table;
}

/** All sockets of a protocol in a namespace. */
export function netlinkSockets(net: NetNamespace, protocol: number): ReadonlySet<NetlinkSocket> {
  return tableOf(net).of(protocol);
}

/** Sends messages to those who have joined a group. */
export function multicast(
  net: NetNamespace,
  protocol: number,
  group: number,
  bytes: Uint8Array,
): void {
  for (const socket of tableOf(net).of(protocol)) {
    if (socket.hasGroup(group)) socket.deliver(bytes, 0, group);
  }
}

/** A netlink socket (netlink(7)). Protocols say how they answer a request. */
export abstract class NetlinkSocket extends SocketFile {
  readonly net: NetNamespace;
  protected readonly writer: NetlinkWriter;
  private readonly incoming: DatagramQueue;
  /** Where each waiting datagram came from: port and group. */
  private readonly origins: [port: number, group: number][] = [];
  private waiting = 0;
  port = 0;
  private remotePort = 0;
  private remoteGroups = 0;
  private readonly groups: Set<number> = new Set();
  private readonly switches: Set<number> = new Set();
  private overrun = false;

  constructor(t: Task, type: number, protocol: number, flags: number) {
    super(
      socketPath(t.kernel.vfs, S_IFSOCK | 0o777, t.creds.fsuid, t.creds.fsgid),
      flags,
      AF_NETLINK,
      type,
      protocol,
    );
    this.net = t.nsproxy.net;
    this.incoming = new DatagramQueue();
    this.writer = new NetlinkWriter();
    tableOf(this.net).of(protocol).add(this);
  }

  /** Answers a request by way of {@link writer} and {@link sendReplies}; 0, or a negative errno for NLMSG_ERROR. */
  protected abstract handle(request: NetlinkRequest): number;

  /** Whether programs may join a group without CAP_NET_ADMIN, which is so for rtnetlink(7). */
  protected groupsAreOpen(): boolean {
    return true;
  }

  /** Called when groups have changed. */
  protected groupsChanged(): void {}

  hasGroup(group: number): boolean {
    return this.groups.has(group);
  }

  get groupCount(): number {
    return this.groups.size;
  }

  /** Groups 1 to 32 as bits. */
  get groupBits(): number {
    let bits = 0;
    for (const group of this.groups) if (group <= 32) bits |= 1 << (group - 1);
    return bits >>> 0;
  }

  override bind(t: Task, address: Uint8Array): number {
    const view = new DataView(address.buffer, address.byteOffset, address.length);
    if (address.length < ADDRESS_SIZE || view.getUint16(0, true) !== AF_NETLINK) return -EINVAL;
    const groups = view.getUint32(8, true);
    if (groups !== 0 && !this.groupsAreOpen() && !t.creds.capable(CAP_NET_ADMIN)) return -EPERM;
    const port = view.getUint32(4, true);
    if (this.port !== 0) {
      if (port !== 0 && port !== this.port) return -EINVAL;
    } else {
      const r = this.takePort(t, port);
      if (r < 0) return r;
    }
    for (let i = 0; i < 32; i++) {
      if ((groups & (1 << i)) !== 0) this.groups.add(i + 1);
      else this.groups.delete(i + 1);
    }
    this.groupsChanged();
    return 0;
  }

  /** Takes a port: the process id if it is free, as programs expect. */
  private takePort(t: Task, wanted: number): number {
    const used = new Set<number>();
    for (const socket of tableOf(this.net).of(this.protocol)) used.add(socket.port);
    if (wanted !== 0 && used.has(wanted)) return -EADDRINUSE;
    let port = wanted === 0 ? t.group.tgid : wanted;
    for (let n = 0xffffefff; used.has(port); n--) port = n;
    this.port = port;
    return 0;
  }

  override connect(t: Task, address: Uint8Array): number {
    const view = new DataView(address.buffer, address.byteOffset, address.length);
    if (address.length < 2) return -EINVAL;
    if (view.getUint16(0, true) !== AF_NETLINK) {
      this.remotePort = 0;
      this.remoteGroups = 0;
      return view.getUint16(0, true) === 0 ? 0 : -EINVAL;
    }
    if (address.length < ADDRESS_SIZE) return -EINVAL;
    if (this.port === 0) this.takePort(t, 0);
    this.remotePort = view.getUint32(4, true);
    this.remoteGroups = view.getUint32(8, true);
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
    return this.address(this.port, this.groupBits);
  }

  override peerAddress(): Uint8Array {
    return this.address(this.remotePort, this.remoteGroups);
  }

  override send(t: Task, io: IoBuffer, message: Message): number {
    const length = io.remaining;
    if (length > MAX_MESSAGE) return -EMSGSIZE;
    let port = this.remotePort;
    let groups = this.remoteGroups;
    if (message.address !== null) {
      if (message.address.length < ADDRESS_SIZE) return -EINVAL;
      const a = message.address;
      const view = new DataView(a.buffer, a.byteOffset, a.length);
      if (view.getUint16(0, true) !== AF_NETLINK) return -EINVAL;
      port = view.getUint32(4, true);
      groups = view.getUint32(8, true);
    }
    if (this.waiting > MAX_WAITING) return -EAGAIN;
    if (this.port === 0) this.takePort(t, 0);
    const bytes = new Uint8Array(length);
    const n = io.take(bytes, 0, length);
    if (n < 0) return n;
    if (groups !== 0 && !t.creds.capable(CAP_NET_ADMIN)) return -EPERM;
    if (port !== 0) return this.sendTo(port, bytes.subarray(0, n));
    if (groups !== 0) {
      for (let i = 0; i < 32; i++) {
        if ((groups & (1 << i)) !== 0) multicast(this.net, this.protocol, i + 1, bytes);
      }
    }
    this.answerAll(t, bytes.subarray(0, n));
    return n;
  }

  /** To another program's socket. */
  private sendTo(port: number, bytes: Uint8Array): number {
    for (const socket of tableOf(this.net).of(this.protocol)) {
      if (socket.port !== port) continue;
      if (!socket.deliver(bytes, this.port, 0)) return -EAGAIN;
      return bytes.length;
    }
    return -ECONNREFUSED;
  }

  /** Answers what is in a datagram to the kernel. */
  protected answerAll(t: Task, bytes: Uint8Array): void {
    for (const m of readNetlinkMessages(bytes)) {
      if (m.type < N.NLMSG_MIN_TYPE || (m.flags & N.NLM_F_REQUEST) === 0) {
        if ((m.flags & N.NLM_F_ACK) !== 0) this.answerError(0, m);
        continue;
      }
      const isDump = (m.flags & N.NLM_F_DUMP) === N.NLM_F_DUMP && this.isGet(m.type);
      const error = this.handle({ ...m, task: t, port: this.port, isDump });
      this.sendReplies();
      if (error === 0 && isDump) this.finishDump(m);
      else if (error !== 0 || (m.flags & N.NLM_F_ACK) !== 0) this.answerError(error, m);
    }
  }

  /** Whether a type of message asks for something: of others the flags of a dump mean other things. */
  protected isGet(type: number): boolean {
    return (type & 3) === 2;
  }

  /** Sends a datagram of answers off where what has been written is long enough for one. */
  protected sendLongReplies(): void {
    if (this.writer.size >= REPLY_SIZE) this.sendReplies();
  }

  /** Sends what has been written. */
  protected sendReplies(): void {
    if (this.writer.size > 0) this.deliver(this.writer.take(), 0, 0);
  }

  private finishDump(m: NetlinkMessage): void {
    this.writer.begin(N.NLMSG_DONE, N.NLM_F_MULTI, m.sequence, this.port).u32(0).end();
    this.sendReplies();
  }

  /** NLMSG_ERROR; 0 is an acknowledgement. */
  private answerError(error: number, m: NetlinkMessage): void {
    const capped = error === 0 || this.switches.has(N.NETLINK_CAP_ACK);
    const w = this.writer;
    w.begin(N.NLMSG_ERROR, capped ? N.NLM_F_CAPPED : 0, m.sequence, this.port).u32(error >>> 0);
    w.u32(NETLINK_HEADER + m.body.length).u16(m.type).u16(m.flags).u32(m.sequence).u32(this.port);
    if (!capped) w.raw(m.body);
    w.end();
    this.sendReplies();
  }

  override queueNotice(bytes: Uint8Array): void {
    this.deliver(bytes, 0, 0);
  }

  /** Queues a datagram; false, and ENOBUFS for the reader, if too much waits already. */
  deliver(bytes: Uint8Array, from: number, group: number): boolean {
    if (this.waiting + bytes.length > MAX_WAITING) {
      if (!this.switches.has(N.NETLINK_NO_ENOBUFS)) this.overrun = true;
      this.waiters.notify(POLLERR);
      return false;
    }
    this.waiting += bytes.length + 256;
    this.incoming.push(new Datagram(bytes, bytes.length, null, null, null));
    this.origins.push([from, group]);
    this.waiters.notify(POLLIN | POLLRDNORM);
    return true;
  }

  override receive(_t: Task, io: IoBuffer, message: Message): number {
    if (this.overrun) {
      this.overrun = false;
      return -ENOBUFS;
    }
    const { first } = this.incoming;
    if (first === null) return -EAGAIN;
    const [from, group] = this.origins[0];
    const { length } = first;
    const { count } = this.incoming;
    const n = takeDatagram(this.incoming, io, message, false);
    if (this.incoming.count < count) {
      this.origins.shift();
      this.waiting -= length + 256;
    }
    message.address = this.address(from, group === 0 || group > 32 ? 0 : (1 << (group - 1)) >>> 0);
    if (this.switches.has(N.NETLINK_PKTINFO)) {
      const info = new Uint8Array(4);
      new DataView(info.buffer).setUint32(0, group, true);
      (message.control ??= []).push([SOL_NETLINK, N.NETLINK_PKTINFO, info]);
    }
    return n;
  }

  override poll(_t: Task | null): number {
    let mask = POLLOUT | POLLWRNORM;
    if (this.incoming.count > 0) mask |= POLLIN | POLLRDNORM;
    if (this.overrun) mask |= POLLERR;
    return mask;
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

  override getOption(_t: Task, level: number, name: number): Uint8Array | number {
    if (level !== SOL_NETLINK) return -ENOPROTOOPT;
    const bytes = new Uint8Array(4);
    if (name === N.NETLINK_LIST_MEMBERSHIPS) {
      new DataView(bytes.buffer).setUint32(0, this.groupBits, true);
      return bytes;
    }
    bytes[0] = this.switches.has(name) ? 1 : 0;
    return bytes;
  }

  override setOption(t: Task, level: number, name: number, value: Uint8Array): number {
    if (level !== SOL_NETLINK) return -ENOPROTOOPT;
    if (value.length < 4) return -EINVAL;
    const number = new DataView(value.buffer, value.byteOffset, 4).getInt32(0, true);
    switch (name) {
      case N.NETLINK_ADD_MEMBERSHIP:
      case N.NETLINK_DROP_MEMBERSHIP:
        if (number < 1 || number > MAX_GROUPS) return -EINVAL;
        if (!this.groupsAreOpen() && !t.creds.capable(CAP_NET_ADMIN)) return -EPERM;
        if (name === N.NETLINK_ADD_MEMBERSHIP) this.groups.add(number);
        else this.groups.delete(number);
        this.groupsChanged();
        return 0;
      case N.NETLINK_PKTINFO:
      case N.NETLINK_BROADCAST_ERROR:
      case N.NETLINK_NO_ENOBUFS:
      case N.NETLINK_CAP_ACK:
      case N.NETLINK_EXT_ACK:
      case N.NETLINK_GET_STRICT_CHK:
        if (number !== 0) this.switches.add(name);
        else this.switches.delete(name);
        return 0;
      default:
        return -ENOPROTOOPT;
    }
  }

  override release(): void {
    tableOf(this.net).of(this.protocol).delete(this);
    this.groups.clear();
    this.groupsChanged();
    this.incoming.release();
  }
}
