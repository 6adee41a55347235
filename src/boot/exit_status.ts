import type { ThreadGroup } from "../sentry/kernel/thread_group.ts";

/** The exit status of a process that ended, 128+N when signal N ended it, as shells and engines have it. */
export function exitStatusOf(group: ThreadGroup): number {
  const code = group.exitCode;
  return (code & 0x7f) !== 0 ? 128 + (code & 0x7f) : (code >> 8) & 0xff;
}
