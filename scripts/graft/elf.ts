/** One row of the program header table of a 64-bit ELF file. */
export interface ProgramHeader {
  type: number;
  flags: number;
  offset: number;
  address: number;
  fileSize: number;
  memorySize: number;
}

/** What a graft has to know of an ELF executable. */
export interface ElfFile {
  path: string;
  size: number;
  entry: number;
  tableOffset: number;
  headers: ProgramHeader[];
}

const HEADER_SIZE = 64;
export const PHDR_SIZE = 56;
const PT_LOAD = 1;
const PT_INTERP = 3;
const PT_PHDR = 6;
const SHT_RELA = 4;
const R_X86_64_GLOB_DAT = 6;

/** Reads part of a file. */
export function readAt(file: Deno.FsFile, offset: number, size: number): DataView<ArrayBuffer> {
  const bytes = new Uint8Array(size);
  file.seekSync(offset, Deno.SeekMode.Start);
  let done = 0;
  while (done < size) {
    const n = file.readSync(bytes.subarray(done));
    if (n === null) throw new Error(`the ELF file ends at offset ${offset + done}`);
    done += n;
  }
  return new DataView(bytes.buffer);
}

/** Writes part of a file. */
export function writeAt(file: Deno.FsFile, at: number, bytes: Uint8Array): void {
  file.seekSync(at, Deno.SeekMode.Start);
  let done = 0;
  while (done < bytes.length) done += file.writeSync(bytes.subarray(done));
}

const u64 = (view: DataView, offset: number) => Number(view.getBigUint64(offset, true));

/** Reads the header and program headers of a little-endian 64-bit ELF executable. */
export function readElf(file: Deno.FsFile, path: string): ElfFile {
  const header = readAt(file, 0, HEADER_SIZE);
  if (header.getUint32(0) !== 0x7f454c46 || header.getUint16(4) !== 0x0201) {
    throw new Error(`${path} is no 64-bit little-endian ELF file`);
  }
  const tableOffset = u64(header, 32);
  const count = header.getUint16(56, true);
  const table = readAt(file, tableOffset, count * PHDR_SIZE);
  const headers: ProgramHeader[] = [];
  for (let at = 0; at < count * PHDR_SIZE; at += PHDR_SIZE) {
    headers.push({
      type: table.getUint32(at, true),
      flags: table.getUint32(at + 4, true),
      offset: u64(table, at + 8),
      address: u64(table, at + 16),
      fileSize: u64(table, at + 32),
      memorySize: u64(table, at + 40),
    });
  }
  return { path, size: file.statSync().size, entry: u64(header, 24), tableOffset, headers };
}

/** One row of the section header table. */
export interface Section {
  type: number;
  offset: number;
  size: number;
  link: number;
}

/** The sections of an ELF file. */
export function sectionsOf(file: Deno.FsFile): Section[] {
  const header = readAt(file, 0, HEADER_SIZE);
  const table = readAt(file, u64(header, 40), header.getUint16(60, true) * 64);
  const sections: Section[] = [];
  for (let at = 0; at < table.byteLength; at += 64) {
    sections.push({
      type: table.getUint32(at + 4, true),
      offset: u64(table, at + 24),
      size: u64(table, at + 32),
      link: table.getUint32(at + 40, true),
    });
  }
  return sections;
}

/** The address of the GOT slot that the dynamic linker fills with the address of `symbol`. */
export function gotSlot(file: Deno.FsFile, elf: ElfFile, symbol: string): number {
  const sections = sectionsOf(file);
  for (const relocations of sections) {
    if (relocations.type !== SHT_RELA || relocations.link === 0) continue;
    const symbols = sections[relocations.link];
    const names = sections[symbols.link];
    const nameBytes = new Uint8Array(readAt(file, names.offset, names.size).buffer);
    const symbolTable = readAt(file, symbols.offset, symbols.size);
    const rela = readAt(file, relocations.offset, relocations.size);
    for (let at = 0; at < relocations.size; at += 24) {
      if (rela.getUint32(at + 8, true) !== R_X86_64_GLOB_DAT) continue;
      const nameAt = symbolTable.getUint32(rela.getUint32(at + 12, true) * 24, true);
      const name = new TextDecoder().decode(
        nameBytes.subarray(nameAt, nameBytes.indexOf(0, nameAt)),
      );
      if (name === symbol) return u64(rela, at);
    }
  }
  throw new Error(`${elf.path} has no GOT slot for ${symbol}`);
}

/** Where one more segment can go: its address and file offset, both on a page of their own. */
export function spareSegment(elf: ElfFile): { address: number; offset: number } {
  const tableEnd = elf.tableOffset + elf.headers.length * PHDR_SIZE;
  const first = elf.headers.find((h) => h.type === PT_INTERP);
  // Nothing but the table may lie before the interpreter's name, and one more row has to fit there.
  if (first === undefined || first.offset < tableEnd + PHDR_SIZE) {
    throw new Error(`${elf.path} has no room for one more program header`);
  }
  const end = Math.max(
    ...elf.headers.filter((h) => h.type === PT_LOAD).map((h) => h.address + h.memorySize),
  );
  const round = (value: number, unit: number) => Math.ceil(value / unit) * unit;
  return { address: round(end, 0x200000), offset: round(elf.size, 4096) };
}

/** Appends `payload` to the file as a read-only, executable segment and makes its first byte the entry point. */
export function appendSegment(file: Deno.FsFile, elf: ElfFile, payload: Uint8Array): void {
  const { address, offset } = spareSegment(elf);
  const row = new DataView(new ArrayBuffer(PHDR_SIZE));
  row.setUint32(0, PT_LOAD, true);
  row.setUint32(4, 5, true);
  row.setBigUint64(8, BigInt(offset), true);
  row.setBigUint64(16, BigInt(address), true);
  row.setBigUint64(24, BigInt(address), true);
  row.setBigUint64(32, BigInt(payload.length), true);
  row.setBigUint64(40, BigInt(payload.length), true);
  row.setBigUint64(48, 4096n, true);
  writeAt(file, offset, payload);
  writeAt(file, elf.tableOffset + elf.headers.length * PHDR_SIZE, new Uint8Array(row.buffer));

  const count = elf.headers.length + 1;
  const header = readAt(file, 0, HEADER_SIZE);
  header.setBigUint64(24, BigInt(address), true);
  header.setUint16(56, count, true);
  writeAt(file, 0, new Uint8Array(header.buffer));
  const own = elf.headers.findIndex((h) => h.type === PT_PHDR);
  if (own >= 0) {
    const at = elf.tableOffset + own * PHDR_SIZE;
    const table = readAt(file, at, PHDR_SIZE);
    table.setBigUint64(32, BigInt(count * PHDR_SIZE), true);
    table.setBigUint64(40, BigInt(count * PHDR_SIZE), true);
    writeAt(file, at, new Uint8Array(table.buffer));
  }
}
