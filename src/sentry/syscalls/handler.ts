/** The type of a system call handler, as the kernel defines it. */
export type { SyscallHandler } from "../kernel/task.ts";
