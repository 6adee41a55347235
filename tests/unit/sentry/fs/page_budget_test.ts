import assert from "node:assert/strict";
import { PageBudget } from "../../../../src/sentry/fs/hostfs/page_budget.ts";
import type { Kernel } from "../../../../src/sentry/kernel/kernel.ts";
import { TimerQueue } from "../../../../src/sentry/kernel/timers.ts";
import { KernelIo } from "../../../../src/sentry/mm/io_buffer.ts";
import { PageCache } from "../../../../src/sentry/mm/page_cache.ts";
import { World } from "../vfs/harness.ts";

Deno.test("clean pages of host files go when there are too many, when the run loop comes by", () => {
  const w = new World();
  const { frames, clock } = w.kernel;
  const timers = new TimerQueue(clock);
  const budget = new PageBudget({ frames, timers } as unknown as Kernel, 100);
  const make = (pages: number) => {
    const cache = new PageCache(frames, {
      fill(_index, count) {
        budget.add(count);
        return count * 4096;
      },
    });
    cache.size = pages * 4096;
    return cache;
  };
  const io = new KernelIo(frames.memory);
  const buffer = new Uint8Array(80 * 4096);
  const old = make(80);
  const recent = make(80);
  for (const cache of [old, recent]) cache.read(io.reset(buffer, 0, buffer.length), 0, 80 * 4096);
  assert.equal(old.present + recent.present, 160);
  timers.run(timers.now());
  assert.ok(old.present + recent.present <= 100);
  assert.ok(recent.present > old.present);
  old.read(io.reset(buffer, 0, 4096), 79 * 4096, 4096);
  old.release();
  recent.release();
});
