import assert from "node:assert/strict";
import { SeededRandom } from "../../src/netstack/core/random.ts";
import { type Faults, FaultyLink } from "../../src/netstack/link/faulty.ts";
import { createPair } from "../../src/netstack/link/pair.ts";
import { Stack } from "../../src/netstack/stack/stack.ts";
import {
  advance,
  bytes,
  MAC_THEM,
  MAC_US,
  MS,
  pump,
  SECOND,
  THEM,
  US,
  VirtualClock,
} from "../unit/netstack/support/harness.ts";
import { listen, Transfer } from "../unit/netstack/support/tcp.ts";

/** Two stacks joined by a bad link. */
function badLink(seed: number, faults: Faults) {
  const clock = new VirtualClock();
  const random = new SeededRandom(seed);
  const [da, db] = createPair(MAC_US, MAC_THEM);
  const make = (d: typeof da, address: typeof US, n: number) => {
    const s = new Stack(clock, new SeededRandom(seed * 2 + n));
    s.startLoopback();
    const link = new FaultyLink(d, s.ctx.timers, () => clock.time, random, faults);
    const eth = s.addInterface("eth0", link);
    assert(typeof eth !== "number");
    s.setUp(eth, true);
    s.addAddress(eth, address, 24);
    pump(s, d);
    return { s, link };
  };
  const a = make(da, US, 0);
  const b = make(db, THEM, 1);
  return { clock, a: a.s, b: b.s, linkA: a.link, linkB: b.link };
}

function run(seed: number): { time: number; retransmitted: number } {
  const r = new SeededRandom(seed);
  const faults: Faults = {
    loss: r.below(4) === 0 ? 0 : r.below(100) / 1000,
    duplicate: r.below(3) === 0 ? r.below(50) / 1000 : 0,
    reorder: r.below(2) === 0 ? r.below(200) / 1000 : 0,
    reorderDelay: r.below(10 * MS),
    corrupt: r.below(4) === 0 ? 0.01 : 0,
    delay: r.below(50 * MS),
    jitter: r.below(3) === 0 ? r.below(5 * MS) : 0,
    rate: r.below(3) === 0 ? 1e6 + r.below(1e8) : 0,
    queue: 20 + r.below(200),
  };
  const { clock, a, b } = badLink(seed, faults);
  for (const s of [a, b]) {
    s.ctx.settings.tcpSack = r.below(4) !== 0;
    s.ctx.settings.tcpTimestamps = r.below(4) !== 0;
    s.ctx.settings.tcpWindowScaling = r.below(6) !== 0;
    s.ctx.settings.tcpEcn = r.below(3);
    s.ctx.settings.tcpCongestionControl = ["reno", "cubic", "bbr"][r.below(3)];
  }
  const l = listen(b, 80);
  const c = a.tcp.createEndpoint(false);
  c.connect(THEM, 80);
  const start = clock.time;
  let server = l.accept();
  while (typeof server === "number") {
    advance(clock, 20 * MS, a, b);
    server = l.accept();
    if (clock.time - start > 200 * SECOND) {
      // So many losses that connecting timed out: that must be reported, not hang.
      assert.notEqual(c.readiness() & 8, 0, `seed ${seed}: neither connected nor failed`);
      return { time: 0, retransmitted: 0 };
    }
  }
  const n = 1 + r.below(120_000);
  const there = new Transfer(c, server, bytes(n, seed));
  const back = new Transfer(server, c, bytes(1 + r.below(30_000), seed + 1));
  const limit = clock.time + 3000 * SECOND;
  while (!(there.finished && back.finished) && clock.time < limit) {
    there.step();
    back.step();
    if (there.error !== 0 || back.error !== 0) break;
    const next = Math.min(a.nextDeadline(), b.nextDeadline());
    const hop = Math.min(Math.max(next - clock.time, 0), SECOND);
    advance(clock, Math.max(hop, 1000), a, b);
  }
  try {
    there.check();
    back.check();
  } catch (e) {
    console.error(`seed ${seed}`, faults, c.state, server.state);
    throw e;
  }
  const time = clock.time - start;
  c.close();
  server.close();
  advance(clock, 2000 * SECOND, a, b);
  for (const s of [a, b]) {
    assert.equal(s.tcp.table.size, 0, `seed ${seed}: connections are left`);
    assert.equal(s.ctx.socketMemory, 0, `seed ${seed}: memory is left`);
    assert.equal(s.tcp.shared.orphans, 0);
  }
  return { time, retransmitted: a.ctx.counters.tcpRetransmitted };
}

const first = Number(Deno.env.get("NETSTACK_SEED") ?? 1);
const count = Number(Deno.env.get("NETSTACK_TRANSFERS") ?? 100);

Deno.test("seeded transfers over lossy, reordering, duplicating links arrive whole", () => {
  let retransmitted = 0;
  for (let seed = first; seed < first + count; seed++) retransmitted += run(seed).retransmitted;
  assert(count < 50 || retransmitted > 100);
});

/** Mbit/s of one transfer of `size` bytes. */
function speed(control: string, seed: number, faults: Faults, size: number): number {
  const { clock, a, b } = badLink(seed, faults);
  a.ctx.settings.tcpCongestionControl = control;
  const l = listen(b, 80);
  const c = a.tcp.createEndpoint(false);
  c.connect(THEM, 80);
  advance(clock, 3 * SECOND, a, b);
  const server = l.accept();
  assert(typeof server !== "number");
  assert.equal(c.control.name, control);
  const t = new Transfer(c, server, bytes(size));
  const start = clock.time;
  while (!t.finished && clock.time - start < 100 * SECOND) {
    t.step();
    advance(clock, 2 * MS, a, b);
  }
  t.check();
  return (size * 8) / ((clock.time - start) / 1e9) / 1e6;
}

Deno.test("a little loss leaves a 100 Mbit/s, 20 ms path mostly used", () => {
  const mbits = speed("cubic", 7, { loss: 0.001, delay: 10 * MS, rate: 1e8, queue: 200 }, 6e6);
  assert(mbits > 20, `${mbits} Mbit/s`);
});

Deno.test("one percent of loss costs BBR little, and it keeps to the rate of the path", () => {
  const faults = { loss: 0.01, delay: 10 * MS, rate: 1e8, queue: 500 };
  const bbr = speed("bbr", 7, faults, 12e6);
  assert(bbr > 60, `${bbr} Mbit/s`);
  const small = { delay: 10 * MS, rate: 2e7, queue: 40 };
  assert(speed("bbr", 8, small, 4e6) > 12);
});

Deno.test("Reno and CUBIC reach what theory says for one percent of loss", () => {
  const faults = { loss: 0.01, delay: 10 * MS, rate: 1e9, queue: 1000 };
  // MSS / RTT · 1.22 / √p is 7 Mbit/s.
  for (const control of ["reno", "cubic"]) {
    const mbits = speed(control, 3, faults, 5e6);
    assert(mbits > 5 && mbits < 14, `${control} ${mbits} Mbit/s`);
  }
});
