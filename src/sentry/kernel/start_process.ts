/** Starting a process from outside of the sandbox: the first one, and those of `exec`. */

import { EAGAIN, EPERM } from "../../abi/errno.ts";
import { AT_FDCWD } from "../../abi/fcntl.ts";
import type { FdTable } from "../vfs/fd_table.ts";
import type { FsContext } from "../vfs/fs_context.ts";
import { PlainContext } from "../vfs/context.ts";
import type { Credentials } from "./credentials.ts";
import type { Kernel } from "./kernel.ts";
import type { NsProxy } from "./namespaces.ts";
import { ProcessGroup, Session } from "./process_group.ts";
import { prepareProgram } from "./program.ts";
import type { Rlimits } from "./rlimits.ts";
import { SignalHandlers } from "./signal_set.ts";
import { enterProgram } from "./task_exec.ts";
import { Task } from "./task.ts";
import { type ExitWatcher, ThreadGroup } from "./thread_group.ts";

/** What a process from outside is started with. The process takes over the uses of `fs` and `files`. */
export interface ProcessRequest {
  /** Path of the program; a name without a slash must have been looked up already. */
  path: string;
  argv: string[];
  env: string[];
  creds: Credentials;
  nsproxy: NsProxy;
  fs: FsContext;
  files: FdTable;
  rlimits: Rlimits;
  /** Whether signals without a handler do nothing to it, as to init of a container. */
  unkillable: boolean;
  /** Told when it has ended. */
  exitWatcher: ExitWatcher | null;
}

/** Starts a process, in a session of its own; the process, or a negative errno. */
export function startProcess(kernel: Kernel, request: ProcessRequest): ThreadGroup | number {
  if (kernel.taskCount >= kernel.maxTasks) return -EAGAIN;
  const ns = request.nsproxy.pidForChildren;
  if (ns.dead) return -EPERM;
  const { fs, files, nsproxy } = request;
  const ctx = new PlainContext(kernel, request.creds, fs, files);
  const program = prepareProgram(
    ctx,
    AT_FDCWD,
    request.path,
    0,
    request.argv,
    request.env,
    request.rlimits.soft,
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
    affinity: allProcessors(kernel.cpus),
  });
  pid.task = t;
  const group = new ThreadGroup(kernel, pid, t, new SignalHandlers());
  t.group = group;
  group.tasks.push(t);
  group.rlimits = request.rlimits;
  t.mm.limits = request.rlimits.soft;
  group.exitWatcher = request.exitWatcher;
  group.hasExecuted = true;
  if (ns.reaper === null) {
    ns.reaper = group;
    group.unkillable = request.unkillable;
  }
  new ProcessGroup(pid, new Session(pid, group)).add(group);
  kernel.taskCount++;
  kernel.forks++;
  kernel.accounts.addTasks(t.creds.ruid, 1);
  enterProgram(t, program);
  kernel.enqueue(t);
  return group;
}

function allProcessors(count: number): Uint8Array {
  const mask = new Uint8Array(Math.ceil(count / 64) * 8);
  for (let cpu = 0; cpu < count; cpu++) mask[cpu >> 3] |= 1 << (cpu & 7);
  return mask;
}
