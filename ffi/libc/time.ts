/** Clocks and random numbers. */

import { eax, rax, rdi, rsi, rsp, xmm0, xmm1 } from "../asm/registers.ts";
import { imm, mem } from "../asm/operands.ts";
import { hostSymbol, NativeImage } from "../native.ts";
import { type Memory, syscall } from "../syscall.ts";

// Calls the C library's clock_gettime, which reads the vDSO: faster than the system call several times over.
const image = new NativeImage("runsc-clock").add("clock", (a) => {
  a.sub(rsp, imm(24)).cvttsd2si(rax, xmm0).cvttsd2si(rdi, xmm1).mov(rsi, rsp).call(rax);
  a.movsxd(rax, eax).test(rax, rax).jne("end");
  a.imul(rax, mem(rsp), imm(1_000_000_000)).add(rax, mem(rsp, 8));
  a.label("end").pxor(xmm0, xmm0).cvtsi2sd(xmm0, rax).add(rsp, imm(24)).ret();
}, { parameters: ["f64", "f64"], result: "f64" });

// As with system calls, binding it fast is put off until it has been called some hundred times.
const SLOW_CALLS = 500;
let slow: ReturnType<typeof image.load>["clock"] | null = null;
let slowCalls = 0;
let clock: ReturnType<typeof image.load>["clock"] | null = null;
let clockGettime = 0;

/** Binds the clock for good ahead of its first use. */
export function preloadClock(): void {
  if (clockGettime === 0) clockGettime = hostSymbol("clock_gettime");
  clock ??= image.load().clock;
}

/**
 * A clock's time in nanoseconds, -1 for a clock that does not exist. Time since boot is exact; time since the epoch is
 * exact to 256 ns, as it exceeds 2^53.
 */
export function clock_gettime(id: number): number {
  if (clock !== null) return clock(clockGettime, id);
  if (++slowCalls > SLOW_CALLS) preloadClock();
  if (slow === null) {
    clockGettime = hostSymbol("clock_gettime");
    slow = image.load(undefined, true).clock;
  }
  return slow(clockGettime, id);
}

const timespec = new BigInt64Array(2);

/** A clock's resolution in nanoseconds, or a negative errno. */
export function clock_getres(id: number): number {
  const result = syscall(229, id, timespec);
  return result < 0 ? result : Number(timespec[0]) * 1e9 + Number(timespec[1]);
}

/** Sleeps until or for a `struct timespec`. */
export function clock_nanosleep(
  id: number,
  flags: number,
  request: Memory,
  remain: Memory,
): number {
  return syscall(230, id, flags, request, remain) | 0;
}

/** Fills a buffer with random bytes. */
export function getrandom(buffer: Memory, size: number, flags: number): number {
  return syscall(318, buffer, size, flags) | 0;
}
