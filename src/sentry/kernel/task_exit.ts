/** The end of threads and processes (_exit(2), exit_group(2)), and what becomes of their children. */

import { POLLIN } from "../../abi/poll.ts";
import {
  CLD_DUMPED,
  CLD_EXITED,
  CLD_KILLED,
  SA_NOCLDWAIT,
  SIG_IGN,
  SIGCHLD,
  SIGCONT,
  SIGHUP,
  SIGKILL,
} from "../../abi/signals.ts";
import { publishParent } from "./answers.ts";
import type { Pid, PidNamespace } from "./pid.ts";
import { clearChildTid, exitRobustList } from "./robust_list.ts";
import { SigInfo } from "./signal_set.ts";
import { type Task, TaskState } from "./task.ts";
import {
  fillChildInfo,
  flushSignals,
  leaveGroupStop,
  sendToGroup,
  sendToProcessGroup,
  sendToTask,
  startGroupExit,
} from "./task_signals.ts";
import type { ThreadGroup } from "./thread_group.ts";
import { EXITED } from "./wait.ts";

/** Ends the whole process of `t`, as exit_group(2) with a status as wait4 reports it. */
export function exitGroup(t: Task, code: number): number {
  startGroupExit(t.group, code, t);
  exitTask(t, t.group.exitCode);
  return EXITED;
}

/** Ends one thread. It must not be running on the platform. */
export function exitTask(t: Task, code: number): number {
  if (t.state >= TaskState.Zombie) return EXITED;
  const group = t.group;
  const kernel = t.kernel;
  t.cancelWait();
  t.seccomp?.leave(t);
  kernel.futexes.remove(t.futex);
  t.exitCode = code;
  exitRobustList(t);
  if (t.mm.users > 1) {
    clearChildTid(t);
    // Others may wait for that word without a system call; this thread will not run to map what was copied for it.
    kernel.platform.flush(t.ctx);
  }
  finishVfork(t);
  t.currentUsage();
  group.exitedUsage.add(t.usage);
  t.state = TaskState.Zombie;
  group.tasks.splice(group.tasks.indexOf(t), 1);
  if (t.stopPending) {
    t.stopPending = false;
    leaveGroupStop(t);
  }
  flushSignals(t, t.pending, -1, -1);
  leaveUndoList(t);
  t.files.release(t);
  t.fs.release();
  t.ctx.release();
  t.mm.release();
  t.nsproxy.release();
  kernel.accounts.addTasks(t.creds.ruid, -1);
  if (group.execTask !== null && group.tasks.length === 1) group.execTask.wake();
  if (t !== group.leader) discard(t);
  if (group.tasks.length === 0) endGroup(group);
  return EXITED;
}

/** Takes back what semop(2) did with SEM_UNDO, unless other tasks share that. */
export function leaveUndoList(t: Task): void {
  if (t.semUndo === null) return;
  t.semUndo.release(t.group.tgid);
  t.semUndo = null;
}

/** Lets the parent of a vfork go on, at the exit or execve of the child. */
export function finishVfork(t: Task): void {
  const parent = t.vforkParent;
  if (parent === null) return;
  t.vforkParent = null;
  parent.wake();
}

/** Frees the identity of a thread that nobody waits for. */
export function discard(t: Task): void {
  t.state = TaskState.Dead;
  t.kernel.taskCount--;
  releasePid(t.pid);
}

/** Frees a dead process: its parent has waited for it, or never will. */
export function reap(group: ThreadGroup): void {
  if (group.isReaped) return;
  group.isReaped = true;
  const parent = group.parent;
  if (parent !== null) {
    parent.children.delete(group);
    parent.childUsage.add(group.exitedUsage);
    parent.childUsage.add(group.childUsage);
    group.parent = null;
  }
  group.pgrp.remove(group);
  discard(group.leader);
}

function releasePid(pid: Pid): void {
  pid.task = null;
  pid.releaseIfUnused();
}

/** The last thread is gone. */
function endGroup(group: ThreadGroup): void {
  const kernel = group.kernel;
  if (!group.exiting) {
    group.exiting = true;
    group.exitCode = group.leader.exitCode;
  }
  group.stopped = false;
  group.stopUnreported = false;
  group.continueUnreported = false;
  if (group.timers !== null) group.timers.stop(group);
  if (group.cpuLimit !== null) kernel.timers.cancel(group.cpuLimit);
  for (const timer of group.posixTimers.values()) timer.disarm();
  group.posixTimers.clear();
  flushSignals(group.leader, group.sharedPending, -1, -1);
  group.handlers.users--;

  const session = group.session;
  if (session.leader === group) {
    session.leader = null;
    if (session.terminal !== null) session.terminal.disassociate(true);
  }
  group.isZombie = true;
  const ns = group.pid.ns;
  if (ns.reaper === group) endNamespace(ns, group);
  reparentChildren(group);
  hangUpOrphaned(group, null);
  group.pid.queue.notify(POLLIN);
  if (group.parent === null) {
    const watcher = group.exitWatcher;
    group.exitWatcher = null;
    reap(group);
    if (watcher !== null) watcher.processExited(group);
  } else {
    notifyParentOfExit(group);
  }
  if (kernel.taskCount < 0) throw new Error("more tasks ended than began");
}

/** Sends the exit signal; a parent that does not care for children never sees a zombie (wait(2), NOTES). */
function notifyParentOfExit(group: ThreadGroup): void {
  const parent = group.parent!;
  const signo = group.exitSignal;
  let autoReap = false;
  let ignored = signo === 0;
  if (signo === SIGCHLD) {
    const action = parent.handlers.actions[SIGCHLD];
    if (action.handler === SIG_IGN || (action.flags & SA_NOCLDWAIT) !== 0) {
      autoReap = true;
      ignored ||= action.handler === SIG_IGN;
    }
  }
  if (!ignored) {
    const info = new SigInfo(signo, 0);
    fillExitInfo(info, group, parent);
    sendToGroup(parent, info);
  }
  if (autoReap) reap(group);
  parent.childQueue.notify(POLLIN);
}

/** Fills code, status, identity and times of a dead child. */
export function fillExitInfo(info: SigInfo, group: ThreadGroup, parent: ThreadGroup): void {
  fillChildInfo(info, group, parent);
  const code = group.exitCode;
  if ((code & 0x7f) === 0) {
    info.code = CLD_EXITED;
    info.status = (code >> 8) & 0xff;
  } else {
    info.code = (code & 0x80) !== 0 ? CLD_DUMPED : CLD_KILLED;
    info.status = code & 0x7f;
  }
}

/** Gives the children of a dead process to a subreaper or to init. */
function reparentChildren(group: ThreadGroup): void {
  if (group.children.size === 0) return;
  const reaper = findReaper(group);
  for (const child of [...group.children]) {
    group.children.delete(child);
    child.parent = reaper;
    if (reaper !== null) reaper.children.add(child);
    for (const task of [...child.tasks]) {
      publishParent(task);
      const signo = task.parentDeathSignal;
      if (signo === 0) continue;
      sendToTask(task, SigInfo.user(signo, group.pid.numberIn(child.pid.ns), 0));
    }
    if (child.isZombie) {
      child.exitSignal = SIGCHLD;
      if (reaper === null) reap(child);
      else notifyParentOfExit(child);
    } else {
      child.exitSignal = SIGCHLD;
      hangUpOrphaned(child, group);
    }
  }
}

function findReaper(group: ThreadGroup): ThreadGroup | null {
  const ns: PidNamespace = group.pid.ns;
  if (group.hasSubreaper) {
    for (let p = group.parent; p !== null && p.pid.ns === ns; p = p.parent) {
      if (p.isSubreaper && !p.exiting) return p;
      if (p === ns.reaper) break;
    }
  }
  return ns.reaper === group ? null : ns.reaper;
}

/**
 * A process group that loses its last tie to its session, with stopped members in it, would sleep forever: it gets SIGHUP
 * and SIGCONT (POSIX.1, _exit). `formerParent` is given when `group` itself lives on but its parent died.
 */
function hangUpOrphaned(group: ThreadGroup, formerParent: ThreadGroup | null): void {
  const pgrp = group.pgrp;
  const parent = formerParent ?? group.parent;
  if (parent === null || parent.pgrp === pgrp || parent.session !== group.session) return;
  const ignored = formerParent === null ? group : null;
  if (!pgrp.isOrphaned(ignored) || !pgrp.hasStopped()) return;
  sendToProcessGroup(pgrp, SIGHUP);
  sendToProcessGroup(pgrp, SIGCONT);
}

/** Init of a namespace died: so does everything in it. */
function endNamespace(ns: PidNamespace, init: ThreadGroup): void {
  ns.dead = true;
  ns.reaper = null;
  for (const pid of [...ns.pids()]) {
    const task = pid.task;
    if (task === null || task.group === init || task.group.leader !== task) continue;
    sendToGroup(task.group, SigInfo.kernel(SIGKILL), true);
  }
}
