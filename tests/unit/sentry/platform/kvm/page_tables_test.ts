import assert from "node:assert/strict";
import { FRAMES_GPA } from "../../../../../ffi/kvm/layout.ts";
import { PageTables } from "../../../../../src/sentry/platform/kvm/page_tables.ts";

const PAGE = 4096;
const READ = 1;
const WRITE = 2;
const EXEC = 4;
const ADDRESS = 0x000ffffffffff000n;

/** Memory for tables, which counts who uses what. */
class Pool {
  readonly memory: Uint8Array;
  readonly used = new Set<number>();
  limit = Infinity;
  #next = 1;
  #free: number[] = [];

  constructor(frames: number) {
    this.memory = new Uint8Array(frames * PAGE);
  }

  alloc(count: number): number {
    assert.equal(count, 1);
    if (this.used.size >= this.limit) return -12;
    const frame = this.#free.pop() ?? this.#next++;
    this.memory.fill(0, frame * PAGE, (frame + 1) * PAGE);
    this.used.add(frame);
    return frame;
  }

  ref(): void {}

  unref(frame: number): void {
    assert.ok(this.used.delete(frame));
    this.#free.push(frame);
  }
}

/** What a processor makes of an address: frame and protection, or null. */
function walk(pool: Pool, root: number, page: number): [number, number] | null {
  const view = new DataView(pool.memory.buffer);
  let table = root;
  let prot = WRITE;
  let index = page;
  for (let level = 3; level >= 0; level--) {
    const entry = view.getBigUint64(
      table * PAGE + 8 * (Math.floor(index / 512 ** level) % 512),
      true,
    );
    if ((entry & 1n) === 0n) return null;
    assert.equal(entry & 0x24n, 0x24n, "user and accessed");
    if ((entry & 2n) === 0n) prot &= ~WRITE;
    const frame = (Number(entry & ADDRESS) - FRAMES_GPA) / PAGE;
    const large = level === 1 && (entry & 0x80n) !== 0n;
    if (level === 0 || large) {
      assert.equal(entry & 0x40n, 0x40n, "dirty");
      const exec = entry >> 63n === 0n ? EXEC : 0;
      return [large ? frame + (page % 512) : frame, READ | prot | exec];
    }
    table = frame;
    index = page;
  }
  return null;
}

Deno.test("page tables say what was mapped, whatever was mapped before", () => {
  const pool = new Pool(4096);
  const tables = new PageTables(pool, FRAMES_GPA);
  const base = 0x123456 * 512 - 700;
  const span = 3000;
  const model: ([number, number] | null)[] = new Array(span).fill(null);
  let seed = 7;
  const random = (n: number) => (seed = (seed * 1103515245 + 12345) % 2147483648) % n;
  for (let round = 0; round < 400; round++) {
    const start = random(span);
    const count = 1 + random(random(3) === 0 ? span - start : Math.min(40, span - start));
    const prot = [0, READ, READ | WRITE, READ | EXEC, READ | WRITE | EXEC][random(5)];
    const frame = random(2) === 0
      ? 512 * (1 + random(9)) + ((base + start) % 512)
      : 1 + random(90000);
    const kind = random(4);
    for (let i = start; i < start + count; i++) {
      if (kind === 0) model[i] = null;
      else if (kind === 1) {
        if (model[i] !== null) model[i] = prot === 0 ? null : [model[i]![0], prot];
      } else model[i] = prot === 0 ? null : [frame + i - start, prot];
    }
    if (kind === 0) tables.unmap(base + start, count);
    else if (kind === 1) tables.protect(base + start, count, prot);
    else tables.map(base + start, count, prot, frame);
    if (round % 8 === 0) tables.settle();
    for (let i = 0; i < span; i += 1 + random(20)) {
      assert.deepEqual(walk(pool, tables.root, base + i), model[i], `page ${i} in round ${round}`);
    }
  }
  assert.equal(tables.failed, false);
  tables.release();
  assert.equal(pool.used.size, 0);
});

Deno.test("an address space that is emptied keeps few tables", () => {
  const pool = new Pool(4096);
  const tables = new PageTables(pool, FRAMES_GPA);
  for (let i = 0; i < 500; i++) {
    tables.map(i * 512 * 3, 1, READ, 5);
    tables.unmap(i * 512 * 3, 1);
  }
  tables.settle();
  assert.ok(pool.used.size < 10, String(pool.used.size));
});

Deno.test("nothing stale is left by what only adds", () => {
  const tables = new PageTables(new Pool(64), FRAMES_GPA);
  tables.map(100, 300, READ, 7);
  assert.equal(tables.stale, false);
  tables.map(100, 300, READ, 7);
  assert.equal(tables.stale, false);
  tables.protect(100, 1, READ | WRITE);
  assert.equal(tables.stale, true);
});

Deno.test("memory that runs out is told, and does no harm", () => {
  const pool = new Pool(64);
  const tables = new PageTables(pool, FRAMES_GPA);
  pool.limit = 3;
  tables.map(5, 1, READ, 7);
  assert.equal(tables.failed, true);
  assert.equal(walk(pool, tables.root, 5), null);
  tables.release();
  assert.equal(pool.used.size, 0);
});
