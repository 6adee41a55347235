/** Mapping the segments of an ELF file. */

import { EINVAL, ENOMEM } from "../../abi/errno.ts";
import { MAP_ANONYMOUS, MAP_FIXED, MAP_PRIVATE, PROT_WRITE } from "../../abi/mman.ts";
import { MIN_ADDRESS } from "../mm/areas.ts";
import type { MemoryManager } from "../mm/memory_manager.ts";
import { RESERVED_LOW_END, RESERVED_LOW_START, USER_TOP } from "../platform/platform.ts";
import type { File } from "../vfs/file.ts";
import type { ElfFile, Segment } from "./elf_file.ts";

const PAGE = 4096;
/** Pages of a segment that are read ahead when a program starts. */
const READ_AHEAD = 64;

/**
 * Maps all segments `bias` bytes above their addresses, into addresses that are free; 0 or a negative errno. The
 * address space is unfit for use after an error.
 */
export function mapElf(mm: MemoryManager, file: File, elf: ElfFile, bias: number): number {
  const low = elf.low + bias;
  const high = elf.high + bias;
  if (low < MIN_ADDRESS || high > USER_TOP) return -EINVAL;
  if (low < RESERVED_LOW_END && high > RESERVED_LOW_START) return -ENOMEM;
  for (const s of elf.segments) {
    const r = mapSegment(mm, file, s, bias);
    if (r < 0) return r;
  }
  return 0;
}

function mapSegment(mm: MemoryManager, file: File, s: Segment, bias: number): number {
  const start = s.vaddr + bias;
  const fileEnd = start + s.fileSize;
  const base = start - start % PAGE;
  const mapEnd = s.fileSize === 0 ? base : Math.ceil(fileEnd / PAGE) * PAGE;
  const end = Math.ceil((start + s.memSize) / PAGE) * PAGE;
  if (mapEnd > base) {
    const offset = s.offset - s.offset % PAGE;
    const pages = (mapEnd - base) / PAGE;
    file.inode.pages?.prefetch(offset / PAGE, Math.min(pages, READ_AHEAD));
    const r = mm.mmap({
      addr: base,
      length: mapEnd - base,
      prot: s.prot,
      flags: MAP_PRIVATE | MAP_FIXED,
      file,
      offset,
    });
    if (r < 0) return r;
  }
  if (s.memSize > s.fileSize && s.fileSize > 0 && (s.prot & PROT_WRITE) !== 0) {
    // The whole rest of the page is zeroed: the dynamic linker uses what is left of it. A page that
    // the file does not have stays away, and raises SIGBUS.
    mm.zeroPartial(fileEnd, mapEnd - fileEnd);
  }
  if (end > mapEnd) {
    const r = mm.mmap({
      addr: mapEnd,
      length: end - mapEnd,
      prot: s.prot,
      flags: MAP_PRIVATE | MAP_FIXED | MAP_ANONYMOUS,
      file: null,
      offset: 0,
    });
    if (r < 0) return r;
  }
  return 0;
}
