/** The smaller text files of /proc/PID. */

import { EACCES, EINVAL, EPERM } from "../../../abi/errno.ts";
import { CAP_SETGID, CAP_SETUID, CAP_SYS_RESOURCE } from "../../../abi/capability.ts";
import {
  RLIMIT_AS,
  RLIMIT_CORE,
  RLIMIT_CPU,
  RLIMIT_DATA,
  RLIMIT_FSIZE,
  RLIMIT_LOCKS,
  RLIMIT_MEMLOCK,
  RLIMIT_MSGQUEUE,
  RLIMIT_NICE,
  RLIMIT_NOFILE,
  RLIMIT_NPROC,
  RLIMIT_RSS,
  RLIMIT_RTPRIO,
  RLIMIT_RTTIME,
  RLIMIT_SIGPENDING,
  RLIMIT_STACK,
} from "../../../abi/resource.ts";
import type { Task } from "../../kernel/task.ts";
import { TaskState } from "../../kernel/task.ts";
import { IdRange, type UserNamespace } from "../../kernel/user_namespace.ts";
import type { MemoryManager } from "../../mm/memory_manager.ts";
import { hex } from "./format.ts";
import { memoryOf, readMemory } from "./task_access.ts";

const LIMITS: readonly (readonly [string, number, string])[] = [
  ["Max cpu time", RLIMIT_CPU, "seconds"],
  ["Max file size", RLIMIT_FSIZE, "bytes"],
  ["Max data size", RLIMIT_DATA, "bytes"],
  ["Max stack size", RLIMIT_STACK, "bytes"],
  ["Max core file size", RLIMIT_CORE, "bytes"],
  ["Max resident set", RLIMIT_RSS, "bytes"],
  ["Max processes", RLIMIT_NPROC, "processes"],
  ["Max open files", RLIMIT_NOFILE, "files"],
  ["Max locked memory", RLIMIT_MEMLOCK, "bytes"],
  ["Max address space", RLIMIT_AS, "bytes"],
  ["Max file locks", RLIMIT_LOCKS, "locks"],
  ["Max pending signals", RLIMIT_SIGPENDING, "signals"],
  ["Max msgqueue size", RLIMIT_MSGQUEUE, "bytes"],
  ["Max nice priority", RLIMIT_NICE, ""],
  ["Max realtime priority", RLIMIT_RTPRIO, ""],
  ["Max realtime timeout", RLIMIT_RTTIME, "us"],
];

/** limits. */
export function limitsText(task: Task): string {
  const show = (v: number) => (v === Infinity ? "unlimited" : String(v)).padEnd(20);
  let text = "Limit".padEnd(26) + "Soft Limit".padEnd(21) + "Hard Limit".padEnd(21) +
    "Units     \n";
  const limits = task.group.rlimits;
  for (const [name, resource, unit] of LIMITS) {
    text += `${name.padEnd(25)} ${show(limits.soft[resource])} ${show(limits.hard[resource])} ${
      unit === "" ? "" : unit.padEnd(10)
    }\n`;
  }
  return text;
}

/** cmdline: what stands where the arguments were, which a program may have changed. */
export function cmdlineText(mm: MemoryManager): string {
  if (mm.argEnd <= mm.argStart) return "";
  const text = readMemory(mm, mm.argStart, mm.argEnd);
  if (text.length === 0 || text.charCodeAt(text.length - 1) === 0) return text;
  // A title longer than the arguments runs on into the environment, up to the first NUL.
  const more = readMemory(mm, mm.argStart, mm.envEnd);
  const nul = more.indexOf("\0");
  return nul < 0 ? more : more.slice(0, nul + 1);
}

/** environ. */
export function environText(mm: MemoryManager): string {
  return readMemory(mm, mm.envStart, mm.envEnd);
}

/** auxv. */
export function auxvText(mm: MemoryManager): string {
  return String.fromCharCode(...mm.auxv);
}

/** io: nothing is counted here, as the bytes do not leave the sentry. */
export const IO_TEXT = "rchar: 0\nwchar: 0\nsyscr: 0\nsyscw: 0\nread_bytes: 0\nwrite_bytes: 0\n" +
  "cancelled_write_bytes: 0\n";

/** wchan. */
export function wchanText(task: Task): string {
  return task.state === TaskState.Blocked ? "do_wait" : "0";
}

/** sched. */
export function schedText(task: Task, id: number): string {
  const usage = task.currentUsage();
  const row = (name: string, value: number | string) =>
    `${name.padEnd(45)}:${String(value).padStart(21)}\n`;
  return `${task.name} (${id}, #threads: ${Math.max(task.group.tasks.length, 1)})\n` +
    "-------------------------------------------------------------------\n" +
    row("se.exec_start", (task.kernel.clock.uptime() / 1e6).toFixed(6)) +
    row("se.sum_exec_runtime", ((usage.userTime + usage.systemTime) / 1e6).toFixed(6)) +
    row("nr_switches", usage.voluntarySwitches + usage.involuntarySwitches) +
    row("nr_voluntary_switches", usage.voluntarySwitches) +
    row("nr_involuntary_switches", usage.involuntarySwitches) +
    row("policy", task.schedPolicy) + row("prio", 120 + task.nice);
}

/** Sets comm; threads of a process may rename each other. */
export function writeComm(t: Task, task: Task, text: string): number {
  if (t.group !== task.group) return -EINVAL;
  const nul = text.indexOf("\0");
  const name = (nul < 0 ? text : text.slice(0, nul)).replace(/\n$/, "");
  task.name = name.slice(0, 15);
  return 0;
}

/** A decimal number that may have blanks around it, or NaN. */
function decimal(text: string): number {
  const trimmed = text.replace(/\0[^]*$/, "").trim();
  return /^[+-]?[0-9]{1,10}$/.test(trimmed) ? Number(trimmed) : NaN;
}

/** Sets oom_score_adj. */
export function writeOomScoreAdj(t: Task, task: Task, text: string): number {
  const value = decimal(text);
  if (!(value >= -1000 && value <= 1000)) return -EINVAL;
  if (value < task.group.oomScoreAdj && !t.creds.capable(CAP_SYS_RESOURCE)) return -EACCES;
  task.group.oomScoreAdj = value;
  return 0;
}

/** Sets oom_adj, which counts to 15 what oom_score_adj counts to 1000. */
export function writeOomAdj(t: Task, task: Task, text: string): number {
  const value = decimal(text);
  if (!(value >= -17 && value <= 15)) return -EINVAL;
  return writeOomScoreAdj(t, task, String(value === 15 ? 1000 : Math.trunc(value * 1000 / 17)));
}

/** oom_adj. */
export function oomAdj(task: Task): number {
  const adj = task.group.oomScoreAdj;
  return adj === 1000 ? 15 : Math.trunc(adj * 17 / 1000);
}

/** oom_score: the share of memory in use, and the adjustment. */
export function oomScore(task: Task): number {
  const mm = memoryOf(task);
  if (mm === null) return 0;
  const share = mm.residentPages * 1000 / mm.frames.frames;
  return Math.max(0, Math.floor((1000 + share + task.group.oomScoreAdj) * 2 / 3));
}

/** Sets timerslack_ns. */
export function writeTimerSlack(task: Task, text: string): number {
  const value = decimal(text);
  if (!(value >= 0)) return -EINVAL;
  task.timerSlack = value === 0 ? task.defaultTimerSlack : value;
  return 0;
}

/** personality. */
export function personalityText(task: Task): string {
  return `${hex(task.personality >>> 0, 8)}\n`;
}

// Identities (user_namespaces(7)).

/** uid_map or gid_map, as a reader in `viewer` sees it. */
export function idMapText(ns: UserNamespace, viewer: UserNamespace, users: boolean): string {
  let text = "";
  for (const range of users ? ns.uidMap : ns.gidMap) {
    const lower = translate(ns, viewer, range.lower, users);
    const cell = (n: number) => String(n).padStart(10);
    text += `${cell(range.first)} ${cell(lower)} ${cell(range.count)}\n`;
  }
  return text;
}

/** An id of the parent namespace as `viewer` names it; one's own map is shown as seen from the parent. */
function translate(
  ns: UserNamespace,
  viewer: UserNamespace,
  lower: number,
  users: boolean,
): number {
  const parent = ns.parent;
  if (parent === null) return lower;
  const from = viewer === ns ? parent : viewer;
  const kernelId = users ? parent.toKuid(lower) : parent.toKgid(lower);
  return users ? from.fromKuid(kernelId) : from.fromKgid(kernelId);
}

/** The most lines of a map. */
const MAX_LINES = 340;

/** Sets uid_map or gid_map, once. */
export function writeIdMap(t: Task, task: Task, text: string, users: boolean): number {
  const ns = task.creds.userNs;
  const parent = ns.parent;
  if (parent === null || (users ? ns.uidMap : ns.gidMap).length > 0) return -EPERM;
  const lines = text.replace(/\n+$/, "").split("\n");
  if (lines.length === 0 || lines.length > MAX_LINES) return -EINVAL;
  const ranges: IdRange[] = [];
  for (const line of lines) {
    const match = /^\s*(\d{1,10})\s+(\d{1,10})\s+(\d{1,10})\s*$/.exec(line);
    if (match === null) return -EINVAL;
    const [first, lower, count] = [Number(match[1]), Number(match[2]), Number(match[3])];
    if (count === 0 || first + count > 0xffffffff || lower + count > 0xffffffff) return -EINVAL;
    for (const r of ranges) {
      const apart = first + count <= r.first || first >= r.first + r.count;
      const apartBelow = lower + count <= r.lower || lower >= r.lower + r.count;
      if (!apart || !apartBelow) return -EINVAL;
    }
    ranges.push(new IdRange(first, lower, count));
  }
  if (!mayMap(t, ns, parent, ranges, users)) return -EPERM;
  if (users) ns.uidMap = ranges;
  else ns.gidMap = ranges;
  return 0;
}

function mayMap(
  t: Task,
  ns: UserNamespace,
  parent: UserNamespace,
  ranges: IdRange[],
  users: boolean,
): boolean {
  const cap = users ? CAP_SETUID : CAP_SETGID;
  if (t.creds.userNs !== ns && t.creds.userNs !== parent) return false;
  if (ranges.length === 1 && ranges[0].count === 1 && ns.ownerUid === t.creds.euid) {
    // Without privilege one may map oneself, and groups only after giving up setgroups(2).
    const kernelId = users ? parent.toKuid(ranges[0].lower) : parent.toKgid(ranges[0].lower);
    if (users ? kernelId === t.creds.euid : kernelId === t.creds.egid && !ns.setgroupsAllowed) {
      return true;
    }
  }
  return t.creds.capable(cap, parent);
}

/** Sets setgroups. */
export function writeSetgroups(task: Task, text: string): number {
  const ns = task.creds.userNs;
  const word = text.trim();
  if (word !== "allow" && word !== "deny") return -EINVAL;
  if (word === "allow") return ns.setgroupsAllowed ? 0 : -EPERM;
  if (ns.gidMap.length > 0) return -EPERM;
  ns.setgroupsAllowed = false;
  return 0;
}
