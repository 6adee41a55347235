/**
 * Where things lie in the virtual machine of the KVM platform, and in the control memory that the sentry, the host
 * threads of the processors and the ring-0 stub share. Applications reach none of it: it is mapped for ring 0 only.
 */

/** Guest-physical address of frame 0. Below it nothing is mapped: KVM on Intel wants some of the low 4 GiB for itself. */
export const FRAMES_GPA = 0x1_0000_0000;
/** Guest-physical address of control memory. */
export const CONTROL_GPA = 0x20_0000_0000;
/** Bytes of control memory: one page directory of large pages. */
export const CONTROL_SIZE = 0x4000_0000;

/** Entry of the top page table that holds the stub; the same in every address space. */
export const KERNEL_PML4_INDEX = 256;
/** Virtual address of control memory in ring 0 (negative: the upper half). */
export const CONTROL_VA = -0x8000_0000_0000;
/** Virtual address of the stub's code. */
export const CODE_VA = CONTROL_VA + CONTROL_SIZE;

/** Offsets in control memory. */
export const C_STATE = 0x0000; // u32 at SP_ASLEEP of the stub layout: the sentry sleeps
export const C_CODE = 0x1000;
export const C_CODE_SIZE = 0x2000;
export const C_IDT = 0x3000;
export const C_PDPT = 0x4000;
export const C_PD_DATA = 0x5000;
export const C_PD_CODE = 0x6000;
export const C_PT_CODE = 0x7000;
export const C_PML4 = 0x8000; // of processors without an application
export const C_VCPUS = 0x10000;
export const C_SLOTS = 0x200000;

/** Bytes of a processor's area: fields and tables, then three stacks. */
export const VCPU_SIZE = 0x4000;
export const MAX_VCPUS = 64;
/** Bytes of a slot: the first lines are as those of a stub process, then the FPU state. */
export const SLOT_SIZE = 0x4000;
/** Slots there can be; the first MAX_VCPUS belong to processors without an application. */
export const MAX_SLOTS = 20000;

/** Fields of a processor's area. */
export const V_SLOT = 0x00; // u64, stub: address in ring 0 of the slot that it runs
export const V_TMP = 0x08; // u64, stub
export const V_STACK = 0x10; // u64: top of the stub's stack
export const V_SWITCHED = 0x18; // u32, stub: how many times it has changed slots
export const V_STOP = 0x20; // u32, sentry, stub clears: post when interrupted
export const V_KICK = 0x24; // u32, sentry, host thread clears: have the stub take an interrupt
export const V_FLUSH_WANTED = 0x28; // u32, sentry: count of flushes asked for
export const V_FLUSH_DONE = 0x2c; // u32, stub
export const V_QUANTUM = 0x30; // u32, sentry: others wait for a processor; a tick ends the application's turn
export const V_WAKE = 0x34; // u32, stub: write the eventfd
export const V_FATAL = 0x38; // u32, stub or host thread: the processor is broken
export const V_QUIT = 0x3c; // u32, sentry: the host thread is to end
export const V_SPIN = 0x40; // u32: how many times the stub looks at its word
export const V_HOST_SPIN = 0x44; // u32: and how many times the host thread does then
export const V_XMASK = 0x48; // u64: XSAVE features
export const V_FD = 0x50; // u32: descriptor of the processor
export const V_WAKE_FD = 0x54; // u32: the eventfd
export const V_TID = 0x58; // u32: host thread
export const V_IRQ = 0x5c; // struct kvm_interrupt
export const V_RUN = 0x60; // u64: host address of struct kvm_run
export const V_DELTA = 0x68; // u64: host address of control memory less its address in ring 0
export const V_SIGNALS = 0x70; // u64: set with the signal that ends KVM_RUN
export const V_ZERO = 0x78; // struct timespec
export const V_ONE = 0x88; // u64
export const V_EXITS = 0x90; // u64, host thread: returns of KVM_RUN
export const V_POSTS = 0x98; // u64, stub: posts
export const V_ERROR = 0xa0; // u64, host thread: what KVM_RUN returned when it failed
export const V_TRAP = 0xa8; // u64 vector, error code, address: an exception in ring 0
export const V_TICKS = 0xc0; // u64, host thread
export const V_CAP_HEADER = 0xc8; // struct __user_cap_header_struct
export const V_CAP_SETS = 0xd0; // struct __user_cap_data_struct[2], empty
export const V_TABLE = 0x100; // u8[256]: 4 plus the offset of the answer to a system call, or 0
export const V_TSS = 0x800;
export const V_TSS_SIZE = 104;
export const V_GDT = 0x900;
export const V_GDT_SIZE = 0x50;
export const V_STACK_TOP = 0x2000;
export const V_IST1_TOP = 0x3000;
export const V_IST2_TOP = 0x4000;

/** Selectors, as Linux has them. */
export const KERNEL_CS = 0x10;
export const KERNEL_SS = 0x18;
/** SYSRET makes this plus 8 the stack and plus 16 the code segment. Itself it is no segment: there is no 32-bit code. */
export const SYSRET_BASE = 0x23;
export const USER_SS = 0x2b;
export const USER_CS = 0x33;
export const TSS_SELECTOR = 0x40;

/** Fields of a slot beyond those of the stub layout. */
export const S_IRET = 0x48; // u32: go on by IRETQ, which sets every register
export const S_CR3 = 0x50; // u64, sentry
export const S_NEXT = 0x58; // u64, sentry: address in ring 0 of the slot to change to
export const S_VECTOR = 0x60; // u64, stub
export const S_ERROR = 0x68; // u64, stub
export const S_CR2 = 0x70; // u64, stub
export const S_CYCLES = 0x78; // u64, stub: time stamp counts spent in the application
export const S_START = 0x80; // u64, stub: time stamp counter when the application went on last

/** Values of S_KIND. */
export const KIND_FAULT = 5;
export const KIND_INTERRUPTED = 4;
export const KIND_BROKEN = 6;
export const KIND_ANSWER = 7;

/** Bits of S_CMD, done in this order. */
export const CMD_FLUSH = 1;
export const CMD_XSAVE = 2;
export const CMD_XRSTOR = 4;
export const CMD_SET_FS = 8;
export const CMD_SET_GS = 16;
export const CMD_SWITCH = 32;
export const CMD_REPOST = 64;

/** Vector by which the sentry interrupts application code. */
export const INTERRUPT_VECTOR = 32;
/** Host signal that ends KVM_RUN: SIGURG, ignored by default, so that a stray one does no harm. */
export const KICK_SIGNAL = 23;
