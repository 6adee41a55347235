import {
  type Assembled,
  Assembler,
  dword,
  eax,
  ecx,
  edi,
  edx,
  esi,
  imm,
  mem,
  r10,
  r10d,
  r12,
  r13,
  r13d,
  r14,
  r8,
  r9,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
} from "../asm/mod.ts";
import * as L from "./layout.ts";

const SYS = {
  mmap: 9,
  munmap: 11,
  rt_sigaction: 13,
  getpid: 39,
  clone: 56,
  prctl: 157,
  getppid: 110,
  capset: 126,
  futex: 202,
  exit_group: 231,
  seccomp: 317,
};
const PROT_READ = 1;
const PROT_WRITE = 2;
const MAP_SHARED = 1;
const MAP_FIXED = 0x10;
const SIGCHLD = 17;
const SIGKILL = 9;
const CLONE_FS = 0x200;
const CLONE_FILES = 0x400;
const PR_SET_PDEATHSIG = 1;
const PR_SET_NAME = 15;
const PR_SET_NO_NEW_PRIVS = 38;
const FUTEX_WAIT = 0;
const FUTEX_WAKE = 1;
const SECCOMP_SET_MODE_FILTER = 1;
const SECCOMP_FILTER_FLAG_SPEC_ALLOW = 4;
const CAP_VERSION_3 = 0x20080522;
/** Signals whose handler is the stub's: interrupt, SIGILL, TRAP, BUS, FPE, SEGV, SYS. */
const HANDLED = [L.INTERRUPT_SIGNAL, 4, 5, 7, 8, 11, 31];

/** Flags of the clone that makes a stub; the seccomp filter of the seed allows no others. */
export const SEED_CLONE_FLAGS = SIGCHLD | CLONE_FS | CLONE_FILES;

/**
 * The seed: a process with nothing in its address space but the stub's code. It forks a stub for
 * each command of the sentry, with that stub's slots mapped.
 */
export function assembleSeed(processStart: number): Assembled {
  const a = new Assembler();
  const call = (nr: number) => a.mov(eax, imm(nr)).syscall();
  const check = () => a.test(rax, rax).js("fail");

  a.label("start");
  emitMap(a, L.STATE_PAGE, 4096, PROT_READ, 0);
  check();
  emitMap(a, L.SEED_PAGE, L.SEED_PAGE_SIZE, PROT_READ | PROT_WRITE, 4096);
  check();
  a.movabs(rbx, L.SEED_PAGE);
  a.lea(rsp, mem(rbx, L.SEED_PAGE_SIZE - 64));
  // What exec left (stack, vdso, vvar) must not be seen by applications.
  a.xor(edi, edi).movabs(rsi, L.STUB_BASE);
  call(SYS.munmap);
  check();
  a.movabs(rdi, L.SLOTS_ADDRESS + L.CHUNK_SIZE)
    .movabs(rsi, L.TASK_SIZE - L.SLOTS_ADDRESS - L.CHUNK_SIZE);
  call(SYS.munmap);
  check();
  emitDieWithParent(a, "seed");
  a.mov(ecx, mem(rbx, L.SEED_PARENT)).cmp(eax, ecx).jne("die");
  a.mov(edi, imm(PR_SET_NAME)).lea(rsi, mem(rbx, L.SEED_NAME)).xor(edx, edx).mov(r10, rdx);
  a.mov(r8, rdx);
  call(SYS.prctl);
  for (const signal of HANDLED) emitSigaction(a, signal, L.SEED_SIGACTION);
  emitSigaction(a, SIGCHLD, L.SEED_SIGACTION + 32);
  a.mov(edi, imm(PR_SET_NO_NEW_PRIVS)).mov(esi, imm(1)).xor(edx, edx).mov(r10, rdx).mov(r8, rdx);
  call(SYS.prctl);
  check();
  // Drop every capability; the header and the zeroed sets are built on the stack.
  a.sub(rsp, imm(64)).xor(eax, eax);
  for (let i = 0; i < 48; i += 8) a.mov(mem(rsp, i), rax);
  a.mov(dword(mem(rsp)), imm(CAP_VERSION_3));
  a.mov(rdi, rsp).lea(rsi, mem(rsp, 8));
  call(SYS.capset);
  a.add(rsp, imm(64));
  check();
  a.test(dword(mem(rbx, L.SEED_FLAGS)), imm(1)).jne("no_filter");
  a.mov(edi, imm(SECCOMP_SET_MODE_FILTER)).mov(esi, imm(SECCOMP_FILTER_FLAG_SPEC_ALLOW));
  a.lea(rdx, mem(rbx, L.SEED_FILTER));
  call(SYS.seccomp);
  check();
  a.label("no_filter");
  a.mov(dword(mem(rbx, L.SEED_READY)), imm(1));
  emitWake(a, L.SEED_READY);
  a.xor(r13d, r13d);
  emitLoop(a, processStart);

  a.label("fail");
  a.movabs(rbx, L.SEED_PAGE);
  a.mov(mem(rbx, L.SEED_READY), eax);
  emitWake(a, L.SEED_READY);
  a.label("die");
  a.mov(edi, imm(1));
  call(SYS.exit_group);
  a.ud2();
  const out = a.assemble({ origin: L.SEED_TEXT });
  if (out.code.length > L.SEED_TEXT_SIZE) throw new Error("seed: code does not fit its range");
  return out;
}

/** r13 counts the commands done. */
function emitLoop(a: Assembler, processStart: number): void {
  a.label("loop");
  a.mov(edx, mem(rbx, L.SEED_ISSUED));
  a.cmp(edx, r13d).jne("work");
  a.lea(rdi, mem(rbx, L.SEED_ISSUED)).mov(esi, imm(FUTEX_WAIT)).xor(r10d, r10d);
  a.mov(eax, imm(SYS.futex)).syscall();
  a.jmp("loop");

  a.label("work");
  a.mov(rax, r13).and(rax, imm(L.SEED_RING_ENTRIES - 1));
  a.lea(r12, mem({ base: rbx, index: rax, scale: 8, disp: L.SEED_RING }));
  a.mov(eax, mem(r12));
  a.inc(rax);
  a.mov(r9, rax).shl(r9, imm(Math.log2(L.CHUNK_SIZE)));
  emitMapRegister(a, L.SLOTS_ADDRESS, L.CHUNK_SIZE, PROT_READ | PROT_WRITE);
  a.test(rax, rax).js("result");
  a.mov(edi, imm(SEED_CLONE_FLAGS)).xor(esi, esi).xor(edx, edx).xor(r10d, r10d).mov(r8, rdx);
  a.mov(eax, imm(SYS.getpid)).syscall();
  a.mov(r14, rax);
  a.mov(eax, imm(SYS.clone)).syscall();
  a.test(rax, rax).je("child");
  a.label("result");
  a.mov(mem(r12, 4), eax);
  a.inc(r13);
  a.mov(mem(rbx, L.SEED_DONE), r13d);
  emitWake(a, L.SEED_DONE);
  a.jmp("loop");

  a.label("child");
  emitDieWithParent(a, "child");
  a.cmp(rax, r14).jne("die");
  a.movabs(rsp, L.SLOTS_ADDRESS + L.SLOT_SIZE);
  a.movabs(rax, processStart);
  a.jmp(rax);
}

/** Asks to be killed with the parent; leaves the parent's pid in EAX. */
function emitDieWithParent(a: Assembler, _who: string): void {
  a.mov(edi, imm(PR_SET_PDEATHSIG)).mov(esi, imm(SIGKILL)).xor(edx, edx).mov(r10, rdx).mov(r8, rdx);
  a.mov(eax, imm(SYS.prctl)).syscall();
  a.mov(eax, imm(SYS.getppid)).syscall();
}

function emitSigaction(a: Assembler, signal: number, offset: number): void {
  a.mov(edi, imm(signal)).lea(rsi, mem(rbx, offset)).xor(edx, edx).mov(r10d, imm(8));
  a.mov(eax, imm(SYS.rt_sigaction)).syscall();
  a.test(rax, rax).js("fail");
}

function emitWake(a: Assembler, offset: number): void {
  a.lea(rdi, mem(rbx, offset)).mov(esi, imm(FUTEX_WAKE)).mov(edx, imm(1));
  a.mov(eax, imm(SYS.futex)).syscall();
}

function emitMap(a: Assembler, addr: number, length: number, prot: number, offset: number): void {
  a.mov(rax, imm(offset)).mov(r9, rax);
  emitMapRegister(a, addr, length, prot);
}

/** mmap of control memory, its offset in R9. */
function emitMapRegister(a: Assembler, addr: number, length: number, prot: number): void {
  a.movabs(rdi, addr).mov(rsi, imm(length)).mov(edx, imm(prot));
  a.mov(r10d, imm(MAP_SHARED | MAP_FIXED)).mov(rcx, imm(L.FD_CONTROL)).mov(r8, rcx);
  a.mov(eax, imm(SYS.mmap)).syscall();
}
