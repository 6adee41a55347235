/** Writers of small ELF64 files; see elf(5). */

const PAGE = 0x1000;
const EHDR_SIZE = 64;
const PHDR_SIZE = 56;
const SYM_SIZE = 24;
const ET_EXEC = 2;
const ET_DYN = 3;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_GNU_STACK = 0x6474e551;
const PF_X = 1;
const PF_W = 2;
const PF_R = 4;
const DT_NULL = 0;
const DT_HASH = 4;
const DT_STRTAB = 5;
const DT_SYMTAB = 6;
const DT_STRSZ = 10;
const DT_SYMENT = 11;

/** What `writeSharedObject` makes a library of. */
export interface SharedObject {
  code: Uint8Array;
  /** Offset of each exported symbol in the code. */
  exports: Readonly<Record<string, number>>;
  /** A zeroed, writable segment. It lies `dataOffset` bytes past the start of the code. */
  data?: { size: number };
}

/** What `writeStaticExecutable` makes a program of. */
export interface StaticExecutable {
  code: Uint8Array;
  /** Offset of the first instruction in the code. */
  entry: number;
  /** Page-aligned address of the code. */
  vaddr: number;
  /** Further segments. */
  segments?: readonly ExecutableSegment[];
}

/** One more segment of a static executable. */
export interface ExecutableSegment {
  /** Page-aligned address. */
  vaddr: number;
  /** Initial bytes; the rest of `size` is zero. */
  content?: Uint8Array;
  /** Bytes in memory; the content's length by default. */
  size?: number;
  writable?: boolean;
  executable?: boolean;
}

interface ProgramHeader {
  type: number;
  flags: number;
  offset: number;
  vaddr: number;
  fileSize: number;
  memSize: number;
  align: number;
}

/** Distance from the start of the code to the data segment of a shared object with that code. */
export function dataOffset(codeLength: number): number {
  // One unmapped page keeps a run past the end of the code from reaching the data.
  return roundUp(codeLength, PAGE) + PAGE;
}

/**
 * Writes a shared object that `dlopen` takes and whose exports `dlsym` finds. Headers, symbol tables and the dynamic
 * section are in a segment of their own, so the code starts on a page; there are no relocations.
 */
export function writeSharedObject({ code, exports, data }: SharedObject): Uint8Array<ArrayBuffer> {
  const names = Object.keys(exports);
  const strings = new StringTable(names);
  const segments = data === undefined ? 4 : 5;
  const symtab = roundUp(EHDR_SIZE + segments * PHDR_SIZE, 8);
  const symbols = names.length + 1;
  const hash = symtab + symbols * SYM_SIZE;
  const buckets = Math.max(1, names.length);
  const dynamic = roundUp(hash + 4 * (2 + buckets + symbols), 8);
  const dynamicSize = 6 * 16;
  const strtab = dynamic + dynamicSize;
  const headersEnd = strtab + strings.bytes.length;
  const text = roundUp(headersEnd, PAGE);

  const file = new Uint8Array(text + code.length);
  const view = new DataView(file.buffer);
  const headers: ProgramHeader[] = [
    // Writable, because glibc before 2.35 stores relocated pointers in the dynamic section.
    load(PF_R | PF_W, 0, 0, headersEnd),
    load(PF_R | PF_X, text, text, code.length),
    {
      type: PT_DYNAMIC,
      flags: PF_R | PF_W,
      offset: dynamic,
      vaddr: dynamic,
      fileSize: dynamicSize,
      memSize: dynamicSize,
      align: 8,
    },
    stack(),
  ];
  if (data !== undefined) {
    headers.push({
      ...load(PF_R | PF_W, 0, text + dataOffset(code.length), 0),
      memSize: data.size,
    });
  }
  writeHeaders(view, ET_DYN, 0, headers);
  strings.offsets.forEach((name, i) => {
    const at = symtab + (i + 1) * SYM_SIZE;
    const offset = exports[names[i]];
    if (!Number.isInteger(offset) || offset < 0 || offset > code.length) {
      throw new Error(`elf: export ${names[i]} at ${offset} lies outside of the code`);
    }
    view.setUint32(at, name, true);
    file[at + 4] = 0x12; // STB_GLOBAL, STT_FUNC
    // Any defined section index serves: there is no section table.
    view.setUint16(at + 6, 1, true);
    setNumber64(view, at + 8, text + offset);
  });
  writeHash(view, hash, buckets, names);
  const entries = [
    [DT_HASH, hash],
    [DT_STRTAB, strtab],
    [DT_SYMTAB, symtab],
    [DT_STRSZ, strings.bytes.length],
    [DT_SYMENT, SYM_SIZE],
    [DT_NULL, 0],
  ];
  entries.forEach(([tag, value], i) => {
    setNumber64(view, dynamic + i * 16, tag);
    setNumber64(view, dynamic + i * 16 + 8, value);
  });
  file.set(strings.bytes, strtab);
  file.set(code, text);
  return file;
}

/** Writes a static executable whose code segment starts at `vaddr`, without its headers. */
export function writeStaticExecutable(
  { code, entry, vaddr, segments = [] }: StaticExecutable,
): Uint8Array<ArrayBuffer> {
  if (!Number.isInteger(entry) || entry < 0 || entry >= code.length) {
    throw new Error(`elf: entry ${entry} lies outside of the code`);
  }
  const all: ExecutableSegment[] = [{ vaddr, content: code, executable: true }, ...segments];
  const headers: ProgramHeader[] = [];
  let end = EHDR_SIZE + (all.length + 1) * PHDR_SIZE;
  for (const segment of all) {
    if (segment.vaddr % PAGE !== 0) {
      throw new Error(`elf: segment at 0x${segment.vaddr.toString(16)} is not page-aligned`);
    }
    const length = segment.content?.length ?? 0;
    const size = segment.size ?? length;
    if (size < length) throw new Error(`elf: segment of ${size} bytes has ${length} of content`);
    const flags = PF_R | (segment.writable ? PF_W : 0) | (segment.executable ? PF_X : 0);
    const offset = length === 0 ? 0 : roundUp(end, PAGE);
    headers.push({ ...load(flags, offset, segment.vaddr, length), memSize: size });
    if (length > 0) end = offset + length;
  }
  headers.push(stack());
  const file = new Uint8Array(end);
  writeHeaders(new DataView(file.buffer), ET_EXEC, vaddr + entry, headers);
  all.forEach((segment, i) => {
    if (segment.content !== undefined) file.set(segment.content, headers[i].offset);
  });
  return file;
}

class StringTable {
  readonly offsets: number[] = [];
  readonly bytes: Uint8Array;

  constructor(names: readonly string[]) {
    let text = "\0";
    for (const name of names) {
      this.offsets.push(text.length);
      text += `${name}\0`;
    }
    this.bytes = new TextEncoder().encode(text);
    if (this.bytes.length !== text.length) throw new Error("elf: symbol names must be ASCII");
  }
}

function load(flags: number, offset: number, vaddr: number, size: number): ProgramHeader {
  return { type: PT_LOAD, flags, offset, vaddr, fileSize: size, memSize: size, align: PAGE };
}

// Without this header the kernel and glibc give an executable stack.
function stack(): ProgramHeader {
  return {
    type: PT_GNU_STACK,
    flags: PF_R | PF_W,
    offset: 0,
    vaddr: 0,
    fileSize: 0,
    memSize: 0,
    align: 16,
  };
}

function writeHeaders(
  view: DataView,
  type: number,
  entry: number,
  headers: readonly ProgramHeader[],
): void {
  // Magic, 64-bit, little-endian, version 1.
  [0x7f, 0x45, 0x4c, 0x46, 2, 1, 1].forEach((b, i) => view.setUint8(i, b));
  view.setUint16(16, type, true);
  view.setUint16(18, 62, true); // EM_X86_64
  view.setUint32(20, 1, true);
  setNumber64(view, 24, entry);
  setNumber64(view, 32, EHDR_SIZE);
  view.setUint16(52, EHDR_SIZE, true);
  view.setUint16(54, PHDR_SIZE, true);
  view.setUint16(56, headers.length, true);
  view.setUint16(58, 64, true);
  headers.forEach((header, i) => {
    const at = EHDR_SIZE + i * PHDR_SIZE;
    view.setUint32(at, header.type, true);
    view.setUint32(at + 4, header.flags, true);
    setNumber64(view, at + 8, header.offset);
    setNumber64(view, at + 16, header.vaddr);
    setNumber64(view, at + 24, header.vaddr);
    setNumber64(view, at + 32, header.fileSize);
    setNumber64(view, at + 40, header.memSize);
    setNumber64(view, at + 48, header.align);
  });
}

/** Writes a DT_HASH table; symbol `i` of the names has index `i + 1`. */
function writeHash(view: DataView, at: number, buckets: number, names: readonly string[]): void {
  view.setUint32(at, buckets, true);
  view.setUint32(at + 4, names.length + 1, true);
  names.forEach((name, i) => {
    const bucket = at + 8 + 4 * (sysvHash(name) % buckets);
    const chain = at + 8 + 4 * (buckets + i + 1);
    view.setUint32(chain, view.getUint32(bucket, true), true);
    view.setUint32(bucket, i + 1, true);
  });
}

// The hash function of the System V ABI, chapter 5.
function sysvHash(name: string): number {
  let h = 0;
  for (let i = 0; i < name.length; i++) {
    h = ((h << 4) + name.charCodeAt(i)) >>> 0;
    const high = (h & 0xf0000000) >>> 0;
    h = ((h ^ (high >>> 24)) & ~high) >>> 0;
  }
  return h;
}

function setNumber64(view: DataView, at: number, value: number): void {
  view.setUint32(at, value >>> 0, true);
  view.setUint32(at + 4, Math.floor(value / 0x100000000), true);
}

function roundUp(value: number, unit: number): number {
  return Math.ceil(value / unit) * unit;
}
