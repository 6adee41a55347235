import assert from "node:assert/strict";
import { S_PROGRAM, S_PROGRAM_MAX, SLOT_SIZE } from "../../../../ffi/stub/layout.ts";
import { OpQueue } from "../../../../src/sentry/platform/op_queue.ts";

/** The operations as the stub would read them. */
function read(queue: OpQueue, first = 0): number[][] {
  const slot = new Uint32Array(SLOT_SIZE / 4);
  const n = queue.write(slot, first);
  const view = new DataView(slot.buffer, S_PROGRAM);
  return Array.from(
    { length: n },
    (_, i) => Array.from({ length: 7 }, (_, j) => Number(view.getBigInt64(64 * i + 8 * j, true))),
  );
}

Deno.test("operations on adjacent ranges become one", () => {
  const q = new OpQueue();
  q.map(0x1000, 0x1000, 3, 3, 0x10000);
  q.map(0x2000, 0x2000, 3, 3, 0x11000);
  q.unmap(0x8000, 0x1000);
  q.unmap(0x9000, 0x1000);
  q.protect(0x1000, 0x1000, 1);
  q.protect(0x2000, 0x1000, 1);
  assert.deepEqual(read(q), [
    [9, 0x1000, 0x3000, 3, 0x11, 3, 0x10000],
    [11, 0x8000, 0x2000, 0, 0, 0, 0],
    [10, 0x1000, 0x2000, 1, 0, 0, 0],
  ]);
});

Deno.test("operations that only look adjacent stay apart", () => {
  const q = new OpQueue();
  q.map(0x1000, 0x1000, 3, 3, 0x10000);
  q.map(0x2000, 0x1000, 1, 3, 0x11000);
  q.map(0x3000, 0x1000, 1, 3, 0x20000);
  q.unmap(0x1000, 0x1000);
  q.unmap(0x3000, 0x1000);
  assert.equal(read(q).length, 5);
});

Deno.test("an unmapping can be put before all others", () => {
  const q = new OpQueue();
  q.map(0x1000, 0x1000, 3, 3, 0);
  q.unshiftUnmap(0, 0x7f0000000000);
  assert.deepEqual(read(q).map((op) => op[0]), [11, 9]);
});

Deno.test("a long queue is written in parts", () => {
  const q = new OpQueue();
  for (let i = 0; i < 2 * S_PROGRAM_MAX + 5; i++) q.unmap(i * 0x2000, 0x1000);
  const parts = [read(q), read(q, S_PROGRAM_MAX), read(q, 2 * S_PROGRAM_MAX)];
  assert.deepEqual(parts.map((p) => p.length), [S_PROGRAM_MAX, S_PROGRAM_MAX, 5]);
  assert.equal(parts[2][4][1], (2 * S_PROGRAM_MAX + 4) * 0x2000);
});
