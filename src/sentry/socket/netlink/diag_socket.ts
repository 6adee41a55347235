import { EINVAL, ENOENT, EOPNOTSUPP } from "../../../abi/errno.ts";
import * as N from "../../../abi/netlink.ts";
import { AF_INET, AF_INET6, AF_UNIX, IPPROTO_TCP, IPPROTO_UDP } from "../../../abi/socket.ts";
import { RawEndpoint } from "../../../netstack/transport/raw_endpoint.ts";
import type { Binding } from "../../../netstack/transport/binding.ts";
import { TcpEndpoint } from "../../../netstack/transport/tcp/endpoint.ts";
import { UdpEndpoint } from "../../../netstack/transport/udp_endpoint.ts";
import type { IpAddress } from "../../../netstack/wire/address.ts";
import type { Task } from "../../kernel/task.ts";
import type { InetSocket } from "../inet/inet_socket.ts";
import { type NetworkStack, networkStack } from "../inet/network_stack.ts";
import { tcpInfoBytes } from "../inet/tcp_options.ts";
import { unixNamespace } from "../unix/registry.ts";
import { type NetlinkRequest, NetlinkSocket } from "./netlink_socket.ts";

const SOCK_DIAG_BY_FAMILY = 20;
/** Bytes of `struct inet_diag_req_v2` and `struct unix_diag_req`. */
const INET_REQUEST = 56;
const UNIX_REQUEST = 24;
const IPPROTO_RAW = 255;

// Attributes of `linux/inet_diag.h` and `linux/unix_diag.h`.
const INET_DIAG_MEMINFO = 1;
const INET_DIAG_INFO = 2;
const INET_DIAG_CONG = 4;
const INET_DIAG_SHUTDOWN = 8;
const INET_DIAG_SKV6ONLY = 11;
const UNIX_DIAG_NAME = 0;
const UNIX_DIAG_PEER = 2;
const UNIX_DIAG_RQLEN = 4;
const UDIAG_SHOW_NAME = 1;
const UDIAG_SHOW_PEER = 4;
const UDIAG_SHOW_RQLEN = 0x10;

const ESTABLISHED = 1;
const TIME_WAIT = 6;
const CLOSE = 7;
const LISTEN = 10;

/** What a request asks for. */
interface InetQuery {
  family: number;
  protocol: number;
  extensions: number;
  states: number;
}

/** A NETLINK_SOCK_DIAG socket (sock_diag(7)), by which ss(8) lists sockets. */
export class DiagSocket extends NetlinkSocket {
  private readonly network: NetworkStack;

  constructor(t: Task, type: number, flags: number) {
    super(t, type, N.NETLINK_SOCK_DIAG, flags);
    this.network = networkStack(t.kernel, this.net);
  }

  protected override isGet(type: number): boolean {
    return type === SOCK_DIAG_BY_FAMILY;
  }

  protected override handle(q: NetlinkRequest): number {
    if (q.type !== SOCK_DIAG_BY_FAMILY) return -EOPNOTSUPP;
    if (q.body.length < 4) return -EINVAL;
    const [family, protocol, extensions] = q.body;
    const view = new DataView(q.body.buffer, q.body.byteOffset, q.body.length);
    switch (family) {
      case AF_INET:
      case AF_INET6:
        if (q.body.length < INET_REQUEST) return -EINVAL;
        if (!q.isDump) return this.one(q, view);
        return this.inet(q, { family, protocol, extensions, states: view.getUint32(4, true) });
      case AF_UNIX:
        if (q.body.length < UNIX_REQUEST) return -EINVAL;
        if (!q.isDump) return -EOPNOTSUPP;
        return this.unix(q, view.getUint32(4, true), view.getUint32(12, true));
      default:
        return -ENOENT;
    }
  }

  private inet(q: NetlinkRequest, wanted: InetQuery): number {
    const seen = new Set<Binding>();
    for (const s of this.network.sockets) {
      seen.add(s.endpoint);
      if (matches(s, wanted)) this.tell(q, wanted, s.endpoint, s, stateOf(s));
    }
    if (wanted.protocol !== IPPROTO_TCP) return 0;
    // Connections that no program has any more, and those in TIME_WAIT.
    this.network.stack.tcp.table.forEach((b) => {
      if (seen.has(b) || b.remotePort === 0 || b.isV6 !== (wanted.family === AF_INET6)) return;
      const state = b instanceof TcpEndpoint ? b.state : TIME_WAIT;
      if ((wanted.states & (1 << state)) !== 0) this.tell(q, wanted, b, null, state);
    });
    return 0;
  }

  /** A single socket, by its addresses. */
  private one(q: NetlinkRequest, view: DataView): number {
    const [family, protocol, extensions] = q.body;
    const local = view.getUint16(8), remote = view.getUint16(10);
    for (const s of this.network.sockets) {
      const wanted = { family, protocol, extensions, states: 0xffffffff };
      const e = s.endpoint;
      if (!matches(s, wanted) || e.localPort !== local || e.remotePort !== remote) continue;
      this.tell(q, wanted, e, s, stateOf(s), 0);
      return 0;
    }
    return -ENOENT;
  }

  private tell(
    q: NetlinkRequest,
    wanted: InetQuery,
    b: Binding,
    s: InetSocket | null,
    state: number,
    flags: number = N.NLM_F_MULTI,
  ): void {
    const w = this.writer;
    const v6 = b.isV6;
    w.begin(SOCK_DIAG_BY_FAMILY, flags, q.sequence, q.port);
    w.u8(v6 ? AF_INET6 : AF_INET, state, 0, 0);
    const local = b instanceof RawEndpoint ? b.protocol : b.localPort;
    w.u8(local >> 8, local & 0xff, b.remotePort >> 8, b.remotePort & 0xff);
    w.raw(words(b.local, v6)).raw(words(b.remote, v6)).u32(b.device);
    w.u32(s === null ? 0 : s.inode.ino >>> 0).u32(0);
    const e = b instanceof TcpEndpoint ? b : null;
    const listening = e !== null && e.listening;
    const received = s === null || listening ? 0 : Math.max(s.unread, 0);
    const unsent = listening ? e.backlog : s === null ? 0 : Math.max(s.unsent, 0);
    w.u32(0).u32(received).u32(unsent).u32(b.uid).u32(s === null ? 0 : s.inode.ino);
    const has = (attribute: number) => (wanted.extensions & (1 << (attribute - 1))) !== 0;
    if (has(INET_DIAG_MEMINFO)) {
      w.u16(20).u16(INET_DIAG_MEMINFO).u32(received).u32(unsent).u32(0).u32(0);
    }
    if (v6) w.attribute8(INET_DIAG_SKV6ONLY, b.v6Only ? 1 : 0);
    if (s !== null) w.attribute8(INET_DIAG_SHUTDOWN, 0);
    if (e !== null && s !== null && has(INET_DIAG_INFO)) {
      w.attribute(INET_DIAG_INFO, tcpInfoBytes(e));
    }
    if (e !== null && s !== null && has(INET_DIAG_CONG)) w.text(INET_DIAG_CONG, e.control.name);
    w.end();
    this.sendLongReplies();
  }

  private unix(q: NetlinkRequest, states: number, show: number): number {
    const w = this.writer;
    for (const s of unixNamespace(this.net).sockets) {
      const state = s.listening ? LISTEN : s.connected ? ESTABLISHED : CLOSE;
      if ((states & (1 << state)) === 0) continue;
      w.begin(SOCK_DIAG_BY_FAMILY, N.NLM_F_MULTI, q.sequence, q.port);
      w.u8(AF_UNIX, s.type, state, 0).u32(s.socketIno >>> 0).u32(s.socketIno >>> 0).u32(0);
      if ((show & UDIAG_SHOW_NAME) !== 0 && s.name !== null) {
        w.attribute(UNIX_DIAG_NAME, Uint8Array.from(s.name, (c) => c.charCodeAt(0)));
      }
      if ((show & UDIAG_SHOW_PEER) !== 0 && s.peer !== null) {
        w.attribute32(UNIX_DIAG_PEER, s.peer.socketIno >>> 0);
      }
      if ((show & UDIAG_SHOW_RQLEN) !== 0) {
        w.u16(12).u16(UNIX_DIAG_RQLEN).u32(s.listening ? 0 : Math.max(s.unread, 0)).u32(0);
      }
      w.end();
      this.sendLongReplies();
    }
    return 0;
  }
}

function words(a: IpAddress, v6: boolean): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  if (!v6) {
    view.setUint32(0, a.isV4 ? a.v4 : 0);
    return bytes;
  }
  [a.w0, a.w1, a.w2, a.w3].forEach((word, i) => view.setUint32(4 * i, word));
  return bytes;
}

function stateOf(s: InetSocket): number {
  const e = s.endpoint;
  if (e instanceof TcpEndpoint) return e.listening ? LISTEN : e.state;
  return "connected" in e && e.connected ? ESTABLISHED : CLOSE;
}

function matches(s: InetSocket, wanted: InetQuery): boolean {
  const e = s.endpoint;
  if (s.family !== wanted.family) return false;
  const isKind = wanted.protocol === IPPROTO_TCP
    ? e instanceof TcpEndpoint && e.localPort !== 0
    : wanted.protocol === IPPROTO_UDP
    ? e instanceof UdpEndpoint && e.localPort !== 0
    : wanted.protocol === IPPROTO_RAW && e instanceof RawEndpoint;
  return isKind && (wanted.states & (1 << stateOf(s))) !== 0;
}
