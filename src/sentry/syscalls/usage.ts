/** What processes have used: getrusage(2), times(2). */

import { EFAULT, EINVAL } from "../../abi/errno.ts";
import { write64 } from "../../abi/int64.ts";
import { RUSAGE_CHILDREN, RUSAGE_SELF, RUSAGE_THREAD } from "../../abi/resource.ts";
import { writeRusage } from "../../abi/structs/process.ts";
import { NSEC_PER_TICK } from "../../abi/time.ts";
import type { Task } from "../kernel/task.ts";
import { Usage } from "../kernel/thread_group.ts";

const RUSAGE_SIZE = 144;

/** Writes a struct rusage of the application; 0 or -EFAULT. */
export function putUsage(t: Task, address: number, usage: Usage): number {
  writeRusage(
    t.view,
    0,
    usage.userTime,
    usage.systemTime,
    usage.maxRss,
    usage.minorFaults,
    usage.voluntarySwitches,
    usage.involuntarySwitches,
  );
  return t.copyOut(address, RUSAGE_SIZE);
}

/** getrusage(2). */
export function sys_getrusage(t: Task): number {
  const usage = new Usage();
  switch (t.args[0] | 0) {
    case RUSAGE_SELF:
      t.group.collectUsage(usage);
      break;
    case RUSAGE_CHILDREN:
      usage.add(t.group.childUsage);
      break;
    case RUSAGE_THREAD:
      usage.add(t.currentUsage());
      break;
    default:
      return -EINVAL;
  }
  return putUsage(t, t.args[1], usage);
}

/** times(2). */
export function sys_times(t: Task): number {
  if (t.args[0] !== 0) {
    const own = new Usage();
    t.group.collectUsage(own);
    const children = t.group.childUsage;
    write64(t.view, 0, ticks(own.userTime));
    write64(t.view, 8, ticks(own.systemTime));
    write64(t.view, 16, ticks(children.userTime));
    write64(t.view, 24, ticks(children.systemTime));
    if (t.copyOut(t.args[0], 32) !== 0) return -EFAULT;
  }
  return ticks(t.kernel.clock.monotonic());
}

function ticks(nanoseconds: number): number {
  return Math.floor(nanoseconds / NSEC_PER_TICK);
}
