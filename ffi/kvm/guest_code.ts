import {
  type Assembled,
  Assembler,
  byte,
  cr2,
  cr3,
  dword,
  eax,
  ebx,
  ecx,
  edx,
  imm,
  mem,
  r10,
  r11,
  r12,
  r12d,
  r13,
  r14,
  r15,
  r15d,
  r8,
  r9,
  rax,
  rbp,
  rbx,
  rcx,
  rdi,
  rdx,
  type Reg,
  rsi,
  rsp,
} from "../asm/mod.ts";
import * as S from "../stub/layout.ts";
import * as L from "./layout.ts";

const MSR_FS_BASE = 0xc0000100;
const MSR_KERNEL_GS_BASE = 0xc0000102;
/** Vectors that push an error code (Intel SDM volume 3, table 6-1). */
const WITH_ERROR: ReadonlySet<number> = new Set([8, 10, 11, 12, 13, 14, 17, 21, 29, 30]);
export const VECTORS = L.INTERRUPT_VECTOR + 1;

/** General registers but RBX, RCX, R11 and RSP, and where a slot has them. */
const SAVED: [Reg, number][] = [
  [r15, S.S_REGS + 8 * 0],
  [r14, S.S_REGS + 8 * 1],
  [r13, S.S_REGS + 8 * 2],
  [r12, S.S_REGS + 8 * 3],
  [rbp, S.S_REGS + 8 * 4],
  [rdi, S.S_RDI],
  [rsi, S.S_RSI],
  [rdx, S.S_RDX],
  [r10, S.S_R10],
  [r8, S.S_R8],
  [r9, S.S_R9],
  [rax, S.S_RAX],
];
const RBX = S.S_REGS + 8 * 5;
const R11 = S.S_REGS + 8 * 6;
const RCX = S.S_REGS + 8 * 11;
const RIP = S.S_REGS + 8 * 16;
const EFLAGS = S.S_REGS + 8 * 18;
const RSP = S.S_REGS + 8 * 19;

function gs(offset: number) {
  return mem({ seg: "gs", disp: offset });
}

/**
 * The ring-0 stub, at `CODE_VA`. While it runs GS holds the processor's area and interrupts are off; RBX is the slot that
 * the processor runs. It never touches memory of the application.
 */
export function assembleGuest(): Assembled {
  const a = new Assembler();
  emitSystemCall(a);
  emitPost(a);
  emitResume(a);
  emitExceptions(a);
  emitCommands(a);
  const out = a.assemble();
  if (out.code.length > L.C_CODE_SIZE) throw new Error("kvm: the stub does not fit its pages");
  return out;
}

/** LSTAR. RCX has the application's RIP, R11 its flags, RSP is the application's still. */
function emitSystemCall(a: Assembler): void {
  a.label("system_call");
  a.swapgs().mov(gs(L.V_TMP), rbx);
  // Only the low half of RAX is the number, as on Linux.
  a.mov(ebx, eax).cmp(eax, imm(255)).ja("no_answer");
  a.movzx(ebx, byte(mem({ base: rbx, disp: L.V_TABLE, seg: "gs" })));
  a.test(ebx, ebx).je("no_answer");
  a.add(rbx, gs(L.V_SLOT)).mov(ebx, mem(rbx, S.S_ANSWERS - 4));
  // All ones are no answer. The flags are in R11.
  a.cmp(ebx, imm(-1)).je("no_answer").mov(eax, ebx);
  a.mov(rbx, gs(L.V_TMP)).swapgs().sysretq();

  a.label("no_answer");
  a.mov(rbx, gs(L.V_SLOT));
  for (const [r, at] of SAVED) a.mov(mem(rbx, at), r);
  a.mov(mem(rbx, RIP), rcx).mov(mem(rbx, RCX), rcx);
  a.mov(mem(rbx, EFLAGS), r11).mov(mem(rbx, R11), r11);
  a.mov(mem(rbx, RSP), rsp);
  a.mov(rax, gs(L.V_TMP)).mov(mem(rbx, RBX), rax);
  a.mov(rsp, gs(L.V_STACK));
  a.mov(dword(mem(rbx, L.S_IRET)), imm(0));
  a.mov(r12, imm(S.STATE_FAST));
}

/** Hands the context to the sentry with state R12, and waits until it says what to do. */
function emitPost(a: Assembler): void {
  a.label("post");
  a.rdtsc().shl(rdx, imm(32)).or(rax, rdx);
  a.sub(rax, mem(rbx, L.S_START)).add(mem(rbx, L.S_CYCLES), rax);
  a.label("post_again");
  a.inc(mem64(gs(L.V_POSTS)));
  // xchg is a full barrier: the sentry either sees the post, or has published that it sleeps.
  a.xchg(mem(rbx, S.S_STATE), r12d);
  a.mov(rdx, imm(L.CONTROL_VA + L.C_STATE));
  a.cmp(dword(mem(rdx, S.SP_ASLEEP)), imm(0)).jne("wake_sentry");
  a.label("wait");
  a.mov(ecx, gs(L.V_SPIN)).inc(ecx);
  a.label("spin");
  a.mov(eax, mem(rbx, S.S_STATE));
  a.cmp(eax, imm(S.STATE_RESUME)).je("woken");
  a.cmp(eax, imm(S.STATE_PARKED)).je("sleep");
  a.pause();
  a.dec(ecx).jne("spin");
  // The host thread sleeps until the word says to go on.
  a.label("sleep");
  a.hlt();
  a.jmp("wait");
  a.label("wake_sentry");
  a.mov(dword(gs(L.V_WAKE)), imm(1));
  a.jmp("sleep");
}

/** Back to the application of the slot RBX. */
function emitResume(a: Assembler): void {
  a.label("woken");
  a.cmp(dword(mem(rbx, S.S_CMD)), imm(0)).jne("commands");
  a.label("resume");
  a.rdtsc().shl(rdx, imm(32)).or(rax, rdx).mov(mem(rbx, L.S_START), rax);
  a.cmp(dword(mem(rbx, L.S_IRET)), imm(0)).jne("resume_iret");
  // RCX is the address after a system call that the application made below USER_TOP, so SYSRET does not fault.
  for (const [r, at] of SAVED) a.mov(r, mem(rbx, at));
  a.mov(rcx, mem(rbx, RIP)).mov(r11, mem(rbx, EFLAGS)).mov(rsp, mem(rbx, RSP));
  a.mov(rbx, mem(rbx, RBX)).swapgs().sysretq();

  a.label("resume_iret");
  a.mov(rsp, gs(L.V_STACK));
  a.push(imm(L.USER_SS)).push(mem(rbx, RSP)).push(mem(rbx, EFLAGS)).push(imm(L.USER_CS));
  a.push(mem(rbx, RIP));
  for (const [r, at] of SAVED) a.mov(r, mem(rbx, at));
  a.mov(rcx, mem(rbx, RCX)).mov(r11, mem(rbx, R11)).mov(rbx, mem(rbx, RBX));
  a.swapgs().iretq();
}

function emitExceptions(a: Assembler): void {
  for (let v = 0; v < VECTORS; v++) {
    a.align(16).label(`vector_${v}`);
    if (!WITH_ERROR.has(v)) a.push(imm(0));
    a.push(imm(v)).jmp("exception");
  }
  // On the stack: vector, error code, RIP, CS, RFLAGS, RSP, SS.
  a.label("exception");
  a.test(byte(mem(rsp, 24)), imm(3)).je("exception_in_stub");
  a.swapgs().push(rbx).mov(rbx, gs(L.V_SLOT));
  for (const [r, at] of SAVED) a.mov(mem(rbx, at), r);
  a.mov(mem(rbx, RCX), rcx).mov(mem(rbx, R11), r11);
  a.pop(rax).mov(mem(rbx, RBX), rax);
  a.pop(rcx).mov(mem(rbx, L.S_VECTOR), rcx);
  a.pop(rax).mov(mem(rbx, L.S_ERROR), rax);
  a.pop(rax).mov(mem(rbx, RIP), rax);
  a.pop(rax);
  a.pop(rax).mov(mem(rbx, EFLAGS), rax);
  a.pop(rax).mov(mem(rbx, RSP), rax);
  a.mov(rsp, gs(L.V_STACK));
  a.mov(dword(mem(rbx, L.S_IRET)), imm(1));
  a.mov(r12, imm(S.STATE_POSTED));
  a.cmp(ecx, imm(L.INTERRUPT_VECTOR)).je("interrupted");
  a.mov(rax, cr2).mov(mem(rbx, L.S_CR2), rax);
  a.mov(dword(mem(rbx, S.S_KIND)), imm(L.KIND_FAULT));
  a.jmp("post");

  a.label("interrupted");
  a.mov(eax, gs(L.V_FLUSH_WANTED)).cmp(eax, gs(L.V_FLUSH_DONE)).je("no_flush");
  a.mov(rcx, cr3).mov(cr3, rcx).mov(gs(L.V_FLUSH_DONE), eax);
  a.label("no_flush");
  a.xor(eax, eax).xchg(gs(L.V_STOP), eax);
  a.test(eax, eax).je("resume_iret");
  a.mov(dword(mem(rbx, S.S_KIND)), imm(L.KIND_INTERRUPTED));
  a.jmp("post");

  // Nothing in the stub faults but by a mistake: the processor is given up. Its area starts below every stack of it.
  a.label("exception_in_stub");
  a.mov(rbx, rsp).and(rbx, imm(-L.VCPU_SIZE));
  for (let i = 0; i < 3; i++) a.mov(rax, mem(rsp, 8 * i)).mov(mem(rbx, L.V_TRAP + 8 * i), rax);
  a.mov(dword(mem(rbx, L.V_FATAL)), imm(1));
  a.label("broken").hlt().jmp("broken");
}

/** Does what S_CMD says. */
function emitCommands(a: Assembler): void {
  const on = (bit: number, body: () => void) => {
    a.test(r15d, imm(bit)).je(`not_${bit}`);
    body();
    a.label(`not_${bit}`);
  };
  const xmask = () => a.mov(eax, gs(L.V_XMASK)).mov(edx, gs(L.V_XMASK + 4));
  a.label("commands");
  a.xor(eax, eax).xchg(mem(rbx, S.S_CMD), eax).mov(r15d, eax);
  on(L.CMD_FLUSH, () => a.mov(rax, cr3).mov(cr3, rax));
  on(L.CMD_XSAVE, () => xmask().xsave64(mem(rbx, S.S_FPU)));
  on(L.CMD_XRSTOR, () => xmask().xrstor64(mem(rbx, S.S_FPU)));
  on(L.CMD_SET_FS, () => emitWriteBase(a, MSR_FS_BASE, S.S_FSBASE));
  on(L.CMD_SET_GS, () => emitWriteBase(a, MSR_KERNEL_GS_BASE, S.S_GSBASE));
  on(L.CMD_SWITCH, () => {
    xmask().xsave64(mem(rbx, S.S_FPU));
    emitReadBase(a, MSR_FS_BASE, S.S_FSBASE);
    emitReadBase(a, MSR_KERNEL_GS_BASE, S.S_GSBASE);
    a.mov(rbx, mem(rbx, L.S_NEXT)).mov(gs(L.V_SLOT), rbx);
    a.mov(rax, mem(rbx, L.S_CR3)).mov(cr3, rax);
    xmask().xrstor64(mem(rbx, S.S_FPU));
    emitWriteBase(a, MSR_FS_BASE, S.S_FSBASE);
    emitWriteBase(a, MSR_KERNEL_GS_BASE, S.S_GSBASE);
    // From here on neither the slot nor the tables it came from are used.
    a.inc(dword(gs(L.V_SWITCHED)));
    a.jmp("wait");
  });
  on(L.CMD_REPOST, () => {
    a.mov(r12, imm(S.STATE_POSTED));
    a.jmp("post_again");
  });
  a.jmp("resume");
}

function emitWriteBase(a: Assembler, msr: number, field: number): void {
  a.mov(ecx, imm(msr)).mov(eax, mem(rbx, field)).mov(edx, mem(rbx, field + 4)).wrmsr();
}

function emitReadBase(a: Assembler, msr: number, field: number): void {
  a.mov(ecx, imm(msr)).rdmsr().mov(mem(rbx, field), eax).mov(mem(rbx, field + 4), edx);
}

function mem64(m: ReturnType<typeof gs>) {
  return { ...m, size: 64 } as const;
}
