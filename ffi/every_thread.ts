/**
 * System calls that every thread of this process makes for itself: capabilities and namespaces belong to threads, and most
 * threads here are V8's and Deno's, to which nobody can hand code. A signal does: its handler runs the program.
 */

import {
  type Assembler,
  eax,
  edx,
  esi,
  imm,
  mem,
  qword,
  r10,
  r12,
  r13,
  r8,
  r9,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  rip,
  rsi,
} from "./asm/mod.ts";
import { NATIVE_DATA, NativeImage } from "./native.ts";
import type { SyscallProgram } from "./spawn.ts";
import { addressOf, mapArrayBuffer, sys, sys1 } from "./syscall.ts";

const SYS = {
  rt_sigaction: 13,
  rt_sigreturn: 15,
  getpid: 39,
  gettid: 186,
  futex: 202,
  tgkill: 234,
};
/** A real-time signal that neither glibc (32, 33) nor V8 and Deno use. */
const SIGNAL = 36;
const SA_RESTORER = 0x04000000;
const SA_RESTART = 0x10000000;
const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
/** Threads at most, and bytes of the data: program, its length, threads done, first failure, ids of threads. */
const MAX_THREADS = 256;
const PROGRAM = 0;
const COUNT = 8;
const DONE = 16;
const FAILURE = 24;
const THREADS = 32;
const OP_SIZE = 64;
/** How long one thread may take to come out of whatever it does. */
const WAIT_NS = 20_000_000;
const MAX_WAITS = 250;

/** Runs the program; the calling convention of handlers lets it use every register that it restores. */
function emitHandler(a: Assembler): void {
  a.label("thread_handler");
  a.push(rbx).push(r12).push(r13);
  a.mov(r12, rip(NATIVE_DATA, PROGRAM)).mov(r13, rip(NATIVE_DATA, COUNT));
  a.label("thread_next").test(r13, r13).je("thread_done");
  a.mov(rax, mem(r12, 0)).mov(rdi, mem(r12, 8)).mov(rsi, mem(r12, 16)).mov(rdx, mem(r12, 24));
  a.mov(r10, mem(r12, 32)).mov(r8, mem(r12, 40)).mov(r9, mem(r12, 48)).syscall();
  a.test(rax, rax).jns("thread_ok");
  a.cmp(qword(mem(r12, 56)), imm(0)).jne("thread_ok");
  a.mov(rip(NATIVE_DATA, FAILURE), rax);
  a.label("thread_ok").add(r12, imm(OP_SIZE)).dec(r13).jmp("thread_next");
  // The id is in its place before the count that tells of it: a waiter that sees the one sees the other.
  a.label("thread_done").mov(eax, imm(SYS.gettid)).syscall().mov(rbx, rax);
  a.lea(rdi, rip(NATIVE_DATA, DONE)).mov(eax, imm(1)).lock().xadd(mem(rdi, 4), eax);
  a.lea(rcx, rip(NATIVE_DATA, THREADS)).and(eax, imm(MAX_THREADS - 1));
  a.mov(mem({ base: rcx, index: rax, scale: 8 }), rbx);
  a.mov(eax, imm(1)).lock().xadd(mem(rdi), eax);
  a.mov(esi, imm(FUTEX_WAKE)).mov(edx, imm(1)).mov(eax, imm(SYS.futex)).syscall();
  a.pop(r13).pop(r12).pop(rbx).ret();
  a.label("thread_restorer").mov(eax, imm(SYS.rt_sigreturn)).syscall().ud2();
}

const image = new NativeImage("runsc-threads")
  .add("thread_addresses", (a) => {
    a.lea(rax, rip("thread_handler")).mov(mem(rdi, 0), rax);
    a.lea(rax, rip("thread_restorer")).mov(mem(rdi, 8), rax);
    a.lea(rax, rip(NATIVE_DATA)).mov(mem(rdi, 16), rax).ret();
  }, { parameters: ["buffer"], result: "void", cold: true })
  .code(emitHandler);
image.data(THREADS + 8 * MAX_THREADS);

/** Ids of the other threads of this process; with `skipBlocked`, of those that signals reach. */
function otherThreads(self: number, skipBlocked: boolean): number[] {
  const found: number[] = [];
  for (const { name } of Deno.readDirSync("/proc/self/task")) {
    if (Number(name) === self || (skipBlocked && blocksSignal(name))) continue;
    found.push(Number(name));
  }
  return found;
}

function blocksSignal(tid: string): boolean {
  try {
    const status = Deno.readTextFileSync(`/proc/self/task/${tid}/status`);
    const mask = /^SigBlk:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? "0";
    return (BigInt(`0x${mask}`) >> BigInt(SIGNAL - 1) & 1n) === 1n;
  } catch {
    // It ended meanwhile.
    return true;
  }
}

/**
 * Has every thread but this one make the system calls, and waits for that. 0, or a negative errno: the failure of a call
 * that must not fail, or -ETIMEDOUT. With `skipBlocked` threads are left out that block all signals.
 */
export function onOtherThreads(program: SyscallProgram, skipBlocked = false): number {
  const addresses = new Uint8Array(24);
  image.load().thread_addresses(addresses);
  const [handler, restorer, data] = new BigUint64Array(addresses.buffer);
  const at = Number(data);
  const words = new BigUint64Array(mapArrayBuffer(at, THREADS + 8 * MAX_THREADS));
  words.fill(0n);
  words[PROGRAM / 8] = BigInt(addressOf(program.bytes));
  words[COUNT / 8] = BigInt(program.count);
  const done = new Int32Array(words.buffer, DONE, 1);
  const action = new BigUint64Array([handler, BigInt(SA_RESTORER | SA_RESTART), restorer, 0n]);
  let r = sys1(SYS.rt_sigaction, SIGNAL, 0, 0, 8, 0, 0, 1, action);
  if (r < 0) return r;
  const pid = sys(SYS.getpid, 0, 0, 0, 0, 0, 0);
  const self = sys(SYS.gettid, 0, 0, 0, 0, 0, 0);
  const timeout = new Uint8Array(16);
  new DataView(timeout.buffer).setUint32(8, WAIT_NS, true);
  const asked = new Set<number>();
  r = -110;
  for (let waits = 0; waits < MAX_WAITS;) {
    const before = Atomics.load(done, 0);
    const finished = new Set<number>();
    for (let i = 0; i < before; i++) finished.add(Number(words[THREADS / 8 + i]));
    const missing = otherThreads(self, skipBlocked).filter((tid) => !finished.has(tid));
    if (missing.length === 0) {
      r = Number(BigInt.asIntN(64, words[FAILURE / 8]));
      break;
    }
    for (const tid of missing) {
      if (!asked.has(tid)) sys(SYS.tgkill, pid, tid, SIGNAL, 0, 0, 0);
      asked.add(tid);
    }
    if (asked.size > MAX_THREADS) break;
    // Each wake is for one thread; the list is looked at again when all that are known have been.
    for (; waits < MAX_WAITS; waits++) {
      const now = Atomics.load(done, 0);
      if (now - before >= missing.length) break;
      if (sys1(SYS.futex, at + DONE, FUTEX_WAIT, now, 0, 0, 0, 3, timeout) === -110) {
        waits++;
        break;
      }
    }
  }
  // Threads that come later start with what their makers have; nobody needs the handler any more.
  sys1(SYS.rt_sigaction, SIGNAL, 0, 0, 8, 0, 0, 1, new BigUint64Array([1n, 0n, 0n, 0n]));
  return r;
}
