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
  r11,
  r12,
  r13,
  r13d,
  r14,
  r15,
  r8,
  r9,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  type Reg,
  rip,
  rsi,
  rsp,
} from "../asm/mod.ts";
import * as L from "./layout.ts";

const SYS_WRITE = 1;
const SYS_RT_SIGRETURN = 15;
const SYS_CLONE = 56;
const SYS_EXIT = 60;
const SYS_MUNMAP = 11;
const SYS_SIGALTSTACK = 131;
const SYS_ARCH_PRCTL = 158;
const SYS_GETTID = 186;
const SYS_FUTEX = 202;
const ARCH_SET_GS = 0x1001;
const ARCH_SET_FS = 0x1002;
const FUTEX_WAIT = 0;
/** __CPUNODE_SEG of arch/x86/include/asm/segment.h. */
const CPU_NUMBER_SELECTOR = 0x7b;
/** Looks at its word before a stub asks itself whether it keeps the sentry from the processor. */
const SHORT_SPIN = 128;

/** Registers that the fast path saves, and where. */
const SAVED: [Reg, number][] = [
  [r15, L.S_REGS + 8 * 0],
  [r14, L.S_REGS + 8 * 1],
  [r13, L.S_REGS + 8 * 2],
  [r12, L.S_REGS + 8 * 3],
  [rbp, L.S_REGS + 8 * 4],
  [rbx, L.S_REGS + 8 * 5],
  [rsp, L.S_REGS + 8 * 19],
  [rdi, L.S_RDI],
  [rsi, L.S_RSI],
  [rdx, L.S_RDX],
  [r10, L.S_R10],
  [r8, L.S_R8],
  [r9, L.S_R9],
  [rax, L.S_RAX],
];
const R11_INDEX = 6;
const RCX_INDEX = 11;
const RIP_INDEX = 16;

function gs(offset: number) {
  return mem({ seg: "gs", disp: offset });
}

function reg(i: number) {
  return L.S_REGS + 8 * i;
}

/**
 * The code that runs in every stub process, at `STUB_BASE`. GS holds the thread's slot on the fast
 * path; the signal handler finds the slot from its stack, as the application may own GS.
 */
export function assembleStub(): Assembled {
  const a = new Assembler();
  emitFastEntry(a);
  emitTail(a);
  emitSignalHandler(a);
  emitThreadStart(a);
  emitPostAndWait(a);
  emitCommands(a);
  emitTracedProgram(a);
  a.align(8).label("one").dq(1);
  const out = a.assemble({ origin: L.STUB_BASE });
  if (out.code.length > L.STUB_TEXT_SIZE) throw new Error("stub: code does not fit its range");
  return out;
}

/** A patched site jumps here with RAX = system call number and RCX = where to go on. */
function emitFastEntry(a: Assembler): void {
  a.label("fast_entry");
  a.mov(gs(reg(RIP_INDEX)), rcx);
  for (const [r, at] of SAVED) a.mov(gs(at), r);
  a.mov(rbx, gs(L.S_SELF));
  // The application's stack, red zone included, must stay untouched: wait on the slot's own.
  a.lea(rsp, mem(rbx, L.S_STACK_TOP));
  a.mov(eax, imm(L.STATE_FAST));
  a.label("fast_post");
  a.call("post_and_wait");
  a.label("fast_resume");
  a.mov(eax, mem(rbx, L.S_CMD));
  a.test(eax, eax).jne("fast_commands");
}

/**
 * Back to the application from the fast path. An interrupt that arrives in [tail, tail_end) rewinds
 * to its start (see the handler), so that the flag is looked at again; all it needs is in the slot.
 */
function emitTail(a: Assembler): void {
  a.label("tail");
  a.cmp(dword(gs(L.S_INTERRUPT)), imm(0)).jne("tail_interrupted");
  for (const [r, at] of SAVED) a.mov(r, gs(at));
  a.mov(r11, gs(reg(R11_INDEX)));
  a.mov(rcx, gs(reg(RCX_INDEX)));
  a.jmp(gs(reg(RIP_INDEX)));
  a.label("tail_end");

  a.label("tail_interrupted");
  a.mov(rbx, gs(L.S_SELF));
  a.lea(rsp, mem(rbx, L.S_STACK_TOP));
  a.mov(dword(mem(rbx, L.S_INTERRUPT)), imm(0));
  a.mov(dword(mem(rbx, L.S_KIND)), imm(L.KIND_INTERRUPTED));
  a.mov(eax, imm(L.STATE_POSTED));
  a.jmp("fast_post");

  a.label("fast_commands");
  a.call("commands"); // returns with ZF clear when it has to post again
  a.mov(eax, imm(L.STATE_POSTED));
  a.jne("fast_post");
  a.jmp("tail");
}

/** rdi = signal, rsi = siginfo, rdx = ucontext; on the slot's signal stack, all signals blocked. */
function emitSignalHandler(a: Assembler): void {
  a.label("handler");
  a.mov(rbx, rsp).and(rbx, imm(-L.SLOT_SIZE));
  a.mov(rbp, rdx);
  a.mov(rax, mem(rdx, L.UC_RIP));
  a.lea(rcx, rip("fast_entry")).sub(rax, rcx);
  a.cmp(rax, imm(L.STUB_TEXT_SIZE)).jae("handler_post");
  a.cmp(edi, imm(L.INTERRUPT_SIGNAL)).jne("handler_post");
  // An interrupt met the stub itself. Before the post nothing is lost by going on, as the post
  // follows; on the way back the tail starts anew and sees the flag.
  a.mov(rax, mem(rdx, L.UC_RIP));
  for (const range of ["tail", "sigreturn"]) {
    a.lea(rcx, rip(range)).lea(rsi, rip(`${range}_end`));
    a.cmp(rax, rcx).jb(`not_in_${range}`);
    a.cmp(rax, rsi).jae(`not_in_${range}`);
    a.mov(mem(rdx, L.UC_RIP), rcx);
    a.label(`not_in_${range}`);
  }
  a.jmp("handler_return");

  a.label("handler_post");
  a.mov(mem(rbx, L.S_SIGNO), edi);
  a.mov(mem(rbx, L.S_INFO), rsi);
  a.mov(mem(rbx, L.S_FRAME), rdx);
  a.mov(dword(mem(rbx, L.S_KIND)), imm(L.KIND_SIGNAL));
  a.cmp(edi, imm(L.INTERRUPT_SIGNAL)).jne("handler_again");
  a.mov(dword(mem(rbx, L.S_INTERRUPT)), imm(0));
  a.label("handler_again");
  a.call("post");
  a.mov(eax, mem(rbx, L.S_CMD));
  a.test(eax, eax).je("handler_return");
  a.call("commands");
  a.jne("handler_again");
  a.label("handler_return");
  a.mov(rsp, rbp);
  a.mov(eax, imm(SYS_RT_SIGRETURN)).syscall();
  a.ud2();
}

/** A new thread, or a new process, with RSP at the top of its slot. */
function emitThreadStart(a: Assembler): void {
  a.label("process_start");
  a.movabs(rdi, L.SEED_TEXT).mov(esi, imm(L.SEED_SPAN)).mov(eax, imm(SYS_MUNMAP)).syscall();
  a.label("thread_start");
  a.lea(rbx, mem(rsp, -1)).and(rbx, imm(-L.SLOT_SIZE));
  a.lea(rsp, mem(rbx, L.S_STACK_TOP));
  a.mov(eax, imm(SYS_GETTID)).syscall();
  a.mov(mem(rbx, L.S_TID), eax);
  a.mov(edi, imm(ARCH_SET_GS)).mov(rsi, rbx).mov(eax, imm(SYS_ARCH_PRCTL)).syscall();
  a.lea(rdi, mem(rbx, L.S_ALTSTACK)).xor(esi, esi).mov(eax, imm(SYS_SIGALTSTACK)).syscall();
  a.mov(dword(mem(rbx, L.S_KIND)), imm(L.KIND_READY));
  // The sentry may have said "resume" or "sleep" already; then there is nothing to post.
  a.mov(ecx, imm(L.STATE_POSTED)).xor(eax, eax);
  a.lock().cmpxchg(mem(rbx, L.S_STATE), ecx);
  a.call("wait");
  a.label("thread_commands");
  a.call("commands");
  a.call("post");
  a.jmp("thread_commands");
}

/** Hands the thread to the sentry with state EAX and returns when it says so. RBX = slot. */
function emitPostAndWait(a: Assembler): void {
  a.label("post");
  a.mov(eax, imm(L.STATE_POSTED));
  a.label("post_and_wait");
  // xchg is a full barrier: the sentry either sees the post, or has published that it sleeps.
  a.xchg(mem(rbx, L.S_STATE), eax);
  a.movabs(rdx, L.STATE_PAGE);
  a.cmp(dword(mem(rdx, L.SP_ASLEEP)), imm(0)).jne("wake_sentry");
  a.label("wait");
  a.mov(ecx, imm(SHORT_SPIN));
  a.label("short_spin");
  a.mov(eax, mem(rbx, L.S_STATE));
  a.cmp(eax, imm(L.STATE_RESUME)).je("woken");
  a.cmp(eax, imm(L.STATE_PARKED)).je("sleep");
  a.pause();
  a.dec(ecx).jne("short_spin");
  // On one processor, either side's spinning only keeps the other from its work.
  emitProcessorNumber(a);
  a.mov(mem(rbx, L.S_CPU), eax);
  a.movabs(rdx, L.STATE_PAGE);
  a.cmp(eax, mem(rdx, L.SP_CPU)).je("sleep");
  a.mov(ecx, mem(rdx, L.SP_SPIN)).inc(ecx);
  a.label("spin");
  a.mov(eax, mem(rbx, L.S_STATE));
  a.cmp(eax, imm(L.STATE_RESUME)).je("woken");
  a.cmp(eax, imm(L.STATE_PARKED)).je("sleep");
  a.pause();
  a.dec(ecx).jne("spin");
  a.label("sleep");
  a.mov(eax, imm(1)).xchg(mem(rbx, L.S_ASLEEP), eax);
  a.label("sleep_again");
  a.mov(edx, mem(rbx, L.S_STATE));
  a.cmp(edx, imm(L.STATE_RESUME)).je("awake");
  a.lea(rdi, mem(rbx, L.S_STATE)).mov(esi, imm(FUTEX_WAIT)).xor(ecx, ecx).mov(r10, rcx);
  a.mov(eax, imm(SYS_FUTEX)).syscall();
  a.jmp("sleep_again");
  a.label("awake");
  a.mov(dword(mem(rbx, L.S_ASLEEP)), imm(0));
  a.label("woken");
  a.ret();

  a.label("wake_sentry");
  // Each side tells anew where it is whenever it wakes the other, so that nobody goes by what was long ago.
  emitProcessorNumber(a);
  a.mov(mem(rbx, L.S_CPU), eax);
  a.mov(edi, imm(L.FD_WAKE)).lea(rsi, rip("one")).mov(edx, imm(8));
  a.mov(eax, imm(SYS_WRITE)).syscall();
  a.jmp("wait");
}

/**
 * EAX = one more than the number of this processor, from the limit of the segment in which Linux keeps it (the vDSO's
 * getcpu reads it there too). Changes ECX.
 */
export function emitProcessorNumber(a: Assembler): void {
  a.mov(ecx, imm(CPU_NUMBER_SELECTOR));
  a.db(0x0f, 0x03, 0xc1); // lsl %ecx, %eax
  a.and(eax, imm(0xfff)).inc(eax);
}

/** Does what S_CMD says. RBX = slot, RBP is kept. Returns ZF clear for "post again". */
function emitCommands(a: Assembler): void {
  a.label("commands");
  a.xor(eax, eax).xchg(mem(rbx, L.S_CMD), eax);
  a.mov(r15, rax);
  a.test(r15, imm(L.CMD_PROGRAM)).je("no_program");
  a.call("run_program");
  a.label("no_program");
  a.test(r15, imm(L.CMD_XSAVE)).je("no_xsave");
  a.mov(eax, mem(rbx, L.S_XMASK)).mov(edx, mem(rbx, L.S_XMASK + 4));
  a.xsave64(mem(rbx, L.S_FPU));
  a.label("no_xsave");
  a.test(r15, imm(L.CMD_SET_FS)).je("no_fs");
  a.mov(edi, imm(ARCH_SET_FS)).mov(rsi, mem(rbx, L.S_FSBASE));
  a.mov(eax, imm(SYS_ARCH_PRCTL)).syscall();
  a.label("no_fs");
  a.test(r15, imm(L.CMD_SET_GS)).je("no_gs");
  a.mov(edi, imm(ARCH_SET_GS)).mov(rsi, mem(rbx, L.S_GSBASE));
  a.mov(eax, imm(SYS_ARCH_PRCTL)).syscall();
  a.label("no_gs");
  a.test(r15, imm(L.CMD_EXIT)).je("no_exit");
  a.xor(edi, edi).mov(eax, imm(SYS_EXIT)).syscall();
  a.label("no_exit");
  a.test(r15, imm(L.CMD_TRAP)).je("no_trap");
  a.label("trap").int3();
  a.label("no_trap");
  a.test(r15, imm(L.CMD_SIGRETURN)).je("no_sigreturn");
  // As with the tail, an interrupt that arrives here rewinds to the start.
  a.label("sigreturn");
  a.cmp(dword(mem(rbx, L.S_INTERRUPT)), imm(0)).jne("sigreturn_interrupted");
  a.mov(rsp, mem(rbx, L.S_RETFRAME));
  a.mov(eax, imm(SYS_RT_SIGRETURN)).syscall();
  a.label("sigreturn_end");
  a.ud2();
  a.label("sigreturn_interrupted");
  a.lea(rsp, mem(rbx, L.S_STACK_TOP));
  a.mov(dword(mem(rbx, L.S_INTERRUPT)), imm(0));
  a.mov(dword(mem(rbx, L.S_SIGNO)), imm(L.INTERRUPT_SIGNAL));
  a.mov(rax, mem(rbx, L.S_RETFRAME)).mov(mem(rbx, L.S_FRAME), rax);
  a.mov(dword(mem(rbx, L.S_KIND)), imm(L.KIND_SIGNAL));
  a.label("sigreturn_wait");
  a.call("post");
  a.call("commands");
  a.jmp("sigreturn_wait");
  a.label("no_sigreturn");
  a.test(r15, imm(L.CMD_REPOST));
  a.ret();

  a.label("run_program");
  a.lea(r12, mem(rbx, L.S_PROGRAM));
  a.mov(r13d, mem(rbx, L.S_PROG_COUNT));
  a.label("program_next");
  a.test(r13, r13).je("program_done");
  a.mov(rax, mem(r12, 0)).mov(rdi, mem(r12, 8)).mov(rsi, mem(r12, 16)).mov(rdx, mem(r12, 24));
  a.mov(r10, mem(r12, 32)).mov(r8, mem(r12, 40)).mov(r9, mem(r12, 48));
  a.mov(r14, rax);
  a.syscall();
  a.test(rax, rax).jne("program_result");
  a.cmp(r14, imm(SYS_CLONE)).je("thread_start");
  a.label("program_result");
  a.mov(mem(r12, 56), rax);
  a.add(r12, imm(64)).dec(r13);
  a.jmp("program_next");
  a.label("program_done");
  a.mov(dword(mem(rbx, L.S_PROG_COUNT)), imm(0));
  a.ret();
}

/** For a tracer: runs the program in the slot that RBX points to, then traps. */
function emitTracedProgram(a: Assembler): void {
  a.label("traced_program");
  a.call("run_program");
  a.label("traced_trap");
  a.int3();
  a.ud2();
}
