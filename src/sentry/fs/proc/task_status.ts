/** /proc/PID/status (proc_pid_status(5)). */

import { RLIMIT_SIGPENDING } from "../../../abi/resource.ts";
import type { CapabilitySet } from "../../kernel/credentials.ts";
import type { Pid, PidNamespace } from "../../kernel/pid.ts";
import type { Task } from "../../kernel/task.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { cpuList, cpuMask, kilobytes, mask64 } from "./format.ts";
import { memoryOf, parentId } from "./task_access.ts";
import { sharedPages, signalMasks, stateLetter } from "./task_stat.ts";

const STATE_NAMES: Readonly<Record<string, string>> = {
  R: "R (running)",
  S: "S (sleeping)",
  D: "D (disk sleep)",
  T: "T (stopped)",
  Z: "Z (zombie)",
  X: "X (dead)",
};

/** The text for `task` as a reader in `ns` sees it. */
export function taskStatus(task: Task, ctx: VfsContext, ns: PidNamespace): string {
  const group = task.group;
  const creds = task.creds;
  const userNs = ctx.creds.userNs;
  const uid = (id: number) => userNs.fromKuid(id);
  const gid = (id: number) => userNs.fromKgid(id);
  const mm = memoryOf(task);
  let text = `Name:\t${escapeName(task.name)}\n`;
  if (mm !== null) text += `Umask:\t${task.fs.umask.toString(8).padStart(4, "0")}\n`;
  text += `State:\t${STATE_NAMES[stateLetter(task)]}\n` +
    `Tgid:\t${group.pid.numberIn(ns)}\nNgid:\t0\nPid:\t${task.pid.numberIn(ns)}\n` +
    `PPid:\t${parentId(task, ns)}\nTracerPid:\t0\n` +
    `Uid:\t${uid(creds.ruid)}\t${uid(creds.euid)}\t${uid(creds.suid)}\t${uid(creds.fsuid)}\n` +
    `Gid:\t${gid(creds.rgid)}\t${gid(creds.egid)}\t${gid(creds.sgid)}\t${gid(creds.fsgid)}\n` +
    `FDSize:\t${fdSize(task)}\nGroups:\t${creds.groups.map((g) => `${gid(g)} `).join("")}\n` +
    `NStgid:${levels(group.pid, ns)}\nNSpid:${levels(task.pid, ns)}\n` +
    `NSpgid:${levels(group.pgrp.pid, ns)}\nNSsid:${levels(group.session.pid, ns)}\n` +
    `Kthread:\t0\n`;
  if (mm !== null) text += memoryLines(task);
  const [ignLo, ignHi, catLo, catHi] = signalMasks(task);
  const shared = group.sharedPending;
  const cpus = task.kernel.cpus;
  const usage = task.currentUsage();
  return text +
    `Threads:\t${Math.max(group.tasks.length, 1)}\n` +
    `SigQ:\t${task.kernel.accounts.signals(creds.ruid)}/${
      limit(group.rlimits.soft[RLIMIT_SIGPENDING])
    }\n` +
    `SigPnd:\t${mask64(task.pending.lo, task.pending.hi)}\n` +
    `ShdPnd:\t${mask64(shared.lo, shared.hi)}\n` +
    `SigBlk:\t${mask64(task.blockedLo, task.blockedHi)}\n` +
    `SigIgn:\t${mask64(ignLo, ignHi)}\nSigCgt:\t${mask64(catLo, catHi)}\n` +
    `CapInh:\t${caps(creds.inheritable)}\nCapPrm:\t${caps(creds.permitted)}\n` +
    `CapEff:\t${caps(creds.effective)}\nCapBnd:\t${caps(creds.bounding)}\n` +
    `CapAmb:\t${caps(creds.ambient)}\n` +
    `NoNewPrivs:\t${creds.noNewPrivs ? 1 : 0}\n` +
    `Seccomp:\t${task.seccomp?.mode ?? 0}\n` +
    `Seccomp_filters:\t${task.seccomp?.filters.length ?? 0}\n` +
    `Speculation_Store_Bypass:\tnot vulnerable\n` +
    `SpeculationIndirectBranch:\tnot affected\n` +
    `Cpus_allowed:\t${cpuMask(task.affinity, cpus)}\n` +
    `Cpus_allowed_list:\t${cpuList(task.affinity, cpus)}\n` +
    `Mems_allowed:\t1\nMems_allowed_list:\t0\n` +
    `voluntary_ctxt_switches:\t${usage.voluntarySwitches}\n` +
    `nonvoluntary_ctxt_switches:\t${usage.involuntarySwitches}\n`;
}

function escapeName(name: string): string {
  return name.replace(/\\/g, "\\\\").replace(/\n/g, "\\n");
}

function caps(set: CapabilitySet): string {
  return mask64(set.lo, set.hi);
}

function limit(value: number): string {
  return value === Infinity ? "18446744073709551615" : String(value);
}

function fdSize(task: Task): number {
  let size = 64;
  while (size < task.files.size) size *= 2;
  return size;
}

/** The numbers of an id from `ns` down to its own namespace. */
function levels(pid: Pid, ns: PidNamespace): string {
  let text = "";
  for (let level = ns.level; level < pid.numbers.length; level++) text += `\t${pid.numbers[level]}`;
  return text === "" ? "\t0" : text;
}

function memoryLines(task: Task): string {
  const mm = task.mm;
  const rss = mm.residentPages * 4096;
  const fileRss = sharedPages(task) * 4096;
  let stack = 0, exe = 0, lib = 0;
  for (const vma of mm.vmas.list) {
    const size = vma.end - vma.start;
    if (vma.name === "[stack]") stack += size;
    if ((vma.prot & 4) === 0 || vma.file === null) continue;
    if (vma.start >= mm.startCode && vma.start < mm.endCode) exe += size;
    else lib += size;
  }
  return `VmPeak:\t${kilobytes(Math.max(mm.peakBytes, mm.mappedBytes))}\n` +
    `VmSize:\t${kilobytes(mm.mappedBytes)}\nVmLck:\t${kilobytes(mm.lockedBytes)}\n` +
    `VmPin:\t${kilobytes(0)}\nVmHWM:\t${kilobytes(Math.max(mm.table.peak * 4096, rss))}\n` +
    `VmRSS:\t${kilobytes(rss)}\nRssAnon:\t${kilobytes(rss - fileRss)}\n` +
    `RssFile:\t${kilobytes(fileRss)}\nRssShmem:\t${kilobytes(0)}\n` +
    `VmData:\t${kilobytes(mm.dataBytes)}\nVmStk:\t${kilobytes(stack)}\n` +
    `VmExe:\t${kilobytes(exe)}\nVmLib:\t${kilobytes(lib)}\n` +
    `VmPTE:\t${kilobytes(Math.max(mm.table.chunks.size, 1) * 4096 + 8192)}\n` +
    `VmSwap:\t${kilobytes(0)}\nHugetlbPages:\t${kilobytes(0)}\n` +
    `CoreDumping:\t0\nTHP_enabled:\t${mm.noHugePages ? 0 : 1}\nuntag_mask:\t0xffffffffffffffff\n`;
}
