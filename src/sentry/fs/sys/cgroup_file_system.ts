import { CGROUP2_SUPER_MAGIC } from "../../../abi/mount.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import { Task, TaskState } from "../../kernel/task.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { FileSystem } from "../../vfs/file_system.ts";
import type { Inode } from "../../vfs/inode.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { textDir, type TextTree } from "../proc/proc_inode.ts";

const PAGE = 4096;

/** What the container may use, as its specification says; Infinity where it says nothing. */
export interface GroupLimits {
  /** Bytes. */
  readonly memory: number;
  readonly pids: number;
  /** Microseconds of processor time in each period of so many. */
  readonly cpuQuota: number;
  readonly cpuPeriod: number;
  readonly cpuWeight: number;
}

/** No limits at all. */
export const NO_LIMITS: GroupLimits = {
  memory: Infinity,
  pids: Infinity,
  cpuQuota: Infinity,
  cpuPeriod: 100_000,
  cpuWeight: 100,
};

function limit(n: number): string {
  return n === Infinity ? "max\n" : `${Math.floor(n)}\n`;
}

/**
 * cgroup v2, as a container sees it that has a control group and a namespace for it of its own: all its processes are in
 * the root, and no other groups can be made. The limits are those of the specification; the sentry keeps those of
 * memory and processes itself, whatever control groups the host has.
 */
export class CgroupFileSystem extends FileSystem {
  readonly root: Inode;
  private peakMemory: number;
  private peakPids: number;

  constructor(vfs: Vfs, limits: GroupLimits) {
    super(vfs, "cgroup2", CGROUP2_SUPER_MAGIC);
    const kernel = vfs.kernel;
    this.peakMemory = 0;
    this.peakPids = 0;
    const memory = () => {
      const used = kernel.frames.usedFrames * PAGE;
      this.peakMemory = Math.max(this.peakMemory, used);
      return used;
    };
    const pids = () => {
      this.peakPids = Math.max(this.peakPids, kernel.taskCount);
      return kernel.taskCount;
    };
    const quota = limits.cpuQuota === Infinity ? "max" : `${limits.cpuQuota}`;
    const cpus = kernel.cpus === 1 ? "0\n" : `0-${kernel.cpus - 1}\n`;
    const tree: TextTree = {
      "cgroup.controllers": "cpuset cpu memory pids\n",
      "cgroup.events": "populated 1\nfrozen 0\n",
      "cgroup.freeze": "0\n",
      "cgroup.max.depth": "max\n",
      "cgroup.max.descendants": "max\n",
      "cgroup.procs": (ctx) => idsOf(kernel, ctx, true),
      "cgroup.stat": "nr_descendants 0\nnr_dying_descendants 0\n",
      "cgroup.subtree_control": "\n",
      "cgroup.threads": (ctx) => idsOf(kernel, ctx, false),
      "cgroup.type": "domain\n",
      "cpu.max": `${quota} ${limits.cpuPeriod}\n`,
      "cpu.max.burst": "0\n",
      "cpu.stat": () => cpuStat(kernel),
      "cpu.weight": `${limits.cpuWeight}\n`,
      "cpu.weight.nice": "0\n",
      "cpuset.cpus": "\n",
      "cpuset.cpus.effective": cpus,
      "cpuset.mems": "\n",
      "cpuset.mems.effective": "0\n",
      "memory.current": () => `${memory()}\n`,
      "memory.events": "low 0\nhigh 0\nmax 0\noom 0\noom_kill 0\noom_group_kill 0\n",
      "memory.high": "max\n",
      "memory.low": "0\n",
      "memory.max": limit(limits.memory),
      "memory.min": "0\n",
      "memory.oom.group": "0\n",
      "memory.peak": () => `${(memory(), this.peakMemory)}\n`,
      "memory.stat": () => memoryStat(kernel),
      "memory.swap.current": "0\n",
      "memory.swap.max": "0\n",
      "pids.current": () => `${pids()}\n`,
      "pids.events": "max 0\n",
      "pids.max": limit(limits.pids),
      "pids.peak": () => `${(pids(), this.peakPids)}\n`,
    };
    this.root = textDir(this, tree);
  }
}

/** Ids of processes or threads, one a line, as whoever reads numbers them. */
function idsOf(kernel: Kernel, ctx: VfsContext, leaders: boolean): string {
  if (!(ctx instanceof Task)) return "";
  const ids: number[] = [];
  for (const pid of kernel.tasks.pids()) {
    const task = pid.task;
    if (task === null || task.state >= TaskState.Zombie) continue;
    if (leaders && task.group.leader !== task) continue;
    // Processes of other pid namespaces count as 0, as on Linux.
    ids.push(pid.numberIn(ctx.pid.ns));
  }
  return ids.sort((a, b) => a - b).map((id) => `${id}\n`).join("");
}

function cpuStat(kernel: Kernel): string {
  let total = 0;
  for (const pid of kernel.tasks.pids()) {
    const task = pid.task;
    if (task === null) continue;
    if (task.state < TaskState.Zombie) total += task.cpuTime();
    if (task.group.leader !== task) continue;
    total += task.group.exitedUsage.userTime + task.group.exitedUsage.systemTime;
    if (task.group.parent !== null) continue;
    total += task.group.childUsage.userTime + task.group.childUsage.systemTime;
  }
  const usec = Math.floor(total / 1000);
  return `usage_usec ${usec}\nuser_usec ${usec}\nsystem_usec 0\n` +
    "nr_periods 0\nnr_throttled 0\nthrottled_usec 0\n";
}

function memoryStat(kernel: Kernel): string {
  let file = 0;
  for (const r of kernel.frames.reclaimers) if ("present" in r) file += Number(r.present) * PAGE;
  const anon = Math.max(0, kernel.frames.usedFrames * PAGE - file);
  return `anon ${anon}\nfile ${file}\nkernel 0\nshmem 0\nfile_mapped 0\nfile_dirty 0\n` +
    `inactive_anon 0\nactive_anon ${anon}\ninactive_file ${file}\nactive_file 0\nslab 0\n`;
}

/** Makes the view of the container's control group known to mount(2). */
export function registerCgroups(kernel: Kernel, limits: GroupLimits): void {
  kernel.vfs.registerFileSystem("cgroup2", () => new CgroupFileSystem(kernel.vfs, limits));
}
