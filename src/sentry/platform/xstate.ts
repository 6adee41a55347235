import {
  type Assembler,
  eax,
  ebx,
  ecx,
  edi,
  edx,
  esi,
  mem,
  r8,
  rbx,
  rdx,
} from "../../../ffi/asm/mod.ts";

/** Native `cpuid(leaf, subleaf, out)`: EAX, EBX, ECX and EDX into four u32. */
export function cpuid(a: Assembler): void {
  a.push(rbx).mov(r8, rdx).mov(eax, edi).mov(ecx, esi).cpuid();
  a.mov(mem(r8, 0), eax).mov(mem(r8, 4), ebx).mov(mem(r8, 8), ecx).mov(mem(r8, 12), edx);
  a.pop(rbx).ret();
}

/** Size and features of the XSAVE image that threads are kept in. */
export interface Xstate {
  /** Bytes of the image in standard format. */
  size: number;
  /** Low half of the feature mask; AMX tiles (17, 18) are left out. */
  maskLow: number;
}

/** Works out the XSAVE image from CPUID leaf 0xd (Intel SDM volume 1, chapter 13). */
export function probeXstate(
  cpuid: (leaf: number, sub: number, out: Uint8Array<ArrayBuffer>) => void,
): Xstate {
  const out = new Uint32Array(4);
  const bytes = new Uint8Array(out.buffer);
  cpuid(0xd, 0, bytes);
  // PKRU (9) is not the application's to lose, and AMX tiles need a permission stubs never ask for.
  const maskLow = out[0] & ~(1 << 17) & ~(1 << 18) & 0xff;
  const all = out[0] & 0x3ff;
  let size = 576;
  for (let i = 2; i < 19; i++) {
    if ((all & (1 << i)) === 0) continue;
    cpuid(0xd, i, bytes);
    if (out[0] !== 0) size = Math.max(size, out[1] + out[0]);
  }
  return { size, maskLow: maskLow | (all & 0x200) };
}
