/** What a system call handler needs of a task at least: its arguments as signed 64-bit numbers. */
export interface SyscallArguments {
  readonly args: Float64Array;
}

/**
 * Handles one system call of a task and returns its result, or a negative error number. `T` is the task type of the
 * kernel.
 */
export type SyscallHandler<T extends SyscallArguments = never> = (t: T) => number;
