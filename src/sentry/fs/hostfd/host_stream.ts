/** Non-blocking reads and writes of a host descriptor whose description is shared with others. */

import * as libc from "../../../../ffi/libc.ts";
import { EAGAIN, EINTR } from "../../../abi/errno.ts";
import { O_CLOEXEC, O_NOCTTY, O_NONBLOCK } from "../../../abi/fcntl.ts";
import { POLLIN, POLLOUT } from "../../../abi/poll.ts";
import { S_IFCHR, S_IFDIR, S_IFIFO, S_IFMT, S_IFREG, S_IFSOCK } from "../../../abi/stat.ts";
import { MSG_DONTWAIT, MSG_NOSIGNAL } from "../../../abi/socket.ts";

const STAT_SIZE = 144;
const ST_MODE = 24;
/** What a pipe or terminal takes without blocking once poll(2) says that it is writable. */
const SAFE_WRITE = 4096;

const pollfd = new Uint8Array(8);
const pollView = new DataView(pollfd.buffer);

/** How a host descriptor is kept from blocking the sentry. */
const enum Way {
  /** It never blocks for long: a regular file. */
  Plain,
  /** Its description is our own, and non-blocking. */
  Own,
  /** A socket: each call says MSG_DONTWAIT. */
  Socket,
  /** Asked by poll(2) before each call. */
  Polled,
}

/**
 * A host descriptor. O_NONBLOCK belongs to the description, which the user's shell shares, so it
 * is never set there: a pipe or terminal is opened anew through /proc/self/fd, and where that is
 * refused poll(2) is asked before each call.
 */
export class HostStream {
  /** The descriptor to use and to watch. */
  readonly fd: number;
  /** Type and permissions, as `st_mode`. */
  readonly mode: number;
  private readonly way: Way;
  private readonly original: number;

  /** `access` is O_RDONLY, O_WRONLY or O_RDWR. */
  constructor(original: number, access: number) {
    const stat = new Uint8Array(STAT_SIZE);
    const known = libc.fstat(original, stat) === 0;
    this.original = original;
    this.mode = known ? new DataView(stat.buffer).getUint32(ST_MODE, true) : S_IFCHR;
    const type = this.mode & S_IFMT;
    let fd = original;
    let way = Way.Polled;
    if (type === S_IFREG || type === S_IFDIR) {
      way = Way.Plain;
    } else if (type === S_IFSOCK) {
      way = Way.Socket;
    } else if (type === S_IFIFO || type === S_IFCHR) {
      const flags = access | O_NONBLOCK | O_CLOEXEC | O_NOCTTY;
      const again = libc.open(libc.cstr(`/proc/self/fd/${original}`), flags, 0);
      if (again >= 0) {
        fd = again;
        way = Way.Own;
      }
    }
    this.fd = fd;
    this.way = way;
  }

  /** Whether poll and epoll work on it. */
  get watchable(): boolean {
    return this.way !== Way.Plain;
  }

  /** Reads; 0 at the end, -EAGAIN if nothing is there. */
  read(dst: Uint8Array, count: number): number {
    switch (this.way) {
      case Way.Socket:
        return libc.recvfrom(this.fd, dst, count, MSG_DONTWAIT, null, null);
      case Way.Polled:
        if (this.poll(POLLIN) === 0) return -EAGAIN;
        break;
    }
    return libc.read(this.fd, dst, count);
  }

  /** Writes what is taken at once; -EAGAIN if nothing is. */
  write(src: Uint8Array, count: number): number {
    switch (this.way) {
      case Way.Socket:
        return libc.sendto(this.fd, src, count, MSG_DONTWAIT | MSG_NOSIGNAL, null, 0);
      case Way.Polled:
        if (this.poll(POLLOUT) === 0) return -EAGAIN;
        if (count > SAFE_WRITE) count = SAFE_WRITE;
        break;
    }
    return libc.write(this.fd, src, count);
  }

  /** Readiness now, as POLL* bits. */
  poll(mask: number): number {
    pollView.setInt32(0, this.fd, true);
    pollView.setUint16(4, mask, true);
    pollView.setUint16(6, 0, true);
    const n = libc.poll(pollfd, 1, 0);
    return n > 0 ? pollView.getUint16(6, true) : 0;
  }

  /** Sleeps until bytes can be written; false if that will never be. */
  waitWritable(): boolean {
    pollView.setInt32(0, this.fd, true);
    pollView.setUint16(4, POLLOUT, true);
    pollView.setUint16(6, 0, true);
    const n = libc.poll(pollfd, 1, -1);
    return n === -EINTR || (n > 0 && (pollView.getUint16(6, true) & POLLOUT) !== 0);
  }

  /** Closes what was opened anew; the inherited descriptor too if `all`. */
  close(all: boolean): void {
    if (this.fd !== this.original) libc.close(this.fd);
    if (all) libc.close(this.original);
  }
}
