import * as L from "../../../../ffi/stub/layout.ts";
import { EXCHANGE_RETURN, FOUND_WORDS } from "../../../../ffi/exchange.ts";
import { addressOf } from "../../../../ffi/syscall.ts";
import { type AddressSpace, type Context, type Platform, Stop, USER_TOP } from "../platform.ts";
import { processCpuTime } from "../cpu_time.ts";
import { Slot } from "../slot.ts";
import { platformNative, StubHost, type StubProcess } from "../stub_host.ts";
import { probeXstate } from "../xstate.ts";
import { SystrapAddressSpace } from "./address_space.ts";
import type { SystrapContext } from "./context.ts";
import type { FramePool } from "./patch_table.ts";

// hot: poll and resume run at every system call.

/**
 * Rounds of the native spin loop before the sentry considers sleeping. Fewer do not pay: where the
 * host has put stub and sentry on one processor, it is the spinning that has it move one of them.
 */
const SPIN_ROUNDS = 2048;
const STATE = L.S_STATE >> 2;
const ASLEEP = L.S_ASLEEP >> 2;
const CMD = L.S_CMD >> 2;
const PROGRAM = L.S_PROG_COUNT >> 2;
const RPC_ROUNDS = 200_000;
/** Thread id of a thread that its process has yet to make. */
const UNBORN = 0xffffffff;

/** What a platform is made with. */
export interface SystrapOptions {
  pool: FramePool;
  memoryFd: number;
  /** How many times a stub looks at its word before it sleeps. */
  stubSpin: number;
}

/** Application threads are host threads whose system calls seccomp traps into the stub. */
export class Systrap implements Platform {
  readonly name = "systrap";
  readonly pool: FramePool;
  readonly host: StubHost;
  readonly wakeFd: number;
  readonly xmaskLow: number;
  readonly xstateSize: number;
  readonly #native: ReturnType<typeof platformNative>["exchange"];
  /** Contexts that run, and the addresses of their state words at the same index. */
  readonly #running: SystrapContext[] = [];
  #words = new BigUint64Array(64);
  #halves = new Uint32Array(this.#words.buffer);
  /** What the native routine found, see FOUND_*. */
  readonly #found = new Float64Array(FOUND_WORDS);
  /** Contexts of dead processes, to be returned by the next polls. */
  readonly #dead: SystrapContext[] = [];
  /** Processes in use whose death nobody would tell of. */
  readonly #unwatched: StubProcess[] = [];
  /** Resumed, but not told yet. */
  #pending: SystrapContext | null = null;
  #pendingFlags = 0;

  constructor(options: SystrapOptions) {
    this.pool = options.pool;
    const native = platformNative();
    this.#native = native.exchange;
    const x = probeXstate(native.cpuid);
    this.xmaskLow = x.maskLow;
    this.xstateSize = x.size;
    this.host = new StubHost(options.memoryFd, { seccomp: true, spin: options.stubSpin });
    this.wakeFd = this.host.wakeFd;
    this.#setup();
  }

  createAddressSpace(parent?: AddressSpace): SystrapAddressSpace {
    return new SystrapAddressSpace(this, parent instanceof SystrapAddressSpace ? parent : null);
  }

  /** The sentry's view of a slot of a stub process. */
  slot(process: StubProcess, index: number): Slot {
    return new Slot(this.host.control, this.host.controlAddress, process.chunk, index);
  }

  resume(context: Context): void {
    const c = context as SystrapContext;
    if (this.#pending !== null) this.#exchange(0, 0);
    const space = c.space;
    let flags = c.takeCommands();
    // The thread itself may still have to be made by one of them, while its maker waits (vfork).
    if (space.ops.count > 0 && c.slot.u32[L.S_TID >> 2] === UNBORN) this.#runByOther(c);
    if (space.ops.count > 0) {
      this.#awaitProgram(c);
      flags |= this.#writeProgram(c, space);
      space.programmed = c;
    }
    if (space.retired.length > 0) {
      for (let i = 0; i < space.retired.length; i++) c.retiring.push(space.retired[i]);
      space.retired.length = 0;
    }
    if (space.process === null || space.process.dead) {
      c.stop = Stop.Dead;
      this.#dead.push(c);
      return;
    }
    c.stop = Stop.None;
    if (c.interruptSent) {
      c.interruptSent = false;
      c.slot.u32[L.S_INTERRUPT >> 2] = 0;
    }
    const i = this.#running.length;
    if (i >= this.#words.length) this.#grow();
    c.runningIndex = i;
    this.#running.push(c);
    const a = c.slot.hostAddress;
    this.#halves[2 * i] = a;
    this.#halves[2 * i + 1] = a / 4294967296;
    space.running++;
    // The thread is told by the next look for posts: one native call does both.
    this.#pending = c;
    this.#pendingFlags = c.hasReturn ? flags | EXCHANGE_RETURN : flags;
  }

  /**
   * Waits until a thread of the space that was resumed with operations has done them: what is queued now comes after,
   * whichever thread does it.
   */
  #awaitProgram(c: SystrapContext): void {
    const p = c.space.programmed;
    c.space.programmed = null;
    // One that has stopped since did them before.
    if (p === null || p === c || p.stop !== Stop.None) return;
    for (let n = 0; Atomics.load(p.slot.i32, PROGRAM) !== 0; n++) {
      if (n < RPC_ROUNDS) continue;
      if (c.space.process === null || c.space.process.dead) return;
      this.host.yieldProcessor();
      if (n > 2_000_000) throw new Error("systrap: a stub thread does not finish its program");
    }
  }

  /** Writes the queued operations into the slot; returns the command that runs them. */
  #writeProgram(c: SystrapContext, space: SystrapAddressSpace): number {
    const ops = space.ops;
    const u = c.slot.u32;
    let first = 0;
    while (ops.count - first > L.S_PROGRAM_MAX) {
      const n = ops.write(u, first);
      u[L.S_PROG_COUNT >> 2] = n;
      this.#rpc(c, L.CMD_PROGRAM);
      first += n;
    }
    u[L.S_PROG_COUNT >> 2] = ops.write(u, first);
    ops.clear();
    return L.CMD_PROGRAM;
  }

  /** Has a stopped thread of the same space do the queued operations, if there is one. */
  #runByOther(c: SystrapContext): void {
    for (const other of c.space.contexts) {
      const u = other.slot.u32;
      if (other === c || other.stop === Stop.None || other.stop === Stop.Dead) continue;
      if (u[L.S_TID >> 2] === UNBORN) continue;
      this.flush(other);
      Atomics.store(other.slot.i32, STATE, L.STATE_PARKED);
      return;
    }
  }

  /** Has a stopped thread do what is queued for its space, while others of it may run. */
  flush(context: Context): void {
    const c = context as SystrapContext;
    const { ops, process } = c.space;
    if (process === null || process.dead || c.stop === Stop.Dead || ops.count === 0) return;
    if (this.#pending !== null) this.#exchange(0, 0);
    this.#awaitProgram(c);
    for (let first = 0; first < ops.count;) {
      const n = ops.write(c.slot.u32, first);
      c.slot.u32[L.S_PROG_COUNT >> 2] = n;
      this.#rpc(c, L.CMD_PROGRAM);
      first += n;
    }
    ops.clear();
  }

  /** Tells the pending thread to go on, then looks for posts; the index of one, or -1. */
  #exchange(count: number, rounds: number): number {
    const c = this.#pending;
    if (c === null) return this.#native(0, 0, 0, count, rounds);
    this.#pending = null;
    c.hasReturn = false;
    return this.#native(c.slot.hostAddress, c.returned, this.#pendingFlags, count, rounds);
  }

  #grow(): void {
    const words = new BigUint64Array(this.#words.length * 2);
    words.set(this.#words);
    this.#words = words;
    this.#halves = new Uint32Array(words.buffer);
    this.#setup();
  }

  /** An address space has got a process. */
  used(p: StubProcess, space: SystrapAddressSpace): void {
    p.owner = space;
    if (p.pidfd < 0) this.#unwatched.push(p);
  }

  /** Has a stopped thread do commands and wait again. It must be in a waiting state. */
  command(c: SystrapContext, cmd: number): void {
    this.#rpc(c, cmd);
  }

  #rpc(c: SystrapContext, cmd: number): void {
    const i32 = c.slot.i32;
    c.slot.u32[CMD] = cmd | L.CMD_REPOST;
    Atomics.store(i32, STATE, L.STATE_RESUME);
    if (Atomics.load(i32, ASLEEP) !== 0) this.host.futexWake(c.slot.hostAddress);
    for (let n = 0; n < RPC_ROUNDS; n++) {
      if (Atomics.load(i32, STATE) === L.STATE_POSTED) return;
    }
    // It was preempted or slept; let it have the processor.
    for (let n = 0; Atomics.load(i32, STATE) !== L.STATE_POSTED; n++) {
      this.host.yieldProcessor();
      if (n > 2_000_000) throw new Error("systrap: a stub thread does not answer");
    }
  }

  interrupt(context: Context): void {
    const c = context as SystrapContext;
    if (c.stop !== Stop.None || c.interruptSent || c.runningIndex < 0) return;
    c.interruptSent = true;
    Atomics.store(c.slot.i32, L.S_INTERRUPT >> 2, 1);
    const p = c.space.process;
    let tid = Atomics.load(c.slot.i32, L.S_TID >> 2);
    // A thread that has yet to tell its id is about to.
    for (let n = 0; tid <= 0 && n < 100_000; n++) {
      this.host.yieldProcessor();
      tid = Atomics.load(c.slot.i32, L.S_TID >> 2);
    }
    if (p !== null) this.host.interrupt(p, tid);
  }

  #setup(): void {
    platformNative().exchange_setup(
      addressOf(this.#words),
      addressOf(this.#found),
      this.host.controlAddress,
    );
  }

  poll(rounds = 0): SystrapContext | null {
    if (this.#dead.length > 0) return this.#dead.pop()!;
    const n = this.#running.length;
    if (n === 0) return null;
    const i = this.#exchange(n, rounds);
    if (i < 0) return null;
    const c = this.#running[i];
    this.#stopped(c);
    return c;
  }

  spin(): SystrapContext | null {
    return this.#sharesProcessor() ? null : this.poll(SPIN_ROUNDS);
  }

  /** Whether a thread that runs waits for the processor that this one would spin on. */
  #sharesProcessor(): boolean {
    const own = this.host.processor;
    const running = this.#running;
    for (let i = 0; i < running.length; i++) {
      if (running[i].slot.u32[L.S_CPU >> 2] === own) return true;
    }
    return false;
  }

  #stopped(c: SystrapContext): void {
    this.#remove(c);
    const r = c.retiring;
    if (r.length > 0) {
      for (let i = 0; i < r.length; i += 2) this.pool.unref(r[i], r[i + 1]);
      r.length = 0;
    }
    if (!c.readStop(this.#found)) {
      c.stop = Stop.Dead;
      return;
    }
    if (c.trapSite !== 0) this.#considerPatch(c);
  }

  #considerPatch(c: SystrapContext): void {
    const space = c.space;
    const patches = space.patches;
    // The signal frame has the FPU state that a copy of the thread needs; a patched call would have to be asked for it.
    if (isClone(c.sysno)) return;
    if (!patches.hit(c.trapSite) || space.running > 0 || space.textMemory === null) return;
    patches.patch(c.trapSite, c.sysno);
  }

  #remove(c: SystrapContext): void {
    const running = this.#running;
    const i = c.runningIndex;
    const last = running.length - 1;
    const moved = running[last];
    running[i] = moved;
    moved.runningIndex = i;
    this.#halves[2 * i] = this.#halves[2 * last];
    this.#halves[2 * i + 1] = this.#halves[2 * last + 1];
    running.length = last;
    c.runningIndex = -1;
    c.space.running--;
  }

  /** Takes a context that was killed off the list. */
  forget(c: SystrapContext): void {
    if (this.#pending === c) this.#pending = null;
    if (c.runningIndex >= 0) this.#remove(c);
  }

  /** Ends a stopped thread. */
  exitThread(c: SystrapContext): void {
    c.slot.u32[CMD] = L.CMD_EXIT;
    Atomics.store(c.slot.i32, STATE, L.STATE_RESUME);
    if (Atomics.load(c.slot.i32, ASLEEP) !== 0) this.host.futexWake(c.slot.hostAddress);
  }

  /**
   * Has a stub process whose only thread `c` is stopped unmap everything, and keeps it for another program. Nobody waits
   * for it: `take` sees that it is done.
   */
  recycle(p: StubProcess, c: SystrapContext): void {
    if (!this.host.hasOneThread(p) || !this.host.put(p)) {
      this.host.kill(p);
      return;
    }
    const { slot } = c;
    const { ops } = c.space;
    ops.clear();
    ops.unmap(0, USER_TOP);
    slot.u32[PROGRAM] = ops.write(slot.u32, 0);
    ops.clear();
    p.emptying = true;
    slot.u32[CMD] = L.CMD_PROGRAM | L.CMD_REPOST;
    Atomics.store(slot.i32, STATE, L.STATE_RESUME);
    if (Atomics.load(slot.i32, ASLEEP) !== 0) this.host.futexWake(slot.hostAddress);
  }

  /** A stub process for a new address space; null if there are too many. */
  take(): StubProcess | null {
    for (;;) {
      const p = this.host.take();
      if (p === null || !p.emptying || this.#awaitEmpty(p)) return p;
      this.host.kill(p);
    }
  }

  #awaitEmpty(p: StubProcess): boolean {
    const { i32 } = this.slot(p, 0);
    for (let n = 0; Atomics.load(i32, STATE) !== L.STATE_POSTED; n++) {
      if (n < RPC_ROUNDS) continue;
      if (p.dead || n > 2_000_000) return false;
      this.host.yieldProcessor();
    }
    p.emptying = false;
    p.cpuBase = processCpuTime(this.host.pidOf(p));
    return true;
  }

  /** Lets a stopped thread sleep rather than spin: its system call takes long. */
  park(context: Context): void {
    const c = context as SystrapContext;
    Atomics.store(c.slot.i32, STATE, L.STATE_PARKED);
  }

  /** Contexts that run application code now. */
  get runningCount(): number {
    return this.#running.length;
  }

  get deathFd(): number {
    return this.host.deathFd;
  }

  collectDead(): void {
    for (const p of this.host.collectDead()) {
      const space = p.owner;
      if (!(space instanceof SystrapAddressSpace) || space.process !== p) continue;
      for (const c of [...space.contexts]) {
        if (c.stop === Stop.Dead) continue;
        this.forget(c);
        c.stop = Stop.Dead;
        this.#dead.push(c);
      }
    }
  }

  prepareSleep(): boolean {
    if (this.#pending !== null) this.#exchange(0, 0);
    // Only now, when there is time: most processes are over before anybody waits.
    while (this.#unwatched.length > 0) {
      const p = this.#unwatched.pop()!;
      if (p.owner !== null) this.host.watch(p);
    }
    this.host.setAsleep(true);
    const running = this.#running;
    for (let i = 0; i < running.length; i++) {
      if ((Atomics.load(running[i].slot.i32, STATE) & 1) !== 0) {
        this.host.setAsleep(false);
        return false;
      }
    }
    return true;
  }

  finishSleep(): void {
    this.host.setAsleep(false);
  }

  destroy(): void {
    this.host.destroy();
  }
}

/** Whether a system call makes a thread or a process: clone, fork, vfork, clone3. */
function isClone(nr: number): boolean {
  return (nr >= 56 && nr <= 58) || nr === 435;
}
