/**
 * What the sandbox process gives up, for all of its threads, before application code runs: the host's mounts, its IPC, UTS
 * and network namespaces, and the capabilities that it needs no more. The process id namespace is given when a process is
 * made (`src/cli/launch.ts`); the seccomp filter comes last (`sentry_filter.ts`).
 *
 * @module
 */

import { onOtherThreads } from "../../ffi/every_thread.ts";
import { storedCode } from "../../ffi/kept_code.ts";
import * as libc from "../../ffi/libc.ts";
import { SyscallProgram } from "../../ffi/spawn.ts";
import * as CAP from "../abi/capability.ts";
import { errnoName, errnoText } from "../abi/errno.ts";
import { SYS } from "../abi/syscall_numbers.ts";
import { RunscError } from "../container/error.ts";
import type { Log } from "../container/log.ts";
import { enterEmptyRoot } from "./own_root.ts";

const CLONE_FS = 0x200;
const CLONE_NEWNS = 0x20000;
const CLONE_NEWUTS = 0x4000000;
const CLONE_NEWIPC = 0x8000000;
const CLONE_NEWNET = 0x40000000;
const CAP_VERSION_3 = 0x20080522;

/** To serve files of others as root does. All else that capabilities allow is done by now, or refused by the filter. */
const KEPT: readonly number[] = [
  CAP.CAP_CHOWN,
  CAP.CAP_DAC_OVERRIDE,
  CAP.CAP_DAC_READ_SEARCH,
  CAP.CAP_FOWNER,
  CAP.CAP_FSETID,
  CAP.CAP_MKNOD,
  CAP.CAP_SETFCAP,
];

/** What was done before, or must be left. */
export interface IsolationOptions {
  /** The process has a mount namespace of its own. */
  hasRoot: boolean;
  /** The network of this process is the container's, or shall stay the host's. */
  keepNetwork: boolean;
  /** Some threads run processors of a virtual machine and nothing else: they take no signals. */
  hasProcessors: boolean;
  log: Log;
}

/** Takes all of it away; throws a RunscError where capabilities stay. Without the rights to it, namespaces stay. */
export function isolateProcess(
  { hasRoot, keepNetwork, hasProcessors, log }: IsolationOptions,
): void {
  const flags = CLONE_NEWIPC | CLONE_NEWUTS | (keepNetwork ? 0 : CLONE_NEWNET);
  // Run from source, the program has modules that it may still have to load.
  const newRoot = !hasRoot && storedCode("stub") !== null;
  const entered = newRoot ? enterEmptyRoot(flags) : libc.unshare(flags);
  if (entered < 0) log.debug(`no namespaces of its own: ${errnoName(-entered)}`);
  const [header, sets] = keptCapabilities();
  const program = new SyscallProgram(4);
  let pidfd = -1;
  if (entered === 0) {
    pidfd = libc.pidfd_open(libc.getpid(), 0);
    const mounts = hasRoot || newRoot ? CLONE_NEWNS : 0;
    if (mounts !== 0) program.try(SYS.unshare, CLONE_FS);
    // The network may have been entered by this thread alone.
    program.add(SYS.setns, pidfd, mounts | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWNET);
  }
  program.add(SYS.capset, header, sets);
  let r = onOtherThreads(program, hasProcessors);
  if (pidfd >= 0) libc.close(pidfd);
  if (r === 0) r = libc.capset(header, sets);
  if (r < 0) {
    throw new RunscError({ what: "cannot isolate the sandbox process", why: errnoText(-r) });
  }
}

/** Arguments of capset(2) that leave of what this thread has those that are needed. */
function keptCapabilities(): [header: Uint8Array<ArrayBuffer>, sets: Uint8Array<ArrayBuffer>] {
  const header = new Uint8Array(8);
  new DataView(header.buffer).setUint32(0, CAP_VERSION_3, true);
  const sets = new Uint8Array(24);
  const view = new DataView(sets.buffer);
  libc.capget(header, sets);
  for (let word = 0; word < 2; word++) {
    let kept = 0;
    for (const cap of KEPT) if (cap >> 5 === word) kept |= 1 << (cap & 31);
    kept &= view.getUint32(12 * word + 4, true);
    view.setUint32(12 * word, kept, true);
    view.setUint32(12 * word + 4, kept, true);
    view.setUint32(12 * word + 8, 0, true);
  }
  return [header, sets];
}
