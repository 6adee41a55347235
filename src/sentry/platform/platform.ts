/**
 * The seam between the sentry and the ways application code can run. The sentry knows nothing of
 * how a platform does it: it maps memory, resumes contexts and polls for those that stopped.
 */

/** Application addresses are below this; the stub's code and data lie above. */
export const USER_TOP = 0x7feefffff000;
/** The table of patched call sites lies here (see systrap); never given to the application. */
export const RESERVED_LOW_START = 0x7f060000;
/** End (exclusive) of the range that starts at {@link RESERVED_LOW_START}. */
export const RESERVED_LOW_END = 0x7f070000;

/**
 * A bit of `prot` in {@link AddressSpace.map}: the frames have host pages already, so mapping all of them now is cheaper
 * than faults of the host later.
 */
export const PROT_BACKED = 0x100;

/** Why a context is not running. */
export const enum Stop {
  /** It is running, or was never started. */
  None = 0,
  /** It made a system call: `sysno` and the arguments are valid. */
  Syscall = 1,
  /** It raised an exception: the `fault*` fields are valid. */
  Fault = 2,
  /** {@link Platform.interrupt} stopped it. */
  Interrupted = 3,
  /** Its host thread is gone (killed from outside, or it broke its stub). */
  Dead = 4,
}

/** System calls a platform may answer without the sentry; values are byte offsets. */
export const enum Answer {
  Pid = 0,
  Tid = 4,
  Ppid = 8,
  Uid = 12,
  Euid = 16,
  Gid = 20,
  Egid = 24,
}

/** Indices into {@link RegisterFile}, in the order of `struct user_regs_struct`. */
export const enum Reg {
  R15 = 0,
  R14,
  R13,
  R12,
  RBP,
  RBX,
  R11,
  R10,
  R9,
  R8,
  RAX,
  RCX,
  RDX,
  RSI,
  RDI,
  ORIG_RAX,
  RIP,
  CS,
  EFLAGS,
  RSP,
  SS,
  FS_BASE,
  GS_BASE,
  DS,
  ES,
  FS,
  GS,
}

/** Count of 64-bit registers in a {@link RegisterFile}. */
export const REGISTER_COUNT = 27;

/** A private copy of a thread's general registers, `struct user_regs_struct` in memory. */
export class RegisterFile {
  /** Low and high halves, register i at 2i and 2i+1. */
  readonly words: Uint32Array = new Uint32Array(REGISTER_COUNT * 2);
  /** The same memory as bytes, little endian. */
  readonly bytes: Uint8Array = new Uint8Array(this.words.buffer);

  /** Register `i` as a signed 64-bit number (exact where its magnitude is below 2^53). */
  get(i: number): number {
    return (this.words[2 * i + 1] | 0) * 4294967296 + this.words[2 * i];
  }

  /** Sets register `i` to the two's complement of `v`. */
  set(i: number, v: number): void {
    const hi = Math.floor(v / 4294967296);
    this.words[2 * i] = v - hi * 4294967296;
    this.words[2 * i + 1] = hi;
  }

  /** Makes this a copy of `other`. */
  copyFrom(other: RegisterFile): void {
    this.words.set(other.words);
  }
}

/** Access to the application's code, given by its memory manager. */
export interface TextMemory {
  /** Copies code into `dst`; false where it is not mapped. */
  readText(addr: number, dst: Uint8Array): boolean;
  /**
   * Makes the page of `addr`, if private and executable, this address space's own (mapping the copy
   * in the stub), and returns the offset of `addr` in kernel memory; negative where that can not be.
   */
  ownText(addr: number): number;
}

/** One application thread as the platform sees it. */
export interface Context {
  /** Whatever the kernel hangs here: its task. */
  task: unknown;
  /** Why it is stopped. */
  stop: Stop;
  /** System call number, valid for `Stop.Syscall`. */
  sysno: number;
  /** Copies the six arguments, as signed 64-bit numbers. */
  copyArgs(dst: Float64Array): void;
  /** Sets RAX. */
  setReturn(v: number): void;
  /** Loads the thread's registers into a private copy owned by the context. */
  regs(): RegisterFile;
  /** Writes the private copy back; it takes effect when the context is resumed. */
  putRegs(): void;
  /** Makes the system call it stopped for be made again when it is resumed (RIP back, RAX its number). */
  rewindSyscall(): void;
  /** CPU time that the thread has used, nanoseconds; 0 where it can not be told cheaply. */
  cpuTime?(): number;
  /** Copies the XSAVE image (standard format) into `dst`; returns its size in bytes. */
  readFpu(dst: Uint8Array): number;
  /** Replaces the FPU state by the first `length` bytes of `src`, an XSAVE image. */
  writeFpu(src: Uint8Array, length: number): void;
  /** Size in bytes of the XSAVE image. */
  readonly fpuSize: number;
  /** FS base; takes effect when the context is resumed. */
  fsBase: number;
  /** GS base as the application set it (0 unless it called arch_prctl). */
  gsBase: number;
  /** Signal number the exception would raise, for `Stop.Fault`. */
  faultSignal: number;
  /** si_code of it. */
  faultCode: number;
  /** Faulting address (SIGSEGV, SIGBUS), else the instruction's. */
  faultAddress: number;
  /** Page fault by a write. */
  faultIsWrite: boolean;
  /** Page fault by an instruction fetch. */
  faultIsExec: boolean;
  /** x86 exception vector. */
  trapNumber: number;
  /** x86 error code. */
  errorCode: number;
  /** Publishes a value that the platform may answer by itself (`Answer`). */
  setAnswer(which: Answer, value: number): void;
  /** Ends the thread and frees what the platform holds for it. It must not be running. */
  release(): void;
}

/** One application address space. */
export interface AddressSpace {
  /**
   * Maps `length` bytes of kernel memory at `memOffset` to `addr`, replacing what is there. Like
   * all operations here it is queued and done before the application continues.
   */
  map(addr: number, length: number, prot: number, memOffset: number): void;
  /** Removes mappings. */
  unmap(addr: number, length: number): void;
  /** Changes the protection of what is mapped. */
  protect(addr: number, length: number, prot: number): void;
  /** Drops one reference on frames as soon as the queued operations have run. */
  retire(firstFrame: number, count: number): void;
  /**
   * Makes a context for a new thread, which starts with zeroed registers, stopped. `reuse`, for
   * execve, is the stopped and only context of an address space that is released right after: its
   * host thread may be taken over, and it counts as released. Throws RangeError if there is no room.
   */
  newContext(reuse?: Context): Context;
  /** Set by the memory manager, so that call sites in the application's code can be patched. */
  textMemory: TextMemory | null;
  /** For execve: unmaps all and forgets patches; the calling context keeps its thread. */
  reset(): void;
  /** Frees the address space; all its contexts must have been released. */
  release(): void;
}

/** A way to run application code. */
export interface Platform {
  /** Name as given to `--platform`. */
  readonly name: string;
  /** Makes an empty address space. */
  createAddressSpace(forkedFrom?: AddressSpace): AddressSpace;
  /** Lets a stopped context run application code. */
  resume(c: Context): void;
  /** Does now what is queued for the address space of a stopped context, while other threads of it may run. */
  flush(c: Context): void;
  /** Makes a running context stop soon with `Stop.Interrupted` (or for another reason first). */
  interrupt(c: Context): void;
  /** The next context that has stopped, or null. Looks `rounds` more times than once. */
  poll(rounds?: number): Context | null;
  /** Spins for a while for a context to stop; returns as `poll`. */
  spin(): Context | null;
  /** Tells that a stopped context's system call takes long: its thread need not spin. */
  park(c: Context): void;
  /** Asks stubs to write `wakeFd` from now on; false if a context has stopped meanwhile. */
  prepareSleep(): boolean;
  /** Takes back `prepareSleep`. */
  finishSleep(): void;
  /** Host descriptor (eventfd) that becomes readable when a stub posts while the sentry sleeps. */
  readonly wakeFd: number;
  /** Contexts that run application code now. */
  readonly runningCount: number;
  /** Host descriptor that is readable when a stub died by itself, or -1 if `poll` tells of that. */
  readonly deathFd: number;
  /** To be called when `deathFd` is readable: `poll` will return the contexts of what died. */
  collectDead(): void;
  /** What it did so far, one line for the debug log. */
  report?(): string;
  /** Kills every stub and frees everything. */
  destroy(): void;
}
