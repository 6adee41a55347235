/**
 * Process ids and their namespaces (pid_namespaces(7)). A {@link Pid} names a task, a process group and a session at
 * once, as long as any of them needs the number; it has one number in its namespace and one in each ancestor.
 */

import type { ProcessGroup, Session } from "./process_group.ts";
import type { Task } from "./task.ts";
import type { ThreadGroup } from "./thread_group.ts";
import { WaitQueue } from "./wait.ts";

/** Numbers below this are not given out again after the first round (RESERVED_PIDS). */
const RESERVED_PIDS = 300;
/** As /proc/sys/kernel/pid_max on 64-bit machines with few processors. */
export const PID_MAX = 32768;
/** As deep as Linux allows (MAX_PID_NS_LEVEL). */
export const MAX_PID_NS_LEVEL = 32;

/** The identity that a task, a process group and a session may share. */
export class Pid {
  readonly ns: PidNamespace;
  /** Number by level of namespace, the root's first. */
  readonly numbers: readonly number[];
  task: Task | null = null;
  group: ProcessGroup | null = null;
  session: Session | null = null;
  /** Notified when the process exits; pidfds poll it. */
  readonly queue: WaitQueue = new WaitQueue();

  constructor(ns: PidNamespace, numbers: readonly number[]) {
    this.ns = ns;
    this.numbers = numbers;
  }

  /** The number in its own namespace. */
  get number(): number {
    return this.numbers[this.ns.level];
  }

  /** The number as seen from `ns`, 0 if it can not be seen there. */
  numberIn(ns: PidNamespace): number {
    if (ns === this.ns) return this.numbers[ns.level];
    return ns.level < this.numbers.length && this.ns.isWithin(ns) ? this.numbers[ns.level] : 0;
  }

  /** Frees the numbers once neither task nor group nor session has them. */
  releaseIfUnused(): void {
    if (this.task !== null || this.group !== null || this.session !== null) return;
    let ns: PidNamespace | null = this.ns;
    while (ns !== null) {
      ns.forget(this);
      ns = ns.parent;
    }
  }
}

/** One namespace of process ids. */
export class PidNamespace {
  readonly parent: PidNamespace | null;
  readonly level: number;
  /** Its init, to which orphans go; null before the first process and after its death. */
  reaper: ThreadGroup | null = null;
  /** Set when init has died: no more processes here. */
  dead = false;
  #last = 0;
  readonly #pids: Map<number, Pid> = new Map();

  constructor(parent: PidNamespace | null) {
    this.parent = parent;
    this.level = parent === null ? 0 : parent.level + 1;
  }

  /** Whether `this` is `other` or lies below it. */
  isWithin(other: PidNamespace): boolean {
    let ns: PidNamespace | null = this as PidNamespace;
    while (ns !== null && ns.level > other.level) ns = ns.parent;
    return ns === other;
  }

  /**
   * A new identity here and in all ancestors; null when the numbers are used up, or one of `wanted` is taken, which
   * holds numbers for this namespace and some of its ancestors, innermost first.
   */
  allocate(wanted: readonly number[] = []): Pid | null {
    const numbers: number[] = new Array<number>(this.level + 1).fill(0);
    let ns: PidNamespace | null = this as PidNamespace;
    while (ns !== null) {
      const choice = wanted[this.level - ns.level];
      const n = choice === undefined ? ns.#freeNumber() : ns.#pids.has(choice) ? -1 : choice;
      if (n < 0) return null;
      numbers[ns.level] = n;
      ns = ns.parent;
    }
    const pid = new Pid(this, numbers);
    ns = this;
    while (ns !== null) {
      ns.#pids.set(numbers[ns.level], pid);
      if (wanted[this.level - ns.level] === undefined) ns.#last = numbers[ns.level];
      ns = ns.parent;
    }
    return pid;
  }

  /** The identity with this number, or null. */
  get(number: number): Pid | null {
    return this.#pids.get(number) ?? null;
  }

  /** The task with this thread id, or null. */
  task(tid: number): Task | null {
    const pid = this.#pids.get(tid);
    return pid === undefined ? null : pid.task;
  }

  /** The process with this id, or null; not the process of some other thread. */
  process(tgid: number): ThreadGroup | null {
    const task = this.task(tgid);
    return task !== null && task.group.pid === task.pid ? task.group : null;
  }

  /** The process group with this id, or null. */
  processGroup(pgid: number): ProcessGroup | null {
    const pid = this.#pids.get(pgid);
    return pid === undefined ? null : pid.group;
  }

  /** All identities, in the order of their making. */
  pids(): IterableIterator<Pid> {
    return this.#pids.values();
  }

  /** The last number given out, for /proc/loadavg. */
  get lastNumber(): number {
    return this.#last;
  }

  /** Only for {@link Pid.releaseIfUnused}. */
  forget(pid: Pid): void {
    this.#pids.delete(pid.numbers[this.level]);
  }

  #freeNumber(): number {
    let n = this.#last;
    for (let i = 0; i < PID_MAX; i++) {
      n++;
      if (n >= PID_MAX) n = RESERVED_PIDS;
      if (!this.#pids.has(n)) return n;
    }
    return -1;
  }
}
