// hot

import * as libc from "../../../../ffi/libc.ts";
import { EFBIG, EIO, EOPNOTSUPP, EROFS } from "../../../abi/errno.ts";
import {
  FALLOC_FL_COLLAPSE_RANGE,
  FALLOC_FL_INSERT_RANGE,
  FALLOC_FL_KEEP_SIZE,
  O_RDONLY,
  O_RDWR,
  SEEK_DATA,
  SEEK_HOLE,
} from "../../../abi/fcntl.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import { PageCache, type PageFiller } from "../../mm/page_cache.ts";
import type { VfsContext } from "../../vfs/context.ts";
import type { File } from "../../vfs/file.ts";
import { MAX_OFFSET } from "../../vfs/file.ts";
import type { Path } from "../../vfs/path.ts";
import { RegularFile } from "../../vfs/regular_file.ts";
import type { SetAttr } from "../../vfs/set_attr.ts";
import { HostInode } from "./host_inode.ts";
import type { HostStat } from "./host_stat.ts";

/** More than this is not left for later to be written back. */
const MAX_UNWRITTEN = 16 << 20;

/** Reads pages from the host. */
class HostReader implements PageFiller {
  protected readonly file: HostFile;

  constructor(file: HostFile) {
    this.file = file;
  }

  fill(index: number, count: number, memOffset: number): number {
    const fd = this.file.hostFd(O_RDONLY);
    if (fd < 0) return fd;
    const frames = this.file.fs.vfs.kernel.frames;
    const done = frames.readFile(fd, index * 4096, memOffset, count * 4096);
    if (done < 0) return done;
    this.file.fs.pages.add(count);
    return done;
  }
}

/** Writes pages back as well. */
class HostReaderWriter extends HostReader {
  flush(index: number, memOffset: number, length: number): number {
    const fd = this.file.hostFd(O_RDWR);
    if (fd < 0) return fd;
    const address = this.file.fs.vfs.kernel.frames.hostAddress + memOffset;
    let done = 0;
    while (done < length) {
      const n = libc.pwrite(fd, address + done, length - done, index * 4096 + done);
      if (n <= 0) return n < 0 ? n : -EIO;
      done += n;
    }
    return 0;
  }
}

/**
 * A regular file of the host. Its pages are read once; what is written stays in the cache until
 * fsync(2), the last close by a writer, or the end of the sandbox.
 */
export class HostFile extends HostInode {
  private cache: PageCache | null = null;
  /** Bytes written since the cache was last written back for their sake. */
  private unwritten = 0;
  // What the host said last. No initializers: the constructor of the base class sets them.
  declare private seenSize: number;
  declare private seenMtimeSec: number;
  declare private seenMtimeNsec: number;
  declare private seenCtimeSec: number;
  declare private seenCtimeNsec: number;

  override prepareContent(): PageCache {
    if (this.cache === null) {
      const filler = this.fs.writable ? new HostReaderWriter(this) : new HostReader(this);
      this.cache = new PageCache(this.fs.vfs.kernel.frames, filler);
      this.cache.size = this.size;
      this.pages = this.cache;
    }
    return this.cache;
  }

  protected override adoptAfterChange(st: HostStat): void {
    const size = this.size;
    this.adopt(st);
    if (this.cache !== null) this.size = size;
  }

  protected override observe(st: HostStat): void {
    const content = st.size !== this.seenSize || st.mtimeSec !== this.seenMtimeSec ||
      st.mtimeNsec !== this.seenMtimeNsec;
    const attributes = st.ctimeSec !== this.seenCtimeSec || st.ctimeNsec !== this.seenCtimeNsec;
    if (!content && !attributes) return;
    const cache = this.cache;
    if (cache !== null && cache.dirty) {
      // What was written here wins when it is written back; until then it is what is seen.
      this.mode = st.mode;
      this.uid = st.uid;
      this.gid = st.gid;
      this.nlink = st.nlink;
      return;
    }
    if (cache !== null && content) {
      cache.drop(0, Infinity, false);
      cache.truncate(st.size);
    }
    this.adopt(st);
  }

  override adopt(st: HostStat): void {
    super.adopt(st);
    this.seenSize = st.size;
    this.seenMtimeSec = st.mtimeSec;
    this.seenMtimeNsec = st.mtimeNsec;
    this.seenCtimeSec = st.ctimeSec;
    this.seenCtimeNsec = st.ctimeNsec;
  }

  /** After writing back: the times that the host gave it are not somebody else's doing. */
  private written(): void {
    if (this.fs.shared && this.parent !== null) this.reload();
  }

  override setattr(ctx: VfsContext, attr: SetAttr): number {
    // Times that are set now must not be changed by what is written back later.
    const r = this.cache === null ? 0 : this.cache.sync();
    return r !== 0 ? r : super.setattr(ctx, attr);
  }

  override open(ctx: VfsContext, flags: number, path: Path): File | number {
    if (this.fs.shared) this.refresh(ctx);
    this.prepareContent();
    return new RegularFile(path, flags, this);
  }

  override readAt(ctx: VfsContext, io: IoBuffer, pos: number, length: number): number {
    // Whoever reads on at the end of a file waits for others to write more.
    if (this.fs.shared && pos + length > this.size) this.refresh(ctx);
    return this.prepareContent().read(io, pos, length);
  }

  override writeAt(ctx: VfsContext, io: IoBuffer, pos: number, length: number): number {
    if (!this.fs.writable) return -EROFS;
    if (pos + length > MAX_OFFSET) return -EFBIG;
    // Only a file that can be opened for writing may take data that is written back later.
    const fd = this.hostFd(O_RDWR);
    if (fd < 0) return fd;
    const cache = this.prepareContent();
    const n = cache.write(io, pos, length);
    this.size = cache.size;
    if (n <= 0) return n;
    this.touchModified(ctx.kernel.clock.realtime());
    this.unwritten += n;
    if (this.unwritten > MAX_UNWRITTEN) {
      this.unwritten = 0;
      cache.sync();
    }
    return n;
  }

  override seekData(_ctx: VfsContext, offset: number, data: boolean): number {
    const r = this.cache === null ? 0 : this.cache.sync();
    if (r !== 0) return r;
    const fd = this.hostFd(O_RDONLY);
    return fd < 0 ? fd : libc.lseek(fd, offset, data ? SEEK_DATA : SEEK_HOLE);
  }

  override truncate(ctx: VfsContext, size: number): number {
    if (!this.fs.writable) return -EROFS;
    const fd = this.hostFd(O_RDWR);
    if (fd < 0) return fd;
    const r = libc.ftruncate(fd, size);
    if (r !== 0) return r;
    this.prepareContent().truncate(size);
    this.size = size;
    this.touchModified(ctx.kernel.clock.realtime());
    return 0;
  }

  override fallocate(ctx: VfsContext, mode: number, offset: number, length: number): number {
    if (!this.fs.writable) return -EROFS;
    if ((mode & (FALLOC_FL_COLLAPSE_RANGE | FALLOC_FL_INSERT_RANGE)) !== 0) return -EOPNOTSUPP;
    const cache = this.prepareContent();
    const s = cache.sync();
    if (s !== 0) return s;
    const fd = this.hostFd(O_RDWR);
    if (fd < 0) return fd;
    const r = libc.fallocate(fd, mode, offset, length);
    if (r !== 0) return r;
    const end = offset + length;
    if (mode !== 0 && mode !== FALLOC_FL_KEEP_SIZE) {
      cache.punch(offset, Math.max(0, Math.min(end, this.size) - offset));
    }
    if ((mode & FALLOC_FL_KEEP_SIZE) === 0 && end > this.size) {
      cache.size = end;
      this.size = end;
    }
    this.touchModified(ctx.kernel.clock.realtime());
    return 0;
  }

  override closed(written: boolean): void {
    if (!written || this.writers > 0 || this.cache === null || !this.cache.dirty) return;
    this.cache.sync();
    this.written();
  }

  override sync(dataOnly: boolean): number {
    if (this.cache === null || !this.fs.writable) return 0;
    const r = this.cache.sync();
    if (r !== 0) return r;
    this.written();
    const fd = this.hostFd(O_RDWR);
    if (fd < 0) return 0;
    return dataOnly ? libc.fdatasync(fd) : libc.fsync(fd);
  }

  override abandon(): void {
    this.cache?.sync();
    super.abandon();
  }

  protected override evict(): void {
    if (this.cache !== null) {
      if (this.nlink > 0) this.cache.sync();
      this.cache.release();
      this.cache = null;
      this.pages = null;
    }
    super.evict();
  }
}
