/** Semaphore sets (semget(2), semop(2), semctl(2)). */

import { EAGAIN, EFBIG, EIDRM, EINTR, EINVAL, ENOSPC, ERANGE } from "../../../abi/errno.ts";
import { IPC_NOWAIT, SEM_UNDO, SEMAEM, SEMVMX } from "../../../abi/ipc.ts";
import { POLLIN } from "../../../abi/poll.ts";
import { SemidDs, Seminfo } from "../../../abi/structs/ipc.ts";
import type { IpcNamespace } from "../namespaces.ts";
import type { Task } from "../task.ts";
import type { UserNamespace } from "../user_namespace.ts";
import { WaitQueue } from "../wait.ts";
import { IpcObject, IpcTable, reportHead, reportNumbers, seconds } from "./ipc_object.ts";
import { UndoList } from "./undo_list.ts";

/** Semaphores of all sets of all namespaces: they live in the sentry's own memory. */
const MOST_SEMAPHORES = 1 << 24;
let allSemaphores = 0;

/** The operation would have to wait. */
const WAIT = 1;

/** Operations of semop(2), in order. */
export class SemaphoreOperations {
  readonly count: number;
  readonly numbers: Uint16Array;
  readonly changes: Int16Array;
  readonly flags: Int16Array;
  /** Whether one of them changes a value. */
  alters = false;
  highest = 0;

  /** Reads `count` structures from `view`. */
  constructor(view: DataView, count: number) {
    this.count = count;
    this.numbers = new Uint16Array(count);
    this.changes = new Int16Array(count);
    this.flags = new Int16Array(count);
    for (let i = 0; i < count; i++) {
      this.numbers[i] = view.getUint16(6 * i, true);
      this.changes[i] = view.getInt16(6 * i + 2, true);
      this.flags[i] = view.getInt16(6 * i + 4, true);
      if (this.changes[i] !== 0) this.alters = true;
      if (this.numbers[i] > this.highest) this.highest = this.numbers[i];
    }
  }
}

/** A task that waits for its operations to be possible. */
class PendingOperations {
  readonly queue = new WaitQueue();
  /** What semop returns; 1 while it waits. */
  result = WAIT;
  /** Which of the operations cannot be done. */
  blocking = 0;

  constructor(
    readonly operations: SemaphoreOperations,
    readonly tgid: number,
    readonly undo: Int16Array | null,
  ) {}
}

/** A set. */
export class SemaphoreSet extends IpcObject {
  readonly #family: Semaphores;
  readonly #kernel: Task["kernel"];
  readonly values: Uint16Array;
  readonly pids: Int32Array;
  operated = 0;
  /** Oldest first. */
  readonly #pending: PendingOperations[] = [];
  readonly #undoLists: Set<UndoList> = new Set();

  constructor(t: Task, family: Semaphores, key: number, mode: number, count: number) {
    super(t, key, mode);
    this.#family = family;
    this.#kernel = t.kernel;
    this.values = new Uint16Array(count);
    this.pids = new Int32Array(count);
  }

  get size(): number {
    return this.values.length;
  }

  /** semop(2), the first time. */
  operate(t: Task, operations: SemaphoreOperations, deadline: number): number {
    if (operations.highest >= this.size) return -EFBIG;
    const denied = this.permits(t, operations.alters ? 0o222 : 0o444);
    if (denied !== 0) return denied;
    const undo = this.#undoFor(t, operations);
    const pending = new PendingOperations(operations, t.group.tgid, undo);
    const r = this.#attempt(pending);
    if (r === 0) this.#changed(operations.alters);
    if (r !== WAIT) return r;
    this.#pending.push(pending);
    t.block.data = pending;
    return this.#sleep(t, pending, deadline);
  }

  /** semop(2), when it was woken. */
  resume(t: Task, deadline: number): number {
    const pending = t.block.data as PendingOperations;
    if (pending.result !== WAIT) return pending.result;
    if (t.block.timedOut) {
      this.#drop(pending);
      return -EAGAIN;
    }
    return this.#sleep(t, pending, deadline);
  }

  #sleep(t: Task, pending: PendingOperations, deadline: number): number {
    t.waitOn(pending.queue, POLLIN);
    const r = t.sleepUntil(deadline, -EINTR);
    if (r === -EINTR) this.#drop(pending);
    return r;
  }

  #drop(pending: PendingOperations): void {
    const i = this.#pending.indexOf(pending);
    if (i >= 0) this.#pending.splice(i, 1);
  }

  #undoFor(t: Task, operations: SemaphoreOperations): Int16Array | null {
    if (!operations.flags.some((flag) => (flag & SEM_UNDO) !== 0)) return null;
    const list = t.semUndo ??= new UndoList();
    let adjustments = list.sets.get(this);
    if (adjustments === undefined) {
      adjustments = new Int16Array(this.size);
      list.sets.set(this, adjustments);
      this.#undoLists.add(list);
    }
    return adjustments;
  }

  /** Does all operations or none: 0, a negative errno, or WAIT. */
  #attempt(p: PendingOperations): number {
    const { operations, undo } = p;
    const { values } = this;
    let r = 0;
    let i = 0;
    for (; i < operations.count; i++) {
      const n = operations.numbers[i];
      const change = operations.changes[i];
      const flags = operations.flags[i];
      const value = values[n];
      const result = value + change;
      if ((change === 0 && value !== 0) || result < 0) {
        p.blocking = i;
        r = (flags & IPC_NOWAIT) !== 0 ? -EAGAIN : WAIT;
        break;
      }
      if (result > SEMVMX) {
        r = -ERANGE;
        break;
      }
      if ((flags & SEM_UNDO) !== 0) {
        const adjustment = undo![n] - change;
        if (adjustment < -SEMAEM - 1 || adjustment > SEMAEM) {
          r = -ERANGE;
          break;
        }
        undo![n] = adjustment;
      }
      values[n] = result;
    }
    if (r === 0) {
      for (let k = 0; k < operations.count; k++) this.pids[operations.numbers[k]] = p.tgid;
      return 0;
    }
    while (--i >= 0) {
      const n = operations.numbers[i];
      values[n] -= operations.changes[i];
      if ((operations.flags[i] & SEM_UNDO) !== 0) undo![n] += operations.changes[i];
    }
    return r;
  }

  /** Something was done: whoever waits for that is done too. */
  #changed(altered: boolean): void {
    this.operated = seconds({ kernel: this.#kernel });
    if (altered) this.#retry();
  }

  #retry(): void {
    const list = this.#pending;
    for (let i = 0; i < list.length;) {
      const pending = list[i];
      const r = this.#attempt(pending);
      if (r === WAIT) {
        i++;
        continue;
      }
      list.splice(i, 1);
      pending.result = r;
      pending.queue.notify(POLLIN);
      // What it changed may be what an older one waits for.
      if (r === 0 && pending.operations.alters) i = 0;
    }
  }

  applyUndo(adjustments: Int16Array, tgid: number): void {
    if (this.removed) return;
    for (let n = 0; n < adjustments.length; n++) {
      if (adjustments[n] === 0) continue;
      this.values[n] = Math.max(0, Math.min(SEMVMX, this.values[n] + adjustments[n]));
      this.pids[n] = tgid;
    }
    for (const list of this.#undoLists) if (!list.sets.has(this)) this.#undoLists.delete(list);
    this.#changed(true);
  }

  /** SETVAL and SETALL: sets values from `first` on. Nothing is undone any more of what was done to them. */
  setValues(t: Task, first: number, values: Uint16Array): void {
    this.values.set(values, first);
    for (let n = first; n < first + values.length; n++) {
      this.pids[n] = t.group.tgid;
      for (const list of this.#undoLists) {
        const adjustments = list.sets.get(this);
        if (adjustments === undefined) this.#undoLists.delete(list);
        else adjustments[n] = 0;
      }
    }
    this.changed = seconds(t);
    this.#retry();
  }

  /** GETNCNT and GETZCNT: who waits for a semaphore to grow, or to be zero. */
  waiting(n: number, forZero: boolean): number {
    let count = 0;
    for (const { operations, blocking } of this.#pending) {
      if (operations.numbers[blocking] !== n) continue;
      if ((operations.changes[blocking] === 0) === forZero) count++;
    }
    return count;
  }

  /** IPC_RMID. */
  destroy(): void {
    if (this.removed) return;
    this.#family.forget(this);
    for (const pending of this.#pending.splice(0)) {
      pending.result = -EIDRM;
      pending.queue.notify(POLLIN);
    }
    for (const list of this.#undoLists) list.sets.delete(this);
    this.#undoLists.clear();
  }

  /** Writes the `semid_ds` to scratch. */
  write(t: Task): void {
    SemidDs.write(t.view, 0, {
      sem_perm: this.permission(t),
      sem_otime: this.operated,
      sem_ctime: this.changed,
      sem_nsems: this.size,
    });
  }
}

/** All sets of a namespace. */
export class Semaphores {
  readonly table: IpcTable<SemaphoreSet> = new IpcTable();
  readonly ns: IpcNamespace;
  /** Semaphores of all sets. */
  used = 0;

  constructor(ns: IpcNamespace) {
    this.ns = ns;
  }

  /** Those of the task's namespace. */
  static of(t: Task): Semaphores {
    const ns = t.nsproxy.ipc;
    ns.semaphores ??= new Semaphores(ns);
    return ns.semaphores as Semaphores;
  }

  /** semget(2). */
  obtain(t: Task, key: number, count: number, flags: number): number {
    const limits = this.ns.limits;
    if (count < 0 || count > limits.semmsl) return -EINVAL;
    return this.table.obtain(
      t,
      key,
      flags,
      limits.semmni,
      (set) => count > set.size ? -EINVAL : 0,
      () => {
        if (count === 0) return -EINVAL;
        if (this.used + count > limits.semmns || allSemaphores + count > MOST_SEMAPHORES) {
          return -ENOSPC;
        }
        if (this.table.count >= limits.semmni) return -ENOSPC;
        this.used += count;
        allSemaphores += count;
        return new SemaphoreSet(t, this, key, flags, count);
      },
    );
  }

  forget(set: SemaphoreSet): void {
    this.table.remove(set);
    this.used -= set.size;
    allSemaphores -= set.size;
  }

  /** The last task of the namespace is gone. */
  release(): void {
    for (const set of this.table.objects()) set.destroy();
  }

  /** IPC_INFO and SEM_INFO (`use`): limits to scratch; the size of the structure. */
  writeInfo(t: Task, use: boolean): number {
    const { semmni, semmns, semmsl, semopm } = this.ns.limits;
    Seminfo.write(t.view, 0, {
      semmap: semmns,
      semmni,
      semmns,
      semmnu: semmns,
      semmsl,
      semopm,
      semume: semopm,
      semusz: use ? this.table.count : 20,
      semvmx: SEMVMX,
      semaem: use ? this.used : SEMAEM,
    });
    return Seminfo.size;
  }

  report(userNs: UserNamespace): string {
    let text = "";
    for (const s of this.table.objects()) {
      text += reportHead(s) + reportNumbers(
        [s.size, 10],
        [userNs.fromKuid(s.uid), 5],
        [userNs.fromKgid(s.gid), 5],
        [userNs.fromKuid(s.creatorUid), 5],
        [userNs.fromKgid(s.creatorGid), 5],
        [s.operated, 10],
        [s.changed, 10],
      ) + "\n";
    }
    return text;
  }
}
