/** Reading the processor's time stamp counter together with the host's clocks. */

import { imm, mem } from "./asm/operands.ts";
import { r12, rax, rbx, rdi, rdx, rsi, rsp, xmm0 } from "./asm/registers.ts";
import type { Assembler } from "./asm/assembler.ts";
import { hostSymbol, NativeImage } from "./native.ts";

function rdtsc(a: Assembler, at: number): void {
  // lfence keeps the counter from being read before what comes ahead of it is done (Intel SDM, RDTSC).
  a.lfence().rdtsc().shl(rdx, imm(32)).or(rax, rdx).mov(mem(rbx, at), rax);
}

const image = new NativeImage("runsc-tsc").add("sample", (a) => {
  a.push(rbx).push(r12).sub(rsp, imm(8)).mov(rbx, rdi).cvttsd2si(r12, xmm0);
  rdtsc(a, 0);
  a.mov(rdi, imm(1)).lea(rsi, mem(rbx, 16)).call(r12);
  rdtsc(a, 8);
  a.mov(rdi, imm(0)).lea(rsi, mem(rbx, 32)).call(r12);
  a.add(rsp, imm(8)).pop(r12).pop(rbx).ret();
}, { parameters: ["f64", "buffer"], result: "void", cold: true });

let native: ReturnType<typeof image.load> | null = null;
let clockGettime = 0;

/**
 * Fills six 64-bit numbers: the counter before and after reading CLOCK_MONOTONIC, that clock's `struct timespec`, and
 * CLOCK_REALTIME's, read right after.
 */
export function sampleClocks(out: BigInt64Array<ArrayBuffer>): void {
  if (native === null) {
    native = image.load();
    clockGettime = hostSymbol("clock_gettime");
  }
  native.sample(clockGettime, out);
}
