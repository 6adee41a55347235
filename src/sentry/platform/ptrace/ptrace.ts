import * as L from "../../../../ffi/stub/layout.ts";
import { type Context, type Platform, Reg, RegisterFile, Stop, USER_TOP } from "../platform.ts";
import { processCpuTime } from "../cpu_time.ts";
import { Slot } from "../slot.ts";
import { platformNative, StubHost, type StubProcess } from "../stub_host.ts";
import type { FramePool } from "../systrap/patch_table.ts";
import { probeXstate } from "../xstate.ts";
import { PtraceAddressSpace } from "./address_space.ts";
import { PtraceContext } from "./context.ts";
import { ChildSignal } from "./child_signal.ts";
import * as tracer from "./tracer.ts";

const SYS_EXIT = 60;
const SIGTRAP = 5;
const EVENT_CLONE = 3;
const POOL_MAX = 16;
/** Looks for a stopped thread before the sentry sleeps. */
const SPIN_ROUNDS = 200;

/** Application threads are traced host threads whose system calls PTRACE_SYSEMU holds back. */
export class PtracePlatform implements Platform {
  readonly name = "ptrace";
  readonly pool: FramePool;
  readonly host: StubHost;
  readonly wakeFd: number;
  readonly xmaskLow: number;
  readonly xstateSize: number;
  /** For FPU state on its way to somewhere else. */
  readonly fpuBuffer: Uint8Array<ArrayBuffer>;
  readonly #byTid = new Map<number, PtraceContext>();
  readonly #idle: StubProcess[] = [];
  readonly #child: ChildSignal;
  readonly #program = new RegisterFile();
  /** Stops of threads that were not known yet. */
  readonly #early = new Map<number, number>();
  #running = 0;
  /** Stopped or dead, to be returned by the next polls. */
  readonly #stopped: PtraceContext[] = [];

  constructor(options: { pool: FramePool; memoryFd: number }) {
    this.pool = options.pool;
    const x = probeXstate(platformNative().cpuid);
    this.xmaskLow = x.maskLow;
    this.xstateSize = x.size;
    this.fpuBuffer = new Uint8Array(x.size + 64);
    this.host = new StubHost(options.memoryFd, { seccomp: true, spin: 0 });
    this.wakeFd = this.host.wakeFd;
    this.#child = new ChildSignal(this.wakeFd);
  }

  createAddressSpace(): PtraceAddressSpace {
    return new PtraceAddressSpace(this);
  }

  slot(process: StubProcess, index: number): Slot {
    return new Slot(this.host.control, this.host.controlAddress, process.chunk, index);
  }

  /** A stopped, traced stub process. */
  take(): StubProcess | null {
    const idle = this.#idle.pop();
    if (idle !== undefined) return idle;
    const p = this.host.take();
    if (p === null) return null;
    const pid = this.host.pidOf(p);
    let r = pid < 0 ? pid : tracer.seize(pid);
    if (r >= 0) r = tracer.interrupt(pid);
    if (r < 0) throw new Error(`ptrace: cannot trace a stub process: errno ${-r}`);
    this.#waitFor(pid);
    return p;
  }

  /** Waits until a thread has stopped; returns the status. */
  #waitFor(tid: number): number {
    const early = this.#early.get(tid);
    if (early !== undefined) {
      this.#early.delete(tid);
      return early;
    }
    for (;;) {
      const r = tracer.wait(tid, true);
      if (r === tid) return tracer.lastStatus();
      if (r < 0 && r !== -4) return 0;
    }
  }

  adopt(c: PtraceContext): void {
    this.#byTid.set(c.tid, c);
  }

  forget(c: PtraceContext): void {
    if (c.tid !== 0 && this.#byTid.get(c.tid) === c) this.#byTid.delete(c.tid);
    if (c.running) this.#running--;
    c.running = false;
  }

  resume(context: Context): void {
    const c = context as PtraceContext;
    const space = c.space;
    if (c.stop === Stop.Dead || !this.#prepare(c, space)) {
      c.stop = Stop.Dead;
      this.#stopped.push(c);
      return;
    }
    const retired = space.retired;
    for (let i = 0; i < retired.length; i += 2) this.pool.unref(retired[i], retired[i + 1]);
    retired.length = 0;
    c.install();
    c.stop = Stop.None;
    c.running = true;
    this.#running++;
    if (tracer.sysemu(c.tid) < 0) {
      c.running = false;
      this.#running--;
      c.stop = Stop.Dead;
      this.#stopped.push(c);
    }
  }

  /** Runs the queued operations; by this thread, or by its maker if it does not exist yet. */
  #prepare(c: PtraceContext, space: PtraceAddressSpace): boolean {
    if (space.ops.count === 0) return c.tid !== 0;
    let runner = c;
    if (c.tid === 0) {
      const maker = space.contexts.find((x) => x.tid !== 0 && !x.running && x.stop !== Stop.Dead);
      if (maker === undefined) return false;
      runner = maker;
    }
    return this.#runQueue(runner, space) && c.tid !== 0;
  }

  /** Has a stopped thread do what is queued for its space, while others of it may run. */
  flush(context: Context): void {
    const c = context as PtraceContext;
    if (c.space.ops.count > 0 && c.stop !== Stop.Dead) this.#runQueue(c, c.space);
  }

  #runQueue(c: PtraceContext, space: PtraceAddressSpace): boolean {
    const ops = space.ops;
    let first = 0;
    while (first < ops.count) {
      const n = ops.write(c.slot.u32, first);
      c.slot.u32[L.S_PROG_COUNT >> 2] = n;
      if (!this.#runProgram(c, space)) {
        ops.clear();
        return false;
      }
      first += n;
    }
    ops.clear();
    return true;
  }

  /** Has a stopped thread run the program in its slot. False if it died. */
  #runProgram(c: PtraceContext, space: PtraceAddressSpace): boolean {
    const regs = this.#program;
    c.install();
    regs.copyFrom(c.regs());
    regs.set(Reg.ORIG_RAX, -1);
    regs.set(Reg.RIP, this.host.label("traced_program"));
    regs.set(Reg.RSP, c.stackTop);
    regs.set(Reg.RBX, c.slot.address);
    regs.set(Reg.EFLAGS, 0x202);
    tracer.setRegs(c.tid, regs.bytes);
    c.disturbed();
    for (;;) {
      if (tracer.cont(c.tid) < 0) return false;
      const status = this.#waitFor(c.tid);
      if ((status & 0xff) !== 0x7f) return false;
      const event = status >> 16;
      if (event === EVENT_CLONE) {
        this.#born(tracer.eventMessage(c.tid), space);
        continue;
      }
      if (event === 0 && ((status >> 8) & 0xff) === SIGTRAP) return true;
      // Another stop (a late interrupt) is of no interest here; any signal is dropped.
      if (event === 0 && ((status >> 8) & 0x7f) === 11) return false;
    }
  }

  #born(tid: number, space: PtraceAddressSpace): void {
    this.#waitFor(tid);
    const c = space.unborn.shift();
    if (c === undefined) return;
    c.tid = tid;
    if (c.released) {
      this.exitThread(c);
      return;
    }
    this.adopt(c);
  }

  interrupt(context: Context): void {
    const c = context as PtraceContext;
    if (c.running) tracer.interrupt(c.tid);
  }

  poll(): PtraceContext | null {
    const found = this.#stopped.pop();
    if (found !== undefined) return found;
    if (this.#running === 0) return null;
    for (;;) {
      const tid = tracer.wait(-1, false);
      if (tid <= 0) return null;
      const status = tracer.lastStatus();
      const c = this.#byTid.get(tid);
      if (c === undefined || !c.running) {
        // The first stop of a thread whose maker's event comes later, or the end of a forgotten one.
        if ((status & 0xff) === 0x7f) this.#early.set(tid, status);
        else if (c !== undefined) c.stop = Stop.Dead;
        continue;
      }
      this.#running--;
      if (c.stopped(status)) return c;
    }
  }

  spin(): PtraceContext | null {
    for (let i = 0; i < SPIN_ROUNDS; i++) {
      const c = this.poll();
      if (c !== null) return c;
    }
    return null;
  }

  park(_context: Context): void {
    // A stopped tracee sleeps as it is.
  }

  get runningCount(): number {
    return this.#running;
  }

  prepareSleep(): boolean {
    this.#child.enable();
    const c = this.poll();
    if (c === null) return true;
    this.#child.disable();
    this.#stopped.push(c);
    return false;
  }

  finishSleep(): void {
    this.#child.disable();
  }

  /** Ends a stopped thread. */
  exitThread(c: PtraceContext): void {
    const regs = this.#program;
    regs.words.fill(0);
    tracer.getRegs(c.tid, regs.bytes);
    c.slot.u32[L.S_PROG_COUNT >> 2] = 1;
    const p = L.S_PROGRAM >> 2;
    c.slot.u32.fill(0, p, p + 16);
    c.slot.u32[p] = SYS_EXIT;
    regs.set(Reg.ORIG_RAX, -1);
    regs.set(Reg.RIP, this.host.label("traced_program"));
    regs.set(Reg.RSP, c.stackTop);
    regs.set(Reg.RBX, c.slot.address);
    tracer.setRegs(c.tid, regs.bytes);
    tracer.cont(c.tid);
  }

  /** Empties a stub process and keeps it for another program. */
  recycle(p: StubProcess, c: PtraceContext): void {
    if (this.#idle.length >= POOL_MAX || !this.host.hasOneThread(p)) {
      this.kill(p);
      return;
    }
    p.cpuBase = processCpuTime(this.host.pidOf(p));
    c.space.ops.clear();
    c.space.ops.unmap(0, USER_TOP);
    if (this.#runQueue(c, c.space)) this.#idle.push(p);
    else this.kill(p);
  }

  kill(p: StubProcess): void {
    this.host.kill(p);
  }

  /** wait4 tells of deaths. */
  readonly deathFd = -1;

  collectDead(): void {}

  destroy(): void {
    this.host.destroy();
  }
}
