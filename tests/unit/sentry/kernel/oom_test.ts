import assert from "node:assert/strict";
import { outOfMemory } from "../../../../src/sentry/kernel/oom.ts";
import { PendingSignals } from "../../../../src/sentry/kernel/signal_set.ts";
import type { Task } from "../../../../src/sentry/kernel/task.ts";

/** Just as much of a kernel as picking a process looks at. */
function makeKernel() {
  const pids: { task: unknown }[] = [];
  let now = 0;
  const kernel = {
    clock: { monotonic: () => now, realtime: () => now },
    frames: { limit: 1000 },
    tasks: { pids: () => pids },
    accounts: { addSignals() {}, signals: () => 0 },
  };
  const add = (pages: number, oomScoreAdj: number, unkillable = false): Task => {
    const group: Record<string, unknown> = {
      kernel,
      oomScoreAdj,
      unkillable,
      exiting: false,
      isZombie: false,
      isReaped: false,
      sharedPending: new PendingSignals(),
      stopCount: 0,
      handlers: { actions: new Array(65).fill({ handler: 0, flags: 0 }), queue: { notify() {} } },
    };
    const task = {
      kernel,
      group,
      mm: { residentPages: pages },
      pending: new PendingSignals(),
      creds: { ruid: 0 },
      state: 0,
      ctx: {},
      block: { killableOnly: false },
    };
    group.leader = task;
    group.tasks = [task];
    pids.push({ task });
    return task as unknown as Task;
  };
  return { add, kernel, pass: (time: number) => now += time, interrupt: () => {} };
}

Deno.test("the process with the most memory goes, as its adjustment weighs it", () => {
  const machine = makeKernel();
  Object.assign(machine.kernel, { platform: { interrupt: machine.interrupt } });
  const first = machine.add(900, 0, true);
  const large = machine.add(400, 0);
  const marked = machine.add(10, 1000);
  const spared = machine.add(800, -1000);
  assert.equal(outOfMemory(large), true);
  assert.equal(marked.group.exiting, true);
  // As long as it is on its way nobody else has to go.
  assert.equal(outOfMemory(large), true);
  assert.equal(large.group.exiting, false);
  machine.pass(2e9);
  assert.equal(outOfMemory(large), false);
  assert.equal(large.group.exiting, true);
  assert.equal(spared.group.exiting, false);
  assert.equal(first.group.exiting, false);
});
