/** The vDSO as a shared object: what C libraries and run-times of languages look its functions up in (vdso(7)). */

import { Assembler } from "../../../ffi/asm/mod.ts";
import * as E from "../../abi/elf.ts";
import { write64 } from "../../abi/int64.ts";
import { emitVdso, PARAMETERS } from "./vdso_code.ts";

const PAGE = 4096;
const EHDR_SIZE = 64;
const PHDR_SIZE = 56;
const SYM_SIZE = 24;
const VERDEF_SIZE = 28;
const SONAME = "linux-vdso.so.1";
const VERSION = "LINUX_2.6";
/** The version of the symbols; 1 is the object's own. */
const VERSION_INDEX = 2;
const FUNCTIONS = ["clock_gettime", "gettimeofday", "time", "getcpu", "clock_getres"];

class Bytes {
  readonly bytes = new Uint8Array(2 * PAGE);
  readonly view = new DataView(this.bytes.buffer);
  at = 0;

  align(n: number): number {
    return this.at = Math.ceil(this.at / n) * n;
  }
  u16(v: number): this {
    this.view.setUint16(this.at, v, true);
    this.at += 2;
    return this;
  }
  u32(v: number): this {
    this.view.setUint32(this.at, v, true);
    this.at += 4;
    return this;
  }
  u64(v: number): this {
    write64(this.view, this.at, v);
    this.at += 8;
    return this;
  }
  text(s: string): number {
    const at = this.at;
    for (let i = 0; i < s.length; i++) this.bytes[at + i] = s.charCodeAt(i);
    this.at += s.length + 1;
    return at;
  }
}

/** The System V hash of a name (ELF specification, "Hash Table"). */
export function sysvHash(name: string): number {
  let h = 0;
  for (let i = 0; i < name.length; i++) {
    h = ((h << 4) + name.charCodeAt(i)) >>> 0;
    const g = h & 0xf0000000;
    if (g !== 0) h ^= g >>> 24;
    h = (h & ~g) >>> 0;
  }
  return h;
}

/** The GNU hash of a name (DT_GNU_HASH). */
export function gnuHash(name: string): number {
  let h = 5381;
  for (let i = 0; i < name.length; i++) h = (Math.imul(h, 33) + name.charCodeAt(i)) >>> 0;
  return h;
}

/** Builds the image; its parameters are in the page right below where it is mapped. */
export function buildVdsoImage(): Uint8Array<ArrayBuffer> {
  const o = new Bytes();
  const names: string[] = [];
  for (const f of FUNCTIONS) names.push(`__vdso_${f}`, f);
  const count = names.length + 1;

  o.at = EHDR_SIZE + 3 * PHDR_SIZE;
  const strings = o.at++;
  const soname = o.text(SONAME) - strings;
  const version = o.text(VERSION) - strings;
  const nameAt = names.map((n) => o.text(n) - strings);
  const stringsSize = o.at - strings;

  // One bucket, in which every symbol is: there are too few to search otherwise.
  const hash = o.align(8);
  o.u32(1).u32(count).u32(1).u32(0);
  for (let i = 1; i < count; i++) o.u32(i + 1 < count ? i + 1 : 0);
  const gnu = o.align(8);
  o.u32(1).u32(1).u32(1).u32(6);
  // A filter of all ones lets every name through to the chain.
  o.u32(0xffffffff).u32(0xffffffff).u32(1);
  names.forEach((n, i) => {
    const h = gnuHash(n);
    o.u32(i + 1 === names.length ? h | 1 : h & ~1);
  });

  const symbols = o.align(8);
  o.at += count * SYM_SIZE;
  const versions = o.align(8);
  o.u16(0);
  for (let i = 1; i < count; i++) o.u16(VERSION_INDEX);
  const definitions = o.align(8);
  o.u16(E.VER_DEF_CURRENT).u16(E.VER_FLG_BASE).u16(1).u16(1).u32(sysvHash(SONAME));
  o.u32(20).u32(VERDEF_SIZE).u32(soname).u32(0);
  o.u16(E.VER_DEF_CURRENT).u16(0).u16(VERSION_INDEX).u16(1).u32(sysvHash(VERSION));
  o.u32(20).u32(0).u32(version).u32(0);

  const dynamic = o.align(16);
  const entries = [
    [E.DT_SONAME, soname],
    [E.DT_HASH, hash],
    [E.DT_GNU_HASH, gnu],
    [E.DT_STRTAB, strings],
    [E.DT_SYMTAB, symbols],
    [E.DT_STRSZ, stringsSize],
    [E.DT_SYMENT, SYM_SIZE],
    [E.DT_VERSYM, versions],
    [E.DT_VERDEF, definitions],
    [E.DT_VERDEFNUM, 2],
    [E.DT_NULL, 0],
  ];
  for (const [tag, value] of entries) o.u64(tag).u64(value);
  const dynamicSize = o.at - dynamic;

  const code = o.align(64);
  const a = new Assembler();
  a.labelAt(PARAMETERS, -(PAGE + code));
  emitVdso(a);
  const assembled = a.assemble();
  o.bytes.set(assembled.code, code);
  const end = code + assembled.code.length;

  o.at = symbols + SYM_SIZE;
  names.forEach((n, i) => {
    const weak = i % 2 === 1;
    const at = code + assembled.labels.get(FUNCTIONS[i >> 1])!;
    const info = ((weak ? E.STB_WEAK : E.STB_GLOBAL) << 4) | E.STT_FUNC;
    // The section index says only that the symbol is defined: there are no sections.
    o.u32(nameAt[i]).u16(info).u16(1).u64(at).u64(n.length > 0 ? 16 : 0);
  });

  o.at = 0;
  o.u32(E.ELF_MAGIC).u32(E.ELFCLASS64 | E.ELFDATA2LSB << 8 | E.EV_CURRENT << 16).u64(0);
  o.u16(E.ET_DYN).u16(E.EM_X86_64).u32(E.EV_CURRENT).u64(0).u64(EHDR_SIZE).u64(0).u32(0);
  o.u16(EHDR_SIZE).u16(PHDR_SIZE).u16(3).u16(64).u16(0).u16(0);
  header(o, E.PT_LOAD, E.PF_R | E.PF_X, 0, end, PAGE);
  header(o, E.PT_DYNAMIC, E.PF_R, dynamic, dynamicSize, 8);
  header(o, E.PT_GNU_STACK, E.PF_R | E.PF_W, 0, 0, 16);
  return o.bytes.subarray(0, Math.ceil(end / PAGE) * PAGE);
}

function header(
  o: Bytes,
  type: number,
  flags: number,
  offset: number,
  size: number,
  align: number,
): void {
  o.u32(type).u32(flags).u64(offset).u64(offset).u64(offset).u64(size).u64(size).u64(align);
}
