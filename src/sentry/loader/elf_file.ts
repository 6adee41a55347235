/** Reading headers of ELF files, which are hostile: everything is checked before it is used. */

import * as E from "../../abi/elf.ts";
import { EINVAL, ENOEXEC } from "../../abi/errno.ts";
import { readU64 } from "../../abi/int64.ts";
import { PROT_EXEC, PROT_READ, PROT_WRITE } from "../../abi/mman.ts";
import { USER_TOP } from "../platform/platform.ts";
import type { VfsContext } from "../vfs/context.ts";
import type { File } from "../vfs/file.ts";
import { readFileAt } from "./executable.ts";

const PAGE = 4096;
const EHDR_SIZE = 64;
/** Bytes of a program header. */
export const PHDR_SIZE = 56;
/** Program headers may fill 64 KiB (load_elf_phdrs of Linux). */
const MAX_PHDRS = Math.floor(65536 / PHDR_SIZE);
const PATH_MAX = 4096;
/** A greater alignment is not honoured: it would leave no room to place the program. */
const MAX_ALIGN = 1 << 30;

/** A PT_LOAD segment that takes memory. */
export class Segment {
  readonly vaddr: number;
  readonly offset: number;
  readonly fileSize: number;
  readonly memSize: number;
  readonly prot: number;

  constructor(vaddr: number, offset: number, fileSize: number, memSize: number, prot: number) {
    this.vaddr = vaddr;
    this.offset = offset;
    this.fileSize = fileSize;
    this.memSize = memSize;
    this.prot = prot;
  }
}

/** What the loader needs to know of an ELF file. */
export class ElfFile {
  readonly segments: Segment[] = [];
  /** ET_DYN: it may be placed anywhere. */
  isDynamic = false;
  /** The entry point as the file has it. */
  entry = 0;
  /** Where the program headers are in memory, relative to where it is placed; -1 if they are not. */
  phdrAddress = -1;
  phdrCount = 0;
  /** Path of the interpreter, or null. */
  interpreter: string | null = null;
  executableStack = false;
  /** Addresses that it takes, page aligned. */
  low = 0;
  high = 0;
  align = PAGE;
}

/** Reads the headers of `file`, of which `head` is the beginning; -ENOEXEC or another negative errno. */
export function readElf(ctx: VfsContext, file: File, head: Uint8Array): ElfFile | number {
  const view = new DataView(head.buffer, head.byteOffset, head.length);
  if (view.getUint32(0, true) !== E.ELF_MAGIC) return -ENOEXEC;
  // Linux goes by the machine alone and does not look at EI_CLASS.
  const type = view.getUint16(16, true);
  if (type !== E.ET_EXEC && type !== E.ET_DYN) return -ENOEXEC;
  if (view.getUint16(18, true) !== E.EM_X86_64) return -ENOEXEC;
  const phoff = readU64(view, 32);
  const count = view.getUint16(56, true);
  if (view.getUint16(54, true) !== PHDR_SIZE || count < 1 || count > MAX_PHDRS) return -ENOEXEC;
  if (phoff > Number.MAX_SAFE_INTEGER - 65536) return -ENOEXEC;

  const size = count * PHDR_SIZE;
  let table = head;
  let at = phoff;
  if (phoff + size > head.length || phoff < EHDR_SIZE) {
    table = new Uint8Array(size);
    at = 0;
    const n = readFileAt(ctx, file, phoff, table, size);
    if (n !== size) return n < 0 ? n : -ENOEXEC;
  }
  const elf = new ElfFile();
  elf.isDynamic = type === E.ET_DYN;
  elf.entry = readU64(view, 24);
  elf.phdrCount = count;
  const headers = new DataView(table.buffer, table.byteOffset, table.length);
  for (let i = 0; i < count; i++) {
    const r = readHeader(ctx, file, elf, headers, at + i * PHDR_SIZE, phoff);
    if (r < 0) return r;
  }
  if (elf.segments.length === 0) return -ENOEXEC;
  if (elf.high > USER_TOP || elf.high <= elf.low) return -EINVAL;
  return elf;
}

function readHeader(
  ctx: VfsContext,
  file: File,
  elf: ElfFile,
  view: DataView,
  at: number,
  phoff: number,
): number {
  const flags = view.getUint32(at + 4, true);
  const offset = readU64(view, at + 8);
  const vaddr = readU64(view, at + 16);
  const fileSize = readU64(view, at + 32);
  const memSize = readU64(view, at + 40);
  const align = readU64(view, at + 48);
  switch (view.getUint32(at, true)) {
    case E.PT_INTERP: {
      if (elf.interpreter !== null) return 0;
      if (fileSize > PATH_MAX || fileSize < 2) return -ENOEXEC;
      const path = new Uint8Array(fileSize);
      const n = readFileAt(ctx, file, offset, path, fileSize);
      if (n !== fileSize) return n < 0 ? n : -ENOEXEC;
      if (path[fileSize - 1] !== 0) return -ENOEXEC;
      let text = "";
      for (let i = 0; path[i] !== 0; i++) text += String.fromCharCode(path[i]);
      elf.interpreter = text;
      return 0;
    }
    case E.PT_GNU_STACK:
      elf.executableStack = (flags & E.PF_X) !== 0;
      return 0;
    case E.PT_LOAD:
      break;
    default:
      return 0;
  }
  // Sums below are exact only for numbers that could be addresses and offsets at all.
  if (vaddr > USER_TOP || memSize > USER_TOP || fileSize > memSize) return -EINVAL;
  if (offset > Number.MAX_SAFE_INTEGER - USER_TOP) return -EINVAL;
  if (vaddr + memSize > USER_TOP) return -EINVAL;
  if (vaddr % PAGE !== offset % PAGE && fileSize > 0) return -EINVAL;
  if (phoff >= offset && phoff < offset + fileSize && elf.phdrAddress < 0) {
    elf.phdrAddress = phoff - offset + vaddr;
  }
  if (memSize === 0) return 0;
  const prot = ((flags & E.PF_R) !== 0 ? PROT_READ : 0) |
    ((flags & E.PF_W) !== 0 ? PROT_WRITE : 0) | ((flags & E.PF_X) !== 0 ? PROT_EXEC : 0);
  const low = vaddr - vaddr % PAGE;
  const high = Math.ceil((vaddr + memSize) / PAGE) * PAGE;
  if (elf.segments.length === 0 || low < elf.low) elf.low = low;
  if (high > elf.high) elf.high = high;
  if (align > elf.align && align <= MAX_ALIGN && Number.isInteger(Math.log2(align))) {
    elf.align = align;
  }
  elf.segments.push(new Segment(vaddr, offset, fileSize, memSize, prot));
  return 0;
}
