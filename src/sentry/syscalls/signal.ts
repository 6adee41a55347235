/** Signals: actions, masks, sending and waiting (signal(7)). */

import {
  EAGAIN,
  EFAULT,
  EINTR,
  EINVAL,
  ENOMEM,
  EPERM,
  ERESTARTNOHAND,
  ESRCH,
} from "../../abi/errno.ts";
import { readU64, write64 } from "../../abi/int64.ts";
import {
  MINSIGSTKSZ,
  NSIG,
  SI_TKILL,
  SI_USER,
  SIG_BLOCK,
  SIG_DFL,
  SIG_IGN,
  SIG_SETMASK,
  SIG_UNBLOCK,
  SIGKILL,
  SIGSEGV,
  SIGSTOP,
  SS_AUTODISARM,
  SS_DISABLE,
} from "../../abi/signals.ts";
import { Reg } from "../platform/platform.ts";
import { altStackStatus, onAltStack, popFrame, setAltStack } from "../kernel/signal_frame.ts";
import { SigInfo } from "../kernel/signal_set.ts";
import { type Task, TaskState } from "../kernel/task.ts";
import {
  checkKill,
  dequeueSignal,
  flushIgnored,
  forceSignal,
  isIgnoredByDefault,
  recalcPending,
  sendToGroup,
  sendToTask,
  setBlocked,
  setTemporaryMask,
} from "../kernel/task_signals.ts";
import type { ThreadGroup } from "../kernel/thread_group.ts";
import { BLOCKED, NO_RETURN } from "../kernel/wait.ts";
import { readTimespec } from "./user_time.ts";

const SIGSET_SIZE = 8;
const SIGINFO_SIZE = 128;
/** SIGKILL and SIGSTOP, which nothing can be done about. */
const UNTOUCHABLE = 1 << 8 | 1 << 18;

/** rt_sigaction(2). */
export function sys_rt_sigaction(t: Task): number {
  const signo = t.args[0] | 0;
  if (t.args[3] !== SIGSET_SIZE || signo < 1 || signo > NSIG) return -EINVAL;
  const change = t.args[1] !== 0;
  if (change && (signo === SIGKILL || signo === SIGSTOP)) return -EINVAL;
  const action = t.group.handlers.actions[signo];
  const view = t.view;
  // The old action goes out after the new one is read: both may be in the same place.
  if (change) {
    if (t.copyIn(t.args[1], 32) !== 0) return -EFAULT;
  }
  const handler = readU64(view, 0);
  const flags = view.getInt32(8, true);
  const restorer = readU64(view, 16);
  const maskLo = view.getInt32(24, true);
  const maskHi = view.getInt32(28, true);
  if (t.args[2] !== 0) {
    write64(view, 0, action.handler);
    write64(view, 8, action.flags >>> 0);
    write64(view, 16, action.restorer);
    view.setInt32(24, action.maskLo, true);
    view.setInt32(28, action.maskHi, true);
    if (t.copyOut(t.args[2], 32) !== 0) return -EFAULT;
  }
  if (!change) return 0;
  action.handler = handler;
  action.flags = flags;
  action.restorer = restorer;
  action.maskLo = maskLo & ~UNTOUCHABLE;
  action.maskHi = maskHi;
  if (handler === SIG_IGN || (handler === SIG_DFL && isIgnoredByDefault(signo))) {
    flushIgnored(t.group, signo);
  }
  return 0;
}

/** rt_sigprocmask(2). */
export function sys_rt_sigprocmask(t: Task): number {
  if (t.args[3] !== SIGSET_SIZE) return -EINVAL;
  const oldLo = t.blockedLo;
  const oldHi = t.blockedHi;
  if (t.args[1] !== 0) {
    if (t.copyIn(t.args[1], SIGSET_SIZE) !== 0) return -EFAULT;
    const lo = t.view.getInt32(0, true);
    const hi = t.view.getInt32(4, true);
    switch (t.args[0] | 0) {
      case SIG_BLOCK:
        setBlocked(t, oldLo | lo, oldHi | hi);
        break;
      case SIG_UNBLOCK:
        setBlocked(t, oldLo & ~lo, oldHi & ~hi);
        break;
      case SIG_SETMASK:
        setBlocked(t, lo, hi);
        break;
      default:
        return -EINVAL;
    }
  }
  return t.args[2] === 0 ? 0 : putMask(t, t.args[2], oldLo, oldHi);
}

/** rt_sigpending(2). */
export function sys_rt_sigpending(t: Task): number {
  const size = t.args[1];
  if (size < 0 || size > SIGSET_SIZE) return -EINVAL;
  const shared = t.group.sharedPending;
  t.view.setInt32(0, (t.pending.lo | shared.lo) & t.blockedLo, true);
  t.view.setInt32(4, (t.pending.hi | shared.hi) & t.blockedHi, true);
  return t.copyOut(t.args[0], size);
}

/** rt_sigsuspend(2). */
export function sys_rt_sigsuspend(t: Task): number {
  if (t.args[1] !== SIGSET_SIZE) return -EINVAL;
  if (!t.restoreMask) {
    if (t.copyIn(t.args[0], SIGSET_SIZE) !== 0) return -EFAULT;
    setTemporaryMask(t, t.view.getInt32(0, true), t.view.getInt32(4, true));
  }
  return t.sleep(-ERESTARTNOHAND);
}

/** pause(2). */
export function sys_pause(t: Task): number {
  return t.sleep(-ERESTARTNOHAND);
}

/** rt_sigtimedwait(2). */
export function sys_rt_sigtimedwait(t: Task): number {
  if (t.args[3] !== SIGSET_SIZE) return -EINVAL;
  if (t.copyIn(t.args[0], SIGSET_SIZE) !== 0) return -EFAULT;
  const lo = t.view.getInt32(0, true) & ~UNTOUCHABLE;
  const hi = t.view.getInt32(4, true);
  let timeout = Infinity;
  if (t.args[2] !== 0) {
    timeout = readTimespec(t, t.args[2]);
    if (timeout < 0) return timeout;
  }
  const info = dequeueSignal(t, lo, hi);
  if (info !== null) {
    stopWaiting(t);
    if (t.args[1] !== 0) {
      info.write(t.view, 0);
      if (t.copyOut(t.args[1], SIGINFO_SIZE) !== 0) return -EFAULT;
    }
    return info.signo;
  }
  if (timeout === 0 || t.block.timedOut) {
    stopWaiting(t);
    return -EAGAIN;
  }
  t.waitedLo = lo;
  t.waitedHi = hi;
  const deadline = timeout === Infinity ? Infinity : t.kernel.clock.monotonic() + timeout;
  const r = t.sleepUntil(deadline, -EINTR);
  if (r !== BLOCKED) stopWaiting(t);
  return r;
}

function stopWaiting(t: Task): void {
  t.waitedLo = 0;
  t.waitedHi = 0;
  recalcPending(t);
}

/** rt_sigreturn(2). */
export function sys_rt_sigreturn(t: Task): number {
  if (!popFrame(t)) forceSignal(t, SigInfo.kernel(SIGSEGV));
  return NO_RETURN;
}

/** sigaltstack(2). */
export function sys_sigaltstack(t: Task): number {
  const sp = t.ctx.regs().get(Reg.RSP);
  const change = t.args[0] !== 0;
  const view = t.view;
  if (change && t.copyIn(t.args[0], 24) !== 0) return -EFAULT;
  const base = readU64(view, 0);
  const flags = view.getInt32(8, true);
  const size = readU64(view, 16);
  if (t.args[1] !== 0) {
    write64(view, 0, t.altStackBase);
    write64(view, 8, altStackStatus(t, sp) | (t.altStackFlags & SS_AUTODISARM));
    view.setUint32(12, 0, true);
    write64(view, 16, t.altStackSize);
    if (t.copyOut(t.args[1], 24) !== 0) return -EFAULT;
  }
  if (!change) return 0;
  if (onAltStack(t, sp)) return -EPERM;
  const mode = flags & ~SS_AUTODISARM;
  if (mode !== 0 && mode !== 1 && mode !== SS_DISABLE) return -EINVAL;
  if (mode !== SS_DISABLE && size < MINSIGSTKSZ) return -ENOMEM;
  setAltStack(t, base, flags, size, sp);
  return 0;
}

/** kill(2). */
export function sys_kill(t: Task): number {
  const pid = t.args[0] | 0;
  const signo = t.args[1] | 0;
  if (signo < 0 || signo > NSIG) return -EINVAL;
  if (pid > 0) {
    const target = t.pid.ns.task(pid);
    return target === null ? -ESRCH : killGroup(t, target.group, signo, SI_USER);
  }
  if (pid === -2147483648) return -ESRCH;
  if (pid === -1) return killAll(t, signo);
  const pgrp = pid === 0 ? t.group.pgrp : t.pid.ns.processGroup(-pid);
  if (pgrp === null) return -ESRCH;
  let result = -ESRCH;
  for (const member of [...pgrp.members]) {
    const r = killGroup(t, member, signo, SI_USER);
    // One that could be signalled makes it a success.
    if (result !== 0) result = r;
  }
  return result;
}

/** Signals everything that the caller sees but init and itself. */
function killAll(t: Task, signo: number): number {
  let result = -ESRCH;
  for (const pid of [...t.pid.ns.pids()]) {
    const task = pid.task;
    if (task === null || task.group.leader !== task || task.group === t.group) continue;
    if (pid.numberIn(t.pid.ns) === 1) continue;
    const r = killGroup(t, task.group, signo, SI_USER);
    if (r !== -EPERM) result = r;
    else if (result === -ESRCH) result = -EPERM;
  }
  return result;
}

/** Sends `signo` from `t` to a process if it may. */
export function killGroup(t: Task, group: ThreadGroup, signo: number, code: number): number {
  const r = checkKill(t, group.leader, signo);
  if (r !== 0 || signo === 0) return r;
  return sendToGroup(group, infoFrom(t, group.leader, signo, code), isFromAbove(t, group));
}

/** tkill(2). */
export function sys_tkill(t: Task): number {
  const tid = t.args[0] | 0;
  if (tid <= 0) return -EINVAL;
  return killThread(t, -1, tid, t.args[1] | 0);
}

/** tgkill(2). */
export function sys_tgkill(t: Task): number {
  const tgid = t.args[0] | 0;
  const tid = t.args[1] | 0;
  if (tgid <= 0 || tid <= 0) return -EINVAL;
  return killThread(t, tgid, tid, t.args[2] | 0);
}

function killThread(t: Task, tgid: number, tid: number, signo: number): number {
  if (signo < 0 || signo > NSIG) return -EINVAL;
  const target = findThread(t, tgid, tid);
  if (target === null) return -ESRCH;
  const r = checkKill(t, target, signo);
  if (r !== 0 || signo === 0 || target.state >= TaskState.Zombie) return r;
  return sendToTask(
    target,
    infoFrom(t, target, signo, SI_TKILL),
    isFromAbove(t, target.group),
  );
}

/** rt_sigqueueinfo(2). */
export function sys_rt_sigqueueinfo(t: Task): number {
  const pid = t.args[0] | 0;
  const info = queuedInfo(t, t.args[2], t.args[1] | 0);
  if (typeof info === "number") return info;
  const target = t.pid.ns.task(pid);
  if (target === null) return -ESRCH;
  return queue(t, target, info, true);
}

/** rt_tgsigqueueinfo(2). */
export function sys_rt_tgsigqueueinfo(t: Task): number {
  const tgid = t.args[0] | 0;
  const tid = t.args[1] | 0;
  if (tgid <= 0 || tid <= 0) return -EINVAL;
  const info = queuedInfo(t, t.args[3], t.args[2] | 0);
  if (typeof info === "number") return info;
  const target = findThread(t, tgid, tid);
  return target === null ? -ESRCH : queue(t, target, info, false);
}

/** Reads a siginfo that the application wants to send. */
export function queuedInfo(t: Task, address: number, signo: number): SigInfo | number {
  if (t.copyIn(address, SIGINFO_SIZE) !== 0) return -EFAULT;
  if (signo < 0 || signo > NSIG) return -EINVAL;
  const info = SigInfo.read(t.view, 0);
  info.signo = signo;
  return info;
}

function queue(t: Task, target: Task, info: SigInfo, shared: boolean): number {
  // Nobody may pass off a signal as the kernel's or as kill's, except to oneself.
  if ((info.code >= 0 || info.code === SI_TKILL) && target.group !== t.group) return -EPERM;
  const r = checkKill(t, target, info.signo);
  if (r !== 0 || info.signo === 0 || target.state >= TaskState.Zombie) return r;
  const force = isFromAbove(t, target.group);
  return shared ? sendToGroup(target.group, info, force) : sendToTask(target, info, force);
}

/** restart_syscall(2): the kernel restarts calls itself, so there is never one to restart. */
export function sys_restart_syscall(_t: Task): number {
  return -EINTR;
}

function findThread(t: Task, tgid: number, tid: number): Task | null {
  const target = t.pid.ns.task(tid);
  if (target === null || (tgid > 0 && target.group.pid.numberIn(t.pid.ns) !== tgid)) return null;
  return target;
}

function infoFrom(t: Task, target: Task, signo: number, code: number): SigInfo {
  const pid = t.group.pid.numberIn(target.pid.ns);
  return SigInfo.user(signo, pid, target.creds.userNs.fromKuid(t.creds.ruid), code);
}

/** Whether `t` lives in an ancestor of the process's pid namespace, so that even init obeys SIGKILL. */
function isFromAbove(t: Task, group: ThreadGroup): boolean {
  return t.pid.ns !== group.pid.ns && group.pid.ns.isWithin(t.pid.ns);
}

function putMask(t: Task, address: number, lo: number, hi: number): number {
  t.view.setInt32(0, lo, true);
  t.view.setInt32(4, hi, true);
  return t.copyOut(address, SIGSET_SIZE);
}
