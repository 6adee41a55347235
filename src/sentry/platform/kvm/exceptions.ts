/** What signal an exception of the application raises, as arch/x86/kernel/traps.c has it. */

import { FPU_LEGACY_SIZE } from "../fpu.ts";
import { Reg } from "../platform.ts";
import type { KvmContext } from "./context.ts";

const SIGILL = 4;
const SIGTRAP = 5;
const SIGBUS = 7;
const SIGFPE = 8;
const SIGSEGV = 11;
const SI_KERNEL = 128;
const ILL_ILLOPN = 2;
const TRAP_TRACE = 2;
const BUS_ADRALN = 1;
const FPE_INTDIV = 1;
const FPE_FLTDIV = 3;
const FPE_FLTOVF = 4;
const FPE_FLTUND = 5;
const FPE_FLTRES = 6;
const FPE_FLTINV = 7;
const MXCSR = 24;
const CONTROL_WORD = 0;
const STATUS_WORD = 2;

/** Vector → signal, si_code, whether si_addr is the instruction. */
const TABLE: ReadonlyMap<number, readonly [number, number, boolean]> = new Map([
  [0, [SIGFPE, FPE_INTDIV, true]],
  [1, [SIGTRAP, TRAP_TRACE, true]],
  [3, [SIGTRAP, SI_KERNEL, false]],
  [4, [SIGSEGV, SI_KERNEL, false]],
  [5, [SIGSEGV, SI_KERNEL, false]],
  [6, [SIGILL, ILL_ILLOPN, true]],
  [9, [SIGFPE, SI_KERNEL, false]],
  [10, [SIGSEGV, SI_KERNEL, false]],
  [11, [SIGBUS, SI_KERNEL, false]],
  [12, [SIGBUS, SI_KERNEL, false]],
  [13, [SIGSEGV, SI_KERNEL, false]],
  [16, [SIGFPE, 0, true]],
  [17, [SIGBUS, BUS_ADRALN, false]],
  [19, [SIGFPE, 0, true]],
]);

const image = new Uint8Array(4096);

/** Sets the fault fields of a context from its vector; false for one that applications can not raise. */
export function describeException(c: KvmContext): boolean {
  const entry = TABLE.get(c.trapNumber);
  if (entry === undefined) return false;
  const [signal, code, atInstruction] = entry;
  c.faultSignal = signal;
  c.faultCode = code === 0 ? floatingPointCode(c) : code;
  c.faultAddress = atInstruction ? c.regs().get(Reg.RIP) : 0;
  return true;
}

/** fpu__exception_code: the exceptions that are pending and not masked, by their order of priority. */
function floatingPointCode(c: KvmContext): number {
  if (c.readFpu(image) < FPU_LEGACY_SIZE) return 0;
  const view = new DataView(image.buffer);
  let pending: number;
  if (c.trapNumber === 16) {
    pending = view.getUint16(STATUS_WORD, true) & ~view.getUint16(CONTROL_WORD, true);
  } else {
    const mxcsr = view.getUint32(MXCSR, true);
    pending = ~(mxcsr >>> 7) & mxcsr;
  }
  if ((pending & 1) !== 0) return FPE_FLTINV;
  if ((pending & 4) !== 0) return FPE_FLTDIV;
  if ((pending & 8) !== 0) return FPE_FLTOVF;
  if ((pending & 0x12) !== 0) return FPE_FLTUND;
  return (pending & 0x20) !== 0 ? FPE_FLTRES : 0;
}
