import * as L from "../../../../ffi/stub/layout.ts";
import { addressOf } from "../../../../ffi/syscall.ts";
import { initFpu, sealFpu } from "../fpu.ts";
import { type Context, Reg, RegisterFile, Stop } from "../platform.ts";
import type { Slot } from "../slot.ts";
import type { PtraceAddressSpace } from "./address_space.ts";
import * as tracer from "./tracer.ts";

const SIGTRAP = 5;
const SIGSEGV = 11;
const SIGBUS = 7;
const SEGV_MAPERR = 1;
const SEGV_ACCERR = 2;
const EVENT_STOP = 128;
const USER_CS = 0x33;
const USER_SS = 0x2b;
const TRAP_PAGE_FAULT = 14;
const TRAPS: Readonly<Record<number, number>> = { 4: 6, 5: 3, 7: 17, 8: 16, 11: 13 };
const info = new Uint8Array(128);
const infoView = new DataView(info.buffer);

/** A traced host thread. */
export class PtraceContext implements Context {
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
  readonly space: PtraceAddressSpace;
  readonly slot: Slot;
  readonly fpuSize: number;
  /** Host thread id; 0 until the thread exists. */
  tid = 0;
  /** It runs application code. */
  running = false;
  released = false;
  readonly retiring: number[] = [];
  readonly #file = new RegisterFile();
  #dirty = true;
  /** Where the last stop was a fault taken for an instruction fetch, or -1. */
  #fetchedAt = -1;
  /** FPU state to set before it runs: of a new thread, or after `writeFpu`. */
  #fpu: Uint8Array<ArrayBuffer> | null;

  constructor(space: PtraceAddressSpace, slot: Slot, fpuSize: number) {
    this.space = space;
    this.slot = slot;
    this.fpuSize = fpuSize;
    this.#fpu = new Uint8Array(fpuSize + 4);
    initFpu(this.#fpu, 0, fpuSize);
    this.#file.set(Reg.CS, USER_CS);
    this.#file.set(Reg.SS, USER_SS);
    this.#file.set(Reg.EFLAGS, 0x202);
    this.#file.set(Reg.ORIG_RAX, -1);
  }

  /** Takes in why the thread stopped; false if it is none of the application's business. */
  stopped(status: number): boolean {
    this.running = false;
    if ((status & 0xff) !== 0x7f) {
      this.stop = Stop.Dead;
      return true;
    }
    const signo = (status >> 8) & 0x7f;
    const event = status >> 16;
    tracer.getRegs(this.tid, this.#file.bytes);
    this.#dirty = false;
    if (event === 0 && signo === SIGTRAP && (status & 0x8000) !== 0) {
      this.sysno = this.#file.words[2 * Reg.ORIG_RAX] | 0;
      this.#fetchedAt = -1;
      this.stop = Stop.Syscall;
      return true;
    }
    if (event === EVENT_STOP || event !== 0) {
      this.stop = Stop.Interrupted;
      return true;
    }
    return this.#fault(signo);
  }

  #fault(signo: number): boolean {
    const trap = TRAPS[signo];
    tracer.getSiginfo(this.tid, info);
    const code = infoView.getInt32(8, true);
    // A signal that somebody sent, not an exception, is not the application's.
    if (trap === undefined || code <= 0) {
      this.stop = Stop.Interrupted;
      return true;
    }
    const address = infoView.getUint32(16, true) + infoView.getInt32(20, true) * 4294967296;
    const rip = this.#file.get(Reg.RIP);
    this.stop = Stop.Fault;
    this.faultSignal = signo;
    this.faultCode = code;
    this.trapNumber = trap;
    this.errorCode = 0;
    this.faultAddress = signo === SIGSEGV || signo === SIGBUS ? address : rip;
    this.faultIsExec = false;
    this.faultIsWrite = false;
    if (signo === SIGSEGV && (code === SEGV_MAPERR || code === SEGV_ACCERR)) {
      // ptrace does not tell what kind of access it was. What is not mapped is taken for a read; if
      // it was a write, the next fault is about protection and is taken for one.
      this.trapNumber = TRAP_PAGE_FAULT;
      // Where an instruction faults at its own address it may be fetched from there, or write there.
      // If being able to fetch it did not help, it writes.
      this.faultIsExec = address === rip && this.#fetchedAt !== rip;
      this.#fetchedAt = this.faultIsExec && code === SEGV_ACCERR ? rip : -1;
      this.faultIsWrite = code === SEGV_ACCERR && !this.faultIsExec;
      this.errorCode = 4 | (this.faultIsWrite ? 2 : 0) | (code === SEGV_ACCERR ? 1 : 0);
    }
    return true;
  }

  copyArgs(dst: Float64Array): void {
    const f = this.#file;
    dst[0] = f.get(Reg.RDI);
    dst[1] = f.get(Reg.RSI);
    dst[2] = f.get(Reg.RDX);
    dst[3] = f.get(Reg.R10);
    dst[4] = f.get(Reg.R8);
    dst[5] = f.get(Reg.R9);
  }

  setReturn(v: number): void {
    this.#file.set(Reg.RAX, v);
    this.#dirty = true;
  }

  regs(): RegisterFile {
    return this.#file;
  }

  putRegs(): void {
    this.#dirty = true;
  }

  rewindSyscall(): void {
    this.#file.set(Reg.RIP, this.#file.get(Reg.RIP) - 2);
    this.#file.set(Reg.RAX, this.sysno);
    this.#dirty = true;
  }

  get fsBase(): number {
    return this.#file.get(Reg.FS_BASE);
  }

  set fsBase(v: number) {
    this.#file.set(Reg.FS_BASE, v);
    this.#dirty = true;
  }

  get gsBase(): number {
    return this.#file.get(Reg.GS_BASE);
  }

  set gsBase(v: number) {
    this.#file.set(Reg.GS_BASE, v);
    this.#dirty = true;
  }

  readFpu(dst: Uint8Array): number {
    if (this.#fpu !== null) {
      for (let i = 0; i < this.fpuSize; i++) dst[i] = this.#fpu[i];
    } else {
      const buffer = this.space.platform.fpuBuffer;
      buffer.fill(0);
      tracer.getXstate(this.tid, addressOf(buffer), this.fpuSize);
      for (let i = 0; i < this.fpuSize; i++) dst[i] = buffer[i];
    }
    sealFpu(dst, 0, this.fpuSize, this.space.platform.xmaskLow);
    return this.fpuSize;
  }

  writeFpu(src: Uint8Array, length: number): void {
    const fpu = new Uint8Array(this.fpuSize + 4);
    fpu.set(src.subarray(0, Math.min(length, this.fpuSize)));
    sealFpu(fpu, 0, this.fpuSize, this.space.platform.xmaskLow);
    this.#fpu = fpu;
  }

  /** Sets what the thread must have before it runs application code. */
  install(): void {
    if (this.#fpu !== null) {
      tracer.setXstate(this.tid, addressOf(this.#fpu), this.fpuSize);
      this.#fpu = null;
    }
    if (!this.#dirty) return;
    const f = this.#file;
    f.set(Reg.ORIG_RAX, -1);
    f.set(Reg.CS, USER_CS);
    f.set(Reg.SS, USER_SS);
    tracer.setRegs(this.tid, f.bytes);
    this.#dirty = false;
  }

  /** The registers in the thread are not the application's any more. */
  disturbed(): void {
    this.#dirty = true;
  }

  /** CPU time that the thread has used, nanoseconds. */
  cpuTime(): number {
    return this.space.cpuTime(this);
  }

  setAnswer(_which: number, _value: number): void {
    // Every system call comes to the sentry on this platform.
  }

  /** CPU time of the host thread is not tracked here. */
  release(): void {
    if (this.released) return;
    this.released = true;
    this.space.contextReleased(this);
  }

  /** Address in the stub of this thread's own stack for programs. */
  get stackTop(): number {
    return this.slot.address + L.S_STACK_TOP;
  }
}
