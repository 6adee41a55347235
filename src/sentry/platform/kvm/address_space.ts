import { FRAMES_GPA } from "../../../../ffi/kvm/layout.ts";
import type { AddressSpace, Context, TextMemory } from "../platform.ts";
import { USER_TOP } from "../platform.ts";
import { KvmContext } from "./context.ts";
import type { Kvm } from "./kvm.ts";
import { PageTables } from "./page_tables.ts";

const PAGE = 4096;

/** An address space: page tables, and the threads that use them. */
export class KvmAddressSpace implements AddressSpace {
  readonly platform: Kvm;
  readonly tables: PageTables;
  /** Guest-physical address of the top table. */
  readonly root: number;
  /** Unused: no call site needs a patch where system calls are cheap. */
  textMemory: TextMemory | null = null;
  readonly contexts: KvmContext[] = [];
  /** Grows whenever processors must forget what they remember of the tables. */
  generation = 0;
  /** Frames that may be given back once no processor remembers them: pairs of first and count. */
  readonly retired: number[] = [];

  constructor(platform: Kvm) {
    this.platform = platform;
    this.tables = new PageTables(platform.pool, platform.machine.kernelTable);
    this.root = FRAMES_GPA + this.tables.root * PAGE;
  }

  map(addr: number, length: number, prot: number, memOffset: number): void {
    this.tables.map(addr / PAGE, length / PAGE, prot, memOffset / PAGE);
  }

  unmap(addr: number, length: number): void {
    this.tables.unmap(addr / PAGE, length / PAGE);
  }

  protect(addr: number, length: number, prot: number): void {
    this.tables.protect(addr / PAGE, length / PAGE, prot);
  }

  retire(firstFrame: number, count: number): void {
    const r = this.retired;
    const n = r.length;
    if (n > 0 && r[n - 2] + r[n - 1] === firstFrame) r[n - 1] += count;
    else r.push(firstFrame, count);
  }

  newContext(reuse?: Context): KvmContext {
    const slot = this.platform.takeSlot();
    if (slot === null) throw new RangeError("no slot for a thread");
    const c = new KvmContext(this, slot, this.platform.xstateSize);
    // Where the old program ran the new one finds its processor awake.
    if (reuse instanceof KvmContext) c.lastVcpu = reuse.vcpu ?? reuse.lastVcpu;
    if (c.lastVcpu !== null) c.lastSwitch = c.lastVcpu.switches;
    this.contexts.push(c);
    return c;
  }

  contextReleased(c: KvmContext): void {
    const i = this.contexts.indexOf(c);
    if (i < 0) return;
    this.contexts.splice(i, 1);
    this.platform.forget(c);
  }

  reset(): void {
    this.unmap(0, USER_TOP);
  }

  /** Gives back retired frames and tables: no processor remembers them. */
  settle(): void {
    const r = this.retired;
    for (let i = 0; i < r.length; i += 2) this.platform.pool.unref(r[i], r[i + 1]);
    r.length = 0;
    this.tables.settle();
  }

  release(): void {
    // None of its applications runs again, so only the tables themselves are still looked at.
    for (const c of [...this.contexts]) c.release();
    const r = this.retired;
    for (let i = 0; i < r.length; i += 2) this.platform.pool.unref(r[i], r[i + 1]);
    r.length = 0;
    this.platform.bury(this);
  }
}
