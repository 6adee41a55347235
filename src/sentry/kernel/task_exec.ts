/** Replacing the program of a process (execve(2)). */

import { EAGAIN, EINTR } from "../../abi/errno.ts";
import { SIG_DFL, SIG_IGN, SIGCHLD, SS_DISABLE } from "../../abi/signals.ts";
import { type Context, Reg } from "../platform/platform.ts";
import { publishAnswers } from "./answers.ts";
import { prepareProgram, type Program } from "./program.ts";
import { clearChildTid, exitRobustList } from "./robust_list.ts";
import { resetFpu } from "./signal_frame.ts";
import type { SignalHandlers } from "./signal_set.ts";
import type { Task } from "./task.ts";
import { commitCreds } from "./task_creds.ts";
import { discard, finishVfork } from "./task_exit.ts";
import { killThreads, recalcPending } from "./task_signals.ts";
import { NO_RETURN } from "./wait.ts";

/**
 * Makes `t` run another program. The new address space is complete before anything of the old one goes, so every
 * failure is told to the caller. Returns NO_RETURN, a negative errno, or BLOCKED while other threads of the process end.
 */
export function execTask(
  t: Task,
  dirfd: number,
  path: string,
  flags: number,
  argv: string[],
  env: string[],
): number {
  // Of two threads that call execve at once one must lose, and it dies.
  if (t.group.execTask !== null) return -EAGAIN;
  const limits = t.group.rlimits.soft;
  const program = prepareProgram(t, dirfd, path, flags, argv, env, limits, t.personality);
  if (typeof program === "number") return program;
  t.block.data = program;
  return continueExec(t);
}

/** Goes on with {@link execTask}: waits until `t` is the only thread, then starts the program. */
export function continueExec(t: Task): number {
  const program = t.block.data as Program;
  const group = t.group;
  if (group.tasks.length > 1) {
    if (t.isDying()) {
      program.mm.release();
      t.block.data = null;
      if (group.execTask === t) group.execTask = null;
      return -EINTR;
    }
    if (group.execTask === null) {
      group.execTask = t;
      killThreads(group, t);
    }
    return t.sleepKillable(-EINTR);
  }
  if (group.leader !== t) takeOverLeader(t);
  group.execTask = null;
  return start(t, program);
}

/** The thread that calls execve gets the id of the process; the leader, dead by now, is forgotten. */
function takeOverLeader(t: Task): void {
  const group = t.group;
  const leader = group.leader;
  const own = t.pid;
  t.pid = leader.pid;
  t.tid = t.pid.number;
  leader.pid = own;
  own.task = leader;
  t.pid.task = t;
  group.leader = t;
  discard(leader);
}

function start(t: Task, program: Program): number {
  const group = t.group;
  let ctx: Context;
  try {
    ctx = program.mm.as.newContext(t.ctx);
  } catch (error) {
    if (!(error instanceof RangeError)) throw error;
    program.mm.release();
    t.block.reset();
    return -EAGAIN;
  }
  // What others expect of the old memory comes before it goes.
  exitRobustList(t);
  if (t.mm.users > 1) {
    clearChildTid(t);
    t.kernel.platform.flush(t.ctx);
  }
  t.clearChildTid = 0;
  const oldMm = t.mm;
  const oldCtx = t.ctx;
  t.currentUsage();
  t.accountedCpu = ctx.cpuTime?.() ?? 0;
  t.mm = program.mm;
  t.mm.limits = group.rlimits.soft;
  t.ctx = ctx;
  ctx.task = t;
  oldCtx.release();
  oldMm.release();
  finishVfork(t);

  resetSignals(t);
  for (const timer of group.posixTimers.values()) timer.disarm();
  group.posixTimers.clear();
  if (t.files.users > 1) {
    const own = t.files.fork();
    t.files.release(t);
    t.files = own;
  }
  t.files.closeOnExec(t);
  const setid = program.creds.euid !== t.creds.euid || program.creds.egid !== t.creds.egid;
  commitCreds(t, program.creds);
  t.mm.dumpable = setid || program.unreadable ? 0 : 1;
  if (setid || program.secure) t.parentDeathSignal = 0;
  t.name = program.name;
  group.exitSignal = SIGCHLD;
  group.hasExecuted = true;
  enterProgram(t, program);
  t.block.reset();
  return NO_RETURN;
}

/** Handlers are of the old program; what is ignored stays so. */
function resetSignals(t: Task): void {
  const group = t.group;
  let handlers: SignalHandlers = group.handlers;
  if (handlers.users > 1) {
    handlers.users--;
    handlers = handlers.clone();
    group.handlers = handlers;
  }
  for (const action of handlers.actions) {
    if (action.handler !== SIG_IGN) action.handler = SIG_DFL;
    action.flags = 0;
    action.restorer = 0;
    action.maskLo = 0;
    action.maskHi = 0;
  }
  t.altStackBase = 0;
  t.altStackSize = 0;
  t.altStackFlags = SS_DISABLE;
  t.restoreMask = false;
  recalcPending(t);
}

/** Sets the registers of `t` to the start of its program. */
export function enterProgram(t: Task, program: Program): void {
  const ctx = t.ctx;
  const regs = ctx.regs();
  for (let r = Reg.R15; r <= Reg.ORIG_RAX; r++) regs.set(r, 0);
  regs.set(Reg.RIP, program.entry);
  regs.set(Reg.RSP, program.stack);
  regs.set(Reg.EFLAGS, 0x202);
  ctx.putRegs();
  ctx.fsBase = 0;
  ctx.gsBase = 0;
  resetFpu(t);
  publishAnswers(t);
}
