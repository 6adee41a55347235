/** Connections in TIME_WAIT, as records of a fraction of a connection's size. */

import { Timer } from "../../core/timer.ts";
import type { IpAddress } from "../../wire/address.ts";
import { ACK, FIN, RST, SYN, type TcpView } from "../../wire/tcp.ts";
import { Binding } from "../binding.ts";
import { after, before, INVALID_ACK_INTERVAL } from "./constants.ts";
import { sendBare } from "./emit.ts";
import type { TcpShared } from "./shared.ts";

/** What a {@link TimeWait} takes over from a connection. */
interface Remains {
  isV6: boolean;
  v6Only: boolean;
  local: IpAddress;
  localPort: number;
  remote: IpAddress;
  remotePort: number;
  device: number;
  uid: number;
  reuseAddress: boolean;
  reusePort: boolean;
  sndNxt: number;
  rcvNxt: number;
  rcvWnd: number;
  rcvWscale: number;
  tsEnabled: boolean;
  tsOffset: number;
  tsRecent: number;
}

class WaitTimer extends Timer {
  private readonly owner: TimeWait;

  constructor(owner: TimeWait) {
    super();
    this.owner = owner;
  }

  fire(): void {
    this.owner.end();
  }
}

/** What is to be done with a segment that came in TIME_WAIT. */
export const enum TimeWaitResult {
  Done,
  /** A SYN of a new connection: the record is gone, the listener may take it. */
  NewConnection,
}

/** A connection in TIME_WAIT. */
export class TimeWait extends Binding {
  private readonly shared: TcpShared;
  private readonly timer: WaitTimer = new WaitTimer(this);
  private readonly sndNxt: number;
  private readonly rcvNxt: number;
  private readonly window: number;
  private readonly tsEnabled: boolean;
  private readonly tsOffset: number;
  private tsRecent: number;
  private lastAckAt = -Infinity;
  private startedAt = 0;

  constructor(shared: TcpShared, t: Remains) {
    super(t.isV6);
    this.shared = shared;
    this.v6Only = t.v6Only;
    this.local = t.local;
    this.localPort = t.localPort;
    this.remote = t.remote;
    this.remotePort = t.remotePort;
    this.device = t.device;
    this.uid = t.uid;
    this.reuseAddress = t.reuseAddress;
    this.reusePort = t.reusePort;
    this.sndNxt = t.sndNxt;
    this.rcvNxt = t.rcvNxt;
    this.window = t.rcvWnd >>> t.rcvWscale;
    this.tsEnabled = t.tsEnabled;
    this.tsOffset = t.tsOffset;
    this.tsRecent = t.tsRecent;
  }

  /** Starts the wait, of twice the maximum segment lifetime. */
  start(): void {
    const ctx = this.shared.ctx;
    if (this.startedAt === 0) {
      this.shared.timeWaits++;
      ctx.counters.tcpTimeWaits++;
    }
    this.startedAt = ctx.clock.now();
    ctx.timers.arm(this.timer, this.startedAt + ctx.settings.tcpTimeWait);
  }

  /** Nanoseconds until it ends, for listings. */
  get remaining(): number {
    return this.timer.deadline - this.shared.ctx.clock.now();
  }

  /** Ends the wait. */
  end(): void {
    this.shared.ctx.timers.remove(this.timer);
    this.shared.table.remove(this);
    this.shared.table.unhold(this);
    this.shared.timeWaits--;
  }

  /** Whether a new connection from here may take the tuple over (tcp_tw_reuse; RFC 6191). */
  get isReusable(): boolean {
    const reuse = this.shared.ctx.settings.tcpTimeWaitReuse;
    if (reuse === 0 || !this.tsEnabled) return false;
    if (reuse === 2 && !this.local.isLoopback) return false;
    return this.shared.ctx.clock.now() - this.startedAt > 1e9;
  }

  /** A sequence number above all of the old connection's. */
  get nextSequence(): number {
    return (this.sndNxt + 65535 + 2) | 0;
  }

  /** A segment of the old connection, or the SYN of a new one (RFC 1122 4.2.2.13). */
  receive(v: TcpView): TimeWaitResult {
    const seq = v.sequence;
    const flags = v.flags;
    const length = v.end - v.at - v.headerLength;
    const end = (seq + length + (flags & FIN ? 1 : 0)) | 0;
    const stale = this.tsEnabled && v.hasTimestamp && before(v.tsValue, this.tsRecent);
    if ((flags & SYN) !== 0 && (flags & (RST | ACK)) === 0 && !stale) {
      const newer = after(seq, this.rcvNxt) ||
        (this.tsEnabled && v.hasTimestamp && after(v.tsValue, this.tsRecent));
      if (newer) {
        this.shared.ctx.counters.tcpTimeWaitRecycled++;
        this.end();
        return TimeWaitResult.NewConnection;
      }
    }
    if (stale) {
      this.shared.ctx.counters.tcpPawsRejected++;
      if ((flags & RST) === 0) this.acknowledge();
      return TimeWaitResult.Done;
    }
    if ((flags & RST) !== 0) {
      if (seq === this.rcvNxt && !this.shared.ctx.settings.tcpRfc1337) this.end();
      return TimeWaitResult.Done;
    }
    if (seq === this.rcvNxt && end === seq && (flags & SYN) === 0) {
      if (this.tsEnabled && v.hasTimestamp) this.tsRecent = v.tsValue;
      return TimeWaitResult.Done;
    }
    // The peer has not seen our last ACK, or is confused: tell it, and wait anew for its FIN.
    if ((flags & FIN) !== 0) this.start();
    if ((flags & ACK) !== 0 || (flags & SYN) !== 0) this.acknowledge();
    return TimeWaitResult.Done;
  }

  private acknowledge(): void {
    const ctx = this.shared.ctx;
    const now = ctx.clock.now();
    if (now - this.lastAckAt < INVALID_ACK_INTERVAL) return;
    this.lastAckAt = now;
    const route = ctx.routes.lookup(this.remote, this.local, this.device);
    if (typeof route === "number") return;
    sendBare(
      this.shared,
      route,
      this.local,
      this.localPort,
      this.remote,
      this.remotePort,
      this.sndNxt,
      this.rcvNxt,
      ACK,
      this.window,
      this.tsEnabled,
      this.shared.timestamp(this.tsOffset),
      this.tsRecent,
    );
  }
}
