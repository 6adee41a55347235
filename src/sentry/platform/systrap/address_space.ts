import { STUB_CLONE_FLAGS } from "../../../../ffi/stub/filter.ts";
import * as L from "../../../../ffi/stub/layout.ts";
import { processCpuTime, threadCpuTime } from "../cpu_time.ts";
import { OpQueue } from "../op_queue.ts";
import {
  type AddressSpace,
  type Context,
  Reg,
  Stop,
  type TextMemory,
  USER_TOP,
} from "../platform.ts";
import { Slot } from "../slot.ts";
import type { StubProcess } from "../stub_host.ts";
import { SystrapContext } from "./context.ts";
import { PatchTable } from "./patch_table.ts";
import type { Systrap } from "./systrap.ts";

const SYS_CLONE = 56;

/** An address space: a stub process, made when its first thread is, and that process's threads. */
export class SystrapAddressSpace implements AddressSpace {
  readonly platform: Systrap;
  /** Host system calls to make before application code goes on. */
  readonly ops: OpQueue = new OpQueue();
  /** Frames that may be given back once `ops` have run: pairs of first and count. */
  retired: number[] = [];
  readonly patches: PatchTable;
  /** Set by the memory manager; lets call sites be patched. */
  textMemory: TextMemory | null = null;
  process: StubProcess | null = null;
  /** The last thread that was resumed with operations to do. */
  programmed: SystrapContext | null = null;
  readonly contexts: SystrapContext[] = [];
  /** Contexts that run application code now. */
  running = 0;
  #nextSlot = 0;
  #dying: Slot[] = [];
  #last: SystrapContext | null = null;
  /** The process can not be reused: more than its first thread may be in it. */
  #unclean = false;

  constructor(platform: Systrap, parent: SystrapAddressSpace | null) {
    this.platform = platform;
    this.patches = new PatchTable(platform.pool, this, platform.host.label("fast_entry"));
    if (parent !== null) this.patches.inherit(parent.patches);
  }

  map(addr: number, length: number, prot: number, memOffset: number): void {
    this.ops.map(addr, length, prot, L.FD_MEMORY, memOffset);
  }

  unmap(addr: number, length: number): void {
    this.ops.unmap(addr, length);
  }

  protect(addr: number, length: number, prot: number): void {
    this.ops.protect(addr, length, prot);
  }

  retire(firstFrame: number, count: number): void {
    const r = this.retired;
    const n = r.length;
    if (n > 0 && r[n - 2] + r[n - 1] === firstFrame) r[n - 1] += count;
    else r.push(firstFrame, count);
  }

  redirect(from: number, to: number): void {
    for (const c of this.contexts) {
      if (c.stop === Stop.None) continue;
      c.redirect(from, to);
    }
  }

  /** The application takes GS over: no site may use the stub's. */
  surrenderGs(): void {
    this.patches.undo();
  }

  newContext(reuse?: Context): SystrapContext {
    if (this.process === null && this.contexts.length === 0) return this.#firstContext(reuse);
    let slot: Slot | null = null;
    for (let i = 0; i < this.#dying.length; i++) {
      if (Atomics.load(this.#dying[i].i32, L.S_TID >> 2) !== 0) continue;
      slot = this.#dying[i];
      this.#dying.splice(i, 1);
      break;
    }
    if (slot === null) {
      if (this.#nextSlot >= L.SLOTS_PER_CHUNK) throw new RangeError("no slot for a thread");
      slot = this.platform.slot(this.process!, this.#nextSlot++);
    }
    slot.init(L.STATE_PARKED, this.platform.xmaskLow);
    slot.u32[L.S_TID >> 2] = 0xffffffff;
    this.#unclean = true;
    this.ops.call(
      SYS_CLONE,
      STUB_CLONE_FLAGS,
      slot.address + L.SLOT_SIZE,
      0,
      slot.address + L.S_TID,
      0,
    );
    return this.#add(slot);
  }

  /** True if another thread can be made. */
  get hasRoom(): boolean {
    return this.#nextSlot < L.SLOTS_PER_CHUNK || this.#dying.length > 0;
  }

  #firstContext(reuse?: Context): SystrapContext {
    const old = reuse instanceof SystrapContext ? reuse : null;
    let slot: Slot;
    if (old !== null && old.space !== this && old.space.canGiveProcess(old)) {
      this.process = old.space.giveProcess();
      slot = old.slot;
      // Whatever the old program had mapped goes first.
      const queued = this.ops;
      queued.unshiftUnmap(0, USER_TOP);
    } else {
      this.process = this.platform.take();
      if (this.process === null) throw new RangeError("no address space left");
      slot = this.platform.slot(this.process, 0);
      slot.init(Atomics.load(slot.i32, L.S_STATE >> 2), this.platform.xmaskLow);
    }
    this.#nextSlot = 1;
    this.platform.used(this.process, this);
    const c = this.#add(slot);
    c.restoreGs();
    c.fsBase = 0;
    return c;
  }

  #add(slot: Slot): SystrapContext {
    const c = new SystrapContext(this, slot, this.platform.xstateSize);
    c.regs().set(Reg.EFLAGS, 0x202);
    this.contexts.push(c);
    return c;
  }

  /** CPU time that a thread of this space has used, nanoseconds. */
  cpuTime(c: SystrapContext): number {
    const p = this.process;
    if (p === null) return 0;
    const pid = this.platform.host.pidOf(p);
    // What earlier threads of the process used is not to be counted again: once there were several, each is asked.
    const used = this.#unclean
      ? threadCpuTime(pid, Atomics.load(c.slot.i32, L.S_TID >> 2))
      : processCpuTime(pid);
    return c.slot.index === 0 ? Math.max(0, used - p.cpuBase) : used;
  }

  /** True if the process of `c` may run another program. */
  canGiveProcess(c: SystrapContext): boolean {
    return this.contexts.length === 1 && this.contexts[0] === c && c.slot.index === 0 &&
      !this.#unclean && this.process !== null && c.stop !== Stop.None && c.stop !== Stop.Dead;
  }

  /** Parts with the process; what was mapped is gone as far as this space is concerned. */
  giveProcess(): StubProcess {
    const p = this.process!;
    this.process = null;
    this.contexts.length = 0;
    this.#settle();
    return p;
  }

  contextReleased(c: SystrapContext): void {
    const i = this.contexts.indexOf(c);
    if (i < 0) return;
    this.contexts.splice(i, 1);
    this.platform.forget(c);
    if (this.contexts.length === 0) {
      this.#last = c;
      return;
    }
    if (c.stop !== Stop.Dead) this.platform.exitThread(c);
    this.#dying.push(c.slot);
  }

  reset(): void {
    this.ops.clear();
    this.ops.unmap(0, USER_TOP);
    this.patches.clear();
    this.patches.disabled = false;
  }

  release(): void {
    const p = this.process;
    const last = this.#last;
    this.process = null;
    this.#last = null;
    this.patches.clear();
    this.ops.clear();
    if (p !== null) {
      const clean = last !== null && last.slot.index === 0 && last.stop !== Stop.None &&
        last.stop !== Stop.Dead && !this.#unclean;
      if (clean) this.platform.recycle(p, last);
      else this.platform.host.kill(p);
    }
    this.#settle();
  }

  /** Gives back all retired frames: nothing of this space can run any more. */
  #settle(): void {
    const r = this.retired;
    for (let i = 0; i < r.length; i += 2) this.platform.pool.unref(r[i], r[i + 1]);
    r.length = 0;
  }
}
