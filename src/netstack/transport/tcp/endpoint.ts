/** TCP endpoints, what a SOCK_STREAM socket wraps. */

import {
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAFNOSUPPORT,
  EAGAIN,
  EALREADY,
  ECONNABORTED,
  EINPROGRESS,
  EINVAL,
  EISCONN,
  ENETUNREACH,
  ENOTCONN,
  EOPNOTSUPP,
  EPIPE,
} from "../../core/errno.ts";
import { Fifo } from "../../core/fifo.ts";
import type { ByteSource } from "../../core/io.ts";
import {
  MSG_MORE,
  MSG_OOB,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRNORM,
} from "../../core/poll.ts";
import { ANY_V4, ANY_V6, type IpAddress, LOOPBACK_V4, LOOPBACK_V6 } from "../../wire/address.ts";
import type { Binding } from "../binding.ts";
import { SHUT_RD, SHUT_WR } from "../endpoint.ts";
import { bindPort, portConflicts } from "../ports.ts";
import { isWritable } from "./ack.ts";
import { startConnect } from "./connect.ts";
import { CaState, INFINITE_SSTHRESH, RTO_INITIAL, TcpState } from "./constants.ts";
import { announcedMss, sendReset, updateMss } from "./emit.ts";
import { finish, WAKE_ALL } from "./lifecycle.ts";
import { output } from "./output.ts";
import { noteAppLimited } from "./rate.ts";
import { RttEstimator } from "./rtt.ts";
import type { TcpShared } from "./shared.ts";
import { TcpReader } from "./reader.ts";
import { TimeWait } from "./time_wait.ts";
import { ConnectionTimer } from "./timers.ts";

/** Queue entries that must go when a listener stops: half-open connections. */
export interface HalfOpen {
  abandon(): void;
}

/** A TCP endpoint. */
export class TcpEndpoint extends TcpReader {
  readonly timer: ConnectionTimer = new ConnectionTimer(this);
  /** Half-open connections of a listener. */
  halfOpen: Set<HalfOpen> | null = null;
  private hasBoundPort = false;
  private countedOrphan = false;
  private fastOpenSource: ByteSource | null = null;
  private fastOpenLength = 0;
  /** First sequence number to use, if a record in TIME_WAIT was replaced. */
  private replacedSequence: number | null = null;

  constructor(shared: TcpShared, isV6: boolean) {
    super(shared, isV6);
  }

  /** Binds to an address (any if null) and port (a free one if 0). */
  bind(address: IpAddress | null, port: number, index = 0): number {
    if (this.localPort !== 0 || this.state !== TcpState.Close) return -EINVAL;
    const a = address ?? (this.isV6 ? ANY_V6 : ANY_V4);
    if (a.isMulticast || a.isBroadcast) return -EADDRNOTAVAIL;
    const r = this.checkLocal(a, index);
    if (r < 0) return r;
    const old = this.local;
    this.local = a;
    if (index !== 0 && a.isLinkLocal) this.device = index;
    const p = bindPort(this.ctx, this.shared.table, this, port, true);
    if (p < 0) this.local = old;
    else this.hasBoundPort = true;
    return p;
  }

  /** Starts to connect: -EINPROGRESS, then -EALREADY until it is done, then 0 or the error once. */
  connect(address: IpAddress, port: number, index = 0): number {
    if (this.state === TcpState.Listen) return -EISCONN;
    if (this.state === TcpState.SynSent || this.state === TcpState.SynReceived) return -EALREADY;
    if (this.pendingError !== 0) {
      this.connectReported = true;
      return -this.takeError();
    }
    if (this.state !== TcpState.Close) {
      if (this.connectReported) return -EISCONN;
      this.connectReported = true;
      return 0;
    }
    if (!this.connectReported) {
      this.connectReported = true;
      return -ECONNABORTED;
    }
    if (address.isAny) address = address.isV4 ? LOOPBACK_V4 : LOOPBACK_V6;
    if (!this.familyAllows(address)) return this.isV6 ? -ENETUNREACH : -EAFNOSUPPORT;
    if (!address.isUnicast || this.ctx.routes.isBroadcast(address, null)) return -ENETUNREACH;
    this.prepareAgain();
    const wanted = this.local.isAny ? null : this.local;
    const route = this.ctx.routes.lookup(
      address,
      wanted,
      index !== 0 ? index : this.device,
      this.mark,
    );
    if (typeof route === "number") return route;
    const anyLocal = this.local;
    this.local = wanted ?? route.source;
    this.remote = address;
    this.remotePort = port;
    if (address.isLinkLocal && !address.isV4) this.device = route.out.index;
    const r = this.choosePort();
    if (r < 0) {
      this.local = anyLocal;
      this.remote = this.isV6 ? ANY_V6 : ANY_V4;
      this.remotePort = 0;
      return r;
    }
    this.route = route;
    this.advertisedMss = announcedMss(this, route);
    updateMss(this, route);
    this.wasConnected = true;
    this.takeSynData();
    let iss = this.shared.initialSequence(this.local, this.localPort, address, port);
    if (this.replacedSequence !== null) iss = this.replacedSequence;
    this.replacedSequence = null;
    this.shared.table.insert(this);
    const e = startConnect(this, iss);
    if (e < 0 && this.isConnecting) {
      this.connectReported = true;
      finish(this);
      return e;
    }
    return -EINPROGRESS;
  }

  /**
   * MSG_FASTOPEN: connects with data in the SYN if the server's cookie is known, else asks for
   * one. Returns the bytes taken, or -EINPROGRESS if none were.
   */
  connectWithData(
    address: IpAddress,
    port: number,
    index: number,
    src: ByteSource,
    len: number,
  ): number {
    if ((this.ctx.settings.tcpFastOpen & 1) === 0) return -EOPNOTSUPP;
    if (this.state !== TcpState.Close) return this.connect(address, port, index);
    const cookie = this.shared.knownCookie(address);
    this.fastOpenSource = cookie === null ? null : src;
    this.fastOpenLength = len;
    this.synCookie = cookie ?? NO_COOKIE;
    const r = this.connect(address, port, index);
    this.fastOpenSource = null;
    if (r !== -EINPROGRESS || this.synData === 0) return r;
    return this.sendRing.length;
  }

  /** Puts the data that goes with the SYN into the send buffer. */
  private takeSynData(): void {
    const src = this.fastOpenSource;
    this.synData = 0;
    this.sendRing.clear();
    if (src === null) return;
    // As much as a segment holds; options of the SYN take up to 40 bytes.
    const n = this.sendRing.append(src, Math.min(this.fastOpenLength, this.mss - 40));
    if (n > 0) this.synData = n;
    this.account();
  }

  private choosePort(): number {
    const table = this.shared.table;
    const usable = (other: Binding): boolean => {
      if (!(other instanceof TimeWait) || !other.isReusable) return false;
      this.replacedSequence = other.nextSequence;
      other.end();
      return true;
    };
    if (this.localPort === 0) return this.shared.ports.choose(this, usable);
    const other = table.findConnected(
      this.local,
      this.localPort,
      this.remote,
      this.remotePort,
      this.device,
    );
    if (other !== null && !usable(other)) return -EADDRNOTAVAIL;
    table.hold(this);
    return 0;
  }

  /** Makes an endpoint whose last connection is over ready for another one. */
  private prepareAgain(): void {
    this.readClosed = false;
    this.writeClosed = false;
    this.finSent = false;
    this.finSeen = false;
    this.receiveRing.clear();
    this.account();
    this.urgentState = 0;
    this.urgentOut = false;
    this.ca = CaState.Open;
    this.cwnd = this.ctx.settings.tcpInitialWindow;
    this.ssthresh = INFINITE_SSTHRESH;
    this.backoff = 0;
    this.retransmits = 0;
    this.retransmitStamp = 0;
    this.probes = 0;
    this.softError = 0;
    this.rto = RTO_INITIAL;
    Object.assign(this.rtt, new RttEstimator());
    this.ato = 0;
    this.pingPong = false;
    this.ecnDemand = false;
    this.rackSentAt = 0;
    this.tlpActive = false;
    if (this.wasConnected && !this.hasBoundPort) {
      this.localPort = 0;
      this.local = this.isV6 ? ANY_V6 : ANY_V4;
    }
  }

  /** connect(2) with AF_UNSPEC: drops the connection; the endpoint can connect anew. */
  disconnect(): number {
    if (this.state === TcpState.Listen) this.stopListening();
    else if (this.state !== TcpState.Close) {
      if (this.isSynchronized) sendReset(this);
      finish(this);
    }
    this.pendingError = 0;
    this.connectReported = true;
    this.prepareAgain();
    this.remote = this.isV6 ? ANY_V6 : ANY_V4;
    this.remotePort = 0;
    return 0;
  }

  /** Starts to accept connections, of which `backlog` may wait. */
  listen(backlog: number): number {
    if (this.state !== TcpState.Close && this.state !== TcpState.Listen) return -EINVAL;
    this.backlog = Math.max(0, Math.min(backlog, this.ctx.settings.listenBacklogMax));
    if (this.state === TcpState.Listen) return 0;
    if (this.localPort === 0) {
      const r = this.bind(null, 0);
      if (r < 0) return r;
    }
    this.listening = true;
    this.shared.table.hold(this);
    // Another listener may have come since the bind, which SO_REUSEADDR allowed.
    if (portConflicts(this.shared.table, this, this.localPort, true)) {
      this.listening = false;
      return -EADDRINUSE;
    }
    this.state = TcpState.Listen;
    this.acceptQueue = new Fifo();
    this.halfOpen = new Set();
    this.readClosed = false;
    this.writeClosed = false;
    this.shared.table.listen(this);
    return 0;
  }

  /** Takes the oldest connection that waits, or -EAGAIN. */
  accept(): TcpEndpoint | number {
    if (this.state !== TcpState.Listen) return -EINVAL;
    const child = this.acceptQueue.shift();
    if (child === undefined) return -EAGAIN;
    child.parent = null;
    return child as TcpEndpoint;
  }

  private stopListening(): void {
    this.state = TcpState.Close;
    this.listening = false;
    this.shared.table.unlisten(this);
    this.shared.table.unhold(this);
    for (const r of this.halfOpen ?? []) r.abandon();
    this.halfOpen = null;
    for (;;) {
      const child = this.acceptQueue.shift();
      if (child === undefined) break;
      child.parent = null;
      if (child.state !== TcpState.Close) {
        sendReset(child);
        child.orphan = true;
        finish(child);
      }
      child.close();
    }
    this.notify(WAKE_ALL);
  }

  /** Queues up to `len` bytes for sending; the count, or -EAGAIN if there is no room. */
  send(src: ByteSource, len: number, flags: number): number {
    if (this.pendingError !== 0) return -this.takeError();
    if (this.writeClosed) return -EPIPE;
    const state = this.state;
    if (state === TcpState.SynSent || state === TcpState.SynReceived) return -EAGAIN;
    if (state !== TcpState.Established && state !== TcpState.CloseWait) return -EPIPE;
    if (len === 0) return 0;
    const ring = this.sendRing;
    let room = this.sendBufferSize - ring.length;
    if (this.ctx.socketMemory > this.ctx.settings.socketMemory) room = 4096 - ring.length;
    if (room <= 0) return -EAGAIN;
    const n = ring.append(src, Math.min(len, room));
    if (n <= 0) return n;
    this.account();
    if ((flags & MSG_OOB) !== 0) {
      this.sndUp = this.writeSeq;
      this.urgentOut = true;
    }
    const held = this.ctx.clock.hold();
    if ((flags & MSG_MORE) !== 0) {
      const cork = this.cork;
      this.cork = true;
      output(this);
      this.cork = cork;
    } else {
      this.pushedSeq = this.writeSeq;
      if (this.control.isModel) noteAppLimited(this);
      output(this);
    }
    if (held) this.ctx.clock.release();
    return n;
  }

  /** Bytes sent or queued that are not acknowledged (SIOCOUTQ). */
  get unacknowledged(): number {
    return this.sendRing.length;
  }

  /** Bytes not sent yet (SIOCOUTQNSD). */
  get unsent(): number {
    return Math.max(0, (this.writeSeq - this.sndNxt) | 0);
  }

  readiness(): number {
    const state = this.state;
    if (state === TcpState.Listen) {
      return this.acceptQueue.length > 0 ? POLLIN | POLLRDNORM : 0;
    }
    let mask = 0;
    const bothClosed = this.readClosed && this.writeClosed;
    if (bothClosed || state === TcpState.Close) mask |= POLLHUP;
    if (this.readClosed) mask |= POLLIN | POLLRDNORM | POLLRDHUP;
    if (state !== TcpState.SynSent && (state !== TcpState.SynReceived || this.fastOpened)) {
      let readable = this.receiveRing.length;
      if (
        this.urgentState !== 0 && !this.oobInline && this.urgentSeq === this.copiedSeq &&
        readable > 0
      ) readable--;
      if (readable >= Math.max(1, this.receiveLowWater)) mask |= POLLIN | POLLRDNORM;
      if (this.writeClosed || isWritable(this)) mask |= POLLOUT | POLLWRNORM;
      if (this.urgentState === 1 || this.urgentState === 2) mask |= POLLPRI;
    }
    if (this.pendingError !== 0) mask |= POLLERR;
    return mask;
  }

  /** shutdown(2). */
  shutdown(how: number): number {
    const state = this.state;
    if (state === TcpState.Listen) {
      if (how === SHUT_WR) return 0;
      this.stopListening();
      return 0;
    }
    if (state === TcpState.Close) {
      if (!this.wasConnected) return -ENOTCONN;
      return this.readClosed && this.writeClosed ? -ENOTCONN : 0;
    }
    if (state === TcpState.SynSent) return -ENOTCONN;
    if (how !== SHUT_WR) this.readClosed = true;
    if (how !== SHUT_RD) this.closeWriting();
    this.notify(WAKE_ALL);
    return 0;
  }

  private closeWriting(): void {
    if (this.writeClosed) return;
    this.writeClosed = true;
    switch (this.state) {
      case TcpState.Established:
        this.ctx.counters.tcpCurrentEstablished--;
        this.state = TcpState.FinWait1;
        break;
      case TcpState.CloseWait:
        this.ctx.counters.tcpCurrentEstablished--;
        this.state = TcpState.LastAck;
        break;
      default:
        return;
    }
    output(this);
  }

  close(): void {
    if (this.closed) return;
    this.closed = true;
    this.onReadinessChange = null;
    this.onUrgent = null;
    const counters = this.ctx.counters;
    if (this.state === TcpState.Listen) {
      this.stopListening();
      return;
    }
    this.orphan = true;
    if (this.state === TcpState.Close) {
      this.receiveRing.clear();
      this.account();
      this.destroy();
      return;
    }
    if (this.state === TcpState.SynSent) {
      finish(this);
      return;
    }
    if (this.receiveRing.length > 0) {
      // What was not read is lost: the peer must know (RFC 2525 2.17).
      counters.tcpAbortOnClose++;
      sendReset(this);
      finish(this);
      return;
    }
    if (this.lingerSeconds === 0 || this.shared.orphans >= this.ctx.settings.tcpMaxOrphans) {
      sendReset(this);
      finish(this);
      return;
    }
    this.shared.orphans++;
    this.countedOrphan = true;
    this.readClosed = true;
    if (this.state === TcpState.SynReceived) {
      sendReset(this);
      finish(this);
      return;
    }
    this.closeWriting();
    if (this.state === TcpState.FinWait2) {
      if (this.linger2 < 0) {
        sendReset(this);
        finish(this);
        return;
      }
      const wait = this.linger2 > 0 ? this.linger2 : this.ctx.settings.tcpFinTimeout;
      this.waitAt = this.ctx.clock.now() + wait;
      this.rearm();
    }
  }

  destroy(): void {
    const table = this.shared.table;
    table.remove(this);
    table.unlisten(this);
    if (this.orphan || !this.hasBoundPort) table.unhold(this);
    this.ctx.timers.remove(this.timer);
    if (this.countedOrphan) {
      this.countedOrphan = false;
      this.shared.orphans--;
    }
  }

  /** Marks an endpoint that a listener made as connected. */
  markConnected(): void {
    this.wasConnected = true;
  }
}

const NO_COOKIE = new Uint8Array(0);
