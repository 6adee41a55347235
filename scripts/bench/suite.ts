/** What is measured, and what each figure should reach. */

/** What a figure is compared with. */
export type Yardstick =
  | "native"
  | "mailbox"
  | "gvisor"
  | "runc"
  | "slower of native and runc"
  | "absolute";

/** A figure to reach: at most `factor` times the yardstick (or at least, for `atLeast`). */
export interface Goal {
  factor: number;
  of: Yardstick;
}

/** One guest program's run and what it prints. */
export interface Benchmark {
  /** The name that the program prints its value under. */
  name: string;
  title: string;
  /** Program in the bundle's `bench` directory, with its arguments. */
  program: string[];
  goals?: Goal[];
  /** Once is enough: it takes seconds. */
  slow?: boolean;
}

/** The directory is removed before, so that the first time is as the others. */
const TAR_AND_BACK =
  "busybox rm -rf out && busybox mkdir out && busybox tar cf t.tar bench_tree && " +
  "busybox tar xf t.tar -C out";

/** The first time, which does not count, makes the repository. */
const GIT_STATUS =
  "cd bench_tree; export HOME=/tmp; [ -d .git ] || { git init -q .; git add -A; }; " +
  "git status --short";

export const BENCHMARKS: readonly Benchmark[] = [
  {
    name: "getppid",
    title: "`getppid`",
    program: ["syscalls", "getppid"],
    goals: [{ factor: 0.5, of: "native" }],
  },
  {
    name: "getpid",
    title: "`getpid`",
    program: ["syscalls", "getpid"],
    goals: [{ factor: 0.5, of: "native" }],
  },
  {
    name: "clock_gettime",
    title: "`clock_gettime` (vDSO)",
    program: ["clock"],
  },
  {
    name: "empty",
    title: "empty system call",
    program: ["syscalls", "empty"],
    goals: [{ factor: 1.5, of: "mailbox" }],
  },
  {
    name: "empty_unpatchable",
    title: "empty system call, unpatchable site",
    program: ["syscalls", "empty_unpatchable"],
    goals: [{ factor: 1 / 8, of: "gvisor" }],
  },
  {
    name: "pread",
    title: "`pread` of 1 byte, cached",
    program: ["files", "pread"],
    goals: [{ factor: 2.5, of: "mailbox" }],
  },
  {
    name: "stat",
    title: "`stat`",
    program: ["files", "stat"],
    goals: [{ factor: 4, of: "mailbox" }],
  },
  {
    name: "open_close",
    title: "`open` + `close`",
    program: ["files", "open_close"],
    goals: [{ factor: 8, of: "mailbox" }],
  },
  {
    name: "pipe_round_trip",
    title: "pipe round trip, two processes",
    program: ["exchange", "pipe_round_trip"],
    goals: [{ factor: 2, of: "slower of native and runc" }],
  },
  {
    name: "futex_ping_pong",
    title: "futex ping-pong, two threads",
    program: ["exchange", "futex_ping_pong"],
  },
  {
    name: "fork_exit_wait",
    title: "`fork` + `exit` + `wait`",
    program: ["processes", "fork_exit_wait"],
    goals: [{ factor: 5, of: "native" }],
  },
  {
    name: "fork_exec",
    title: "`fork` + `exec` + `wait` of a static program",
    program: ["processes", "fork_exec"],
  },
  {
    name: "page_fault",
    title: "touch one fresh page",
    program: ["memory", "page_fault"],
  },
  {
    name: "mmap_touch_munmap",
    title: "`mmap`, touch 16 pages, `munmap`",
    program: ["memory", "mmap_touch_munmap"],
  },
  {
    name: "compute",
    title: "computing, one step",
    program: ["compute"],
    goals: [{ factor: 1 / 0.98, of: "native" }],
  },
  {
    name: "random_read",
    title: "random read of 4 KiB, tmpfs",
    program: ["storage", "random_read"],
    goals: [{ factor: 2, of: "native" }],
  },
  {
    name: "random_write",
    title: "random write of 4 KiB, tmpfs",
    program: ["storage", "random_write"],
    goals: [{ factor: 2, of: "native" }],
  },
  {
    name: "sequential_read",
    title: "sequential read of 64 KiB, tmpfs",
    program: ["storage", "sequential_read"],
    goals: [{ factor: 1.25, of: "native" }],
  },
  {
    name: "sequential_write",
    title: "sequential write of 64 KiB, tmpfs",
    program: ["storage", "sequential_write"],
    goals: [{ factor: 1.25, of: "native" }],
  },
  {
    name: "create_unlink",
    title: "10,000 small files made and removed",
    program: ["storage", "create_unlink"],
    goals: [{ factor: 3, of: "native" }],
  },
  {
    name: "readdir",
    title: "listing of 100,000 files",
    program: ["storage", "readdir"],
    goals: [{ factor: 1.5, of: "native" }],
  },
  {
    name: "tar_back",
    title: "`tar` of 5,000 files and back",
    program: ["storage", "tar_back", "sh", "-c", TAR_AND_BACK],
    goals: [{ factor: 3, of: "native" }],
  },
  {
    name: "find",
    title: "`find` over 5,000 files",
    program: ["storage", "find", "busybox", "find", "bench_tree", "-size", "+2"],
    goals: [{ factor: 2.5, of: "native" }],
  },
  {
    name: "git_status",
    title: "`git status` over 5,000 files",
    program: ["storage", "git_status", "sh", "-c", GIT_STATUS],
    goals: [{ factor: 3, of: "native" }],
  },
  {
    name: "shell_loop",
    title: "shell loop, 1,000 × `/bin/true`",
    program: ["processes", "shell_loop"],
    slow: true,
  },
];

/** Measured from outside, so no guest program prints it. */
export const START: Benchmark = {
  name: "start_to_exit",
  title: "start to exit of `true`",
  program: ["true"],
  goals: [{ factor: 0.5, of: "gvisor" }, { factor: 2, of: "runc" }],
};

export const MEMORY: Benchmark = {
  name: "sleeping_memory",
  title: "private memory of a sleeping sandbox",
  program: ["sleeper"],
  goals: [{ factor: 40e6, of: "absolute" }],
};

export const PROPORTIONAL: Benchmark = {
  name: "sleeping_pss",
  title: "proportional memory of a sleeping sandbox",
  program: ["sleeper"],
};

export const IDLE: Benchmark = {
  name: "sleeping_cpu",
  title: "CPU use of a sleeping sandbox",
  program: ["sleeper"],
  goals: [{ factor: 0.01, of: "absolute" }],
};

/** Round trip through a cache line: what no system call that another core answers can undercut. */
export const MAILBOX: Benchmark = {
  name: "mailbox",
  title: "mailbox limit",
  program: ["exchange", "mailbox"],
};
