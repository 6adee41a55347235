/** Making, ending and waiting for processes: fork, clone, exit, wait and their kin. */

import { E2BIG, EAGAIN, EBADF, EFAULT, EINVAL, ESRCH } from "../../abi/errno.ts";
import { readU64 } from "../../abi/int64.ts";
import {
  __WALL,
  __WCLONE,
  __WNOTHREAD,
  CLONE_ARGS_SIZE_VER0,
  CLONE_ARGS_SIZE_VER2,
  CLONE_CHILD_SETTID,
  CLONE_DETACHED,
  CLONE_PARENT,
  CLONE_PARENT_SETTID,
  CLONE_PIDFD,
  CLONE_SIGHAND,
  CLONE_THREAD,
  CLONE_VFORK,
  CLONE_VM,
  CSIGNAL,
  P_ALL,
  P_PGID,
  P_PID,
  P_PIDFD,
  WCONTINUED,
  WEXITED,
  WNOHANG,
  WNOWAIT,
  WSTOPPED,
} from "../../abi/sched.ts";
import { NSIG, SIGCHLD } from "../../abi/signals.ts";
import { PidFile } from "../kernel/pidfd.ts";
import { type CloneRequest, cloneStack, cloneTask } from "../kernel/task_clone.ts";
import { exitGroup, exitTask } from "../kernel/task_exit.ts";
import { waitForChild, WaitResult } from "../kernel/task_wait.ts";
import type { Task } from "../kernel/task.ts";
import type { ThreadGroup } from "../kernel/thread_group.ts";
import { putUsage } from "./usage.ts";

const CLONE_CLEAR_SIGHAND_HIGH = 1;
const CLONE_INTO_CGROUP_HIGH = 2;

const request: CloneRequest = {
  flags: 0,
  clearSighand: false,
  exitSignal: 0,
  stack: 0,
  tls: 0,
  pidfd: 0,
  parentTid: 0,
  childTid: 0,
  setTid: [],
};
const NO_IDS: readonly number[] = [];
/** As deep as namespaces nest (MAX_PID_NS_LEVEL). */
const MOST_IDS = 32;
const found = new WaitResult();

/** fork(2). */
export function sys_fork(t: Task): number {
  return simpleClone(t, 0);
}

/** vfork(2). */
export function sys_vfork(t: Task): number {
  return simpleClone(t, CLONE_VFORK | CLONE_VM);
}

function simpleClone(t: Task, flags: number): number {
  request.flags = flags;
  request.clearSighand = false;
  request.exitSignal = SIGCHLD;
  request.stack = 0;
  request.setTid = NO_IDS;
  return cloneTask(t, request);
}

/** clone(2), with the argument order of amd64. */
export function sys_clone(t: Task): number {
  const flags = t.args[0] | 0;
  request.flags = flags & ~CSIGNAL;
  request.clearSighand = false;
  request.exitSignal = flags & CSIGNAL;
  request.stack = t.args[1];
  request.parentTid = t.args[2];
  request.childTid = t.args[3];
  request.tls = t.args[4];
  request.pidfd = t.args[2];
  request.setTid = NO_IDS;
  if (request.exitSignal > NSIG) return -EINVAL;
  if ((flags & CLONE_PIDFD) !== 0) {
    // Both are told through the same argument.
    if ((flags & (CLONE_PARENT_SETTID | CLONE_DETACHED)) !== 0) return -EINVAL;
  }
  return cloneTask(t, request);
}

/** clone3(2). */
export function sys_clone3(t: Task): number {
  if (t.block.runs > 0) return cloneTask(t, request);
  const size = t.args[1];
  if (size < CLONE_ARGS_SIZE_VER0) return -EINVAL;
  if (size > 4096) return -E2BIG;
  const r = t.copyIn(t.args[0], size);
  if (r !== 0) return r;
  for (let i = CLONE_ARGS_SIZE_VER2; i < size; i++) if (t.scratch[i] !== 0) return -E2BIG;
  if (size < CLONE_ARGS_SIZE_VER2) t.scratch.fill(0, size, CLONE_ARGS_SIZE_VER2);
  const view = t.view;
  const flags = view.getInt32(0, true);
  const flagsHigh = view.getInt32(4, true);
  if ((flagsHigh & ~(CLONE_CLEAR_SIGHAND_HIGH | CLONE_INTO_CGROUP_HIGH)) !== 0) return -EINVAL;
  // CLONE_NEWTIME takes one of the bits where clone(2) has the exit signal.
  if ((flags & (CLONE_DETACHED | (CSIGNAL & ~0x80))) !== 0) return -EINVAL;
  request.flags = flags;
  request.clearSighand = (flagsHigh & CLONE_CLEAR_SIGHAND_HIGH) !== 0;
  if (request.clearSighand && (flags & CLONE_SIGHAND) !== 0) return -EINVAL;
  request.pidfd = readU64(view, 8);
  request.childTid = readU64(view, 16);
  request.parentTid = readU64(view, 24);
  request.exitSignal = readU64(view, 32);
  if (request.exitSignal > NSIG) return -EINVAL;
  if ((flags & (CLONE_THREAD | CLONE_PARENT)) !== 0 && request.exitSignal !== 0) return -EINVAL;
  const stack = cloneStack(readU64(view, 40), readU64(view, 48));
  if (stack < 0) return stack;
  request.stack = stack;
  request.tls = readU64(view, 56);
  // There is no control group file system, so that no descriptor is one of its directories.
  if ((flagsHigh & CLONE_INTO_CGROUP_HIGH) !== 0) return -EBADF;
  if ((flags & CLONE_CHILD_SETTID) !== 0 && request.childTid === 0) return -EFAULT;
  const ids = idsArg(t, readU64(view, 64), readU64(view, 72));
  if (typeof ids === "number") return ids;
  request.setTid = ids;
  return cloneTask(t, request);
}

/** set_tid of clone3(2): the ids that the child is to have. */
function idsArg(t: Task, address: number, count: number): readonly number[] | number {
  if ((address === 0) !== (count === 0) || count > MOST_IDS) return -EINVAL;
  if (count === 0) return NO_IDS;
  if (t.copyIn(address, 4 * count) !== 0) return -EFAULT;
  const ids: number[] = [];
  for (let i = 0; i < count; i++) ids.push(t.view.getInt32(4 * i, true));
  return ids;
}

/** _exit(2): ends one thread. */
export function sys_exit(t: Task): number {
  return exitTask(t, (t.args[0] & 0xff) << 8);
}

/** exit_group(2): ends the process. */
export function sys_exit_group(t: Task): number {
  return exitGroup(t, (t.args[0] & 0xff) << 8);
}

/** wait4(2). */
export function sys_wait4(t: Task): number {
  const pid = t.args[0] | 0;
  let options = t.args[2] | 0;
  const known = WNOHANG | WSTOPPED | WCONTINUED | __WNOTHREAD | __WCLONE | __WALL;
  if ((options & ~known) !== 0) return -EINVAL;
  if (pid === -2147483648) return -ESRCH;
  options |= WEXITED;
  let r: number;
  if (pid === -1) r = waitForChild(t, P_ALL, 0, options, found);
  else if (pid < 0) r = waitForChild(t, P_PGID, -pid, options, found);
  else if (pid === 0) r = waitForChild(t, P_PGID, t.group.pgrp.idIn(t.pid.ns), options, found);
  else r = waitForChild(t, P_PID, pid, options, found);
  if (r !== 0 || found.pid === 0) return r;
  if (t.args[1] !== 0 && t.mm.writeU32(t.args[1], found.status >>> 0) !== 0) return -EFAULT;
  if (t.args[3] !== 0 && putUsage(t, t.args[3], found.usage!) !== 0) return -EFAULT;
  return found.pid;
}

/** waitid(2). */
export function sys_waitid(t: Task): number {
  let type = t.args[0] | 0;
  let id: number | ThreadGroup = t.args[1] | 0;
  const options = t.args[3] | 0;
  const states = WEXITED | WSTOPPED | WCONTINUED;
  const known = WNOHANG | WNOWAIT | states | __WNOTHREAD | __WCLONE | __WALL;
  if ((options & ~known) !== 0 || (options & states) === 0) return -EINVAL;
  let nonblocking = false;
  switch (type) {
    case P_ALL:
      break;
    case P_PID:
      if (id <= 0) return -EINVAL;
      break;
    case P_PGID:
      if (id < 0) return -EINVAL;
      if (id === 0) id = t.group.pgrp.idIn(t.pid.ns);
      break;
    case P_PIDFD: {
      if (id < 0) return -EINVAL;
      const file = t.files.get(id);
      if (!(file instanceof PidFile)) return -EBADF;
      nonblocking = file.nonblocking;
      type = P_PID;
      id = file.group;
      break;
    }
    default:
      return -EINVAL;
  }
  const r = waitForChild(t, type, id, nonblocking ? options | WNOHANG : options, found);
  if (r !== 0) return r;
  if (found.pid === 0) {
    if (nonblocking && (options & WNOHANG) === 0) return -EAGAIN;
    t.scratch.fill(0, 0, 128);
  } else {
    // The usage goes through the same scratch memory, so first.
    if (t.args[4] !== 0 && putUsage(t, t.args[4], found.usage!) !== 0) return -EFAULT;
    found.info!.write(t.view, 0);
  }
  return t.args[2] === 0 ? 0 : t.copyOut(t.args[2], 128);
}

/** getpid(2). */
export function sys_getpid(t: Task): number {
  return t.group.pid.number;
}

/** gettid(2). */
export function sys_gettid(t: Task): number {
  return t.tid;
}

/** getppid(2). */
export function sys_getppid(t: Task): number {
  const parent = t.group.parent;
  return parent === null ? 0 : parent.pid.numberIn(t.pid.ns);
}

/** set_tid_address(2). */
export function sys_set_tid_address(t: Task): number {
  t.clearChildTid = t.args[0];
  return t.tid;
}
