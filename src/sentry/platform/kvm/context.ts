import { FOUND_ARGS, FOUND_STATE, FOUND_SYSNO } from "../../../../ffi/exchange.ts";
import * as K from "../../../../ffi/kvm/layout.ts";
import * as L from "../../../../ffi/stub/layout.ts";
import { FPU_LEGACY_SIZE, initFpu, sealFpu } from "../fpu.ts";
import { type Context, Reg, RegisterFile, Stop } from "../platform.ts";
import type { KvmAddressSpace } from "./address_space.ts";
import { describeException } from "./exceptions.ts";
import { FIRST_LINE } from "../slot.ts";
import type { KvmSlot } from "./slot.ts";
import type { Vcpu } from "./vcpu.ts";

// hot: a context is stopped and resumed at every system call.

const SIGSEGV = 11;
const SI_KERNEL = 128;
const TRAP_GENERAL_PROTECTION = 13;
const TRAP_PAGE_FAULT = 14;
const PF_WRITE = 2;
const PF_INSTR = 16;
/** Flags an application may have, and those it always has: IF and the one that is always set. */
const FLAGS_ALLOWED = 0x240dd5;
const FLAGS_FIXED = 0x202;
const REGS_WORD = L.S_REGS >> 2;

/** An application thread: a slot with its registers, run by whatever processor is free. */
export class KvmContext implements Context {
  task: unknown = null;
  stop: Stop = Stop.Interrupted;
  sysno = 0;
  faultSignal = 0;
  faultCode = 0;
  faultAddress = 0;
  faultIsWrite = false;
  faultIsExec = false;
  trapNumber = 0;
  errorCode = 0;
  readonly fpuSize: number;
  readonly space: KvmAddressSpace;
  readonly slot: KvmSlot;
  /** The processor that has its slot and FPU state loaded. */
  vcpu: Vcpu | null = null;
  /** The processor that it was on last, and the change of slot by which that left it. */
  lastVcpu: Vcpu | null = null;
  lastSwitch = 0;
  /** Index in the platform's list of running contexts, or -1. */
  runningIndex = -1;
  /** It waits for a processor. */
  queued = false;
  /** It was stopped because others wait. */
  yielding = false;
  /** An interrupt was asked for since the last stop. */
  interruptSent = false;
  released = false;
  /** Result of the system call under way, written when the thread goes on. */
  returned = 0;
  hasReturn = false;
  readonly #args = new Float64Array(6);
  readonly #file = new RegisterFile();
  #fileLoaded = false;
  #commands = 0;

  constructor(space: KvmAddressSpace, slot: KvmSlot, fpuSize: number) {
    this.space = space;
    this.slot = slot;
    this.fpuSize = fpuSize;
    const u = slot.u32;
    u.fill(0);
    initFpu(slot.u8, L.S_FPU, fpuSize);
    slot.put64(K.S_CR3, space.root);
    u[K.S_IRET >> 2] = 1;
    this.#file.set(Reg.CS, K.USER_CS);
    this.#file.set(Reg.SS, K.USER_SS);
    this.#file.set(Reg.EFLAGS, FLAGS_FIXED);
    this.#file.set(Reg.ORIG_RAX, -1);
    this.#fileLoaded = true;
    u[REGS_WORD + 2 * Reg.EFLAGS] = FLAGS_FIXED;
  }

  /** Commands for the next time that it goes on where it is loaded; clears them. */
  takeCommands(): number {
    const c = this.#commands;
    this.#commands = 0;
    return c;
  }

  /** True if the FPU state in its slot is newer than what a processor may have loaded for it. */
  get fpuWritten(): boolean {
    return (this.#commands & K.CMD_XRSTOR) !== 0;
  }

  /** Reads why it posted. Returns false if it, or its processor, is lost. */
  readStop(found: Float64Array): boolean {
    this.hasReturn = false;
    this.#fileLoaded = false;
    if (found[FOUND_STATE] === L.STATE_FAST) {
      this.sysno = found[FOUND_SYSNO];
      const args = this.#args;
      for (let i = 0; i < 6; i++) args[i] = found[FOUND_ARGS + i];
      this.stop = Stop.Syscall;
      return true;
    }
    const kind = this.slot.u32[L.S_KIND >> 2];
    if (kind === K.KIND_INTERRUPTED) {
      this.stop = Stop.Interrupted;
      return true;
    }
    if (kind !== K.KIND_FAULT) return false;
    const slot = this.slot;
    this.stop = Stop.Fault;
    this.trapNumber = slot.u32[K.S_VECTOR >> 2];
    this.errorCode = slot.u32[K.S_ERROR >> 2];
    if (this.trapNumber === TRAP_PAGE_FAULT) {
      this.faultSignal = SIGSEGV;
      this.faultAddress = slot.get64(K.S_CR2);
      this.faultIsWrite = (this.errorCode & PF_WRITE) !== 0;
      this.faultIsExec = (this.errorCode & PF_INSTR) !== 0;
      this.faultCode = (this.errorCode & 1) + 1;
      return true;
    }
    this.faultIsWrite = false;
    this.faultIsExec = false;
    return describeException(this);
  }

  copyArgs(dst: Float64Array): void {
    const args = this.#args;
    dst[0] = args[0];
    dst[1] = args[1];
    dst[2] = args[2];
    dst[3] = args[3];
    dst[4] = args[4];
    dst[5] = args[5];
  }

  setReturn(v: number): void {
    this.returned = v;
    this.hasReturn = true;
    if (this.#fileLoaded) this.#file.set(Reg.RAX, v);
  }

  /** Puts the result where the stub finds it, for a context that goes on elsewhere. */
  storeReturn(): void {
    if (!this.hasReturn) return;
    this.slot.put64(L.S_RAX, this.returned);
    this.hasReturn = false;
  }

  regs(): RegisterFile {
    const file = this.#file;
    if (this.#fileLoaded) return file;
    const words = file.words;
    const u32 = this.slot.u32;
    for (let i = 0; i < words.length; i++) words[i] = u32[REGS_WORD + i];
    for (let i = 0; i < FIRST_LINE.length; i++) {
      const [r, at] = FIRST_LINE[i];
      words[2 * r] = u32[at >> 2];
      words[2 * r + 1] = u32[(at >> 2) + 1];
    }
    if (this.hasReturn) file.set(Reg.RAX, this.returned);
    file.set(Reg.ORIG_RAX, this.stop === Stop.Syscall ? this.sysno : -1);
    file.set(Reg.CS, K.USER_CS);
    file.set(Reg.SS, K.USER_SS);
    file.set(Reg.DS, 0);
    file.set(Reg.ES, 0);
    file.set(Reg.FS, 0);
    file.set(Reg.GS, 0);
    file.set(Reg.FS_BASE, this.slot.get64(L.S_FSBASE));
    file.set(Reg.GS_BASE, this.slot.get64(L.S_GSBASE));
    this.#fileLoaded = true;
    return file;
  }

  putRegs(): void {
    const words = this.#file.words;
    const u32 = this.slot.u32;
    words[2 * Reg.EFLAGS] = (words[2 * Reg.EFLAGS] & FLAGS_ALLOWED) | FLAGS_FIXED;
    words[2 * Reg.EFLAGS + 1] = 0;
    for (let i = 0; i < words.length; i++) u32[REGS_WORD + i] = words[i];
    for (let i = 0; i < FIRST_LINE.length; i++) {
      const [r, at] = FIRST_LINE[i];
      u32[at >> 2] = words[2 * r];
      u32[(at >> 2) + 1] = words[2 * r + 1];
    }
    this.hasReturn = false;
    u32[K.S_IRET >> 2] = 1;
  }

  /**
   * True if it may go on. IRETQ to an address that is none faults in the stub; Linux takes such a fault for one of the
   * application's, and so does this.
   */
  checkTarget(): boolean {
    const slot = this.slot;
    if (slot.u32[K.S_IRET >> 2] === 0) return true;
    const high = slot.u32[REGS_WORD + 2 * Reg.RIP + 1];
    if (high < 0x8000 || high >= 0xffff8000) return true;
    this.stop = Stop.Fault;
    this.trapNumber = TRAP_GENERAL_PROTECTION;
    this.errorCode = 0;
    this.faultSignal = SIGSEGV;
    this.faultCode = SI_KERNEL;
    this.faultAddress = 0;
    this.faultIsWrite = false;
    this.faultIsExec = false;
    return false;
  }

  rewindSyscall(): void {
    const file = this.regs();
    file.set(Reg.RIP, file.get(Reg.RIP) - 2);
    file.set(Reg.RAX, this.sysno);
    this.putRegs();
  }

  get fsBase(): number {
    return this.slot.get64(L.S_FSBASE);
  }

  set fsBase(v: number) {
    this.slot.put64(L.S_FSBASE, v);
    this.#file.set(Reg.FS_BASE, v);
    this.#commands |= K.CMD_SET_FS;
  }

  get gsBase(): number {
    return this.slot.get64(L.S_GSBASE);
  }

  set gsBase(v: number) {
    this.slot.put64(L.S_GSBASE, v);
    this.#file.set(Reg.GS_BASE, v);
    this.#commands |= K.CMD_SET_GS;
  }

  readFpu(dst: Uint8Array): number {
    this.space.platform.saveFpu(this);
    const u8 = this.slot.u8;
    for (let i = 0; i < this.fpuSize; i++) dst[i] = u8[L.S_FPU + i];
    sealFpu(dst, 0, this.fpuSize, this.space.platform.xmaskLow);
    return this.fpuSize;
  }

  writeFpu(src: Uint8Array, length: number): void {
    // The processor that had it must have put away its own image before.
    this.space.platform.awaitLeft(this);
    const u8 = this.slot.u8;
    const n = Math.min(length, this.fpuSize);
    u8.set(n === src.length ? src : src.subarray(0, n), L.S_FPU);
    if (n < this.fpuSize) {
      u8.fill(0, L.S_FPU + Math.max(n, FPU_LEGACY_SIZE), L.S_FPU + this.fpuSize);
    }
    sealFpu(u8, L.S_FPU, this.fpuSize, this.space.platform.xmaskLow);
    this.#commands |= K.CMD_XRSTOR;
  }

  /** CPU time that the thread has used, nanoseconds. */
  cpuTime(): number {
    let cycles = this.slot.get64(K.S_CYCLES);
    const platform = this.space.platform;
    if (this.stop === Stop.None && this.vcpu !== null) {
      const start = this.slot.get64(K.S_START);
      if (start > 0) cycles += Math.max(0, platform.counter() - start);
    }
    return cycles * platform.nanosecondsPerCount;
  }

  setAnswer(which: number, value: number): void {
    this.slot.u32[(L.S_ANSWERS + which) >> 2] = value;
  }

  release(): void {
    if (this.released) return;
    this.released = true;
    this.space.contextReleased(this);
  }
}
