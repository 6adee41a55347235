import assert from "node:assert/strict";
import { BytesIo } from "../../../src/netstack/core/io.ts";
import { SeededRandom } from "../../../src/netstack/core/random.ts";
import { formatFrame } from "../../../src/netstack/wire/format.ts";
import { set16 } from "../../../src/netstack/wire/bytes.ts";
import { checksum, transportChecksum } from "../../../src/netstack/wire/checksum.ts";
import { sealIpv4 } from "../../../src/netstack/wire/ipv4.ts";
import {
  advance,
  bytes,
  createNode,
  ipv4Frame,
  ipv6Frame,
  MS,
  type Node,
  THEM,
  THEM6,
  US,
  US6,
} from "./support/harness.ts";

const FRAMES = Number(Deno.env.get("NETSTACK_FUZZ_FRAMES") ?? 20_000);
const SEED = Number(Deno.env.get("NETSTACK_SEED") ?? 1);

function payload(r: SeededRandom, protocol: number): Uint8Array {
  const b = new Uint8Array(r.below(120));
  r.fill(b);
  if (protocol === 6 && b.length >= 20) {
    set16(b, 0, [5000, 5001, r.below(65536)][r.below(3)]);
    set16(b, 2, [80, 81, r.below(65536)][r.below(3)]);
    b[12] = (5 + r.below(5)) << 4;
    if (r.chance(0.5)) b[13] &= 0x3f;
  }
  if (protocol === 17 && b.length >= 8) {
    set16(b, 2, 53);
    set16(b, 4, r.chance(0.8) ? b.length : r.below(65536));
  }
  if (protocol === 1 && b.length > 0) b[0] = [0, 3, 3, 5, 8, 11, 12, 13][r.below(8)];
  if (protocol === 58 && b.length > 0) {
    b[0] = [1, 2, 3, 4, 128, 129, 130, 131, 133, 134, 135, 136, 137, 143][r.below(14)];
    b[1] = r.chance(0.8) ? 0 : b[1];
  }
  if (protocol === 2 && b.length > 0) b[0] = [0x11, 0x12, 0x16, 0x17, 0x22][r.below(5)];
  return b;
}

function frame(r: SeededRandom): Uint8Array {
  const kind = r.below(8);
  if (kind === 0) {
    const b = new Uint8Array(r.below(200));
    r.fill(b);
    return b;
  }
  if (kind === 1) {
    const b = new Uint8Array(60);
    r.fill(b);
    b.set([2, 0, 0, 0, 0, 1], 0);
    b.set([8, 6, 0, 1, 8, 0, 6, 4, 0, 1 + r.below(2)], 12);
    return b;
  }
  let f: Uint8Array;
  if (kind < 5) {
    const protocol = [1, 2, 6, 17, r.below(256)][r.below(5)];
    const p = payload(r, protocol);
    if (protocol === 6 && p.length >= 20) {
      set16(p, 16, 0);
      set16(p, 16, transportChecksum(p, 0, p.length, THEM, US, 6));
    } else if (protocol === 17 && p.length >= 8) set16(p, 6, 0);
    else if ((protocol === 1 || protocol === 2) && p.length >= 4) {
      set16(p, 2, 0);
      set16(p, 2, checksum(p, 0, p.length));
    }
    const options = r.chance(0.2) ? new Uint8Array(4 * (1 + r.below(10))) : undefined;
    if (options !== undefined) r.fill(options);
    f = ipv4Frame(THEM, US, protocol, p, {
      options,
      ttl: r.chance(0.3) ? 1 : 64,
      ident: r.below(20),
      flagsAndOffset: r.chance(0.2) ? (r.chance(0.5) ? 0x2000 : 0) | r.below(40) : 0,
    });
    if (r.chance(0.2)) {
      f[14 + r.below(20)] = r.below(256);
      if (r.chance(0.8)) sealIpv4(f, 14);
    }
  } else {
    const protocol = [0, 6, 17, 43, 44, 58, 58, 60, r.below(256)][r.below(9)];
    const p = payload(r, protocol);
    const at = protocol === 6 ? 16 : protocol === 17 ? 6 : protocol === 58 ? 2 : -1;
    if (at >= 0 && p.length >= at + 2) {
      set16(p, at, 0);
      set16(p, at, transportChecksum(p, 0, p.length, THEM6, US6, protocol));
    }
    if ((protocol === 0 || protocol === 60) && p.length >= 8) p[1] = r.below(6);
    f = ipv6Frame(THEM6, US6, protocol, p, { hopLimit: [255, 1, 64][r.below(3)] });
  }
  if (r.chance(0.1)) f[r.below(f.length)] = r.below(256);
  if (r.chance(0.05)) f = f.subarray(0, r.below(f.length));
  return f;
}

function populate(n: Node): void {
  const { stack } = n;
  for (const v6 of [false, true]) {
    const l = stack.tcp.createEndpoint(v6);
    l.v6Only = true;
    assert.equal(l.bind(null, 80), 0);
    l.listen(8);
    const u = stack.udp.createEndpoint(v6);
    u.v6Only = true;
    assert.equal(u.bind(null, 53), 0);
    stack.raw.createEndpoint(v6, v6 ? 58 : 1);
    const c = stack.tcp.createEndpoint(v6);
    c.connect(v6 ? THEM6 : THEM, 5000);
  }
  stack.packets.createEndpoint(false, 3);
  n.eth.forwarding4 = true;
  n.eth.forwarding6 = true;
}

Deno.test("no frame makes the stack throw or grow", () => {
  const r = new SeededRandom(SEED);
  const n = createNode({}, SEED);
  populate(n);
  for (let i = 0; i < FRAMES; i++) {
    const f = frame(r);
    formatFrame(f, 0, f.length);
    n.device.inject(f);
    if (i % 16 === 0) {
      n.stack.poll();
      n.device.sent.length = 0;
    }
    if (i % 256 === 0) advance(n.clock, r.below(2000) * MS, n.stack);
  }
  const ctx = n.stack.ctx;
  assert(n.stack.tcp.table.size < 100);
  assert(ctx.timers.size < 5000);
  assert(ctx.socketMemory < 4_000_000);
  advance(n.clock, 4000e9, n.stack);
  assert.equal(n.stack.ipv4.fragments.memory, 0);
  assert.equal(n.stack.ipv6.fragments.memory, 0);
});

Deno.test("segments with random fields on a live connection do no harm", () => {
  const r = new SeededRandom(SEED + 1);
  for (let round = 0; round < FRAMES / 1000; round++) {
    const n = createNode({}, SEED + round);
    const { stack, device } = n;
    const c = stack.tcp.createEndpoint(false);
    c.connect(THEM, 5000);
    const send = (seq: number, ack: number, flags: number, length: number, options: number[]) => {
      while (options.length % 4 !== 0) options.push(1);
      const s = new Uint8Array(20 + options.length + length);
      r.fill(s);
      set16(s, 0, 5000);
      set16(s, 2, c.localPort);
      for (let i = 0; i < 4; i++) {
        s[4 + i] = seq >>> (24 - 8 * i);
        s[8 + i] = ack >>> (24 - 8 * i);
      }
      s[12] = ((20 + options.length) >> 2) << 4;
      s[13] = flags;
      s.set(options, 20);
      set16(s, 16, 0);
      set16(s, 16, transportChecksum(s, 0, s.length, THEM, US, 6));
      device.inject(ipv4Frame(THEM, US, 6, s));
    };
    const irs = r.u32();
    send(irs, c.iss + 1, 0x12, 0, [2, 4, 2, 0, 4, 2, 1, 3, 3, 7]);
    const near = (x: number) => (x + r.below(3000) - 1000) | 0;
    for (let i = 0; i < 1000; i++) {
      if (r.chance(0.3)) c.send(new BytesIo(bytes(r.below(3000))), r.below(3000), 0);
      const flags = r.chance(0.9) ? 0x10 | (r.below(64) & 0x29 & ~4) : r.below(256) & ~4;
      const options: number[] = [];
      if (r.chance(0.4)) {
        options.push(5, 18);
        for (let k = 0; k < 2; k++) {
          const from = near(c.sndUna);
          for (const x of [from, from + r.below(3000)]) {
            options.push((x >>> 24) & 255, (x >>> 16) & 255, (x >>> 8) & 255, x & 255);
          }
        }
      }
      send(near(c.rcvNxt), near(c.sndUna), flags, r.below(100), options);
      if (r.chance(0.2)) c.receive(new BytesIo(new Uint8Array(5000)), 5000, 0);
      stack.poll();
      if (r.chance(0.3)) advance(n.clock, r.below(400) * MS, stack);
      device.sent.length = 0;
      const b = c.sent;
      assert(b.inFlight >= 0, `in flight ${b.inFlight}`);
      assert(b.sackedOut >= 0 && b.lostOut >= 0 && b.retransmittedOut >= 0);
      let packets = 0;
      for (let k = 0; k < b.length; k++) packets += b.at(k).packets;
      assert.equal(packets, b.packetsOut);
      assert(c.cwnd >= 1);
    }
    c.close();
    advance(n.clock, 4000e9, stack);
    assert.equal(stack.tcp.table.size, 0);
    assert.equal(stack.ctx.socketMemory, 0);
  }
});
