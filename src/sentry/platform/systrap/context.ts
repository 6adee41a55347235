import * as L from "../../../../ffi/stub/layout.ts";
import { FOUND_ARGS, FOUND_STATE, FOUND_SYSNO } from "../../../../ffi/exchange.ts";
import { FPU_LEGACY_SIZE, initFpu, sealFpu } from "../fpu.ts";
import { type Context, Reg, RegisterFile, Stop } from "../platform.ts";
import { FIRST_LINE, type Slot } from "../slot.ts";
import type { SystrapAddressSpace } from "./address_space.ts";

// hot: a context is stopped and resumed at every system call.

const SIGILL = 4;
const SIGTRAP = 5;
const SIGBUS = 7;
const SIGFPE = 8;
const SIGSEGV = 11;
const SIGSYS = 31;
const TRAP_PAGE_FAULT = 14;
/** x86 page fault error code: write, instruction fetch. */
const PF_WRITE = 2;
const PF_INSTR = 16;

/** Where a stopped context's registers are. */
const enum Source {
  /** In the context's own copy: the thread has yet to start. */
  Private = 0,
  /** In the slot, with the FPU state in the processor. */
  Fast = 1,
  /** In the signal frame. */
  Frame = 2,
}

/** Word index in the gregs of a ucontext for each register of `user_regs_struct`; -1: none. */
const GREG: Int32Array = new Int32Array([
  7,
  6,
  5,
  4,
  10,
  11,
  3,
  2,
  1,
  0,
  13,
  14,
  12,
  9,
  8,
  -1,
  16,
  -1,
  17,
  15,
  -1,
  -1,
  -1,
  -1,
  -1,
  -1,
  -1,
]);
const G_ARGS: Int32Array = new Int32Array([8, 9, 12, 2, 0, 1]);
const REGS_WORD = L.S_REGS >> 2;
const USER_CS = 0x33;
const USER_SS = 0x2b;
const EFLAGS_FAST = 0x246;

/** A systrap thread: a host thread of a stub process and its slot. */
export class SystrapContext implements Context {
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
  readonly space: SystrapAddressSpace;
  readonly slot: Slot;
  /** Index in the platform's list of running contexts, or -1. */
  runningIndex = -1;
  /** Frames to give back at the next stop: pairs of first and count. */
  readonly retiring: number[] = [];
  /** The stop was at a `syscall` instruction that trapped, at this address; else 0. */
  trapSite = 0;
  /** An interrupt signal was sent since the last stop. */
  interruptSent = false;
  released = false;
  /** Result of the system call under way on the fast path, written when the thread goes on. */
  returned = 0;
  hasReturn = false;
  readonly #args = new Float64Array(6);
  #source: Source = Source.Private;
  /** Byte offset of the ucontext in the slot, valid for Source.Frame. */
  #frame = 0;
  /** Byte offset of the frame's FPU state in the slot. */
  #frameFpu = 0;
  #file = new RegisterFile();
  /** S_FPU holds the FPU state to resume with, and S_REGS the registers. */
  #byFrame = true;
  /** The private copy is newer than what the slot says: it was put, flags and all. */
  #fileValid = false;
  #fsBase = 0;
  #gsBase = 0;
  #commands = 0;

  constructor(space: SystrapAddressSpace, slot: Slot, fpuSize: number) {
    this.space = space;
    this.slot = slot;
    this.fpuSize = fpuSize;
    initFpu(slot.u8, L.S_FPU, fpuSize);
  }

  get fsBase(): number {
    return this.#fsBase;
  }

  set fsBase(v: number) {
    this.#fsBase = v;
    this.slot.put64(L.S_FSBASE, v);
    this.#commands |= L.CMD_SET_FS;
  }

  get gsBase(): number {
    return this.#gsBase;
  }

  set gsBase(v: number) {
    this.#gsBase = v;
    // GS is the stub's while sites are patched; an application that wants it gives up patching.
    if (v !== 0) {
      this.space.surrenderGs();
      // The fast way back reads the slot by way of GS.
      this.#goByFrame();
    }
    this.slot.put64(L.S_GSBASE, v !== 0 ? v : this.slot.address);
    this.#commands |= L.CMD_SET_GS;
  }

  /** Makes the thread set GS to its slot when it next goes on, as a reused one must. */
  restoreGs(): void {
    this.slot.put64(L.S_GSBASE, this.slot.address);
    this.#commands |= L.CMD_SET_GS;
  }

  /** Commands for the next resume; clears them. */
  takeCommands(): number {
    const c = this.#commands;
    this.#commands = 0;
    if (!this.#byFrame) {
      return this.#source === Source.Frame && this.#frame === L.S_FAKE_FRAME
        ? c | L.CMD_SIGRETURN
        : c;
    }
    this.#writeFakeFrame();
    this.#byFrame = false;
    return c | L.CMD_SIGRETURN;
  }

  /** Reads why the thread posted. Returns false if what it says makes no sense. */
  readStop(found: Float64Array): boolean {
    this.trapSite = 0;
    this.hasReturn = false;
    this.#fileValid = false;
    if (found[FOUND_STATE] === L.STATE_FAST) {
      this.#source = Source.Fast;
      this.sysno = found[FOUND_SYSNO] | 0;
      const args = this.#args;
      args[0] = found[FOUND_ARGS];
      args[1] = found[FOUND_ARGS + 1];
      args[2] = found[FOUND_ARGS + 2];
      args[3] = found[FOUND_ARGS + 3];
      args[4] = found[FOUND_ARGS + 4];
      args[5] = found[FOUND_ARGS + 5];
      this.stop = Stop.Syscall;
      return true;
    }
    const kind = this.slot.u32[L.S_KIND >> 2];
    if (kind === L.KIND_SIGNAL) return this.#readSignal();
    if (kind === L.KIND_INTERRUPTED) {
      this.#source = Source.Fast;
      this.stop = Stop.Interrupted;
      return true;
    }
    return false;
  }

  #readSignal(): boolean {
    const slot = this.slot;
    const frame = slot.get64(L.S_FRAME) - slot.address;
    const fake = frame === L.S_FAKE_FRAME;
    if (!fake && !inStack(frame, L.UC_SIZE)) return false;
    const fpu = fake ? L.S_FPU : slot.get64(frame + L.UC_FPSTATE) - slot.address;
    if (!fake && (!inStack(fpu, this.fpuSize + 4) || fpu % 64 !== 0)) return false;
    this.#frame = frame;
    this.#frameFpu = fpu;
    this.#source = Source.Frame;
    const signo = slot.u32[L.S_SIGNO >> 2];
    const rip = slot.get64(frame + L.UC_RIP);
    if (rip >= L.STUB_BASE && rip < L.STUB_BASE + L.STUB_TEXT_SIZE) return false;
    // It ran the code as it was before its site was patched: its stub maps the new page a little later.
    const landing = this.space.patches.landingFor(rip);
    if (landing !== rip) slot.put64(frame + L.UC_RIP, landing);
    if (signo === SIGSYS) {
      this.sysno = slot.i32[(frame + L.UC_GREGS + 13 * 8) >> 2];
      this.stop = Stop.Syscall;
      this.trapSite = rip - 2;
      return true;
    }
    if (signo === L.INTERRUPT_SIGNAL) {
      this.stop = Stop.Interrupted;
      return true;
    }
    if (signo === SIGILL && this.space.patches.resumePatched(rip - 5)) {
      // A thread was between `mov` and `syscall` when the site was patched.
      slot.put64(frame + L.UC_RIP, rip + 2);
      this.sysno = slot.i32[(frame + L.UC_GREGS + 13 * 8) >> 2];
      this.stop = Stop.Syscall;
      return true;
    }
    return this.#readFault(signo, rip);
  }

  #readFault(signo: number, rip: number): boolean {
    if (
      signo !== SIGSEGV && signo !== SIGBUS && signo !== SIGFPE && signo !== SIGILL &&
      signo !== SIGTRAP
    ) return false;
    const slot = this.slot;
    const info = slot.get64(L.S_INFO) - slot.address;
    if (!inStack(info, 128)) return false;
    const frame = this.#frame;
    this.stop = Stop.Fault;
    this.faultSignal = signo;
    this.faultCode = slot.i32[(info + 8) >> 2];
    this.trapNumber = slot.u32[(frame + L.UC_TRAPNO) >> 2];
    this.errorCode = slot.u32[(frame + L.UC_ERR) >> 2];
    if (this.trapNumber === TRAP_PAGE_FAULT) {
      this.faultAddress = slot.get64(frame + L.UC_CR2);
      this.faultIsWrite = (this.errorCode & PF_WRITE) !== 0;
      this.faultIsExec = (this.errorCode & PF_INSTR) !== 0;
    } else {
      this.faultAddress = signo === SIGSEGV || signo === SIGBUS ? slot.get64(info + 16) : rip;
      this.faultIsWrite = false;
      this.faultIsExec = false;
    }
    return true;
  }

  copyArgs(dst: Float64Array): void {
    if (this.#source === Source.Fast) {
      const args = this.#args;
      dst[0] = args[0];
      dst[1] = args[1];
      dst[2] = args[2];
      dst[3] = args[3];
      dst[4] = args[4];
      dst[5] = args[5];
      return;
    }
    const i32 = this.slot.i32;
    const u32 = this.slot.u32;
    const base = (this.#frame + L.UC_GREGS) >> 2;
    for (let i = 0; i < 6; i++) {
      const w = base + 2 * G_ARGS[i];
      dst[i] = i32[w + 1] * 4294967296 + u32[w];
    }
  }

  setReturn(v: number): void {
    if (this.#source === Source.Fast) {
      this.returned = v;
      this.hasReturn = true;
      return;
    }
    if (this.#source === Source.Private) {
      this.#file.set(Reg.RAX, v);
      return;
    }
    const w = (this.#frame + L.UC_GREGS + 13 * 8) >> 2;
    const hi = Math.floor(v / 4294967296);
    this.slot.u32[w] = v - hi * 4294967296;
    this.slot.u32[w + 1] = hi;
  }

  regs(): RegisterFile {
    const file = this.#file;
    if (this.#source === Source.Private) return file;
    if (this.#fileValid) {
      if (this.hasReturn) file.set(Reg.RAX, this.returned);
      return file;
    }
    const words = file.words;
    const u32 = this.slot.u32;
    if (this.#source === Source.Fast) {
      for (let i = 0; i < words.length; i++) words[i] = u32[REGS_WORD + i];
      for (let i = 0; i < FIRST_LINE.length; i++) {
        const [r, at] = FIRST_LINE[i];
        words[2 * r] = u32[at >> 2];
        words[2 * r + 1] = u32[(at >> 2) + 1];
      }
      if (this.hasReturn) file.set(Reg.RAX, this.returned);
      file.set(Reg.EFLAGS, EFLAGS_FAST);
      this.space.patches.translate(file);
    } else {
      const base = (this.#frame + L.UC_GREGS) >> 2;
      for (let i = 0; i < GREG.length; i++) {
        const g = GREG[i];
        if (g < 0) continue;
        words[2 * i] = u32[base + 2 * g];
        words[2 * i + 1] = u32[base + 2 * g + 1];
      }
      this.space.patches.translate(file);
    }
    file.set(Reg.ORIG_RAX, this.stop === Stop.Syscall ? this.sysno : -1);
    file.set(Reg.CS, USER_CS);
    file.set(Reg.SS, USER_SS);
    file.set(Reg.FS_BASE, this.#fsBase);
    file.set(Reg.GS_BASE, this.#gsBase);
    return file;
  }

  putRegs(): void {
    const rip = this.#file.get(Reg.RIP);
    const landing = this.space.patches.landingFor(rip);
    if (landing !== rip) this.#file.set(Reg.RIP, landing);
    const words = this.#file.words;
    const u32 = this.slot.u32;
    if (this.#source === Source.Frame) {
      const base = (this.#frame + L.UC_GREGS) >> 2;
      for (let i = 0; i < GREG.length; i++) {
        const g = GREG[i];
        if (g < 0) continue;
        u32[base + 2 * g] = words[2 * i];
        u32[base + 2 * g + 1] = words[2 * i + 1];
      }
    } else {
      this.hasReturn = false;
      for (let i = 0; i < words.length; i++) u32[REGS_WORD + i] = words[i];
      for (let i = 0; i < FIRST_LINE.length; i++) {
        const [r, at] = FIRST_LINE[i];
        u32[at >> 2] = words[2 * r];
        u32[(at >> 2) + 1] = words[2 * r + 1];
      }
      this.#fileValid = true;
      // The fast way back keeps no flags.
      if (this.#file.words[2 * Reg.EFLAGS] !== EFLAGS_FAST) this.#goByFrame();
    }
  }

  /** If a resumed thread would go on at `from`, it goes on at `to`. */
  redirect(from: number, to: number): void {
    let at: number;
    if (this.#source === Source.Fast) at = L.S_REGS + 8 * Reg.RIP;
    else if (this.#source === Source.Frame) at = this.#frame + L.UC_RIP;
    else {
      if (this.#file.get(Reg.RIP) === from) this.#file.set(Reg.RIP, to);
      return;
    }
    if (this.slot.get64(at) === from) this.slot.put64(at, to);
  }

  /** Address where a system call returns to becomes that of the call again, RAX its number. */
  rewindSyscall(): void {
    const file = this.regs();
    file.set(Reg.RIP, this.space.patches.siteBefore(file.get(Reg.RIP)));
    file.set(Reg.RAX, this.sysno);
    this.putRegs();
  }

  readFpu(dst: Uint8Array): number {
    const u8 = this.slot.u8;
    let from = L.S_FPU;
    if (this.#source === Source.Frame && !this.#byFrame) from = this.#frameFpu;
    else if (this.#source === Source.Fast && !this.#byFrame) this.#saveFpu();
    for (let i = 0; i < this.fpuSize; i++) dst[i] = u8[from + i];
    sealFpu(dst, 0, this.fpuSize, this.space.platform.xmaskLow);
    return this.fpuSize;
  }

  writeFpu(src: Uint8Array, length: number): void {
    const u8 = this.slot.u8;
    const n = Math.min(length, this.fpuSize);
    let to = L.S_FPU;
    if (this.#source === Source.Frame && !this.#byFrame) to = this.#frameFpu;
    else this.#byFrame = true;
    u8.set(n === src.length ? src : src.subarray(0, n), to);
    if (n < this.fpuSize) u8.fill(0, to + Math.max(n, FPU_LEGACY_SIZE), to + this.fpuSize);
    sealFpu(u8, to, this.fpuSize, this.space.platform.xmaskLow);
  }

  /** Has the thread go on by rt_sigreturn, which sets every register. */
  #goByFrame(): void {
    if (this.#source !== Source.Fast || this.#byFrame) return;
    this.#saveFpu();
    this.#byFrame = true;
  }

  /** Has the thread save its FPU state to S_FPU. */
  #saveFpu(): void {
    this.slot.u8.fill(0, L.S_FPU, L.S_FPU + this.fpuSize);
    this.space.platform.command(this, L.CMD_XSAVE);
    sealFpu(this.slot.u8, L.S_FPU, this.fpuSize, this.space.platform.xmaskLow);
  }

  /** Builds the ucontext from which rt_sigreturn loads all registers at once. */
  #writeFakeFrame(): void {
    const slot = this.slot;
    const u32 = slot.u32;
    let file = this.#file;
    if (this.#source !== Source.Private) file = this.regs();
    const frame = L.S_FAKE_FRAME;
    u32.fill(0, frame >> 2, (frame + L.UC_SIZE) >> 2);
    u32[(frame + L.UC_FLAGS) >> 2] = 7; // UC_FP_XSTATE | UC_SIGCONTEXT_SS | UC_STRICT_RESTORE_SS
    slot.put64(frame + L.UC_STACK, slot.address + L.S_STACK_BOTTOM);
    slot.put64(frame + L.UC_STACK + 16, L.SLOT_SIZE - L.S_STACK_BOTTOM);
    const base = (frame + L.UC_GREGS) >> 2;
    const words = file.words;
    for (let i = 0; i < GREG.length; i++) {
      const g = GREG[i];
      if (g < 0) continue;
      u32[base + 2 * g] = words[2 * i];
      u32[base + 2 * g + 1] = words[2 * i + 1];
    }
    u32[(frame + L.UC_CSGSFSSS) >> 2] = USER_CS;
    u32[((frame + L.UC_CSGSFSSS) >> 2) + 1] = USER_SS << 16;
    slot.put64(frame + L.UC_FPSTATE, slot.address + L.S_FPU);
    sealFpu(slot.u8, L.S_FPU, this.fpuSize, this.space.platform.xmaskLow);
    slot.put64(L.S_RETFRAME, slot.address + frame);
  }

  /** CPU time that the thread has used, nanoseconds. */
  cpuTime(): number {
    return this.space.cpuTime(this);
  }

  /** Publishes an answer the stub gives by itself (see `ANSWER_*`). */
  setAnswer(which: number, value: number): void {
    this.slot.u32[(L.S_ANSWERS + which) >> 2] = value;
  }

  release(): void {
    if (this.released) return;
    this.released = true;
    this.space.contextReleased(this);
  }
}

function inStack(offset: number, size: number): boolean {
  return offset >= L.S_STACK_BOTTOM && offset + size <= L.SLOT_SIZE && offset % 8 === 0;
}
