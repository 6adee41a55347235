/**
 * Structures of signals. The mask of a signal set is kept in two halves: signals 1 to 32 and 33 to 64.
 */

import { write64 } from "../int64.ts";
import { array, bytes, hex, i16, i32, i64, pointer, struct, u16, u32, u64 } from "../struct.ts";

/** A signal set as the kernel sees it. */
export const Sigset = struct("sigset_t", { lo: hex(u32), hi: hex(u32) }, { align: 8 });

/** The disposition of a signal, as rt_sigaction(2) takes it. C libraries have another order. */
export const Sigaction = struct("sigaction", {
  sa_handler: pointer,
  sa_flags: hex(u64),
  sa_restorer: pointer,
  sa_mask: Sigset,
});

/** An alternate signal stack (sigaltstack(2)). */
export const StackT = struct("stack_t", { ss_sp: pointer, ss_flags: hex(i32), ss_size: hex(u64) });

const header = { si_signo: i32, si_errno: i32, si_code: i32, _pad: i32 };

/** What a handler is told of a signal of kill(2) or tgkill(2). */
export const SiginfoKill = struct("siginfo", { ...header, si_pid: i32, si_uid: u32 }, {
  size: 128,
});
/** Of one of sigqueue(3). */
export const SiginfoQueue = struct("siginfo", {
  ...header,
  si_pid: i32,
  si_uid: u32,
  si_value: hex(u64),
}, { size: 128 });
/** Of one of a POSIX timer. */
export const SiginfoTimer = struct("siginfo", {
  ...header,
  si_timerid: i32,
  si_overrun: i32,
  si_value: hex(u64),
}, { size: 128 });
/** Of SIGCHLD. */
export const SiginfoChild = struct("siginfo", {
  ...header,
  si_pid: i32,
  si_uid: u32,
  si_status: i32,
  si_utime: i64,
  si_stime: i64,
}, { size: 128 });
/** Of a fault: SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGTRAP. */
export const SiginfoFault = struct("siginfo", {
  ...header,
  si_addr: pointer,
  si_addr_lsb: i16,
  si_lower: pointer,
  si_upper: pointer,
}, { size: 128 });
/** Of SIGIO. */
export const SiginfoPoll = struct("siginfo", { ...header, si_band: i64, si_fd: i32 }, {
  size: 128,
});
/** Of SIGSYS by a seccomp filter. */
export const SiginfoSys = struct("siginfo", {
  ...header,
  si_call_addr: pointer,
  si_syscall: i32,
  si_arch: hex(u32),
}, { size: 128 });

/** The registers in a signal frame (arch/x86/include/uapi/asm/sigcontext.h). */
export const Sigcontext = struct("sigcontext", {
  r8: hex(u64),
  r9: hex(u64),
  r10: hex(u64),
  r11: hex(u64),
  r12: hex(u64),
  r13: hex(u64),
  r14: hex(u64),
  r15: hex(u64),
  rdi: hex(u64),
  rsi: hex(u64),
  rbp: hex(u64),
  rbx: hex(u64),
  rdx: hex(u64),
  rax: hex(u64),
  rcx: hex(u64),
  rsp: hex(u64),
  rip: hex(u64),
  eflags: hex(u64),
  cs: hex(u16),
  gs: hex(u16),
  fs: hex(u16),
  ss: hex(u16),
  err: hex(u64),
  trapno: u64,
  oldmask: hex(u64),
  cr2: hex(u64),
  fpstate: pointer,
  _reserved: array(u64, 8),
});

/** The third argument of a handler: what sigreturn(2) restores. */
export const Ucontext = struct("ucontext", {
  uc_flags: hex(u64),
  uc_link: pointer,
  uc_stack: StackT,
  uc_mcontext: Sigcontext,
  uc_sigmask: Sigset,
});

/** Says in the last bytes of the legacy FXSAVE area how large the XSAVE image that it begins is. */
export const FpxSwBytes = struct("_fpx_sw_bytes", {
  magic1: hex(u32),
  extended_size: u32,
  xfeatures: hex(u64),
  xstate_size: u32,
  _padding: array(u32, 7),
});

/** What reading a signalfd(2) gives for each signal. */
export const SignalfdSiginfo = struct("signalfd_siginfo", {
  ssi_signo: u32,
  ssi_errno: i32,
  ssi_code: i32,
  ssi_pid: u32,
  ssi_uid: u32,
  ssi_fd: i32,
  ssi_tid: u32,
  ssi_band: u32,
  ssi_overrun: u32,
  ssi_trapno: u32,
  ssi_status: i32,
  ssi_int: i32,
  ssi_ptr: pointer,
  ssi_utime: u64,
  ssi_stime: u64,
  ssi_addr: pointer,
  ssi_addr_lsb: u16,
  _pad2: u16,
  ssi_syscall: i32,
  ssi_call_addr: pointer,
  ssi_arch: hex(u32),
  _pad: bytes(28),
});

// Bits of uc_flags, and the marks around an XSAVE image in a signal frame.
export const UC_FP_XSTATE = 0x1;
export const UC_SIGCONTEXT_SS = 0x2;
export const UC_STRICT_RESTORE_SS = 0x4;
export const FP_XSTATE_MAGIC1 = 0x46505853;
export const FP_XSTATE_MAGIC2 = 0x46505845;

/** Where the software bytes are in the FXSAVE area of a signal frame. */
export const FPX_SW_BYTES_OFFSET = 464;

/** Zeroes a siginfo of 128 bytes and writes what every form of it begins with. */
export function writeSiginfoHeader(
  view: DataView,
  offset: number,
  signal: number,
  errno: number,
  code: number,
): void {
  for (let i = 12; i < 128; i += 4) view.setUint32(offset + i, 0, true);
  view.setInt32(offset, signal, true);
  view.setInt32(offset + 4, errno, true);
  view.setInt32(offset + 8, code, true);
}

/** Writes the sender of a signal into a siginfo that has its header. */
export function writeSiginfoSender(view: DataView, offset: number, pid: number, uid: number): void {
  view.setInt32(offset + 16, pid, true);
  view.setUint32(offset + 20, uid, true);
}

/** Writes the address of a fault into a siginfo that has its header. */
export function writeSiginfoAddress(view: DataView, offset: number, address: number): void {
  write64(view, offset + 16, address);
}
