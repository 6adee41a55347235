/** Starts a process from outside of the sandbox: the first one, and those of `exec`. */

import { EAGAIN, EPERM } from "../../abi/errno.ts";
import { AT_FDCWD } from "../../abi/fcntl.ts";
import { PlainContext } from "../vfs/context.ts";
import type { FdTable } from "../vfs/fd_table.ts";
import type { FsContext } from "../vfs/fs_context.ts";
import { watchCpuLimit } from "./cpu_limit.ts";
import type { Credentials } from "./credentials.ts";
import type { Kernel } from "./kernel.ts";
import type { NsProxy } from "./namespaces.ts";
import { ProcessGroup, Session } from "./process_group.ts";
import { prepareProgram } from "./program.ts";
import type { Rlimits } from "./rlimits.ts";
import { SignalHandlers } from "./signal_set.ts";
import { Task } from "./task.ts";
import { enterProgram } from "./task_exec.ts";
import { type ExitWatcher, ThreadGroup } from "./thread_group.ts";

/** What to start. Texts are byte strings. The process takes over the uses of `files` and `fs`. */
export interface ProcessStart {
  /** A name without a slash must have been looked up already. */
  path: string;
  argv: string[];
  envp: string[];
  creds: Credentials;
  rlimits: Rlimits;
  files: FdTable;
  fs: FsContext;
  nsproxy: NsProxy;
  exitWatcher: ExitWatcher | null;
  /** Whether signals without a handler do nothing to the first process, as to init of a container; true if absent. */
  unkillable?: boolean;
  /** Called before the program runs, for the controlling terminal. */
  prepare?: (t: Task) => void;
}

/**
 * Makes a process in a session of its own that runs a program. A negative errno says that the program can not be
 * loaded; then nothing is left of the process.
 */
export function startProcess(kernel: Kernel, start: ProcessStart): Task | number {
  if (kernel.taskCount >= kernel.maxTasks) return -EAGAIN;
  const ns = start.nsproxy.pidForChildren;
  if (ns.dead) return -EPERM;
  const { files, fs, nsproxy } = start;
  const program = prepareProgram(
    new PlainContext(kernel, start.creds, fs, files),
    AT_FDCWD,
    start.path,
    0,
    start.argv,
    start.envp,
    start.rlimits.soft,
  );
  if (typeof program === "number") return program;
  const pid = ns.allocate();
  if (pid === null) {
    program.mm.release();
    return -EAGAIN;
  }
  const t = new Task({
    kernel,
    pid,
    group: null,
    ctx: program.mm.as.newContext(),
    mm: program.mm,
    files,
    fs,
    creds: program.creds,
    nsproxy,
    name: program.name,
    affinity: affinityOf(kernel.cpus),
  });
  pid.task = t;
  nsproxy.retain();
  const group = new ThreadGroup(kernel, pid, t, new SignalHandlers());
  t.group = group;
  group.tasks.push(t);
  group.rlimits = start.rlimits;
  t.mm.limits = start.rlimits.soft;
  group.exitWatcher = start.exitWatcher;
  group.hasExecuted = true;
  if (ns.reaper === null) {
    ns.reaper = group;
    group.unkillable = start.unkillable ?? true;
  }
  new ProcessGroup(pid, new Session(pid, group)).add(group);
  kernel.taskCount++;
  kernel.forks++;
  kernel.accounts.addTasks(t.creds.ruid, 1);
  watchCpuLimit(group);
  enterProgram(t, program);
  start.prepare?.(t);
  kernel.enqueue(t);
  return t;
}

/** A mask of all processors. */
function affinityOf(cpus: number): Uint8Array {
  const mask = new Uint8Array(Math.ceil(cpus / 64) * 8);
  for (let i = 0; i < cpus; i++) mask[i >> 3] |= 1 << (i & 7);
  return mask;
}
