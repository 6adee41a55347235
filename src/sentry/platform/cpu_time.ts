/** CPU time of stub processes and their threads, as the host counts it. */

import { clock_gettime } from "../../../ffi/libc/time.ts";

/** CPUCLOCK_SCHED: what the scheduler measured, in nanoseconds (clock_getcpuclockid(3)). */
const CPUCLOCK_SCHED = 2;

/** CPU time of a host process, all its threads together, nanoseconds; 0 if it is gone. */
export function processCpuTime(pid: number): number {
  return Math.max(0, clock_gettime((~pid << 3) | CPUCLOCK_SCHED));
}

/** CPU time of one thread of a host process, nanoseconds; 0 if it is gone or /proc is out of reach. */
export function threadCpuTime(pid: number, tid: number): number {
  try {
    // Clocks of threads are for their own process only; this file has the same figure first.
    return parseInt(Deno.readTextFileSync(`/proc/${pid}/task/${tid}/schedstat`), 10) || 0;
  } catch {
    return 0;
  }
}
