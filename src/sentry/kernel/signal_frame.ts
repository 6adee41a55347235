/**
 * The signal frame of amd64 (arch/x86/include/asm/sigframe.h): what a handler finds on its stack, and how
 * rt_sigreturn(2) takes it back. From low to high addresses: return address, ucontext, siginfo, XSAVE image.
 */

import {
  FP_XSTATE_MAGIC1,
  FP_XSTATE_MAGIC2,
  FPX_SW_BYTES_OFFSET,
  UC_FP_XSTATE,
  UC_SIGCONTEXT_SS,
  UC_STRICT_RESTORE_SS,
} from "../../abi/structs/signal.ts";
import { SA_ONSTACK, SA_RESTORER, SS_AUTODISARM, SS_DISABLE } from "../../abi/signals.ts";
import { readU64, write64 } from "../../abi/int64.ts";
import { Reg, USER_TOP } from "../platform/platform.ts";
import type { SigAction, SigInfo } from "./signal_set.ts";
import { setBlocked } from "./task_signals.ts";
import type { Task } from "./task.ts";

/** Bytes below the stack pointer that a function may use without saying so (amd64 ABI). */
const RED_ZONE = 128;
const UCONTEXT_OFFSET = 8;
const UCONTEXT_SIZE = 304;
const SIGINFO_OFFSET = UCONTEXT_OFFSET + UCONTEXT_SIZE;
const FRAME_SIZE = SIGINFO_OFFSET + 128;

// Offsets in the ucontext.
const UC_STACK = 16;
const UC_REGISTERS = 40;
const UC_SEGMENTS = 184;
const UC_ERR = 192;
const UC_FPSTATE = 224;
const UC_SIGMASK = 296;

/** The registers of a sigcontext in its order. */
const CONTEXT_ORDER: readonly number[] = [
  Reg.R8,
  Reg.R9,
  Reg.R10,
  Reg.R11,
  Reg.R12,
  Reg.R13,
  Reg.R14,
  Reg.R15,
  Reg.RDI,
  Reg.RSI,
  Reg.RBP,
  Reg.RBX,
  Reg.RDX,
  Reg.RAX,
  Reg.RCX,
  Reg.RSP,
  Reg.RIP,
];

const EFLAGS_DF = 0x400;
const EFLAGS_RF = 0x10000;
const EFLAGS_TF = 0x100;
/** Flags that sigreturn may set: AC, OF, DF, TF, SF, ZF, AF, PF, CF, RF. */
const EFLAGS_USER = 0x50dd5;
const USER_CS = 0x33;
const USER_SS = 0x2b;

const FXSAVE_SIZE = 512;
const XSAVE_HEADER_END = 576;
const MXCSR_OFFSET = 24;
const MXCSR_MASK_OFFSET = 28;
const MXCSR_DEFAULT_MASK = 0xffbf;

// Scratch for one frame; nothing in it outlives a call.
const frame = new Uint8Array(FRAME_SIZE);
const view = new DataView(frame.buffer);
let image = new Uint8Array(4096);
let imageView = new DataView(image.buffer);

/** Whether `sp` lies on the alternate stack of `t`. */
export function onAltStack(t: Task, sp: number): boolean {
  if ((t.altStackFlags & SS_AUTODISARM) !== 0) return false;
  return sp > t.altStackBase && sp - t.altStackBase <= t.altStackSize;
}

/** What sigaltstack(2) tells of the stack: SS_DISABLE, SS_ONSTACK or 0. */
export function altStackStatus(t: Task, sp: number): number {
  if (t.altStackSize === 0) return SS_DISABLE;
  return onAltStack(t, sp) ? 1 : 0;
}

/**
 * Writes the frame for a handler on the stack and sets the registers so that it runs; false if the stack can not be
 * written. The registers of the context must be those to return to.
 */
export function pushFrame(t: Task, action: SigAction, info: SigInfo): boolean {
  const ctx = t.ctx;
  const regs = ctx.regs();
  const words = regs.words;
  if ((action.flags & SA_RESTORER) === 0) return false;
  const rsp = regs.get(Reg.RSP);
  let sp = rsp - RED_ZONE;
  const nested = onAltStack(t, rsp);
  let entering = false;
  if ((action.flags & SA_ONSTACK) !== 0 && altStackStatus(t, rsp) === 0) {
    sp = t.altStackBase + t.altStackSize;
    entering = true;
  }
  const fpuSize = ctx.fpuSize;
  const fpuAddress = Math.floor((sp - fpuSize - 4) / 64) * 64;
  // On entry the stack pointer is 8 below a multiple of 16, as after a call.
  const address = Math.floor((fpuAddress - FRAME_SIZE) / 16) * 16 - 8;
  if (address < 4096 || address >= USER_TOP) return false;
  if ((nested || entering) && address <= t.altStackBase) return false;

  if (!writeFpu(t, fpuAddress, fpuSize)) return false;
  write64(view, 0, action.restorer);
  const uc = UCONTEXT_OFFSET;
  write64(view, uc, UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS);
  write64(view, uc + 8, 0);
  write64(view, uc + UC_STACK, t.altStackBase);
  write64(view, uc + UC_STACK + 8, t.altStackFlags >>> 0);
  write64(view, uc + UC_STACK + 16, t.altStackSize);
  for (let i = 0; i < CONTEXT_ORDER.length; i++) {
    const r = CONTEXT_ORDER[i];
    view.setUint32(uc + UC_REGISTERS + 8 * i, words[2 * r], true);
    view.setUint32(uc + UC_REGISTERS + 8 * i + 4, words[2 * r + 1], true);
  }
  write64(view, uc + UC_REGISTERS + 8 * CONTEXT_ORDER.length, words[2 * Reg.EFLAGS]);
  view.setUint16(uc + UC_SEGMENTS, USER_CS, true);
  view.setUint32(uc + UC_SEGMENTS + 2, 0, true);
  view.setUint16(uc + UC_SEGMENTS + 6, USER_SS, true);
  write64(view, uc + UC_ERR, t.errorCode);
  write64(view, uc + UC_ERR + 8, t.trapNumber);
  view.setInt32(uc + UC_ERR + 16, t.restoreMask ? t.savedLo : t.blockedLo, true);
  view.setInt32(uc + UC_ERR + 20, t.restoreMask ? t.savedHi : t.blockedHi, true);
  write64(view, uc + UC_ERR + 24, t.faultAddress);
  write64(view, uc + UC_FPSTATE, fpuAddress);
  for (let i = 0; i < 64; i += 4) view.setInt32(uc + UC_FPSTATE + 8 + i, 0, true);
  view.setInt32(uc + UC_SIGMASK, t.restoreMask ? t.savedLo : t.blockedLo, true);
  view.setInt32(uc + UC_SIGMASK + 4, t.restoreMask ? t.savedHi : t.blockedHi, true);
  info.write(view, SIGINFO_OFFSET);
  if (t.mm.copyOut(address, frame, 0, FRAME_SIZE) !== 0) return false;
  if ((t.altStackFlags & SS_AUTODISARM) !== 0) {
    t.altStackBase = 0;
    t.altStackSize = 0;
    t.altStackFlags = SS_DISABLE;
  }

  regs.set(Reg.RDI, info.signo);
  regs.set(Reg.RSI, address + SIGINFO_OFFSET);
  regs.set(Reg.RDX, address + UCONTEXT_OFFSET);
  regs.set(Reg.RAX, 0);
  regs.set(Reg.RIP, action.handler);
  regs.set(Reg.RSP, address);
  words[2 * Reg.EFLAGS] &= ~(EFLAGS_DF | EFLAGS_RF | EFLAGS_TF);
  ctx.putRegs();
  resetFpu(t);
  return true;
}

/** Takes back the frame that the stack pointer of `t` leads to; false if it is not readable or not sound. */
export function popFrame(t: Task): boolean {
  const ctx = t.ctx;
  const regs = ctx.regs();
  // The handler's return popped the first word of the frame.
  const uc = regs.get(Reg.RSP);
  if (t.mm.copyIn(uc, frame, 0, UCONTEXT_SIZE) !== 0) return false;
  const words = regs.words;
  const ripHigh = view.getUint32(UC_REGISTERS + 8 * 16 + 4, true);
  if (ripHigh >= 0x8000) return false;
  const maskLo = view.getInt32(UC_SIGMASK, true);
  const maskHi = view.getInt32(UC_SIGMASK + 4, true);
  const fpstate = readU64(view, UC_FPSTATE);
  const altBase = readU64(view, UC_STACK);
  const altFlags = view.getInt32(UC_STACK + 8, true);
  const altSize = readU64(view, UC_STACK + 16);
  for (let i = 0; i < CONTEXT_ORDER.length; i++) {
    const r = CONTEXT_ORDER[i];
    words[2 * r] = view.getUint32(UC_REGISTERS + 8 * i, true);
    words[2 * r + 1] = view.getUint32(UC_REGISTERS + 8 * i + 4, true);
  }
  const flags = view.getUint32(UC_REGISTERS + 8 * CONTEXT_ORDER.length, true);
  words[2 * Reg.EFLAGS] = (words[2 * Reg.EFLAGS] & ~EFLAGS_USER) | (flags & EFLAGS_USER);
  ctx.putRegs();
  if (fpstate === 0) resetFpu(t);
  else if (!readFpu(t, fpstate)) return false;
  setBlocked(t, maskLo, maskHi);
  setAltStack(
    t,
    altBase,
    altFlags,
    altSize,
    words[2 * Reg.RSP] + words[2 * Reg.RSP + 1] * 4294967296,
  );
  return true;
}

/** Sets the alternate stack if that is allowed at stack pointer `sp`; whether it was. */
export function setAltStack(
  t: Task,
  base: number,
  flags: number,
  size: number,
  sp: number,
): boolean {
  if (onAltStack(t, sp)) return false;
  const mode = flags & ~SS_AUTODISARM;
  if (mode === SS_DISABLE) {
    t.altStackBase = 0;
    t.altStackSize = 0;
    t.altStackFlags = SS_DISABLE;
  } else {
    t.altStackBase = base;
    t.altStackSize = size;
    t.altStackFlags = flags & SS_AUTODISARM;
  }
  return true;
}

/** Copies the FPU state to the frame, marked as the kernel marks an XSAVE image. */
function writeFpu(t: Task, address: number, size: number): boolean {
  ensureImage(size + 4);
  t.ctx.readFpu(image);
  if (size >= XSAVE_HEADER_END) {
    let featuresLo = imageView.getUint32(FXSAVE_SIZE, true);
    let featuresHi = imageView.getUint32(FXSAVE_SIZE + 4, true);
    if (imageView.getUint32(FPX_SW_BYTES_OFFSET, true) === FP_XSTATE_MAGIC1) {
      featuresLo = imageView.getUint32(FPX_SW_BYTES_OFFSET + 8, true);
      featuresHi = imageView.getUint32(FPX_SW_BYTES_OFFSET + 12, true);
    }
    imageView.setUint32(FPX_SW_BYTES_OFFSET, FP_XSTATE_MAGIC1, true);
    imageView.setUint32(FPX_SW_BYTES_OFFSET + 4, size + 4, true);
    imageView.setUint32(FPX_SW_BYTES_OFFSET + 8, featuresLo, true);
    imageView.setUint32(FPX_SW_BYTES_OFFSET + 12, featuresHi, true);
    imageView.setUint32(FPX_SW_BYTES_OFFSET + 16, size, true);
    image.fill(0, FPX_SW_BYTES_OFFSET + 20, FXSAVE_SIZE);
    imageView.setUint32(size, FP_XSTATE_MAGIC2, true);
  }
  return t.mm.copyOut(address, image, 0, size + 4) === 0;
}

/** Takes the FPU state from a frame. It is the application's: what could harm the host is taken out. */
function readFpu(t: Task, address: number): boolean {
  const size = t.ctx.fpuSize;
  ensureImage(size + 4);
  if (t.mm.copyIn(address, image, 0, FXSAVE_SIZE) !== 0) return false;
  let length = FXSAVE_SIZE;
  const stateSize = imageView.getUint32(FPX_SW_BYTES_OFFSET + 16, true);
  const extendedSize = imageView.getUint32(FPX_SW_BYTES_OFFSET + 4, true);
  if (
    imageView.getUint32(FPX_SW_BYTES_OFFSET, true) === FP_XSTATE_MAGIC1 &&
    stateSize >= XSAVE_HEADER_END && stateSize <= size && extendedSize >= stateSize + 4
  ) {
    if (t.mm.copyIn(address, image, 0, stateSize + 4) !== 0) return false;
    if (imageView.getUint32(stateSize, true) === FP_XSTATE_MAGIC2) length = stateSize;
  }
  if (length === FXSAVE_SIZE && size >= XSAVE_HEADER_END) {
    // Only the legacy part is there: x87 and SSE, all else in its initial state.
    image.fill(0, FXSAVE_SIZE, XSAVE_HEADER_END);
    image[FXSAVE_SIZE] = 3;
    length = XSAVE_HEADER_END;
  }
  if (length >= XSAVE_HEADER_END) image.fill(0, FXSAVE_SIZE + 8, XSAVE_HEADER_END);
  const mask = imageView.getUint32(MXCSR_MASK_OFFSET, true) & 0xffff;
  const mxcsr = imageView.getUint32(MXCSR_OFFSET, true);
  imageView.setUint32(MXCSR_OFFSET, mxcsr & (mask === 0 ? MXCSR_DEFAULT_MASK : mask), true);
  t.ctx.writeFpu(image, length);
  return true;
}

/** Gives a handler or a new program the FPU state that the ABI promises. */
export function resetFpu(t: Task): void {
  const size = t.ctx.fpuSize;
  ensureImage(size);
  image.fill(0, 0, size);
  imageView.setUint16(0, 0x37f, true);
  imageView.setUint32(MXCSR_OFFSET, 0x1f80, true);
  t.ctx.writeFpu(image, size);
}

function ensureImage(size: number): void {
  if (image.length >= size) return;
  image = new Uint8Array(Math.ceil(size / 4096) * 4096);
  imageView = new DataView(image.buffer);
}
