/** Descriptors of processes (pidfd_open(2)). */

import { O_RDWR } from "../../abi/fcntl.ts";
import { POLLHUP, POLLIN, POLLRDNORM } from "../../abi/poll.ts";
import { anonPath } from "../vfs/anon.ts";
import { File } from "../vfs/file.ts";
import type { Pid } from "./pid.ts";
import type { Task } from "./task.ts";
import type { ThreadGroup } from "./thread_group.ts";
import type { WaitQueue } from "./wait.ts";
import type { Kernel } from "./kernel.ts";

/** A descriptor that stands for one process, however long it lives. */
export class PidFile extends File {
  readonly pid: Pid;
  /** The process, kept so that its end can be told after its number is gone. */
  readonly group: ThreadGroup;

  constructor(kernel: Kernel, group: ThreadGroup, flags: number) {
    super(anonPath(kernel.vfs, "anon_inode:[pidfd]"), O_RDWR | flags);
    this.pid = group.pid;
    this.group = group;
  }

  override get queue(): WaitQueue {
    return this.pid.queue;
  }

  override poll(_t: Task | null): number {
    if (!this.group.isZombie) return 0;
    return POLLIN | POLLRDNORM | (this.group.isReaped ? POLLHUP : 0);
  }
}
