/** What a task does about its signals before it returns to the application (signal(7)). */

import {
  EACCES,
  EFAULT,
  EINTR,
  EIO,
  ENOMEM,
  ERESTART_RESTARTBLOCK,
  ERESTARTNOHAND,
  ERESTARTNOINTR,
  ERESTARTSYS,
} from "../../abi/errno.ts";
import {
  BUS_ADRERR,
  SA_NODEFER,
  SA_RESETHAND,
  SA_RESTART,
  SEGV_ACCERR,
  SEGV_MAPERR,
  SI_KERNEL,
  SIG_DFL,
  SIG_IGN,
  SIGBUS,
  SIGKILL,
  SIGSEGV,
  SIGSTOP,
} from "../../abi/signals.ts";
import { outOfMemory } from "./oom.ts";
import { highBit, lowBit, type SigAction, SigInfo } from "./signal_set.ts";
import { pushFrame } from "./signal_frame.ts";
import { type Task, TaskState } from "./task.ts";
import { exitTask } from "./task_exit.ts";
import {
  dequeueSignal,
  forceSignal,
  isIgnoredByDefault,
  isStopSignal,
  leaveGroupStop,
  recalcPending,
  restoreMask,
  setBlocked,
  signalWake,
  startGroupExit,
} from "./task_signals.ts";
import { NO_RETURN } from "./wait.ts";

/** What the run loop does with a task after its signals were looked at. */
export const enum Next {
  /** Resume it: its registers are as they must be. */
  User = 0,
  /** Run its system call again. */
  Rerun = 1,
  /** It stopped; the run loop meets it again in `kernel.runnable`. */
  Parked = 2,
  /** It is gone. */
  Exited = 3,
}

/** Page fault, in the trap numbers of x86. */
const TRAP_PAGE_FAULT = 14;

/**
 * Acts on the pending signals of `t`, whose system call returned `sysret` (NO_RETURN outside of one): ends or stops it,
 * or sets up its handlers, and writes the result of the system call or makes it run again. To be called when
 * `t.signalPending`, or when `sysret` is one of the restart codes.
 */
export function deliverSignals(t: Task, sysret: number): Next {
  t.sysret = sysret;
  const group = t.group;
  for (;;) {
    if (t.isDying()) {
      exitTask(t, group.exiting ? group.exitCode : SIGKILL);
      return Next.Exited;
    }
    if (t.stopPending) {
      stopHere(t);
      return Next.Parked;
    }
    const info = dequeueSignal(t, ~(t.blockedLo & ~t.waitedLo), ~(t.blockedHi & ~t.waitedHi));
    if (info === null) break;
    const signo = info.signo;
    const action = group.handlers.actions[signo];
    if (action.handler === SIG_IGN) continue;
    if (action.handler !== SIG_DFL) {
      handle(t, action, info);
      continue;
    }
    if (isIgnoredByDefault(signo)) continue;
    if (group.unkillable && signo !== SIGKILL && signo !== SIGSTOP) continue;
    if (isStopSignal(signo)) {
      // A terminal must not stop what no shell would ever continue.
      if (signo !== SIGSTOP && group.pgrp.isOrphaned()) continue;
      startGroupStop(t, signo);
      continue;
    }
    startGroupExit(group, signo, t);
    exitTask(t, group.exitCode);
    return Next.Exited;
  }
  return finish(t);
}

/** Ends the look at signals without a handler for the system call, or after its handlers were set up. */
function finish(t: Task): Next {
  recalcPending(t);
  const sysret = t.sysret;
  if (t.restoreMask) restoreMask(t);
  if (isRestart(sysret)) {
    t.block.timedOut = false;
    t.sysret = NO_RETURN;
    return Next.Rerun;
  }
  if (sysret !== NO_RETURN) {
    t.ctx.setReturn(sysret);
    t.sysret = NO_RETURN;
    if (t.block.runs !== 0) t.block.reset();
  }
  // The old mask may let through what was blocked during the call.
  return t.signalPending ? deliverSignals(t, NO_RETURN) : Next.User;
}

/** Whether a result asks for the system call to be made again. */
export function isRestart(sysret: number): boolean {
  return sysret === -ERESTARTSYS || sysret === -ERESTARTNOINTR || sysret === -ERESTARTNOHAND ||
    sysret === -ERESTART_RESTARTBLOCK;
}

/** Lets a handler run next. */
function handle(t: Task, action: SigAction, info: SigInfo): void {
  const sysret = t.sysret;
  if (sysret !== NO_RETURN) {
    if (
      sysret === -ERESTARTNOINTR ||
      (sysret === -ERESTARTSYS && (action.flags & SA_RESTART) !== 0)
    ) {
      t.ctx.rewindSyscall();
    } else {
      t.ctx.setReturn(isRestart(sysret) ? -EINTR : sysret);
    }
    t.sysret = NO_RETURN;
    if (t.block.runs !== 0) t.block.reset();
  }
  if (!pushFrame(t, action, info)) {
    if (info.signo === SIGSEGV) action.handler = SIG_DFL;
    forceSignal(t, SigInfo.kernel(SIGSEGV));
    return;
  }
  t.restoreMask = false;
  let lo = t.blockedLo | action.maskLo;
  let hi = t.blockedHi | action.maskHi;
  if ((action.flags & SA_NODEFER) === 0) {
    lo |= lowBit(info.signo);
    hi |= highBit(info.signo);
  }
  if ((action.flags & SA_RESETHAND) !== 0) action.handler = SIG_DFL;
  setBlocked(t, lo, hi);
}

/** Makes every thread of the process stop. */
function startGroupStop(t: Task, signo: number): void {
  const group = t.group;
  if (group.stopCount > 0) return;
  group.stopSignal = signo;
  group.continueUnreported = false;
  for (const task of group.tasks) {
    if (task.state === TaskState.Stopped) continue;
    task.stopPending = true;
    group.stopCount++;
    if (task !== t) signalWake(task, false);
  }
}

/** Stops `t` for the group stop; the last thread to do so tells the parent. */
function stopHere(t: Task): void {
  t.stopPending = false;
  t.state = TaskState.Stopped;
  leaveGroupStop(t);
  recalcPending(t);
}

/**
 * Answers an exception of the application. True if it was a page fault that is resolved: the task goes on as if nothing
 * had been. Otherwise a signal is pending and `deliverSignals` comes next.
 */
export function faultToSignal(t: Task): boolean {
  const ctx = t.ctx;
  let signo = ctx.faultSignal;
  let code = ctx.faultCode;
  if (ctx.trapNumber === TRAP_PAGE_FAULT) {
    const r = t.mm.handleFault(ctx.faultAddress, ctx.faultIsWrite, ctx.faultIsExec);
    if (r === 0) {
      t.usage.minorFaults++;
      return true;
    }
    // When another process goes, the access is made again until its memory is there.
    if (r === -ENOMEM) return outOfMemory(t);
    signo = r === -EIO ? SIGBUS : SIGSEGV;
    code = r === -EFAULT ? SEGV_MAPERR : r === -EACCES ? SEGV_ACCERR : BUS_ADRERR;
  }
  t.trapNumber = ctx.trapNumber;
  t.errorCode = ctx.errorCode;
  if (ctx.trapNumber === TRAP_PAGE_FAULT) t.faultAddress = ctx.faultAddress;
  forceSignal(t, SigInfo.fault(signo, code, code === SI_KERNEL ? 0 : ctx.faultAddress));
  return false;
}
