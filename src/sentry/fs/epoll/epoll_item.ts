// hot: every event that an event loop waits for passes here.

import { EPOLLET, EPOLLONESHOT } from "../../../abi/poll.ts";
import { POLLERR, POLLHUP } from "../../../abi/poll.ts";
import { Waiter } from "../../kernel/wait.ts";
import type { File, FileWatcher } from "../../vfs/file.ts";
import type { EpollFile } from "./epoll_file.ts";

/** Flags of an interest that are no events. */
const PRIVATE_BITS = 0xf0000000;

/** One interest of an epoll instance: a description under the number it was added by. */
export class EpollItem extends Waiter implements FileWatcher {
  readonly epoll: EpollFile;
  readonly file: File;
  readonly fd: number;
  /** EPOLL* bits as given, unsigned. */
  events: number;
  dataLo: number;
  dataHi: number;
  /** Place in the ready list. */
  ready: boolean;
  readyPrev: EpollItem | null;
  readyNext: EpollItem | null;
  /** Another interest under the same number (the number was closed and used again). */
  sameFd: EpollItem | null;
  nextWatcher: FileWatcher | null;

  constructor(epoll: EpollFile, file: File, fd: number) {
    super();
    this.epoll = epoll;
    this.file = file;
    this.fd = fd;
    this.events = 0;
    this.dataLo = 0;
    this.dataHi = 0;
    this.ready = false;
    this.readyPrev = null;
    this.readyNext = null;
    this.sameFd = null;
    this.nextWatcher = null;
  }

  /** Sets what is waited for. */
  setEvents(events: number): void {
    this.events = events >>> 0;
    this.mask = (events & ~PRIVATE_BITS) | POLLERR | POLLHUP;
  }

  get edgeTriggered(): boolean {
    return (this.events & EPOLLET) !== 0;
  }

  get oneShot(): boolean {
    return (this.events & EPOLLONESHOT) !== 0;
  }

  /** After a one-shot event: nothing is waited for until EPOLL_CTL_MOD. */
  disarm(): void {
    this.events = (this.events & PRIVATE_BITS) >>> 0;
    this.mask = 0;
  }

  override onWake(_mask: number): void {
    this.epoll.markReady(this);
  }

  /** The description is gone, and with it the interest. */
  fileReleased(): void {
    this.epoll.forget(this, false);
  }
}
