/** Setting and asking for modes and filters of seccomp(2). */

import { CAP_SYS_ADMIN } from "../../abi/capability.ts";
import { EACCES, EBUSY, EFAULT, EINVAL, ENOMEM, EOPNOTSUPP, ESRCH } from "../../abi/errno.ts";
import * as P from "../../abi/prctl.ts";
import { BPF_MAXINSNS } from "../../abi/bpf.ts";
import { publishAnswers } from "../kernel/answers.ts";
import { BpfProgram, type Instruction, isValid } from "../kernel/bpf.ts";
import { Filter, FilterSeccomp, StrictSeccomp } from "../kernel/seccomp.ts";
import { SeccompListener } from "../kernel/seccomp_listener.ts";
import type { SeccompState, Task } from "../kernel/task.ts";
import { installNew } from "./eventfd.ts";

/** Bytes of struct sock_fprog and of struct sock_filter. */
const FPROG_SIZE = 16;
const FILTER_SIZE = 8;
const FLAGS = P.SECCOMP_FILTER_FLAG_TSYNC | P.SECCOMP_FILTER_FLAG_LOG |
  P.SECCOMP_FILTER_FLAG_SPEC_ALLOW | P.SECCOMP_FILTER_FLAG_TSYNC_ESRCH |
  P.SECCOMP_FILTER_FLAG_NEW_LISTENER | P.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV;
/** Sizes of struct seccomp_notif, seccomp_notif_resp and seccomp_data. */
const NOTIF_SIZES = [80, 24, 64];
/** What filters may return. */
const ACTIONS: ReadonlySet<number> = new Set([
  P.SECCOMP_RET_KILL_PROCESS,
  P.SECCOMP_RET_KILL_THREAD,
  P.SECCOMP_RET_TRAP,
  P.SECCOMP_RET_ERRNO,
  P.SECCOMP_RET_USER_NOTIF,
  P.SECCOMP_RET_TRACE,
  P.SECCOMP_RET_LOG,
  P.SECCOMP_RET_ALLOW,
]);

/** seccomp(2). */
export function seccomp(t: Task): number {
  const flags = t.args[1] >>> 0;
  const address = t.args[2];
  switch (t.args[0] >>> 0) {
    case P.SECCOMP_SET_MODE_STRICT:
      return flags !== 0 || address !== 0 ? -EINVAL : setStrict(t);
    case P.SECCOMP_SET_MODE_FILTER:
      return setFilter(t, flags, address);
    case P.SECCOMP_GET_ACTION_AVAIL:
      if (flags !== 0) return -EINVAL;
      if (t.copyIn(address, 4) !== 0) return -EFAULT;
      return ACTIONS.has(t.view.getUint32(0, true)) ? 0 : -EOPNOTSUPP;
    case P.SECCOMP_GET_NOTIF_SIZES:
      if (flags !== 0) return -EINVAL;
      NOTIF_SIZES.forEach((size, i) => t.view.setUint16(2 * i, size, true));
      return t.copyOut(address, 6);
    default:
      return -EINVAL;
  }
}

/** PR_SET_SECCOMP of prctl(2). */
export function prctl(t: Task): number {
  switch (t.args[1]) {
    case P.SECCOMP_MODE_STRICT:
      return setStrict(t);
    case P.SECCOMP_MODE_FILTER:
      return setFilter(t, 0, t.args[2]);
    default:
      return -EINVAL;
  }
}

function setStrict(t: Task): number {
  if (t.seccomp !== null && t.seccomp.mode !== P.SECCOMP_MODE_STRICT) return -EINVAL;
  enter(t, new StrictSeccomp());
  return 0;
}

function enter(t: Task, state: SeccompState): void {
  state.enter();
  t.seccomp?.leave(t);
  t.seccomp = state;
  publishAnswers(t);
}

function setFilter(t: Task, flags: number, address: number): number {
  if ((flags & ~FLAGS) !== 0) return -EINVAL;
  const has = (flag: number) => (flags & flag) !== 0;
  const listens = has(P.SECCOMP_FILTER_FLAG_NEW_LISTENER);
  const sync = has(P.SECCOMP_FILTER_FLAG_TSYNC);
  // Both would return a number of their own.
  if (listens && sync && !has(P.SECCOMP_FILTER_FLAG_TSYNC_ESRCH)) return -EINVAL;
  if (has(P.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV) && !listens) return -EINVAL;
  const program = readProgram(t, address);
  if (typeof program === "number") return program;
  const mode = t.seccomp;
  if (mode !== null && !(mode instanceof FilterSeccomp)) return -EINVAL;
  const previous = mode === null ? [] : mode.filters;
  if (listens && previous.some(({ listener }) => listener !== null)) return -EBUSY;
  if (sync) {
    const other = t.group.tasks.find((task) => !isAncestor(task.seccomp, previous));
    if (other !== undefined) {
      return has(P.SECCOMP_FILTER_FLAG_TSYNC_ESRCH) ? -ESRCH : other.tid;
    }
  }
  if (FilterSeccomp.isFull(previous, program.length)) return -ENOMEM;
  const killable = has(P.SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV);
  const listener = listens ? new SeccompListener(t.kernel.vfs, killable) : null;
  const fd = listener === null ? 0 : installNew(t, listener, true);
  if (fd < 0) return fd;
  const state = new FilterSeccomp([new Filter(program, listener), ...previous]);
  enter(t, state);
  if (!sync) return fd;
  for (const task of t.group.tasks) {
    if (task === t) continue;
    enter(task, state);
    if (t.creds.noNewPrivs && !task.creds.noNewPrivs) {
      task.creds = task.creds.clone();
      task.creds.noNewPrivs = true;
    }
  }
  return fd;
}

/** Whether the filters of another thread are among those that the caller began with. */
function isAncestor(state: SeccompState | null, filters: readonly Filter[]): boolean {
  if (state === null) return true;
  if (!(state instanceof FilterSeccomp)) return false;
  const skip = filters.length - state.filters.length;
  return skip >= 0 && state.filters.every((filter, i) => filter === filters[skip + i]);
}

function readProgram(t: Task, address: number): BpfProgram | number {
  if (t.copyIn(address, FPROG_SIZE) !== 0) return -EFAULT;
  const length = t.view.getUint16(0, true);
  const at = t.view.getUint32(8, true) + t.view.getUint32(12, true) * 4294967296;
  if (length === 0 || length > BPF_MAXINSNS) return -EINVAL;
  if (!t.creds.noNewPrivs && !t.creds.capable(CAP_SYS_ADMIN)) return -EACCES;
  if (at === 0) return -EINVAL;
  const bytes = new Uint8Array(length * FILTER_SIZE);
  if (t.mm.copyIn(at, bytes, 0, bytes.length) !== 0) return -EFAULT;
  const view = new DataView(bytes.buffer);
  const program: Instruction[] = [];
  for (let i = 0; i < bytes.length; i += FILTER_SIZE) {
    program.push({
      code: view.getUint16(i, true),
      jt: view.getUint8(i + 2),
      jf: view.getUint8(i + 3),
      k: view.getUint32(i + 4, true),
    });
  }
  return isValid(program) ? new BpfProgram(program) : -EINVAL;
}
