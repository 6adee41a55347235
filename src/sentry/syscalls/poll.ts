/** poll(2), ppoll(2), select(2), pselect(2). */
// hot: servers without epoll come here for every event, some with thousands of descriptors.

import {
  EBADF,
  EINTR,
  EINVAL,
  ERESTART_RESTARTBLOCK,
  ERESTARTNOHAND,
  ERESTARTSYS,
} from "../../abi/errno.ts";
import { readI64, readU64 } from "../../abi/int64.ts";
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLNVAL,
  POLLOUT,
  POLLPRI,
  POLLRDBAND,
  POLLRDNORM,
  POLLWRBAND,
  POLLWRNORM,
} from "../../abi/poll.ts";
import { RLIMIT_NOFILE } from "../../abi/resource.ts";
import type { Task } from "../kernel/task.ts";
import { restoreMask, setTemporaryMask } from "../kernel/task_signals.ts";
import { BLOCKED } from "../kernel/wait.ts";
import { readTimespec, writeTimespec } from "./eventfd.ts";

const POLLFD_SIZE = 8;
/** What select(2) calls readable, writable and exceptional. */
const SELECT_IN = POLLRDNORM | POLLRDBAND | POLLIN | POLLHUP | POLLERR;
const SELECT_OUT = POLLWRBAND | POLLWRNORM | POLLOUT | POLLERR;
const SELECT_EX = POLLPRI;

/** Arguments of the call under way; reads and writes of it end before the next call starts. */
let buffer = new Uint8Array(4096);
let view = new DataView(buffer.buffer);

function reserve(size: number): void {
  if (size <= buffer.length) return;
  buffer = new Uint8Array(2 ** Math.ceil(Math.log2(size)));
  view = new DataView(buffer.buffer);
}

/** Sets the signal mask for the time of the call: `address` 0 leaves it alone. Returns 0 or an error. */
export function beginMask(t: Task, address: number, size: number): number {
  if (address === 0 || t.restoreMask) return 0;
  if (size !== 8) return -EINVAL;
  const r = t.copyIn(address, 8);
  if (r < 0) return r;
  setTemporaryMask(t, t.view.getInt32(0, true), t.view.getInt32(4, true));
  return 0;
}

/** Puts the mask back, unless the call goes on or a signal handler is to run with the mask as it is. */
export function endMask(t: Task, r: number): number {
  if (r === BLOCKED || r === -EINTR || r === -ERESTARTNOHAND || r === -ERESTARTSYS) return r;
  restoreMask(t);
  return r;
}

/** poll(2). */
export function sys_poll(t: Task): number {
  const ms = t.args[2] | 0;
  return poll(t, ms < 0 ? Infinity : ms * 1e6, -ERESTART_RESTARTBLOCK);
}

/** ppoll(2). */
export function sys_ppoll(t: Task): number {
  const timeout = timeoutArg(t, t.args[2]);
  if (timeout < 0) return timeout;
  let r = beginMask(t, t.args[3], t.args[4]);
  if (r < 0) return r;
  r = poll(t, timeout, -ERESTARTNOHAND);
  writeBack(t, t.args[2], r);
  return endMask(t, r);
}

/** The timeout at `address` on the first run of the call; Infinity if there is none. */
function timeoutArg(t: Task, address: number): number {
  if (address === 0 || t.block.runs > 0) return Infinity;
  const r = t.copyIn(address, 16);
  return r < 0 ? r : readTimespec(t.view, 0);
}

/** Linux tells in the timeout how much of it is left. */
function writeBack(t: Task, address: number, r: number): void {
  if (address === 0 || r === BLOCKED || t.block.deadline === Infinity) return;
  const left = t.block.timedOut ? 0 : t.block.deadline - t.kernel.clock.monotonic();
  writeTimespec(t.view, 0, Math.max(left, 0));
  t.copyOut(address, 16);
}

function poll(t: Task, timeout: number, restart: number): number {
  const address = t.args[0];
  const n = t.args[1];
  if (n < 0 || n > t.group.rlimits.soft[RLIMIT_NOFILE]) return -EINVAL;
  const size = n * POLLFD_SIZE;
  reserve(size);
  if (n > 0) {
    const r = t.mm.copyIn(address, buffer, 0, size);
    if (r < 0) return r;
  }
  const files = t.files;
  let ready = 0;
  for (let at = 0; at < size; at += POLLFD_SIZE) {
    const fd = view.getInt32(at, true);
    let revents = 0;
    if (fd >= 0) {
      const file = files.get(fd);
      if (file === null) revents = POLLNVAL;
      else revents = file.poll(t) & (view.getUint16(at + 4, true) | POLLERR | POLLHUP);
      if (revents !== 0) ready++;
    }
    view.setUint16(at + 6, revents, true);
  }
  if (ready > 0 || timeout === 0 || t.block.timedOut) {
    const r = n > 0 ? t.mm.copyOut(address, buffer, 0, size) : 0;
    return r < 0 ? r : ready;
  }
  for (let at = 0; at < size; at += POLLFD_SIZE) {
    const fd = view.getInt32(at, true);
    if (fd < 0) continue;
    const queue = files.get(fd)!.queue;
    if (queue !== null) t.waitOn(queue, view.getUint16(at + 4, true) | POLLERR | POLLHUP);
  }
  return t.sleepUntil(deadline(t, timeout), restart);
}

function deadline(t: Task, timeout: number): number {
  return timeout === Infinity || t.block.runs > 0 ? Infinity : t.kernel.clock.monotonic() + timeout;
}

/** select(2). */
export function sys_select(t: Task): number {
  let timeout = Infinity;
  const address = t.args[4];
  if (address !== 0 && t.block.runs === 0) {
    const c = t.copyIn(address, 16);
    if (c < 0) return c;
    const seconds = readI64(t.view, 0), us = readI64(t.view, 8);
    if (seconds < 0 || us < 0) return -EINVAL;
    timeout = seconds * 1e9 + us * 1000;
  }
  const r = select(t, timeout);
  if (address !== 0 && r !== BLOCKED && t.block.deadline !== Infinity) {
    const left = t.block.timedOut ? 0 : t.block.deadline - t.kernel.clock.monotonic();
    writeTimeval(t, address, Math.max(left, 0));
  }
  return r;
}

function writeTimeval(t: Task, address: number, ns: number): void {
  const seconds = Math.floor(ns / 1e9);
  writeTimespec(t.view, 0, seconds * 1e9 + Math.floor((ns - seconds * 1e9) / 1000));
  t.copyOut(address, 16);
}

/** pselect6(2). */
export function sys_pselect6(t: Task): number {
  const timeout = timeoutArg(t, t.args[4]);
  if (timeout < 0) return timeout;
  if (t.args[5] !== 0) {
    const c = t.copyIn(t.args[5], 16);
    if (c < 0) return c;
    const r = beginMask(t, readU64(t.view, 0), readU64(t.view, 8));
    if (r < 0) return r;
  }
  const r = select(t, timeout);
  writeBack(t, t.args[4], r);
  return endMask(t, r);
}

/**
 * The sets lie one after the other in `buffer`: in, out, ex as given, then the same as results.
 * Each is `words` 32-bit words.
 */
function select(t: Task, timeout: number): number {
  let n = t.args[0] | 0;
  if (n < 0) return -EINVAL;
  // Linux looks no further than the table of descriptors reaches.
  const most = Math.max(64, Math.ceil(t.files.size / 64) * 64);
  if (n > most) n = most;
  const bytes = Math.ceil(n / 64) * 8;
  reserve(bytes * 6);
  for (let i = 0; i < 3; i++) {
    if (t.args[1 + i] === 0) {
      buffer.fill(0, i * bytes, (i + 1) * bytes);
    } else {
      const r = bytes > 0 ? t.mm.copyIn(t.args[1 + i], buffer, i * bytes, bytes) : 0;
      if (r < 0) return r;
    }
  }
  buffer.fill(0, 3 * bytes, 6 * bytes);
  const files = t.files;
  let ready = 0;
  for (let word = 0; word < bytes; word += 4) {
    let wanted = view.getInt32(word, true) | view.getInt32(bytes + word, true) |
      view.getInt32(2 * bytes + word, true);
    const inBits = view.getInt32(word, true);
    const outBits = view.getInt32(bytes + word, true);
    const exBits = view.getInt32(2 * bytes + word, true);
    let inReady = 0, outReady = 0, exReady = 0;
    while (wanted !== 0) {
      const bit = wanted & -wanted;
      wanted ^= bit;
      const fd = word * 8 + 31 - Math.clz32(bit);
      if (fd >= n) break;
      const file = files.get(fd);
      if (file === null) return -EBADF;
      const mask = file.poll(t);
      if ((inBits & bit) !== 0 && (mask & SELECT_IN) !== 0) {
        inReady |= bit;
        ready++;
      }
      if ((outBits & bit) !== 0 && (mask & SELECT_OUT) !== 0) {
        outReady |= bit;
        ready++;
      }
      if ((exBits & bit) !== 0 && (mask & SELECT_EX) !== 0) {
        exReady |= bit;
        ready++;
      }
    }
    view.setInt32(3 * bytes + word, inReady, true);
    view.setInt32(4 * bytes + word, outReady, true);
    view.setInt32(5 * bytes + word, exReady, true);
  }
  if (ready > 0 || timeout === 0 || t.block.timedOut) {
    for (let i = 0; i < 3; i++) {
      if (t.args[1 + i] === 0 || bytes === 0) continue;
      const r = t.mm.copyOut(t.args[1 + i], buffer, (3 + i) * bytes, bytes);
      if (r < 0) return r;
    }
    return ready;
  }
  selectWait(t, n, bytes);
  return t.sleepUntil(deadline(t, timeout), -ERESTARTNOHAND);
}

function selectWait(t: Task, n: number, bytes: number): void {
  for (let fd = 0; fd < n; fd++) {
    const at = fd >> 3;
    const bit = 1 << (fd & 7);
    let mask = 0;
    if ((buffer[at] & bit) !== 0) mask |= SELECT_IN;
    if ((buffer[bytes + at] & bit) !== 0) mask |= SELECT_OUT;
    if ((buffer[2 * bytes + at] & bit) !== 0) mask |= SELECT_EX;
    if (mask === 0) continue;
    const queue = t.files.get(fd)!.queue;
    if (queue !== null) t.waitOn(queue, mask);
  }
}
