/**
 * Structures of 64-bit ELF files (elf(5)).
 */

import { bytes, hex, i64, struct, u16, u32, u64, u8 } from "../struct.ts";

/** The header of the file. */
export const Elf64Ehdr = struct("Elf64_Ehdr", {
  e_ident: bytes(16),
  e_type: u16,
  e_machine: u16,
  e_version: u32,
  e_entry: hex(u64),
  e_phoff: u64,
  e_shoff: u64,
  e_flags: hex(u32),
  e_ehsize: u16,
  e_phentsize: u16,
  e_phnum: u16,
  e_shentsize: u16,
  e_shnum: u16,
  e_shstrndx: u16,
});
/** A program header: a segment to map. */
export const Elf64Phdr = struct("Elf64_Phdr", {
  p_type: hex(u32),
  p_flags: hex(u32),
  p_offset: hex(u64),
  p_vaddr: hex(u64),
  p_paddr: hex(u64),
  p_filesz: hex(u64),
  p_memsz: hex(u64),
  p_align: hex(u64),
});
/** A section header. */
export const Elf64Shdr = struct("Elf64_Shdr", {
  sh_name: u32,
  sh_type: hex(u32),
  sh_flags: hex(u64),
  sh_addr: hex(u64),
  sh_offset: hex(u64),
  sh_size: hex(u64),
  sh_link: u32,
  sh_info: u32,
  sh_addralign: u64,
  sh_entsize: u64,
});
/** An entry of the dynamic section. */
export const Elf64Dyn = struct("Elf64_Dyn", { d_tag: i64, d_val: hex(u64) });
/** A symbol. */
export const Elf64Sym = struct("Elf64_Sym", {
  st_name: u32,
  st_info: hex(u8),
  st_other: u8,
  st_shndx: u16,
  st_value: hex(u64),
  st_size: u64,
});
/** A relocation with addend. */
export const Elf64Rela = struct("Elf64_Rela", {
  r_offset: hex(u64),
  r_info: hex(u64),
  r_addend: i64,
});
/** The header of a note; its name and its description follow, each aligned to 4 bytes. */
export const Elf64Nhdr = struct("Elf64_Nhdr", { n_namesz: u32, n_descsz: u32, n_type: u32 });
/** A version definition. */
export const Elf64Verdef = struct("Elf64_Verdef", {
  vd_version: u16,
  vd_flags: u16,
  vd_ndx: u16,
  vd_cnt: u16,
  vd_hash: u32,
  vd_aux: u32,
  vd_next: u32,
});
/** The name of a version definition. */
export const Elf64Verdaux = struct("Elf64_Verdaux", { vda_name: u32, vda_next: u32 });
