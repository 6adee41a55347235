/**
 * What is missing in the system calls that the sentry provides in part. The compatibility document tells it to users.
 */

import type { SyscallName } from "../../abi/syscall_numbers.ts";

/** A sentence for each system call that has a handler which does not do all that Linux does. */
export const PARTIAL: { readonly [name in SyscallName]?: string } = {};
