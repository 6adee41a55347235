import assert from "node:assert/strict";
import { Waiter, WaitQueue } from "../../../../src/sentry/kernel/wait.ts";

class Recorder extends Waiter {
  constructor(readonly log: string[], readonly name: string, mask = 1) {
    super();
    this.mask = mask;
  }

  act: () => void = () => {};

  override onWake(mask: number): void {
    this.log.push(`${this.name}:${mask}`);
    this.act();
  }
}

Deno.test("notify wakes the waiters whose mask meets it, oldest first", () => {
  const log: string[] = [];
  const queue = new WaitQueue();
  queue.add(new Recorder(log, "a", 1));
  queue.add(new Recorder(log, "b", 2));
  queue.add(new Recorder(log, "c", 3));
  queue.notify(1);
  assert.deepEqual(log, ["a:1", "c:1"]);
  assert.equal(queue.notifyOne(2), true);
  assert.deepEqual(log, ["a:1", "c:1", "b:2"]);
  assert.equal(queue.notifyOne(8), false);
});

Deno.test("a waiter may take out itself and others while it is notified", () => {
  const log: string[] = [];
  const queue = new WaitQueue();
  const a = new Recorder(log, "a");
  const b = new Recorder(log, "b");
  const c = new Recorder(log, "c");
  for (const w of [a, b, c]) queue.add(w);
  a.act = () => {
    queue.remove(a);
    queue.remove(b);
  };
  queue.notify(1);
  assert.deepEqual(log, ["a:1", "c:1"]);
  assert.equal(queue.empty, false);
  queue.remove(c);
  assert.equal(queue.empty, true);
});

Deno.test("a waiter that queues itself again is not notified twice", () => {
  const log: string[] = [];
  const queue = new WaitQueue();
  const a = new Recorder(log, "a");
  a.act = () => {
    queue.remove(a);
    queue.add(a);
  };
  queue.add(a);
  queue.notify(1);
  assert.deepEqual(log, ["a:1"]);
});

Deno.test("a notification inside of a notification reaches every waiter", () => {
  const log: string[] = [];
  const queue = new WaitQueue();
  const a = new Recorder(log, "a");
  const b = new Recorder(log, "b");
  let nested = false;
  a.act = () => {
    if (nested) return;
    nested = true;
    queue.notify(1);
  };
  queue.add(a);
  queue.add(b);
  queue.notify(1);
  assert.deepEqual(log, ["a:1", "a:1", "b:1", "b:1"]);
});
