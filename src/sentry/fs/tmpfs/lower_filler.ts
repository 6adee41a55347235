import type { FrameAllocator } from "../../mm/frames.ts";
import { KernelIo } from "../../mm/io_buffer.ts";
import type { PageFiller } from "../../mm/page_cache.ts";
import type { Inode } from "../../vfs/inode.ts";

const PAGE = 4096;

/**
 * Fills the pages of a file of an overlay from the file below, as far as that was not cut off or
 * punched out above.
 */
export class LowerFiller implements PageFiller {
  private readonly below: Inode;
  private readonly frames: FrameAllocator;
  private readonly io: KernelIo;
  /** Content from below ends here. */
  private limit: number;
  /** Pages punched out: pairs of first and end. */
  private holes: number[];

  constructor(below: Inode, frames: FrameAllocator) {
    this.below = below;
    this.frames = frames;
    this.io = new KernelIo(frames.memory);
    this.limit = below.size;
    this.holes = [];
  }

  /** The file was cut to `size`: what is beyond does not come back. */
  limitTo(size: number): void {
    if (size < this.limit) this.limit = size;
  }

  /** The pages [first, end) were punched out. */
  addHole(first: number, end: number): void {
    if (first < end) this.holes.push(first, end);
  }

  fill(index: number, count: number, memOffset: number): number {
    const start = index * PAGE;
    const end = Math.min(start + count * PAGE, this.limit);
    if (start >= end) return 0;
    const cache = this.below.prepareContent();
    if (cache === null) return 0;
    this.io.reset(this.frames.memory, memOffset, end - start);
    const n = cache.read(this.io, start, end - start);
    if (n < 0) return n;
    for (let i = 0; i < this.holes.length; i += 2) {
      const from = Math.max(this.holes[i], index);
      const to = Math.min(this.holes[i + 1], index + count);
      if (from >= to) continue;
      const at = memOffset + (from - index) * PAGE;
      this.frames.memory.fill(0, at, at + (to - from) * PAGE);
    }
    return n;
  }

  /** Makes the cache keep what was written: it may drop only pages that are as below. */
  flush(_index: number, _memOffset: number, _length: number): number {
    return 0;
  }
}
