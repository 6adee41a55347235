import {
  type Assembler,
  byte,
  dword,
  eax,
  ecx,
  edi,
  edx,
  esi,
  imm,
  mem,
  r10,
  r10d,
  r8,
  r9,
  rax,
  rcx,
  rdi,
  rdx,
  rip,
  rsi,
  xmm0,
  xmm1,
  xmm2,
} from "./asm/mod.ts";
import { NATIVE_DATA } from "./native.ts";
import { emitProcessorNumber } from "./stub/code.ts";
import * as L from "./stub/layout.ts";

const SYS_FUTEX = 202;
const FUTEX_WAKE = 1;

/** Set in the flags of `exchange` when RAX is to be written. */
export const EXCHANGE_RETURN = 0x10000;

/** What `exchange` tells of the slot it found, as float64 words: number, state, six arguments. */
export const FOUND_SYSNO = 0;
export const FOUND_STATE = 1;
export const FOUND_ARGS = 2;
export const FOUND_WORDS = 8;

/** Native `exchange_setup(words, found, state)`: where the state words' addresses, the result and the state page are. */
export function emitExchangeSetup(a: Assembler, data: number): void {
  a.cvttsd2si(rax, xmm0).mov(rip(NATIVE_DATA, data), rax);
  a.cvttsd2si(rax, xmm1).mov(rip(NATIVE_DATA, data + 8), rax);
  a.cvttsd2si(rax, xmm2).mov(rip(NATIVE_DATA, data + 16), rax);
  a.ret();
}

/**
 * Native `exchange(slot, result, flags, count, rounds) -> index`: lets the thread of `slot` (0: none)
 * go on with commands `flags & 0xffff`, its system call having returned `result`; then looks, at
 * most `rounds` times, for a thread that has posted, and copies what it posted.
 *
 * It is one call because the two sides share a cache line that either of them takes from the other
 * at each access: everything that is to be written is written at once, and read once.
 */
export function emitExchange(a: Assembler, data: number): void {
  // xmm0 = slot, xmm1 = result, edi = flags, esi = count, edx = rounds
  a.cvttsd2si(r8, xmm0);
  a.test(r8, r8).je("exchange_poll");
  a.cvttsd2si(rax, xmm1);
  a.test(edi, imm(EXCHANGE_RETURN)).je("exchange_no_result");
  a.mov(mem(r8, L.S_RAX), rax);
  a.label("exchange_no_result");
  a.and(edi, imm(0xffff)).je("exchange_no_command");
  a.mov(mem(r8, L.S_CMD), edi);
  a.label("exchange_no_command");
  // A full barrier: either the thread sees the new state, or it is seen to sleep.
  a.mov(eax, imm(L.STATE_RESUME)).xchg(mem(r8, L.S_STATE), eax);
  a.cmp(dword(mem(r8, L.S_ASLEEP)), imm(0)).jne("exchange_wake");
  a.label("exchange_poll");
  a.mov(r9, rip(NATIVE_DATA, data));
  a.test(esi, esi).je("exchange_none");
  a.inc(edx);
  a.label("exchange_round");
  a.xor(eax, eax);
  a.label("exchange_word");
  a.mov(r8, mem({ base: r9, index: rax, scale: 8 }));
  a.test(byte(mem(r8)), imm(1)).jne("exchange_found");
  a.inc(rax);
  a.cmp(eax, esi).jne("exchange_word");
  a.dec(edx).je("exchange_in_vain");
  a.pause();
  a.jmp("exchange_round");
  a.label("exchange_in_vain");
  a.call("exchange_processor");
  a.label("exchange_none");
  a.mov(eax, imm(-1)).ret();

  a.label("exchange_found");
  a.mov(rcx, rip(NATIVE_DATA, data + 8));
  a.mov(r10d, mem(r8, L.S_STATE));
  a.pxor(xmm0, xmm0).cvtsi2sd(xmm0, r10).movsd(mem(rcx, 8 * FOUND_STATE), xmm0);
  // Only the low half of RAX is the number, as on Linux.
  a.movsxd(r10, mem(r8, L.S_RAX));
  a.pxor(xmm0, xmm0).cvtsi2sd(xmm0, r10).movsd(mem(rcx, 8 * FOUND_SYSNO), xmm0);
  [L.S_RDI, L.S_RSI, L.S_RDX, L.S_R10, L.S_R8, L.S_R9].forEach((offset, i) => {
    a.mov(r10, mem(r8, offset));
    a.pxor(xmm0, xmm0).cvtsi2sd(xmm0, r10).movsd(mem(rcx, 8 * (FOUND_ARGS + i)), xmm0);
  });
  a.ret();

  a.label("exchange_wake");
  a.push(rsi).push(rdx);
  a.mov(r10, r8).call("exchange_processor").mov(r8, r10);
  a.mov(rdi, r8).mov(esi, imm(FUTEX_WAKE)).mov(edx, imm(1)).xor(ecx, ecx);
  a.mov(eax, imm(SYS_FUTEX)).syscall();
  a.pop(rdx).pop(rsi);
  a.jmp("exchange_poll");

  // Tells stubs where the sentry is; the page is theirs to read too, so it is written only on a change.
  a.label("exchange_processor");
  emitProcessorNumber(a);
  a.mov(r8, rip(NATIVE_DATA, data + 16));
  a.cmp(eax, mem(r8, L.SP_CPU)).je("exchange_same");
  a.mov(mem(r8, L.SP_CPU), eax);
  a.label("exchange_same");
  a.ret();
}
