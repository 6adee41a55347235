/** The options of a TCP socket that do more than keep a value. */

import { EINVAL } from "../../core/errno.ts";
import { POLLOUT, POLLWRNORM } from "../../core/poll.ts";
import { isWritable } from "./ack.ts";
import { createCongestionControl } from "./congestion_registry.ts";
import { keepAliveTime } from "./connect.ts";
import { TcpState } from "./constants.ts";
import { sendAck, updateMss } from "./emit.ts";
import { output } from "./output.ts";
import { Tcb } from "./tcb.ts";

/** A connection with its options. */
export abstract class TcpSocketOptions extends Tcb {
  /** TCP_NODELAY. */
  setNoDelay(on: boolean): void {
    this.noDelay = on;
    if (on) output(this);
  }

  /** TCP_CORK. */
  setCork(on: boolean): void {
    this.cork = on;
    if (!on) output(this);
  }

  /** SO_KEEPALIVE. */
  setKeepAlive(on: boolean): void {
    this.keepAlive = on;
    if (!this.isSynchronized) return;
    this.keepAliveAt = on ? this.ctx.clock.now() + keepAliveTime(this) : Infinity;
    this.rearm();
  }

  /** TCP_KEEPIDLE, in ns. */
  setKeepIdle(ns: number): void {
    this.keepIdle = ns;
    if (this.keepAlive) this.setKeepAlive(true);
  }

  /** TCP_QUICKACK. */
  setQuickAck(on: boolean): void {
    this.pingPong = !on;
    if (!on || !this.isSynchronized) return;
    if (this.ackPending) {
      sendAck(this);
      this.rearm();
    }
  }

  /** TCP_CONGESTION; false if there is no such algorithm. */
  setCongestionControl(name: string): boolean {
    const c = createCongestionControl(name, () => this.ctx.random.unit());
    if (c === null) return false;
    this.control = c;
    this.pacingRate = 0;
    return true;
  }

  /** TCP_MAXSEG. */
  setMaxSegment(bytes: number): number {
    if (bytes !== 0 && (bytes < 88 || bytes > 32767)) return -EINVAL;
    this.maxSegment = bytes;
    if (this.route !== null) updateMss(this, this.route);
    return 0;
  }

  /** TCP_MAXSEG read back. */
  get segmentSize(): number {
    return this.state === TcpState.Close && this.maxSegment > 0 ? this.maxSegment : this.mss;
  }

  /** TCP_WINDOW_CLAMP. */
  setWindowClamp(bytes: number): number {
    if (bytes === 0 && this.state !== TcpState.Close) return -EINVAL;
    this.windowClamp = bytes === 0 ? 0 : Math.max(bytes, 1152);
    return 0;
  }

  override setSendBuffer(bytes: number, force = false): void {
    super.setSendBuffer(bytes, force);
    this.sendLocked = true;
    if (isWritable(this)) this.notify(POLLOUT | POLLWRNORM);
  }

  override setReceiveBuffer(bytes: number, force = false): void {
    super.setReceiveBuffer(bytes, force);
    this.receiveLocked = true;
  }
}
