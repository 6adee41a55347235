/** Settings of a process (prctl(2), arch_prctl(2), personality(2)). */

import { CAP_LAST_CAP, CAP_SETPCAP } from "../../abi/capability.ts";
import { EFAULT, EINVAL, EIO, ENODEV, EPERM } from "../../abi/errno.ts";
import * as P from "../../abi/prctl.ts";
import { SECBIT_KEEP_CAPS, SECBIT_NO_CAP_AMBIENT_RAISE } from "../../abi/capability.ts";
import { NSIG } from "../../abi/signals.ts";
import { USER_TOP } from "../platform/platform.ts";
import { cString, putString } from "../kernel/bytes.ts";
import { CapabilitySet } from "../kernel/credentials.ts";
import { commitCreds } from "../kernel/task_creds.ts";
import type { Task } from "../kernel/task.ts";
import type { ThreadGroup } from "../kernel/thread_group.ts";
import { setSeccomp } from "./seccomp.ts";

const COMM_SIZE = 16;
const SECURE_ALL_BITS = 0xff;
const ALL_LOCKS = 0xaa;

/** prctl(2). */
export function sys_prctl(t: Task): number {
  const a = t.args[1];
  switch (t.args[0] | 0) {
    case P.PR_SET_PDEATHSIG:
      if (a < 0 || a > NSIG) return -EINVAL;
      t.parentDeathSignal = a;
      return 0;
    case P.PR_GET_PDEATHSIG:
      return t.mm.writeU32(a, t.parentDeathSignal);
    case P.PR_GET_DUMPABLE:
      return t.mm.dumpable;
    case P.PR_SET_DUMPABLE:
      if (a !== 0 && a !== 1) return -EINVAL;
      t.mm.dumpable = a;
      return 0;
    case P.PR_SET_NAME:
      return setName(t, a);
    case P.PR_GET_NAME:
      t.scratch.fill(0, 0, COMM_SIZE);
      putString(t.scratch, 0, t.name);
      return t.copyOut(a, COMM_SIZE);
    case P.PR_GET_KEEPCAPS:
      return (t.creds.securebits & SECBIT_KEEP_CAPS) !== 0 ? 1 : 0;
    case P.PR_SET_KEEPCAPS:
      return setKeepCaps(t, a);
    case P.PR_GET_SECUREBITS:
      return t.creds.securebits;
    case P.PR_SET_SECUREBITS:
      return setSecurebits(t, a);
    case P.PR_CAPBSET_READ:
      if (a < 0 || a > CAP_LAST_CAP) return -EINVAL;
      return t.creds.bounding.has(a) ? 1 : 0;
    case P.PR_CAPBSET_DROP: {
      if (!t.creds.capable(CAP_SETPCAP)) return -EPERM;
      if (a < 0 || a > CAP_LAST_CAP) return -EINVAL;
      const creds = t.creds.clone();
      creds.bounding.drop(a);
      commitCreds(t, creds);
      return 0;
    }
    case P.PR_CAP_AMBIENT:
      return ambient(t, a, t.args[2]);
    case P.PR_SET_NO_NEW_PRIVS: {
      if (a !== 1 || t.args[2] !== 0 || t.args[3] !== 0 || t.args[4] !== 0) return -EINVAL;
      const creds = t.creds.clone();
      creds.noNewPrivs = true;
      t.creds = creds;
      return 0;
    }
    case P.PR_GET_NO_NEW_PRIVS:
      if (a !== 0 || t.args[2] !== 0 || t.args[3] !== 0 || t.args[4] !== 0) return -EINVAL;
      return t.creds.noNewPrivs ? 1 : 0;
    case P.PR_SET_CHILD_SUBREAPER:
      t.group.isSubreaper = a !== 0;
      if (a !== 0) markDescendants(t.group);
      return 0;
    case P.PR_GET_CHILD_SUBREAPER:
      return t.mm.writeU32(a, t.group.isSubreaper ? 1 : 0);
    case P.PR_SET_TIMERSLACK:
      t.timerSlack = a <= 0 ? t.defaultTimerSlack : a;
      return 0;
    case P.PR_GET_TIMERSLACK:
      return t.timerSlack;
    case P.PR_GET_TID_ADDRESS:
      return t.mm.writeU64(a, t.clearChildTid);
    case P.PR_GET_TIMING:
      return P.PR_TIMING_STATISTICAL;
    case P.PR_SET_TIMING:
      return a === P.PR_TIMING_STATISTICAL ? 0 : -EINVAL;
    case P.PR_GET_TSC:
      return t.mm.writeU32(a, P.PR_TSC_ENABLE);
    case P.PR_SET_TSC:
      return a === P.PR_TSC_ENABLE ? 0 : -EINVAL;
    case P.PR_GET_THP_DISABLE:
      return 0;
    case P.PR_SET_THP_DISABLE:
      return 0;
    case P.PR_MCE_KILL:
      return a === P.PR_MCE_KILL_CLEAR || a === P.PR_MCE_KILL_SET ? 0 : -EINVAL;
    case P.PR_MCE_KILL_GET:
      return P.PR_MCE_KILL_DEFAULT;
    case P.PR_TASK_PERF_EVENTS_DISABLE:
    case P.PR_TASK_PERF_EVENTS_ENABLE:
      return 0;
    case P.PR_SET_PTRACER:
      return 0;
    case P.PR_GET_SECCOMP:
      return t.seccomp?.mode ?? P.SECCOMP_MODE_DISABLED;
    case P.PR_SET_SECCOMP:
      return setSeccomp(t);
    case P.PR_GET_IO_FLUSHER:
      return 0;
    case P.PR_GET_SPECULATION_CTRL:
    case P.PR_SET_SPECULATION_CTRL:
      return -ENODEV;
    case P.PR_SET_VMA:
      // Names of anonymous memory are for whoever reads /proc/PID/maps; a kernel may be built without them.
      return -EINVAL;
    default:
      return -EINVAL;
  }
}

function setName(t: Task, address: number): number {
  const name = t.mm.readString(address, COMM_SIZE);
  if (typeof name === "string") {
    t.name = name.slice(0, COMM_SIZE - 1);
    return 0;
  }
  // A name with no end in reach is cut.
  if (t.copyIn(address, COMM_SIZE) !== 0) return -EFAULT;
  t.name = cString(t.scratch, 0, COMM_SIZE - 1);
  return 0;
}

function setKeepCaps(t: Task, value: number): number {
  if (value !== 0 && value !== 1) return -EINVAL;
  if ((t.creds.securebits & (SECBIT_KEEP_CAPS << 1)) !== 0) return -EPERM;
  const creds = t.creds.clone();
  creds.securebits = value === 1
    ? creds.securebits | SECBIT_KEEP_CAPS
    : creds.securebits & ~SECBIT_KEEP_CAPS;
  t.creds = creds;
  return 0;
}

function setSecurebits(t: Task, bits: number): number {
  const old = t.creds.securebits;
  const locks = old & ALL_LOCKS;
  // A locked bit stays as it is, and so does its lock.
  if (((old ^ bits) & (locks >> 1)) !== 0 || (locks & ~bits) !== 0) return -EPERM;
  if ((bits & ~SECURE_ALL_BITS) !== 0 || !t.creds.capable(CAP_SETPCAP)) return -EPERM;
  const creds = t.creds.clone();
  creds.securebits = bits;
  t.creds = creds;
  return 0;
}

function ambient(t: Task, operation: number, cap: number): number {
  const creds = t.creds.clone();
  if (operation === P.PR_CAP_AMBIENT_CLEAR_ALL) {
    if (cap !== 0 || t.args[3] !== 0 || t.args[4] !== 0) return -EINVAL;
    creds.ambient = CapabilitySet.empty();
    t.creds = creds;
    return 0;
  }
  if (cap < 0 || cap > CAP_LAST_CAP || t.args[3] !== 0 || t.args[4] !== 0) return -EINVAL;
  switch (operation) {
    case P.PR_CAP_AMBIENT_IS_SET:
      return creds.ambient.has(cap) ? 1 : 0;
    case P.PR_CAP_AMBIENT_RAISE:
      if (!creds.permitted.has(cap) || !creds.inheritable.has(cap)) return -EPERM;
      if ((creds.securebits & SECBIT_NO_CAP_AMBIENT_RAISE) !== 0) return -EPERM;
      creds.ambient.add(cap);
      break;
    case P.PR_CAP_AMBIENT_LOWER:
      creds.ambient.drop(cap);
      break;
    default:
      return -EINVAL;
  }
  t.creds = creds;
  return 0;
}

/** Descendants of a subreaper look for it when their parent dies. */
function markDescendants(group: ThreadGroup): void {
  for (const child of group.children) {
    if (child.hasSubreaper) continue;
    child.hasSubreaper = true;
    markDescendants(child);
  }
}

/** arch_prctl(2). */
export function sys_arch_prctl(t: Task): number {
  const address = t.args[1];
  switch (t.args[0] | 0) {
    case P.ARCH_SET_FS:
      if (address < 0 || address >= USER_TOP) return -EPERM;
      t.ctx.fsBase = address;
      return 0;
    case P.ARCH_GET_FS:
      return t.mm.writeU64(address, t.ctx.fsBase);
    case P.ARCH_SET_GS:
      if (address < 0 || address >= USER_TOP) return -EPERM;
      t.ctx.gsBase = address;
      return 0;
    case P.ARCH_GET_GS:
      return t.mm.writeU64(address, t.ctx.gsBase);
    case P.ARCH_GET_CPUID:
      return 1;
    case P.ARCH_SET_CPUID:
      return -ENODEV;
    default:
      return -EINVAL;
  }
}

/** personality(2). */
export function sys_personality(t: Task): number {
  const old = t.personality;
  const wanted = t.args[0] >>> 0;
  if (wanted !== 0xffffffff) t.personality = wanted;
  return old;
}

/** ptrace(2): tracing inside of the sandbox is refused as by a kernel that forbids it. */
export function sys_ptrace(t: Task): number {
  return (t.args[0] | 0) < 0 ? -EIO : -EPERM;
}
