/**
 * The system call table: number, name, argument types and result type of every system call of Linux 6.12 on amd64.
 *
 * Strace, the compatibility document, the benchmarks and the tests read it. The run loop does not: it needs
 * `dispatch.ts` only.
 */

import { ENOSYS } from "../../abi/errno.ts";
import { SYS, type SyscallName } from "../../abi/syscall_numbers.ts";
import type { ArgType, ResultType } from "./arg_types.ts";
import { decimal } from "./arg_types.ts";
import { REFUSALS } from "./refusals.ts";
import { fileSignatures } from "./signatures_file.ts";
import { ipcSignatures } from "./signatures_ipc.ts";
import { memorySignatures } from "./signatures_memory.ts";
import { processSignatures } from "./signatures_process.ts";
import { signalSignatures } from "./signatures_signal.ts";
import { socketSignatures } from "./signatures_socket.ts";
import { systemSignatures } from "./signatures_system.ts";
import { timeSignatures } from "./signatures_time.ts";
import { ABSENT, PARTIAL } from "./support_notes.ts";

/** How far the sentry provides a system call. */
export type Support =
  | { readonly level: "full" }
  | { readonly level: "partial"; readonly missing: string }
  | { readonly level: "refused"; readonly errno: number; readonly reason: string };

/** A row of a signature file: the arguments, and the result if it is no plain number. */
export type Signature = readonly [args: readonly ArgType[], result?: ResultType];

/** The signatures of one family of system calls. */
export type Signatures = { readonly [name in SyscallName]?: Signature };

/** One system call. */
export interface Syscall {
  readonly nr: number;
  readonly name: SyscallName;
  /** The family that the documentation lists it in. */
  readonly family: string;
  readonly args: readonly ArgType[];
  readonly result: ResultType;
}

const families: Readonly<Record<string, Signatures>> = {
  "Files and file systems": fileSignatures,
  "Memory": memorySignatures,
  "Processes and threads": processSignatures,
  "Signals": signalSignatures,
  "Time and futexes": timeSignatures,
  "Sockets": socketSignatures,
  "System V and POSIX IPC, asynchronous I/O": ipcSignatures,
  "System, modules, keys and what Linux dropped": systemSignatures,
};

function build(): Syscall[] {
  const rows: Syscall[] = [];
  for (const [family, signatures] of Object.entries(families)) {
    for (const [name, [args, result]] of Object.entries(signatures)) {
      const known = name as SyscallName;
      rows.push({ nr: SYS[known], name: known, family, args, result: result ?? decimal });
    }
  }
  return rows.sort((a, b) => a.nr - b.nr);
}

/** Every system call, by number. */
export const table: readonly Syscall[] = build();

const byNumber = new Map(table.map((row) => [row.nr, row]));

/** The row of a number, if Linux has such a system call. */
export function syscall(nr: number): Syscall | undefined {
  return byNumber.get(nr);
}

const refusals = new Map(REFUSALS.map(([nr, errno, reason]) => [nr, { errno, reason }]));

/** How far the sentry provides a system call, given whether it has a handler for it. */
export function support(row: Syscall, handled: boolean): Support {
  if (!handled) {
    const refusal = refusals.get(row.nr);
    if (refusal !== undefined) return { level: "refused", ...refusal };
    const reason = ABSENT[row.name] ?? "The sentry does not provide it.";
    return { level: "refused", errno: ENOSYS, reason };
  }
  const missing = PARTIAL[row.name];
  return missing === undefined ? { level: "full" } : { level: "partial", missing };
}
