/** Joins strace to the tasks of the kernel. */

import { SYS } from "../../abi/syscall_numbers.ts";
import type { SyscallTrace } from "../kernel/run_loop.ts";
import type { Task } from "../kernel/task.ts";
import { EXITED, NO_RETURN } from "../kernel/wait.ts";
import type { MemoryManager } from "../mm/memory_manager.ts";
import type { GuestMemory } from "./guest_view.ts";
import { Strace } from "./strace.ts";

/** The memory of whichever task is looked at. */
class TaskMemory implements GuestMemory {
  mm: MemoryManager | null = null;

  read(addr: number, dst: Uint8Array): number {
    if (this.mm === null) return -1;
    const r = this.mm.copyIn(addr, dst, 0, dst.length);
    return r < 0 ? r : dst.length;
  }
}

/** What the run loop is given for `--strace`. */
export class TaskTrace implements SyscallTrace {
  readonly #strace: Strace;
  readonly #memory = new TaskMemory();

  /** Takes what writes one line, given without its line break. */
  constructor(write: (line: string) => void) {
    this.#strace = new Strace(write);
  }

  /** A task makes a system call. */
  enter(t: Task): void {
    this.#memory.mm = t.mm;
    this.#strace.enter(this.#memory, t.tid, t.sysno, t.args);
  }

  /** The call of a task has to wait. */
  blocked(t: Task): void {
    this.#strace.blocked(t.tid);
  }

  /** The call of a task is over. */
  exit(t: Task, result: number): void {
    if (result === EXITED) {
      this.#strace.exited(t.tid, t.exitCode);
      return;
    }
    const replaced = result === NO_RETURN && (t.sysno === SYS.execve || t.sysno === SYS.execveat);
    this.#memory.mm = t.mm;
    this.#strace.exit(this.#memory, t.tid, t.sysno, t.args, replaced ? 0 : result);
  }
}
