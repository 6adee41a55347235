import { EAGAIN, EINVAL } from "../../../abi/errno.ts";
import { O_RDWR } from "../../../abi/fcntl.ts";
import { POLLIN, POLLRDNORM } from "../../../abi/poll.ts";
import { CLOCK_REALTIME, CLOCK_REALTIME_ALARM, TFD_TIMER_ABSTIME } from "../../../abi/time.ts";
import { write64 } from "../../../abi/int64.ts";
import type { Clock } from "../../kernel/clock.ts";
import type { Task } from "../../kernel/task.ts";
import { Timer, type TimerQueue } from "../../kernel/timers.ts";
import { WaitQueue } from "../../kernel/wait.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import { anonPath } from "../../vfs/anon.ts";
import { File } from "../../vfs/file.ts";
import type { Vfs } from "../../vfs/vfs.ts";

const bytes = new Uint8Array(8);
const view = new DataView(bytes.buffer);

/** Wakes a timer file. */
class FileTimer extends Timer {
  private readonly file: TimerFile;

  constructor(file: TimerFile) {
    super();
    this.file = file;
  }

  override fire(): void {
    this.file.expired();
  }
}

/**
 * A timer that is read (timerfd_create(2)). A periodic timer is queued again only when it is read:
 * the expirations between are computed, so that a short period costs nothing while nobody looks.
 */
export class TimerFile extends File {
  readonly clockId: number;
  private readonly waiters: WaitQueue;
  private readonly timers: TimerQueue;
  private readonly clock: Clock;
  private readonly timer: FileTimer;
  /** Monotonic time of the next expiration that is not counted, or Infinity. */
  private due: number;
  private interval: number;
  private ticks: number;
  private setFlagsGiven: number;

  constructor(vfs: Vfs, timers: TimerQueue, clock: Clock, clockId: number, flags: number) {
    super(anonPath(vfs, "anon_inode:[timerfd]"), O_RDWR | flags);
    this.clockId = clockId;
    this.waiters = new WaitQueue();
    this.timers = timers;
    this.clock = clock;
    this.timer = new FileTimer(this);
    this.due = Infinity;
    this.interval = 0;
    this.ticks = 0;
    this.setFlagsGiven = 0;
  }

  override get queue(): WaitQueue {
    return this.waiters;
  }

  /** Nanoseconds until the next expiration, 0 if disarmed. */
  get remaining(): number {
    this.advance(false);
    if (this.due === Infinity) return 0;
    return Math.max(this.due - this.clock.monotonic(), 1);
  }

  /** Nanoseconds of the period, 0 for none. */
  get period(): number {
    return this.interval;
  }

  /** timerfd_settime(2): `value` nanoseconds from now, or of the clock with TFD_TIMER_ABSTIME. */
  set(flags: number, value: number, interval: number): void {
    this.timers.cancel(this.timer);
    this.ticks = 0;
    this.interval = interval;
    this.setFlagsGiven = flags;
    if (value === 0) {
      this.due = Infinity;
      return;
    }
    const now = this.clock.monotonic();
    if ((flags & TFD_TIMER_ABSTIME) === 0) {
      this.due = now + value;
    } else if (this.clockId === CLOCK_REALTIME || this.clockId === CLOCK_REALTIME_ALARM) {
      this.due = now + (value - this.clock.realtime());
    } else {
      this.due = value;
    }
    this.arm();
  }

  private arm(): void {
    this.timer.deadline = this.due;
    this.timers.add(this.timer);
  }

  /** The timer fired. */
  expired(): void {
    this.advance(false);
    if (this.ticks > 0) this.waiters.notify(POLLIN | POLLRDNORM);
    else if (this.due !== Infinity) this.arm();
  }

  /** Counts what has expired; queues a periodic timer again if `rearm`. */
  private advance(rearm: boolean): void {
    if (this.due === Infinity) return;
    const now = this.clock.monotonic();
    if (this.due <= now) {
      if (this.interval === 0) {
        this.ticks++;
        this.due = Infinity;
        return;
      }
      const n = Math.floor((now - this.due) / this.interval) + 1;
      this.ticks += n;
      this.due += n * this.interval;
    }
    if (rearm) this.arm();
  }

  override read(_t: Task, io: IoBuffer, _pos: number): number {
    if (io.remaining < 8) return -EINVAL;
    this.advance(false);
    if (this.ticks === 0) return -EAGAIN;
    write64(view, 0, this.ticks);
    const r = io.put(bytes, 0, 8);
    if (r < 0) return r;
    this.ticks = 0;
    this.advance(true);
    return 8;
  }

  override poll(_t: Task | null): number {
    this.advance(false);
    return this.ticks > 0 ? POLLIN | POLLRDNORM : 0;
  }

  override fdInfo(): string {
    const pair = (ns: number) => `(${Math.floor(ns / 1e9)}, ${Math.floor(ns % 1e9)})`;
    const left = this.remaining;
    return `clockid: ${this.clockId}\nticks: ${this.ticks}\nsettime flags: 0${
      this.setFlagsGiven.toString(8)
    }\nit_value: ${pair(left)}\nit_interval: ${pair(this.interval)}\n`;
  }

  override release(): void {
    this.timers.cancel(this.timer);
  }
}
