/** Making threads and processes (clone(2), fork(2), vfork(2)). */

import { CAP_CHECKPOINT_RESTORE, CAP_SYS_ADMIN, CAP_SYS_RESOURCE } from "../../abi/capability.ts";
import {
  EAGAIN,
  EEXIST,
  EFAULT,
  EINTR,
  EINVAL,
  ENOMEM,
  ENOSPC,
  EPERM,
  ERESTARTNOINTR,
} from "../../abi/errno.ts";
import { RLIMIT_NOFILE, RLIMIT_NPROC } from "../../abi/resource.ts";
import {
  CLONE_CHILD_CLEARTID,
  CLONE_CHILD_SETTID,
  CLONE_FILES,
  CLONE_FS,
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
  CLONE_PARENT,
  CLONE_PARENT_SETTID,
  CLONE_PIDFD,
  CLONE_SETTLS,
  CLONE_SIGHAND,
  CLONE_SYSVSEM,
  CLONE_THREAD,
  CLONE_VFORK,
  CLONE_VM,
} from "../../abi/sched.ts";
import { SIG_DFL, SIG_IGN } from "../../abi/signals.ts";
import type { MemoryManager } from "../mm/memory_manager.ts";
import { type Context, Reg, USER_TOP } from "../platform/platform.ts";
import { publishAnswers } from "./answers.ts";
import { watchCpuLimit } from "./cpu_limit.ts";
import type { Credentials } from "./credentials.ts";
import { UndoList } from "./ipc/undo_list.ts";
import { MAX_PID_NS_LEVEL, PID_MAX, PidNamespace } from "./pid.ts";
import { PidFile } from "./pidfd.ts";
import type { SignalHandlers } from "./signal_set.ts";
import { Task, TaskState } from "./task.ts";
import { ThreadGroup } from "./thread_group.ts";
import { NAMESPACE_FLAGS, newNamespaces, newUserNamespace } from "./unshare.ts";

/** What clone3(2) is told. */
export interface CloneRequest {
  /** CLONE_* flags of the low 32 bits, without the exit signal. */
  flags: number;
  /** CLONE_CLEAR_SIGHAND. */
  clearSighand: boolean;
  exitSignal: number;
  /** Stack pointer of the child, 0 for that of the parent. */
  stack: number;
  tls: number;
  pidfd: number;
  parentTid: number;
  childTid: number;
  /** Ids that the child is to have in its namespace and those above (set_tid of clone3(2)). */
  setTid: readonly number[];
}

let fpuImage = new Uint8Array(4096);

/** Makes a task; its id, or a negative errno. A vfork parent gets BLOCKED until its child has its own program. */
export function cloneTask(t: Task, request: CloneRequest): number {
  if (t.block.runs > 0) return waitForVfork(t);
  const flags = request.flags;
  const invalid = checkFlags(t, flags);
  if (invalid !== 0) return invalid;
  if (t.signalPending) return -ERESTARTNOINTR;
  const kernel = t.kernel;
  let creds: Credentials = t.creds;
  if ((flags & CLONE_NEWUSER) !== 0) {
    const own = newUserNamespace(creds, t);
    if (typeof own === "number") return own;
    creds = own;
  } else if ((flags & NAMESPACE_FLAGS) !== 0 && !creds.capable(CAP_SYS_ADMIN)) {
    return -EPERM;
  }
  const limit = limits(t);
  if (limit !== 0) return limit;
  // First of all, as long as the thread still spins for the answer: asking it later would mean to wake it.
  const fpuSize = readFpu(t.ctx);

  let ns = t.nsproxy.pidForChildren;
  if (ns.dead) return -ENOMEM;
  if ((flags & CLONE_NEWPID) !== 0) {
    if (ns.level + 1 > MAX_PID_NS_LEVEL) return -ENOSPC;
    ns = new PidNamespace(ns);
  }
  const thread = (flags & CLONE_THREAD) !== 0;
  const shareMm = (flags & CLONE_VM) !== 0;
  const mm: MemoryManager | number = shareMm ? t.mm : t.mm.fork();
  if (typeof mm === "number") return mm;
  if (shareMm) mm.retain();
  // Other threads go on writing what the child has been given until it is protected: at once, then.
  else if (t.mm.users > 1) kernel.platform.flush(t.ctx);
  const ctx = newContext(mm);
  const wanted = request.setTid;
  const refused = wanted.length === 0 ? 0 : checkIds(t, ns, wanted);
  const pid = ctx === null || refused !== 0 ? null : ns.allocate(wanted);
  if (refused !== 0) {
    if (ctx !== null) ctx.release();
    mm.release();
    return refused;
  }
  if (ctx === null || pid === null) {
    if (ctx !== null) ctx.release();
    mm.release();
    return -EAGAIN;
  }
  copyRegisters(t.ctx, ctx, request, fpuSize);

  const fs = (flags & CLONE_FS) !== 0 ? t.fs.retain() : t.fs.fork();
  const files = (flags & CLONE_FILES) !== 0 ? t.files.retain() : t.files.fork();
  const child = new Task({
    kernel,
    pid,
    group: thread ? t.group : null,
    ctx,
    mm,
    files,
    fs,
    creds,
    nsproxy: (flags & NAMESPACE_FLAGS) !== 0 ? newNamespaces(t, flags, creds, fs, ns) : t.nsproxy,
    name: t.name,
    affinity: t.affinity,
  });
  pid.task = child;
  child.nsproxy.retain();
  inherit(t, child, flags);
  if (thread) {
    t.group.tasks.push(child);
  } else {
    startProcess(t, child, request);
  }
  kernel.taskCount++;
  kernel.forks++;
  kernel.accounts.addTasks(creds.ruid, 1);

  const number = pid.numberIn(t.pid.ns);
  if ((flags & CLONE_PARENT_SETTID) !== 0) t.mm.writeU32(request.parentTid, number);
  if ((flags & CLONE_CHILD_SETTID) !== 0) child.mm.writeU32(request.childTid, child.tid);
  if ((flags & CLONE_CHILD_CLEARTID) !== 0) child.clearChildTid = request.childTid;
  if ((flags & CLONE_PIDFD) !== 0) openPidfd(t, child.group, request.pidfd);
  publishAnswers(child);
  kernel.enqueue(child);
  if ((flags & CLONE_VFORK) !== 0) {
    child.vforkParent = t;
    t.block.data = child;
    t.block.progress = number;
    return t.sleepKillable(-EINTR);
  }
  return number;
}

function waitForVfork(t: Task): number {
  const child = t.block.data as Task;
  if (child.vforkParent !== t) return t.block.progress;
  if (t.isDying()) {
    child.vforkParent = null;
    return -EINTR;
  }
  return t.sleepKillable(-EINTR);
}

/** The combinations that make no sense (clone(2), ERRORS). */
function checkFlags(t: Task, flags: number): number {
  const has = (flag: number) => (flags & flag) !== 0;
  if (has(CLONE_FS) && (has(CLONE_NEWNS) || has(CLONE_NEWUSER))) return -EINVAL;
  if (has(CLONE_THREAD) && !has(CLONE_SIGHAND)) return -EINVAL;
  if (has(CLONE_SIGHAND) && !has(CLONE_VM)) return -EINVAL;
  if (has(CLONE_PARENT) && t.group.pid.ns.reaper === t.group) return -EINVAL;
  if (has(CLONE_THREAD)) {
    if (has(CLONE_NEWUSER) || has(CLONE_NEWPID) || has(CLONE_PIDFD)) return -EINVAL;
    if (t.nsproxy.pidForChildren !== t.pid.ns) return -EINVAL;
  }
  if (has(CLONE_NEWTIME) && has(CLONE_VM)) return -EINVAL;
  return 0;
}

function limits(t: Task): number {
  const kernel = t.kernel;
  const creds = t.creds;
  if (kernel.taskCount >= kernel.maxTasks) return -EAGAIN;
  const count = kernel.accounts.tasks(creds.ruid);
  if (
    count >= t.group.rlimits.soft[RLIMIT_NPROC] && creds.ruid !== 0 &&
    !creds.capable(CAP_SYS_RESOURCE) && !creds.capable(CAP_SYS_ADMIN)
  ) {
    return -EAGAIN;
  }
  return 0;
}

/** Whether a task may choose these ids for its child (clone(2), set_tid): 0 or a negative errno. */
function checkIds(t: Task, innermost: PidNamespace, wanted: readonly number[]): number {
  if (wanted.length > innermost.level + 1) return -EINVAL;
  let ns: PidNamespace | null = innermost;
  for (const id of wanted) {
    if (id < 1 || id >= PID_MAX) return -EINVAL;
    // The first process of a namespace is its init.
    if (id !== 1 && ns!.reaper === null) return -EINVAL;
    const { userNs } = t.creds;
    if (!t.creds.capable(CAP_CHECKPOINT_RESTORE, userNs) && !t.creds.capable(CAP_SYS_ADMIN)) {
      return -EPERM;
    }
    if (ns!.get(id) !== null) return -EEXIST;
    ns = ns!.parent;
  }
  return 0;
}

/** A context of the platform; null when it has no room for another thread. */
function newContext(mm: MemoryManager): Context | null {
  try {
    return mm.as.newContext();
  } catch (error) {
    if (error instanceof RangeError) return null;
    throw error;
  }
}

function readFpu(ctx: Context): number {
  if (fpuImage.length < ctx.fpuSize) fpuImage = new Uint8Array(ctx.fpuSize);
  return ctx.readFpu(fpuImage);
}

function copyRegisters(
  from: Context,
  to: Context,
  request: CloneRequest,
  fpuSize: number,
): void {
  const regs = to.regs();
  regs.copyFrom(from.regs());
  regs.set(Reg.RAX, 0);
  if (request.stack !== 0) regs.set(Reg.RSP, request.stack);
  to.putRegs();
  to.fsBase = (request.flags & CLONE_SETTLS) !== 0 ? request.tls : from.fsBase;
  to.gsBase = from.gsBase;
  to.writeFpu(fpuImage, fpuSize);
}

/** What every new task has from its maker. */
function inherit(t: Task, child: Task, flags: number): void {
  child.blockedLo = t.restoreMask ? t.savedLo : t.blockedLo;
  child.blockedHi = t.restoreMask ? t.savedHi : t.blockedHi;
  if ((flags & CLONE_VM) === 0 || (flags & CLONE_VFORK) !== 0) {
    child.altStackBase = t.altStackBase;
    child.altStackSize = t.altStackSize;
    child.altStackFlags = t.altStackFlags;
  }
  if ((flags & CLONE_SYSVSEM) !== 0) child.semUndo = (t.semUndo ??= new UndoList()).retain();
  child.sessionKeyring = t.sessionKeyring;
  child.seccomp = t.seccomp;
  child.seccomp?.enter();
  child.timerSlack = t.timerSlack;
  child.personality = t.personality;
  child.memoryPolicy = t.memoryPolicy;
  child.memoryNodes = t.memoryNodes;
  child.ioPriority = t.ioPriority;
  if (!t.schedResetOnFork) {
    child.nice = t.nice;
    child.schedPolicy = t.schedPolicy;
    child.schedPriority = t.schedPriority;
  } else {
    child.nice = Math.max(0, t.nice);
  }
  child.state = TaskState.Kernel;
}

function startProcess(t: Task, child: Task, request: CloneRequest): void {
  const flags = request.flags;
  const from = t.group;
  const group = new ThreadGroup(t.kernel, child.pid, child, handlersFor(from, request));
  child.group = group;
  group.tasks.push(child);
  group.rlimits = from.rlimits.clone();
  if ((flags & CLONE_VM) === 0) child.mm.limits = group.rlimits.soft;
  group.oomScoreAdj = from.oomScoreAdj;
  const ns = child.pid.ns;
  const sibling = (flags & CLONE_PARENT) !== 0;
  group.parent = sibling ? from.parent : from;
  group.exitSignal = sibling ? from.exitSignal : request.exitSignal;
  if (ns.reaper === null && ns !== t.pid.ns && !ns.dead) {
    ns.reaper = group;
    group.unkillable = true;
  } else {
    group.hasSubreaper = from.hasSubreaper || from.isSubreaper;
  }
  if (group.parent !== null) group.parent.children.add(group);
  from.pgrp.add(group);
  watchCpuLimit(group);
}

function handlersFor(from: ThreadGroup, request: CloneRequest): SignalHandlers {
  if ((request.flags & CLONE_SIGHAND) !== 0) {
    from.handlers.users++;
    return from.handlers;
  }
  const handlers = from.handlers.clone();
  if (request.clearSighand) {
    for (const action of handlers.actions) {
      if (action.handler !== SIG_IGN) action.handler = SIG_DFL;
    }
  }
  return handlers;
}

/** Opens a pidfd of the new process and tells its number; the child exists already, so a failure shows as -1. */
function openPidfd(t: Task, group: ThreadGroup, address: number): void {
  const file = new PidFile(t.kernel, group, 0);
  const fd = t.files.install(file, true, 0, t.group.rlimits.soft[RLIMIT_NOFILE]);
  if (fd < 0) file.unref();
  t.mm.writeU32(address, fd < 0 ? 0xffffffff : fd);
}

/** Checks the stack that clone3(2) is given; its top, or a negative errno. */
export function cloneStack(stack: number, size: number): number {
  if (stack === 0) return size === 0 ? 0 : -EINVAL;
  if (size === 0) return -EINVAL;
  if (stack < 0 || size < 0 || stack + size > USER_TOP) return -EFAULT;
  return stack + size;
}

/** Namespace flags that {@link cloneTask} and unshare(2) know. */
export const ALL_NAMESPACES = CLONE_NEWNS | CLONE_NEWUTS | CLONE_NEWIPC | CLONE_NEWNET |
  CLONE_NEWCGROUP | CLONE_NEWPID | CLONE_NEWUSER | CLONE_NEWTIME;
