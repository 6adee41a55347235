// hot: the round trip through a pipe is measured.

import { EAGAIN, EBUSY, EINVAL, EPERM, EPIPE } from "../../../abi/errno.ts";
import { PIPE_BUF } from "../../../abi/fcntl.ts";
import { POLLERR, POLLHUP, POLLIN, POLLOUT, POLLRDNORM, POLLWRNORM } from "../../../abi/poll.ts";
import { WaitQueue } from "../../kernel/wait.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import { ByteRing } from "./byte_ring.ts";

/** What a pipe holds unless F_SETPIPE_SZ says otherwise. */
export const DEFAULT_PIPE_SIZE = 65536;
/** What F_SETPIPE_SZ allows without CAP_SYS_RESOURCE (/proc/sys/fs/pipe-max-size). */
export const MAX_PIPE_SIZE = 1 << 20;
/** What F_SETPIPE_SZ allows at all, whoever asks. */
const HARD_MAX_PIPE_SIZE = 1 << 28;

const READABLE = POLLIN | POLLRDNORM;
const WRITABLE = POLLOUT | POLLWRNORM;

/**
 * A pipe (pipe(7)): a ring of bytes between the descriptions that read and those that write.
 *
 * Writers of up to PIPE_BUF bytes wait until all of it fits, so that their bytes are never mixed
 * with others'. A pipe is writable when PIPE_BUF bytes fit.
 */
export class Pipe {
  /** Readers wait for POLLIN, writers for POLLOUT, openers of a FIFO for the other end. */
  readonly queue: WaitQueue;
  readonly ring: ByteRing;
  readers: number;
  writers: number;
  /** Count every open, so that an opener sees an end that came and went (fifo(7)). */
  readerOpens: number;
  writerOpens: number;
  /** Lengths of the packets in the ring (O_DIRECT), or null while there never were any. */
  private packets: number[] | null;

  constructor() {
    this.queue = new WaitQueue();
    this.ring = new ByteRing(DEFAULT_PIPE_SIZE);
    this.readers = 0;
    this.writers = 0;
    this.readerOpens = 0;
    this.writerOpens = 0;
    this.packets = null;
  }

  addReader(): void {
    this.readers++;
    this.readerOpens++;
    this.queue.notify(WRITABLE | READABLE);
  }

  addWriter(): void {
    this.writers++;
    this.writerOpens++;
    this.queue.notify(WRITABLE | READABLE);
  }

  dropReader(): void {
    if (--this.readers === 0) {
      if (this.writers === 0) this.drain();
      else this.queue.notify(WRITABLE | POLLERR);
    }
  }

  dropWriter(): void {
    if (--this.writers === 0) {
      if (this.readers === 0) this.drain();
      else this.queue.notify(READABLE | POLLHUP);
    }
  }

  /** Bytes left in a FIFO are gone when nobody has it open. */
  private drain(): void {
    this.ring.release();
    this.packets = null;
  }

  /** Reads what is there; 0 at the end (no writer), -EAGAIN if there will be more. */
  read(io: IoBuffer): number {
    const ring = this.ring;
    if (ring.length === 0) return this.writers === 0 || io.remaining === 0 ? 0 : -EAGAIN;
    const full = ring.space < PIPE_BUF;
    const r = this.packets === null ? ring.putTo(io, io.remaining) : this.readPackets(io);
    if (full && r > 0) this.queue.notify(WRITABLE);
    return r;
  }

  /** Writes what fits; -EPIPE without readers, -EAGAIN if nothing fits now. */
  write(io: IoBuffer, asPacket: boolean): number {
    if (this.readers === 0) return -EPIPE;
    const count = io.remaining;
    if (count === 0) return 0;
    const ring = this.ring;
    if (asPacket) return this.writePackets(io);
    const space = ring.space;
    if (space === 0 || (count <= PIPE_BUF && space < count)) return -EAGAIN;
    const r = ring.takeFrom(io, count);
    if (r > 0) {
      if (this.packets !== null) this.notePlain(r);
      this.queue.notify(READABLE);
    }
    return r;
  }

  poll(readable: boolean, writable: boolean): number {
    let mask = 0;
    if (readable) {
      if (this.ring.length > 0) mask |= READABLE;
      if (this.writers === 0 && this.writerOpens > 0) mask |= POLLHUP;
    }
    if (writable) {
      if (this.ring.space >= PIPE_BUF) mask |= WRITABLE;
      if (this.readers === 0) mask |= POLLERR;
    }
    return mask;
  }

  /** F_SETPIPE_SZ; returns the size set, rounded up to a power of two of pages. */
  resize(bytes: number, privileged: boolean): number {
    if (bytes < 0 || bytes > 0x7fffffff) return -EINVAL;
    let size = 4096;
    while (size < bytes) size *= 2;
    if (size > HARD_MAX_PIPE_SIZE) return -EINVAL;
    if (size > MAX_PIPE_SIZE && size > this.ring.capacity && !privileged) return -EPERM;
    if (size < this.ring.length) return -EBUSY;
    const grew = size > this.ring.capacity;
    this.ring.capacity = size;
    if (grew) this.queue.notify(WRITABLE);
    return size;
  }

  // Packets (O_DIRECT): what one write put is what one read gets; the rest of it is dropped.

  private readPackets(io: IoBuffer): number {
    const packets = this.packets!;
    const size = packets[0];
    if (size >= 0) {
      const r = this.ring.putTo(io, Math.min(size, io.remaining));
      if (r < 0) return r;
      this.ring.consume(size - r);
      packets.shift();
      if (packets.length === 0) this.packets = null;
      return r;
    }
    // Plain bytes between packets.
    const r = this.ring.putTo(io, Math.min(-size, io.remaining));
    if (r < 0) return r;
    packets[0] += r;
    if (packets[0] === 0) packets.shift();
    if (packets.length === 0) this.packets = null;
    return r;
  }

  private writePackets(io: IoBuffer): number {
    const ring = this.ring;
    const packets = this.packets ?? (ring.length > 0 ? [-ring.length] : []);
    let done = 0;
    let r = -EAGAIN;
    while (io.remaining > 0) {
      const size = Math.min(io.remaining, PIPE_BUF);
      if (ring.space < size) break;
      r = ring.takeFrom(io, size);
      if (r <= 0) break;
      packets.push(r);
      done += r;
    }
    if (done === 0) return r;
    this.packets = packets;
    this.queue.notify(READABLE);
    return done;
  }

  private notePlain(count: number): void {
    const packets = this.packets!;
    const last = packets.length - 1;
    if (last >= 0 && packets[last] < 0) packets[last] -= count;
    else packets.push(-count);
  }
}
