/**
 * Structures of clocks and timers.
 */

import { write64 } from "../int64.ts";
import { array, hex, i32, i64, pointer, struct, u32, u64 } from "../struct.ts";
import { NSEC_PER_SEC, NSEC_PER_USEC } from "../time.ts";

/** A time in seconds and nanoseconds (timespec(3type)). */
export const Timespec = struct("timespec", { tv_sec: i64, tv_nsec: i64 });
/** A time in seconds and microseconds (timeval(3type)). */
export const Timeval = struct("timeval", { tv_sec: i64, tv_usec: i64 });
/** What gettimeofday(2) says of the time zone. */
export const Timezone = struct("timezone", { tz_minuteswest: i32, tz_dsttime: i32 });
/** The setting of a timer of timer_create(2) or timerfd_create(2). */
export const Itimerspec = struct("itimerspec", { it_interval: Timespec, it_value: Timespec });
/** The setting of a timer of setitimer(2). */
export const Itimerval = struct("itimerval", { it_interval: Timeval, it_value: Timeval });
/** Clock ticks of a process and its children (times(2)). */
export const Tms = struct("tms", {
  tms_utime: i64,
  tms_stime: i64,
  tms_cutime: i64,
  tms_cstime: i64,
});
/** Access and modification time for utime(2). */
export const Utimbuf = struct("utimbuf", { actime: i64, modtime: i64 });

/** How a timer or a message queue tells that something happened (sigevent(3type)). */
export const Sigevent = struct("sigevent", {
  sigev_value: hex(u64),
  sigev_signo: i32,
  sigev_notify: i32,
  sigev_notify_thread_id: i32,
}, { size: 64 });

/** State of the kernel's clock discipline (adjtimex(2)). */
export const Timex = struct("timex", {
  modes: hex(u32),
  offset: i64,
  freq: i64,
  maxerror: i64,
  esterror: i64,
  status: hex(i32),
  constant: i64,
  precision: i64,
  tolerance: i64,
  time: Timeval,
  tick: i64,
  ppsfreq: i64,
  jitter: i64,
  shift: i32,
  stabil: i64,
  jitcnt: i64,
  calcnt: i64,
  errcnt: i64,
  stbcnt: i64,
  tai: i32,
  _reserved: array(i32, 11),
});

/** The robust futex list of a thread (get_robust_list(2)). */
export const RobustListHead = struct("robust_list_head", {
  list: pointer,
  futex_offset: i64,
  list_op_pending: pointer,
});

/** One futex of futex_waitv(2). */
export const FutexWaitv = struct("futex_waitv", {
  val: u64,
  uaddr: pointer,
  flags: hex(u32),
  _reserved: u32,
});

/** Writes a timespec of a time in nanoseconds. */
export function writeTimespec(view: DataView, offset: number, nanoseconds: number): void {
  const seconds = Math.floor(nanoseconds / NSEC_PER_SEC);
  write64(view, offset, seconds);
  write64(view, offset + 8, Math.floor(nanoseconds - seconds * NSEC_PER_SEC));
}

/** Writes a timeval of a time in nanoseconds. */
export function writeTimeval(view: DataView, offset: number, nanoseconds: number): void {
  const seconds = Math.floor(nanoseconds / NSEC_PER_SEC);
  write64(view, offset, seconds);
  write64(view, offset + 8, Math.floor((nanoseconds - seconds * NSEC_PER_SEC) / NSEC_PER_USEC));
}
