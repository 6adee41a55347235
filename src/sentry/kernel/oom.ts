/** Running out of memory: who has to go (proc(5), oom_score_adj). */

import { SIGKILL } from "../../abi/signals.ts";
import { SigInfo } from "./signal_set.ts";
import type { Task } from "./task.ts";
import { sendToGroup } from "./task_signals.ts";
import type { ThreadGroup } from "./thread_group.ts";

/** What this adjustment has is never picked (OOM_SCORE_ADJ_MIN). */
const NEVER = -1000;
/** A process that was picked has so long to go, nanoseconds, before another one is. */
const PATIENCE = 1_000_000_000;

/** The process that was picked last, and when. */
let victim: ThreadGroup | null = null;
let pickedAt = 0;

/**
 * A page that `t` touched can't be had. Kills the process with the most memory, as oom_score_adj weighs it; true if that
 * is another one, so that the page may be had soon.
 */
export function outOfMemory(t: Task): boolean {
  const { kernel, group } = t;
  const now = kernel.clock.monotonic();
  if (victim !== null && victim !== group && !victim.isZombie && !victim.isReaped) {
    if (now - pickedAt < PATIENCE) return true;
  }
  const picked = pick(t);
  victim = picked;
  pickedAt = now;
  sendToGroup(picked, SigInfo.kernel(SIGKILL), true);
  return picked !== group;
}

/** The process whose memory and adjustment weigh most; the one of `t` if there is none. */
function pick(t: Task): ThreadGroup {
  const { kernel } = t;
  const total = kernel.frames.limit;
  let most = -Infinity;
  let picked = t.group;
  for (const pid of kernel.tasks.pids()) {
    const { task } = pid;
    if (task === null || task.group.leader !== task) continue;
    const { group } = task;
    // The first process of a container ends it, so only what it started is picked.
    if (group.tasks.length === 0 || group.exiting || group.unkillable) continue;
    if (group.oomScoreAdj === NEVER) continue;
    const weight = group.tasks[0].mm.residentPages + group.oomScoreAdj * total / 1000;
    if (weight <= most) continue;
    most = weight;
    picked = group;
  }
  return picked;
}
