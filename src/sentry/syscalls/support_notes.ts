/**
 * What users should know of system calls that are missing or provided in part. The compatibility document tells it.
 */

import type { SyscallName } from "../../abi/syscall_numbers.ts";

/** Sentences about system calls, by name. */
export type SupportNotes = { readonly [name in SyscallName]?: string };

/** What is missing in each system call that has a handler which does not do all that Linux does. */
export const PARTIAL: SupportNotes = {
  exit_group: "No core file is written; the status says that one would be.",
  fcntl: "Leases (F_SETLEASE) are refused.",
  getsockopt: "Options that need a netfilter or driver interface are refused.",
  io_uring_register: "Rings of provided buffers and restrictions are refused.",
  io_uring_setup: "Polling by the kernel and large entries are refused with EINVAL.",
  lseek: "Space that fallocate reserved counts as data for SEEK_DATA.",
  madvise: "Advice about huge pages, merging and dumps is accepted without effect.",
  get_mempolicy: "An area has the default policy, whatever mbind was told: there is one node.",
  mlock: "Counted against the limit; the host may still page the memory out.",
  mlock2: "Counted against the limit; the host may still page the memory out.",
  mlockall: "Counted against the limit; the host may still page the memory out.",
  mmap: "Huge pages are refused; a private file mapping may not show later writes to the file.",
  mount: "Overlays move no directory of a lower layer (EXDEV), as without redirects on Linux.",
  openat2: "RESOLVE_CACHED does an ordinary walk.",
  sched_setaffinity: "Kept and reported, without effect on the host.",
  sched_setattr: "Kept and reported, without effect on the host.",
  sched_setparam: "Kept and reported, without effect on the host.",
  sched_setscheduler: "Kept and reported, without effect on the host.",
  setns: "Mount namespaces without tasks live until the sandbox ends.",
  setpriority: "Kept and reported, without effect on the host.",
  setsockopt: "Options that need a netfilter or driver interface are refused.",
  socket:
    "AF_UNIX, AF_INET, AF_INET6 and AF_NETLINK; none of AF_PACKET, AF_VSOCK and rarer families.",
  unshare: "Mount namespaces without tasks live until the sandbox ends.",
};

const DROPPED = "Linux itself no longer has it, or never had.";
const NO_SEGMENTS = "Linux does not have it for 64-bit programs either.";
const NO_LSM = "The sandbox has no security modules of its own.";

/** Why a system call is answered with ENOSYS. */
export const ABSENT: SupportNotes = {
  getpmsg: DROPPED,
  putpmsg: DROPPED,
  afs_syscall: DROPPED,
  tuxcall: DROPPED,
  security: DROPPED,
  vserver: DROPPED,
  create_module: DROPPED,
  get_kernel_syms: DROPPED,
  query_module: DROPPED,
  epoll_ctl_old: DROPPED,
  epoll_wait_old: DROPPED,
  _sysctl: DROPPED,
  uselib: DROPPED,
  nfsservctl: DROPPED,
  lookup_dcookie: DROPPED,
  set_thread_area: NO_SEGMENTS,
  get_thread_area: NO_SEGMENTS,
  modify_ldt: "Segments of 16-bit and 32-bit programs are not supported.",
  uretprobe: "Only the kernel's own probes call it.",
  landlock_create_ruleset: NO_LSM,
  landlock_add_rule: NO_LSM,
  landlock_restrict_self: NO_LSM,
  lsm_get_self_attr: NO_LSM,
  lsm_set_self_attr: NO_LSM,
  lsm_list_modules: NO_LSM,
  rseq: "The sentry is not told when the host preempts a thread, and could not abort its sequence.",
  map_shadow_stack: "Shadow stacks are not offered to programs.",
  memfd_secret: "Memory of the sandbox cannot be hidden from its kernel.",
};
