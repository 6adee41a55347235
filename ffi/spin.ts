import {
  type Assembler,
  byte,
  eax,
  edi,
  edx,
  esi,
  imm,
  mem,
  r8,
  rax,
  rdi,
  rdx,
  xmm0,
} from "./asm/mod.ts";

/**
 * Native `spin(words: f64, count, rounds) -> index`: looks at the u32 words whose addresses are in
 * `words` until one has its lowest bit set, at most `rounds` times over all of them; -1 if none did.
 */
export function emitSpin(a: Assembler): void {
  // xmm0 = address of the addresses, edi = count, esi = rounds
  a.mov(edx, esi).mov(esi, edi).cvttsd2si(rdi, xmm0);
  a.test(esi, esi).je("spin_none");
  a.label("spin_round");
  a.xor(eax, eax);
  a.label("spin_word");
  a.mov(r8, mem({ base: rdi, index: rax, scale: 8 }));
  a.test(byte(mem(r8)), imm(1)).jne("spin_found");
  a.inc(rax);
  a.cmp(eax, esi).jne("spin_word");
  a.pause();
  a.dec(rdx).jne("spin_round");
  a.label("spin_none");
  a.mov(eax, imm(-1));
  a.label("spin_found");
  a.ret();
}
