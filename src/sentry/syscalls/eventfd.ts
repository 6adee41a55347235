/** eventfd(2), signalfd(2), timerfd_create(2) and its kin. */

import { EBADF, EINVAL } from "../../abi/errno.ts";
import { EFD_CLOEXEC, EFD_NONBLOCK, EFD_SEMAPHORE } from "../../abi/eventfd.ts";
import { SFD_CLOEXEC, SFD_NONBLOCK } from "../../abi/eventfd.ts";
import { readI64, write64 } from "../../abi/int64.ts";
import { RLIMIT_NOFILE } from "../../abi/resource.ts";
import {
  CLOCK_BOOTTIME,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_MONOTONIC,
  CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM,
  TFD_CLOEXEC,
  TFD_NONBLOCK,
  TFD_TIMER_ABSTIME,
  TFD_TIMER_CANCEL_ON_SET,
} from "../../abi/time.ts";
import { EventFile } from "../fs/eventfd/eventfd.ts";
import { SignalFile } from "../fs/signalfd/signalfd.ts";
import { TimerFile } from "../fs/timerfd/timerfd.ts";
import type { Task } from "../kernel/task.ts";
import type { File } from "../vfs/file.ts";

/** eventfd(2) of old. */
export function sys_eventfd(t: Task): number {
  return makeEvent(t, 0);
}

/** eventfd2(2). */
export function sys_eventfd2(t: Task): number {
  return makeEvent(t, t.args[1] >>> 0);
}

function makeEvent(t: Task, flags: number): number {
  if ((flags & ~(EFD_SEMAPHORE | EFD_CLOEXEC | EFD_NONBLOCK)) !== 0) return -EINVAL;
  const file = new EventFile(
    t.kernel.vfs,
    t.args[0],
    (flags & EFD_SEMAPHORE) !== 0,
    flags & EFD_NONBLOCK,
  );
  return installNew(t, file, (flags & EFD_CLOEXEC) !== 0);
}

/** Gives a new description a descriptor; on failure the description is gone. */
export function installNew(t: Task, file: File, cloexec: boolean): number {
  const fd = t.files.install(file, cloexec, 0, t.group.rlimits.soft[RLIMIT_NOFILE]);
  if (fd < 0) file.unref();
  return fd;
}

/** signalfd(2) of old. */
export function sys_signalfd(t: Task): number {
  return signalfd(t, 0);
}

/** signalfd4(2). */
export function sys_signalfd4(t: Task): number {
  return signalfd(t, t.args[3] >>> 0);
}

function signalfd(t: Task, flags: number): number {
  if ((flags & ~(SFD_CLOEXEC | SFD_NONBLOCK)) !== 0 || t.args[2] !== 8) return -EINVAL;
  const r = t.copyIn(t.args[1], 8);
  if (r < 0) return r;
  const lo = t.view.getInt32(0, true);
  const hi = t.view.getInt32(4, true);
  const fd = t.args[0] | 0;
  if (fd === -1) {
    const file = new SignalFile(t.kernel.vfs, t.group.handlers.queue, lo, hi, flags & SFD_NONBLOCK);
    return installNew(t, file, (flags & SFD_CLOEXEC) !== 0);
  }
  const file = t.files.get(fd);
  if (file === null) return -EBADF;
  if (!(file instanceof SignalFile)) return -EINVAL;
  file.setMask(lo, hi);
  return fd;
}

/** timerfd_create(2). */
export function sys_timerfd_create(t: Task): number {
  const clock = t.args[0] | 0;
  const flags = t.args[1] >>> 0;
  if ((flags & ~(TFD_CLOEXEC | TFD_NONBLOCK)) !== 0) return -EINVAL;
  switch (clock) {
    case CLOCK_REALTIME:
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_BOOTTIME_ALARM:
      break;
    default:
      return -EINVAL;
  }
  const kernel = t.kernel;
  const file = new TimerFile(kernel.vfs, kernel.timers, kernel.clock, clock, flags & TFD_NONBLOCK);
  return installNew(t, file, (flags & TFD_CLOEXEC) !== 0);
}

/** timerfd_settime(2). */
export function sys_timerfd_settime(t: Task): number {
  const flags = t.args[1] >>> 0;
  const r = t.copyIn(t.args[2], 32);
  if (r < 0) return r;
  const view = t.view;
  const period = readTimespec(view, 0);
  const value = readTimespec(view, 16);
  if (period < 0 || value < 0) return -EINVAL;
  if ((flags & ~(TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET)) !== 0) return -EINVAL;
  const file = t.files.get(t.args[0]);
  if (file === null) return -EBADF;
  if (!(file instanceof TimerFile)) return -EINVAL;
  if (t.args[3] !== 0) {
    writeTimespec(view, 0, file.period);
    writeTimespec(view, 16, file.remaining);
  }
  file.set(flags, value, period);
  return t.args[3] !== 0 ? t.copyOut(t.args[3], 32) : 0;
}

/** timerfd_gettime(2). */
export function sys_timerfd_gettime(t: Task): number {
  const file = t.files.get(t.args[0]);
  if (file === null) return -EBADF;
  if (!(file instanceof TimerFile)) return -EINVAL;
  writeTimespec(t.view, 0, file.period);
  writeTimespec(t.view, 16, file.remaining);
  return t.copyOut(t.args[1], 32);
}

/** Nanoseconds of a `struct timespec`, or -EINVAL if it is none. */
export function readTimespec(view: DataView, offset: number): number {
  const seconds = readI64(view, offset);
  const nanoseconds = readI64(view, offset + 8);
  if (seconds < 0 || nanoseconds < 0 || nanoseconds >= 1e9) return -EINVAL;
  return seconds * 1e9 + nanoseconds;
}

/** Writes nanoseconds as a `struct timespec`. */
export function writeTimespec(view: DataView, offset: number, ns: number): void {
  const seconds = Math.floor(ns / 1e9);
  write64(view, offset, seconds);
  write64(view, offset + 8, Math.floor(ns - seconds * 1e9));
}
