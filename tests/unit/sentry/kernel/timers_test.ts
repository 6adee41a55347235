import assert from "node:assert/strict";
import { Clock, ManualClockSource } from "../../../../src/sentry/kernel/clock.ts";
import { Timer, TimerQueue } from "../../../../src/sentry/kernel/timers.ts";

class Recorder extends Timer {
  constructor(readonly log: number[], deadline: number) {
    super();
    this.deadline = deadline;
  }

  override fire(): void {
    this.log.push(this.deadline);
  }
}

function queue(): TimerQueue {
  return new TimerQueue(new Clock(new ManualClockSource()));
}

Deno.test("timers fire in the order of their deadlines and not before them", () => {
  const log: number[] = [];
  const timers = queue();
  for (const d of [50, 10, 40, 30, 20, 60]) timers.add(new Recorder(log, d));
  assert.equal(timers.next(), 10);
  timers.run(35);
  assert.deepEqual(log, [10, 20, 30]);
  assert.equal(timers.next(), 40);
  timers.run(1000);
  assert.deepEqual(log, [10, 20, 30, 40, 50, 60]);
  assert.equal(timers.next(), Infinity);
});

Deno.test("a cancelled timer does not fire, wherever it was in the heap", () => {
  for (let victim = 0; victim < 32; victim++) {
    const log: number[] = [];
    const timers = queue();
    const all: Recorder[] = [];
    for (let i = 0; i < 32; i++) all.push(new Recorder(log, (i * 37) % 101));
    for (const t of all) timers.add(t);
    timers.cancel(all[victim]);
    timers.cancel(all[victim]);
    timers.run(1000);
    const want = all.filter((_, i) => i !== victim).map((t) => t.deadline).sort((a, b) => a - b);
    assert.deepEqual(log, want);
  }
});

Deno.test("a timer that queues itself again in the past waits for the next run", () => {
  class Again extends Timer {
    fired = 0;
    constructor(readonly timers: TimerQueue) {
      super();
      this.deadline = 1;
    }
    override fire(): void {
      this.fired++;
      this.timers.add(this);
    }
  }
  const timers = queue();
  const again = new Again(timers);
  timers.add(again);
  timers.run(10);
  assert.equal(again.fired, 1);
  timers.run(10);
  assert.equal(again.fired, 2);
});
