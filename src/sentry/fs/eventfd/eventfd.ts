// hot: event loops wake each other with these.

import { EAGAIN, EINVAL } from "../../../abi/errno.ts";
import { O_RDWR } from "../../../abi/fcntl.ts";
import { POLLERR, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../../../abi/poll.ts";
import type { Task } from "../../kernel/task.ts";
import { WaitQueue } from "../../kernel/wait.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import { anonPath } from "../../vfs/anon.ts";
import { File } from "../../vfs/file.ts";
import type { Vfs } from "../../vfs/vfs.ts";

const TWO_32 = 4294967296;
const MAX_HI = 0xffffffff;
/** The largest counter, 2^64 - 2, is this with MAX_HI above it. */
const MAX_LO = 0xfffffffe;

const bytes = new Uint8Array(8);
const words = new Uint32Array(bytes.buffer);

/** An event counter (eventfd(2)), 64 bits in two halves. */
export class EventFile extends File {
  private readonly waiters: WaitQueue;
  private lo: number;
  private hi: number;
  private readonly semaphore: boolean;

  constructor(vfs: Vfs, initial: number, semaphore: boolean, flags: number) {
    super(anonPath(vfs, "anon_inode:[eventfd]"), O_RDWR | flags);
    this.waiters = new WaitQueue();
    this.lo = initial >>> 0;
    this.hi = 0;
    this.semaphore = semaphore;
  }

  override get queue(): WaitQueue {
    return this.waiters;
  }

  override read(_t: Task, io: IoBuffer, _pos: number): number {
    if (io.remaining < 8) return -EINVAL;
    if (this.lo === 0 && this.hi === 0) return -EAGAIN;
    words[0] = this.semaphore ? 1 : this.lo;
    words[1] = this.semaphore ? 0 : this.hi;
    const r = io.put(bytes, 0, 8);
    if (r < 0) return r;
    if (!this.semaphore) {
      this.lo = this.hi = 0;
    } else if (this.lo > 0) {
      this.lo--;
    } else {
      this.lo = MAX_HI;
      this.hi--;
    }
    this.waiters.notify(POLLOUT | POLLWRNORM);
    return 8;
  }

  override write(_t: Task, io: IoBuffer, _pos: number): number {
    if (io.remaining < 8) return -EINVAL;
    const r = io.take(bytes, 0, 8);
    if (r < 0) return r;
    const lo = words[0], hi = words[1];
    if (lo === 0xffffffff && hi === MAX_HI) return -EINVAL;
    let sumLo = this.lo + lo;
    let sumHi = this.hi + hi;
    if (sumLo >= TWO_32) {
      sumLo -= TWO_32;
      sumHi++;
    }
    if (sumHi > MAX_HI || (sumHi === MAX_HI && sumLo > MAX_LO)) return -EAGAIN;
    this.lo = sumLo;
    this.hi = sumHi;
    if (lo !== 0 || hi !== 0) this.waiters.notify(POLLIN | POLLRDNORM);
    return 8;
  }

  /** Adds one, as far as it goes: something that it stands for has happened. */
  signal(): void {
    if (this.hi === MAX_HI && this.lo >= MAX_LO) return;
    if (this.lo === MAX_HI) {
      this.lo = 0;
      this.hi++;
    } else this.lo++;
    this.waiters.notify(POLLIN | POLLRDNORM);
  }

  override poll(_t: Task | null): number {
    let mask = 0;
    if (this.lo !== 0 || this.hi !== 0) mask |= POLLIN | POLLRDNORM;
    if (this.hi < MAX_HI || this.lo < MAX_LO) mask |= POLLOUT | POLLWRNORM;
    if (this.hi === MAX_HI && this.lo === MAX_HI) mask |= POLLERR;
    return mask;
  }

  /** The line that /proc/PID/fdinfo adds. */
  get count(): string {
    return this.hi === 0
      ? this.lo.toString(16)
      : this.hi.toString(16) + this.lo.toString(16).padStart(8, "0");
  }
}
