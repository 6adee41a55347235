/** Native code of the host side: threads that run a processor each, and the time stamp counter. */

import {
  type Assembler,
  byte,
  dword,
  eax,
  ecx,
  edi,
  edx,
  esi,
  imm,
  mem,
  qword,
  r10,
  r10d,
  r12,
  r13,
  r8,
  rax,
  rbx,
  rcx,
  rdi,
  rdx,
  rsi,
  rsp,
  xmm0,
} from "../asm/mod.ts";
import { NativeImage } from "../native.ts";
import * as S from "../stub/layout.ts";
import { KVM_INTERRUPT, KVM_RUN } from "./ioctl.ts";
import * as L from "./layout.ts";

const SYS_WRITE = 1;
const SYS_RT_SIGPROCMASK = 14;
const SYS_IOCTL = 16;
const SYS_CLONE = 56;
const SYS_EXIT = 60;
const SYS_CAPSET = 126;
const SYS_RT_SIGTIMEDWAIT = 128;
const SYS_FUTEX = 202;
const FUTEX_WAIT = 0;
const SIG_SETMASK = 2;
/** CLONE_VM, FS, FILES, SIGHAND, THREAD, SYSVSEM, PARENT_SETTID. */
const THREAD_FLAGS = 0x100 | 0x200 | 0x400 | 0x800 | 0x10000 | 0x40000 | 0x100000;
const EINTR = 4;
const EAGAIN = 11;
const KVM_EXIT_HLT = 5;
const KVM_EXIT_IRQ_WINDOW_OPEN = 7;
/** Fields of struct kvm_run. */
const RUN_REQUEST_WINDOW = 0;
const RUN_EXIT_REASON = 8;
const RUN_READY = 12;
const RUN_IF_FLAG = 13;

/**
 * Native `start_vcpu(area) -> tid`: a thread of this process that runs nothing but the loop below. It has no C library of
 * its own, so every signal is blocked in it.
 */
function emitStart(a: Assembler): void {
  a.push(rbx).push(r12).sub(rsp, imm(24));
  a.mov(rbx, rdi);
  a.mov(qword(mem(rsp, 8)), imm(-1));
  a.mov(edi, imm(SIG_SETMASK)).lea(rsi, mem(rsp, 8)).lea(rdx, mem(rsp, 0)).mov(r10d, imm(8));
  a.mov(eax, imm(SYS_RT_SIGPROCMASK)).syscall();
  a.mov(edi, imm(THREAD_FLAGS)).lea(rsi, mem(rbx, L.VCPU_SIZE)).lea(rdx, mem(rbx, L.V_TID));
  a.xor(r10d, r10d).mov(r8, r10).mov(eax, imm(SYS_CLONE)).syscall();
  a.test(rax, rax).je("vcpu_loop");
  a.mov(r12, rax);
  a.mov(edi, imm(SIG_SETMASK)).lea(rsi, mem(rsp, 0)).xor(edx, edx).mov(r10d, imm(8));
  a.mov(eax, imm(SYS_RT_SIGPROCMASK)).syscall();
  a.mov(rax, r12).add(rsp, imm(24)).pop(r12).pop(rbx).ret();
}

/** RBX = the processor's area, R12 = its struct kvm_run. */
function emitLoop(a: Assembler): void {
  a.label("vcpu_loop");
  a.mov(r12, mem(rbx, L.V_RUN));
  // Nothing that it does takes a capability.
  a.lea(rdi, mem(rbx, L.V_CAP_HEADER)).lea(rsi, mem(rbx, L.V_CAP_SETS));
  a.mov(eax, imm(SYS_CAPSET)).syscall();
  a.label("vcpu_run");
  a.cmp(dword(mem(rbx, L.V_QUIT)), imm(0)).jne("vcpu_quit");
  a.mov(edi, mem(rbx, L.V_FD)).mov(esi, imm(KVM_RUN)).xor(edx, edx);
  a.mov(eax, imm(SYS_IOCTL)).syscall();
  a.inc(qword(mem(rbx, L.V_EXITS)));
  a.mov(r13, rax);
  // What the stub asked for before it left the machine comes first.
  a.cmp(dword(mem(rbx, L.V_WAKE)), imm(0)).je("vcpu_awake");
  a.mov(dword(mem(rbx, L.V_WAKE)), imm(0));
  a.call("vcpu_wake");
  a.label("vcpu_awake");
  a.cmp(dword(mem(rbx, L.V_FATAL)), imm(0)).jne("vcpu_broken");
  a.test(r13, r13).js("vcpu_failed");
  a.mov(eax, mem(r12, RUN_EXIT_REASON));
  a.cmp(eax, imm(KVM_EXIT_HLT)).je("vcpu_wait");
  a.cmp(eax, imm(KVM_EXIT_IRQ_WINDOW_OPEN)).je("vcpu_interrupt");
  a.mov(r13, rax);
  a.jmp("vcpu_broken");

  a.label("vcpu_failed");
  a.cmp(r13, imm(-EAGAIN)).je("vcpu_run");
  a.cmp(r13, imm(-EINTR)).jne("vcpu_broken");
  // The signal is blocked outside of KVM_RUN, so it is still there.
  a.lea(rdi, mem(rbx, L.V_SIGNALS)).xor(esi, esi).lea(rdx, mem(rbx, L.V_ZERO)).mov(r10d, imm(8));
  a.mov(eax, imm(SYS_RT_SIGTIMEDWAIT)).syscall();
  a.cmp(dword(mem(rbx, L.V_KICK)), imm(0)).jne("vcpu_interrupt");
  a.inc(qword(mem(rbx, L.V_TICKS)));
  a.cmp(dword(mem(rbx, L.V_QUANTUM)), imm(0)).je("vcpu_run");
  a.mov(dword(mem(rbx, L.V_STOP)), imm(1));
  a.mov(dword(mem(rbx, L.V_KICK)), imm(1));

  // Interrupts are on in applications and off in the stub, which is about to post or to go back.
  a.label("vcpu_interrupt");
  a.mov(byte(mem(r12, RUN_REQUEST_WINDOW)), imm(0));
  a.cmp(dword(mem(rbx, L.V_KICK)), imm(0)).je("vcpu_run");
  a.cmp(byte(mem(r12, RUN_IF_FLAG)), imm(0)).je("vcpu_window");
  a.cmp(byte(mem(r12, RUN_READY)), imm(0)).je("vcpu_window");
  a.mov(dword(mem(rbx, L.V_KICK)), imm(0));
  a.mov(edi, mem(rbx, L.V_FD)).mov(esi, imm(KVM_INTERRUPT)).lea(rdx, mem(rbx, L.V_IRQ));
  a.mov(eax, imm(SYS_IOCTL)).syscall();
  a.jmp("vcpu_run");
  a.label("vcpu_window");
  a.mov(byte(mem(r12, RUN_REQUEST_WINDOW)), imm(1));
  a.jmp("vcpu_run");

  // R13 becomes the slot. It sleeps as a thread of a stub process does.
  a.label("vcpu_wait");
  a.mov(r13, mem(rbx, L.V_SLOT)).add(r13, mem(rbx, L.V_DELTA));
  a.mov(ecx, mem(rbx, L.V_HOST_SPIN)).inc(ecx);
  a.label("vcpu_spin");
  a.mov(eax, mem(r13, S.S_STATE));
  a.cmp(eax, imm(S.STATE_RESUME)).je("vcpu_run");
  a.cmp(eax, imm(S.STATE_PARKED)).je("vcpu_sleep");
  a.pause().dec(ecx).jne("vcpu_spin");
  a.label("vcpu_sleep");
  a.mov(eax, imm(1)).xchg(mem(r13, S.S_ASLEEP), eax);
  a.label("vcpu_sleep_again");
  a.cmp(dword(mem(rbx, L.V_QUIT)), imm(0)).jne("vcpu_quit");
  a.mov(edx, mem(r13, S.S_STATE));
  a.cmp(edx, imm(S.STATE_RESUME)).je("vcpu_slept");
  a.mov(rdi, r13).mov(esi, imm(FUTEX_WAIT)).xor(r10d, r10d);
  a.mov(eax, imm(SYS_FUTEX)).syscall();
  a.jmp("vcpu_sleep_again");
  a.label("vcpu_slept");
  a.mov(dword(mem(r13, S.S_ASLEEP)), imm(0));
  a.jmp("vcpu_run");

  // The context that it runs is lost, and so is the processor. R13 says why.
  a.label("vcpu_broken");
  a.mov(dword(mem(rbx, L.V_FATAL)), imm(1)).mov(mem(rbx, L.V_ERROR), r13);
  a.mov(rcx, mem(rbx, L.V_SLOT)).add(rcx, mem(rbx, L.V_DELTA));
  a.mov(dword(mem(rcx, S.S_KIND)), imm(L.KIND_BROKEN));
  a.mov(eax, imm(S.STATE_POSTED)).xchg(mem(rcx, S.S_STATE), eax);
  a.call("vcpu_wake");
  a.label("vcpu_quit");
  a.xor(edi, edi).mov(eax, imm(SYS_EXIT)).syscall();
  a.ud2();

  a.label("vcpu_wake");
  a.mov(edi, mem(rbx, L.V_WAKE_FD)).lea(rsi, mem(rbx, L.V_ONE)).mov(edx, imm(8));
  a.mov(eax, imm(SYS_WRITE)).syscall().ret();
}

const image = new NativeImage("runsc-kvm")
  .add("start_vcpu", emitStart, { parameters: ["usize"], result: "i32", cold: true })
  .add("counter", (a) => {
    a.rdtsc().shl(rdx, imm(32)).or(rax, rdx).pxor(xmm0, xmm0).cvtsi2sd(xmm0, rax).ret();
  }, { parameters: [], result: "f64", cold: true })
  .code(emitLoop);

/** Opens the native functions. */
export function kvmNative(): ReturnType<typeof image.load> {
  return image.load();
}
