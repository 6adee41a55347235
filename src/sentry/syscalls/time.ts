/** Clocks, sleeping and interval timers (time(7)). */

import {
  EFAULT,
  EINVAL,
  EOPNOTSUPP,
  EPERM,
  ERESTART_RESTARTBLOCK,
  ERESTARTNOHAND,
} from "../../abi/errno.ts";
import { write64 } from "../../abi/int64.ts";
import {
  CLOCK_BOOTTIME,
  CLOCK_BOOTTIME_ALARM,
  CLOCK_MONOTONIC,
  CLOCK_MONOTONIC_COARSE,
  CLOCK_MONOTONIC_RAW,
  CLOCK_PROCESS_CPUTIME_ID,
  CLOCK_REALTIME,
  CLOCK_REALTIME_ALARM,
  CLOCK_REALTIME_COARSE,
  CLOCK_TAI,
  CLOCK_THREAD_CPUTIME_ID,
  ITIMER_PROF,
  ITIMER_REAL,
  ITIMER_VIRTUAL,
  TIMER_ABSTIME,
} from "../../abi/time.ts";
import { writeTimeval } from "../../abi/structs/time.ts";
import { type CpuTimer, IntervalTimers, type RealTimer } from "../kernel/interval_timer.ts";
import type { Task } from "../kernel/task.ts";
import { BLOCKED } from "../kernel/wait.ts";
import { putTimespec, readTimespec, timevalAt } from "./user_time.ts";

/** clock_gettime(2). */
export function sys_clock_gettime(t: Task): number {
  refreshVdso(t);
  const now = readClock(t, t.args[0] | 0);
  return now < 0 ? now : putTimespec(t, t.args[1], now);
}

/** The vDSO asks for the time when its parameters are old. */
function refreshVdso(t: Task): void {
  const vdso = t.kernel.loader?.options.vdso;
  if (vdso) vdso.params.refresh(t.kernel.clock.monotonic());
}

/** Time of a clock as its id names it; or -EINVAL. */
export function readClock(t: Task, id: number): number {
  switch (id) {
    case CLOCK_REALTIME:
    case CLOCK_REALTIME_COARSE:
    case CLOCK_REALTIME_ALARM:
    case CLOCK_TAI:
      return t.kernel.clock.realtime();
    case CLOCK_MONOTONIC:
    case CLOCK_MONOTONIC_RAW:
    case CLOCK_MONOTONIC_COARSE:
    case CLOCK_BOOTTIME:
    case CLOCK_BOOTTIME_ALARM:
      return t.kernel.clock.monotonic();
    case CLOCK_PROCESS_CPUTIME_ID:
      return t.group.cpuTime();
    case CLOCK_THREAD_CPUTIME_ID:
      return t.cpuTime();
  }
  if (id >= 0) return -EINVAL;
  // The clock of another process or thread: pid << 3, inverted, with bit 2 for a thread (clock_getcpuclockid(3)).
  const pid = ~(id >> 3);
  if ((id & 3) === 3) return -EINVAL;
  if ((id & 4) !== 0) {
    const task = pid === 0 ? t : t.pid.ns.task(pid);
    return task === null || task.group !== t.group ? -EINVAL : task.cpuTime();
  }
  const group = pid === 0 ? t.group : t.pid.ns.process(pid);
  return group === null ? -EINVAL : group.cpuTime();
}

/** clock_getres(2). */
export function sys_clock_getres(t: Task): number {
  const id = t.args[0] | 0;
  const now = readClock(t, id);
  if (now < 0) return now;
  if (t.args[1] === 0) return 0;
  const coarse = id === CLOCK_REALTIME_COARSE || id === CLOCK_MONOTONIC_COARSE;
  return putTimespec(t, t.args[1], coarse ? 4_000_000 : 1);
}

/** gettimeofday(2). */
export function sys_gettimeofday(t: Task): number {
  refreshVdso(t);
  if (t.args[0] !== 0) {
    writeTimeval(t.view, 0, t.kernel.clock.realtime());
    if (t.copyOut(t.args[0], 16) !== 0) return -EFAULT;
  }
  if (t.args[1] !== 0) {
    t.view.setInt32(0, 0, true);
    t.view.setInt32(4, 0, true);
    if (t.copyOut(t.args[1], 8) !== 0) return -EFAULT;
  }
  return 0;
}

/** time(2). */
export function sys_time(t: Task): number {
  refreshVdso(t);
  const seconds = Math.floor(t.kernel.clock.realtime() / 1e9);
  if (t.args[0] !== 0 && t.mm.writeU64(t.args[0], seconds) !== 0) return -EFAULT;
  return seconds;
}

/** nanosleep(2). */
export function sys_nanosleep(t: Task): number {
  if (t.block.runs > 0) return sleepMore(t, t.args[1]);
  const time = readTimespec(t, t.args[0]);
  if (time < 0) return time;
  return t.sleepUntil(t.kernel.clock.monotonic() + time, -ERESTART_RESTARTBLOCK);
}

/** clock_nanosleep(2). */
export function sys_clock_nanosleep(t: Task): number {
  const id = t.args[0] | 0;
  const absolute = (t.args[1] & TIMER_ABSTIME) !== 0;
  if (t.block.runs > 0) return sleepMore(t, absolute ? -1 : t.args[3]);
  if (id === CLOCK_THREAD_CPUTIME_ID) return -EINVAL;
  if (id === CLOCK_MONOTONIC_RAW || id === CLOCK_MONOTONIC_COARSE || id === CLOCK_REALTIME_COARSE) {
    return -EOPNOTSUPP;
  }
  const now = readClock(t, id);
  if (now < 0) return now;
  const time = readTimespec(t, t.args[2]);
  if (time < 0) return time;
  const deadline = t.kernel.clock.monotonic() + Math.max(0, absolute ? time - now : time);
  return t.sleepUntil(deadline, absolute ? -ERESTARTNOHAND : -ERESTART_RESTARTBLOCK);
}

/** Goes on with a sleep; `remainder` is where what is left is told (0: nowhere, -1: the deadline is absolute). */
function sleepMore(t: Task, remainder: number): number {
  const deadline = t.block.deadline;
  if (t.block.timedOut) return 0;
  const r = t.sleepUntil(deadline, remainder < 0 ? -ERESTARTNOHAND : -ERESTART_RESTARTBLOCK);
  if (r === BLOCKED || remainder <= 0) return r;
  const left = deadline - t.kernel.clock.monotonic();
  if (left <= 0) return 0;
  return putTimespec(t, remainder, left) !== 0 ? -EFAULT : r;
}

function timersOf(t: Task): IntervalTimers {
  return t.group.timers ??= new IntervalTimers(t.group);
}

/** alarm(2). */
export function sys_alarm(t: Task): number {
  const timer = timersOf(t).real;
  const left = remaining(t, timer);
  setReal(t, timer, (t.args[0] >>> 0) * 1e9, 0);
  // A rest below half a second counts as none, but never makes a set alarm look unset.
  return left === 0 ? 0 : Math.max(1, Math.round(left / 1e9));
}

/** getitimer(2). */
export function sys_getitimer(t: Task): number {
  if (t.args[1] === 0) return -EFAULT;
  const r = describe(t, t.args[0] | 0);
  return r !== 0 ? r : t.copyOut(t.args[1], 32);
}

/** setitimer(2). */
export function sys_setitimer(t: Task): number {
  const which = t.args[0] | 0;
  let interval = 0;
  let value = 0;
  if (t.args[1] !== 0) {
    if (t.copyIn(t.args[1], 32) !== 0) return -EFAULT;
    interval = timevalAt(t, 0);
    value = timevalAt(t, 16);
    if (interval < 0 || value < 0) return -EINVAL;
  }
  const r = describe(t, which);
  if (r !== 0) return r;
  const timers = timersOf(t);
  if (which === ITIMER_REAL) setReal(t, timers.real, value, interval);
  else cpuTimer(timers, which).start(value, interval);
  return t.args[2] === 0 ? 0 : t.copyOut(t.args[2], 32);
}

/** Writes the itimerval of a timer into scratch. */
function describe(t: Task, which: number): number {
  let interval: number;
  let value: number;
  const timers = timersOf(t);
  switch (which) {
    case ITIMER_REAL:
      interval = timers.real.interval;
      value = remaining(t, timers.real);
      break;
    case ITIMER_VIRTUAL:
    case ITIMER_PROF:
      interval = cpuTimer(timers, which).interval;
      value = cpuTimer(timers, which).remaining();
      break;
    default:
      return -EINVAL;
  }
  writeTimeval(t.view, 0, interval);
  writeTimeval(t.view, 16, value);
  return 0;
}

function cpuTimer(timers: IntervalTimers, which: number): CpuTimer {
  return which === ITIMER_VIRTUAL ? timers.virtual : timers.profiling;
}

function remaining(t: Task, timer: RealTimer): number {
  return timer.slot < 0 ? 0 : Math.max(1000, timer.deadline - t.kernel.timers.now());
}

function setReal(t: Task, timer: RealTimer, value: number, interval: number): void {
  t.kernel.timers.cancel(timer);
  timer.interval = value === 0 ? 0 : interval;
  if (value === 0) return;
  timer.deadline = t.kernel.timers.now() + value;
  t.kernel.timers.add(timer);
}

/** adjtimex(2): tells the state of the clock; setting it is refused. */
export function sys_adjtimex(t: Task): number {
  if (t.copyIn(t.args[0], 208) !== 0) return -EFAULT;
  if (t.view.getUint32(0, true) !== 0) return -EPERM;
  t.scratch.fill(0, 0, 208);
  // STA_UNSYNC: nothing in the sandbox keeps the clock in step. The tick is that of 100 Hz.
  t.view.setInt32(40, 0x40, true);
  write64(t.view, 88, 10000);
  writeTimeval(t.view, 72, t.kernel.clock.realtime());
  return t.copyOut(t.args[0], 208) !== 0 ? -EFAULT : 5;
}
