/** membarrier(2). */

import { EINVAL, EPERM, ERESTARTNOINTR } from "../../abi/errno.ts";
import { POLLIN } from "../../abi/poll.ts";
import {
  MEMBARRIER_CMD_GET_REGISTRATIONS,
  MEMBARRIER_CMD_GLOBAL,
  MEMBARRIER_CMD_GLOBAL_EXPEDITED,
  MEMBARRIER_CMD_PRIVATE_EXPEDITED,
  MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE,
  MEMBARRIER_CMD_QUERY,
  MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED,
  MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED,
  MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE,
} from "../../abi/prctl.ts";
import { Barrier, endBarrier } from "../kernel/membarrier.ts";
import type { Task } from "../kernel/task.ts";
import { BLOCKED } from "../kernel/wait.ts";

/** All but those of restartable sequences, which there are none of. */
const COMMANDS = MEMBARRIER_CMD_GLOBAL | MEMBARRIER_CMD_GLOBAL_EXPEDITED |
  MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED |
  MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED | MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE |
  MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE | MEMBARRIER_CMD_GET_REGISTRATIONS;

/** membarrier(2). */
export function sys_membarrier(t: Task): number {
  const command = t.args[0] | 0;
  if (t.args[1] !== 0) return -EINVAL;
  if (t.block.runs > 0) return wait(t, t.block.data as Barrier);
  const { mm, kernel } = t;
  switch (command) {
    case MEMBARRIER_CMD_QUERY:
      return COMMANDS;
    case MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED:
    case MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_SYNC_CORE:
      mm.membarrier |= command;
      return 0;
    case MEMBARRIER_CMD_GET_REGISTRATIONS:
      return mm.membarrier;
    case MEMBARRIER_CMD_GLOBAL:
      return wait(t, new Barrier(kernel, (task) => task !== t));
    case MEMBARRIER_CMD_GLOBAL_EXPEDITED:
      return wait(
        t,
        new Barrier(
          kernel,
          (task) =>
            task !== t && (task.mm.membarrier & MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED) !== 0,
        ),
      );
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED:
    case MEMBARRIER_CMD_PRIVATE_EXPEDITED_SYNC_CORE:
      // The bit that registers a command is the one above it.
      if ((mm.membarrier & (command << 1)) === 0) return -EPERM;
      return wait(t, new Barrier(kernel, (task) => task !== t && task.mm === mm));
    default:
      return -EINVAL;
  }
}

function wait(t: Task, barrier: Barrier): number {
  if (barrier.isDone) {
    endBarrier(t.kernel, barrier);
    return 0;
  }
  t.block.data = barrier;
  t.waitOn(barrier.queue, POLLIN);
  const r = t.sleep(-ERESTARTNOINTR);
  if (r !== BLOCKED) endBarrier(t.kernel, barrier);
  return r;
}
