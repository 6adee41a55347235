/** POSIX timers (timer_create(2)). */

import { EAGAIN, EFAULT, EINVAL } from "../../abi/errno.ts";
import {
  CLOCK_BOOTTIME,
  CLOCK_MONOTONIC,
  CLOCK_PROCESS_CPUTIME_ID,
  CLOCK_REALTIME,
  CLOCK_TAI,
  CLOCK_THREAD_CPUTIME_ID,
  TIMER_ABSTIME,
} from "../../abi/time.ts";
import { writeTimespec } from "../../abi/structs/time.ts";
import {
  NSIG,
  SIGALRM,
  SIGEV_NONE,
  SIGEV_SIGNAL,
  SIGEV_THREAD,
  SIGEV_THREAD_ID,
} from "../../abi/signals.ts";
import { PosixTimer, TimerBase } from "../kernel/posix_timer.ts";
import type { Task } from "../kernel/task.ts";
import { timespecAt } from "./user_time.ts";

/** Timers that one process may have. */
const MAX_TIMERS = 4096;

/** timer_create(2). */
export function sys_timer_create(t: Task): number {
  const group = t.group;
  let base: TimerBase;
  switch (t.args[0] | 0) {
    case CLOCK_REALTIME:
    case CLOCK_TAI:
      base = TimerBase.Realtime;
      break;
    case CLOCK_MONOTONIC:
    case CLOCK_BOOTTIME:
      base = TimerBase.Monotonic;
      break;
    case CLOCK_PROCESS_CPUTIME_ID:
      base = TimerBase.ProcessCpu;
      break;
    case CLOCK_THREAD_CPUTIME_ID:
      base = TimerBase.ThreadCpu;
      break;
    default:
      return -EINVAL;
  }
  let signo = SIGALRM;
  let target: Task | null = base === TimerBase.ThreadCpu ? t : null;
  const id = group.nextPosixTimer;
  let valueLow = id;
  let valueHigh = 0;
  if (t.args[1] !== 0) {
    if (t.copyIn(t.args[1], 64) !== 0) return -EFAULT;
    valueLow = t.view.getInt32(0, true);
    valueHigh = t.view.getInt32(4, true);
    signo = t.view.getInt32(8, true);
    const tid = t.view.getInt32(16, true);
    switch (t.view.getInt32(12, true)) {
      case SIGEV_NONE:
        signo = 0;
        break;
      case SIGEV_SIGNAL:
      case SIGEV_THREAD:
        break;
      case SIGEV_SIGNAL | SIGEV_THREAD_ID: {
        const task = t.pid.ns.task(tid);
        if (task === null || task.group !== group) return -EINVAL;
        target = task;
        break;
      }
      default:
        return -EINVAL;
    }
    if (signo < 0 || signo > NSIG) return -EINVAL;
  }
  if (group.posixTimers.size >= MAX_TIMERS) return -EAGAIN;
  if (t.mm.writeU32(t.args[2], id) !== 0) return -EFAULT;
  group.nextPosixTimer++;
  group.posixTimers.set(id, new PosixTimer(group, id, base, signo, target, valueLow, valueHigh));
  return 0;
}

/** timer_settime(2). */
export function sys_timer_settime(t: Task): number {
  const timer = t.group.posixTimers.get(t.args[0] | 0);
  if (timer === undefined || t.args[2] === 0) return -EINVAL;
  if (t.copyIn(t.args[2], 32) !== 0) return -EFAULT;
  const interval = timespecAt(t, 0);
  const value = timespecAt(t, 16);
  if (interval < 0 || value < 0) return -EINVAL;
  describe(t, timer);
  const absolute = (t.args[1] & TIMER_ABSTIME) !== 0;
  if (value === 0) timer.disarm();
  else timer.arm(absolute ? value : timer.now() + value, interval);
  return t.args[3] === 0 ? 0 : t.copyOut(t.args[3], 32);
}

/** timer_gettime(2). */
export function sys_timer_gettime(t: Task): number {
  const timer = t.group.posixTimers.get(t.args[0] | 0);
  if (timer === undefined) return -EINVAL;
  describe(t, timer);
  return t.copyOut(t.args[1], 32);
}

/** timer_getoverrun(2). */
export function sys_timer_getoverrun(t: Task): number {
  const timer = t.group.posixTimers.get(t.args[0] | 0);
  return timer === undefined ? -EINVAL : timer.lastOverrun;
}

/** timer_delete(2). */
export function sys_timer_delete(t: Task): number {
  const timer = t.group.posixTimers.get(t.args[0] | 0);
  if (timer === undefined) return -EINVAL;
  timer.disarm();
  t.group.posixTimers.delete(timer.id);
  return 0;
}

function describe(t: Task, timer: PosixTimer): void {
  writeTimespec(t.view, 0, timer.expires === Infinity ? 0 : timer.interval);
  writeTimespec(t.view, 16, timer.remaining());
}
