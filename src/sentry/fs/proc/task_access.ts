/** Which task a file of /proc/PID is about, and who may look at it. */

import { EACCES, ESRCH } from "../../../abi/errno.ts";
import { CAP_SYS_PTRACE } from "../../../abi/capability.ts";
import { Task, TaskState } from "../../kernel/task.ts";
import type { MemoryManager } from "../../mm/memory_manager.ts";
import type { PidNamespace } from "../../kernel/pid.ts";
import type { VfsContext } from "../../vfs/context.ts";

/** Whether `ctx` may look into `task` (ptrace(2), "Ptrace access mode checking"): 0 or -EACCES. */
export function mayInspect(ctx: VfsContext, task: Task): number {
  if (ctx instanceof Task && ctx.group === task.group) return 0;
  const a = ctx.creds;
  const b = task.creds;
  const same = a.fsuid === b.euid && a.fsuid === b.suid && a.fsuid === b.ruid &&
    a.fsgid === b.egid && a.fsgid === b.sgid && a.fsgid === b.rgid;
  if (same && task.mm.dumpable === 1 && b.permitted.isSubsetOf(a.permitted)) return 0;
  return a.capable(CAP_SYS_PTRACE, b.userNs) ? 0 : -EACCES;
}

/** The memory of a task, or null once it has exited. */
export function memoryOf(task: Task): MemoryManager | null {
  return task.state >= TaskState.Zombie ? null : task.mm;
}

/** Whether a task is there at all: 0 or -ESRCH. */
export function alive(task: Task): number {
  return task.state === TaskState.Dead || task.pid.task !== task ? -ESRCH : 0;
}

/** Bytes [start, end) of application memory as a byte string, as far as they can be read. */
export function readMemory(mm: MemoryManager, start: number, end: number, max = 1 << 20): string {
  const length = Math.min(Math.max(end - start, 0), max);
  const bytes = new Uint8Array(length);
  const n = mm.copyInPartial(start, bytes, 0, length);
  let text = "";
  for (let i = 0; i < n; i += 4096) {
    text += String.fromCharCode(...bytes.subarray(i, Math.min(i + 4096, n)));
  }
  return text;
}

/** The id of the parent of a task's process as `ns` sees it. */
export function parentId(task: Task, ns: PidNamespace): number {
  const parent = task.group.parent;
  return parent === null ? 0 : parent.pid.numberIn(ns);
}
