/** Times in the memory of the application. */

import { EINVAL } from "../../abi/errno.ts";
import { readI64 } from "../../abi/int64.ts";
import { writeTimespec, writeTimeval } from "../../abi/structs/time.ts";
import type { Task } from "../kernel/task.ts";

/** No time is later than this many seconds, as on Linux (KTIME_SEC_MAX). */
const MAX_SECONDS = 9223372036;

/** The timespec in `scratch` at `offset`, in nanoseconds; -EINVAL if it is none. */
export function timespecAt(t: Task, offset: number): number {
  const seconds = readI64(t.view, offset);
  const nanoseconds = readI64(t.view, offset + 8);
  if (seconds < 0 || nanoseconds < 0 || nanoseconds >= 1e9) return -EINVAL;
  return Math.min(seconds, MAX_SECONDS) * 1e9 + nanoseconds;
}

/** The timeval in `scratch` at `offset`, in nanoseconds; -EINVAL if it is none. */
export function timevalAt(t: Task, offset: number): number {
  const seconds = readI64(t.view, offset);
  const microseconds = readI64(t.view, offset + 8);
  if (seconds < 0 || microseconds < 0 || microseconds >= 1e6) return -EINVAL;
  return Math.min(seconds, MAX_SECONDS) * 1e9 + microseconds * 1000;
}

/** Reads a timespec of the application, in nanoseconds; or a negative errno. */
export function readTimespec(t: Task, address: number): number {
  const r = t.copyIn(address, 16);
  return r !== 0 ? r : timespecAt(t, 0);
}

/** Reads a timeval of the application, in nanoseconds; or a negative errno. */
export function readTimeval(t: Task, address: number): number {
  const r = t.copyIn(address, 16);
  return r !== 0 ? r : timevalAt(t, 0);
}

/** Writes nanoseconds as a timespec of the application. */
export function putTimespec(t: Task, address: number, nanoseconds: number): number {
  writeTimespec(t.view, 0, nanoseconds);
  return t.copyOut(address, 16);
}

/** Writes nanoseconds as a timeval of the application. */
export function putTimeval(t: Task, address: number, nanoseconds: number): number {
  writeTimeval(t.view, 0, nanoseconds);
  return t.copyOut(address, 16);
}
