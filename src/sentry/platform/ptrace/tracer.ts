/** The ptrace(2) requests that the platform makes, errors as negative errno numbers. */

import { sys, sys1 } from "../../../../ffi/syscall.ts";

const SYS_PTRACE = 101;
const SYS_WAIT4 = 61;
const PTRACE_CONT = 7;
const PTRACE_GETREGS = 12;
const PTRACE_SETREGS = 13;
const PTRACE_SYSEMU = 31;
const PTRACE_GETEVENTMSG = 0x4201;
const PTRACE_GETSIGINFO = 0x4202;
const PTRACE_GETREGSET = 0x4204;
const PTRACE_SETREGSET = 0x4205;
const PTRACE_SEIZE = 0x4206;
const PTRACE_INTERRUPT = 0x4207;
const NT_X86_XSTATE = 0x202;
const OPTIONS = 0x00000001 /* TRACESYSGOOD */ | 0x00000008 /* TRACECLONE */ |
  0x00100000; /* EXITKILL */
const WNOHANG = 1;
const WALL = 0x40000000;

const message = new Uint8Array(8);
const messageView = new DataView(message.buffer);
const status = new Int32Array(1);
const vector = new Uint8Array(16);
const vectorView = new DataView(vector.buffer);

/** Becomes the tracer of a thread, and of the threads it makes; both die with the tracer. */
export function seize(tid: number): number {
  return sys(SYS_PTRACE, PTRACE_SEIZE, tid, 0, OPTIONS, 0, 0);
}

/** Stops a thread with PTRACE_EVENT_STOP. */
export function interrupt(tid: number): number {
  return sys(SYS_PTRACE, PTRACE_INTERRUPT, tid, 0, 0, 0, 0);
}

/** Lets a thread run; its system calls are made. */
export function cont(tid: number): number {
  return sys(SYS_PTRACE, PTRACE_CONT, tid, 0, 0, 0, 0);
}

/** Lets a thread run until its next system call, which is not made. */
export function sysemu(tid: number): number {
  return sys(SYS_PTRACE, PTRACE_SYSEMU, tid, 0, 0, 0, 0);
}

export function getRegs(tid: number, regs: Uint8Array): number {
  return sys1(SYS_PTRACE, PTRACE_GETREGS, tid, 0, 0, 0, 0, 3, regs);
}

export function setRegs(tid: number, regs: Uint8Array): number {
  return sys1(SYS_PTRACE, PTRACE_SETREGS, tid, 0, 0, 0, 0, 3, regs);
}

/** Fills a 128-byte siginfo. */
export function getSiginfo(tid: number, info: Uint8Array): number {
  return sys1(SYS_PTRACE, PTRACE_GETSIGINFO, tid, 0, 0, 0, 0, 3, info);
}

/** The id of the thread that a PTRACE_EVENT_CLONE is about. */
export function eventMessage(tid: number): number {
  const r = sys1(SYS_PTRACE, PTRACE_GETEVENTMSG, tid, 0, 0, 0, 0, 3, message);
  return r < 0 ? r : messageView.getUint32(0, true);
}

function xstate(request: number, tid: number, address: number, length: number): number {
  vectorView.setFloat64(0, 0);
  vectorView.setUint32(0, address % 4294967296, true);
  vectorView.setUint32(4, address / 4294967296, true);
  vectorView.setUint32(8, length, true);
  vectorView.setUint32(12, 0, true);
  const r = sys1(SYS_PTRACE, request, tid, NT_X86_XSTATE, 0, 0, 0, 3, vector);
  return r < 0 ? r : vectorView.getUint32(8, true);
}

/** Reads the XSAVE image to host address `address`; returns its size. */
export function getXstate(tid: number, address: number, length: number): number {
  return xstate(PTRACE_GETREGSET, tid, address, length);
}

/** Sets the XSAVE image from host address `address`. */
export function setXstate(tid: number, address: number, length: number): number {
  return xstate(PTRACE_SETREGSET, tid, address, length);
}

/** Status of the last `wait`. */
export function lastStatus(): number {
  return status[0];
}

/** Waits for a thread (-1: any) to stop or end. Returns its id, 0 for none, or -errno. */
export function wait(tid: number, block: boolean): number {
  return sys1(SYS_WAIT4, tid, 0, block ? WALL : WALL | WNOHANG, 0, 0, 0, 1, status);
}
