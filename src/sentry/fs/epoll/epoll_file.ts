// hot: every event that an event loop waits for passes here.

import { EEXIST, EINVAL, ELOOP, ENOENT, EPERM } from "../../../abi/errno.ts";
import { O_RDWR } from "../../../abi/fcntl.ts";
import {
  EPOLL_CTL_ADD,
  EPOLL_CTL_DEL,
  EPOLL_CTL_MOD,
  EPOLLERR,
  EPOLLET,
  EPOLLEXCLUSIVE,
  EPOLLHUP,
  EPOLLIN,
  EPOLLOUT,
  EPOLLWAKEUP,
  POLLIN,
  POLLRDNORM,
} from "../../../abi/poll.ts";
import type { Task } from "../../kernel/task.ts";
import { WaitQueue } from "../../kernel/wait.ts";
import { anonPath } from "../../vfs/anon.ts";
import { File } from "../../vfs/file.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { EpollItem } from "./epoll_item.ts";

/** How deep epoll instances may watch each other. */
const MAX_DEPTH = 5;
/** Size of `struct epoll_event`, which is packed on amd64. */
export const EPOLL_EVENT_SIZE = 12;
/** What EPOLLEXCLUSIVE may be combined with. */
const EXCLUSIVE_OK = (EPOLLIN | EPOLLOUT | EPOLLERR | EPOLLHUP | EPOLLWAKEUP | EPOLLET |
  EPOLLEXCLUSIVE) >>> 0;

/**
 * An epoll instance (epoll(7)). Each interest stays in the wait queue of its file; an event puts
 * it in the ready list, where epoll_wait(2) looks. Level-triggered interests stay in the list for
 * as long as their file is ready.
 */
export class EpollFile extends File {
  private readonly waiters: WaitQueue;
  private readonly items: Map<number, EpollItem>;
  private readyHead: EpollItem | null;
  private readyTail: EpollItem | null;

  constructor(vfs: Vfs) {
    super(anonPath(vfs, "anon_inode:[eventpoll]"), O_RDWR);
    this.waiters = new WaitQueue();
    this.items = new Map();
    this.readyHead = null;
    this.readyTail = null;
  }

  override get queue(): WaitQueue {
    return this.waiters;
  }

  // Interests.

  /** epoll_ctl(2). */
  control(
    t: Task,
    op: number,
    fd: number,
    file: File,
    events: number,
    lo: number,
    hi: number,
  ): number {
    if (file === this) return -EINVAL;
    if (!file.pollable) return -EPERM;
    const item = this.find(fd, file);
    switch (op) {
      case EPOLL_CTL_ADD:
        if (item !== null) return -EEXIST;
        if ((events & EPOLLEXCLUSIVE) !== 0) {
          if (file instanceof EpollFile || (events & ~EXCLUSIVE_OK) !== 0) return -EINVAL;
        }
        return this.addItem(t, fd, file, events, lo, hi);
      case EPOLL_CTL_MOD:
        if (item === null) return -ENOENT;
        if (((events | item.events) & EPOLLEXCLUSIVE) !== 0) return -EINVAL;
        item.setEvents(events);
        item.dataLo = lo;
        item.dataHi = hi;
        if ((file.poll(t) & item.mask) !== 0) this.markReady(item);
        return 0;
      case EPOLL_CTL_DEL:
        if (item === null) return -ENOENT;
        this.forget(item, true);
        return 0;
      default:
        return -EINVAL;
    }
  }

  /** What it watches: descriptors as they were given, and descriptions. */
  *targets(): Iterable<[fd: number, file: File]> {
    for (const first of this.items.values()) {
      for (let item: EpollItem | null = first; item !== null; item = item.sameFd) {
        yield [item.fd, item.file];
      }
    }
  }

  private find(fd: number, file: File): EpollItem | null {
    let item = this.items.get(fd) ?? null;
    while (item !== null && item.file !== file) item = item.sameFd;
    return item;
  }

  private addItem(t: Task, fd: number, file: File, events: number, lo: number, hi: number): number {
    if (file instanceof EpollFile) {
      if (file.watches(this, 0) || file.depth(0) + 1 >= MAX_DEPTH) return -ELOOP;
    }
    const item = new EpollItem(this, file, fd);
    item.setEvents(events);
    item.dataLo = lo;
    item.dataHi = hi;
    item.sameFd = this.items.get(fd) ?? null;
    this.items.set(fd, item);
    item.nextWatcher = file.watchers;
    file.watchers = item;
    file.queue?.add(item);
    if ((file.poll(t) & item.mask) !== 0) this.markReady(item);
    return 0;
  }

  /** Ends an interest; `unlink` unless the file is dropping all its watchers itself. */
  forget(item: EpollItem, unlink: boolean): void {
    if (item.queue !== null) item.queue.remove(item);
    this.unready(item);
    const first = this.items.get(item.fd) ?? null;
    if (first === item) {
      if (item.sameFd === null) this.items.delete(item.fd);
      else this.items.set(item.fd, item.sameFd);
    } else {
      let before = first;
      while (before !== null && before.sameFd !== item) before = before.sameFd;
      if (before !== null) before.sameFd = item.sameFd;
    }
    if (unlink) item.file.removeWatcher(item);
  }

  /** Whether this instance watches `target`, itself or through others. */
  private watches(target: EpollFile, level: number): boolean {
    if (level > MAX_DEPTH) return true;
    for (const first of this.items.values()) {
      for (let item: EpollItem | null = first; item !== null; item = item.sameFd) {
        const file = item.file;
        if (file === target) return true;
        if (file instanceof EpollFile && file.watches(target, level + 1)) return true;
      }
    }
    return false;
  }

  /** How many instances lie beneath this one. */
  private depth(level: number): number {
    if (level > MAX_DEPTH) return MAX_DEPTH;
    let most = 0;
    for (const item of this.items.values()) {
      if (item.file instanceof EpollFile) most = Math.max(most, 1 + item.file.depth(level + 1));
    }
    return most;
  }

  // The ready list.

  /** Something may have happened to `item`. */
  markReady(item: EpollItem): void {
    if (!item.ready) this.appendReady(item);
    this.waiters.notify(POLLIN | POLLRDNORM);
  }

  private appendReady(item: EpollItem): void {
    item.ready = true;
    item.readyPrev = this.readyTail;
    item.readyNext = null;
    if (this.readyTail === null) this.readyHead = item;
    else this.readyTail.readyNext = item;
    this.readyTail = item;
  }

  private unready(item: EpollItem): void {
    if (!item.ready) return;
    item.ready = false;
    if (item.readyPrev === null) this.readyHead = item.readyNext;
    else item.readyPrev.readyNext = item.readyNext;
    if (item.readyNext === null) this.readyTail = item.readyPrev;
    else item.readyNext.readyPrev = item.readyPrev;
    item.readyPrev = null;
    item.readyNext = null;
  }

  /** Writes up to `max` events as `struct epoll_event` into `view`; returns how many. */
  collect(t: Task, view: DataView, max: number): number {
    let count = 0;
    // Level-triggered items go back to the end of the list; the one seen first ends the round.
    const last = this.readyTail;
    let item = this.readyHead;
    while (item !== null && count < max) {
      const next: EpollItem | null = item === last ? null : item.readyNext;
      this.unready(item);
      const events = item.file.poll(t) & item.mask;
      if (events !== 0) {
        const at = count * EPOLL_EVENT_SIZE;
        view.setUint32(at, events, true);
        view.setUint32(at + 4, item.dataLo, true);
        view.setUint32(at + 8, item.dataHi, true);
        count++;
        if (item.oneShot) item.disarm();
        else if (!item.edgeTriggered) this.appendReady(item);
      }
      item = next;
    }
    return count;
  }

  override poll(t: Task | null): number {
    let item = this.readyHead;
    while (item !== null) {
      const next: EpollItem | null = item.readyNext;
      if ((item.file.poll(t) & item.mask) !== 0) return POLLIN | POLLRDNORM;
      this.unready(item);
      item = next;
    }
    return 0;
  }

  override fdInfo(): string {
    let text = "";
    for (const first of this.items.values()) {
      for (let item: EpollItem | null = first; item !== null; item = item.sameFd) {
        const data = item.dataHi.toString(16) + item.dataLo.toString(16).padStart(8, "0");
        text += `tfd: ${String(item.fd).padStart(8)} events: ${
          item.events.toString(16).padStart(8)
        } data: ${data.replace(/^0+(?=.)/, "").padStart(16)}  pos:${item.file.pos} ino:${
          item.file.inode.ino.toString(16)
        } sdev:${item.file.inode.dev.toString(16)}\n`;
      }
    }
    return text;
  }

  override release(): void {
    for (const first of [...this.items.values()]) {
      for (let item: EpollItem | null = first; item !== null;) {
        const next: EpollItem | null = item.sameFd;
        this.forget(item, true);
        item = next;
      }
    }
  }
}
