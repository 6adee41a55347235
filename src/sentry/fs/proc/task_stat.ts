/** stat, statm and schedstat of a task (proc_pid_stat(5)). */

import { RLIMIT_RSS } from "../../../abi/resource.ts";
import { SIG_IGN } from "../../../abi/signals.ts";
import type { PidNamespace } from "../../kernel/pid.ts";
import { highBit, lowBit } from "../../kernel/signal_set.ts";
import { type Task, TaskState } from "../../kernel/task.ts";
import { Usage } from "../../kernel/thread_group.ts";
import { ticks } from "./format.ts";
import { memoryOf, parentId } from "./task_access.ts";

/** PF_FORKNOEXEC and PF_EXITING. */
const FORKED_NO_EXEC = 0x40;
const EXITING = 0x4;

/** The letter of a task's state. */
export function stateLetter(task: Task): string {
  switch (task.state) {
    case TaskState.Blocked:
      return task.block.killableOnly ? "D" : "S";
    case TaskState.Stopped:
      return "T";
    case TaskState.Zombie:
      return "Z";
    case TaskState.Dead:
      return "X";
    default:
      return "R";
  }
}

/** Masks of ignored and of caught signals. */
export function signalMasks(task: Task): [ignoredLo: number, hi: number, lo: number, hi: number] {
  let ignLo = 0, ignHi = 0, catLo = 0, catHi = 0;
  const actions = task.group.handlers.actions;
  for (let s = 1; s <= 64; s++) {
    const handler = actions[s].handler;
    if (handler === SIG_IGN) {
      ignLo |= lowBit(s);
      ignHi |= highBit(s);
    } else if (handler !== 0) {
      catLo |= lowBit(s);
      catHi |= highBit(s);
    }
  }
  return [ignLo, ignHi, catLo, catHi];
}

/** /proc/PID/stat, or /proc/PID/task/TID/stat if `oneThread`. */
export function taskStat(task: Task, ns: PidNamespace, oneThread: boolean): string {
  const group = task.group;
  const mm = memoryOf(task);
  const usage = new Usage();
  if (oneThread) usage.add(task.currentUsage());
  else group.collectUsage(usage);
  const children = group.childUsage;
  const terminal = group.session.terminal;
  const [ignLo, , catLo] = signalMasks(task);
  const pgrp = group.pgrp;
  const fields: (number | string)[] = [
    task.pid.numberIn(ns),
    `(${task.name})`,
    stateLetter(task),
    parentId(task, ns),
    pgrp.idIn(ns),
    pgrp.session.idIn(ns),
    terminal === null ? 0 : terminal.deviceNumber,
    terminal === null ? -1 : terminal.foreground?.idIn(ns) ?? 0,
    (group.hasExecuted ? 0 : FORKED_NO_EXEC) | (mm === null ? EXITING : 0) | 0x400000,
    usage.minorFaults,
    children.minorFaults,
    usage.majorFaults,
    children.majorFaults,
    ticks(usage.userTime),
    ticks(usage.systemTime),
    ticks(children.userTime),
    ticks(children.systemTime),
    20 + task.nice,
    task.nice,
    Math.max(group.tasks.length, 1),
    0,
    ticks(Math.max(task.startTime - task.kernel.clock.bootTime, 0)),
    mm === null ? 0 : mm.mappedBytes,
    mm === null ? 0 : mm.residentPages,
    unlimited(group.rlimits.soft[RLIMIT_RSS]),
    mm === null ? 0 : mm.startCode,
    mm === null ? 0 : mm.endCode,
    mm === null ? 0 : mm.startStack,
    0,
    0,
    task.pending.lo >>> 0,
    task.blockedLo >>> 0,
    ignLo >>> 0,
    catLo >>> 0,
    task.state === TaskState.Blocked ? 1 : 0,
    0,
    0,
    group.exitSignal,
    0,
    task.schedPriority,
    task.schedPolicy,
    0,
    0,
    0,
    mm === null ? 0 : mm.startData,
    mm === null ? 0 : mm.endData,
    mm === null ? 0 : mm.brkStart,
    mm === null ? 0 : mm.argStart,
    mm === null ? 0 : mm.argEnd,
    mm === null ? 0 : mm.envStart,
    mm === null ? 0 : mm.envEnd,
    group.exiting || mm === null ? group.exitCode : 0,
  ];
  return fields.join(" ") + "\n";
}

function unlimited(value: number): string {
  return value === Infinity ? "18446744073709551615" : String(value);
}

/** /proc/PID/statm. */
export function taskStatm(task: Task): string {
  const mm = memoryOf(task);
  if (mm === null) return "0 0 0 0 0 0 0\n";
  const size = Math.floor(mm.mappedBytes / 4096);
  const text = Math.floor((mm.endCode - mm.startCode + 4095) / 4096);
  const data = Math.floor(mm.dataBytes / 4096);
  const shared = sharedPages(task);
  return `${size} ${mm.residentPages} ${shared} ${Math.max(text, 0)} 0 ${data} 0\n`;
}

/** An estimate of the resident pages that belong to files: those that read-only areas could hold. */
export function sharedPages(task: Task): number {
  const mm = memoryOf(task);
  if (mm === null) return 0;
  let pages = 0;
  for (const vma of mm.vmas.list) {
    if (vma.source !== null && (vma.shared || (vma.prot & 2) === 0)) {
      pages += (vma.end - vma.start) / 4096;
    }
  }
  return Math.min(pages, mm.residentPages);
}

/** /proc/PID/schedstat: time on a processor, time waiting for one, and turns. */
export function taskSchedstat(task: Task): string {
  const usage = task.currentUsage();
  return `${Math.floor(usage.userTime + usage.systemTime)} 0 ${
    usage.voluntarySwitches + usage.involuntarySwitches
  }\n`;
}
