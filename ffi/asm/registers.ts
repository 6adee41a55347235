/** Width of an integer operand in bits. */
export type Size = 8 | 16 | 32 | 64;

/** A general purpose register of one width. */
export interface Reg {
  readonly kind: "reg";
  readonly name: string;
  readonly num: number;
  readonly size: Size;
}

/** An SSE register. */
export interface Xmm {
  readonly kind: "xmm";
  readonly name: string;
  readonly num: number;
}

/** A control register. */
export interface ControlReg {
  readonly kind: "cr";
  readonly name: string;
  readonly num: number;
}

function reg(name: string, num: number, size: Size): Reg {
  return { kind: "reg", name, num, size };
}

function xmm(num: number): Xmm {
  return { kind: "xmm", name: `xmm${num}`, num };
}

function cr(num: number): ControlReg {
  return { kind: "cr", name: `cr${num}`, num };
}

export const rax = reg("rax", 0, 64);
export const rcx = reg("rcx", 1, 64);
export const rdx = reg("rdx", 2, 64);
export const rbx = reg("rbx", 3, 64);
export const rsp = reg("rsp", 4, 64);
export const rbp = reg("rbp", 5, 64);
export const rsi = reg("rsi", 6, 64);
export const rdi = reg("rdi", 7, 64);
export const r8 = reg("r8", 8, 64);
export const r9 = reg("r9", 9, 64);
export const r10 = reg("r10", 10, 64);
export const r11 = reg("r11", 11, 64);
export const r12 = reg("r12", 12, 64);
export const r13 = reg("r13", 13, 64);
export const r14 = reg("r14", 14, 64);
export const r15 = reg("r15", 15, 64);

export const eax = reg("eax", 0, 32);
export const ecx = reg("ecx", 1, 32);
export const edx = reg("edx", 2, 32);
export const ebx = reg("ebx", 3, 32);
export const esp = reg("esp", 4, 32);
export const ebp = reg("ebp", 5, 32);
export const esi = reg("esi", 6, 32);
export const edi = reg("edi", 7, 32);
export const r8d = reg("r8d", 8, 32);
export const r9d = reg("r9d", 9, 32);
export const r10d = reg("r10d", 10, 32);
export const r11d = reg("r11d", 11, 32);
export const r12d = reg("r12d", 12, 32);
export const r13d = reg("r13d", 13, 32);
export const r14d = reg("r14d", 14, 32);
export const r15d = reg("r15d", 15, 32);

export const ax = reg("ax", 0, 16);
export const cx = reg("cx", 1, 16);
export const dx = reg("dx", 2, 16);
export const bx = reg("bx", 3, 16);
export const sp = reg("sp", 4, 16);
export const bp = reg("bp", 5, 16);
export const si = reg("si", 6, 16);
export const di = reg("di", 7, 16);
export const r8w = reg("r8w", 8, 16);
export const r9w = reg("r9w", 9, 16);
export const r10w = reg("r10w", 10, 16);
export const r11w = reg("r11w", 11, 16);
export const r12w = reg("r12w", 12, 16);
export const r13w = reg("r13w", 13, 16);
export const r14w = reg("r14w", 14, 16);
export const r15w = reg("r15w", 15, 16);

export const al = reg("al", 0, 8);
export const cl = reg("cl", 1, 8);
export const dl = reg("dl", 2, 8);
export const bl = reg("bl", 3, 8);
export const spl = reg("spl", 4, 8);
export const bpl = reg("bpl", 5, 8);
export const sil = reg("sil", 6, 8);
export const dil = reg("dil", 7, 8);
export const r8b = reg("r8b", 8, 8);
export const r9b = reg("r9b", 9, 8);
export const r10b = reg("r10b", 10, 8);
export const r11b = reg("r11b", 11, 8);
export const r12b = reg("r12b", 12, 8);
export const r13b = reg("r13b", 13, 8);
export const r14b = reg("r14b", 14, 8);
export const r15b = reg("r15b", 15, 8);

export const xmm0 = xmm(0);
export const xmm1 = xmm(1);
export const xmm2 = xmm(2);
export const xmm3 = xmm(3);
export const xmm4 = xmm(4);
export const xmm5 = xmm(5);
export const xmm6 = xmm(6);
export const xmm7 = xmm(7);
export const xmm8 = xmm(8);
export const xmm9 = xmm(9);
export const xmm10 = xmm(10);
export const xmm11 = xmm(11);
export const xmm12 = xmm(12);
export const xmm13 = xmm(13);
export const xmm14 = xmm(14);
export const xmm15 = xmm(15);

export const cr0 = cr(0);
export const cr2 = cr(2);
export const cr3 = cr(3);
export const cr4 = cr(4);
export const cr8 = cr(8);
