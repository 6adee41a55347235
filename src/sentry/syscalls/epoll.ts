/** epoll(7). */
// hot: event loops come here for every event.

import { EBADF, EINTR, EINVAL } from "../../abi/errno.ts";
import { readI64 } from "../../abi/int64.ts";
import { EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_DEL, POLLIN } from "../../abi/poll.ts";
import { EPOLL_EVENT_SIZE, EpollFile } from "../fs/epoll/epoll_file.ts";
import { SCRATCH_SIZE, type Task } from "../kernel/task.ts";
import { installNew } from "./eventfd.ts";
import { beginMask, endMask } from "./poll.ts";

const MOST_EVENTS = Math.floor(SCRATCH_SIZE / EPOLL_EVENT_SIZE);

/** epoll_create(2). */
export function sys_epoll_create(t: Task): number {
  if (t.args[0] <= 0) return -EINVAL;
  return installNew(t, new EpollFile(t.kernel.vfs), false);
}

/** epoll_create1(2). */
export function sys_epoll_create1(t: Task): number {
  const flags = t.args[0] >>> 0;
  if ((flags & ~EPOLL_CLOEXEC) !== 0) return -EINVAL;
  return installNew(t, new EpollFile(t.kernel.vfs), (flags & EPOLL_CLOEXEC) !== 0);
}

/** epoll_ctl(2). */
export function sys_epoll_ctl(t: Task): number {
  const op = t.args[1];
  const fd = t.args[2] | 0;
  let events = 0, lo = 0, hi = 0;
  if (op !== EPOLL_CTL_DEL) {
    const r = t.copyIn(t.args[3], EPOLL_EVENT_SIZE);
    if (r < 0) return r;
    events = t.view.getUint32(0, true);
    lo = t.view.getUint32(4, true);
    hi = t.view.getUint32(8, true);
  }
  const epoll = t.files.get(t.args[0]);
  const file = t.files.get(fd);
  if (epoll === null || file === null) return -EBADF;
  if (!(epoll instanceof EpollFile)) return -EINVAL;
  if (op < EPOLL_CTL_ADD) return -EINVAL;
  return epoll.control(t, op, fd, file, events, lo, hi);
}

/** epoll_wait(2). */
export function sys_epoll_wait(t: Task): number {
  return epollWait(t, timeoutOfMs(t.args[3] | 0));
}

/** epoll_pwait(2). */
export function sys_epoll_pwait(t: Task): number {
  const r = beginMask(t, t.args[4], t.args[5]);
  if (r < 0) return r;
  return endMask(t, epollWait(t, timeoutOfMs(t.args[3] | 0)));
}

/** epoll_pwait2(2). */
export function sys_epoll_pwait2(t: Task): number {
  let timeout = Infinity;
  if (t.args[3] !== 0 && t.block.runs === 0) {
    const c = t.copyIn(t.args[3], 16);
    if (c < 0) return c;
    const seconds = readI64(t.view, 0), ns = readI64(t.view, 8);
    if (seconds < 0 || ns < 0 || ns >= 1e9) return -EINVAL;
    timeout = seconds * 1e9 + ns;
  }
  const r = beginMask(t, t.args[4], t.args[5]);
  if (r < 0) return r;
  return endMask(t, epollWait(t, timeout));
}

function timeoutOfMs(ms: number): number {
  return ms < 0 ? Infinity : ms * 1e6;
}

function epollWait(t: Task, timeout: number): number {
  const max = t.args[2] | 0;
  if (max <= 0) return -EINVAL;
  const file = t.files.get(t.args[0]);
  if (file === null) return -EBADF;
  if (!(file instanceof EpollFile)) return -EINVAL;
  const count = file.collect(t, t.view, max < MOST_EVENTS ? max : MOST_EVENTS);
  if (count > 0) {
    const r = t.copyOut(t.args[1], count * EPOLL_EVENT_SIZE);
    return r < 0 ? r : count;
  }
  if (timeout === 0 || t.block.timedOut) return 0;
  t.waitOn(file.queue, POLLIN);
  const deadline = timeout === Infinity ? Infinity : t.kernel.clock.monotonic() + timeout;
  return t.sleepUntil(deadline, -EINTR);
}
