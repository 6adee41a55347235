import assert from "node:assert/strict";
import { EACCES, EFAULT, EIO } from "../../../../src/abi/errno.ts";
import type { FrameAllocator } from "../../../../src/sentry/mm/frames.ts";
import type { MemoryManager } from "../../../../src/sentry/mm/memory_manager.ts";
import { PageCache } from "../../../../src/sentry/mm/page_cache.ts";
import { PTE_FRAME, PTE_MAPPED, PTE_WRITE } from "../../../../src/sentry/mm/page_table.ts";
import { fakeMemory, spaceOf } from "./fake_space.ts";

const PAGE = 4096;
const BASE = 0x10000000;
const PAGES = 96;
const FILE_PAGES = 24;

/** Numbers that are random and the same in every run. */
class Random {
  #s: number;
  constructor(seed: number) {
    this.#s = seed >>> 0;
  }
  below(n: number): number {
    this.#s = (Math.imul(this.#s, 1664525) + 1013904223) >>> 0;
    return Math.floor(this.#s / 4294967296 * n);
  }
}

/** Where a byte of the model lives: one cell may be seen from several pages. */
interface Cell {
  v: number;
}

interface ModelPage {
  prot: number;
  shared: boolean;
  cell: Cell;
  /** Page of the file, -1 for anonymous memory. */
  index: number;
  /** A private page of a file that was not written yet shows the file. */
  clean: boolean;
}

type Model = (ModelPage | null)[];

/** What memory should be like, byte 0 of every page. */
class Side {
  constructor(readonly mm: MemoryManager, readonly model: Model) {}
}

function check(side: Side, frames: FrameAllocator): void {
  const { mm } = side;
  const host = spaceOf(mm).pages;
  for (let i = 0; i < PAGES; i++) {
    const page = BASE / PAGE + i;
    const e = mm.table.get(page);
    const h = host.get(page);
    const m = side.model[i];
    if (h !== undefined) {
      assert.ok((e & PTE_MAPPED) !== 0, `page ${i} is mapped in the stub but not in the table`);
      assert.equal(h.frame, e & PTE_FRAME);
      assert.ok(m !== null, `page ${i} is mapped in the stub but not by the program`);
      assert.equal(h.prot & ~(m.prot | (m.prot !== 0 ? 1 : 0)), 0, `page ${i} allows too much`);
      if ((h.prot & 2) !== 0) {
        assert.ok((e & PTE_WRITE) !== 0);
        if (!m.shared) assert.equal(frames.refs(h.frame), 1, `page ${i} is writable but shared`);
      }
    } else assert.equal(e & PTE_MAPPED, 0, `page ${i} is lost in the stub`);
    assert.equal(mm.vmas.find(BASE + i * PAGE) !== null, m !== null, `area of page ${i}`);
  }
  const list = mm.vmas.list;
  for (let i = 1; i < list.length; i++) assert.ok(list[i - 1].end <= list[i].start);
}

function run(seed: number, steps: number): void {
  const { mm, frames } = fakeMemory(64);
  const r = new Random(seed);
  const file = new PageCache(frames, {
    fill(index, count, memOffset) {
      for (let i = 0; i < count; i++) frames.memory[memOffset + i * PAGE] = 100 + index + i;
      return count * PAGE;
    },
  });
  file.size = FILE_PAGES * PAGE;
  const fileCells: Cell[] = Array.from({ length: FILE_PAGES }, (_, i) => ({ v: 100 + i }));
  let sides = [new Side(mm, new Array<ModelPage | null>(PAGES).fill(null))];
  const range = () => {
    const a = r.below(PAGES);
    return [a, Math.min(PAGES, a + 1 + r.below(r.below(4) === 0 ? 40 : 8))];
  };
  for (let step = 0; step < steps; step++) {
    const side = sides[r.below(sides.length)];
    const { mm, model } = side;
    const space = spaceOf(mm);
    const [a, b] = range();
    const addr = BASE + a * PAGE;
    const length = (b - a) * PAGE;
    switch (r.below(14)) {
      case 0:
      case 1: {
        const prot = [0, 1, 3, 3, 3, 5][r.below(6)];
        const shared = r.below(4) === 0;
        const flags = 0x10 | (shared ? 0x21 : 0x22);
        assert.equal(mm.mmap({ addr, length, prot, flags, file: null, offset: 0 }), addr);
        for (let i = a; i < b; i++) {
          model[i] = { prot, shared, cell: { v: 0 }, index: -1, clean: false };
        }
        break;
      }
      case 2: {
        const prot = [1, 3, 3, 5][r.below(4)];
        const shared = r.below(2) === 0;
        const first = r.below(FILE_PAGES);
        const flags = 0x10 | (shared ? 1 : 2);
        const offset = first * PAGE;
        assert.equal(
          mm.mmap({ addr, length, prot, flags, file: null, offset, source: file, vmFlags: 0 }),
          addr,
        );
        for (let i = a; i < b; i++) {
          const index = first + i - a;
          const cell = index < FILE_PAGES ? fileCells[index] : { v: -EIO };
          model[i] = { prot, shared, cell, index, clean: true };
        }
        break;
      }
      case 3:
        assert.equal(mm.munmap(addr, length), 0);
        model.fill(null, a, b);
        break;
      case 4: {
        const prot = [0, 1, 3, 3, 5][r.below(5)];
        let stop = a;
        while (stop < b && model[stop] !== null) stop++;
        const got = mm.mprotect(addr, length, prot);
        assert.equal(got === 0, stop === b);
        for (let i = a; i < stop; i++) model[i] = { ...model[i]!, prot };
        break;
      }
      case 5:
      case 6:
      case 7: {
        const i = a;
        const m = model[i];
        const v = 1 + r.below(90);
        const byKernel = r.below(2) === 0;
        const past = m !== null && m.index >= FILE_PAGES;
        const got = byKernel ? mm.writeU8(BASE + i * PAGE, v) : space.store(mm, BASE + i * PAGE, v);
        if (m === null) assert.equal(got, -EFAULT);
        else if ((m.prot & 2) === 0) assert.equal(got, byKernel ? -EFAULT : -EACCES);
        else if (past) assert.equal(got, byKernel ? -EFAULT : -EIO);
        else {
          assert.equal(got, 0);
          if (m.shared) m.cell.v = v;
          else model[i] = { ...m, cell: { v }, clean: false };
        }
        break;
      }
      case 8:
      case 9:
      case 10: {
        const i = a;
        const m = model[i];
        const byKernel = r.below(2) === 0;
        const got = byKernel ? mm.readU8(BASE + i * PAGE) : space.load(mm, BASE + i * PAGE);
        if (m === null) assert.equal(got, -EFAULT);
        else if (m.prot === 0) assert.equal(got, byKernel ? -EFAULT : -EACCES);
        else if (m.index >= FILE_PAGES) assert.equal(got, byKernel ? -EFAULT : -EIO);
        // Whether a private mapping shows what others write to the file later is not specified.
        else if (m.clean && !m.shared && m.index >= 0) assert.ok(got > 0);
        else assert.equal(got, m.cell.v, `page ${i} at step ${step}`);
        break;
      }
      case 11: {
        if (sides.length >= 4) {
          const gone = sides[r.below(sides.length)];
          gone.mm.release();
          sides = sides.filter((s) => s !== gone);
          break;
        }
        const child = mm.fork();
        assert.ok(typeof child !== "number");
        sides.push(
          new Side(
            child,
            model.map((m) =>
              m === null ? null : m.shared || m.clean ? { ...m } : {
                ...m,
                cell: { v: m.cell.v },
              }
            ),
          ),
        );
        break;
      }
      case 12: {
        const got = mm.madvise(addr, length, 4);
        assert.equal(got === 0, model.slice(a, b).every((m) => m !== null));
        for (let i = a; i < b; i++) {
          const m = model[i];
          if (m === null || m.shared) continue;
          if (m.index < 0) model[i] = { ...m, cell: { v: 0 } };
          else if (m.index < FILE_PAGES) {
            model[i] = { ...m, cell: fileCells[m.index], clean: true };
          }
        }
        break;
      }
      case 13: {
        // Moves within the window, from and to where nothing overlaps.
        const to = r.below(PAGES - (b - a));
        const first = model[a];
        if (first === null || (to < b && a < to + (b - a))) break;
        const v = mm.vmas.find(addr)!;
        if (addr + length > v.end) break;
        assert.equal(mm.mremap(addr, length, length, 3, BASE + to * PAGE), BASE + to * PAGE);
        for (let i = a; i < b; i++) {
          model[to + i - a] = model[i];
          model[i] = null;
        }
        break;
      }
    }
    if (step % 7 === 0) { for (const s of sides) check(s, frames); }
  }
  for (const s of sides) s.mm.release();
  file.release();
  assert.equal(frames.usedFrames, 0, "frames are left over");
}

Deno.test("memory behaves as a simple model of it in random order of calls", () => {
  for (let seed = 1; seed <= 40; seed++) {
    try {
      run(seed, 400);
    } catch (e) {
      throw new Error(`seed ${seed}: ${(e as Error).stack}`);
    }
  }
});
