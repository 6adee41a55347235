import assert from "node:assert/strict";
import {
  highBit,
  lowBit,
  lowestSignal,
  PendingSignals,
  SigInfo,
} from "../../../../src/sentry/kernel/signal_set.ts";

Deno.test("every signal has its own bit in one of the halves", () => {
  for (let signo = 1; signo <= 64; signo++) {
    assert.equal(lowestSignal(lowBit(signo), highBit(signo)), signo);
  }
  assert.equal(lowestSignal(0, 0), 0);
});

Deno.test("signals of one number come out in the order in which they went in", () => {
  const pending = new PendingSignals();
  for (let i = 0; i < 3; i++) pending.push(SigInfo.user(34, i, 0));
  pending.push(SigInfo.user(10, 9, 0));
  assert.equal(pending.take(34)?.pid, 0);
  assert.equal(pending.has(34), true);
  assert.equal(pending.take(34)?.pid, 1);
  assert.equal(pending.take(34)?.pid, 2);
  assert.equal(pending.has(34), false);
  assert.equal(pending.take(10)?.pid, 9);
  assert.equal(pending.first, null);
});

Deno.test("flushing drops the signals of the mask and keeps the order of the others", () => {
  const pending = new PendingSignals();
  for (const signo of [18, 10, 34, 18, 12]) pending.push(SigInfo.kernel(signo));
  let dropped = 0;
  for (let info = pending.flush(lowBit(18), 0); info !== null; info = info.next) dropped++;
  assert.equal(dropped, 2);
  const left: number[] = [];
  for (let info = pending.first; info !== null; info = info.next) left.push(info.signo);
  assert.deepEqual(left, [10, 34, 12]);
  pending.push(SigInfo.kernel(1));
  assert.equal(pending.take(1)?.signo, 1);
});

Deno.test("removing one signal keeps the bit while another of its number waits", () => {
  const pending = new PendingSignals();
  const a = SigInfo.kernel(14);
  const b = SigInfo.kernel(14);
  pending.push(a);
  pending.push(b);
  assert.equal(pending.remove(b), true);
  assert.equal(pending.has(14), true);
  assert.equal(pending.remove(a), true);
  assert.equal(pending.has(14), false);
  assert.equal(pending.remove(a), false);
});

Deno.test("siginfo survives being written and read, in the layout of amd64", () => {
  const view = new DataView(new ArrayBuffer(160));
  const info = SigInfo.fault(11, 1, 0x7f1234567890);
  info.setValue(7, 8);
  info.stime = 5;
  info.write(view, 32);
  assert.equal(view.getBigUint64(32 + 16, true), 0x7f1234567890n);
  const back = SigInfo.read(view, 32);
  assert.equal(back.signo, 11);
  assert.equal(back.code, 1);
  assert.equal(back.pid, info.pid);
  assert.equal(back.uid, info.uid);
  assert.equal(back.status, 7);
  assert.equal(back.valueHigh, 8);
  assert.equal(back.stime, 5);
});
