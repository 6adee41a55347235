/** Signatures of system calls on clocks, timers and futexes. */

import { cellOut, fd, hexInt, hexLong, int, pid, pointer, size, uint } from "./arg_types.ts";
import * as t from "./arg_types_time.ts";
import type { Signatures } from "./table.ts";
import { i64 } from "../../abi/struct.ts";

const timer = int;

export const timeSignatures: Signatures = {
  nanosleep: [[t.timespecIn, t.remainingOut]],
  getitimer: [[t.itimer, t.itimervalOut]],
  alarm: [[uint]],
  setitimer: [[t.itimer, t.itimervalIn, t.itimervalOut]],
  gettimeofday: [[t.timevalOut, t.timezoneOut]],
  times: [[t.tmsOut]],
  adjtimex: [[t.timexOut], t.clockState],
  settimeofday: [[t.timevalIn, t.timezoneIn]],
  time: [[cellOut(i64, "time out")]],
  futex: [[
    pointer,
    t.futexOperation,
    t.futexValue,
    t.futexTimeout,
    t.futexSecond,
    t.futexThird,
  ]],
  restart_syscall: [[]],
  timer_create: [[t.clock, t.sigeventIn, t.timerIdOut]],
  timer_settime: [[timer, t.timerFlags, t.itimerspecIn, t.itimerspecOut]],
  timer_gettime: [[timer, t.itimerspecOut]],
  timer_getoverrun: [[timer]],
  timer_delete: [[timer]],
  clock_settime: [[t.clock, t.timespecIn]],
  clock_gettime: [[t.clock, t.timespecOut]],
  clock_getres: [[t.clock, t.timespecOut]],
  clock_nanosleep: [[t.clock, t.timerFlags, t.timespecIn, t.remainingOut]],
  set_robust_list: [[t.robustListHead, size]],
  get_robust_list: [[pid, t.robustListOut, pointer]],
  timerfd_create: [[t.clock, t.timerfdFlags]],
  timerfd_settime: [[fd, t.timerfdSetFlags, t.itimerspecIn, t.itimerspecOut]],
  timerfd_gettime: [[fd, t.itimerspecOut]],
  clock_adjtime: [[t.clock, t.timexOut], t.clockState],
  futex_waitv: [[t.futexWaiters, uint, hexInt, t.timespecIn, t.clock]],
  futex_wake: [[pointer, hexLong, int, t.futex2Flags]],
  futex_wait: [[pointer, hexLong, hexLong, t.futex2Flags, t.timespecIn, t.clock]],
  futex_requeue: [[t.futexPair, hexInt, int, int]],
};
