/**
 * Sending signals (signal(7)): what is ignored, what is queued where, and which thread is woken. What a task does about
 * its signals is in `signal_delivery.ts`.
 */

import { EAGAIN, EPERM } from "../../abi/errno.ts";
import { CAP_KILL } from "../../abi/capability.ts";
import { POLLIN } from "../../abi/poll.ts";
import { RLIMIT_SIGPENDING } from "../../abi/resource.ts";
import {
  CLD_CONTINUED,
  CLD_STOPPED,
  SI_TIMER,
  SI_USER,
  SIG_DFL,
  SIG_IGN,
  SIGCHLD,
  SIGCONT,
  SIGKILL,
  SIGSTOP,
} from "../../abi/signals.ts";
import type { ProcessGroup } from "./process_group.ts";
import { highBit, lowBit, lowestSignal, type PendingSignals, SigInfo } from "./signal_set.ts";
import { type Task, TaskState } from "./task.ts";
import type { ThreadGroup } from "./thread_group.ts";

const KILL_BIT = 1 << 8;
const STOP_BIT = 1 << 18;
const CONT_BIT = 1 << 17;
/** SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU. */
export const STOP_SIGNALS = STOP_BIT | 1 << 19 | 1 << 20 | 1 << 21;
/** SIGCHLD, SIGCONT, SIGURG, SIGWINCH: ignored by default. */
const DEFAULT_IGNORED = 1 << 16 | CONT_BIT | 1 << 22 | 1 << 27;
/** SIGQUIT, SIGILL, SIGTRAP, SIGABRT, SIGBUS, SIGFPE, SIGSEGV, SIGXCPU, SIGXFSZ, SIGSYS: leave a core by default. */
const CORE_SIGNALS = 1 << 2 | 1 << 3 | 1 << 4 | 1 << 5 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 23 |
  1 << 24 | 1 << 30;
/** SIGILL, SIGTRAP, SIGBUS, SIGFPE, SIGSEGV, SIGSYS: taken before others. */
const SYNCHRONOUS = 1 << 3 | 1 << 4 | 1 << 6 | 1 << 7 | 1 << 10 | 1 << 30;

/** Whether the default action of a signal is to do nothing. */
export function isIgnoredByDefault(signo: number): boolean {
  return (lowBit(signo) & DEFAULT_IGNORED) !== 0;
}

/** Whether the default action of a signal is to stop the process. */
export function isStopSignal(signo: number): boolean {
  return (lowBit(signo) & STOP_SIGNALS) !== 0;
}

/** Whether the default action of a signal is to dump core. */
export function isCoreSignal(signo: number): boolean {
  return (lowBit(signo) & CORE_SIGNALS) !== 0;
}

/** Whether `t` blocks a signal. */
export function isBlocked(t: Task, signo: number): boolean {
  return (t.blockedLo & lowBit(signo)) !== 0 || (t.blockedHi & highBit(signo)) !== 0;
}

/** Computes anew whether `t` has something to do before it returns to the application. */
export function recalcPending(t: Task): void {
  const shared = t.group.sharedPending;
  const lo = (t.pending.lo | shared.lo) & ~(t.blockedLo & ~t.waitedLo);
  const hi = (t.pending.hi | shared.hi) & ~(t.blockedHi & ~t.waitedHi);
  t.signalPending = lo !== 0 || hi !== 0 || t.stopPending;
}

/** Sets the mask of blocked signals; SIGKILL and SIGSTOP can not be blocked. */
export function setBlocked(t: Task, lo: number, hi: number): void {
  lo &= ~(KILL_BIT | STOP_BIT);
  const shared = t.group.sharedPending;
  const newLo = lo & ~t.blockedLo & shared.lo;
  const newHi = hi & ~t.blockedHi & shared.hi;
  t.blockedLo = lo;
  t.blockedHi = hi;
  recalcPending(t);
  // Signals of the process that this thread no longer takes may be for another one.
  if ((newLo !== 0 || newHi !== 0) && t.group.tasks.length > 1) {
    for (const other of t.group.tasks) {
      if (other === t || other.signalPending) continue;
      recalcPending(other);
      if (other.signalPending) signalWake(other, false);
    }
  }
}

/** Sets the mask for the time of one system call (sigsuspend, ppoll and their like); a re-run keeps it. */
export function setTemporaryMask(t: Task, lo: number, hi: number): void {
  if (t.restoreMask) return;
  t.savedLo = t.blockedLo;
  t.savedHi = t.blockedHi;
  t.restoreMask = true;
  setBlocked(t, lo, hi);
}

/** Ends {@link setTemporaryMask} when the call returns for another reason than a signal. */
export function restoreMask(t: Task): void {
  if (!t.restoreMask) return;
  t.restoreMask = false;
  setBlocked(t, t.savedLo, t.savedHi);
}

/** Makes `t` look at its signals soon. `fatal` wakes it even where nothing else does. */
export function signalWake(t: Task, fatal: boolean): void {
  t.signalPending = true;
  switch (t.state) {
    case TaskState.User:
      t.kernel.platform.interrupt(t.ctx);
      break;
    case TaskState.Blocked:
      if (fatal || !t.block.killableOnly) t.wake();
      break;
    case TaskState.Stopped:
      if (fatal) resumeStopped(t);
      break;
  }
}

/** Sends a signal to one thread; 0, or -EAGAIN when its queue is full. */
export function sendToTask(t: Task, info: SigInfo, force = false): number {
  return send(t, info, false, force);
}

/** Sends a signal to a process; 0, or -EAGAIN when its queue is full. */
export function sendToGroup(group: ThreadGroup, info: SigInfo, force = false): number {
  return send(group.leader, info, true, force);
}

/** Sends a signal of the kernel to every process of a group (terminals, orphaned groups). */
export function sendToProcessGroup(pgrp: ProcessGroup, signo: number): void {
  for (const member of [...pgrp.members]) sendToGroup(member, SigInfo.kernel(signo));
}

/** Sends a signal that the task can neither block nor ignore, for an exception of its own making. */
export function forceSignal(t: Task, info: SigInfo): void {
  const signo = info.signo;
  const action = t.group.handlers.actions[signo];
  const blocked = isBlocked(t, signo);
  if (blocked || action.handler === SIG_IGN) {
    action.handler = SIG_DFL;
    if (blocked) {
      setBlocked(t, t.blockedLo & ~lowBit(signo), t.blockedHi & ~highBit(signo));
    }
  }
  if (action.handler === SIG_DFL) t.group.unkillable = false;
  send(t, info, false, true);
  recalcPending(t);
}

/** Whether `t` may send `signo` to `target` (kill(2)): 0 or -EPERM. */
export function checkKill(t: Task, target: Task, signo: number): number {
  if (t.group === target.group) return 0;
  const a = t.creds;
  const b = target.creds;
  if (a.euid === b.suid || a.euid === b.ruid || a.ruid === b.suid || a.ruid === b.ruid) return 0;
  if (a.capable(CAP_KILL, b.userNs)) return 0;
  if (signo === SIGCONT && t.group.session === target.group.session) return 0;
  return -EPERM;
}

/** Takes the next signal that is pending for `t` and in the mask; null if there is none. */
export function dequeueSignal(t: Task, maskLo: number, maskHi: number): SigInfo | null {
  let info = takeFrom(t.pending, maskLo, maskHi);
  if (info === null) info = takeFrom(t.group.sharedPending, maskLo, maskHi);
  if (info === null) return null;
  if (info.account >= 0) {
    t.kernel.accounts.addSignals(info.account, -1);
    info.account = -1;
  }
  if (info.timer !== null) info.timer.delivered(info);
  recalcPending(t);
  return info;
}

/** Drops the queued signals of a mask, of one queue. */
export function flushSignals(t: Task, queue: PendingSignals, lo: number, hi: number): void {
  let dropped = queue.flush(lo, hi);
  while (dropped !== null) {
    const next: SigInfo | null = dropped.next;
    dropped.next = null;
    if (dropped.account >= 0) {
      t.kernel.accounts.addSignals(dropped.account, -1);
      dropped.account = -1;
    }
    dropped = next;
  }
}

/** Drops a signal that is now ignored from every queue of the process (sigaction(2)). */
export function flushIgnored(group: ThreadGroup, signo: number): void {
  const lo = lowBit(signo);
  const hi = highBit(signo);
  flushSignals(group.leader, group.sharedPending, lo, hi);
  for (const task of group.tasks) {
    flushSignals(task, task.pending, lo, hi);
    recalcPending(task);
  }
}

/** Starts the end of a process: every thread but `except` exits as soon as it can. */
export function startGroupExit(group: ThreadGroup, code: number, except: Task | null): void {
  if (!group.exiting) {
    group.exiting = true;
    group.exitCode = code;
  }
  group.stopCount = 0;
  killThreads(group, except);
}

/** Makes every thread of a process but `except` exit. */
export function killThreads(group: ThreadGroup, except: Task | null): void {
  for (const task of group.tasks) {
    task.stopPending = false;
    if (task === except) continue;
    task.pending.mark(SIGKILL);
    signalWake(task, true);
  }
}

/** One thread less that the group stop waits for. */
export function leaveGroupStop(t: Task): void {
  const group = t.group;
  if (group.stopCount === 0) return;
  group.stopCount--;
  if (group.stopCount > 0) return;
  group.stopped = true;
  group.stopUnreported = true;
  notifyParentOfStop(group, CLD_STOPPED);
}

/** Tells the parent that a child stopped or continued (SIGCHLD, and whoever waits). */
export function notifyParentOfStop(group: ThreadGroup, code: number): void {
  const parent = group.parent;
  if (parent === null) return;
  const action = parent.handlers.actions[SIGCHLD];
  if (action.handler !== SIG_IGN && (action.flags & 1) === 0) {
    const info = new SigInfo(SIGCHLD, code);
    fillChildInfo(info, group, parent);
    info.status = code === CLD_CONTINUED ? SIGCONT : group.stopSignal;
    sendToGroup(parent, info);
  }
  parent.childQueue.notify(POLLIN);
}

/** Fills the fields of a SIGCHLD that tell of the child's identity and times. */
export function fillChildInfo(info: SigInfo, child: ThreadGroup, parent: ThreadGroup): void {
  info.pid = child.pid.numberIn(parent.pid.ns);
  info.uid = parent.leader.creds.userNs.fromKuid(child.leader.creds.ruid);
  const usage = child.exitedUsage;
  // In clock ticks of 1/100 s.
  info.utime = Math.floor(usage.userTime / 1e7);
  info.stime = Math.floor(usage.systemTime / 1e7);
}

/** Lets a stopped task go on. */
function resumeStopped(t: Task): void {
  t.state = TaskState.Kernel;
  t.signalPending = true;
  t.kernel.enqueue(t);
}

function send(t: Task, info: SigInfo, shared: boolean, force: boolean): number {
  const signo = info.signo;
  const group = t.group;
  if (!prepare(t, signo, force)) return 0;
  const queue = shared ? group.sharedPending : t.pending;
  if (signo < 32 && queue.has(signo)) return 0;
  if (info.timer === null && signo !== SIGKILL) {
    const uid = t.creds.ruid;
    const accounts = t.kernel.accounts;
    const exempt = signo < 32 && (info.code >= 0 || info.code === SI_TIMER);
    if (!exempt && accounts.signals(uid) >= group.rlimits.soft[RLIMIT_SIGPENDING]) {
      if (signo >= 32 && info.code !== SI_USER) return -EAGAIN;
      queue.mark(signo);
      complete(t, signo, shared);
      return 0;
    }
    info.account = uid;
    accounts.addSignals(uid, 1);
  }
  queue.push(info);
  if (!group.handlers.queue.empty) group.handlers.queue.notify(POLLIN);
  complete(t, signo, shared);
  return 0;
}

/** What a signal does by being sent already (stop and continue undo each other); whether it is to be queued. */
function prepare(t: Task, signo: number, force: boolean): boolean {
  const group = t.group;
  if (group.exiting || group.isZombie) return false;
  if (isStopSignal(signo)) {
    flushEverywhere(group, CONT_BIT);
  } else if (signo === SIGCONT) {
    flushEverywhere(group, STOP_SIGNALS);
    continueGroup(group);
  }
  return !isIgnored(t, signo, force);
}

function flushEverywhere(group: ThreadGroup, lo: number): void {
  flushSignals(group.leader, group.sharedPending, lo, 0);
  for (const task of group.tasks) flushSignals(task, task.pending, lo, 0);
}

function continueGroup(group: ThreadGroup): void {
  const wasStopping = group.stopCount > 0;
  for (const task of group.tasks) {
    task.stopPending = false;
    if (task.state === TaskState.Stopped) resumeStopped(task);
    else recalcPending(task);
  }
  group.stopCount = 0;
  if (group.stopped) {
    group.stopped = false;
    group.stopUnreported = false;
    group.continueUnreported = true;
    notifyParentOfStop(group, CLD_CONTINUED);
  } else if (wasStopping) {
    notifyParentOfStop(group, CLD_STOPPED);
  }
}

function isIgnored(t: Task, signo: number, force: boolean): boolean {
  // A blocked signal may be wanted later, whatever its action is now.
  if (isBlocked(t, signo)) return false;
  const handler = t.group.handlers.actions[signo].handler;
  if (t.group.unkillable && handler === SIG_DFL) {
    if (!(force && (signo === SIGKILL || signo === SIGSTOP))) return true;
  }
  return handler === SIG_IGN || (handler === SIG_DFL && isIgnoredByDefault(signo));
}

function wants(t: Task, signo: number): boolean {
  if (t.state >= TaskState.Zombie) return false;
  if (signo === SIGKILL) return true;
  if ((t.blockedLo & ~t.waitedLo & lowBit(signo)) !== 0) return false;
  if ((t.blockedHi & ~t.waitedHi & highBit(signo)) !== 0) return false;
  return t.state !== TaskState.Stopped;
}

function complete(t: Task, signo: number, shared: boolean): void {
  const group = t.group;
  let target: Task | null = null;
  if (wants(t, signo)) {
    target = t;
  } else if (shared) {
    for (const task of group.tasks) {
      if (!wants(task, signo)) continue;
      // Rather a thread that has nothing else to do.
      if (target === null || (target.signalPending && !task.signalPending)) target = task;
    }
  }
  if (target === null) return;
  const fatal = group.handlers.actions[signo].handler === SIG_DFL && !isIgnoredByDefault(signo) &&
    !isStopSignal(signo);
  const waited = (target.waitedLo & lowBit(signo)) !== 0 ||
    (target.waitedHi & highBit(signo)) !== 0;
  if (fatal && (signo === SIGKILL || (!waited && !isCoreSignal(signo)))) {
    startGroupExit(group, signo, null);
    return;
  }
  signalWake(target, signo === SIGKILL);
}

function takeFrom(queue: PendingSignals, maskLo: number, maskHi: number): SigInfo | null {
  const lo = queue.lo & maskLo;
  const hi = queue.hi & maskHi;
  if (lo === 0 && hi === 0) return null;
  const signo = (lo & SYNCHRONOUS) !== 0 ? lowestSignal(lo & SYNCHRONOUS, 0) : lowestSignal(lo, hi);
  return queue.take(signo) ?? new SigInfo(signo, SI_USER);
}
