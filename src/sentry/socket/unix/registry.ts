import type { NetNamespace } from "../../kernel/namespaces.ts";
import type { Inode } from "../../vfs/inode.ts";
import type { UnixSocket } from "./unix_socket.ts";

/** Sockets bound to a name in a file system; an entry ends with its socket. */
const byInode: WeakMap<Inode, UnixSocket> = new WeakMap();

/** Notes that the socket file `inode` is the name of `socket`. */
export function bindInode(inode: Inode, socket: UnixSocket): void {
  byInode.set(inode, socket);
}

/** The socket behind a socket file, or null if nobody has it open any more. */
export function socketOfInode(inode: Inode): UnixSocket | null {
  return byInode.get(inode) ?? null;
}

/** Forgets the name of a closed socket. */
export function unbindInode(inode: Inode): void {
  byInode.delete(inode);
}

/** What the unix family keeps for a network namespace: abstract names, and all sockets. */
export class UnixNamespace {
  readonly abstract: Map<string, UnixSocket> = new Map();
  readonly sockets: Set<UnixSocket> = new Set();
  /** The last name that an automatic bind tried. */
  lastAutobind = 0;
}

/** The unix family's part of a network namespace. */
export function unixNamespace(net: NetNamespace): UnixNamespace {
  let ns = net.abstractNames;
  if (!(ns instanceof UnixNamespace)) {
    ns = new UnixNamespace();
    net.abstractNames = ns;
  }
  return ns as UnixNamespace;
}

const HEADER = "Num       RefCount Protocol Flags    Type St Inode Path\n";
const ACCEPTS = 0x10000;

/** /proc/net/unix. */
export function unixSocketsText(net: NetNamespace): string {
  let text = HEADER;
  const hex = (n: number, width: number) => n.toString(16).toUpperCase().padStart(width, "0");
  for (const s of unixNamespace(net).sockets) {
    const state = s.connected ? 3 : 1;
    const name = s.name === null ? "" : ` ${s.name.replaceAll("\0", "@")}`;
    text += `${hex(0, 16)}: ${hex(2, 8)} ${hex(0, 8)} ${hex(s.listening ? ACCEPTS : 0, 8)} ${
      hex(s.type, 4)
    } ${hex(state, 2)} ${String(s.socketIno).padStart(5)}${name}\n`;
  }
  return text;
}
