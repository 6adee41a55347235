/**
 * System calls without a handler that do not answer ENOSYS. Linux answers these so to a process that lacks the
 * capability, or where the kernel is built without the feature, and programs know how to go on from there.
 */

import { EACCES, EBADF, EPERM } from "../../abi/errno.ts";
import { SYS } from "../../abi/syscall_numbers.ts";

const MACHINE = "It changes the machine, which no sandbox may.";
const OBSERVE = "It observes or loads code into the kernel, which no sandbox may.";

/** Number, error and reason of each call that is refused with another error than ENOSYS. */
export const REFUSALS: readonly (readonly [nr: number, errno: number, reason: string])[] = [
  [SYS.acct, EPERM, MACHINE],
  [SYS.settimeofday, EPERM, MACHINE],
  [SYS.clock_settime, EPERM, MACHINE],
  [SYS.clock_adjtime, EPERM, MACHINE],
  [SYS.swapon, EPERM, MACHINE],
  [SYS.swapoff, EPERM, MACHINE],
  [SYS.reboot, EPERM, MACHINE],
  [SYS.iopl, EPERM, MACHINE],
  [SYS.ioperm, EPERM, MACHINE],
  [SYS.init_module, EPERM, OBSERVE],
  [SYS.finit_module, EPERM, OBSERVE],
  [SYS.delete_module, EPERM, OBSERVE],
  [SYS.kexec_load, EPERM, OBSERVE],
  [SYS.kexec_file_load, EPERM, OBSERVE],
  [SYS.bpf, EPERM, OBSERVE],
  [SYS.perf_event_open, EACCES, OBSERVE],
  [SYS.fanotify_init, EPERM, "Watching whole mounts is not supported."],
  [SYS.fanotify_mark, EBADF, "There are no fanotify descriptors."],
  [SYS.userfaultfd, EPERM, "Page faults are not handed to user space."],
  [
    SYS.open_by_handle_at,
    EPERM,
    "Opening a file by its handle goes around the root of a container.",
  ],
  [SYS.vhangup, EPERM, "The terminal belongs to the host."],
  [SYS.quotactl, EPERM, "File systems of the sandbox have no quotas."],
  [SYS.quotactl_fd, EPERM, "File systems of the sandbox have no quotas."],
];
