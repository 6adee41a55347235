/** Publishing to the platform what system calls like getpid(2) answer, so that they need not come to the sentry. */

import { Answer } from "../platform/platform.ts";
import type { Task } from "./task.ts";

/** Publishes everything; to be called for a new context. */
export function publishAnswers(t: Task): void {
  t.ctx.setAnswer(Answer.Pid, t.group.pid.number);
  t.ctx.setAnswer(Answer.Tid, t.tid);
  publishParent(t);
  publishIds(t);
}

/** Publishes the id of the parent process; to be called when that changes. */
export function publishParent(t: Task): void {
  const parent = t.group.parent;
  t.ctx.setAnswer(Answer.Ppid, parent === null ? 0 : parent.pid.numberIn(t.pid.ns));
}

/** Publishes user and group ids; to be called when the credentials change. */
export function publishIds(t: Task): void {
  const creds = t.creds;
  const ns = creds.userNs;
  t.ctx.setAnswer(Answer.Uid, ns.fromKuid(creds.ruid));
  t.ctx.setAnswer(Answer.Euid, ns.fromKuid(creds.euid));
  t.ctx.setAnswer(Answer.Gid, ns.fromKgid(creds.rgid));
  t.ctx.setAnswer(Answer.Egid, ns.fromKgid(creds.egid));
}
