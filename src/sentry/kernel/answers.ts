/** Publishing to the platform what system calls like getpid(2) answer, so that they need not come to the sentry. */

import { Answer } from "../platform/platform.ts";
import type { Task } from "./task.ts";

/** No process and no user has this number: the system call comes to the sentry. */
const NO_ANSWER = 0xffffffff;
const ALL = [
  Answer.Pid,
  Answer.Tid,
  Answer.Ppid,
  Answer.Uid,
  Answer.Euid,
  Answer.Gid,
  Answer.Egid,
];

/** Publishes everything; to be called for a new context, and when the task's seccomp mode changes. */
export function publishAnswers(t: Task): void {
  if (t.seccomp !== null) {
    for (let i = 0; i < ALL.length; i++) t.ctx.setAnswer(ALL[i], NO_ANSWER);
    return;
  }
  t.ctx.setAnswer(Answer.Pid, t.group.pid.number);
  t.ctx.setAnswer(Answer.Tid, t.tid);
  publishParent(t);
  publishIds(t);
}

/** Publishes the id of the parent process; to be called when that changes. */
export function publishParent(t: Task): void {
  if (t.seccomp !== null) return;
  const parent = t.group.parent;
  t.ctx.setAnswer(Answer.Ppid, parent === null ? 0 : parent.pid.numberIn(t.pid.ns));
}

/** Publishes user and group ids; to be called when the credentials change. */
export function publishIds(t: Task): void {
  if (t.seccomp !== null) return;
  const creds = t.creds;
  const ns = creds.userNs;
  t.ctx.setAnswer(Answer.Uid, ns.fromKuid(creds.ruid));
  t.ctx.setAnswer(Answer.Euid, ns.fromKuid(creds.euid));
  t.ctx.setAnswer(Answer.Gid, ns.fromKgid(creds.rgid));
  t.ctx.setAnswer(Answer.Egid, ns.fromKgid(creds.egid));
}
