import { writeStaticExecutable } from "../../../ffi/asm/elf.ts";
import { mapRegion } from "../../../ffi/arena.ts";
import { keptCode } from "../../../ffi/kept_code.ts";
import { NativeImage } from "../../../ffi/native.ts";
import { emitRunInChild, SyscallProgram } from "../../../ffi/spawn.ts";
import { emitExchange, emitExchangeSetup } from "../../../ffi/exchange.ts";
import { cpuid } from "./xstate.ts";
import { assembleStub } from "../../../ffi/stub/code.ts";
import { stubFilter } from "../../../ffi/stub/filter.ts";
import * as L from "../../../ffi/stub/layout.ts";
import { assembleSeed } from "../../../ffi/stub/seed.ts";
import { sys, sys1, sys2 } from "../../../ffi/syscall.ts";

const SYS = {
  mmap: 9,
  sched_yield: 24,
  newfstatat: 262,
  kill: 62,
  dup3: 292,
  fcntl: 72,
  ftruncate: 77,
  memfd_create: 319,
  write: 1,
  execve: 59,
  wait4: 61,
  eventfd2: 290,
  futex: 202,
  tgkill: 234,
  getpid: 39,
  close: 3,
  close_range: 436,
  pidfd_open: 434,
  epoll_create1: 291,
  epoll_ctl: 233,
  epoll_pwait: 281,
  prctl: 157,
  prlimit64: 302,
  setsid: 112,
  rt_sigprocmask: 14,
};
const AT_FDCWD = -100;
const CLONE_VM = 0x100;
const CLONE_VFORK = 0x4000;
const SIGCHLD = 17;
const SIGKILL = 9;
const MFD_CLOEXEC = 1;
const F_DUPFD_CLOEXEC = 1030;
/** Address spaces at most, each with its own slots in control memory. */
const MAX_CHUNKS = 1023;
const CONTROL_SIZE = (MAX_CHUNKS + 1) * L.CHUNK_SIZE;
/** Idle stub processes kept for reuse. */
const POOL_MAX = 16;

/** Distance of the words that `exchange` keeps, from the image's data. */
const EXCHANGE_DATA = 0;

const image = new NativeImage("runsc-platform")
  .add("run_in_child", emitRunInChild, {
    parameters: ["buffer", "u32", "u32", "buffer", "u32"],
    result: "i32",
    cold: true,
  })
  .add("exchange", (a) => emitExchange(a, EXCHANGE_DATA), {
    parameters: ["f64", "f64", "u32", "u32", "u32"],
    result: "i32",
  })
  .add("exchange_setup", (a) => emitExchangeSetup(a, EXCHANGE_DATA), {
    parameters: ["f64", "f64", "f64"],
    result: "void",
    cold: true,
  })
  .add("cpuid", cpuid, { parameters: ["u32", "u32", "buffer"], result: "void", cold: true });
image.data(24);

const stubCode = keptCode("stub", assembleStub);
const filterCode = keptCode("stub filter", () => ({ code: stubFilter(), labels: new Map() }));
const seedExecutable = keptCode("stub executable", () => {
  const stub = stubCode();
  const seed = assembleSeed(L.STUB_BASE + stub.labels.get("process_start")!);
  const code = writeStaticExecutable({
    code: seed.code,
    entry: seed.labels.get("start")!,
    vaddr: L.SEED_TEXT,
    segments: [{ content: stub.code, vaddr: L.STUB_BASE, executable: true }],
  });
  return { code, labels: new Map() };
});

let native: ReturnType<typeof image.load> | null = null;

/** The platform's native functions. */
export function platformNative(): ReturnType<typeof image.load> {
  return native ??= image.load();
}

/** One stub process. */
export class StubProcess {
  readonly chunk: number;
  /** Position in the sequence of the seed's commands, to find its pid. */
  readonly ticket: number;
  pid = 0;
  /** Host descriptor that tells of its death, or -1. */
  pidfd = -1;
  /** It was found dead. */
  dead = false;
  /** Whoever uses it. */
  owner: unknown = null;
  /** It was told to unmap all that its last program had, and may not have done so yet. */
  emptying = false;
  /** CPU time that it had used before its present application, nanoseconds. */
  cpuBase = 0;

  constructor(chunk: number, ticket: number) {
    this.chunk = chunk;
    this.ticket = ticket;
  }
}

/**
 * Control memory, the seed process and the stubs it forks; common to the platforms that run
 * application code in host processes.
 */
export class StubHost {
  /** Control memory, as mapped here. */
  readonly control: ArrayBuffer;
  readonly controlAddress: number;
  readonly wakeFd: number;
  /** Readable when a watched process has died. */
  readonly deathFd: number;
  /** Offsets of the stub's labels from STUB_BASE. */
  readonly labels: ReadonlyMap<string, number>;
  readonly sentryPid: number;
  readonly #state: Int32Array;
  readonly #seed: Int32Array;
  readonly #controlFd: number;
  #seedPid = 0;
  #issued = 0;
  /** Processes by the entry of the seed's ring that tells their pid. */
  readonly #tickets: (StubProcess | null)[] = new Array(L.SEED_RING_ENTRIES).fill(null);
  #nextChunk = 0;
  #freeChunks: number[] = [];
  #idle: StubProcess[] = [];
  #spin = 0;
  #statBuffer = new Uint8Array(144);
  readonly #watched = new Map<number, StubProcess>();
  readonly #event = new Uint8Array(12);
  readonly #eventView = new DataView(this.#event.buffer);

  constructor(memoryFd: number, options: { seccomp: boolean; spin: number }) {
    this.sentryPid = sys(SYS.getpid, 0, 0, 0, 0, 0, 0);
    this.#controlFd = memfd("runsc-control");
    must("ftruncate", sys(SYS.ftruncate, this.#controlFd, CONTROL_SIZE, 0, 0, 0, 0));
    const control = mapRegion("control", CONTROL_SIZE, this.#controlFd);
    if (control.offset !== 0) throw new Error("platform: control memory is not at its start");
    this.controlAddress = control.address;
    this.control = control.buffer;
    this.#state = new Int32Array(this.control, 0, 1024);
    this.#seed = new Int32Array(this.control, 4096, L.SEED_PAGE_SIZE / 4);
    this.wakeFd = must("eventfd", sys(SYS.eventfd2, 0, 0x80800, 0, 0, 0, 0));
    this.deathFd = must("epoll_create1", sys(SYS.epoll_create1, 0x80000, 0, 0, 0, 0, 0));
    this.setSpin(options.spin);
    this.labels = stubCode().labels;
    this.#prepareSeedPage(options.seccomp);
    this.#startSeed(memoryFd);
  }

  /** Address in the stub of one of its labels. */
  label(name: string): number {
    return L.STUB_BASE + this.labels.get(name)!;
  }

  /** How many times stubs look at their word before they sleep. */
  setSpin(rounds: number): void {
    if (rounds === this.#spin) return;
    this.#spin = rounds;
    this.#state[L.SP_SPIN >> 2] = rounds;
  }

  /** One more than the processor that the sentry was last seen on, or 0. */
  get processor(): number {
    return this.#state[L.SP_CPU >> 2];
  }

  /** Tells stubs whether to write the eventfd when they post. */
  setAsleep(asleep: boolean): void {
    Atomics.store(this.#state, L.SP_ASLEEP >> 2, asleep ? 1 : 0);
  }

  #prepareSeedPage(seccomp: boolean): void {
    const seed = new DataView(this.control, 4096, L.SEED_PAGE_SIZE);
    const filter = filterCode().code;
    seed.setUint32(L.SEED_PARENT, this.sentryPid, true);
    seed.setUint16(L.SEED_FILTER, filter.length / 8, true);
    seed.setBigUint64(L.SEED_FILTER + 8, BigInt(L.SEED_PAGE + L.SEED_FILTER_CODE), true);
    seed.setUint32(L.SEED_FLAGS, seccomp ? 0 : 1, true);
    new Uint8Array(this.control, 4096 + L.SEED_FILTER_CODE, filter.length).set(filter);
    new Uint8Array(this.control, 4096 + L.SEED_NAME, 16).set(bytes("runsc-stub"));
    // struct kernel_sigaction: handler, flags, restorer, mask.
    const act = L.SEED_SIGACTION;
    seed.setBigUint64(act, BigInt(this.label("handler")), true);
    seed.setBigUint64(act + 8, 0x0c000004n, /* SIGINFO|ONSTACK|RESTORER */ true);
    seed.setBigUint64(act + 16, BigInt(this.label("handler")), true);
    seed.setBigUint64(act + 24, 0xffffffffffffffffn, true);
    seed.setBigUint64(act + 32, 1n, /* SIG_IGN: stubs leave no zombies */ true);
  }

  #startSeed(memoryFd: number): void {
    const elf = seedExecutable().code;
    const exe = memfd("runsc-stub");
    const n = sys1(SYS.write, exe, 0, elf.length, 0, 0, 0, 1, elf);
    if (n !== elf.length) throw new Error("platform: can not write the stub's executable");
    // Descriptors the child gets must be out of the way of the numbers it gets them under.
    const high = [memoryFd, this.#controlFd, this.wakeFd, exe].map((fd) =>
      must("fcntl", sys(SYS.fcntl, fd, F_DUPFD_CLOEXEC, 64, 0, 0, 0))
    );
    const path = bytes(`/proc/self/fd/${high[3]}`);
    const argv = pointers([bytes("runsc-stub"), null]);
    const envp = pointers([null]);
    const noCore = new Uint8Array(16);
    const allSignals = new Uint8Array(8);
    const program = new SyscallProgram(16)
      .add(SYS.prctl, 1, SIGKILL, 0, 0, 0)
      .add(SYS.rt_sigprocmask, 2, allSignals, 0, 8)
      .try(SYS.prlimit64, 0, 4, noCore, 0)
      .add(SYS.dup3, high[0], L.FD_MEMORY, 0)
      .add(SYS.dup3, high[1], L.FD_CONTROL, 0)
      .add(SYS.dup3, high[2], L.FD_WAKE, 0)
      .try(SYS.close, 0).try(SYS.close, 1).try(SYS.close, 2)
      .try(SYS.close_range, 6, 0xffffffff, 4 /* CLOSE_RANGE_CLOEXEC */)
      .add(SYS.execve, path, argv.bytes, envp.bytes);
    const stack = new Uint8Array(16384);
    this.#seedPid = platformNative().run_in_child(
      program.bytes,
      program.count,
      CLONE_VM | CLONE_VFORK | SIGCHLD,
      stack,
      stack.length,
    );
    must("clone of the stub seed", this.#seedPid);
    for (const fd of [...high, exe]) sys(SYS.close, fd, 0, 0, 0, 0, 0);
    for (let i = 0; i < program.count; i++) {
      const r = program.result(i);
      if (r < 0 && i !== 2 && (i < 6 || i === program.count - 1)) {
        sys1(SYS.wait4, this.#seedPid, 0, 0, 0, 0, 0, 1, new Uint8Array(4));
        throw new Error(`platform: stub seed failed in step ${i}: errno ${-r}`);
      }
    }
  }

  /** Waits until the seed has set itself up; its filter is then in force. */
  awaitSeed(): void {
    const word = L.SEED_READY >> 2;
    for (let tries = 0; Atomics.load(this.#seed, word) === 0; tries++) {
      this.#futexWait(4096 + L.SEED_READY, 0);
      this.#checkSeed(tries);
    }
    const ready = Atomics.load(this.#seed, word);
    if (ready !== 1) throw new Error(`platform: stub seed: errno ${-ready}`);
  }

  #checkSeed(tries: number): void {
    if (tries % 8 !== 7) return;
    const status = new Uint8Array(4);
    if (sys1(SYS.wait4, this.#seedPid, 0, 1, 0, 0, 0, 1, status) === this.#seedPid) {
      throw new Error("platform: the stub seed died");
    }
  }

  #futexWait(offset: number, value: number): void {
    const timeout = new Uint8Array(16);
    new DataView(timeout.buffer).setUint32(8, 50_000_000, true);
    sys1(SYS.futex, this.controlAddress + offset, 0, value, 0, 0, 0, 3, timeout);
  }

  /** Wakes a thread that sleeps on the word at this address. */
  futexWake(hostAddress: number): void {
    sys(SYS.futex, hostAddress, 1, 1, 0, 0, 0);
  }

  /** Takes an idle stub process, or forks one. Null: too many address spaces. */
  take(): StubProcess | null {
    // The oldest one has had the most time to get ready.
    const idle = this.#idle.shift();
    if (idle !== undefined) {
      if (this.#idle.length === 0) this.#forkAhead();
      return idle;
    }
    const p = this.#fork();
    if (p !== null && this.#issued > 1) this.#forkAhead();
    return p;
  }

  #forkAhead(): void {
    const p = this.#fork();
    if (p !== null) this.#idle.push(p);
  }

  #fork(): StubProcess | null {
    let chunk = this.#freeChunks.pop() ?? -1;
    if (chunk < 0) {
      if (this.#nextChunk >= MAX_CHUNKS) return null;
      chunk = this.#nextChunk++;
    }
    if (this.#issued === 0) this.awaitSeed();
    // A ring's length of forks may be under way; wait for the oldest beyond that.
    if (this.#issued >= L.SEED_RING_ENTRIES / 2) {
      this.#awaitDone(this.#issued - L.SEED_RING_ENTRIES / 2);
    }
    const slot = (chunk + 1) * L.CHUNK_SIZE;
    const words = new Int32Array(this.control, slot, 64);
    words.fill(0);
    // It goes to sleep at once and has all day until somebody wants it.
    Atomics.store(words, L.S_STATE >> 2, L.STATE_PARKED);
    const alt = new DataView(this.control, slot + L.S_ALTSTACK, 24);
    alt.setBigUint64(0, BigInt(L.SLOTS_ADDRESS + L.S_STACK_BOTTOM), true);
    alt.setBigUint64(16, BigInt(L.SLOT_SIZE - L.S_STACK_BOTTOM), true);
    const ticket = this.#issued++;
    // The pid of the process that used the entry before is known to nobody else.
    const before = this.#tickets[ticket % L.SEED_RING_ENTRIES];
    if (before !== null) this.pidOf(before);
    const entry = (L.SEED_RING >> 2) + 2 * (ticket % L.SEED_RING_ENTRIES);
    this.#seed[entry] = chunk;
    this.#seed[entry + 1] = 0;
    Atomics.store(this.#seed, L.SEED_ISSUED >> 2, this.#issued);
    this.futexWake(this.controlAddress + 4096 + L.SEED_ISSUED);
    const process = new StubProcess(chunk, ticket);
    this.#tickets[ticket % L.SEED_RING_ENTRIES] = process;
    return process;
  }

  #awaitDone(ticket: number): void {
    for (let tries = 0;; tries++) {
      const done = Atomics.load(this.#seed, L.SEED_DONE >> 2);
      if (done > ticket) return;
      this.#futexWait(4096 + L.SEED_DONE, done);
      this.#checkSeed(tries);
    }
  }

  /** Host pid of a stub process; waits for the seed where need be. */
  pidOf(p: StubProcess): number {
    if (p.pid === 0) {
      this.#awaitDone(p.ticket);
      p.pid = this.#seed[(L.SEED_RING >> 2) + 2 * (p.ticket % L.SEED_RING_ENTRIES) + 1];
    }
    return p.pid;
  }

  /** Gives back a clean stub process for reuse; false if there are enough (then kill it). */
  put(p: StubProcess): boolean {
    if (this.#idle.length >= POOL_MAX) return false;
    this.#idle.push(p);
    return true;
  }

  /** Kills a stub process and frees its slots. */
  kill(p: StubProcess): void {
    const pid = this.pidOf(p);
    this.#unwatch(p);
    // The number of a dead process may be another's by now.
    if (pid > 0 && !p.dead) sys(SYS.kill, pid, SIGKILL, 0, 0, 0, 0);
    this.#freeChunks.push(p.chunk);
  }

  /** True if the process has no thread but its first. */
  hasOneThread(p: StubProcess): boolean {
    const pid = this.pidOf(p);
    // The link count of /proc/PID/task is two more than the number of threads.
    const stat = this.#statBuffer;
    const path = bytes(`/proc/${pid}/task`);
    return sys2(SYS.newfstatat, AT_FDCWD, 0, 0, 0, 0, 0, 1, path, 2, stat) === 0 &&
      new DataView(stat.buffer).getUint32(16, true) === 3;
  }

  /** Gives the processor to whoever waits for it. */
  yieldProcessor(): void {
    sys(SYS.sched_yield, 0, 0, 0, 0, 0, 0);
  }

  /** Wants to be told of the death of a process. */
  watch(p: StubProcess): void {
    const pid = this.pidOf(p);
    if (pid <= 0 || p.pidfd >= 0) return;
    const fd = sys(SYS.pidfd_open, pid, 0, 0, 0, 0, 0);
    if (fd < 0) {
      p.dead = true;
      return;
    }
    p.pidfd = fd;
    this.#watched.set(fd, p);
    const event = this.#eventView;
    event.setUint32(0, 1, true);
    event.setUint32(4, fd, true);
    sys1(SYS.epoll_ctl, this.deathFd, 1, fd, 0, 0, 0, 3, this.#event);
  }

  /** Processes that died since the last call, though nobody asked them to. */
  collectDead(): StubProcess[] {
    const dead: StubProcess[] = [];
    while (sys1(SYS.epoll_pwait, this.deathFd, 0, 1, 0, 0, 8, 1, this.#event) === 1) {
      const p = this.#watched.get(this.#eventView.getUint32(4, true));
      if (p === undefined) break;
      p.dead = true;
      this.#unwatch(p);
      dead.push(p);
    }
    return dead;
  }

  #unwatch(p: StubProcess): void {
    if (p.pidfd < 0) return;
    this.#watched.delete(p.pidfd);
    sys(SYS.close, p.pidfd, 0, 0, 0, 0, 0);
    p.pidfd = -1;
  }

  /** Sends the interrupt signal to a thread of a stub process. */
  interrupt(p: StubProcess, tid: number): void {
    const pid = this.pidOf(p);
    if (pid > 0 && tid > 0) sys(SYS.tgkill, pid, tid, L.INTERRUPT_SIGNAL, 0, 0, 0);
  }

  /** Kills the seed, and with it all stubs. */
  destroy(): void {
    if (this.#seedPid <= 0) return;
    sys(SYS.kill, this.#seedPid, SIGKILL, 0, 0, 0, 0);
    sys1(SYS.wait4, this.#seedPid, 0, 0, 0, 0, 0, 1, new Uint8Array(4));
    this.#seedPid = 0;
  }
}

function must(what: string, r: number): number {
  if (r < 0) throw new Error(`platform: ${what} failed: errno ${-r}`);
  return r;
}

function bytes(s: string): Uint8Array<ArrayBuffer> {
  return new TextEncoder().encode(s + "\0");
}

function memfd(name: string): number {
  return must("memfd_create", sys1(SYS.memfd_create, 0, MFD_CLOEXEC, 0, 0, 0, 0, 0, bytes(name)));
}

/** A NULL-terminated array of pointers, with what they point to. */
function pointers(
  items: (Uint8Array<ArrayBuffer> | null)[],
): { bytes: Uint8Array<ArrayBuffer>; kept: unknown } {
  const words = new BigUint64Array(items.length);
  items.forEach((item, i) => {
    words[i] = item === null
      ? 0n
      : Deno.UnsafePointer.value(Deno.UnsafePointer.of(item)) as unknown as bigint;
    words[i] = BigInt(words[i]);
  });
  return { bytes: new Uint8Array(words.buffer), kept: items };
}
