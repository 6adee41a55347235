/** Fast user-space locks (futex(2)). */

import { EFAULT, EINVAL, ENOSYS, EPERM, ESRCH } from "../../abi/errno.ts";
import { readI64, readU64 } from "../../abi/int64.ts";
import {
  FUTEX_32,
  FUTEX_CLOCK_REALTIME,
  FUTEX_CMP_REQUEUE,
  FUTEX_CMP_REQUEUE_PI,
  FUTEX_LOCK_PI,
  FUTEX_LOCK_PI2,
  FUTEX_PRIVATE_FLAG,
  FUTEX_REQUEUE,
  FUTEX_TRYLOCK_PI,
  FUTEX_UNLOCK_PI,
  FUTEX_WAIT,
  FUTEX_WAIT_BITSET,
  FUTEX_WAIT_REQUEUE_PI,
  FUTEX_WAITV_MAX,
  FUTEX_WAKE,
  FUTEX_WAKE_BITSET,
  FUTEX_WAKE_OP,
} from "../../abi/futex.ts";
import { CLOCK_MONOTONIC, CLOCK_REALTIME } from "../../abi/time.ts";
import {
  FutexVectorEntry,
  futexWait,
  futexWaitv,
  lockPi,
  MATCH_ANY,
  requeueFutex,
  requeuePi,
  unlockPi,
  waitRequeuePi,
  wakeFutex,
  wakeOpFutex,
} from "../kernel/futex_ops.ts";
import type { Task } from "../kernel/task.ts";
import { readTimespec, timespecAt } from "./user_time.ts";

const ROBUST_LIST_HEAD_SIZE = 24;

/** futex(2). */
export function sys_futex(t: Task): number {
  const op = t.args[1] | 0;
  const shared = (op & FUTEX_PRIVATE_FLAG) === 0;
  const realtime = (op & FUTEX_CLOCK_REALTIME) !== 0;
  const address = t.args[0];
  const value = t.args[2] | 0;
  switch (op & ~(FUTEX_PRIVATE_FLAG | FUTEX_CLOCK_REALTIME)) {
    case FUTEX_WAIT: {
      if (realtime) return -ENOSYS;
      const deadline = deadlineArg(t, false, false);
      return deadline < 0 ? deadline : futexWait(t, address, shared, value, MATCH_ANY, deadline);
    }
    case FUTEX_WAIT_BITSET: {
      const deadline = deadlineArg(t, true, realtime);
      if (deadline < 0) return deadline;
      return futexWait(t, address, shared, value, t.args[5] | 0, deadline);
    }
    case FUTEX_WAKE:
      return wakeFutex(t, address, shared, value, MATCH_ANY);
    case FUTEX_WAKE_BITSET:
      return wakeFutex(t, address, shared, value, t.args[5] | 0);
    case FUTEX_REQUEUE:
      return requeueFutex(t, address, shared, value, t.args[3] | 0, t.args[4], null);
    case FUTEX_CMP_REQUEUE:
      return requeueFutex(t, address, shared, value, t.args[3] | 0, t.args[4], t.args[5] | 0);
    case FUTEX_WAKE_OP:
      return wakeOpFutex(t, address, shared, value, t.args[3] | 0, t.args[4], t.args[5] | 0);
    case FUTEX_LOCK_PI: {
      const deadline = deadlineArg(t, true, true);
      return deadline < 0 ? deadline : lockPi(t, address, shared, false, deadline);
    }
    case FUTEX_LOCK_PI2: {
      const deadline = deadlineArg(t, true, realtime);
      return deadline < 0 ? deadline : lockPi(t, address, shared, false, deadline);
    }
    case FUTEX_TRYLOCK_PI:
      return lockPi(t, address, shared, true, Infinity);
    case FUTEX_UNLOCK_PI:
      return unlockPi(t, address, shared);
    case FUTEX_WAIT_REQUEUE_PI: {
      const deadline = deadlineArg(t, true, realtime);
      if (deadline < 0) return deadline;
      return waitRequeuePi(t, address, shared, value, MATCH_ANY, deadline, t.args[4]);
    }
    case FUTEX_CMP_REQUEUE_PI:
      return requeuePi(t, address, shared, value, t.args[3] | 0, t.args[4], t.args[5] | 0);
    default:
      return -ENOSYS;
  }
}

/** The deadline that argument 3 points to, in monotonic nanoseconds; a re-run keeps that of the first run. */
function deadlineArg(t: Task, absolute: boolean, realtime: boolean): number {
  if (t.args[3] === 0) return Infinity;
  if (t.block.runs > 0) return t.block.deadline;
  const time = readTimespec(t, t.args[3]);
  return time < 0 ? time : monotonicDeadline(t, time, absolute, realtime);
}

function monotonicDeadline(t: Task, time: number, absolute: boolean, realtime: boolean): number {
  const clock = t.kernel.clock;
  if (!absolute) return clock.monotonic() + time;
  return realtime ? Math.max(0, clock.monotonic() + (time - clock.realtime())) : time;
}

/** futex_waitv(2). */
export function sys_futex_waitv(t: Task): number {
  if (t.block.runs > 0) return futexWaitv(t, [], t.block.deadline);
  const count = t.args[1] | 0;
  if ((t.args[2] | 0) !== 0 || count < 1 || count > FUTEX_WAITV_MAX) return -EINVAL;
  let deadline = Infinity;
  if (t.args[3] !== 0) {
    const clock = t.args[4] | 0;
    if (clock !== CLOCK_MONOTONIC && clock !== CLOCK_REALTIME) return -EINVAL;
    if (t.copyIn(t.args[3], 16) !== 0) return -EFAULT;
    const time = timespecAt(t, 0);
    if (time < 0) return time;
    deadline = monotonicDeadline(t, time, true, clock === CLOCK_REALTIME);
  }
  if (t.copyIn(t.args[0], count * 24) !== 0) return -EFAULT;
  const entries: FutexVectorEntry[] = [];
  for (let i = 0; i < count; i++) {
    const flags = t.view.getInt32(i * 24 + 16, true);
    if ((flags & ~FUTEX_PRIVATE_FLAG) !== FUTEX_32) return -EINVAL;
    if (t.view.getInt32(i * 24 + 20, true) !== 0) return -EINVAL;
    const value = readI64(t.view, i * 24);
    const shared = (flags & FUTEX_PRIVATE_FLAG) === 0;
    entries.push(new FutexVectorEntry(readU64(t.view, i * 24 + 8), value | 0, shared));
  }
  return futexWaitv(t, entries, deadline);
}

/** Whether the flags of futex_wait(2) and its kin name a 32-bit futex without options that do not exist here. */
function isPlainFutex(flags: number): boolean {
  return (flags & ~FUTEX_PRIVATE_FLAG) === FUTEX_32;
}

/** The mask of futex_wait(2) and futex_wake(2), which has no more bits than the futex. */
function maskArg(t: Task): number {
  const mask = t.args[1];
  return mask > 0 && mask <= 0xffffffff ? mask : -EINVAL;
}

/** futex_wake(2). */
export function sys_futex_wake(t: Task): number {
  const flags = t.args[3] >>> 0;
  if (!isPlainFutex(flags)) return -EINVAL;
  const mask = maskArg(t);
  if (mask < 0) return mask;
  const count = t.args[2] | 0;
  if (count === 0) return 0;
  return wakeFutex(t, t.args[0], (flags & FUTEX_PRIVATE_FLAG) === 0, count, mask | 0);
}

/** futex_wait(2). */
export function sys_futex_wait(t: Task): number {
  const flags = t.args[3] >>> 0;
  if (!isPlainFutex(flags)) return -EINVAL;
  const mask = t.args[2];
  if (mask <= 0 || mask > 0xffffffff || t.args[1] < 0 || t.args[1] > 0xffffffff) return -EINVAL;
  let deadline = t.block.deadline;
  if (t.block.runs === 0 && t.args[4] !== 0) {
    const clock = t.args[5] | 0;
    if (clock !== CLOCK_MONOTONIC && clock !== CLOCK_REALTIME) return -EINVAL;
    const time = readTimespec(t, t.args[4]);
    if (time < 0) return time;
    deadline = monotonicDeadline(t, time, true, clock === CLOCK_REALTIME);
  }
  const shared = (flags & FUTEX_PRIVATE_FLAG) === 0;
  return futexWait(t, t.args[0], shared, t.args[1] | 0, mask | 0, deadline);
}

/** futex_requeue(2): the two futexes stand in an array as futex_waitv(2) has it. */
export function sys_futex_requeue(t: Task): number {
  if (t.args[1] !== 0 || t.args[0] === 0) return -EINVAL;
  if (t.copyIn(t.args[0], 48) !== 0) return -EFAULT;
  for (const at of [16, 40]) {
    if (!isPlainFutex(t.view.getUint32(at, true)) || t.view.getInt32(at + 4, true) !== 0) {
      return -EINVAL;
    }
  }
  const flags = t.view.getUint32(16, true);
  // Both are private or both are shared: their keys are compared.
  if (flags !== t.view.getUint32(40, true)) return -EINVAL;
  const expected = readU64(t.view, 0) | 0;
  const from = readU64(t.view, 8);
  const to = readU64(t.view, 32);
  const shared = (flags & FUTEX_PRIVATE_FLAG) === 0;
  return requeueFutex(t, from, shared, t.args[2] | 0, t.args[3] | 0, to, expected);
}

/** set_robust_list(2). */
export function sys_set_robust_list(t: Task): number {
  if (t.args[1] !== ROBUST_LIST_HEAD_SIZE) return -EINVAL;
  t.robustList = t.args[0];
  return 0;
}

/** get_robust_list(2). */
export function sys_get_robust_list(t: Task): number {
  const tid = t.args[0] | 0;
  const target = tid === 0 ? t : t.pid.ns.task(tid);
  if (target === null) return -ESRCH;
  if (target.creds.ruid !== t.creds.ruid && t.creds.euid !== 0) return -EPERM;
  if (t.mm.writeU64(t.args[2], ROBUST_LIST_HEAD_SIZE) !== 0) return -EFAULT;
  return t.mm.writeU64(t.args[1], target.robustList) !== 0 ? -EFAULT : 0;
}
