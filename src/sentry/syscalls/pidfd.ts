/** Descriptors of processes (pidfd_open(2)), and comparing processes (kcmp(2)). */

import { CAP_SYS_PTRACE } from "../../abi/capability.ts";
import { EBADF, EFAULT, EINVAL, ENOENT, EPERM, ESRCH } from "../../abi/errno.ts";
import { RLIMIT_NOFILE } from "../../abi/resource.ts";
import {
  KCMP_EPOLL_TFD,
  KCMP_FILE,
  KCMP_FILES,
  KCMP_FS,
  KCMP_IO,
  KCMP_SIGHAND,
  KCMP_SYSVSEM,
  KCMP_VM,
  PIDFD_NONBLOCK,
} from "../../abi/sched.ts";
import { SI_TKILL, SI_USER } from "../../abi/signals.ts";
import { EpollFile } from "../fs/epoll/epoll_file.ts";
import { TaskDir } from "../fs/proc/task_dir.ts";
import { PidFile } from "../kernel/pidfd.ts";
import { checkKill, sendToGroup } from "../kernel/task_signals.ts";
import type { Task } from "../kernel/task.ts";
import type { ThreadGroup } from "../kernel/thread_group.ts";
import type { File } from "../vfs/file.ts";
import { killGroup, queuedInfo } from "./signal.ts";

/** pidfd_open(2). */
export function sys_pidfd_open(t: Task): number {
  const pid = t.args[0] | 0;
  const flags = t.args[1] | 0;
  if ((flags & ~PIDFD_NONBLOCK) !== 0 || pid <= 0) return -EINVAL;
  const group = t.pid.ns.process(pid);
  if (group === null) return t.pid.ns.task(pid) === null ? -ESRCH : -EINVAL;
  const file = new PidFile(t.kernel, group, flags);
  const fd = t.files.install(file, true, 0, t.group.rlimits.soft[RLIMIT_NOFILE]);
  if (fd < 0) file.unref();
  return fd;
}

/** pidfd_send_signal(2). */
export function sys_pidfd_send_signal(t: Task): number {
  const file = t.files.get(t.args[0] | 0);
  const signo = t.args[1] | 0;
  if (t.args[3] !== 0) return -EINVAL;
  const group = file === null ? null : processOf(file);
  if (group === null) return -EBADF;
  if (signo < 0 || signo > 64) return -EINVAL;
  if (group.isReaped) return -ESRCH;
  if (t.args[2] === 0) return killGroup(t, group, signo, SI_USER);
  const info = queuedInfo(t, t.args[2], signo);
  if (typeof info === "number") return info;
  if (t.view.getInt32(0, true) !== signo) return -EINVAL;
  if ((info.code >= 0 || info.code === SI_TKILL) && group !== t.group) return -EPERM;
  const r = checkKill(t, group.leader, signo);
  return r !== 0 || signo === 0 ? r : sendToGroup(group, info);
}

/** The process that a pidfd or an open directory /proc/PID stands for. */
function processOf(file: File): ThreadGroup | null {
  if (file instanceof PidFile) return file.group;
  const { inode } = file;
  return inode instanceof TaskDir && inode.task.group.leader === inode.task
    ? inode.task.group
    : null;
}

/** pidfd_getfd(2). */
export function sys_pidfd_getfd(t: Task): number {
  const file = t.files.get(t.args[0] | 0);
  if ((t.args[2] | 0) !== 0) return -EINVAL;
  if (!(file instanceof PidFile)) return -EBADF;
  const group = file.group;
  if (group.isZombie) return -ESRCH;
  if (!mayInspect(t, group.tasks[0])) return -EPERM;
  const wanted = group.tasks[0].files.get(t.args[1] | 0);
  if (wanted === null) return -EBADF;
  const fd = t.files.install(wanted.ref(), true, 0, t.group.rlimits.soft[RLIMIT_NOFILE]);
  if (fd < 0) wanted.unref();
  return fd;
}

/** process_mrelease(2): a process that was killed gives its memory back by itself, as soon as it ends. */
export function sys_process_mrelease(t: Task): number {
  if (t.args[1] !== 0) return -EINVAL;
  const file = t.files.get(t.args[0] | 0);
  if (!(file instanceof PidFile)) return -EBADF;
  const { group } = file;
  if (group.isZombie || group.isReaped || group.tasks.length === 0) return -ESRCH;
  return group.exiting || group.tasks[0].isDying() ? 0 : -EINVAL;
}

/** Whether `t` may look into another task, as ptrace(2) has it. */
export function mayInspect(t: Task, other: Task): boolean {
  if (t.group === other.group) return true;
  const a = t.creds;
  const b = other.creds;
  const same = a.fsuid === b.ruid && a.fsuid === b.euid && a.fsuid === b.suid &&
    a.fsgid === b.rgid && a.fsgid === b.egid && a.fsgid === b.sgid;
  if ((same && other.mm.dumpable === 1) || a.capable(CAP_SYS_PTRACE, b.userNs)) {
    return b.permitted.isSubsetOf(a.permitted) || a.capable(CAP_SYS_PTRACE, b.userNs);
  }
  return false;
}

/** kcmp(2): 0 for the same, 3 for different with no order. */
export function sys_kcmp(t: Task): number {
  const a = t.pid.ns.task(t.args[0] | 0);
  const b = t.pid.ns.task(t.args[1] | 0);
  if (a === null || b === null) return -ESRCH;
  if (!mayInspect(t, a) || !mayInspect(t, b)) return -EPERM;
  switch (t.args[2] | 0) {
    case KCMP_FILE: {
      const x = a.files.get(t.args[3] | 0);
      const y = b.files.get(t.args[4] | 0);
      return x === null || y === null ? -EBADF : compareObjects(x, y);
    }
    case KCMP_VM:
      return compareObjects(a.mm, b.mm);
    case KCMP_FILES:
      return compareObjects(a.files, b.files);
    case KCMP_FS:
      return compareObjects(a.fs, b.fs);
    case KCMP_SIGHAND:
      return compareObjects(a.group.handlers, b.group.handlers);
    case KCMP_IO:
      return compareObjects(a, b);
    case KCMP_SYSVSEM:
      return compareObjects(a.semUndo, b.semUndo);
    case KCMP_EPOLL_TFD:
      return compareTarget(t, a, b);
    default:
      return -EINVAL;
  }
}

/** Places of objects in an order that has no other meaning: what kcmp(2) sorts by. */
const places: WeakMap<object, number> = new WeakMap();
let lastPlace = 0;

function placeOf(object: object): number {
  let place = places.get(object);
  if (place === undefined) places.set(object, place = ++lastPlace);
  return place;
}

/** 0 for the same object, 1 or 2 for one before or after the other. */
function compareObjects(a: object | null, b: object | null): number {
  if (a === b) return 0;
  if (a === null) return 1;
  if (b === null) return 2;
  return placeOf(a) < placeOf(b) ? 1 : 2;
}

/** KCMP_EPOLL_TFD: a description of `a`, and the one that an epoll of `b` watches. */
function compareTarget(t: Task, a: Task, b: Task): number {
  if (t.copyIn(t.args[4], 12) !== 0) return -EFAULT;
  const epoll = b.files.get(t.view.getInt32(0, true));
  const wanted = t.view.getInt32(4, true);
  let skip = t.view.getUint32(8, true);
  const file = a.files.get(t.args[3] | 0);
  if (file === null || epoll === null) return -EBADF;
  if (!(epoll instanceof EpollFile)) return -EINVAL;
  for (const [fd, target] of epoll.targets()) {
    if (fd === wanted && skip-- === 0) return compareObjects(file, target);
  }
  return -ENOENT;
}
