// hot: /dev/null and /dev/zero see bulk reads and writes.

import { EINVAL, ENOSPC, EPERM } from "../../../abi/errno.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Task } from "../../kernel/task.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { File } from "../../vfs/file.ts";
import type { Path } from "../../vfs/path.ts";

/** A device that has a position but does not mind it (null(4)). */
abstract class MemoryDevice extends File {
  override get seekable(): boolean {
    return true;
  }

  override seek(_t: VfsContext, _offset: number, _whence: number): number {
    this.pos = 0;
    return 0;
  }

  override fsync(): number {
    return -EINVAL;
  }
}

/** `/dev/null`. */
export class NullDevice extends MemoryDevice {
  override read(_t: Task, _io: IoBuffer, _pos: number): number {
    return 0;
  }

  override write(_t: Task, io: IoBuffer, _pos: number): number {
    return io.remaining;
  }
}

/** `/dev/zero`. A mapping of it is anonymous memory. */
export class ZeroDevice extends MemoryDevice {
  override read(_t: Task, io: IoBuffer, _pos: number): number {
    return io.putZeros(io.remaining);
  }

  override write(_t: Task, io: IoBuffer, _pos: number): number {
    return io.remaining;
  }

  override mmap(_t: Task, _prot: number, _flags: number): number {
    return 0;
  }
}

/** `/dev/full`. */
export class FullDevice extends MemoryDevice {
  override read(_t: Task, io: IoBuffer, _pos: number): number {
    return io.putZeros(io.remaining);
  }

  override write(_t: Task, io: IoBuffer, _pos: number): number {
    return io.remaining === 0 ? 0 : -ENOSPC;
  }
}

/** The most that one read of random bytes gives, as on Linux. */
const MOST_RANDOM = 0x1ffffff;
const RNDGETENTCNT = 0x80045200;
const RNDADDTOENTCNT = 0x40045201;
const RNDADDENTROPY = 0x40085203;
const RNDRESEEDCRNG = 0x5207;
const pool = new Uint8Array(65536);

/** `/dev/random` and `/dev/urandom`, which are the same once the pool is ready (random(4)). */
export class RandomDevice extends File {
  private readonly kernel: Kernel;

  constructor(path: Path, flags: number, kernel: Kernel) {
    super(path, flags);
    this.kernel = kernel;
  }

  override get seekable(): boolean {
    return true;
  }

  override seek(_t: VfsContext, _offset: number, _whence: number): number {
    return 0;
  }

  override read(_t: Task, io: IoBuffer, _pos: number): number {
    let left = Math.min(io.remaining, MOST_RANDOM);
    let done = 0;
    while (left > 0) {
      const n = Math.min(left, pool.length);
      this.kernel.random(pool.subarray(0, n));
      const r = io.put(pool, 0, n);
      pool.fill(0, 0, n);
      if (r <= 0) return done > 0 ? done : r;
      done += r;
      if (r < n) break;
      left -= r;
    }
    return done;
  }

  override write(_t: Task, io: IoBuffer, _pos: number): number {
    return io.remaining;
  }

  override ioctl(t: Task, cmd: number, arg: number): number {
    switch (cmd) {
      case RNDGETENTCNT:
        return t.mm.writeU32(arg, 256);
      case RNDADDTOENTCNT:
      case RNDADDENTROPY:
      case RNDRESEEDCRNG:
        return -EPERM;
      default:
        return -EINVAL;
    }
  }
}
