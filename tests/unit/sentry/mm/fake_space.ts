import { FrameAllocator } from "../../../../src/sentry/mm/frames.ts";
import { MemoryManager } from "../../../../src/sentry/mm/memory_manager.ts";
import type {
  AddressSpace,
  Context,
  Platform,
  TextMemory,
} from "../../../../src/sentry/platform/platform.ts";
import { Stop } from "../../../../src/sentry/platform/platform.ts";

const PAGE = 4096;

interface HostPage {
  frame: number;
  prot: number;
}

/** An address space that does at once what a stub would do, and can play the processor. */
export class FakeSpace implements AddressSpace {
  readonly pages = new Map<number, HostPage>();
  readonly log: string[] = [];
  textMemory: TextMemory | null = null;
  faults = 0;

  constructor(readonly frames: FrameAllocator) {}

  map(addr: number, length: number, prot: number, memOffset: number): void {
    this.log.push(`map ${addr.toString(16)} ${length / PAGE} ${prot & 7}`);
    for (let i = 0; i < length / PAGE; i++) {
      this.pages.set(addr / PAGE + i, { frame: memOffset / PAGE + i, prot: prot & 7 });
    }
  }

  unmap(addr: number, length: number): void {
    this.log.push(`unmap ${addr.toString(16)} ${length / PAGE}`);
    for (const p of [...this.pages.keys()]) {
      if (p >= addr / PAGE && p < (addr + length) / PAGE) this.pages.delete(p);
    }
  }

  protect(addr: number, length: number, prot: number): void {
    this.log.push(`protect ${addr.toString(16)} ${length / PAGE} ${prot}`);
    for (let i = 0; i < length / PAGE; i++) {
      const p = this.pages.get(addr / PAGE + i);
      // The host stops at the first page that is not mapped.
      if (p === undefined) throw new Error(`protect of unmapped ${(addr + i * PAGE).toString(16)}`);
      p.prot = prot;
    }
  }

  retire(first: number, count: number): void {
    this.frames.unref(first, count);
  }

  newContext(): Context {
    throw new Error("no contexts here");
  }

  reset(): void {}
  release(): void {
    this.pages.clear();
  }

  /** Where the processor finds `addr`, faulting like one; a negative errno if the fault is the program's. */
  access(mm: MemoryManager, addr: number, write: boolean, exec = false): number {
    const need = write ? 2 : exec ? 4 : 1;
    for (let tries = 0; tries < 3; tries++) {
      const p = this.pages.get(Math.floor(addr / PAGE));
      if (p !== undefined && (p.prot & need) !== 0) return p.frame * PAGE + addr % PAGE;
      this.faults++;
      const r = mm.handleFault(addr, write, exec);
      if (r < 0) return r;
    }
    throw new Error(`fault at ${addr.toString(16)} is not resolved`);
  }

  load(mm: MemoryManager, addr: number): number {
    const at = this.access(mm, addr, false);
    return at < 0 ? at : this.frames.memory[at];
  }

  store(mm: MemoryManager, addr: number, v: number): number {
    const at = this.access(mm, addr, true);
    if (at < 0) return at;
    this.frames.memory[at] = v;
    return 0;
  }
}

/** A platform of fake spaces. */
export class FakePlatform implements Platform {
  readonly name = "fake";
  readonly wakeFd = -1;
  readonly runningCount = 0;
  readonly deathFd = -1;
  constructor(readonly frames: FrameAllocator) {}
  createAddressSpace(): FakeSpace {
    return new FakeSpace(this.frames);
  }
  resume(): void {}
  interrupt(): void {}
  flush(): void {}
  poll(): Context | null {
    return null;
  }
  spin(): Context | null {
    return null;
  }
  park(c: Context): void {
    c.stop = Stop.None;
  }
  prepareSleep(): boolean {
    return false;
  }
  finishSleep(): void {}
  collectDead(): void {}
  destroy(): void {}
}

/** An empty address space over `mib` MiB of memory. */
export function fakeMemory(
  mib = 64,
): { mm: MemoryManager; space: FakeSpace; frames: FrameAllocator } {
  const frames = FrameAllocator.create(mib << 20);
  const mm = new MemoryManager(frames, new FakePlatform(frames));
  mm.mmapBase = 0x7fee00000000;
  return { mm, space: mm.as as FakeSpace, frames };
}

/** The fake space of a memory manager. */
export function spaceOf(mm: MemoryManager): FakeSpace {
  return mm.as as FakeSpace;
}

/** mmap of anonymous private memory. */
export function anon(mm: MemoryManager, length: number, prot = 3, addr = 0, flags = 0): number {
  return mm.mmap({ addr, length, prot, flags: 0x22 | flags, file: null, offset: 0 });
}
