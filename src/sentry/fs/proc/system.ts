/** Files of /proc that tell of the system as a whole (proc(5)). */

import { EPERM } from "../../../abi/errno.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { Task, TaskState } from "../../kernel/task.ts";
import { KERNEL_RELEASE, KERNEL_VERSION } from "../../kernel/version.ts";
import type { Inode } from "../../vfs/inode.ts";
import { cpuInfoText } from "./cpuinfo.ts";
import { kilobytes, ticks } from "./format.ts";
import type { ProcFileSystem } from "./proc_file_system.ts";
import { ProcText, StaticDir } from "./proc_inode.ts";

/** Counts of tasks by what they do, and their processor time. */
class TaskTotals {
  running = 0;
  tasks = 0;
  blocked = 0;
  /** Nanoseconds. */
  cpu = 0;

  constructor(kernel: Kernel) {
    for (const pid of kernel.tasks.pids()) {
      const task = pid.task;
      if (task === null) continue;
      this.tasks++;
      if (task.state <= TaskState.Kernel) this.running++;
      if (task.state === TaskState.Blocked && task.block.killableOnly) this.blocked++;
      if (task.state < TaskState.Zombie) this.cpu += task.cpuTime();
      if (task.group.leader === task) {
        const exited = task.group.exitedUsage;
        this.cpu += exited.userTime + exited.systemTime;
        if (task.group.parent === null) {
          const waited = task.group.childUsage;
          this.cpu += waited.userTime + waited.systemTime;
        }
      }
    }
  }
}

function meminfo(kernel: Kernel): string {
  const total = kernel.frames.limit * 4096;
  const free = total - kernel.frames.usedFrames * 4096;
  const rows: [string, number][] = [
    ["MemTotal", total],
    ["MemFree", free],
    ["MemAvailable", free],
    ["Buffers", 0],
    ["Cached", 0],
    ["SwapCached", 0],
    ["Active", total - free],
    ["Inactive", 0],
    ["Active(anon)", total - free],
    ["Inactive(anon)", 0],
    ["Active(file)", 0],
    ["Inactive(file)", 0],
    ["Unevictable", 0],
    ["Mlocked", 0],
    ["SwapTotal", 0],
    ["SwapFree", 0],
    ["Zswap", 0],
    ["Zswapped", 0],
    ["Dirty", 0],
    ["Writeback", 0],
    ["AnonPages", total - free],
    ["Mapped", 0],
    ["Shmem", 0],
    ["KReclaimable", 0],
    ["Slab", 0],
    ["SReclaimable", 0],
    ["SUnreclaim", 0],
    ["KernelStack", 0],
    ["PageTables", 0],
    ["SecPageTables", 0],
    ["NFS_Unstable", 0],
    ["Bounce", 0],
    ["WritebackTmp", 0],
    ["CommitLimit", Math.floor(total / 2)],
    ["Committed_AS", total - free],
    ["VmallocTotal", 35184372087808],
    ["VmallocUsed", 0],
    ["VmallocChunk", 0],
    ["Percpu", 0],
    ["HardwareCorrupted", 0],
    ["AnonHugePages", 0],
    ["ShmemHugePages", 0],
    ["ShmemPmdMapped", 0],
    ["FileHugePages", 0],
    ["FilePmdMapped", 0],
  ];
  let text = "";
  for (const [name, value] of rows) text += `${name}:`.padEnd(16) + kilobytes(value) + "\n";
  return text + "HugePages_Total:       0\nHugePages_Free:        0\nHugePages_Rsvd:        0\n" +
    "HugePages_Surp:        0\nHugepagesize:       2048 kB\nHugetlb:               0 kB\n" +
    `DirectMap4k:    ${kilobytes(total)}\n`;
}

function stat(kernel: Kernel): string {
  const totals = new TaskTotals(kernel);
  const user = ticks(totals.cpu);
  const up = ticks(kernel.clock.uptime());
  const cpus = kernel.cpus;
  let text = `cpu  ${user} 0 0 ${Math.max(up * cpus - user, 0)} 0 0 0 0 0 0\n`;
  for (let i = 0; i < cpus; i++) {
    const share = Math.floor(user / cpus);
    text += `cpu${i} ${share} 0 0 ${Math.max(up - share, 0)} 0 0 0 0 0 0\n`;
  }
  const boot = Math.floor((kernel.clock.realtime() - kernel.clock.uptime()) / 1e9);
  return text +
    `intr 0\nctxt 0\nbtime ${boot}\nprocesses ${kernel.forks}\nprocs_running ${
      Math.max(totals.running, 1)
    }\nprocs_blocked ${totals.blocked}\nsoftirq 0 0 0 0 0 0 0 0 0 0 0\n`;
}

function uptime(kernel: Kernel): string {
  const up = kernel.clock.uptime();
  const idle = Math.max(up * kernel.cpus - new TaskTotals(kernel).cpu, 0);
  return `${(Math.floor(up / 1e7) / 100).toFixed(2)} ${
    (Math.floor(idle / 1e7) / 100).toFixed(2)
  }\n`;
}

function loadavg(kernel: Kernel, lastPid: number): string {
  const totals = new TaskTotals(kernel);
  return `0.00 0.00 0.00 ${Math.max(totals.running, 1)}/${totals.tasks} ${lastPid}\n`;
}

function filesystems(kernel: Kernel): string {
  const names = new Set([...kernel.vfs.types.keys(), "pipefs", "sockfs"]);
  let text = "";
  for (const name of names) text += `nodev\t${name}\n`;
  return text;
}

const DEVICES = `Character devices:
  1 mem
  4 /dev/vc/0
  4 tty
  5 /dev/tty
  5 /dev/console
  5 /dev/ptmx
 10 misc
128 ptm
136 pts

Block devices:
`;

function vmstat(kernel: Kernel): string {
  const free = kernel.frames.limit - kernel.frames.usedFrames;
  return `nr_free_pages ${free}\nnr_anon_pages ${kernel.frames.usedFrames}\nnr_mapped 0\n` +
    "nr_file_pages 0\nnr_dirty 0\nnr_writeback 0\nnr_slab_reclaimable 0\n" +
    "nr_slab_unreclaimable 0\nnr_page_table_pages 0\nnr_kernel_stack 0\n" +
    "pgpgin 0\npgpgout 0\npswpin 0\npswpout 0\npgfault 0\npgmajfault 0\noom_kill 0\n";
}

function zoneinfo(kernel: Kernel): string {
  const total = kernel.frames.limit;
  const free = total - kernel.frames.usedFrames;
  return `Node 0, zone   Normal\n  pages free     ${free}\n        boost    0\n        min      16\n` +
    `        low      20\n        high     24\n        spanned  ${total}\n        present  ${total}\n` +
    `        managed  ${total}\n        cma      0\n        protection: (0, 0, 0, 0, 0)\n` +
    `  start_pfn:           0\n`;
}

function interrupts(kernel: Kernel): string {
  let text = "     ";
  for (let i = 0; i < kernel.cpus; i++) text += `      CPU${i}`;
  return text + "\n";
}

/** /proc/sysvipc: the objects of the reader's namespace. */
function sysvipcDir(fs: ProcFileSystem): StaticDir {
  const file = (
    name: string,
    kind: "messages" | "semaphores" | "shared",
    head: string,
  ): [string, () => Inode] => [
    name,
    () =>
      new ProcText(fs, 0o444, (ctx) => {
        const family = ctx instanceof Task ? ctx.nsproxy.ipc[kind] : null;
        return head + (family === null ? "" : family.report(ctx.creds.userNs));
      }),
  ];
  return new StaticDir(fs, [
    file(
      "msg",
      "messages",
      "       key      msqid perms      cbytes       qnum lspid lrpid   uid   gid  cuid  cgid" +
        "      stime      rtime      ctime\n",
    ),
    file(
      "sem",
      "semaphores",
      "       key      semid perms      nsems   uid   gid  cuid  cgid      otime      ctime\n",
    ),
    file(
      "shm",
      "shared",
      "       key      shmid perms                  size  cpid  lpid nattch   uid   gid  cuid" +
        "  cgid      atime      dtime      ctime                   rss                  swap\n",
    ),
  ]);
}

/** The entries, to be put into the root directory. */
export function systemEntries(
  fs: ProcFileSystem,
): (readonly [string, () => Inode])[] {
  const kernel = fs.vfs.kernel;
  const text = (name: string, read: () => string, mode = 0o444): [string, () => Inode] => [
    name,
    () => new ProcText(fs, mode, read),
  ];
  return [
    text("buddyinfo", () => "Node 0, zone   Normal      0      0      0      0      0      0\n"),
    text("cgroups", () => "#subsys_name\thierarchy\tnum_cgroups\tenabled\n"),
    text("cmdline", () => "quiet\n"),
    text("consoles", () => ""),
    text("cpuinfo", () => cpuInfoText(kernel.cpus)),
    text("crypto", () => ""),
    text("devices", () => DEVICES),
    text("diskstats", () => ""),
    text("filesystems", () => filesystems(kernel)),
    text("interrupts", () => interrupts(kernel)),
    text("iomem", () => ""),
    text("ioports", () => ""),
    text("kallsyms", () => ""),
    ["kmsg", () => new ProcText(fs, 0o400, () => -EPERM)],
    text("loadavg", () => loadavg(kernel, fs.pidNs.lastNumber)),
    text("locks", () => ""),
    text("meminfo", () => meminfo(kernel)),
    text("misc", () => ""),
    text("modules", () => ""),
    text("partitions", () => "major minor  #blocks  name\n\n"),
    [
      "pressure",
      () => {
        const some = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        const full = "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n";
        return new StaticDir(
          fs,
          ["cpu", "io", "memory"].map((name) => text(name, () => some + full)),
        );
      },
    ],
    text("softirqs", () => interrupts(kernel)),
    text("stat", () => stat(kernel)),
    text("swaps", () => "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"),
    ["sysvipc", () => sysvipcDir(fs)],
    text("uptime", () => uptime(kernel)),
    text(
      "version",
      () => `Linux version ${KERNEL_RELEASE} (runsc@sandbox) (TypeScript) ${KERNEL_VERSION}\n`,
    ),
    text("vmstat", () => vmstat(kernel)),
    text("zoneinfo", () => zoneinfo(kernel)),
  ];
}
