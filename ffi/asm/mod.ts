/** An x86-64 assembler and writers of small ELF files. */
export { Assembler } from "./assembler.ts";
export type { Assembled } from "./encoder.ts";
export type { Condition } from "./integer.ts";
export { byte, dword, imm, mem, qword, rip, word } from "./operands.ts";
export type { Address, Imm, Mem, Operand, Segment } from "./operands.ts";
export * from "./registers.ts";
export { dataOffset, writeSharedObject, writeStaticExecutable } from "./elf.ts";
export type { ExecutableSegment, SharedObject, StaticExecutable } from "./elf.ts";
