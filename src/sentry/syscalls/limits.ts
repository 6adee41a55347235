/** Resource limits and priorities of processes (getrlimit(2), getpriority(2)). */

import { CAP_SYS_NICE, CAP_SYS_RESOURCE } from "../../abi/capability.ts";
import { EACCES, EFAULT, EINVAL, EPERM, ESRCH } from "../../abi/errno.ts";
import { readU64, write64 } from "../../abi/int64.ts";
import { RLIM_NLIMITS, RLIMIT_CPU, RLIMIT_NICE, RLIMIT_NOFILE } from "../../abi/resource.ts";
import { PRIO_PGRP, PRIO_PROCESS, PRIO_USER } from "../../abi/sched.ts";
import { NR_OPEN } from "../vfs/fd_table.ts";
import { watchCpuLimit } from "../kernel/cpu_limit.ts";
import type { Task } from "../kernel/task.ts";
import type { ThreadGroup } from "../kernel/thread_group.ts";

/** At and above this a limit reads as RLIM_INFINITY: 2^64 - 1 is not exact in a number. */
const INFINITE = 2 ** 63;

/** getrlimit(2). */
export function sys_getrlimit(t: Task): number {
  const resource = t.args[0] >>> 0;
  if (resource >= RLIM_NLIMITS) return -EINVAL;
  putLimits(t, t.group, resource);
  return t.copyOut(t.args[1], 16);
}

/** setrlimit(2). */
export function sys_setrlimit(t: Task): number {
  const resource = t.args[0] >>> 0;
  if (t.copyIn(t.args[1], 16) !== 0) return -EFAULT;
  return setLimits(t, t.group, resource, limitAt(t, 0), limitAt(t, 8));
}

/** prlimit64(2). */
export function sys_prlimit64(t: Task): number {
  const pid = t.args[0] | 0;
  const resource = t.args[1] >>> 0;
  if (resource >= RLIM_NLIMITS) return -EINVAL;
  const target = pid === 0 ? t : t.pid.ns.task(pid);
  if (target === null) return -ESRCH;
  if (target.group !== t.group) {
    const a = t.creds;
    const b = target.creds;
    const same = a.ruid === b.euid && a.ruid === b.suid && a.ruid === b.ruid &&
      a.rgid === b.egid && a.rgid === b.sgid && a.rgid === b.rgid;
    if (!same && !a.capable(CAP_SYS_RESOURCE, b.userNs)) return -EPERM;
  }
  const change = t.args[2] !== 0;
  if (change && t.copyIn(t.args[2], 16) !== 0) return -EFAULT;
  const soft = limitAt(t, 0);
  const hard = limitAt(t, 8);
  const oldSoft = target.group.rlimits.soft[resource];
  const oldHard = target.group.rlimits.hard[resource];
  if (change) {
    const r = setLimits(t, target.group, resource, soft, hard);
    if (r !== 0) return r;
  }
  if (t.args[3] === 0) return 0;
  putLimit(t, 0, oldSoft);
  putLimit(t, 8, oldHard);
  return t.copyOut(t.args[3], 16);
}

function limitAt(t: Task, offset: number): number {
  const value = readU64(t.view, offset);
  return value >= INFINITE ? Infinity : value;
}

function putLimit(t: Task, offset: number, value: number): void {
  write64(t.view, offset, value === Infinity ? -1 : value);
}

function putLimits(t: Task, group: ThreadGroup, resource: number): void {
  putLimit(t, 0, group.rlimits.soft[resource]);
  putLimit(t, 8, group.rlimits.hard[resource]);
}

function setLimits(
  t: Task,
  group: ThreadGroup,
  resource: number,
  soft: number,
  hard: number,
): number {
  if (resource >= RLIM_NLIMITS || soft > hard) return -EINVAL;
  if (resource === RLIMIT_NOFILE && hard > NR_OPEN) return -EPERM;
  if (hard > group.rlimits.hard[resource] && !t.creds.capable(CAP_SYS_RESOURCE)) return -EPERM;
  group.rlimits.set(resource, soft, hard);
  if (resource === RLIMIT_CPU) watchCpuLimit(group);
  return 0;
}

/** getpriority(2): the kernel's answer is 20 minus the nice value, so that it is never negative. */
export function sys_getpriority(t: Task): number {
  let best = -ESRCH;
  const r = eachOf(t, (task) => {
    best = Math.max(best, 20 - task.nice);
    return 0;
  });
  return r < 0 ? r : best;
}

/** setpriority(2). */
export function sys_setpriority(t: Task): number {
  const nice = Math.min(19, Math.max(-20, t.args[2] | 0));
  let result = -ESRCH;
  const r = eachOf(t, (task) => {
    const one = setNice(t, task, nice);
    if (result === -ESRCH || one !== 0) result = one;
    return 0;
  });
  return r < 0 ? r : result;
}

function setNice(t: Task, task: Task, nice: number): number {
  const privileged = t.creds.capable(CAP_SYS_NICE, task.creds.userNs);
  if (task.creds.ruid !== t.creds.euid && task.creds.euid !== t.creds.euid && !privileged) {
    return -EPERM;
  }
  if (nice < task.nice && !privileged && 20 - nice > task.group.rlimits.soft[RLIMIT_NICE]) {
    return -EACCES;
  }
  task.nice = nice;
  return 0;
}

/** Calls `act` for every task that the first two arguments name; -EINVAL if they name no kind. */
function eachOf(t: Task, act: (task: Task) => number): number {
  const which = t.args[0] | 0;
  const who = t.args[1] | 0;
  switch (which) {
    case PRIO_PROCESS: {
      const task = who === 0 ? t : t.pid.ns.task(who);
      return task === null ? 0 : act(task);
    }
    case PRIO_PGRP: {
      const pgrp = who === 0 ? t.group.pgrp : t.pid.ns.processGroup(who);
      if (pgrp === null) return 0;
      for (const member of pgrp.members) for (const task of member.tasks) act(task);
      return 0;
    }
    case PRIO_USER: {
      const uid = who === 0 ? t.creds.ruid : t.creds.userNs.toKuid(who);
      for (const pid of t.pid.ns.pids()) {
        if (pid.task !== null && pid.task.creds.ruid === uid) act(pid.task);
      }
      return 0;
    }
    default:
      return -EINVAL;
  }
}
