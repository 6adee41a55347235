/** The trace of system calls, whose tables nothing else needs: a part of the program that is loaded by itself. */

import type { BootOptions } from "../container/config.ts";
import { writeAll } from "../container/log.ts";
import type { SyscallTrace } from "../sentry/kernel/run_loop.ts";
import { TaskTrace } from "../sentry/strace/task_trace.ts";

/** Opens the trace, which goes where the sandbox reports. */
export function openTrace(options: Pick<BootOptions, "log">): SyscallTrace {
  return new TaskTrace((line: string) => {
    if (options.log.toFile) options.log.info(line);
    else writeAll(Deno.stderr, line + "\n");
  });
}
