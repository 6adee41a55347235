/** What semop(2) with SEM_UNDO takes back at the end of a process. */

/** A set of semaphores, as this list sees it. */
export interface UndoableSet {
  /** Adds the adjustments; `tgid` is the process that ended. */
  applyUndo(adjustments: Int16Array, tgid: number): void;
}

/** The adjustments of the tasks that share them (CLONE_SYSVSEM). */
export class UndoList {
  users = 1;
  readonly sets: Map<UndoableSet, Int16Array> = new Map();

  retain(): this {
    this.users++;
    return this;
  }

  /** A task is gone; the last one takes its operations back. */
  release(tgid: number): void {
    if (--this.users > 0) return;
    for (const [set, adjustments] of this.sets) set.applyUndo(adjustments, tgid);
    this.sets.clear();
  }
}
