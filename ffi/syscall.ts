/**
 * Raw host system calls: the `syscall` instruction itself, so errors come back as negative errno numbers.
 *
 * Which types cross the FFI fast was measured on Deno 2.9.6 (optimised code, ns per call without the system call):
 * `i32`, `u32` and `f64` parameters 7, seven `f64` parameters 8, an `f64` or `i32` result 8; `i64`, `u64` and `usize`
 * parameters given as numbers 200 to 600, as they leave the fast path; a 64-bit result is a BigInt; each `buffer` adds 10
 * to 16. So numbers travel as doubles, exact to 2^53, and are converted in three instructions' time here; buffers take the
 * place of one argument each.
 */

// hot

import { r10, r8, r9, rax, rcx, rdi, rdx, rsi, rsp } from "./asm/registers.ts";
import { xmm0, xmm1, xmm2, xmm3, xmm4, xmm5, xmm6 } from "./asm/registers.ts";
import { imm, mem } from "./asm/operands.ts";
import type { Assembler } from "./asm/assembler.ts";
import { NativeImage } from "./native.ts";

/** Memory that the kernel reads or writes: a buffer, an address as a number, or null. */
export type Memory = Uint8Array | ArrayBufferView | number | null;

const F64 = "f64";
const SIX_NUMBERS = [F64, F64, F64, F64, F64, F64] as const;

const ARGUMENTS = [rdi, rsi, rdx, r10, r8, r9] as const;
const DOUBLES = [xmm1, xmm2, xmm3, xmm4, xmm5, xmm6] as const;

function result(a: Assembler): void {
  // Cleared first, as cvtsi2sd would otherwise wait for the old upper half.
  a.syscall().pxor(xmm0, xmm0).cvtsi2sd(xmm0, rax).ret();
}

// Each buffer replaces the argument whose index stands in four bits above the 16-bit system call number.
function withBuffers(a: Assembler, count: 1 | 2): void {
  // The integer registers hold the buffers; they are needed for arguments, so all goes through the red zone.
  const slot = (i: number) => mem(rsp, -64 + 8 * i);
  a.mov(r10, rdi).mov(r8, rsi);
  DOUBLES.forEach((x, i) => a.cvttsd2si(r9, x).mov(slot(i), r9));
  a.cvttsd2si(rax, xmm0).mov(rcx, rax);
  a.shr(rcx, imm(16)).mov(rdx, rcx).and(rdx, imm(7));
  a.mov(mem({ base: rsp, index: rdx, scale: 8, disp: -64 }), r10);
  if (count === 2) {
    a.shr(rcx, imm(4)).mov(mem({ base: rsp, index: rcx, scale: 8, disp: -64 }), r8);
  }
  a.and(rax, imm(0xffff));
  ARGUMENTS.forEach((r, i) => a.mov(r, slot(i)));
  result(a);
}

// ARGUMENTS names rdi first, so the system call number is moved to rax before any of them is written.
const image = new NativeImage("runsc-syscall")
  .add("sys", (a) => {
    a.cvttsd2si(rax, xmm0);
    ARGUMENTS.forEach((r, i) => a.cvttsd2si(r, DOUBLES[i]));
    result(a);
  }, { parameters: [F64, ...SIX_NUMBERS], result: F64 })
  .add("sys1", (a) => withBuffers(a, 1), {
    parameters: [F64, ...SIX_NUMBERS, "buffer"],
    result: F64,
  })
  .add("sys2", (a) => withBuffers(a, 2), {
    parameters: [F64, ...SIX_NUMBERS, "buffer", "buffer"],
    result: F64,
  });

type Functions = ReturnType<typeof image.load>;

// Binding a function that is fast to call takes as long as some hundred slow calls, and most sandboxes make no more
// than that; each of the three is bound for good when it has been called so often.
const SLOW_CALLS = 500;
let slow: Functions | null = null;
let slowNumbers = 0;
let slowOne = 0;
let slowTwo = 0;
let numbers: Functions["sys"] | null = null;
let oneBuffer: Functions["sys1"] | null = null;
let twoBuffers: Functions["sys2"] | null = null;

/** Binds all three entry points for good; to be called before `/proc` or the right to map code goes away. */
export function preload(): void {
  numbers ??= image.load(["sys"]).sys;
  oneBuffer ??= image.load(["sys1"]).sys1;
  twoBuffers ??= image.load(["sys2"]).sys2;
}

/** A system call whose arguments are all numbers. The result is exact to 2^53. */
export function sys(
  nr: number,
  a0: number,
  a1: number,
  a2: number,
  a3: number,
  a4: number,
  a5: number,
): number {
  if (numbers !== null) return numbers(nr, a0, a1, a2, a3, a4, a5);
  if (++slowNumbers > SLOW_CALLS) numbers = image.load(["sys"]).sys;
  return (slow ??= image.load(undefined, true)).sys(nr, a0, a1, a2, a3, a4, a5);
}

/** A system call with one buffer, which replaces the argument of index `at`. */
export function sys1(
  nr: number,
  a0: number,
  a1: number,
  a2: number,
  a3: number,
  a4: number,
  a5: number,
  at: number,
  buffer: ArrayBufferView,
): number {
  const code = nr | (at << 16);
  const bytes = buffer as BufferSource;
  if (oneBuffer !== null) return oneBuffer(code, a0, a1, a2, a3, a4, a5, bytes);
  if (++slowOne > SLOW_CALLS) oneBuffer = image.load(["sys1"]).sys1;
  return (slow ??= image.load(undefined, true)).sys1(code, a0, a1, a2, a3, a4, a5, bytes);
}

/** A system call with two buffers, which replace the arguments of index `at0` and `at1`. */
export function sys2(
  nr: number,
  a0: number,
  a1: number,
  a2: number,
  a3: number,
  a4: number,
  a5: number,
  at0: number,
  buffer0: ArrayBufferView,
  at1: number,
  buffer1: ArrayBufferView,
): number {
  const code = nr | (at0 << 16) | (at1 << 20);
  const bytes0 = buffer0 as BufferSource;
  const bytes1 = buffer1 as BufferSource;
  if (twoBuffers !== null) return twoBuffers(code, a0, a1, a2, a3, a4, a5, bytes0, bytes1);
  if (++slowTwo > SLOW_CALLS) twoBuffers = image.load(["sys2"]).sys2;
  return (slow ??= image.load(undefined, true)).sys2(
    code,
    a0,
    a1,
    a2,
    a3,
    a4,
    a5,
    bytes0,
    bytes1,
  );
}

/** Any system call. Arguments may be numbers, buffers or null; about 30 ns more than `sys`. */
export function syscall(
  nr: number,
  a0: Memory = 0,
  a1: Memory = 0,
  a2: Memory = 0,
  a3: Memory = 0,
  a4: Memory = 0,
  a5: Memory = 0,
): number {
  let at0 = -1;
  let at1 = -1;
  let buffer0: ArrayBufferView | null = null;
  let buffer1: ArrayBufferView | null = null;
  let n0 = 0;
  let n1 = 0;
  let n2 = 0;
  let n3 = 0;
  let n4 = 0;
  let n5 = 0;
  // From the last argument to the first, so that a call with more than two buffers has the first ones resolved.
  if (typeof a5 === "number") n5 = a5;
  else if (a5 !== null) {
    at0 = 5;
    buffer0 = a5;
  }
  if (typeof a4 === "number") n4 = a4;
  else if (a4 !== null) {
    if (buffer0 === null) {
      at0 = 4;
      buffer0 = a4;
    } else {
      at1 = 4;
      buffer1 = a4;
    }
  }
  if (typeof a3 === "number") n3 = a3;
  else if (a3 !== null) {
    if (buffer0 === null) {
      at0 = 3;
      buffer0 = a3;
    } else if (buffer1 === null) {
      at1 = 3;
      buffer1 = a3;
    } else n3 = addressOf(a3);
  }
  if (typeof a2 === "number") n2 = a2;
  else if (a2 !== null) {
    if (buffer0 === null) {
      at0 = 2;
      buffer0 = a2;
    } else if (buffer1 === null) {
      at1 = 2;
      buffer1 = a2;
    } else n2 = addressOf(a2);
  }
  if (typeof a1 === "number") n1 = a1;
  else if (a1 !== null) {
    if (buffer0 === null) {
      at0 = 1;
      buffer0 = a1;
    } else if (buffer1 === null) {
      at1 = 1;
      buffer1 = a1;
    } else n1 = addressOf(a1);
  }
  if (typeof a0 === "number") n0 = a0;
  else if (a0 !== null) {
    if (buffer0 === null) {
      at0 = 0;
      buffer0 = a0;
    } else if (buffer1 === null) {
      at1 = 0;
      buffer1 = a0;
    } else n0 = addressOf(a0);
  }
  if (buffer0 === null) return sys(nr, n0, n1, n2, n3, n4, n5);
  if (buffer1 === null) return sys1(nr, n0, n1, n2, n3, n4, n5, at0, buffer0);
  return sys2(nr, n0, n1, n2, n3, n4, n5, at0, buffer0, at1, buffer1);
}

/** The address of a buffer's first byte. It stays valid while the buffer lives. Slow: not for a hot path. */
export function addressOf(buffer: ArrayBufferView | ArrayBuffer): number {
  const pointer = Deno.UnsafePointer.of(buffer as BufferSource);
  return pointer === null ? 0 : Number(Deno.UnsafePointer.value(pointer));
}

/**
 * An `ArrayBuffer` over memory at an address, of any length: 4 TiB of `MAP_NORESERVE` were tried. The memory must stay
 * mapped while the buffer lives.
 *
 * A `DataView` on it takes 1.5 ns an access at any offset. Element access of a typed array is as fast only below an index
 * of 2^30; above 2^31 it takes 50 ns. Block operations (`set`, `fill`, `copyWithin`) are fast at any offset.
 */
export function mapArrayBuffer(address: number, length: number): ArrayBuffer {
  const pointer = Deno.UnsafePointer.create(BigInt(address));
  if (pointer === null) throw new Error("libc: there is no memory at address 0");
  return Deno.UnsafePointerView.getArrayBuffer(pointer, length);
}

/** An `ArrayBuffer` over memory at an address: see `mapArrayBuffer`. */
export const viewOf = mapArrayBuffer;

const encoder = new TextEncoder();

/** A C string: the text's or bytes' own with a NUL behind. A NUL inside is refused, as it would cut the string short. */
export function cstr(text: string | Uint8Array): Uint8Array<ArrayBuffer> {
  const bytes = typeof text === "string" ? encoder.encode(text) : text;
  if (bytes.includes(0)) throw new TypeError("a C string can not hold a NUL byte");
  const out = new Uint8Array(bytes.length + 1);
  out.set(bytes);
  return out;
}
