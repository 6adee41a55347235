/** How connections end: reset, TIME_WAIT, and the release of what they hold. */

import { ECONNREFUSED, ECONNRESET, EPIPE } from "../../core/errno.ts";
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLRDHUP,
  POLLRDNORM,
  POLLWRNORM,
} from "../../core/poll.ts";
import { TcpState } from "./constants.ts";
import { stopRetransmit } from "./output.ts";
import type { Tcb } from "./tcb.ts";
import { TimeWait } from "./time_wait.ts";

/** Everything a waiter may wait for has become true. */
export const WAKE_ALL: number = POLLIN | POLLOUT | POLLERR | POLLHUP | POLLRDHUP | POLLRDNORM |
  POLLWRNORM;

/** Ends a connection in this stack; what the user has not read stays readable. */
export function finish(t: Tcb): void {
  if (t.state === TcpState.Close) return;
  const counters = t.ctx.counters;
  if (t.state === TcpState.Established || t.state === TcpState.CloseWait) {
    counters.tcpCurrentEstablished--;
  }
  t.state = TcpState.Close;
  t.readClosed = true;
  t.writeClosed = true;
  t.isConnecting = false;
  t.sent.clear();
  t.sendRing.clear();
  t.early.length = 0;
  t.sackRanges.length = 0;
  stopRetransmit(t);
  t.ackAt = Infinity;
  t.keepAliveAt = Infinity;
  t.waitAt = Infinity;
  t.paceTimerAt = Infinity;
  if (t.orphan) t.receiveRing.clear();
  t.account();
  t.destroy();
  t.notify(WAKE_ALL);
}

/** Ends a connection with an error that the user is told. */
export function fail(t: Tcb, errno: number): void {
  t.pendingError = errno;
  finish(t);
}

/** The peer reset the connection. */
export function resetByPeer(t: Tcb): void {
  switch (t.state) {
    case TcpState.SynSent:
      t.ctx.counters.tcpAttemptFails++;
      fail(t, ECONNREFUSED);
      break;
    case TcpState.CloseWait:
      t.ctx.counters.tcpEstablishedResets++;
      fail(t, EPIPE);
      break;
    case TcpState.Close:
      break;
    default:
      t.ctx.counters.tcpEstablishedResets++;
      fail(t, ECONNRESET);
  }
}

/** Leaves the rest of the connection's life to a small record (RFC 9293 3.10.7.4, TIME-WAIT). */
export function enterTimeWait(t: Tcb): void {
  const shared = t.shared;
  if (shared.timeWaits < t.ctx.settings.tcpMaxTimeWait) {
    const w = new TimeWait(shared, t);
    shared.table.replace(t, w);
    shared.table.hold(w);
    w.start();
  }
  finish(t);
}
