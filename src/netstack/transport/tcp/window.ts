// hot: called for every segment sent.

/** The receive window: how much is offered, and how the buffer grows with use. */

import { TcpState } from "./constants.ts";
import type { Tcb } from "./tcb.ts";

/** Bytes of a buffer of `size` that are offered as window (tcp_adv_win_scale 1: half). */
export function windowFromSpace(size: number): number {
  return size >>> 1;
}

/** Space left in the receive buffer. */
export function receiveSpace(t: Tcb): number {
  const queued = t.receiveRing.length;
  const space = windowFromSpace(t.receiveBufferSize);
  return space > queued ? space - queued : 0;
}

/**
 * The window to offer now. It never takes back what was offered (RFC 9293 3.8.6.2.2) and opens
 * in useful steps only.
 */
export function selectWindow(t: Tcb): number {
  if (t.state === TcpState.Close || t.state === TcpState.TimeWait) return 0;
  const offered = Math.max(0, (t.rcvWup + t.rcvWnd - t.rcvNxt) | 0);
  let free = receiveSpace(t);
  const full = windowFromSpace(t.receiveBufferSize);
  const mss = Math.min(t.rcvMss, full);
  const limits = t.ctx.settings.socketMemory;
  if (t.ctx.socketMemory > limits) free = 0;
  if (t.windowClamp > 0 && free > t.windowClamp) free = t.windowClamp;
  let window: number;
  if (free < full >>> 4 || free < mss) window = 0;
  else if (t.rcvWscale > 0) {
    const unit = 1 << t.rcvWscale;
    window = Math.floor(free / unit) * unit;
    if (window === 0) window = unit;
  } else {
    window = offered;
    if (window <= free - mss || window > free) window = Math.floor(free / mss) * mss;
    else if (mss === full && free > window + (full >>> 1)) window = free;
    window = Math.min(window, 0xffff);
  }
  if (window < offered) {
    // Round up so that the scaled value still covers all that was offered.
    const unit = 1 << t.rcvWscale;
    window = Math.ceil(offered / unit) * unit;
  }
  return window;
}

/** What is left of the window that the peer knows. */
export function offeredWindow(t: Tcb): number {
  return Math.max(0, (t.rcvWup + t.rcvWnd - t.rcvNxt) | 0);
}

/** The window scale to ask for, by the largest buffer this socket may get. */
export function chooseWindowScale(t: Tcb): number {
  const settings = t.ctx.settings;
  if (!settings.tcpWindowScaling) return -1;
  let space = t.receiveLocked
    ? t.receiveBufferSize
    : Math.max(t.receiveBufferSize, settings.tcpReceiveMax);
  space = windowFromSpace(space);
  if (t.windowClamp > 0) space = Math.min(space, t.windowClamp);
  let scale = 0;
  while (space > 65535 && scale < 14) {
    space = Math.floor(space / 2);
    scale++;
  }
  return scale;
}

/** The window for a SYN: a whole number of segments, never scaled. */
export function initialWindow(t: Tcb, mss: number): number {
  let space = Math.min(windowFromSpace(t.receiveBufferSize), 65535);
  if (t.windowClamp > 0) space = Math.min(space, t.windowClamp);
  return space > mss ? Math.floor(space / mss) * mss : space;
}

/** Grows the buffer with the rate at which the user reads (dynamic right-sizing). */
export function moderateReceiveBuffer(t: Tcb): void {
  const now = t.ctx.clock.now();
  const rtt = t.rtt.srtt > 0 ? t.rtt.srtt : 1e6;
  if (t.rcvSpaceAt === 0) {
    t.rcvSpaceAt = now;
    t.rcvSpaceSeq = t.copiedSeq;
    return;
  }
  if (now - t.rcvSpaceAt < rtt) return;
  const copied = (t.copiedSeq - t.rcvSpaceSeq) | 0;
  if (copied > t.rcvSpace) {
    const settings = t.ctx.settings;
    if (settings.tcpModerateReceiveBuffer && !t.receiveLocked) {
      let window = 2 * copied + 16 * t.advertisedMss;
      if (t.rcvSpace > 0) window += (2 * window * (copied - t.rcvSpace)) / t.rcvSpace;
      const size = Math.min(window * 2, settings.tcpReceiveMax);
      if (size > t.receiveBufferSize) t.receiveBufferSize = Math.floor(size);
    }
    t.rcvSpace = copied;
  }
  t.rcvSpaceAt = now;
  t.rcvSpaceSeq = t.copiedSeq;
}

/** Grows the send buffer so that it holds two windows of what the path takes. */
export function growSendBuffer(t: Tcb): void {
  if (t.sendLocked) return;
  const need = 2 * Math.max(t.cwnd, t.ctx.settings.tcpInitialWindow) * (t.mss + 256);
  const size = Math.min(need, t.ctx.settings.tcpSendMax);
  if (size > t.sendBufferSize) t.sendBufferSize = size;
}
