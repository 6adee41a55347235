/** Loading programs into fresh address spaces. */

import * as A from "../../abi/auxv.ts";
import { EINVAL, EIO, ELIBBAD, ENOEXEC, ENOMEM } from "../../abi/errno.ts";
import { AT_FDCWD } from "../../abi/fcntl.ts";
import { RLIMIT_STACK } from "../../abi/resource.ts";
import type { Credentials } from "../kernel/credentials.ts";
import { findTopDown } from "../mm/areas.ts";
import type { MemoryManager } from "../mm/memory_manager.ts";
import { USER_TOP } from "../platform/platform.ts";
import type { VfsContext } from "../vfs/context.ts";
import type { File } from "../vfs/file.ts";
import { type ElfFile, PHDR_SIZE, readElf } from "./elf_file.ts";
import { type Executable, HEAD_SIZE, readFileAt } from "./executable.ts";
import { mapElf } from "./map_elf.ts";
import { buildStack, type StackAux } from "./stack.ts";
import type { Vdso } from "./vdso.ts";

const PAGE = 4096;
const MIB = 1 << 20;
/** Where programs that may lie anywhere are put (ELF_ET_DYN_BASE): two thirds of the address space. */
const DYNAMIC_BASE = 0x555555554000;
/** Pages that addresses vary by (vm.mmap_rnd_bits) and the stack's top. */
const MMAP_RANDOM_PAGES = 1 << 28;
const STACK_RANDOM_PAGES = 1 << 22;
const BRK_RANDOM_PAGES = 1 << 13;
const STACK_AUX: StackAux = {
  random: A.AUX_RANDOM,
  filename: A.AUX_EXECFN,
  platform: A.AUX_PLATFORM,
};

/** What all programs of a sandbox are told of the machine. */
export interface LoaderOptions {
  /** AT_HWCAP: EDX of CPUID leaf 1. */
  hwcap: number;
  /** AT_MINSIGSTKSZ: bytes that a signal frame takes. */
  minSigStack: number;
  vdso: Vdso | null;
  random(dst: Uint8Array): void;
}

/** A program in its address space, ready to run. */
export class LoadedImage {
  readonly entry: number;
  readonly stack: number;

  constructor(entry: number, stack: number) {
    this.entry = entry;
    this.stack = stack;
  }
}

/** Loads programs. */
export class Loader {
  readonly options: LoaderOptions;
  readonly #random = new Uint8Array(64);
  readonly #numbers = new DataView(this.#random.buffer);

  constructor(options: LoaderOptions) {
    this.options = options;
  }

  /**
   * Loads `program` into `mm`, which must be empty and have its limits set. After a negative errno the caller drops
   * `mm`; the caller also ends the use of the program's file.
   */
  load(
    ctx: VfsContext,
    mm: MemoryManager,
    program: Executable,
    env: string[],
    creds: Credentials,
    secure: boolean,
    randomize = true,
  ): LoadedImage | number {
    const elf = readElf(ctx, program.file, program.head);
    if (typeof elf === "number") return elf;
    this.options.random(this.#random);
    if (!randomize) this.#random.fill(0);
    // What must not be guessed is random in any case.
    const seed = this.#random.slice(48, 64);
    if (!randomize) this.options.random(seed);

    const stackTop = USER_TOP - this.#pages(0, STACK_RANDOM_PAGES);
    placeMmap(mm, this.#pages(8, MMAP_RANDOM_PAGES));
    const dynamicBase = DYNAMIC_BASE + this.#pages(16, MMAP_RANDOM_PAGES);

    // The interpreter comes first: if it can't be had, nothing was done in vain.
    let interpreter: File | null = null;
    let interpreterElf: ElfFile | null = null;
    if (elf.interpreter !== null) {
      const found = openInterpreter(ctx, elf.interpreter);
      if (typeof found === "number") return found;
      interpreter = found.file;
      interpreterElf = found.elf;
    }
    try {
      let bias = 0;
      if (elf.isDynamic) {
        bias = interpreter !== null ? biasFrom(elf, dynamicBase) : freePlace(mm, elf);
        if (bias === Infinity) return -ENOMEM;
      }
      let r = mapElf(mm, program.file, elf, bias);
      if (r < 0) return r;
      setLayout(mm, elf, bias);
      const moved = elf.isDynamic && interpreter === null;
      const heap = moved ? dynamicBase : elf.high + bias;
      mm.brkStart = mm.brk = heap + this.#pages(24, BRK_RANDOM_PAGES);

      let entry = elf.entry + bias;
      let base = 0;
      if (interpreter !== null && interpreterElf !== null) {
        base = interpreterElf.isDynamic ? freePlace(mm, interpreterElf) : 0;
        if (base === Infinity) return -ENOMEM;
        r = mapElf(mm, interpreter, interpreterElf, base);
        if (r < 0) return r;
        entry = interpreterElf.entry + base;
      }
      if (!(entry < USER_TOP)) return -EINVAL;
      const { vdso } = this.options;
      if (vdso !== null) {
        r = vdso.map(mm);
        if (r < 0) return r;
      }
      const sp = buildStack(
        mm,
        stackTop,
        this.#numbers.getUint16(32, true) % 512 * 16,
        {
          argv: program.argv,
          env,
          filename: program.filename,
          random: seed,
          auxv: this.#auxv(mm, elf, bias, base, creds, secure),
          executable: elf.executableStack,
        },
        STACK_AUX,
      );
      if (sp < 0) return sp;
      mm.exe = program.file;
      return new LoadedImage(entry, sp);
    } finally {
      interpreter?.unref();
    }
  }

  /** A random number of bytes, less than `pages` pages, page aligned. */
  #pages(at: number, pages: number): number {
    return this.#numbers.getUint32(at, true) % pages * PAGE;
  }

  #auxv(
    mm: MemoryManager,
    elf: ElfFile,
    bias: number,
    base: number,
    creds: Credentials,
    secure: boolean,
  ): number[] {
    const ns = creds.userNs;
    const auxv: number[] = [];
    if (mm.vdso !== 0) auxv.push(A.AUX_SYSINFO_EHDR, mm.vdso);
    auxv.push(
      A.AUX_MINSIGSTKSZ,
      this.options.minSigStack,
      A.AUX_HWCAP,
      this.options.hwcap,
      A.AUX_PAGESZ,
      PAGE,
      A.AUX_CLKTCK,
      100,
      A.AUX_PHDR,
      elf.phdrAddress < 0 ? 0 : elf.phdrAddress + bias,
      A.AUX_PHENT,
      PHDR_SIZE,
      A.AUX_PHNUM,
      elf.phdrCount,
      A.AUX_BASE,
      base,
      A.AUX_FLAGS,
      0,
      A.AUX_ENTRY,
      elf.entry + bias,
      A.AUX_UID,
      ns.fromKuid(creds.ruid),
      A.AUX_EUID,
      ns.fromKuid(creds.euid),
      A.AUX_GID,
      ns.fromKgid(creds.rgid),
      A.AUX_EGID,
      ns.fromKgid(creds.egid),
      A.AUX_SECURE,
      secure ? 1 : 0,
      A.AUX_HWCAP2,
      0,
    );
    return auxv;
  }
}

/** Sets where mmap starts: below the room that the stack may grow into (mmap_base of Linux). */
function placeMmap(mm: MemoryManager, random: number): void {
  const room = Math.min(Math.max(mm.limits[RLIMIT_STACK], 0), USER_TOP / 6 * 5);
  const gap = Math.max(128 * MIB, room) + STACK_RANDOM_PAGES * PAGE + MIB;
  mm.mmapBase = Math.floor((USER_TOP - gap - random) / PAGE) * PAGE;
}

/** The least number to add to the addresses of `elf` that keeps its alignment and puts it at `addr` or above. */
function biasFrom(elf: ElfFile, addr: number): number {
  return Math.ceil((addr - elf.low) / elf.align) * elf.align;
}

/** What to add to the addresses of `elf` so that it lies in free memory; Infinity if there is none. */
function freePlace(mm: MemoryManager, elf: ElfFile): number {
  const at = findTopDown(mm, elf.high - elf.low + elf.align - PAGE);
  return at < 0 ? Infinity : biasFrom(elf, at);
}

function setLayout(mm: MemoryManager, elf: ElfFile, bias: number): void {
  mm.startCode = Infinity;
  for (const s of elf.segments) {
    const start = s.vaddr + bias;
    const end = start + s.fileSize;
    if ((s.prot & 4) !== 0) {
      if (start < mm.startCode) mm.startCode = start;
      if (end > mm.endCode) mm.endCode = end;
    }
    if (start > mm.startData) mm.startData = start;
    if (end > mm.endData) mm.endData = end;
  }
  if (mm.startCode === Infinity) mm.startCode = 0;
}

function openInterpreter(
  ctx: VfsContext,
  path: string,
): { file: File; elf: ElfFile } | number {
  const file = ctx.kernel.vfs.openForExec(ctx, AT_FDCWD, path, 0);
  if (typeof file === "number") return file;
  const head = new Uint8Array(HEAD_SIZE);
  const n = readFileAt(ctx, file, 0, head, HEAD_SIZE);
  let elf: ElfFile | number = n < 0 ? n : n < 64 ? -EIO : readElf(ctx, file, head);
  if (elf === -ENOEXEC) elf = -ELIBBAD;
  if (typeof elf === "number") {
    file.unref();
    return elf;
  }
  return { file, elf };
}
