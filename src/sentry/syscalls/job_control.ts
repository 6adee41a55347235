/** Process groups and sessions (setpgid(2), setsid(2)). */

import { EACCES, EINVAL, EPERM, ESRCH } from "../../abi/errno.ts";
import { ProcessGroup, Session } from "../kernel/process_group.ts";
import type { Task } from "../kernel/task.ts";
import type { ThreadGroup } from "../kernel/thread_group.ts";

/** setpgid(2). */
export function sys_setpgid(t: Task): number {
  const ns = t.pid.ns;
  const pid = (t.args[0] | 0) || t.group.pid.number;
  const pgid = (t.args[1] | 0) || pid;
  if (pgid < 0) return -EINVAL;
  const group = ns.process(pid);
  if (group === null || group.isZombie) return ns.task(pid) === null ? -ESRCH : -EINVAL;
  if (group.parent === t.group) {
    if (group.session !== t.group.session) return -EPERM;
    if (group.hasExecuted) return -EACCES;
  } else if (group !== t.group) {
    return -ESRCH;
  }
  if (group.isSessionLeader) return -EPERM;
  let target: ProcessGroup | null = ns.processGroup(pgid);
  if (pgid !== pid) {
    if (target === null || target.session !== t.group.session) return -EPERM;
  } else if (target === null) {
    target = new ProcessGroup(group.pid, group.session);
  }
  move(group, target);
  return 0;
}

/** getpgid(2). */
export function sys_getpgid(t: Task): number {
  const group = groupOf(t, t.args[0] | 0);
  return group === null ? -ESRCH : group.pgrp.idIn(t.pid.ns);
}

/** getpgrp(2). */
export function sys_getpgrp(t: Task): number {
  return t.group.pgrp.idIn(t.pid.ns);
}

/** getsid(2). */
export function sys_getsid(t: Task): number {
  const group = groupOf(t, t.args[0] | 0);
  return group === null ? -ESRCH : group.session.idIn(t.pid.ns);
}

/** setsid(2). */
export function sys_setsid(t: Task): number {
  const group = t.group;
  if (group.isSessionLeader || group.pid.group !== null) return -EPERM;
  const session = new Session(group.pid, group);
  move(group, new ProcessGroup(group.pid, session));
  return group.pid.number;
}

function move(group: ThreadGroup, target: ProcessGroup): void {
  const old = group.pgrp;
  if (old === target) return;
  target.add(group);
  old.remove(group);
}

function groupOf(t: Task, pid: number): ThreadGroup | null {
  if (pid === 0) return t.group;
  const task = t.pid.ns.task(pid);
  return task === null ? null : task.group;
}
