/** Waiting for children (wait4(2), waitid(2)). */

import { POLLIN } from "../../abi/poll.ts";
import { ECHILD, ERESTARTSYS } from "../../abi/errno.ts";
import {
  __WALL,
  __WCLONE,
  P_ALL,
  P_PGID,
  P_PID,
  WCONTINUED,
  WEXITED,
  WNOHANG,
  WNOWAIT,
  WSTOPPED,
} from "../../abi/sched.ts";
import { CLD_CONTINUED, CLD_STOPPED, SIGCHLD, SIGCONT } from "../../abi/signals.ts";
import { SigInfo } from "./signal_set.ts";
import type { Task } from "./task.ts";
import { fillExitInfo, reap } from "./task_exit.ts";
import { fillChildInfo } from "./task_signals.ts";
import { type ThreadGroup, Usage } from "./thread_group.ts";

/** What was found by {@link waitForChild}. One per kernel call; copied out before the next. */
export class WaitResult {
  /** Id of the child, 0 for none. */
  pid = 0;
  /** As wait4 reports it. */
  status = 0;
  info: SigInfo | null = null;
  usage: Usage | null = null;
}

/**
 * Looks for a child in a state of `options`, and waits for one unless WNOHANG is given. Returns 0 with `result` filled
 * (`pid` 0 with WNOHANG and no news), -ECHILD, or what the task's sleep returned.
 */
export function waitForChild(
  t: Task,
  type: number,
  id: number | ThreadGroup,
  options: number,
  result: WaitResult,
): number {
  let eligible = false;
  for (const child of t.group.children) {
    if (!matches(t, child, type, id, options)) continue;
    eligible = true;
    if (child.isZombie && (options & WEXITED) !== 0) {
      reportExit(t, child, options, result);
      return 0;
    }
    if (child.stopUnreported && (options & WSTOPPED) !== 0) {
      report(t, child, result, CLD_STOPPED, child.stopSignal);
      result.status = child.stopSignal << 8 | 0x7f;
      if ((options & WNOWAIT) === 0) child.stopUnreported = false;
      return 0;
    }
    if (child.continueUnreported && (options & WCONTINUED) !== 0) {
      report(t, child, result, CLD_CONTINUED, SIGCONT);
      result.status = 0xffff;
      if ((options & WNOWAIT) === 0) child.continueUnreported = false;
      return 0;
    }
  }
  if (!eligible) return -ECHILD;
  result.pid = 0;
  if ((options & WNOHANG) !== 0) return 0;
  t.waitOn(t.group.childQueue, POLLIN);
  return t.sleep(-ERESTARTSYS);
}

function matches(
  t: Task,
  child: ThreadGroup,
  type: number,
  id: number | ThreadGroup,
  options: number,
): boolean {
  if (typeof id !== "number") {
    if (child !== id) return false;
  } else if (type === P_PID) {
    if (child.pid.numberIn(t.pid.ns) !== id) return false;
  } else if (type === P_PGID) {
    if (child.pgrp.idIn(t.pid.ns) !== id) return false;
  } else if (type !== P_ALL) {
    return false;
  }
  // A "clone" child is one that does not send SIGCHLD (wait(2), __WCLONE).
  const cloneChild = child.exitSignal !== SIGCHLD;
  return (options & __WALL) !== 0 || cloneChild === ((options & __WCLONE) !== 0);
}

function report(
  t: Task,
  child: ThreadGroup,
  result: WaitResult,
  code: number,
  status: number,
): void {
  const info = new SigInfo(SIGCHLD, code);
  fillChildInfo(info, child, t.group);
  info.status = status;
  result.pid = child.pid.numberIn(t.pid.ns);
  result.info = info;
  const usage = new Usage();
  child.collectUsage(usage);
  result.usage = usage;
}

function reportExit(t: Task, child: ThreadGroup, options: number, result: WaitResult): void {
  report(t, child, result, 0, 0);
  fillExitInfo(result.info!, child, t.group);
  result.status = child.exitCode;
  result.usage!.add(child.childUsage);
  if ((options & WNOWAIT) === 0) reap(child);
}
