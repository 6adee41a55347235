import assert from "node:assert/strict";
import { EADDRNOTAVAIL, EAGAIN, EMSGSIZE } from "../../../../src/abi/errno.ts";
import { BytesIo } from "../../../../src/netstack/core/io.ts";
import { SeededRandom } from "../../../../src/netstack/core/random.ts";
import { ChannelDevice } from "../../../../src/netstack/link/channel.ts";
import { AddressState } from "../../../../src/netstack/network/interface.ts";
import { Stack } from "../../../../src/netstack/stack/stack.ts";
import {
  ALL_NODES_V6,
  ANY_V6,
  ip,
  type IpAddress,
  multicastMac,
  solicitedNode,
} from "../../../../src/netstack/wire/address.ts";
import { set16, set32, set48 } from "../../../../src/netstack/wire/bytes.ts";
import { transportChecksum } from "../../../../src/netstack/wire/checksum.ts";
import { formatFrame } from "../../../../src/netstack/wire/format.ts";
import {
  advance,
  bytes,
  createNode,
  ipv6Frame,
  MAC_THEM,
  MAC_US,
  read,
  SECOND,
  text,
  THEM6,
  udpSegment,
  US6,
  VirtualClock,
} from "../support/harness.ts";

function icmp6(
  src: IpAddress,
  dst: IpAddress,
  message: Uint8Array,
  o: { hopLimit?: number; to?: number } = {},
): Uint8Array {
  set16(message, 2, 0);
  set16(message, 2, transportChecksum(message, 0, message.length, src, dst, 58));
  return ipv6Frame(src, dst, 58, message, { hopLimit: 255, ...o });
}

function solicitation(target: IpAddress, mac: number): Uint8Array {
  const m = new Uint8Array(mac >= 0 ? 32 : 24);
  m[0] = 135;
  target.write16(m, 8);
  if (mac >= 0) {
    m[24] = 1;
    m[25] = 1;
    set48(m, 26, mac);
  }
  return m;
}

function advertisement(target: IpAddress, mac: number, flags: number): Uint8Array {
  const m = new Uint8Array(32);
  m[0] = 136;
  m[4] = flags;
  target.write16(m, 8);
  m[24] = 2;
  m[25] = 1;
  set48(m, 26, mac);
  return m;
}

function routerAdvertisement(prefix: IpAddress, lifetime: number, valid = 86400): Uint8Array {
  const m = new Uint8Array(16 + 8 + 32 + 8);
  m[0] = 134;
  m[4] = 64;
  set16(m, 6, lifetime);
  m.set([1, 1], 16);
  set48(m, 18, MAC_THEM);
  m.set([3, 4, 64, 0xc0], 24);
  set32(m, 28, valid);
  set32(m, 32, valid / 2);
  prefix.write16(m, 40);
  m.set([5, 1, 0, 0], 56);
  set32(m, 60, 1400);
  return m;
}

function line(f: Uint8Array | null): string {
  return f === null ? "nothing" : formatFrame(f, 0, f.length).split(" ").slice(3).join(" ");
}

const LL_THEM = ip("fe80::2");

/** A node on which duplicate detection and router solicitation run. */
function bareNode(setup: (s: Stack) => void = () => {}) {
  const clock = new VirtualClock();
  const stack = new Stack(clock, new SeededRandom(3));
  stack.startLoopback();
  setup(stack);
  const device = new ChannelDevice({ address: MAC_US });
  const eth = stack.addInterface("eth0", device);
  assert(typeof eth !== "number");
  stack.setUp(eth, true);
  return { clock, stack, device, eth };
}

Deno.test("solicitations for our address are answered, others are not", () => {
  const { device, eth } = createNode();
  const group = solicitedNode(US6);
  device.inject(
    icmp6(LL_THEM, group, solicitation(US6, MAC_THEM), { to: multicastMac(group) }),
  );
  assert.equal(
    line(device.take()),
    "IP6 fd00::1 > fe80::2: ICMP6 neighbour advertisement, fd00::1, length 32",
  );
  assert.equal(eth.neighbours6?.get(LL_THEM)?.mac, MAC_THEM);
  const other = ip("fd00::77");
  device.inject(icmp6(LL_THEM, group, solicitation(other, MAC_THEM), { to: multicastMac(group) }));
  assert.equal(device.take(), null);
  // From off the link it would have a lower hop limit.
  device.inject(icmp6(LL_THEM, US6, solicitation(US6, MAC_THEM), { hopLimit: 254 }));
  assert.equal(device.take(), null);
});

Deno.test("packets wait for the neighbour's advertisement", () => {
  const { stack, device } = createNode();
  const e = stack.udp.createEndpoint(true);
  const far = ip("fd00::99");
  assert.equal(e.connect(far, 53), 0);
  e.send(text("hello"), 5, 0, null);
  assert(line(device.take()).includes("neighbour solicitation, fd00::99"));
  device.inject(icmp6(far, US6, advertisement(far, 0x02ee, 0x60)));
  assert(line(device.take()).includes("fd00::99.53: UDP, length 5"));
});

Deno.test("an address is checked for duplicates before it is used", () => {
  const { clock, stack, device, eth } = bareNode();
  assert.equal(stack.addAddress(eth, ip("fd00::5"), 64), 0);
  const entry = eth.findAddress(ip("fd00::5"));
  assert.equal(entry?.state, AddressState.Tentative);
  const e = stack.udp.createEndpoint(true);
  assert.equal(e.bind(ip("fd00::5"), 1), -EADDRNOTAVAIL);
  advance(clock, 20e6, stack);
  assert(device.sent.some((f) => line(f).includes(":: > ff02::1:ff00:5: ICMP6 neighbour sol")));
  advance(clock, 1.1 * SECOND, stack);
  assert.equal(entry?.state, AddressState.Preferred);
  assert.equal(e.bind(ip("fd00::5"), 1), 0);
});

Deno.test("an address that another node has is not used", () => {
  const { clock, stack, device, eth } = bareNode();
  stack.addAddress(eth, ip("fd00::5"), 64);
  device.inject(
    icmp6(LL_THEM, ALL_NODES_V6, advertisement(ip("fd00::5"), MAC_THEM, 0x20), {
      to: multicastMac(ALL_NODES_V6),
    }),
  );
  advance(clock, 3 * SECOND, stack);
  assert.equal(eth.findAddress(ip("fd00::5"))?.state, AddressState.Duplicate);
  // Two that check the same address at once both give it up.
  stack.addAddress(eth, ip("fd00::6"), 64);
  const group = solicitedNode(ip("fd00::6"));
  device.inject(
    icmp6(ANY_V6, group, solicitation(ip("fd00::6"), -1), { to: multicastMac(group) }),
  );
  assert.equal(eth.findAddress(ip("fd00::6"))?.state, AddressState.Duplicate);
});

Deno.test("routers are asked for, and what they advertise is set up and expires", () => {
  const { clock, stack, device, eth } = bareNode();
  advance(clock, 3 * SECOND, stack);
  assert(device.sent.some((f) => line(f).includes("router solicitation")));
  device.inject(
    icmp6(LL_THEM, ALL_NODES_V6, routerAdvertisement(ip("2001:db8::"), 1800, 3600), {
      to: multicastMac(ALL_NODES_V6),
    }),
  );
  const auto = ip("2001:db8::ff:fe00:1");
  assert.notEqual(eth.findAddress(auto), null);
  advance(clock, 2 * SECOND, stack);
  assert.equal(eth.findAddress(auto)?.state, AddressState.Preferred);
  const r = stack.ctx.routes.lookup(ip("2001:4860::8888"), null, 0);
  assert(typeof r !== "number");
  assert.equal(`${r.nextHop} ${r.source} ${r.mtu}`, "fe80::2 2001:db8::ff:fe00:1 1400");
  device.sent.length = 0;
  advance(clock, 10 * SECOND, stack);
  assert(!device.sent.some((f) => line(f).includes("router solicitation")));
  advance(clock, 1800 * SECOND, stack);
  assert.equal(eth.findAddress(auto)?.state, AddressState.Deprecated);
  assert.equal(typeof stack.ctx.routes.lookup(ip("2001:4860::8888"), null, 0), "number");
  advance(clock, 1800 * SECOND, stack);
  assert.equal(eth.findAddress(auto), null);
});

Deno.test("advertisements from off the link or without end are refused", () => {
  const { clock, stack, device, eth } = bareNode();
  advance(clock, 3 * SECOND, stack);
  const to = { to: multicastMac(ALL_NODES_V6) };
  device.inject(
    icmp6(ip("fd00::9"), ALL_NODES_V6, routerAdvertisement(ip("2001:db8::"), 1800), to),
  );
  assert.equal(eth.addresses.length, 1);
  for (let i = 0; i < 500; i++) {
    const prefix = ip(`2001:db8:${i.toString(16)}::`);
    device.inject(icmp6(LL_THEM, ALL_NODES_V6, routerAdvertisement(prefix, 1800), to));
  }
  assert(eth.addresses.length <= 20);
  assert(stack.ctx.routes.list(false).length < 80);
});

Deno.test("extension headers are walked, bad ones answered", () => {
  const { stack, device } = createNode();
  const e = stack.udp.createEndpoint(true);
  e.bind(null, 10);
  const u = udpSegment(THEM6, 1, US6, 10, bytes(5));
  const wrap = (first: number[], more: Uint8Array) => {
    const p = new Uint8Array(first.length + more.length);
    p.set(first);
    p.set(more, first.length);
    return p;
  };
  const ok = wrap([60, 0, 1, 4, 0, 0, 0, 0], wrap([17, 0, 1, 4, 0, 0, 0, 0], u));
  device.inject(ipv6Frame(THEM6, US6, 0, ok));
  const io = new BytesIo(new Uint8Array(10));
  assert.equal(e.receive(io, 10, 0, null), 5);
  device.inject(ipv6Frame(THEM6, US6, 60, wrap([17, 0, 0xc2, 4, 0, 0, 0, 0], u)));
  assert(line(device.take()).includes("parameter problem code 2"));
  device.inject(ipv6Frame(THEM6, US6, 43, wrap([17, 0, 0, 1, 0, 0, 0, 0], u)));
  assert(line(device.take()).includes("parameter problem"));
  device.inject(ipv6Frame(THEM6, US6, 200, u));
  assert(line(device.take()).includes("parameter problem code 1"));
  device.inject(ipv6Frame(THEM6, US6, 59, u));
  assert.equal(device.take(), null);
});

Deno.test("fragments are put together, and a hop that needs smaller packets is obeyed", () => {
  const { stack, device } = createNode();
  const e = stack.udp.createEndpoint(true);
  e.bind(null, 10);
  const u = udpSegment(THEM6, 1, US6, 10, bytes(2000));
  const cut = (from: number, to: number) => {
    const p = new Uint8Array(8 + to - from);
    p[0] = 17;
    set16(p, 2, from | (to < u.length ? 1 : 0));
    set32(p, 4, 99);
    p.set(u.subarray(from, to), 8);
    return ipv6Frame(THEM6, US6, 44, p);
  };
  device.inject(cut(1000, u.length));
  device.inject(cut(0, 1000));
  const io = new BytesIo(new Uint8Array(3000));
  assert.equal(e.receive(io, 3000, 0, null), 2000);
  assert.deepEqual(io.bytes.subarray(0, 2000), bytes(2000));

  const c = stack.udp.createEndpoint(true);
  c.connect(THEM6, 99);
  c.ip.mtuDiscover6 = 2;
  c.ip.receiveErrors6 = true;
  c.send(new BytesIo(bytes(1400)), 1400, 0, null);
  const f = device.take();
  assert(f !== null);
  const tooBig = new Uint8Array(8 + 200);
  tooBig[0] = 2;
  set32(tooBig, 4, 1300);
  tooBig.set(f.subarray(14, 214), 8);
  device.inject(icmp6(ip("fd00::fe"), US6, tooBig, { hopLimit: 60 }));
  assert.equal(c.takeQueuedError()?.info, 1300);
  assert.equal(c.send(new BytesIo(bytes(1400)), 1400, 0, null), -EMSGSIZE);
  c.ip.mtuDiscover6 = 1;
  c.takeQueuedError();
  assert.equal(c.send(new BytesIo(bytes(1400)), 1400, 0, null), 1400);
  assert(line(device.take()).includes("fragment"));
});

Deno.test("an IPv4-mapped address on the wire is refused", () => {
  const { stack, device } = createNode();
  const e = stack.udp.createEndpoint(true);
  e.bind(null, 10);
  const u = udpSegment(THEM6, 1, US6, 10, bytes(5));
  const f = ipv6Frame(THEM6, US6, 17, u);
  f.fill(0, 22, 32);
  f.set([0xff, 0xff, 10, 0, 0, 2], 32);
  device.inject(f);
  assert.equal(read(e), -EAGAIN);
});

Deno.test("joined groups are reported, queries are answered, leaving is told", () => {
  const { stack, device, clock, eth } = createNode();
  const e = stack.udp.createEndpoint(true);
  const group = ip("ff05::1:3");
  assert.equal(e.joinGroup(group, eth.index), 0);
  assert(line(device.take()).includes("listener report v2"));
  advance(clock, 2 * SECOND, stack);
  assert(line(device.take()).includes("listener report v2"));
  assert.equal(device.take(), null);
  const query = new Uint8Array(28);
  query[0] = 130;
  set16(query, 4, 1000);
  device.inject(
    icmp6(LL_THEM, ALL_NODES_V6, query, { hopLimit: 1, to: multicastMac(ALL_NODES_V6) }),
  );
  advance(clock, 2 * SECOND, stack);
  assert(device.sent.length >= 1);
  device.sent.length = 0;
  e.close();
  assert(line(device.take()).includes("listener report v2"));
  const four = stack.udp.createEndpoint(false);
  assert.equal(four.joinGroup(ip("239.1.1.1"), eth.index), 0);
  assert(line(device.take()).includes("10.0.0.1 > 224.0.0.22: IGMP type 0x22"));
  four.close();
  assert(line(device.take()).includes("IGMP type 0x22"));
});
