import assert from "node:assert/strict";
import { FutexTable, FutexWaiter } from "../../../../src/sentry/kernel/futex.ts";
import type { Task } from "../../../../src/sentry/kernel/task.ts";
import type { FrameAllocator } from "../../../../src/sentry/mm/frames.ts";
import type { MemoryManager } from "../../../../src/sentry/mm/memory_manager.ts";

const SPACE = {} as MemoryManager;
const OTHER = {} as MemoryManager;

class FakeTask {
  woken = 0;
  wake(): void {
    this.woken++;
  }
}

function table(): FutexTable {
  return new FutexTable({ memory: new Uint8Array(4096) } as unknown as FrameAllocator);
}

function waiter(): { w: FutexWaiter; task: FakeTask } {
  const task = new FakeTask();
  return { w: new FutexWaiter(task as unknown as Task), task };
}

Deno.test("waking takes the oldest waiters of that futex only", () => {
  const futexes = table();
  const all = [waiter(), waiter(), waiter(), waiter()];
  futexes.add(all[0].w, SPACE, 64, -1);
  futexes.add(all[1].w, OTHER, 64, -1);
  futexes.add(all[2].w, SPACE, 64, -1);
  futexes.add(all[3].w, SPACE, 68, -1);
  assert.equal(futexes.wake(SPACE, 64, 1, -1), 1);
  assert.deepEqual(all.map((x) => x.task.woken), [1, 0, 0, 0]);
  assert.equal(futexes.wake(SPACE, 64, 10, -1), 1);
  assert.equal(futexes.wake(SPACE, 64, 10, -1), 0);
  assert.equal(futexes.wake(OTHER, 64, 10, -1), 1);
  assert.equal(futexes.wake(SPACE, 68, 10, -1), 1);
  assert.ok(all.every((x) => x.w.woken && x.w.bucket === -1));
});

Deno.test("a bitset chooses whom to wake", () => {
  const futexes = table();
  const a = waiter();
  const b = waiter();
  futexes.add(a.w, SPACE, 64, 1);
  futexes.add(b.w, SPACE, 64, 2);
  assert.equal(futexes.wake(SPACE, 64, 10, 2), 1);
  assert.equal(a.task.woken, 0);
  assert.equal(b.task.woken, 1);
});

Deno.test("waiters of a lock that is handed over are not woken by others", () => {
  const futexes = table();
  const a = waiter();
  a.w.forLock = true;
  futexes.add(a.w, SPACE, 64, -1);
  assert.equal(futexes.wake(SPACE, 64, 10, -1), 0);
  assert.equal(futexes.find(SPACE, 64, -1), a.w);
});

Deno.test("requeueing moves waiters in order, even onto the futex that they are on", () => {
  const futexes = table();
  const all = [waiter(), waiter(), waiter()];
  for (const { w } of all) futexes.add(w, SPACE, 64, -1);
  assert.equal(futexes.requeue(SPACE, 64, 2, SPACE, 128), 2);
  assert.equal(futexes.wake(SPACE, 64, 10, -1), 1);
  assert.equal(futexes.wake(SPACE, 128, 1, -1), 1);
  assert.deepEqual(all.map((x) => x.task.woken), [1, 0, 1]);
  const same = table();
  const more = [waiter(), waiter(), waiter()];
  for (const { w } of more) same.add(w, SPACE, 64, -1);
  assert.equal(same.requeue(SPACE, 64, 3, SPACE, 64), 3);
  assert.equal(same.wake(SPACE, 64, 10, -1), 3);
});

Deno.test("a waiter that gave up is not found any more", () => {
  const futexes = table();
  const a = waiter();
  futexes.add(a.w, null, 4096 * 1000 + 8, -1);
  futexes.remove(a.w);
  futexes.remove(a.w);
  assert.equal(futexes.wake(null, 4096 * 1000 + 8, 10, -1), 0);
});
