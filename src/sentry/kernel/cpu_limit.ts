/** RLIMIT_CPU (setrlimit(2)): SIGXCPU each second beyond the soft limit, SIGKILL at the hard one. */

import { RLIMIT_CPU } from "../../abi/resource.ts";
import { SIGKILL, SIGXCPU } from "../../abi/signals.ts";
import { SigInfo } from "./signal_set.ts";
import { sendToGroup } from "./task_signals.ts";
import type { ThreadGroup } from "./thread_group.ts";
import { Timer } from "./timers.ts";

/** Looks at the CPU time of a process whenever its limit may have been reached. */
export class CpuLimitTimer extends Timer {
  readonly group: ThreadGroup;

  constructor(group: ThreadGroup) {
    super();
    this.group = group;
  }

  override fire(): void {
    const { group } = this;
    const { soft, hard } = group.rlimits;
    const seconds = group.cpuTime() / 1e9;
    if (seconds >= hard[RLIMIT_CPU]) {
      sendToGroup(group, SigInfo.kernel(SIGKILL), true);
      return;
    }
    if (seconds >= soft[RLIMIT_CPU]) {
      sendToGroup(group, SigInfo.kernel(SIGXCPU));
      // As on Linux the limit itself moves on, so that the next signal comes a second later.
      soft[RLIMIT_CPU] = Math.floor(seconds) + 1;
    }
    this.schedule();
  }

  /** Sets the time to look again: the process uses at most as much as its running threads can. */
  schedule(): void {
    const { group } = this;
    const { soft, hard } = group.rlimits;
    const limit = Math.min(soft[RLIMIT_CPU], hard[RLIMIT_CPU]);
    group.kernel.timers.cancel(this);
    if (limit === Infinity || group.exiting) return;
    const threads = Math.max(1, Math.min(group.tasks.length, group.kernel.cpus));
    const left = limit * 1e9 - group.cpuTime();
    this.deadline = group.kernel.timers.now() + Math.max(10_000_000, left / threads);
    group.kernel.timers.add(this);
  }
}

/** Starts to watch the limit of a process that has one. */
export function watchCpuLimit(group: ThreadGroup): void {
  if (group.rlimits.soft[RLIMIT_CPU] === Infinity && group.cpuLimit === null) return;
  group.cpuLimit ??= new CpuLimitTimer(group);
  group.cpuLimit.schedule();
}
