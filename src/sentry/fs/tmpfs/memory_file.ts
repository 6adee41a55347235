// hot: reads and writes of the files of the sandbox's root end here.

import { EBUSY, EFBIG, EINVAL, ENXIO, EOPNOTSUPP, EPERM } from "../../../abi/errno.ts";
import {
  F_SEAL_FUTURE_WRITE,
  F_SEAL_GROW,
  F_SEAL_SEAL,
  F_SEAL_SHRINK,
  F_SEAL_WRITE,
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  FALLOC_FL_PUNCH_HOLE,
  FALLOC_FL_ZERO_RANGE,
  O_ACCMODE,
  O_RDONLY,
} from "../../../abi/fcntl.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import { PageCache } from "../../mm/page_cache.ts";
import type { VfsContext } from "../../vfs/context.ts";
import type { File } from "../../vfs/file.ts";
import type { Path } from "../../vfs/path.ts";
import { RegularFile } from "../../vfs/regular_file.ts";
import { LowerFiller } from "./lower_filler.ts";
import type { MemoryFileSystem } from "./memory_file_system.ts";
import { MemoryInode } from "./memory_inode.ts";

/** The largest file: what page numbers of the cache can count. */
const MAX_SIZE = 2 ** 43;

/**
 * A regular file whose content is in memory. In an overlay it shows the pages of the file below
 * until somebody opens it for writing; from then on it has pages of its own, which take what was
 * not written yet from below.
 */
export class MemoryFile extends MemoryInode {
  /** F_SEAL_* bits; -1 where the file system knows no seals. */
  seals: number;
  private cache: PageCache | null;
  /** Whether `cache` belongs to this file rather than to the one below. */
  private own: boolean;
  private filler: LowerFiller | null;

  constructor(fs: MemoryFileSystem, mode: number, uid: number, gid: number) {
    super(fs, mode, uid, gid);
    this.seals = fs.defaultSeals;
    this.cache = null;
    this.own = false;
    this.filler = null;
  }

  override get blocks(): number {
    if (this.own) {
      return (this.filler === null ? this.cache!.present : Math.ceil(this.size / 4096)) * 8;
    }
    return this.below === null ? 0 : this.below.blocks;
  }

  override prepareContent(): PageCache | null {
    return this.cache ?? this.firstCache();
  }

  private firstCache(): PageCache | null {
    const below = this.below;
    if (below === null) return this.ownCache();
    this.cache = below.prepareContent();
    this.pages = this.cache;
    return this.cache;
  }

  /** The pages of this file itself: writing is for these only. */
  private ownCache(): PageCache {
    if (this.own) return this.cache!;
    const below = this.below;
    let cache: PageCache;
    if (below === null) {
      cache = new PageCache(this.fs.frames, null, this.fs);
    } else {
      this.filler = new LowerFiller(below, this.fs.frames);
      cache = new PageCache(this.fs.frames, this.filler, this.fs);
    }
    cache.size = this.size;
    this.cache?.handOver(this, cache);
    this.cache = cache;
    this.pages = cache;
    this.own = true;
    return cache;
  }

  override open(_ctx: VfsContext, flags: number, path: Path): File {
    if ((flags & O_ACCMODE) !== O_RDONLY) this.ownCache();
    else this.prepareContent();
    return new RegularFile(path, flags, this);
  }

  override readAt(ctx: VfsContext, io: IoBuffer, pos: number, length: number): number {
    const cache = this.cache;
    if (cache === null) {
      return this.below === null ? 0 : this.below.readAt(ctx, io, pos, length);
    }
    return cache.read(io, pos, length);
  }

  override writeAt(ctx: VfsContext, io: IoBuffer, pos: number, length: number): number {
    if (this.seals > 0) {
      if ((this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) return -EPERM;
      if ((this.seals & F_SEAL_GROW) !== 0 && pos + length > this.size) return -EPERM;
    }
    if (pos + length > MAX_SIZE) return -EFBIG;
    const cache = this.ownCache();
    const n = cache.write(io, pos, length);
    this.size = cache.size;
    if (n > 0) this.touchModified(ctx.kernel.clock.realtime());
    return n;
  }

  override seekData(_ctx: VfsContext, offset: number, data: boolean): number {
    const cache = this.cache;
    if (this.below !== null) return data ? offset : this.size;
    if (cache === null) return data ? -ENXIO : offset;
    const at = cache.seekData(offset, data);
    return data && at >= this.size ? -ENXIO : at;
  }

  override truncate(ctx: VfsContext, size: number): number {
    if (size > MAX_SIZE) return -EFBIG;
    if (this.seals > 0) {
      if ((this.seals & F_SEAL_SHRINK) !== 0 && size < this.size) return -EPERM;
      if ((this.seals & F_SEAL_GROW) !== 0 && size > this.size) return -EPERM;
    }
    const cache = this.ownCache();
    if (this.filler !== null) this.filler.limitTo(size);
    cache.truncate(size);
    this.size = size;
    this.touchModified(ctx.kernel.clock.realtime());
    return 0;
  }

  override fallocate(ctx: VfsContext, mode: number, offset: number, length: number): number {
    if ((mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) !== 0) return -EOPNOTSUPP;
    const end = offset + length;
    if (end > MAX_SIZE) return -EFBIG;
    const cache = this.ownCache();
    if ((mode & (FALLOC_FL_PUNCH_HOLE | FALLOC_FL_ZERO_RANGE)) !== 0) {
      if (this.seals > 0 && (this.seals & (F_SEAL_WRITE | F_SEAL_FUTURE_WRITE)) !== 0) {
        return -EPERM;
      }
      const within = Math.min(end, this.size) - offset;
      if (within > 0) {
        // Pages at the edges are cleared in part only, so they must be there.
        if (this.filler !== null) this.keepEdges(cache, offset, offset + within);
        cache.punch(offset, within);
      }
    }
    if ((mode & FALLOC_FL_PUNCH_HOLE) === 0) {
      const grows = end > this.size && (mode & FALLOC_FL_KEEP_SIZE) === 0;
      if (grows && this.seals > 0 && (this.seals & F_SEAL_GROW) !== 0) return -EPERM;
      const r = cache.allocate(offset, length);
      if (r !== 0) return r;
      if (grows) {
        cache.size = end;
        this.size = end;
      }
    }
    this.touchModified(ctx.kernel.clock.realtime());
    return 0;
  }

  private keepEdges(cache: PageCache, start: number, end: number): void {
    if (start % 4096 !== 0) cache.getPage(Math.floor(start / 4096), true);
    if (end % 4096 !== 0) cache.getPage(Math.floor(end / 4096), true);
    this.filler!.addHole(Math.ceil(start / 4096), Math.floor(end / 4096));
  }

  override getSeals(): number {
    return this.seals < 0 ? -EINVAL : this.seals;
  }

  override addSeals(seals: number): number {
    if (this.seals < 0 || (seals & ~0x3f) !== 0) return -EINVAL;
    if ((this.seals & F_SEAL_SEAL) !== 0) return -EPERM;
    if (
      (seals & F_SEAL_WRITE) !== 0 && (this.seals & F_SEAL_WRITE) === 0 &&
      this.cache !== null && this.cache.hasWritableMappings
    ) return -EBUSY;
    this.seals |= seals;
    return 0;
  }

  override discard(): void {
    if (this.own) this.cache!.release();
    this.cache = null;
    this.pages = null;
    this.own = false;
    this.filler = null;
  }
}
