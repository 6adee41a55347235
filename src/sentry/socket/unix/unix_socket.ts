// hot: processes of one machine talk by these.

import {
  EADDRINUSE,
  ECONNREFUSED,
  ECONNRESET,
  EEXIST,
  EINVAL,
  ENODATA,
  ENOTCONN,
  EOPNOTSUPP,
} from "../../../abi/errno.ts";
import {
  AF_UNIX,
  SHUT_RD,
  SHUT_RDWR,
  SHUT_WR,
  SO_PEERCRED,
  SO_PEERGROUPS,
  SOL_SOCKET,
} from "../../../abi/socket.ts";
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRNORM,
} from "../../../abi/poll.ts";
import { S_IFMT, S_IFSOCK } from "../../../abi/stat.ts";
import { AT_FDCWD } from "../../../abi/fcntl.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { NetNamespace } from "../../kernel/namespaces.ts";
import type { Task } from "../../kernel/task.ts";
import { socketPath } from "../../vfs/anon.ts";
import type { Inode } from "../../vfs/inode.ts";
import { bindSocket } from "../../vfs/names.ts";
import { MAY_WRITE, permission } from "../../vfs/permissions.ts";
import { SenderCredentials } from "../message.ts";
import { SocketFile } from "../socket_file.ts";
import {
  bindInode,
  socketOfInode,
  unbindInode,
  type UnixNamespace,
  unixNamespace,
} from "./registry.ts";
import { parseUnixAddress, unixAddress } from "./unix_address.ts";

export const READABLE = POLLIN | POLLRDNORM;
export const WRITABLE = POLLOUT | POLLWRNORM;
const EVERYTHING = READABLE | WRITABLE | POLLHUP | POLLERR | POLLRDHUP;
/** How many automatic names there are: five hexadecimal digits. */
const AUTOMATIC_NAMES = 0x100000;

/** What all types of unix sockets have: a name, a peer, and the two directions. */
export abstract class UnixSocket extends SocketFile {
  readonly kernel: Kernel;
  readonly net: NetNamespace;
  protected readonly registry: UnixNamespace;
  /** The name as bound, or null. */
  name: string | null;
  private boundInode: Inode | null;
  peer: UnixSocket | null;
  /** Whose socket the peer was when the connection was made (SO_PEERCRED). */
  peerCredentials: SenderCredentials | null;
  peerGroups: readonly number[];
  /** No more will be received, or sent. */
  receiveShut: boolean;
  sendShut: boolean;
  /** A positive error number to be told once. */
  protected error: number;
  closed: boolean;

  constructor(t: Task, net: NetNamespace, type: number, flags: number) {
    super(
      socketPath(t.kernel.vfs, S_IFSOCK | 0o777, t.creds.fsuid, t.creds.fsgid),
      flags,
      AF_UNIX,
      type,
      0,
    );
    this.kernel = t.kernel;
    this.net = net;
    this.registry = unixNamespace(net);
    this.name = null;
    this.boundInode = null;
    this.peer = null;
    this.peerCredentials = null;
    this.peerGroups = [];
    this.receiveShut = false;
    this.sendShut = false;
    this.error = 0;
    this.closed = false;
    this.registry.sockets.add(this);
  }

  get connected(): boolean {
    return this.peer !== null;
  }

  /** Number of the inode, for tables. */
  get socketIno(): number {
    return this.inode.ino;
  }

  override takeError(): number {
    const e = this.error;
    this.error = 0;
    return e;
  }

  // Names.

  override bind(t: Task, address: Uint8Array): number {
    const name = parseUnixAddress(address);
    if (typeof name === "number") return name;
    if (name === "") return this.name === null ? this.autobind() : 0;
    if (this.name !== null) return -EINVAL;
    if (name.charCodeAt(0) === 0) {
      if (this.registry.abstract.has(name)) return -EADDRINUSE;
      this.registry.abstract.set(name, this);
    } else {
      const inode = bindSocket(this.kernel.vfs, t, name, 0o777);
      if (typeof inode === "number") return inode === -EEXIST ? -EADDRINUSE : inode;
      bindInode(inode, this);
      this.boundInode = inode.get();
    }
    this.name = name;
    return 0;
  }

  /** Takes a free abstract name (unix(7), "Autobind feature"). */
  autobind(): number {
    if (this.name !== null) return 0;
    const registry = this.registry;
    for (let i = 0; i < AUTOMATIC_NAMES; i++) {
      registry.lastAutobind = (registry.lastAutobind + 1) % AUTOMATIC_NAMES;
      const name = `\0${registry.lastAutobind.toString(16).padStart(5, "0")}`;
      if (registry.abstract.has(name)) continue;
      registry.abstract.set(name, this);
      this.name = name;
      return 0;
    }
    return -EADDRINUSE;
  }

  /** The socket that an address names, or an error. */
  protected find(t: Task, address: Uint8Array): UnixSocket | number {
    const name = parseUnixAddress(address);
    if (typeof name === "number") return name;
    if (name === "") return -ECONNREFUSED;
    if (name.charCodeAt(0) === 0) return this.registry.abstract.get(name) ?? -ECONNREFUSED;
    const inode = this.kernel.vfs.locate(t, AT_FDCWD, name, 0);
    if (typeof inode === "number") return inode;
    const r = permission(t.creds, inode, MAY_WRITE);
    if (r < 0) return r;
    if ((inode.mode & S_IFMT) !== S_IFSOCK) return -ECONNREFUSED;
    return socketOfInode(inode) ?? -ECONNREFUSED;
  }

  override localAddress(): Uint8Array {
    return unixAddress(this.name);
  }

  override peerAddress(): Uint8Array | number {
    return this.peer === null ? -ENOTCONN : unixAddress(this.peer.name);
  }

  // Peers.

  /** Joins two sockets; `mine` and `theirs` are the credentials that each side shows the other. */
  static join(a: UnixSocket, b: UnixSocket): void {
    a.peer = b;
    b.peer = a;
  }

  /** Notes who the peer is. */
  notePeer(credentials: SenderCredentials, groups: readonly number[]): void {
    this.peerCredentials = credentials;
    this.peerGroups = groups;
  }

  override getOption(t: Task, level: number, name: number): Uint8Array | number {
    if (level !== SOL_SOCKET) return -EOPNOTSUPP;
    const ns = t.creds.userNs;
    if (name === SO_PEERGROUPS) {
      if (this.peerCredentials === null) return -ENODATA;
      const bytes = new Uint8Array(this.peerGroups.length * 4);
      const view = new DataView(bytes.buffer);
      this.peerGroups.forEach((g, i) => view.setUint32(4 * i, ns.fromKgid(g), true));
      return bytes;
    }
    if (name !== SO_PEERCRED) return -EOPNOTSUPP;
    const bytes = new Uint8Array(12);
    const view = new DataView(bytes.buffer);
    const c = this.peerCredentials;
    view.setInt32(0, c === null || c.pid === null ? 0 : c.pid.numberIn(t.pid.ns), true);
    view.setUint32(4, c === null ? 0xffffffff : ns.fromKuid(c.uid), true);
    view.setUint32(8, c === null ? 0xffffffff : ns.fromKgid(c.gid), true);
    return bytes;
  }

  // Ends.

  override shutdown(_t: Task, how: number): number {
    if (how !== SHUT_RD && how !== SHUT_WR && how !== SHUT_RDWR) return -EINVAL;
    if (how !== SHUT_WR) this.receiveShut = true;
    if (how !== SHUT_RD) this.sendShut = true;
    this.waiters.notify(EVERYTHING);
    const peer = this.peer;
    if (peer !== null && peer.peer === this && this.shutsPeer) {
      if (how !== SHUT_RD) peer.receiveShut = true;
      if (how !== SHUT_WR) peer.sendShut = true;
      peer.waiters.notify(EVERYTHING);
    }
    return 0;
  }

  /** Whether a shut direction is shut for the peer as well (connections, not datagrams). */
  protected abstract readonly shutsPeer: boolean;
  /** Bytes were left unread when this was closed. */
  protected abstract readonly hasUnread: boolean;
  /** Drops what was not received. */
  protected abstract dropQueue(): void;

  /** The peer was closed. */
  protected peerClosed(reset: boolean): void {
    this.receiveShut = true;
    this.sendShut = true;
    if (reset) this.error = ECONNRESET;
    this.waiters.notify(EVERYTHING);
  }

  /** Wakes whoever waits on this socket. */
  wake(mask: number): void {
    this.waiters.notify(mask);
  }

  override release(): void {
    this.closed = true;
    this.registry.sockets.delete(this);
    if (this.name !== null && this.registry.abstract.get(this.name) === this) {
      this.registry.abstract.delete(this.name);
    }
    if (this.boundInode !== null) {
      unbindInode(this.boundInode);
      this.boundInode.put();
      this.boundInode = null;
    }
    const peer = this.peer;
    if (peer !== null && this.shutsPeer) peer.peerClosed(this.hasUnread);
    this.dropQueue();
    this.receiveShut = true;
    this.sendShut = true;
    this.waiters.notify(EVERYTHING);
  }
}

/** The credentials that `t` shows to the other side. */
export function credentialsOf(t: Task): SenderCredentials {
  return new SenderCredentials(t.group.pid, t.creds.euid, t.creds.egid);
}

/** The credentials that a message of `t` carries if it does not say. */
export function senderOf(t: Task): SenderCredentials {
  return new SenderCredentials(t.group.pid, t.creds.ruid, t.creds.rgid);
}
