/** Signals for input and output (fcntl(2), "Managing signals"): O_ASYNC, F_SETOWN, F_SETSIG. */

import { EAGAIN } from "../../abi/errno.ts";
import { F_OWNER_PGRP, F_OWNER_TID } from "../../abi/fcntl.ts";
import {
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDNORM,
  POLLWRNORM,
} from "../../abi/poll.ts";
import { SIGIO } from "../../abi/signals.ts";
import type { File, FileOwner } from "../vfs/file.ts";
import { SigInfo } from "./signal_set.ts";
import type { Task } from "./task.ts";
import { sendToGroup, sendToTask } from "./task_signals.ts";
import { Waiter } from "./wait.ts";

/** si_code of POLL_IN and its kin, and the band that goes with it. */
const POLL_IN = 1;
const POLL_OUT = 2;
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
    const { pid, type } = this.#owner;
    if (pid === null) return;
    if (type === F_OWNER_PGRP) {
      if (pid.group === null) return;
      for (const member of [...pid.group.members]) this.#sendTo(member.leader, false, code, band);
    } else if (pid.task !== null) {
      this.#sendTo(pid.task, type === F_OWNER_TID, code, band);
    }
  }

  #sendTo(task: Task, alone: boolean, code: number, band: number): void {
    const { uid, euid, signal } = this.#owner;
    const { creds } = task;
    const allowed = euid === 0 || euid === creds.suid || euid === creds.ruid ||
      uid === creds.suid || uid === creds.ruid;
    if (!allowed) return;
    if (signal !== 0) {
      const info = new SigInfo(signal, code);
      info.setAddress(band);
      info.status = this.#fd;
      const r = alone ? sendToTask(task, info) : sendToGroup(task.group, info);
      if (r !== -EAGAIN) return;
    }
    // Without a signal of its own choice, and when the queue is full, it is a plain SIGIO.
    const info = SigInfo.kernel(SIGIO);
    if (alone) sendToTask(task, info);
    else sendToGroup(task.group, info);
  }
}
