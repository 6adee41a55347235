import { type ElfFile, PHDR_SIZE, readAt, sectionsOf, writeAt } from "./elf.ts";

/** Where the executable goes: where the kernel puts position-independent ones that it does not move about. */
const BASE = 0x555555600000;

const RELA_SIZE = 24;
const SYM_SIZE = 24;
const ET_EXEC = 2;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_GNU_STACK = 0x6474e551;
const PF_W = 2;
const SHT_DYNSYM = 11;
const SHN_UNDEF = 0;
const SHN_ABS = 0xfff1;
const STT_TLS = 6;

const DT_RELA = 7;
const DT_RELASZ = 8;
const DT_JMPREL = 23;
const DT_PLTRELSZ = 2;
const DT_RELACOUNT = 0x6ffffff9;
const DT_FLAGS_1 = 0x6ffffffb;
const DF_1_PIE = 0x08000000;
/** Tags of the dynamic section whose value is an address. */
const ADDRESSES = new Set([
  3,
  4,
  5,
  6,
  DT_RELA,
  12,
  13,
  DT_JMPREL,
  25,
  26,
  32,
  0x6ffffef5,
  0x6ffffff0,
  0x6ffffffc,
  0x6ffffffe,
]);
/** Tags that need more than an address changed. */
const REFUSED = new Set([17, 35, 36, 0x6ffffff8]);

const R_NONE = 0;
const R_RELATIVE = 8;
const R_IRELATIVE = 37;
/** Relocations that the dynamic linker does as before, at another place: 64, GLOB_DAT, JUMP_SLOT and those of TLS. */
const R_KEPT = new Set([1, 6, 7, 16, 17, 18]);

type Segment = { address: number; offset: number; view: DataView<ArrayBuffer> };

/**
 * Gives a position-independent executable a fixed place. The dynamic linker then has nothing to do for the 160,000
 * pointers in Deno's data: 3 ms of every start, and 2.5 MB that each process would have for itself. It is what programs
 * in Go are, other container run-times among them.
 */
export function prelink(file: Deno.FsFile, elf: ElfFile): ElfFile {
  const dynamicHeader = elf.headers.find((h) => h.type === PT_DYNAMIC);
  if (dynamicHeader === undefined) throw new Error(`${elf.path} is not dynamically linked`);
  const data: Segment[] = elf.headers.filter((h) => h.type === PT_LOAD && (h.flags & PF_W) !== 0)
    .map(({ address, offset, fileSize }) => ({
      address,
      offset,
      view: readAt(file, offset, fileSize),
    }));
  const offsetOf = (address: number) => {
    const header = elf.headers.find((h) =>
      h.type === PT_LOAD && address >= h.address && address < h.address + h.fileSize
    );
    if (header === undefined) throw new Error(`${elf.path}: nothing in the file is at ${address}`);
    return header.offset + address - header.address;
  };

  const at = dynamicHeader.address;
  const segment = segmentAt(data, at);
  const dynamic = new DataView(segment.view.buffer, at - segment.address, dynamicHeader.fileSize);
  const valueOf = (tag: number) => {
    for (let i = 0; i < dynamic.byteLength; i += 16) {
      if (u64(dynamic, i) === tag) return u64(dynamic, i + 8);
    }
    return 0;
  };
  const relaAt = offsetOf(valueOf(DT_RELA));
  const rela = readAt(file, relaAt, valueOf(DT_RELASZ));
  const done = relocate(rela, data, elf.path);
  writeAt(file, relaAt, new Uint8Array(rela.buffer));
  const jumpSize = valueOf(DT_PLTRELSZ);
  if (jumpSize > 0) {
    const jumpAt = offsetOf(valueOf(DT_JMPREL));
    const jumps = readAt(file, jumpAt, jumpSize);
    relocate(jumps, data, elf.path);
    writeAt(file, jumpAt, new Uint8Array(jumps.buffer));
  }

  for (let i = 0; i < dynamic.byteLength; i += 16) {
    const tag = u64(dynamic, i);
    const value = u64(dynamic, i + 8);
    const set = (v: number) => dynamic.setBigUint64(i + 8, BigInt(v), true);
    if (REFUSED.has(tag)) throw new Error(`${elf.path} has relocations of another kind: ${tag}`);
    if (tag === DT_RELA) set(value + BASE + done);
    else if (ADDRESSES.has(tag)) set(value + BASE);
    else if (tag === DT_RELASZ) set(value - done);
    else if (tag === DT_RELACOUNT) set(0);
    else if (tag === DT_FLAGS_1) set(value & ~DF_1_PIE);
  }
  for (const { offset, view } of data) writeAt(file, offset, new Uint8Array(view.buffer));
  moveSymbols(file);
  moveHeaders(file, elf);
  return {
    ...elf,
    entry: elf.entry + BASE,
    headers: elf.headers.map((h) =>
      h.type === PT_GNU_STACK ? h : { ...h, address: h.address + BASE }
    ),
  };
}

function u64(view: DataView, offset: number): number {
  return Number(view.getBigUint64(offset, true));
}

function segmentAt(data: Segment[], address: number): Segment {
  const found = data.find((s) => address >= s.address && address < s.address + s.view.byteLength);
  if (found === undefined) throw new Error(`no writable segment is at ${address}`);
  return found;
}

/** Does what can be done now; returns the size of the relocations at the start that are all done. */
function relocate(table: DataView, data: Segment[], path: string): number {
  let done = 0;
  for (let i = 0; i < table.byteLength; i += RELA_SIZE) {
    const address = u64(table, i);
    const type = table.getUint32(i + 8, true);
    if (type === R_RELATIVE) {
      const { address: start, view } = segmentAt(data, address);
      view.setBigUint64(address - start, BigInt(BASE) + table.getBigInt64(i + 16, true), true);
      table.setUint32(i + 8, R_NONE, true);
      if (done === i) done = i + RELA_SIZE;
    } else if (type === R_IRELATIVE) {
      table.setBigInt64(i + 16, BigInt(BASE) + table.getBigInt64(i + 16, true), true);
    } else if (type !== R_NONE && !R_KEPT.has(type)) {
      throw new Error(`${path} has a relocation of type ${type}`);
    }
    table.setBigUint64(i, BigInt(address + BASE), true);
  }
  return done;
}

function moveSymbols(file: Deno.FsFile): void {
  for (const section of sectionsOf(file)) {
    if (section.type !== SHT_DYNSYM) continue;
    const symbols = readAt(file, section.offset, section.size);
    for (let i = 0; i < section.size; i += SYM_SIZE) {
      const place = symbols.getUint16(i + 6, true);
      const type = symbols.getUint8(i + 4) & 15;
      if (place === SHN_UNDEF || place === SHN_ABS || type === STT_TLS) continue;
      symbols.setBigUint64(i + 8, BigInt(u64(symbols, i + 8) + BASE), true);
    }
    writeAt(file, section.offset, new Uint8Array(symbols.buffer));
  }
}

function moveHeaders(file: Deno.FsFile, elf: ElfFile): void {
  const table = readAt(file, elf.tableOffset, elf.headers.length * PHDR_SIZE);
  elf.headers.forEach(({ type, address }, index) => {
    if (type === PT_GNU_STACK) return;
    const moved = BigInt(address + BASE);
    table.setBigUint64(index * PHDR_SIZE + 16, moved, true);
    table.setBigUint64(index * PHDR_SIZE + 24, moved, true);
  });
  writeAt(file, elf.tableOffset, new Uint8Array(table.buffer));
  const header = readAt(file, 0, 64);
  header.setUint16(16, ET_EXEC, true);
  header.setBigUint64(24, BigInt(elf.entry + BASE), true);
  writeAt(file, 0, new Uint8Array(header.buffer));
}
