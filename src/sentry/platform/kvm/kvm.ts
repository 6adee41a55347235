import { EXCHANGE_RETURN, FOUND_WORDS } from "../../../../ffi/exchange.ts";
import { counterKhz } from "../../../../ffi/kvm/ioctl.ts";
import * as K from "../../../../ffi/kvm/layout.ts";
import { kvmNative } from "../../../../ffi/kvm/vcpu_loop.ts";
import * as L from "../../../../ffi/stub/layout.ts";
import { addressOf, sys, sys1 } from "../../../../ffi/syscall.ts";
import { type AddressSpace, type Context, type Platform, Stop } from "../platform.ts";
import { platformNative } from "../stub_host.ts";
import type { FramePool } from "../systrap/patch_table.ts";
import { probeXstate } from "../xstate.ts";
import { KvmAddressSpace } from "./address_space.ts";
import { KvmContext } from "./context.ts";
import { KvmError, Machine } from "./machine.ts";
import type { KvmSlot } from "./slot.ts";
import { Vcpu } from "./vcpu.ts";

// hot: poll and resume run at every system call.

const SYS_GETPID = 39;
const SYS_SCHED_YIELD = 24;
const SYS_FUTEX = 202;
const SYS_TIMER_SETTIME = 223;
const SYS_EVENTFD2 = 290;
const FUTEX_WAKE = 1;
const EFD_NONBLOCK_CLOEXEC = 0x80800;
/** Rounds of the native spin loop before the sentry considers sleeping. */
const SPIN_ROUNDS = 2048;
/** How long an application runs while others wait for its processor, nanoseconds. */
const QUANTUM = 20_000_000;
/** Looks at a word of a processor before the sentry lets others have its own. */
const PATIENCE = 2000;
/** Then so often until something must be wrong. */
const PATIENCE_MAX = 5_000_000;
const STATE = L.S_STATE >> 2;
/** State of a slot whose processor is to end: none that means anything. */
const STATE_ENDED = 6;
/** The component of XSAVE that is not shown to applications. */
const PROTECTION_KEYS = 0x200;

/** What a machine's processors did so far. */
export interface KvmCounters {
  /** Stops of applications. */
  posts: number;
  /** Returns of KVM_RUN. */
  exits: number;
  /** Returns for a tick of the timer that found nobody waiting. */
  ticks: number;
}

/** What the platform is made with. */
export interface KvmOptions {
  /** Descriptor of /dev/kvm, which the platform takes over. */
  kvm: number;
  pool: FramePool & { readonly hostAddress: number };
  /** Processors; at least one. */
  vcpus: number;
  /** How many times a processor looks at its word before it leaves the machine. */
  spin: number;
}

/** Application threads run in ring 3 of a virtual machine whose ring 0 is a stub of ours. */
export class Kvm implements Platform {
  readonly name = "kvm";
  readonly pool: FramePool;
  readonly machine: Machine;
  readonly wakeFd: number;
  /** Threads of this process do not die by themselves. */
  readonly deathFd = -1;
  readonly xmaskLow: number;
  readonly xstateSize: number;
  readonly nanosecondsPerCount: number;
  readonly vcpus: Vcpu[] = [];
  readonly #native: ReturnType<typeof platformNative>["exchange"];
  readonly #kvmNative = kvmNative();
  readonly #state: Int32Array;
  /** Contexts that run on a processor, and the addresses of their state words at the same index. */
  readonly #running: KvmContext[] = [];
  #words = new BigUint64Array(64);
  #halves = new Uint32Array(this.#words.buffer);
  readonly #found = new Float64Array(FOUND_WORDS);
  /** Contexts that could run if a processor were free, first come first served. */
  readonly #queue: KvmContext[] = [];
  /** Stopped without having run, to be returned by the next polls. */
  readonly #early: KvmContext[] = [];
  /** Resumed, but not told yet. */
  #pending: KvmContext | null = null;
  #pendingFlags = 0;
  #nextSlot = K.MAX_VCPUS;
  readonly #freeSlots: KvmSlot[] = [];
  /** Slots of released contexts that a processor has yet to leave. */
  readonly #leaving: { slot: KvmSlot; vcpu: Vcpu; change: number }[] = [];
  /** Released address spaces whose tables a processor has yet to leave. */
  #dying: { space: KvmAddressSpace; holders: { vcpu: Vcpu; change: number }[] }[] = [];
  #quantum = false;
  #timersOn = false;
  readonly #interval = new BigInt64Array(4);

  constructor(options: KvmOptions) {
    this.pool = options.pool;
    const native = platformNative();
    this.#native = native.exchange;
    const x = probeXstate(native.cpuid);
    this.xstateSize = x.size;
    this.wakeFd = sys(SYS_EVENTFD2, 0, EFD_NONBLOCK_CLOEXEC, 0, 0, 0, 0);
    this.machine = new Machine(options.kvm, options.pool, x.maskLow & ~PROTECTION_KEYS);
    this.xmaskLow = this.machine.xmaskLow;
    this.#setup();
    this.#state = new Int32Array(this.machine.control, this.machine.offset + K.C_STATE, 1024);
    const pid = sys(SYS_GETPID, 0, 0, 0, 0, 0, 0);
    const count = Math.max(1, Math.min(options.vcpus, K.MAX_VCPUS));
    for (let i = 0; i < count; i++) this.#addVcpu(i, pid, options.spin);
    this.nanosecondsPerCount = 1e6 / Math.max(1, counterKhz(this.vcpus[0].parts.fd));
    for (const v of this.vcpus) {
      const tid = this.#kvmNative.start_vcpu(BigInt(v.parts.address));
      if (tid < 0) throw new KvmError(`clone of a processor's thread failed: errno ${-tid}`);
      v.started(tid);
      const timer = v.makeTimer();
      if (timer < 0) throw new KvmError(`timer_create failed: errno ${-timer}`);
    }
  }

  #addVcpu(index: number, pid: number, spin: number): void {
    const parts = this.machine.createVcpu(index, this.wakeFd);
    const slot = this.machine.slot(index);
    slot.u32[STATE] = L.STATE_PARKED;
    slot.u32[L.S_FPU >> 2] = 0x37f;
    slot.u32[(L.S_FPU + 24) >> 2] = 0x1f80;
    slot.put64(K.S_CR3, K.CONTROL_GPA + K.C_PML4);
    const v = new Vcpu(index, parts, slot, pid);
    v.u32[K.V_SPIN >> 2] = spin;
    this.machine.alignCounter(parts.fd, () => this.counter());
    this.vcpus.push(v);
  }

  /** The processor's time stamp counter. */
  counter(): number {
    return this.#kvmNative.counter();
  }

  #setup(): void {
    const state = this.machine.hostAddress + K.C_STATE;
    platformNative().exchange_setup(addressOf(this.#words), addressOf(this.#found), state);
  }

  createAddressSpace(): KvmAddressSpace {
    if (this.#dying.length > 0) this.#buryLeft();
    return new KvmAddressSpace(this);
  }

  /** A slot for a new thread; null if there are too many. */
  takeSlot(): KvmSlot | null {
    const free = this.#freeSlots.pop();
    if (free !== undefined) return free;
    for (let i = 0; i < this.#leaving.length; i++) {
      const { slot, vcpu, change } = this.#leaving[i];
      if (!vcpu.hasLeft(change)) continue;
      this.#leaving.splice(i, 1);
      return slot;
    }
    return this.#nextSlot < K.MAX_SLOTS ? this.machine.slot(this.#nextSlot++) : null;
  }

  resume(context: Context): void {
    const c = context as KvmContext;
    if (this.#pending !== null) this.#exchange(0, 0);
    const space = c.space;
    if (space.tables.stale || space.retired.length > 0) this.#synchronize(space);
    if (space.tables.failed || c.stop === Stop.Dead) {
      c.stop = Stop.Dead;
      this.#early.push(c);
      return;
    }
    if (!c.checkTarget()) {
      this.#early.push(c);
      return;
    }
    c.stop = Stop.None;
    c.interruptSent = false;
    const v = c.vcpu;
    if (v === null || (c.yielding && this.#queue.length > 0)) this.#enqueue(c);
    else this.#goOn(c, v);
  }

  #enqueue(c: KvmContext): void {
    c.storeReturn();
    c.queued = true;
    this.#queue.push(c);
  }

  /** Lets a context go on where it is loaded: by the next look for posts, as one native call does both. */
  #goOn(c: KvmContext, v: Vcpu): void {
    if (v.kicked) v.unkick();
    let flags = c.takeCommands();
    if (v.generation !== c.space.generation) {
      v.generation = c.space.generation;
      flags |= K.CMD_FLUSH;
    }
    this.#addRunning(c);
    this.#pending = c;
    this.#pendingFlags = c.hasReturn ? flags | EXCHANGE_RETURN : flags;
  }

  #addRunning(c: KvmContext): void {
    const i = this.#running.length;
    if (i >= this.#words.length) this.#grow();
    c.runningIndex = i;
    this.#running.push(c);
    const a = c.slot.hostAddress;
    this.#halves[2 * i] = a;
    this.#halves[2 * i + 1] = a / 4294967296;
  }

  #grow(): void {
    const words = new BigUint64Array(this.#words.length * 2);
    words.set(this.#words);
    this.#words = words;
    this.#halves = new Uint32Array(words.buffer);
    this.#setup();
  }

  #exchange(count: number, rounds: number): number {
    const c = this.#pending;
    if (c === null) return this.#native(0, 0, 0, count, rounds);
    this.#pending = null;
    c.hasReturn = false;
    return this.#native(c.slot.hostAddress, c.returned, this.#pendingFlags, count, rounds);
  }

  /** Gives processors that nobody needs to those who wait for one. */
  #dispatch(): void {
    const queue = this.#queue;
    while (queue.length > 0) {
      const c = queue[0];
      const v = c.vcpu ?? this.#pick(c);
      if (v === null) break;
      queue.shift();
      c.queued = false;
      if (v.context === c) {
        if (this.#pending !== null) this.#exchange(0, 0);
        this.#goOn(c, v);
      } else this.#switch(v, c);
    }
    if ((queue.length > 0) !== this.#quantum) this.#setQuantum(queue.length > 0);
  }

  /** A processor for a context: one without any, else one whose context waits in the kernel, else for its turn. */
  #pick(c: KvmContext): Vcpu | null {
    let best: Vcpu | null = null;
    let rank = 0;
    let working = 0;
    for (const v of this.vcpus) {
      if (v.broken) continue;
      working++;
      const held = v.context;
      if (held !== null && held.stop === Stop.None && !held.queued) continue;
      let r = held === null ? 4 : held.stop !== Stop.None ? 3 : 1;
      if (v === c.lastVcpu && r > 1) r++;
      if (r > rank) {
        rank = r;
        best = v;
      }
    }
    if (working === 0) throw new Error("kvm: no processor is left");
    return best;
  }

  /** Has a processor leave the slot that it is at, and run a context. */
  #switch(v: Vcpu, c: KvmContext): void {
    if (this.#pending !== null) this.#exchange(0, 0);
    this.awaitLeft(c);
    const from = v.slot;
    const old = v.context;
    let flags = K.CMD_SWITCH;
    v.switches = (v.switches + 1) | 0;
    if (old !== null) {
      // What it was to do before it goes on it does before it leaves.
      flags |= old.takeCommands();
      old.vcpu = null;
      old.lastVcpu = v;
      old.lastSwitch = v.switches;
    } else if (from !== v.idleSlot) {
      this.#leaving.push({ slot: from, vcpu: v, change: v.switches });
    }
    // A tick that came too late is not the next one's.
    v.unkick();
    v.previousSpace = v.space;
    v.space = c.space;
    v.generation = c.space.generation;
    v.slot = c.slot;
    v.context = c;
    c.vcpu = v;
    c.takeCommands();
    c.storeReturn();
    c.slot.u32[L.S_CMD >> 2] = 0;
    Atomics.store(c.slot.i32, STATE, L.STATE_RESUME);
    from.put64(K.S_NEXT, c.slot.address);
    this.#addRunning(c);
    this.#native(from.hostAddress, 0, flags, 0, 0);
  }

  /** Waits until the processor that a context was on has put its state into the slot. */
  awaitLeft(c: KvmContext): void {
    const v = c.lastVcpu;
    if (v === null || c.vcpu !== null || v.hasLeft(c.lastSwitch) || v.broken) return;
    for (let n = 0; !v.hasLeft(c.lastSwitch); n++) this.#wait(n, "does not change slots");
  }

  #wait(n: number, what: string): void {
    if (n < PATIENCE) return;
    if (n > PATIENCE_MAX) throw new Error(`kvm: a processor ${what}`);
    sys(SYS_SCHED_YIELD, 0, 0, 0, 0, 0, 0);
  }

  /** Makes sure that the slot of a stopped context has its FPU state. */
  saveFpu(c: KvmContext): void {
    if (c.vcpu === null) {
      this.awaitLeft(c);
      return;
    }
    if (c.fpuWritten) return;
    const i32 = c.slot.i32;
    c.slot.u8.fill(0, L.S_FPU + 512, L.S_FPU + this.xstateSize);
    this.#native(c.slot.hostAddress, 0, K.CMD_XSAVE | K.CMD_REPOST, 0, 0);
    for (let n = 0; Atomics.load(i32, STATE) !== L.STATE_POSTED; n++) {
      this.#wait(n, "does not answer");
    }
  }

  /**
   * Has processors forget what was taken out of page tables, and gives back what lay behind it. Those that run the
   * application are interrupted; those that wait are told when they go on; those that come to it load its tables anew.
   */
  #synchronize(space: KvmAddressSpace): void {
    const tables = space.tables;
    if (tables.stale) {
      tables.stale = false;
      space.generation++;
      for (const v of this.vcpus) if (isRunning(v, space)) this.#askFlush(v);
      for (const v of this.vcpus) if (isRunning(v, space)) this.#awaitFlush(v, space);
    }
    space.settle();
  }

  #askFlush(v: Vcpu): void {
    if (Atomics.load(v.slot.i32, STATE) & 1) return;
    Atomics.add(v.i32, K.V_FLUSH_WANTED >> 2, 1);
    v.kick(false);
  }

  #awaitFlush(v: Vcpu, space: KvmAddressSpace): void {
    const wanted = v.i32[K.V_FLUSH_WANTED >> 2];
    for (let n = 0; Atomics.load(v.i32, K.V_FLUSH_DONE >> 2) !== wanted; n++) {
      // It has stopped meanwhile: it is told when it goes on.
      if ((Atomics.load(v.slot.i32, STATE) & 1) !== 0) return;
      this.#wait(n, "does not flush its TLB");
    }
    v.generation = space.generation;
  }

  flush(context: Context): void {
    if (this.#pending !== null) this.#exchange(0, 0);
    this.#synchronize((context as KvmContext).space);
  }

  interrupt(context: Context): void {
    const c = context as KvmContext;
    if (c.stop !== Stop.None || c.interruptSent) return;
    if (c.queued) {
      this.#queue.splice(this.#queue.indexOf(c), 1);
      c.queued = false;
      c.stop = Stop.Interrupted;
      this.#early.push(c);
      return;
    }
    if (this.#pending !== null) this.#exchange(0, 0);
    c.interruptSent = true;
    c.vcpu?.kick(true);
  }

  poll(rounds = 0): KvmContext | null {
    if (this.#early.length > 0) return this.#early.pop()!;
    if (this.#queue.length > 0 || this.#quantum) this.#dispatch();
    const n = this.#running.length;
    if (n === 0) return null;
    const i = this.#exchange(n, rounds);
    if (i < 0) return null;
    const c = this.#running[i];
    this.#remove(c);
    if (c.readStop(this.#found)) c.yielding = c.stop === Stop.Interrupted && !c.interruptSent;
    else this.#lost(c);
    return c;
  }

  spin(): KvmContext | null {
    if (this.#timersOn && !this.#quantum) this.#setTimers(false);
    return this.poll(SPIN_ROUNDS);
  }

  #lost(c: KvmContext): void {
    c.stop = Stop.Dead;
    const v = c.vcpu;
    if (v === null || v.u32[K.V_FATAL >> 2] === 0) return;
    v.broken = true;
    v.context = null;
    v.space = null;
    c.vcpu = null;
  }

  #remove(c: KvmContext): void {
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
  }

  /** Takes a released context off all lists, and its slot back as soon as no processor uses it. */
  forget(c: KvmContext): void {
    if (this.#pending === c) this.#pending = null;
    if (c.runningIndex >= 0) this.#remove(c);
    if (c.queued) this.#queue.splice(this.#queue.indexOf(c), 1);
    c.queued = false;
    const early = this.#early.indexOf(c);
    if (early >= 0) this.#early.splice(early, 1);
    const v = c.vcpu;
    if (v !== null) {
      // The processor waits at the slot until it is wanted elsewhere.
      v.context = null;
      c.vcpu = null;
      Atomics.store(c.slot.i32, STATE, L.STATE_PARKED);
    } else if (c.lastVcpu === null || c.lastVcpu.hasLeft(c.lastSwitch)) {
      this.#freeSlots.push(c.slot);
    } else this.#leaving.push({ slot: c.slot, vcpu: c.lastVcpu, change: c.lastSwitch });
  }

  /** Frees the tables of a released space as soon as no processor uses them. */
  bury(space: KvmAddressSpace): void {
    const holders: { vcpu: Vcpu; change: number }[] = [];
    for (const v of this.vcpus) {
      if (v.broken) continue;
      if (v.space === space) holders.push({ vcpu: v, change: (v.switches + 1) | 0 });
      else if (v.previousSpace === space && !v.hasLeft(v.switches)) {
        holders.push({ vcpu: v, change: v.switches });
      }
    }
    if (holders.length === 0) space.tables.release();
    else this.#dying.push({ space, holders });
    if (this.#dying.length > 1) this.#buryLeft();
  }

  #buryLeft(): void {
    this.#dying = this.#dying.filter(({ space, holders }) => {
      if (holders.some((h) => !h.vcpu.broken && !h.vcpu.hasLeft(h.change))) return true;
      space.tables.release();
      return false;
    });
  }

  park(context: Context): void {
    const c = context as KvmContext;
    if (c.vcpu !== null) Atomics.store(c.slot.i32, STATE, L.STATE_PARKED);
  }

  /** Has applications be interrupted regularly, or no more. */
  #setQuantum(on: boolean): void {
    this.#quantum = on;
    for (const v of this.vcpus) v.u32[K.V_QUANTUM >> 2] = on ? 1 : 0;
    if (on && !this.#timersOn) this.#setTimers(true);
  }

  #setTimers(on: boolean): void {
    this.#timersOn = on;
    const interval = this.#interval;
    interval[1] = interval[3] = BigInt(on ? QUANTUM : 0);
    for (const v of this.vcpus) sys1(SYS_TIMER_SETTIME, v.timer, 0, 0, 0, 0, 0, 2, interval);
  }

  /** Contexts that run application code now, or could. */
  get runningCount(): number {
    return this.#running.length + this.#queue.length + this.#early.length;
  }

  collectDead(): void {}

  prepareSleep(): boolean {
    if (this.#queue.length > 0 || this.#quantum) this.#dispatch();
    if (this.#pending !== null) this.#exchange(0, 0);
    if (this.#early.length > 0) return false;
    if (this.#timersOn && !this.#quantum) this.#setTimers(false);
    Atomics.store(this.#state, L.SP_ASLEEP >> 2, 1);
    const running = this.#running;
    for (let i = 0; i < running.length; i++) {
      if ((Atomics.load(running[i].slot.i32, STATE) & 1) !== 0) {
        this.finishSleep();
        return false;
      }
    }
    return true;
  }

  finishSleep(): void {
    Atomics.store(this.#state, L.SP_ASLEEP >> 2, 0);
  }

  report(): string {
    const { posts, exits, ticks } = this.counters();
    return `kvm: ${posts} stops of applications, ${exits} exits of KVM_RUN, ${ticks} of them idle ticks`;
  }

  /** What the processors did so far. */
  counters(): KvmCounters {
    const sum = (field: number) => this.vcpus.reduce((n, v) => n + v.count(field), 0);
    return { posts: sum(K.V_POSTS), exits: sum(K.V_EXITS), ticks: sum(K.V_TICKS) };
  }

  /** As `destroy`, for a process that goes on: KVM may have a thread of its own in it as long as there is a machine. */
  close(): void {
    if (this.destroy()) this.machine.close(this.vcpus.map((v) => v.parts));
  }

  /** Ends the processors' threads; true if all of them have ended within some milliseconds. */
  destroy(): boolean {
    for (const v of this.vcpus) {
      Atomics.store(v.i32, K.V_QUIT >> 2, 1);
      // Neither to go on nor to sleep: whoever is about to wait for a change finds one.
      Atomics.store(v.slot.i32, STATE, STATE_ENDED);
      v.kick(false);
      sys(SYS_FUTEX, v.slot.hostAddress, FUTEX_WAKE, 1, 0, 0, 0);
    }
    for (let n = 0; n < PATIENCE; n++) {
      if (!this.vcpus.some((v) => v.isAlive)) return true;
      sys(SYS_SCHED_YIELD, 0, 0, 0, 0, 0, 0);
    }
    return false;
  }
}

/** Whether a processor runs an application of a space. */
function isRunning(v: Vcpu, space: AddressSpace): boolean {
  const c = v.context;
  return v.space === space && c !== null && c.stop === Stop.None && !c.queued && !v.broken;
}
