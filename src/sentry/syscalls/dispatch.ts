/**
 * From the number of a system call to the function that handles it.
 *
 * This is all that running a sandbox needs of the system call table; names, argument types and levels of support are in
 * `table.ts`, which is loaded for strace and for the documentation only.
 */

import { ENOSYS } from "../../abi/errno.ts";
import { SYS, SYSCALL_LIMIT } from "../../abi/syscall_numbers.ts";
import type { SyscallHandler } from "./handler.ts";
import { REFUSALS } from "./refusals.ts";

/** What `bindHandlers` is given: the modules of the system call families by any name. */
export type HandlerModules = Readonly<Record<string, Readonly<Record<string, unknown>>>>;

const errnos = new Int32Array(SYSCALL_LIMIT).fill(ENOSYS);
for (const [nr, errno] of REFUSALS) errnos[nr] = errno;

/** The result of a system call that has no handler: a negative error number. */
export function refusal(nr: number): number {
  return nr >= 0 && nr < SYSCALL_LIMIT ? -errnos[nr] : -ENOSYS;
}

/**
 * Builds the dense array that the run loop dispatches with, from every `sys_<name>` export of the family modules. Throws
 * if one names no system call or if two modules handle the same one: both are mistakes of the program text.
 */
export function bindHandlers(modules: HandlerModules): (SyscallHandler | undefined)[] {
  const handlers: (SyscallHandler | undefined)[] = new Array(SYSCALL_LIMIT).fill(undefined);
  const numbers: Readonly<Record<string, number>> = SYS;
  for (const family in modules) {
    const exports = modules[family];
    for (const name in exports) {
      if (!name.startsWith("sys_")) continue;
      const nr = Object.hasOwn(SYS, name.slice(4)) ? numbers[name.slice(4)] : undefined;
      if (nr === undefined) throw new Error(`${family}: ${name} is the name of no system call`);
      const handler = exports[name] as SyscallHandler;
      if (handlers[nr] !== undefined && handlers[nr] !== handler) {
        throw new Error(`${family}: ${name} is handled twice`);
      }
      handlers[nr] = handler;
    }
  }
  return handlers;
}
