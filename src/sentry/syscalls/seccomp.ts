/** Filters of system calls (seccomp(2)), which are loaded when a program first sets one. */

import type { SyscallHandler } from "./handler.ts";
import { LazyFamily } from "./lazy.ts";

const family = new LazyFamily(() => import("./seccomp_calls.ts"));

export const sys_seccomp: SyscallHandler = family.handler("seccomp");
/** PR_SET_SECCOMP of prctl(2). */
export const setSeccomp: SyscallHandler = family.handler("prctl");
