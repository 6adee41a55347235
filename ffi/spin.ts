import { type Assembler, dword, eax, edx, esi, imm, mem, r8, rax, rcx, rdi } from "./asm/mod.ts";

/**
 * Native `spin(words, count, value, rounds) -> index`: looks at the u32 words whose addresses are
 * in `words` until one equals `value`, at most `rounds` times over all of them; -1 if none did.
 */
export function emitSpin(a: Assembler): void {
  // rdi = addresses, esi = count, edx = value, ecx = rounds
  a.test(esi, esi).je("spin_none");
  a.label("spin_round");
  a.xor(eax, eax);
  a.label("spin_word");
  a.mov(r8, mem({ base: rdi, index: rax, scale: 8 }));
  a.cmp(dword(mem(r8)), edx).je("spin_found");
  a.inc(rax);
  a.cmp(eax, esi).jne("spin_word");
  a.pause();
  a.dec(rcx).jne("spin_round");
  a.label("spin_none");
  a.mov(eax, imm(-1));
  a.label("spin_found");
  a.ret();
}
