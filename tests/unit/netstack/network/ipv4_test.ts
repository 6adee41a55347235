import assert from "node:assert/strict";
import { EAGAIN, EHOSTUNREACH, ENETUNREACH } from "../../../../src/abi/errno.ts";
import { BytesIo } from "../../../../src/netstack/core/io.ts";
import { NeighbourState } from "../../../../src/netstack/network/neighbour.ts";
import { BROADCAST_MAC, ip } from "../../../../src/netstack/wire/address.ts";
import { set16 } from "../../../../src/netstack/wire/bytes.ts";
import { checksum } from "../../../../src/netstack/wire/checksum.ts";
import { emitArp, emitEthernet, ETH_P_ARP } from "../../../../src/netstack/wire/ethernet.ts";
import { formatFrame } from "../../../../src/netstack/wire/format.ts";
import {
  advance,
  bytes,
  createLinked,
  createNode,
  ipv4Frame,
  MAC_THEM,
  MAC_US,
  read,
  SECOND,
  settle,
  text,
  THEM,
  udpSegment,
  US,
} from "../support/harness.ts";

function arpFrame(op: number, smac: number, sip: string, tmac: number, tip: string, to: number) {
  const f = new Uint8Array(42);
  emitEthernet(f, 0, to, smac, ETH_P_ARP);
  emitArp(f, 14, op, smac, ip(sip).v4, tmac, ip(tip).v4);
  return f;
}

function echo(type: number, length: number): Uint8Array {
  const e = new Uint8Array(8 + length);
  e[0] = type;
  set16(e, 4, 7);
  set16(e, 6, 1);
  e.set(bytes(length), 8);
  set16(e, 2, checksum(e, 0, e.length));
  return e;
}

function line(f: Uint8Array | null): string {
  return f === null ? "nothing" : formatFrame(f, 0, f.length).split(" ").slice(3).join(" ");
}

Deno.test("ARP answers for this host's addresses only, and learns from who asks", () => {
  const { device, eth } = createNode();
  device.inject(arpFrame(1, 0x02aa, "10.0.0.9", 0, "10.0.0.1", BROADCAST_MAC));
  assert.equal(line(device.take()), "ARP reply 10.0.0.1 is-at 02:00:00:00:00:01");
  assert.equal(eth.neighbours4?.get(ip("10.0.0.9"))?.mac, 0x02aa);
  device.inject(arpFrame(1, 0x02aa, "10.0.0.8", 0, "10.0.0.77", BROADCAST_MAC));
  assert.equal(device.take(), null);
  assert.equal(eth.neighbours4?.get(ip("10.0.0.8")), null);
  // A probe for duplicates is answered and teaches nothing.
  device.inject(arpFrame(1, 0x02bb, "0.0.0.0", 0, "10.0.0.1", BROADCAST_MAC));
  assert.notEqual(device.take(), null);
});

Deno.test("packets wait for ARP, which is asked three times; then the sender is told", () => {
  const { stack, device, clock } = createNode();
  const e = stack.udp.createEndpoint(false);
  e.connect(ip("10.0.0.50"), 9);
  e.send(text("one"), 3, 0, null);
  e.send(text("two"), 3, 0, null);
  assert.equal(line(device.take()), "ARP who-has 10.0.0.50 tell 10.0.0.1");
  assert.equal(device.take(), null);
  device.inject(arpFrame(2, 0x02cc, "10.0.0.50", MAC_US, "10.0.0.1", MAC_US));
  assert(line(device.take()).includes("10.0.0.50.9: UDP, length 3"));
  assert.notEqual(device.take(), null);
  const f = stack.udp.createEndpoint(false);
  f.ip.receiveErrors = true;
  f.connect(ip("10.0.0.51"), 9);
  f.send(text("lost"), 4, 0, null);
  advance(clock, 5 * SECOND, stack);
  assert.equal(device.sent.filter((x) => line(x).includes("who-has 10.0.0.51")).length, 3);
  assert.equal(read(f), -EHOSTUNREACH);
  assert.equal(f.takeQueuedError()?.errno, EHOSTUNREACH);
});

Deno.test("an unsolicited ARP does not replace a permanent neighbour", () => {
  const { device, eth } = createNode();
  device.inject(arpFrame(2, 0x02dd, "10.0.0.2", MAC_US, "10.0.0.1", MAC_US));
  assert.equal(eth.neighbours4?.get(THEM)?.mac, MAC_THEM);
  assert.equal(eth.neighbours4?.get(THEM)?.state, NeighbourState.Permanent);
});

Deno.test("the neighbour table is bounded", () => {
  const { device, eth } = createNode();
  for (let i = 0; i < 3000; i++) {
    const a = `10.1.${i >> 8}.${i & 255}`;
    device.inject(arpFrame(1, 0x020000 + i, a, 0, "10.0.0.1", BROADCAST_MAC));
  }
  assert((eth.neighbours4?.list().length ?? 0) <= 1024);
});

Deno.test("echo requests are answered, those to broadcast are not", () => {
  const { device } = createNode();
  device.inject(ipv4Frame(THEM, US, 1, echo(8, 56)));
  assert.equal(
    line(device.take()),
    "IP 10.0.0.1 > 10.0.0.2: ICMP echo reply, id 7, seq 1, length 64",
  );
  device.inject(ipv4Frame(THEM, ip("10.0.0.255"), 1, echo(8, 56), { to: BROADCAST_MAC }));
  assert.equal(device.take(), null);
  const bad = ipv4Frame(THEM, US, 1, echo(8, 56));
  bad[60] ^= 1;
  device.inject(bad);
  assert.equal(device.take(), null);
});

Deno.test("packets that can't be are dropped", () => {
  const { stack, device } = createNode();
  const u = udpSegment(THEM, 1, US, 10, bytes(4));
  const e = stack.udp.createEndpoint(false);
  e.bind(null, 10);
  const cases: Uint8Array[] = [];
  const header = ipv4Frame(THEM, US, 17, u);
  header[24] ^= 0x55;
  cases.push(header);
  cases.push(ipv4Frame(ip("224.0.0.5"), US, 17, u));
  cases.push(ipv4Frame(ip("127.0.0.1"), US, 17, u));
  cases.push(ipv4Frame(THEM, ip("127.0.0.1"), 17, u));
  cases.push(ipv4Frame(US, US, 17, u));
  cases.push(ipv4Frame(THEM, ip("10.0.0.7"), 17, u));
  cases.push(ipv4Frame(THEM, US, 17, u).subarray(0, 30));
  for (const f of cases) device.inject(f);
  assert.equal(read(e), -EAGAIN);
  assert.equal(device.take(), null);
});

Deno.test("an unknown protocol is answered by an ICMP error", () => {
  const { device } = createNode();
  device.inject(ipv4Frame(THEM, US, 99, bytes(8)));
  assert.equal(
    line(device.take()),
    "IP 10.0.0.1 > 10.0.0.2: ICMP unreachable code 2, length 36",
  );
});

Deno.test("ICMP errors have a rate", () => {
  const { device, clock, stack } = createNode();
  for (let i = 0; i < 500; i++) device.inject(ipv4Frame(THEM, US, 99, bytes(8)));
  assert.equal(device.sent.length, 50);
  advance(clock, SECOND, stack);
  device.inject(ipv4Frame(THEM, US, 99, bytes(8)));
  assert.equal(device.sent.length, 51);
});

Deno.test("fragments in any order make one datagram; overlaps make none", () => {
  const { stack, device } = createNode();
  const e = stack.udp.createEndpoint(false);
  e.bind(null, 10);
  const data = bytes(3000);
  const u = udpSegment(THEM, 1, US, 10, data);
  const cut = (from: number, to: number, ident: number) =>
    ipv4Frame(THEM, US, 17, u.subarray(from, to), {
      ident,
      flagsAndOffset: (to < u.length ? 0x2000 : 0) | (from >> 3),
    });
  device.inject(cut(2000, u.length, 5));
  device.inject(cut(0, 1000, 5));
  device.inject(cut(0, 1000, 5));
  assert.equal(read(e), -EAGAIN);
  device.inject(cut(1000, 2000, 5));
  const io = new BytesIo(new Uint8Array(4000));
  assert.equal(e.receive(io, 4000, 0, null), 3000);
  assert.deepEqual(io.bytes.subarray(0, 3000), data);
  device.inject(cut(0, 1000, 6));
  device.inject(cut(992, 2000, 6));
  device.inject(cut(1000, 2000, 6));
  device.inject(cut(2000, u.length, 6));
  assert.equal(read(e), -EAGAIN);
});

Deno.test("a datagram that stays incomplete is dropped and its sender told", () => {
  const { stack, device, clock } = createNode();
  const u = udpSegment(THEM, 1, US, 10, bytes(100));
  device.inject(ipv4Frame(THEM, US, 17, u.subarray(0, 64), { flagsAndOffset: 0x2000 }));
  assert.equal(stack.ipv4.fragments.size, 1);
  advance(clock, 31 * SECOND, stack);
  assert.equal(stack.ipv4.fragments.size, 0);
  assert.equal(stack.ipv4.fragments.memory, 0);
  assert(line(device.take()).includes("time exceeded code 1"));
});

Deno.test("a flood of fragments stays within its memory", () => {
  const { stack, device } = createNode();
  for (let i = 0; i < 20_000; i++) {
    device.inject(
      ipv4Frame(THEM, US, 17, bytes(1024), {
        ident: i & 0xffff,
        flagsAndOffset: 0x2000 | ((i % 7) * 128),
      }),
    );
  }
  assert(stack.ipv4.fragments.memory <= stack.ctx.settings.fragmentMemory + 4096);
  assert(stack.ipv4.fragments.size <= 1024);
});

Deno.test("record route is filled in, source routes are refused, bad options are answered", () => {
  const { device } = createNode();
  const rr = new Uint8Array(12);
  rr.set([7, 11, 4]);
  device.inject(ipv4Frame(THEM, US, 1, echo(8, 8), { options: rr }));
  assert.notEqual(device.take(), null);
  const lsrr = new Uint8Array(8);
  lsrr.set([131, 7, 4, 10, 0, 0, 9]);
  device.inject(ipv4Frame(THEM, US, 1, echo(8, 8), { options: lsrr }));
  assert.equal(device.take(), null);
  const bad = new Uint8Array(4);
  bad.set([7, 40, 4]);
  device.inject(ipv4Frame(THEM, US, 99, bytes(8), { options: bad }));
  assert(line(device.take()).includes("parameter problem"));
});

Deno.test("a router forwards, counts the TTL down and tells of errors", () => {
  const { stack, device, eth } = createNode();
  eth.forwarding4 = true;
  stack.addRoute({
    destination: ip("192.168.5.0"),
    prefix: 24,
    gateway: THEM,
    interfaceIndex: eth.index,
  });
  const far = ip("192.168.5.5");
  device.inject(ipv4Frame(ip("10.0.0.3"), far, 17, bytes(20), { ttl: 9 }));
  const f = device.take();
  assert(f !== null);
  assert.equal(f[22], 8);
  assert.equal(checksum(f, 14, 34), 0);
  device.inject(ipv4Frame(THEM, far, 17, bytes(20), { ttl: 1 }));
  assert(line(device.take()).includes("time exceeded"));
  device.inject(ipv4Frame(THEM, ip("8.8.8.8"), 17, bytes(20)));
  assert(line(device.take()).includes("ICMP unreachable"));
  eth.mtu = 576;
  stack.ctx.routes.generation++;
  device.inject(ipv4Frame(THEM, far, 17, bytes(1000), { flagsAndOffset: 0x4000 }));
  const big = device.take();
  assert(line(big).includes("unreachable code 4"));
  device.inject(ipv4Frame(THEM, far, 17, bytes(1000)));
  assert.equal(device.sent.length, 2);
});

Deno.test("routes are chosen by prefix, then metric; without one there is none", () => {
  const { stack, eth } = createNode();
  const routes = stack.ctx.routes;
  assert.equal(routes.lookup(ip("8.8.8.8"), null, 0), -ENETUNREACH);
  const add = (dst: string, prefix: number, gw: string, metric: number) =>
    stack.addRoute({
      destination: ip(dst),
      prefix,
      gateway: ip(gw),
      interfaceIndex: eth.index,
      metric,
    });
  assert.equal(add("0.0.0.0", 0, "10.0.0.2", 100), 0);
  assert.equal(add("0.0.0.0", 0, "10.0.0.3", 50), 0);
  assert.equal(add("8.0.0.0", 8, "10.0.0.4", 200), 0);
  assert.equal(add("8.0.0.0", 8, "10.0.0.4", 200), -17);
  const hop = (dst: string) => {
    const r = routes.lookup(ip(dst), null, 0);
    return typeof r === "number" ? r : `${r.nextHop} from ${r.source}`;
  };
  assert.equal(hop("8.8.8.8"), "10.0.0.4 from 10.0.0.1");
  assert.equal(hop("9.9.9.9"), "10.0.0.3 from 10.0.0.1");
  assert.equal(hop("10.0.0.200"), "10.0.0.200 from 10.0.0.1");
  assert.equal(hop("127.0.0.5"), "127.0.0.5 from 127.0.0.5");
  assert.equal(hop("10.0.0.1"), "10.0.0.1 from 10.0.0.1");
  stack.setUp(eth, false);
  assert.equal(routes.lookup(ip("9.9.9.9"), null, 0), -ENETUNREACH);
});

Deno.test("addresses come and go with their routes", () => {
  const { stack, eth } = createNode();
  const count = () => stack.ctx.routes.list(true).length;
  const before = count();
  assert.equal(stack.addAddress(eth, ip("172.16.0.1"), 16), 0);
  assert.equal(stack.addAddress(eth, ip("172.16.0.1"), 16), -17);
  assert.equal(count(), before + 1);
  assert.equal(stack.removeAddress(eth, ip("172.16.0.1")), 0);
  assert.equal(count(), before);
  assert.equal(stack.removeAddress(eth, ip("172.16.0.1")), -99);
});

Deno.test("two stacks on a pair find each other", () => {
  const { a, b } = createLinked();
  const s = b.udp.createEndpoint(false);
  s.bind(null, 53);
  const c = a.udp.createEndpoint(false);
  c.connect(THEM, 53);
  c.send(text("hi"), 2, 0, null);
  settle(a, b);
  assert.equal(read(s), "hi");
});
