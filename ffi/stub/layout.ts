/**
 * Where things lie in a stub process and in the memory it shares with the sentry.
 *
 * A stub process is the host side of one application address space. Below `STUB_BASE` it holds only
 * what the sentry maps there. Above lie the stub's code, one read-only page the sentry publishes,
 * and the slots of its threads.
 *
 * Everything in a slot can be written by the application, which shares the address space with the
 * stub: the sentry reads each field once and checks it before use.
 */

/** Start of the stub's own part of the address space. */
export const STUB_BASE = 0x7ff000000000;
/** Size of the code that application threads run (handlers, trampolines' common part). */
export const STUB_TEXT_SIZE = 0x4000;
/** Read-only page of the sentry's state. */
export const STATE_PAGE = STUB_BASE + 0x10000;
/** Code of the seed, and after it the seed's data; both unmapped in stubs. */
export const SEED_TEXT = STUB_BASE + 0x100000;
/** Size of the seed's code. */
export const SEED_TEXT_SIZE = 0x1000;
/** The seed's command page and stack, shared with the sentry. */
export const SEED_PAGE = STUB_BASE + 0x110000;
/** Size of the seed's data. */
export const SEED_PAGE_SIZE = 0x8000;
/** Length of the range from SEED_TEXT that a stub unmaps before it runs application code. */
export const SEED_SPAN = 0x100000;
/** Slots of the address space's threads. */
export const SLOTS_ADDRESS = STUB_BASE + 0x10000000;
/** Bytes of a slot: control words, program, FPU area, signal stack. */
export const SLOT_SIZE = 0x8000;
/** Threads an address space can have. */
export const SLOTS_PER_CHUNK = 2048;
/** Bytes of slots of one address space. */
export const CHUNK_SIZE = SLOT_SIZE * SLOTS_PER_CHUNK;
/** End of user addresses on x86-64 with four-level paging. */
export const TASK_SIZE = 0x7ffffffff000;

/** Descriptors of every stub, set up by spawn: kernel memory, control memory, wake eventfd. */
export const FD_MEMORY = 3;
export const FD_CONTROL = 4;
export const FD_WAKE = 5;

/** State page (written by the sentry, read by stubs), byte offsets. */
export const SP_ASLEEP = 0;
export const SP_SPIN = 4;
export const SP_CPU = 8; // u32: one more than the processor that the sentry was last seen on, or 0

/** Seed page: written by the sentry but for `SEED_DONE` and the results. */
export const SEED_ISSUED = 0; // u32: count of commands issued; futex word
export const SEED_DONE = 4; // u32: count of commands done; futex word
export const SEED_PARENT = 8; // u32: pid of the sentry
export const SEED_READY = 12; // u32: 1 when the seed has set itself up, else -errno
export const SEED_FILTER = 16; // struct sock_fprog: u16 len, u64 pointer at 24
export const SEED_FLAGS = 32; // u32: bit 0: no seccomp filter
export const SEED_NAME = 0x40; // NUL-terminated name that ps(1) shows
export const SEED_RING = 0x100; // entries of {u32 chunk, i32 pid}
export const SEED_RING_ENTRIES = 64;
export const SEED_FILTER_CODE = 0x1000; // sock_filter[]
export const SEED_SIGACTION = 0x800; // struct kernel_sigaction, and SIG_IGN one 32 bytes later

/**
 * Slot fields, byte offsets. The first cache line is all that travels between the processors for a
 * system call from a patched site: the state, the number (then the result) and the arguments. What
 * either side writes only now and then lies in other lines.
 */
export const S_STATE = 0x00; // u32 futex word, both
export const S_CMD = 0x04; // u32, sentry: CMD_* bits; the stub clears it
export const S_RAX = 0x08; // u64: number in, result out
export const S_RDI = 0x10; // u64 each, both
export const S_RSI = 0x18;
export const S_RDX = 0x20;
export const S_R10 = 0x28;
export const S_R8 = 0x30;
export const S_R9 = 0x38;
export const S_ASLEEP = 0x40; // u32, stub: it sleeps or is about to
export const S_KIND = 0x44; // u32, stub: KIND_*, for STATE_POSTED
export const S_SIGNO = 0x48; // u32, stub
export const S_INTERRUPT = 0x4c; // u32, sentry sets, stub clears
export const S_FRAME = 0x50; // u64, stub: address of the ucontext
export const S_INFO = 0x58; // u64, stub: address of the siginfo
export const S_SELF = 0x60; // u64, sentry: address of the slot
export const S_TID = 0x68; // u32, stub: its host thread id
export const S_CPU = 0x6c; // u32, stub: one more than the processor that it last waited on
export const S_PROG_COUNT = 0x80; // u32, sentry: operations in the program; stub: 0 when they are done
export const S_FSBASE = 0x88; // u64, sentry
export const S_GSBASE = 0x90; // u64, sentry
export const S_RETFRAME = 0x98; // u64, sentry: ucontext for CMD_SIGRETURN
export const S_XMASK = 0xa0; // u64, sentry: XSAVE feature mask
export const S_ALTSTACK = 0xa8; // stack_t (24 bytes), sentry
export const S_REGS = 0x100; // struct user_regs_struct, 27 * 8 bytes, both; without those in the first line
export const S_ANSWERS = 0x200; // u32 each, sentry: see ANSWER_*
export const S_PROGRAM = 0x400; // operations of 64 bytes: nr, six arguments, result
export const S_PROGRAM_MAX = 100;
export const S_FAKE_FRAME = 0x1d00; // ucontext written by the sentry for CMD_SIGRETURN
export const S_FPU = 0x2000; // XSAVE area, 64-byte aligned
export const S_STACK_BOTTOM = 0x5000; // signal stack grows down from SLOT_SIZE to here
/** Where the stub's own stack starts when it waits on the fast path. */
export const S_STACK_TOP = SLOT_SIZE - 64;

/** Offsets of answers to system calls that the stub gives itself, from S_ANSWERS. */
export const ANSWER_PID = 0;
export const ANSWER_TID = 4;
export const ANSWER_PPID = 8;
export const ANSWER_UID = 12;
export const ANSWER_EUID = 16;
export const ANSWER_GID = 20;
export const ANSWER_EGID = 24;

/** Values of S_STATE; the lowest bit says that it is the sentry's turn. */
export const STATE_NEW = 0; // sentry, before the thread exists
export const STATE_FAST = 1; // stub: a system call from a patched site
export const STATE_RESUME = 2; // sentry: go on
export const STATE_POSTED = 3; // stub: anything else, see S_KIND
export const STATE_PARKED = 4; // sentry: sleep at once, this takes long

/** Values of S_KIND. */
export const KIND_SIGNAL = 2; // signal; registers in the frame
export const KIND_READY = 3; // a new thread; no registers
export const KIND_INTERRUPTED = 4; // interrupted on the fast path; registers in S_REGS

/** Bits of S_CMD, done in this order. */
export const CMD_PROGRAM = 1; // run S_PROGRAM
export const CMD_XSAVE = 2; // save the FPU to S_FPU
export const CMD_SET_FS = 4;
export const CMD_SET_GS = 8;
export const CMD_EXIT = 16; // end the thread
export const CMD_REPOST = 32; // post again instead of going on
export const CMD_SIGRETURN = 64; // go on by rt_sigreturn from S_RETFRAME
export const CMD_TRAP = 128; // int3: hand over to a tracer

/** Signal by which the sentry interrupts application code. */
export const INTERRUPT_SIGNAL = 10;

/** Byte offsets in the kernel's ucontext (arch/x86/include/uapi/asm/sigcontext.h). */
export const UC_FLAGS = 0;
export const UC_STACK = 16;
export const UC_GREGS = 40; // r8..r15, rdi, rsi, rbp, rbx, rdx, rax, rcx, rsp, rip, eflags, cs.., err, trapno, mask, cr2
export const UC_RIP = 40 + 16 * 8;
export const UC_EFLAGS = 40 + 17 * 8;
export const UC_CSGSFSSS = 40 + 18 * 8;
export const UC_ERR = 40 + 19 * 8;
export const UC_TRAPNO = 40 + 20 * 8;
export const UC_CR2 = 40 + 22 * 8;
export const UC_FPSTATE = 40 + 23 * 8;
export const UC_SIGMASK = 40 + 32 * 8;
export const UC_SIZE = UC_SIGMASK + 8;

/** Patched sites: table of pointers, then trampolines, in [RESERVED_LOW_START, +64 KiB). */
export const PATCH_ENTRIES = 1000;
export const PATCH_TABLE_COMMON = 0x7f060000; // u64: address of the common entry
export const PATCH_TABLE = 0x7f060008; // u64 each: address of the site's trampoline
export const PATCH_CODE = 0x7f062000;
export const PATCH_CODE_SIZE = 48;
