/** CPU time of stub processes and their threads, as the host counts it. */

import { close, openat } from "../../../ffi/libc/files.ts";
import { read } from "../../../ffi/libc/io.ts";
import { clock_gettime } from "../../../ffi/libc/time.ts";
import { cstr } from "../../../ffi/syscall.ts";

const AT_FDCWD = -100;
const O_CLOEXEC = 0o2000000;
/** CPUCLOCK_SCHED: what the scheduler measured, in nanoseconds (clock_getcpuclockid(3)). */
const CPUCLOCK_SCHED = 2;
const DIGIT_0 = 0x30;
const DIGIT_9 = 0x39;

const buffer = new Uint8Array(64);

/** CPU time of a host process, all its threads together, nanoseconds; 0 if it is gone. */
export function processCpuTime(pid: number): number {
  return Math.max(0, clock_gettime((~pid << 3) | CPUCLOCK_SCHED));
}

/** CPU time of one thread of a host process, nanoseconds; 0 if it is gone or /proc is out of reach. */
export function threadCpuTime(pid: number, tid: number): number {
  // Clocks of threads are for their own process only; this file has the same figure first.
  const fd = openat(AT_FDCWD, cstr(`/proc/${pid}/task/${tid}/schedstat`), O_CLOEXEC, 0);
  if (fd < 0) return 0;
  const length = read(fd, buffer, buffer.length);
  close(fd);
  let time = 0;
  for (let i = 0; i < length && buffer[i] >= DIGIT_0 && buffer[i] <= DIGIT_9; i++) {
    time = time * 10 + (buffer[i] - DIGIT_0);
  }
  return time;
}
