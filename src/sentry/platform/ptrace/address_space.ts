import { STUB_CLONE_FLAGS } from "../../../../ffi/stub/filter.ts";
import * as L from "../../../../ffi/stub/layout.ts";
import { processCpuTime, threadCpuTime } from "../cpu_time.ts";
import { OpQueue } from "../op_queue.ts";
import { type AddressSpace, type Context, Stop, type TextMemory, USER_TOP } from "../platform.ts";
import type { StubProcess } from "../stub_host.ts";
import { PtraceContext } from "./context.ts";
import type { PtracePlatform } from "./ptrace.ts";

const SYS_CLONE = 56;

/** An address space: a traced stub process and its threads. */
export class PtraceAddressSpace implements AddressSpace {
  readonly platform: PtracePlatform;
  readonly ops: OpQueue = new OpQueue();
  readonly retired: number[] = [];
  /** Unused: no site is patched where every call traps anyhow. */
  textMemory: TextMemory | null = null;
  process: StubProcess | null = null;
  readonly contexts: PtraceContext[] = [];
  /** Contexts whose threads the queued clone operations will make, in order. */
  readonly unborn: PtraceContext[] = [];
  #nextSlot = 0;
  #last: PtraceContext | null = null;
  #unclean = false;

  constructor(platform: PtracePlatform) {
    this.platform = platform;
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

  newContext(reuse?: Context): PtraceContext {
    if (this.process === null && this.contexts.length === 0) return this.#firstContext(reuse);
    if (this.#nextSlot >= L.SLOTS_PER_CHUNK) throw new RangeError("no slot for a thread");
    const slot = this.platform.slot(this.process!, this.#nextSlot++);
    this.#unclean = true;
    const stack = slot.address + L.SLOT_SIZE;
    this.ops.call(SYS_CLONE, STUB_CLONE_FLAGS, stack, 0, slot.address + L.S_TID, 0);
    const c = new PtraceContext(this, slot, this.platform.xstateSize);
    this.contexts.push(c);
    this.unborn.push(c);
    return c;
  }

  #firstContext(reuse?: Context): PtraceContext {
    const old = reuse instanceof PtraceContext ? reuse : null;
    let tid: number;
    if (old !== null && old.space !== this && old.space.canGiveProcess(old)) {
      this.process = old.space.giveProcess();
      this.platform.forget(old);
      tid = old.tid;
      this.ops.unshiftUnmap(0, USER_TOP);
    } else {
      this.process = this.platform.take();
      if (this.process === null) throw new RangeError("no address space left");
      tid = this.platform.host.pidOf(this.process);
    }
    this.#nextSlot = 1;
    const slot = this.platform.slot(this.process, 0);
    const c = new PtraceContext(this, slot, this.platform.xstateSize);
    c.tid = tid;
    this.contexts.push(c);
    this.platform.adopt(c);
    return c;
  }

  /** CPU time that a thread of this space has used, nanoseconds. */
  cpuTime(c: PtraceContext): number {
    const p = this.process;
    if (p === null || c.tid === 0) return 0;
    const pid = this.platform.host.pidOf(p);
    const used = this.#unclean ? threadCpuTime(pid, c.tid) : processCpuTime(pid);
    return c.tid === pid ? Math.max(0, used - p.cpuBase) : used;
  }

  /** True if the process of `c` may run another program. */
  canGiveProcess(c: PtraceContext): boolean {
    return this.contexts.length === 1 && this.contexts[0] === c && !this.#unclean &&
      this.process !== null && !c.running && c.stop !== Stop.Dead;
  }

  giveProcess(): StubProcess {
    const p = this.process!;
    this.process = null;
    this.contexts.length = 0;
    this.#settle();
    return p;
  }

  contextReleased(c: PtraceContext): void {
    const i = this.contexts.indexOf(c);
    if (i < 0) return;
    this.contexts.splice(i, 1);
    const unborn = this.unborn.indexOf(c);
    if (unborn >= 0) c.stop = Stop.Dead;
    if (this.contexts.length === 0) {
      this.#last = c;
      return;
    }
    this.platform.forget(c);
    if (c.stop !== Stop.Dead && c.tid !== 0) this.platform.exitThread(c);
  }

  reset(): void {
    this.ops.clear();
    this.ops.unmap(0, USER_TOP);
  }

  release(): void {
    const p = this.process;
    const last = this.#last;
    this.process = null;
    this.#last = null;
    this.ops.clear();
    if (p !== null) {
      const clean = last !== null && !last.running && last.stop !== Stop.Dead && !this.#unclean;
      if (clean) this.platform.recycle(p, last);
      else this.platform.kill(p);
    }
    if (last !== null) this.platform.forget(last);
    this.#settle();
  }

  #settle(): void {
    const r = this.retired;
    for (let i = 0; i < r.length; i += 2) this.platform.pool.unref(r[i], r[i + 1]);
    r.length = 0;
  }
}
