/**
 * Scheduling (sched(7)). Application threads are host threads that the host schedules as it likes; policies and
 * priorities are kept and told, so that programs that set them go on.
 */

import { CAP_SYS_NICE } from "../../abi/capability.ts";
import { E2BIG, EFAULT, EINVAL, EPERM, ESRCH } from "../../abi/errno.ts";
import { write64 } from "../../abi/int64.ts";
import {
  IOPRIO_CLASS_SHIFT,
  IOPRIO_WHO_PGRP,
  IOPRIO_WHO_PROCESS,
  IOPRIO_WHO_USER,
  SCHED_BATCH,
  SCHED_DEADLINE,
  SCHED_FIFO,
  SCHED_FLAG_ALL,
  SCHED_FLAG_RESET_ON_FORK,
  SCHED_IDLE,
  SCHED_NORMAL,
  SCHED_RESET_ON_FORK,
  SCHED_RR,
} from "../../abi/sched.ts";
import { RLIMIT_RTPRIO } from "../../abi/resource.ts";
import type { Task } from "../kernel/task.ts";
import { putTimespec } from "./user_time.ts";

const SCHED_ATTR_SIZE_VER0 = 48;
const SCHED_ATTR_SIZE = 56;

function target(t: Task, pid: number): Task | null {
  return pid === 0 ? t : t.pid.ns.task(pid);
}

function mayChange(t: Task, task: Task): boolean {
  const uid = t.creds.euid;
  return uid === task.creds.euid || uid === task.creds.ruid ||
    t.creds.capable(CAP_SYS_NICE, task.creds.userNs);
}

/** sched_yield(2). */
export function sys_sched_yield(_t: Task): number {
  return 0;
}

/** sched_getscheduler(2). */
export function sys_sched_getscheduler(t: Task): number {
  const pid = t.args[0] | 0;
  if (pid < 0) return -EINVAL;
  const task = target(t, pid);
  if (task === null) return -ESRCH;
  return task.schedPolicy | (task.schedResetOnFork ? SCHED_RESET_ON_FORK : 0);
}

/** sched_setscheduler(2). */
export function sys_sched_setscheduler(t: Task): number {
  const policy = t.args[1] | 0;
  const priority = t.mm.readU32(t.args[2]);
  if (priority === -EFAULT) return -EFAULT;
  const reset = (policy & SCHED_RESET_ON_FORK) !== 0;
  return setPolicy(t, t.args[0] | 0, policy & ~SCHED_RESET_ON_FORK, priority, reset);
}

/** sched_setparam(2). */
export function sys_sched_setparam(t: Task): number {
  const task = target(t, t.args[0] | 0);
  if (task === null) return -ESRCH;
  const priority = t.mm.readU32(t.args[1]);
  if (priority === -EFAULT) return -EFAULT;
  return setPolicy(t, t.args[0] | 0, task.schedPolicy, priority, task.schedResetOnFork);
}

/** sched_getparam(2). */
export function sys_sched_getparam(t: Task): number {
  const pid = t.args[0] | 0;
  if (pid < 0 || t.args[1] === 0) return -EINVAL;
  const task = target(t, pid);
  if (task === null) return -ESRCH;
  return t.mm.writeU32(t.args[1], task.schedPriority);
}

function setPolicy(t: Task, pid: number, policy: number, priority: number, reset: boolean): number {
  if (pid < 0) return -EINVAL;
  const task = target(t, pid);
  if (task === null) return -ESRCH;
  const realTime = policy === SCHED_FIFO || policy === SCHED_RR;
  if (policy === SCHED_DEADLINE) return -EPERM;
  if (!realTime && policy !== SCHED_NORMAL && policy !== SCHED_BATCH && policy !== SCHED_IDLE) {
    return -EINVAL;
  }
  if (realTime ? priority < 1 || priority > 99 : priority !== 0) return -EINVAL;
  if (!mayChange(t, task)) return -EPERM;
  const privileged = t.creds.capable(CAP_SYS_NICE, task.creds.userNs);
  if (realTime && !privileged && priority > task.group.rlimits.soft[RLIMIT_RTPRIO]) return -EPERM;
  if (task.schedResetOnFork && !reset && !privileged) return -EPERM;
  task.schedPolicy = policy;
  task.schedPriority = priority;
  task.schedResetOnFork = reset;
  return 0;
}

/** sched_setattr(2). */
export function sys_sched_setattr(t: Task): number {
  const pid = t.args[0] | 0;
  if (t.args[1] === 0 || pid < 0 || t.args[2] !== 0) return -EINVAL;
  const size = t.mm.readU32(t.args[1]) || SCHED_ATTR_SIZE_VER0;
  if (size === -EFAULT) return -EFAULT;
  if (size < SCHED_ATTR_SIZE_VER0 || size > 4096) {
    return t.mm.writeU32(t.args[1], SCHED_ATTR_SIZE) !== 0 ? -EFAULT : -E2BIG;
  }
  if (t.copyIn(t.args[1], size) !== 0) return -EFAULT;
  for (let i = SCHED_ATTR_SIZE; i < size; i++) if (t.scratch[i] !== 0) return -E2BIG;
  const view = t.view;
  const policy = view.getInt32(4, true);
  const flags = view.getUint32(8, true);
  const nice = Math.min(19, Math.max(-20, view.getInt32(16, true)));
  const priority = view.getInt32(20, true);
  if ((flags & ~SCHED_FLAG_ALL) !== 0 || view.getUint32(12, true) !== 0) return -EINVAL;
  const r = setPolicy(t, pid, policy, priority, (flags & SCHED_FLAG_RESET_ON_FORK) !== 0);
  if (r === 0 && (policy === SCHED_NORMAL || policy === SCHED_BATCH)) target(t, pid)!.nice = nice;
  return r;
}

/** sched_getattr(2). */
export function sys_sched_getattr(t: Task): number {
  const pid = t.args[0] | 0;
  const room = t.args[2] >>> 0;
  if (t.args[1] === 0 || pid < 0 || room < SCHED_ATTR_SIZE_VER0 || room > 4096 || t.args[3] !== 0) {
    return -EINVAL;
  }
  const task = target(t, pid);
  if (task === null) return -ESRCH;
  const size = Math.min(room, SCHED_ATTR_SIZE);
  t.scratch.fill(0, 0, SCHED_ATTR_SIZE);
  t.view.setUint32(0, size, true);
  t.view.setUint32(4, task.schedPolicy, true);
  write64(t.view, 8, task.schedResetOnFork ? SCHED_FLAG_RESET_ON_FORK : 0);
  const realTime = task.schedPolicy === SCHED_FIFO || task.schedPolicy === SCHED_RR;
  if (realTime) t.view.setUint32(20, task.schedPriority, true);
  else t.view.setInt32(16, task.nice, true);
  return t.copyOut(t.args[1], size);
}

/** sched_get_priority_max(2). */
export function sys_sched_get_priority_max(t: Task): number {
  return priorityLimit(t.args[0] | 0, 99);
}

/** sched_get_priority_min(2). */
export function sys_sched_get_priority_min(t: Task): number {
  return priorityLimit(t.args[0] | 0, 1);
}

function priorityLimit(policy: number, realTime: number): number {
  switch (policy) {
    case SCHED_FIFO:
    case SCHED_RR:
      return realTime;
    case SCHED_NORMAL:
    case SCHED_BATCH:
    case SCHED_IDLE:
    case SCHED_DEADLINE:
      return 0;
    default:
      return -EINVAL;
  }
}

/** sched_rr_get_interval(2). */
export function sys_sched_rr_get_interval(t: Task): number {
  const pid = t.args[0] | 0;
  if (pid < 0) return -EINVAL;
  const task = target(t, pid);
  if (task === null) return -ESRCH;
  return putTimespec(t, t.args[1], task.schedPolicy === SCHED_RR ? 100_000_000 : 4_000_000);
}

/** sched_getaffinity(2): returns how many bytes the mask has. */
export function sys_sched_getaffinity(t: Task): number {
  const task = target(t, t.args[0] | 0);
  const length = t.args[1] >>> 0;
  if (task === null) return -ESRCH;
  const mask = task.affinity;
  if (length * 8 < t.kernel.cpus || length % 8 !== 0) return -EINVAL;
  const size = Math.min(length, mask.length);
  t.scratch.set(mask.subarray(0, size));
  const r = t.copyOut(t.args[2], size);
  return r !== 0 ? r : size;
}

/** sched_setaffinity(2). */
export function sys_sched_setaffinity(t: Task): number {
  const task = target(t, t.args[0] | 0);
  if (task === null) return -ESRCH;
  if (!mayChange(t, task)) return -EPERM;
  const mask = new Uint8Array(task.affinity.length);
  const size = Math.min(t.args[1] >>> 0, mask.length);
  if (t.copyIn(t.args[2], size) !== 0) return -EFAULT;
  mask.set(t.scratch.subarray(0, size));
  // Processors that do not exist do not count.
  let any = 0;
  for (let cpu = 0; cpu < mask.length * 8; cpu++) {
    if (cpu >= t.kernel.cpus) mask[cpu >> 3] &= ~(1 << (cpu & 7));
    any |= mask[cpu >> 3];
  }
  if (any === 0) return -EINVAL;
  task.affinity = mask;
  return 0;
}

/** getcpu(2). */
export function sys_getcpu(t: Task): number {
  let cpu = 0;
  while (cpu < t.kernel.cpus && (t.affinity[cpu >> 3] & (1 << (cpu & 7))) === 0) cpu++;
  if (t.args[0] !== 0 && t.mm.writeU32(t.args[0], cpu) !== 0) return -EFAULT;
  if (t.args[1] !== 0 && t.mm.writeU32(t.args[1], 0) !== 0) return -EFAULT;
  return 0;
}

/** ioprio_get(2). */
export function sys_ioprio_get(t: Task): number {
  const who = t.args[1] | 0;
  switch (t.args[0] | 0) {
    case IOPRIO_WHO_PROCESS: {
      const task = target(t, who);
      return task === null ? -ESRCH : task.ioPriority;
    }
    case IOPRIO_WHO_PGRP:
    case IOPRIO_WHO_USER:
      return t.ioPriority;
    default:
      return -EINVAL;
  }
}

/** ioprio_set(2). */
export function sys_ioprio_set(t: Task): number {
  const priority = t.args[2] | 0;
  const kind = priority >> IOPRIO_CLASS_SHIFT;
  if (kind < 0 || kind > 3 || (priority & 0x1fff) > 7) return -EINVAL;
  if (kind === 1 && !t.creds.capable(CAP_SYS_NICE)) return -EPERM;
  if ((t.args[0] | 0) !== IOPRIO_WHO_PROCESS) return (t.args[0] | 0) > 3 ? -EINVAL : 0;
  const task = target(t, t.args[1] | 0);
  if (task === null) return -ESRCH;
  if (!mayChange(t, task)) return -EPERM;
  task.ioPriority = priority;
  return 0;
}
