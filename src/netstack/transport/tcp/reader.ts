// hot: every read of a stream.

/** The reading side of a TCP endpoint. */

import { EAGAIN, EINVAL, ENOTCONN } from "../../core/errno.ts";
import type { ByteSink } from "../../core/io.ts";
import { MSG_OOB, MSG_PEEK, MSG_TRUNC } from "../../core/poll.ts";
import { TcpState } from "./constants.ts";
import { windowUpdate } from "./receive.ts";
import { TcpSocketOptions } from "./socket_options.ts";
import { moderateReceiveBuffer } from "./window.ts";

/** A connection that can be read from. */
export abstract class TcpReader extends TcpSocketOptions {
  /** Whether it is or was connected. */
  protected wasConnected = false;

  /** Bytes that can be read now (FIONREAD). */
  get available(): number {
    return this.receiveRing.length;
  }

  /** Receives up to `len` bytes; 0 at the end of the stream, -EAGAIN if there is nothing yet. */
  receive(dst: ByteSink, len: number, flags: number, _info: null = null): number {
    if (this.state === TcpState.Listen) return -ENOTCONN;
    if ((flags & MSG_OOB) !== 0) return this.receiveUrgent(dst, flags);
    const ring = this.receiveRing;
    const peek = (flags & MSG_PEEK) !== 0;
    let offset = 0;
    let limit = Math.min(len, ring.length);
    if (this.urgentState !== 0 && ring.length > 0) {
      const at = (this.urgentSeq - this.copiedSeq) | 0;
      if (at === 0 && !this.oobInline) {
        // The urgent byte is not part of the stream.
        if (peek) {
          offset = 1;
          limit = Math.min(len, ring.length - 1);
        } else {
          this.consume(1);
          if (this.urgentState === 3) this.urgentState = 0;
          limit = Math.min(len, ring.length);
        }
      } else if (at > 0 && at < limit) limit = at;
      if (at < 0) this.urgentState = 0;
    }
    // Nothing is asked for, so nothing is waited for.
    if (len === 0) return 0;
    if (limit <= 0) return this.nothingToRead();
    if ((flags & MSG_TRUNC) !== 0) {
      if (!peek) this.consume(limit);
      return limit;
    }
    const n = ring.copyOut(offset, limit, dst);
    if (n > 0 && !peek) this.consume(n);
    return n;
  }

  private consume(n: number): void {
    this.receiveRing.discard(n);
    this.copiedSeq = (this.copiedSeq + n) | 0;
    this.account();
    if (this.state === TcpState.Close) return;
    moderateReceiveBuffer(this);
    windowUpdate(this);
  }

  private nothingToRead(): number {
    if (this.finSeen && this.rcvNxt === ((this.finSeq + 1) | 0)) return 0;
    if (this.pendingError !== 0) return -this.takeError();
    if (this.state === TcpState.Close && !this.wasConnected) return -ENOTCONN;
    if (this.readClosed) return 0;
    return -EAGAIN;
  }

  private receiveUrgent(dst: ByteSink, flags: number): number {
    if (this.oobInline || this.urgentState === 0 || this.urgentState === 3) return -EINVAL;
    if (this.state === TcpState.Close && !this.wasConnected) return -ENOTCONN;
    if (this.urgentState === 1) return this.readClosed ? 0 : -EAGAIN;
    urgentByte[0] = this.urgentByte;
    const n = dst.put(urgentByte, 0, 1);
    if (n === 1 && (flags & MSG_PEEK) === 0) this.urgentState = 3;
    return n;
  }

  /** Whether the next byte to read is the urgent one (SIOCATMARK). */
  get atMark(): boolean {
    return this.urgentState !== 0 && this.urgentSeq === this.copiedSeq;
  }
}

const urgentByte = new Uint8Array(1);
