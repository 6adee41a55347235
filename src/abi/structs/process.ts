/**
 * Structures of processes, their limits, credentials and registers.
 */

import { write64 } from "../int64.ts";
import { array, chars, hex, i32, i64, pointer, struct, u16, u32, u64, u8 } from "../struct.ts";
import { Timeval, writeTimeval } from "./time.ts";

/** Resources that a process used (getrusage(2)). */
export const Rusage = struct("rusage", {
  ru_utime: Timeval,
  ru_stime: Timeval,
  ru_maxrss: i64,
  ru_ixrss: i64,
  ru_idrss: i64,
  ru_isrss: i64,
  ru_minflt: i64,
  ru_majflt: i64,
  ru_nswap: i64,
  ru_inblock: i64,
  ru_oublock: i64,
  ru_msgsnd: i64,
  ru_msgrcv: i64,
  ru_nsignals: i64,
  ru_nvcsw: i64,
  ru_nivcsw: i64,
});

/** A resource limit (getrlimit(2)). All ones, no limit, reads as -1. */
export const Rlimit = struct("rlimit", { rlim_cur: i64, rlim_max: i64 });

/** What uname(2) tells. */
export const Utsname = struct("new_utsname", {
  sysname: chars(65),
  nodename: chars(65),
  release: chars(65),
  version: chars(65),
  machine: chars(65),
  domainname: chars(65),
});

/** What sysinfo(2) tells. */
export const Sysinfo = struct("sysinfo", {
  uptime: i64,
  loads: array(u64, 3),
  totalram: u64,
  freeram: u64,
  sharedram: u64,
  bufferram: u64,
  totalswap: u64,
  freeswap: u64,
  procs: u16,
  _pad: u16,
  totalhigh: u64,
  freehigh: u64,
  mem_unit: u32,
});

/** The arguments of clone3(2). */
export const CloneArgs = struct("clone_args", {
  flags: hex(u64),
  pidfd: pointer,
  child_tid: pointer,
  parent_tid: pointer,
  exit_signal: u64,
  stack: pointer,
  stack_size: hex(u64),
  tls: pointer,
  set_tid: pointer,
  set_tid_size: u64,
  cgroup: u64,
});

/** The priority of sched_setparam(2). */
export const SchedParam = struct("sched_param", { sched_priority: i32 });

/** The arguments of sched_setattr(2). */
export const SchedAttr = struct("sched_attr", {
  size: u32,
  sched_policy: u32,
  sched_flags: hex(u64),
  sched_nice: i32,
  sched_priority: u32,
  sched_runtime: u64,
  sched_deadline: u64,
  sched_period: u64,
  sched_util_min: u32,
  sched_util_max: u32,
});

/** The header of capget(2). */
export const CapHeader = struct("__user_cap_header_struct", { version: hex(u32), pid: i32 });

/** 32 capabilities of each set of a thread; capget(2) of version 3 has two of these. */
export const CapData = struct("__user_cap_data_struct", {
  effective: hex(u32),
  permitted: hex(u32),
  inheritable: hex(u32),
});

/** The general registers in the order of ptrace(2). */
export const UserRegs = struct("user_regs_struct", {
  r15: hex(u64),
  r14: hex(u64),
  r13: hex(u64),
  r12: hex(u64),
  rbp: hex(u64),
  rbx: hex(u64),
  r11: hex(u64),
  r10: hex(u64),
  r9: hex(u64),
  r8: hex(u64),
  rax: hex(u64),
  rcx: hex(u64),
  rdx: hex(u64),
  rsi: hex(u64),
  rdi: hex(u64),
  orig_rax: hex(u64),
  rip: hex(u64),
  cs: hex(u64),
  eflags: hex(u64),
  rsp: hex(u64),
  ss: hex(u64),
  fs_base: hex(u64),
  gs_base: hex(u64),
  ds: hex(u64),
  es: hex(u64),
  fs: hex(u64),
  gs: hex(u64),
});

/** The registered area of rseq(2), as the first version of the interface has it. */
export const Rseq = struct("rseq", {
  cpu_id_start: u32,
  cpu_id: u32,
  rseq_cs: pointer,
  flags: hex(u32),
}, { align: 32 });

/** The memory map of a process as PR_SET_MM_MAP takes it. */
export const PrctlMmMap = struct("prctl_mm_map", {
  start_code: pointer,
  end_code: pointer,
  start_data: pointer,
  end_data: pointer,
  start_brk: pointer,
  brk: pointer,
  start_stack: pointer,
  arg_start: pointer,
  arg_end: pointer,
  env_start: pointer,
  env_end: pointer,
  auxv: pointer,
  auxv_size: u32,
  exe_fd: u32,
});

/** What a seccomp filter sees of a system call. */
export const SeccompData = struct("seccomp_data", {
  nr: i32,
  arch: hex(u32),
  instruction_pointer: hex(u64),
  args: array(hex(u64), 6),
});

/** One instruction of a classic BPF program. */
export const SockFilter = struct("sock_filter", { code: hex(u16), jt: u8, jf: u8, k: hex(u32) });

/** A classic BPF program. */
export const SockFprog = struct("sock_fprog", { len: u16, filter: pointer });

/** Writes the user and system time, in nanoseconds, the largest resident size, in KiB, and the counts of getrusage(2). */
export function writeRusage(
  view: DataView,
  offset: number,
  userTime: number,
  systemTime: number,
  maxRss: number,
  minorFaults: number,
  voluntarySwitches: number,
  involuntarySwitches: number,
): void {
  for (let i = 40; i < 144; i += 4) view.setUint32(offset + i, 0, true);
  writeTimeval(view, offset, userTime);
  writeTimeval(view, offset + 16, systemTime);
  write64(view, offset + 32, maxRss);
  write64(view, offset + 64, minorFaults);
  write64(view, offset + 128, voluntarySwitches);
  write64(view, offset + 136, involuntarySwitches);
}
