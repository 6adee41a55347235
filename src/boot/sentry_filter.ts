/**
 * The seccomp filter of the sandbox process itself, for all its threads (Deno's too), from the moment
 * before application code runs. Whoever takes the sentry over finds no way to start a program, trace a
 * process, mount, or change identity.
 */

import {
  ALLOW,
  compileFilter,
  errno,
  type Filter,
  FILTER_TSYNC,
  installFilter,
  type Rule,
} from "../../ffi/seccomp.ts";
import { ENOSYS, EPERM } from "../abi/errno.ts";
import { SYS } from "../abi/syscall_numbers.ts";

/** Flag of seccomp(2): no mitigation against speculation that would slow the sentry down. */
const FILTER_SPEC_ALLOW = 4;
const CLONE_THREAD = 0x10000;
const SIGKILL = 9;

/** What JavaScript, its garbage collector and Deno's threads need. */
const RUNTIME = [
  SYS.brk,
  SYS.clock_getres,
  SYS.clock_gettime,
  SYS.clock_nanosleep,
  SYS.exit,
  SYS.exit_group,
  SYS.futex,
  SYS.getpid,
  SYS.getrandom,
  SYS.gettid,
  SYS.madvise,
  SYS.membarrier,
  SYS.mmap,
  SYS.mprotect,
  SYS.mremap,
  SYS.munmap,
  SYS.nanosleep,
  // The host resumes timed waits with it after the process was stopped, frozen or traced.
  SYS.restart_syscall,
  SYS.rseq,
  SYS.rt_sigaction,
  SYS.rt_sigprocmask,
  SYS.rt_sigreturn,
  SYS.sched_getaffinity,
  SYS.sched_getparam,
  SYS.sched_getscheduler,
  SYS.sched_yield,
  SYS.set_robust_list,
  SYS.sigaltstack,
  SYS.sysinfo,
];

/** Descriptors: host files beneath the root, standard streams, terminals, events. */
const FILES = [
  SYS.close,
  SYS.copy_file_range,
  SYS.dup,
  SYS.dup3,
  SYS.epoll_create1,
  SYS.epoll_ctl,
  SYS.epoll_pwait,
  SYS.epoll_pwait2,
  SYS.epoll_wait,
  SYS.eventfd2,
  SYS.fallocate,
  SYS.fchmod,
  SYS.fchmodat,
  SYS.fchown,
  SYS.fchownat,
  SYS.fcntl,
  SYS.fdatasync,
  SYS.fgetxattr,
  SYS.flistxattr,
  SYS.flock,
  SYS.fremovexattr,
  SYS.fsetxattr,
  SYS.fstat,
  SYS.fstatfs,
  SYS.fsync,
  SYS.ftruncate,
  SYS.getdents64,
  SYS.ioctl,
  SYS.linkat,
  SYS.lseek,
  SYS.memfd_create,
  SYS.mkdirat,
  SYS.mknodat,
  SYS.newfstatat,
  SYS.openat,
  SYS.openat2,
  SYS.pipe2,
  SYS.poll,
  SYS.ppoll,
  SYS.pread64,
  SYS.pwrite64,
  SYS.read,
  SYS.readlinkat,
  SYS.readv,
  SYS.renameat2,
  SYS.statx,
  SYS.symlinkat,
  SYS.unlinkat,
  SYS.utimensat,
  SYS.write,
  SYS.writev,
];

/** Messages on the control socket. */
const CONTROL = [
  SYS.accept4,
  SYS.getsockopt,
  SYS.recvfrom,
  SYS.recvmsg,
  SYS.sendmsg,
  SYS.sendto,
  SYS.shutdown,
];

/** Stub processes: to interrupt and to bury them. */
const STUBS = [SYS.pidfd_open, SYS.tgkill, SYS.wait4];

/** Frames of the host's interfaces, many with one call. */
const LINK = [SYS.recvmmsg, SYS.sendmmsg];

/** Threads that run processors of a virtual machine, and the timers that end an application's turn. */
const KVM = [SYS.rt_sigtimedwait, SYS.tgkill, SYS.timer_settime];
/** The second byte of every ioctl request of KVM, and those that run-time needs (linux/kvm.h). */
const KVM_MAGIC = { mask: 0xff00, value: 0xae00 };
const KVM_RUN = 0xae80;
const KVM_INTERRUPT = 0x4004ae86;

/** A machine is made before this; from now on its processors run, and nothing of it changes. */
function kvmRules(): Rule[] {
  const request = (value: number): Rule => ({
    nr: SYS.ioctl,
    args: [{ arg: 1, op: "masked", mask: 0xffffffff, value }],
    action: ALLOW,
  });
  return [
    request(KVM_RUN),
    request(KVM_INTERRUPT),
    { nr: SYS.ioctl, args: [{ arg: 1, op: "masked", ...KVM_MAGIC }], action: errno(EPERM) },
  ];
}

/** Names of threads, and of memory. */
const PR_SET_NAME = 15;
const PR_SET_VMA = 0x53564d41;

/** The filter of a sandbox on this platform. `link` is whether it has an interface of the host. */
export function filterOf(platform: string, link: boolean): Filter {
  const isKvm = platform === "kvm";
  const processes = isKvm ? KVM : STUBS;
  const rules: Rule[] = [
    ...(isKvm ? kvmRules() : []),
    { nr: [...RUNTIME, ...FILES, ...CONTROL, ...processes, ...(link ? LINK : [])], action: ALLOW },
    { nr: SYS.prctl, args: [{ arg: 0, op: "eq", value: PR_SET_NAME }], action: ALLOW },
    { nr: SYS.prctl, args: [{ arg: 0, op: "eq", value: PR_SET_VMA }], action: ALLOW },
    // Threads of this process, no processes. clone3 hides its flags from a filter: ENOSYS has the C
    // library take clone.
    {
      nr: SYS.clone,
      args: [{ arg: 0, op: "masked", mask: CLONE_THREAD, value: CLONE_THREAD }],
      action: ALLOW,
    },
    { nr: SYS.clone3, action: errno(ENOSYS) },
  ];
  if (!isKvm) {
    rules.push({ nr: SYS.kill, args: [{ arg: 1, op: "eq", value: SIGKILL }], action: ALLOW });
  }
  if (platform === "ptrace") rules.push({ nr: SYS.ptrace, action: ALLOW });
  return { rules, otherwise: errno(EPERM) };
}

/** Puts the process under its filter; 0 or a negative errno. */
export function confineSentry(filter: Filter): number {
  return installFilter(compileFilter(filter), FILTER_TSYNC | FILTER_SPEC_ALLOW);
}

/** A line that says what the filter admits, for the log. */
export function describeFilter(filter: Filter): string {
  const names = new Map<number, string>(Object.entries(SYS).map(([name, nr]) => [nr, name]));
  const admitted = new Map<string, string[]>();
  for (const { nr = [], args = [], action } of filter.rules) {
    if (action !== ALLOW) continue;
    for (const each of typeof nr === "number" ? [nr] : nr) {
      const name = names.get(each) ?? String(each);
      const tests = admitted.get(name) ?? [];
      if (args.length > 0) tests.push(args.map((test) => `argument ${test.arg} ${test.op}`).join());
      admitted.set(name, tests);
    }
  }
  const list = [...admitted].sort(([a], [b]) => a < b ? -1 : 1)
    .map(([name, tests]) => tests.length === 0 ? name : `${name}(${tests.join(" or ")})`);
  return `seccomp filter admits ${list.length} system calls: ${list.join(" ")}`;
}

/** The system calls that the widest filter admits. */
export const ADMITTED: readonly number[] = [
  ...RUNTIME,
  ...FILES,
  ...CONTROL,
  ...STUBS,
  ...LINK,
  SYS.clone,
  SYS.kill,
  SYS.prctl,
  SYS.ptrace,
];
