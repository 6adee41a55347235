import assert from "node:assert/strict";
import { PID_MAX, PidNamespace } from "../../../../src/sentry/kernel/pid.ts";

Deno.test("ids are given out in order and not at once again", () => {
  const ns = new PidNamespace(null);
  const a = ns.allocate()!;
  const b = ns.allocate()!;
  assert.deepEqual([a.number, b.number], [1, 2]);
  b.releaseIfUnused();
  assert.equal(ns.get(2), null);
  assert.equal(ns.allocate()!.number, 3);
});

Deno.test("a process of a nested namespace has a number in each ancestor", () => {
  const root = new PidNamespace(null);
  root.allocate();
  const inner = new PidNamespace(root);
  const pid = inner.allocate()!;
  assert.equal(pid.numberIn(inner), 1);
  assert.equal(pid.numberIn(root), 2);
  assert.equal(root.get(2), pid);
  const sibling = new PidNamespace(root);
  assert.equal(pid.numberIn(sibling), 0);
  assert.equal(root.get(1)!.numberIn(inner), 0);
  pid.releaseIfUnused();
  assert.equal(root.get(2), null);
  assert.equal(inner.get(1), null);
});

Deno.test("when all ids are taken there is none", () => {
  const ns = new PidNamespace(null);
  for (let i = 1; i < PID_MAX; i++) assert.notEqual(ns.allocate(), null);
  assert.equal(ns.allocate(), null);
});
