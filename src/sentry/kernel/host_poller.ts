/** Readiness of host descriptors, and the one place where the sentry sleeps. */

import { EEXIST, EINTR, ENOENT, ENOSYS, EPERM } from "../../abi/errno.ts";
import { sys, sys1, sys2 } from "../../../ffi/syscall.ts";

const SYS_CLOSE = 3;
const SYS_EPOLL_CTL = 233;
const SYS_EPOLL_PWAIT = 281;
const SYS_EPOLL_CREATE1 = 291;
const SYS_EPOLL_PWAIT2 = 441;
const SYS_READ = 0;
const EPOLL_CLOEXEC = 0x80000;
const EPOLL_CTL_ADD = 1;
const EPOLL_CTL_DEL = 2;
const EPOLL_CTL_MOD = 3;
const EPOLLONESHOT = 1 << 30;
/** Bytes of a packed struct epoll_event. */
const EVENT_SIZE = 12;
const MAX_EVENTS = 64;
/** Longest sleep, nanoseconds; timers further off just cause another round. */
const MAX_SLEEP = 60e9;

/** Somebody who wants to know when a host descriptor is ready. */
export abstract class HostWatch {
  readonly fd: number;
  /** Wanted events, as poll(2) bits. */
  mask: number;
  /** Key in the poller, 0 when not added. */
  key = 0;

  constructor(fd: number, mask: number) {
    this.fd = fd;
    this.mask = mask;
  }

  /** Called once with the events that happened; `rearm` asks for the next. */
  abstract onReady(mask: number): void;
}

/** An epoll instance whose entries are one-shot. */
export class HostPoller {
  readonly #epoll: number;
  readonly #wakeFd: number;
  readonly #watches = new Map<number, HostWatch>();
  #nextKey = 1;
  readonly #event = new Uint8Array(EVENT_SIZE);
  readonly #eventView = new DataView(this.#event.buffer);
  readonly #events = new Uint8Array(EVENT_SIZE * MAX_EVENTS);
  readonly #view = new DataView(this.#events.buffer);
  readonly #timeout = new Uint8Array(16);
  readonly #timeoutView = new DataView(this.#timeout.buffer);
  readonly #drain = new Uint8Array(8);
  #hasPwait2 = true;

  /** `wakeFd` is an eventfd whose only purpose is to end the sleep. */
  constructor(wakeFd: number) {
    this.#wakeFd = wakeFd;
    this.#epoll = sys(SYS_EPOLL_CREATE1, EPOLL_CLOEXEC, 0, 0, 0, 0, 0);
    if (this.#epoll < 0) throw new Error(`epoll_create1 failed: errno ${-this.#epoll}`);
    this.#control(EPOLL_CTL_ADD, wakeFd, 1, 0);
  }

  #control(op: number, fd: number, mask: number, key: number): number {
    this.#eventView.setUint32(0, mask, true);
    this.#eventView.setUint32(4, key, true);
    this.#eventView.setUint32(8, 0, true);
    return sys1(SYS_EPOLL_CTL, this.#epoll, op, fd, 0, 0, 0, 3, this.#event);
  }

  /**
   * Starts to watch. Returns 0, or -EPERM for a descriptor that can not be polled (a regular file),
   * which is always ready.
   */
  add(w: HostWatch): number {
    if (w.key === 0) w.key = this.#nextKey++;
    let r = this.#control(EPOLL_CTL_ADD, w.fd, w.mask | EPOLLONESHOT, w.key);
    if (r === -EEXIST) r = this.#control(EPOLL_CTL_MOD, w.fd, w.mask | EPOLLONESHOT, w.key);
    if (r < 0) {
      w.key = 0;
      return r === -EPERM ? -EPERM : r;
    }
    this.#watches.set(w.key, w);
    return 0;
  }

  /** Asks for the next event, with the watch's present mask. */
  rearm(w: HostWatch): number {
    if (w.key === 0) return this.add(w);
    const r = this.#control(EPOLL_CTL_MOD, w.fd, w.mask | EPOLLONESHOT, w.key);
    return r === -ENOENT ? this.add(w) : r;
  }

  /** Stops to watch. */
  remove(w: HostWatch): void {
    if (w.key === 0) return;
    this.#control(EPOLL_CTL_DEL, w.fd, 0, w.key);
    this.#watches.delete(w.key);
    w.key = 0;
  }

  /** How many descriptors are watched. */
  get size(): number {
    return this.#watches.size;
  }

  /** Sleeps for at most `nanoseconds` (0: only looks), then tells the watches. */
  wait(nanoseconds: number): void {
    const n = this.#poll(Math.min(nanoseconds, MAX_SLEEP));
    if (n < 0 && n !== -EINTR) throw new Error(`epoll_wait failed: errno ${-n}`);
    for (let i = 0; i < n; i++) {
      const at = i * EVENT_SIZE;
      const key = this.#view.getUint32(at + 4, true);
      if (key === 0) {
        sys1(SYS_READ, this.#wakeFd, 0, 8, 0, 0, 0, 1, this.#drain);
        continue;
      }
      const w = this.#watches.get(key);
      if (w !== undefined) w.onReady(this.#view.getUint32(at, true));
    }
  }

  #poll(nanoseconds: number): number {
    if (this.#hasPwait2) {
      const seconds = Math.floor(nanoseconds / 1e9);
      this.#timeoutView.setUint32(0, seconds, true);
      this.#timeoutView.setUint32(8, nanoseconds - seconds * 1e9, true);
      const n = sys2(
        SYS_EPOLL_PWAIT2,
        this.#epoll,
        0,
        MAX_EVENTS,
        0,
        0,
        8,
        1,
        this.#events,
        3,
        this.#timeout,
      );
      if (n !== -ENOSYS && n !== -EPERM) return n;
      this.#hasPwait2 = false;
    }
    const ms = Math.ceil(nanoseconds / 1e6);
    return sys1(SYS_EPOLL_PWAIT, this.#epoll, 0, MAX_EVENTS, ms, 0, 8, 1, this.#events);
  }

  /** Closes the epoll instance. */
  close(): void {
    sys(SYS_CLOSE, this.#epoll, 0, 0, 0, 0, 0);
  }
}
