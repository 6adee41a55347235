import type { SyscallTrace } from "../../sentry/kernel/run_loop.ts";
import type { Task } from "../../sentry/kernel/task.ts";

/** A trace that can be turned off and on while programs run. */
export class TraceSwitch implements SyscallTrace {
  readonly #trace: SyscallTrace;
  enabled = true;

  constructor(trace: SyscallTrace) {
    this.#trace = trace;
  }

  enter(t: Task): void {
    if (this.enabled) this.#trace.enter(t);
  }

  blocked(t: Task): void {
    if (this.enabled) this.#trace.blocked(t);
  }

  exit(t: Task, result: number): void {
    if (this.enabled) this.#trace.exit(t, result);
  }
}
