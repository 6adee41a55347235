import assert from "node:assert/strict";
import { AddressMap } from "../../../../src/netstack/core/address_map.ts";
import { Fifo } from "../../../../src/netstack/core/fifo.ts";
import { BytesIo } from "../../../../src/netstack/core/io.ts";
import { RandomNumbers, SeededRandom, SipHash } from "../../../../src/netstack/core/random.ts";
import { ByteRing } from "../../../../src/netstack/core/ring.ts";
import { CallbackTimer, TimerQueue } from "../../../../src/netstack/core/timer.ts";
import { ipFromWords, ipv4 } from "../../../../src/netstack/wire/address.ts";

Deno.test("timers fire in order, later deadlines are honoured, cancelled ones are not", () => {
  const q = new TimerQueue();
  const r = new SeededRandom(1);
  const fired: number[] = [];
  const timers = Array.from({ length: 200 }, (_, i) => new CallbackTimer(() => fired.push(i)));
  const at = timers.map(() => r.below(1000));
  timers.forEach((t, i) => q.arm(t, at[i]));
  for (let i = 0; i < 200; i += 3) {
    at[i] += 500;
    q.arm(timers[i], at[i]);
  }
  for (let i = 1; i < 200; i += 7) {
    at[i] = Infinity;
    q.cancel(timers[i]);
  }
  for (let i = 2; i < 200; i += 11) {
    at[i] = Infinity;
    q.remove(timers[i]);
  }
  let last = 0;
  while (q.next < Infinity) {
    const next = q.next;
    assert(next >= last);
    last = next;
    q.run(next);
  }
  const expected = at.map((t, i) => [t, i]).filter(([t]) => t < Infinity);
  assert.equal(fired.length, expected.length);
  for (let i = 1; i < fired.length; i++) assert(at[fired[i - 1]] <= at[fired[i]]);
  assert.equal(q.size, 0);
});

Deno.test("a ring keeps bytes in order across growth, early stores and wraps", () => {
  const ring = new ByteRing();
  const r = new SeededRandom(2);
  let written = 0;
  let readCount = 0;
  const out = new BytesIo(new Uint8Array(70_000));
  for (let i = 0; i < 500; i++) {
    const n = r.below(20_000);
    const src = new Uint8Array(n);
    for (let k = 0; k < n; k++) src[k] = (written + k) % 251;
    if (ring.length + n < 60_000) {
      if (r.chance(0.5)) {
        const half = n >>> 1;
        ring.storeAt(ring.length + half, src, half, n - half);
        ring.storeAt(ring.length, src, 0, half);
        ring.commit(n);
      } else assert.equal(ring.append(new BytesIo(src), n), n);
      written += n;
    }
    const take = r.below(ring.length + 1);
    out.reset(out.bytes);
    if (take > 0) assert.equal(ring.copyOut(0, take, out), take);
    for (let k = 0; k < take; k++) assert.equal(out.bytes[k], (readCount + k) % 251);
    ring.discard(take);
    readCount += take;
  }
  ring.discard(ring.length);
  assert.equal(ring.capacity, 0);
});

Deno.test("SipHash gives the reference vectors", () => {
  const key = new Uint8Array(16).map((_, i) => i);
  const h = new SipHash(
    new RandomNumbers({
      fill(dst) {
        for (let i = 0; i < dst.length; i++) dst[i] = key[i % 16];
      },
    }),
  );
  // Input 00 01 02 … of 8 and 12 bytes (from the paper's vectors).
  const words = new Int32Array([0x03020100, 0x07060504, 0x0b0a0908]);
  h.hash(words, 2);
  assert.equal(h.high.toString(16) + h.low.toString(16), "93f5f5799a932462");
});

Deno.test("an address map finds, replaces and forgets", () => {
  const m = new AddressMap<number>(77);
  for (let i = 0; i < 1000; i++) {
    m.set(ipv4(0x0a000000 + i), i);
    m.set(ipFromWords(0x20010db8, 0, 0, i), -i);
  }
  assert.equal(m.size, 2000);
  for (let i = 0; i < 1000; i++) {
    assert.equal(m.get(ipv4(0x0a000000 + i)), i);
    assert.equal(m.get(ipFromWords(0x20010db8, 0, 0, i)), -i);
    assert(m.delete(ipv4(0x0a000000 + i)));
  }
  assert.equal(m.size, 1000);
  assert.equal(m.get(ipv4(0x0a000001)), null);
});

Deno.test("a fifo gives back what it got, in order", () => {
  const f = new Fifo<number>();
  let next = 0;
  for (let i = 0; i < 1000; i++) {
    f.push(i);
    if (i % 3 === 0) assert.equal(f.shift(), next++);
  }
  while (f.length > 0) assert.equal(f.shift(), next++);
  assert.equal(f.shift(), undefined);
  assert.equal(next, 1000);
});
