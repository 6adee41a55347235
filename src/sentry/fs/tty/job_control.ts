/** Who may use a terminal, and whose it is (ioctl_tty(2), credentials(7)). */

import { EINVAL, EIO, ENOTTY, EPERM, ERESTARTSYS, ESRCH } from "../../../abi/errno.ts";
import { CAP_SYS_ADMIN } from "../../../abi/capability.ts";
import { SIG_IGN, SIGTTIN, SIGTTOU } from "../../../abi/signals.ts";
import type { Task } from "../../kernel/task.ts";
import { isBlocked, sendToProcessGroup } from "../../kernel/task_signals.ts";
import type { Terminal } from "./terminal.ts";

/**
 * Keeps a background process from the terminal: sends `signal` (SIGTTIN, SIGTTOU) to its group and
 * returns the error that makes the system call start again afterwards. 0 if it may go on.
 */
export function checkForeground(t: Task, terminal: Terminal, signal: number): number {
  const group = t.group.pgrp;
  if (group.session.terminal !== terminal) return 0;
  if (terminal.foreground === null || terminal.foreground === group) return 0;
  const ignored = isBlocked(t, signal) ||
    t.group.handlers.actions[signal].handler === SIG_IGN;
  if (ignored) return signal === SIGTTIN ? -EIO : 0;
  if (group.isOrphaned()) return -EIO;
  sendToProcessGroup(group, signal);
  return -ERESTARTSYS;
}

/** Whether a change of the terminal by `t` must wait for it to come to the foreground. */
export function checkChange(t: Task, terminal: Terminal): number {
  return checkForeground(t, terminal, SIGTTOU);
}

/** Makes `terminal` the controlling one of the session that `t` leads. */
export function acquire(t: Task, terminal: Terminal): void {
  const session = t.group.session;
  session.terminal = terminal;
  terminal.session = session;
  terminal.foreground = t.group.pgrp;
}

/** TIOCSCTTY. */
export function setControlling(
  t: Task,
  terminal: Terminal,
  readable: boolean,
  steal: boolean,
): number {
  const session = t.group.session;
  const leads = session.leader === t.group;
  if (leads && terminal.session === session) return 0;
  if (!leads || session.terminal !== null) return -EPERM;
  const admin = t.creds.capable(CAP_SYS_ADMIN);
  if (terminal.session !== null) {
    if (!steal || !admin) return -EPERM;
    terminal.clearSession();
  }
  if (!readable && !admin) return -EPERM;
  acquire(t, terminal);
  return 0;
}

/** TIOCNOTTY. */
export function giveUp(t: Task, terminal: Terminal): number {
  const session = t.group.session;
  if (session.terminal !== terminal) return -ENOTTY;
  // Linux takes the terminal from a member alone; here a session has one or none.
  if (session.leader === t.group) terminal.disassociate(false);
  return 0;
}

/** TIOCGPGRP; `fromMaster` may ask without being in the session. */
export function getForeground(t: Task, terminal: Terminal, fromMaster: boolean): number {
  if (!fromMaster && t.group.session.terminal !== terminal) return -ENOTTY;
  return terminal.foreground === null ? 0 : terminal.foreground.idIn(t.pid.ns);
}

/** TIOCSPGRP. */
export function setForeground(t: Task, terminal: Terminal, id: number): number {
  const r = checkChange(t, terminal);
  if (r !== 0) return r === -EIO ? -ENOTTY : r;
  const session = t.group.session;
  if (session.terminal !== terminal) return -ENOTTY;
  if (id < 0) return -EINVAL;
  const group = t.pid.ns.processGroup(id);
  if (group === null) return -ESRCH;
  if (group.session !== session) return -EPERM;
  terminal.foreground = group;
  return 0;
}

/** TIOCGSID. */
export function getSession(t: Task, terminal: Terminal, fromMaster: boolean): number {
  if (!fromMaster && t.group.session.terminal !== terminal) return -ENOTTY;
  return terminal.session === null ? -ENOTTY : terminal.session.idIn(t.pid.ns);
}
