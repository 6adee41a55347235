/** Signals for input and output (fcntl(2), "Managing signals"): O_ASYNC, F_SETOWN, F_SETSIG, F_NOTIFY. */

import { EAGAIN } from "../../abi/errno.ts";
import {
  IN_ACCESS,
  IN_ATTRIB,
  IN_CREATE,
  IN_DELETE,
  IN_MODIFY,
  IN_MOVED_FROM,
  IN_MOVED_TO,
} from "../../abi/eventfd.ts";
import {
  DN_ACCESS,
  DN_ATTRIB,
  DN_CREATE,
  DN_DELETE,
  DN_MODIFY,
  DN_MULTISHOT,
  DN_RENAME,
  F_OWNER_PGRP,
  F_OWNER_TID,
} from "../../abi/fcntl.ts";
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLMSG,
  POLLOUT,
  POLLPRI,
  POLLRDNORM,
  POLLWRNORM,
} from "../../abi/poll.ts";
import { SIGIO } from "../../abi/signals.ts";
import type { File, FileOwner } from "../vfs/file.ts";
import type { Inode } from "../vfs/inode.ts";
import { type Watch, WatchList } from "../vfs/notify.ts";
import { SigInfo } from "./signal_set.ts";
import type { Task } from "./task.ts";
import { sendToGroup, sendToTask } from "./task_signals.ts";
import { Waiter } from "./wait.ts";

/** si_code of POLL_IN and its kin, and the band that goes with it. */
const POLL_IN = 1;
const POLL_OUT = 2;
const POLL_MSG = 3;
const POLL_ERR = 4;
const POLL_PRI = 5;
const POLL_HUP = 6;

/** Stays in the queue of a description that has O_ASYNC, and tells its owner what happens. */
export class AsyncNotice extends Waiter {
  readonly #owner: FileOwner;
  /** The descriptor that O_ASYNC was set with. */
  readonly #fd: number;

  constructor(file: File, owner: FileOwner, fd: number) {
    super();
    this.#owner = owner;
    this.#fd = fd;
    let mask = POLLERR | POLLHUP | POLLPRI;
    if (file.readable) mask |= POLLIN | POLLRDNORM;
    if (file.writable) mask |= POLLOUT | POLLWRNORM;
    this.mask = mask;
  }

  override onWake(mask: number): void {
    const seen = mask & this.mask;
    if ((seen & (POLLIN | POLLRDNORM)) !== 0) this.#send(POLL_IN, POLLIN | POLLRDNORM);
    else if ((seen & (POLLOUT | POLLWRNORM)) !== 0) this.#send(POLL_OUT, POLLOUT | POLLWRNORM);
    else if ((seen & POLLPRI) !== 0) this.#send(POLL_PRI, POLLPRI);
    else if ((seen & POLLHUP) !== 0) this.#send(POLL_HUP, POLLHUP | POLLERR);
    else this.#send(POLL_ERR, POLLERR);
  }

  #send(code: number, band: number): void {
    sendToOwner(this.#owner, this.#fd, code, band);
  }
}

/** What happened in a directory, as fcntl(2) calls it (F_NOTIFY), by what inotify(7) does. */
const DIRECTORY_EVENTS: readonly [notice: number, events: number][] = [
  [DN_ACCESS, IN_ACCESS],
  [DN_MODIFY, IN_MODIFY],
  [DN_CREATE, IN_CREATE | IN_MOVED_TO],
  [DN_DELETE, IN_DELETE | IN_MOVED_FROM],
  [DN_RENAME, IN_MOVED_FROM | IN_MOVED_TO],
  [DN_ATTRIB, IN_ATTRIB],
];

/** Watches a directory for the owner of its description (F_NOTIFY). */
export class DirectoryNotice implements Watch {
  readonly mask: number;
  readonly #list: WatchList;

  constructor(
    readonly inode: Inode,
    readonly owner: FileOwner,
    readonly fd: number,
    readonly wanted: number,
  ) {
    let mask = 0;
    for (const [notice, events] of DIRECTORY_EVENTS) if ((wanted & notice) !== 0) mask |= events;
    this.mask = mask;
    this.#list = inode.watches ??= new WatchList();
    this.#list.add(this);
  }

  event(_mask: number, name: string, _cookie: number): void {
    if (name === "") return;
    sendToOwner(this.owner, this.fd, POLL_MSG, POLLIN | POLLRDNORM | POLLMSG);
    if ((this.wanted & DN_MULTISHOT) === 0) this.owner.watchNothing();
  }

  end(): void {
    this.#list.remove(this);
  }
}

/** Sends the signal of a description to its owner. */
function sendToOwner(owner: FileOwner, fd: number, code: number, band: number): void {
  const { pid, type } = owner;
  if (pid === null) return;
  if (type === F_OWNER_PGRP) {
    if (pid.group === null) return;
    for (const member of [...pid.group.members]) {
      sendOne(owner, member.leader, false, fd, code, band);
    }
  } else if (pid.task !== null) {
    sendOne(owner, pid.task, type === F_OWNER_TID, fd, code, band);
  }
}

function sendOne(
  owner: FileOwner,
  task: Task,
  alone: boolean,
  fd: number,
  code: number,
  band: number,
): void {
  const { uid, euid, signal } = owner;
  const { creds } = task;
  const allowed = euid === 0 || euid === creds.suid || euid === creds.ruid ||
    uid === creds.suid || uid === creds.ruid;
  if (!allowed) return;
  if (signal !== 0) {
    const info = new SigInfo(signal, code);
    info.setAddress(band);
    info.status = fd;
    const r = alone ? sendToTask(task, info) : sendToGroup(task.group, info);
    if (r !== -EAGAIN) return;
  }
  // Without a signal of its own choice, and when the queue is full, it is a plain SIGIO.
  const info = SigInfo.kernel(SIGIO);
  if (alone) sendToTask(task, info);
  else sendToGroup(task.group, info);
}
