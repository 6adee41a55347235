/** Process groups and sessions: the units of job control (credentials(7), setpgid(2), setsid(2)). */

import type { Pid, PidNamespace } from "./pid.ts";
import type { ThreadGroup } from "./thread_group.ts";

/** What a session needs of its terminal. */
export interface ControllingTerminal {
  /** The session that it controls. */
  session: Session | null;
  /** The process group that may read it. */
  foreground: ProcessGroup | null;
  /** Device number, for /proc/PID/stat. */
  readonly deviceNumber: number;
  /** The session leader has exited or gave the terminal up: hang up the foreground group and let go. */
  disassociate(leaderExited: boolean): void;
}

/** Processes that started together and may share a terminal. */
export class Session {
  readonly pid: Pid;
  /** Null once it has exited. */
  leader: ThreadGroup | null;
  terminal: ControllingTerminal | null = null;
  readonly groups: Set<ProcessGroup> = new Set();

  constructor(pid: Pid, leader: ThreadGroup) {
    this.pid = pid;
    this.leader = leader;
    pid.session = this;
  }

  /** The id of the session as `ns` sees it. */
  idIn(ns: PidNamespace): number {
    return this.pid.numberIn(ns);
  }
}

/** Processes that a shell starts, stops and continues together. */
export class ProcessGroup {
  readonly pid: Pid;
  readonly session: Session;
  readonly members: Set<ThreadGroup> = new Set();

  constructor(pid: Pid, session: Session) {
    this.pid = pid;
    this.session = session;
    pid.group = this;
    session.groups.add(this);
  }

  /** The id of the group as `ns` sees it. */
  idIn(ns: PidNamespace): number {
    return this.pid.numberIn(ns);
  }

  /** Adds a process. */
  add(group: ThreadGroup): void {
    this.members.add(group);
    group.pgrp = this;
  }

  /** Takes a process out; the last one ends the group, and the last group the session. */
  remove(group: ThreadGroup): void {
    this.members.delete(group);
    if (this.members.size > 0) return;
    const session = this.session;
    session.groups.delete(this);
    // A terminal keeps its foreground group even when that is empty: the rest stays in the background.
    this.pid.group = null;
    if (session.groups.size === 0) {
      if (session.terminal !== null) session.terminal.disassociate(false);
      session.pid.session = null;
      session.pid.releaseIfUnused();
    }
    this.pid.releaseIfUnused();
  }

  /** Whether no member has a living parent in the same session but another group (POSIX.1, 3.264), but for `ignored`. */
  isOrphaned(ignored: ThreadGroup | null = null): boolean {
    for (const member of this.members) {
      if (member === ignored || member.isZombie) continue;
      const parent = member.parent;
      if (parent === null) continue;
      if (parent.pgrp !== this && parent.pgrp.session === this.session) return false;
    }
    return true;
  }

  /** Whether some member is stopped. */
  hasStopped(): boolean {
    for (const member of this.members) if (member.stopped) return true;
    return false;
  }
}
