/** Starts a process from outside of the sandbox: the first one, and those of `exec`. */

import { ESRCH } from "../../abi/errno.ts";
import { MemoryManager } from "../mm/memory_manager.ts";
import type { FdTable } from "../vfs/fd_table.ts";
import type { FsContext } from "../vfs/fs_context.ts";
import type { Credentials } from "./credentials.ts";
import type { Kernel } from "./kernel.ts";
import type { NsProxy } from "./namespaces.ts";
import { ProcessGroup, Session } from "./process_group.ts";
import type { Rlimits } from "./rlimits.ts";
import { SignalHandlers } from "./signal_set.ts";
import { Task } from "./task.ts";
import { execTask } from "./task_exec.ts";
import { type ExitWatcher, ThreadGroup } from "./thread_group.ts";
import { NO_RETURN } from "./wait.ts";

/** What to start. Texts are byte strings. */
export interface ProcessStart {
  path: string;
  argv: string[];
  envp: string[];
  creds: Credentials;
  rlimits: Rlimits;
  files: FdTable;
  fs: FsContext;
  nsproxy: NsProxy;
  exitWatcher: ExitWatcher | null;
  /** Called before the program is loaded, for the controlling terminal. */
  prepare?: (t: Task) => void;
}

/**
 * Makes a process in a session of its own and loads its program, as init does it on Linux: a task
 * without memory calls execve. A negative errno says that the program can not be loaded; then
 * nothing is left of the process.
 */
export function startProcess(kernel: Kernel, start: ProcessStart): Task | number {
  const ns = start.nsproxy.pidForChildren;
  const pid = ns.allocate();
  if (pid === null) return -ESRCH;
  const mm = new MemoryManager(kernel.frames, kernel.platform);
  const ctx = mm.as.newContext();
  const t = new Task({
    kernel,
    pid,
    group: null,
    ctx,
    mm,
    files: start.files,
    fs: start.fs,
    creds: start.creds,
    nsproxy: start.nsproxy,
    name: "init",
    affinity: affinityOf(kernel.cpus),
  });
  const group = new ThreadGroup(kernel, pid, t, new SignalHandlers());
  t.group = group;
  group.tasks.push(t);
  group.rlimits = start.rlimits;
  mm.limits = start.rlimits.soft;
  group.exitWatcher = start.exitWatcher;
  const session = new Session(pid, group);
  group.pgrp = new ProcessGroup(pid, session);
  group.pgrp.add(group);
  kernel.taskCount++;
  kernel.accounts.add(start.creds);
  if (ns.init === null) {
    ns.init = group;
    group.unkillable = true;
  }
  pid.task = t;
  start.prepare?.(t);
  const r = execTask(t, start.path, start.argv, start.envp);
  if (r !== NO_RETURN) return r;
  kernel.enqueue(t);
  return t;
}

function affinityOf(cpus: number): Uint8Array {
  const mask = new Uint8Array(128);
  for (let i = 0; i < cpus; i++) mask[i >> 3] |= 1 << (i & 7);
  return mask;
}
