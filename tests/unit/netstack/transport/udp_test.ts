import assert from "node:assert/strict";
import { EADDRINUSE, EAGAIN, ECONNREFUSED, EMSGSIZE } from "../../../../src/abi/errno.ts";
import { BytesIo } from "../../../../src/netstack/core/io.ts";
import { MSG_MORE, MSG_PEEK, MSG_TRUNC, POLLIN } from "../../../../src/netstack/core/poll.ts";
import { ReceiveInfo } from "../../../../src/netstack/transport/datagram.ts";
import { SendTarget } from "../../../../src/netstack/transport/udp_endpoint.ts";
import {
  BROADCAST_MAC,
  ip,
  LOOPBACK_V4,
  LOOPBACK_V6,
  multicastMac,
} from "../../../../src/netstack/wire/address.ts";
import { checksum } from "../../../../src/netstack/wire/checksum.ts";
import {
  bytes,
  createLinked,
  createNode,
  read,
  settle,
  text,
  THEM,
  THEM6,
  udpFrame,
  US,
  US6,
} from "../support/harness.ts";

function to(address: string, port: number): SendTarget {
  const t = new SendTarget();
  t.address = ip(address);
  t.port = port;
  return t;
}

Deno.test("a datagram crosses loopback with its sender's address", () => {
  const { stack } = createNode();
  const a = stack.udp.createEndpoint(false);
  const b = stack.udp.createEndpoint(false);
  assert.equal(b.bind(LOOPBACK_V4, 53), 0);
  assert.equal(a.send(text("hello"), 5, 0, to("127.0.0.1", 53)), 5);
  assert.equal(read(b), -EAGAIN);
  stack.poll();
  assert.equal(b.readiness() & POLLIN, POLLIN);
  const io = new BytesIo(new Uint8Array(3));
  const info = new ReceiveInfo();
  assert.equal(b.receive(io, 3, MSG_PEEK | MSG_TRUNC, info), 5);
  assert.equal(info.address.toString(), "127.0.0.1");
  assert.equal(info.port, a.localPort);
  assert.equal(info.truncated, true);
  assert.equal(read(b), "hello");
  assert.equal(read(b), -EAGAIN);
});

Deno.test("a connected endpoint learns of a refused datagram", () => {
  const { stack } = createNode();
  for (const address of [LOOPBACK_V4, LOOPBACK_V6]) {
    const a = stack.udp.createEndpoint(!address.isV4);
    assert.equal(a.connect(address, 9), 0);
    assert.equal(a.send(text("x"), 1, 0, null), 1);
    stack.poll();
    assert.equal(read(a), -ECONNREFUSED);
    assert.equal(read(a), -EAGAIN);
  }
});

Deno.test("a dual-stack endpoint receives both families", () => {
  const { stack } = createNode();
  const s = stack.udp.createEndpoint(true);
  assert.equal(s.bind(null, 1000), 0);
  const a = stack.udp.createEndpoint(false);
  const b = stack.udp.createEndpoint(true);
  a.send(text("four"), 4, 0, to("127.0.0.1", 1000));
  b.send(text("six"), 3, 0, to("::1", 1000));
  stack.poll();
  assert.equal(read(s), "four");
  assert.equal(read(s), "six");
});

Deno.test("ports are exclusive unless shared on purpose", () => {
  const { stack } = createNode();
  const make = (setup: (e: ReturnType<typeof stack.udp.createEndpoint>) => void) => {
    const e = stack.udp.createEndpoint(false);
    setup(e);
    return e.bind(null, 77);
  };
  assert.equal(make(() => {}), 0);
  assert.equal(make(() => {}), -EADDRINUSE);
  assert.equal(make((e) => e.reuseAddress = true), -EADDRINUSE);
  const six = stack.udp.createEndpoint(true);
  assert.equal(six.bind(null, 77), -EADDRINUSE);
  const only = stack.udp.createEndpoint(true);
  only.v6Only = true;
  assert.equal(only.bind(null, 77), 0);
});

Deno.test("SO_REUSEPORT spreads flows over its endpoints", () => {
  const { stack } = createNode();
  const group = [0, 1, 2].map(() => {
    const e = stack.udp.createEndpoint(false);
    e.reusePort = true;
    assert.equal(e.bind(null, 500), 0);
    return e;
  });
  for (let i = 0; i < 90; i++) {
    const c = stack.udp.createEndpoint(false);
    c.send(text("x"), 1, 0, to("127.0.0.1", 500));
    c.close();
  }
  stack.poll();
  for (const e of group) {
    let n = 0;
    while (read(e) === "x") n++;
    assert(n > 5, `${n}`);
  }
});

Deno.test("frames on the wire are right, and answers reach a connected endpoint", () => {
  for (const [us, them] of [[US, THEM], [US6, THEM6]]) {
    const { stack, device } = createNode();
    const e = stack.udp.createEndpoint(!us.isV4);
    assert.equal(e.connect(them, 53), 0);
    assert.equal(e.send(text("ask"), 3, 0, null), 3);
    const f = device.take();
    assert(f !== null);
    if (us.isV4) assert.equal(checksum(f, 14, 34), 0);
    device.inject(udpFrame(them, 53, us, e.localPort, bytes(4)));
    device.inject(udpFrame(them, 54, us, e.localPort, bytes(5)));
    const io = new BytesIo(new Uint8Array(10));
    assert.equal(e.receive(io, 10, 0, null), 4);
    // The stranger's datagram finds no one and is answered by an ICMP error.
    assert.equal(e.receive(io, 10, 0, null), -EAGAIN);
    const error = device.take();
    assert(error !== null && error.length > 14 + 8 + 28);
  }
});

Deno.test("a bad checksum is dropped and counted", () => {
  const { stack, device } = createNode();
  const e = stack.udp.createEndpoint(false);
  e.bind(null, 10);
  const f = udpFrame(THEM, 1, US, 10, bytes(9));
  f[f.length - 1] ^= 1;
  device.inject(f);
  assert.equal(read(e), -EAGAIN);
  assert.equal(stack.ctx.counters.udpChecksumErrors, 1);
});

Deno.test("a large datagram is fragmented and put together again", () => {
  for (const address of ["10.0.0.2", "fd00::2"]) {
    const { a, b } = createLinked();
    const s = b.udp.createEndpoint(address.includes(":"));
    s.bind(null, 9000);
    const c = a.udp.createEndpoint(address.includes(":"));
    const data = bytes(40000);
    assert.equal(c.send(new BytesIo(data), data.length, 0, to(address, 9000)), data.length);
    settle(a, b);
    const io = new BytesIo(new Uint8Array(50000));
    assert.equal(s.receive(io, 50000, 0, null), data.length);
    assert.deepEqual(io.bytes.subarray(0, data.length), data);
    assert(a.ctx.counters.ipFragmentsCreated > 20);
    assert.equal(c.send(new BytesIo(bytes(65530)), 65530, 0, to(address, 9000)), -EMSGSIZE);
    c.ip.mtuDiscover = 2;
    c.ip.mtuDiscover6 = 2;
    assert.equal(c.send(new BytesIo(data), 3000, 0, to(address, 9000)), -EMSGSIZE);
  }
});

Deno.test("MSG_MORE gathers one datagram", () => {
  const { stack } = createNode();
  const s = stack.udp.createEndpoint(false);
  s.bind(null, 9);
  const c = stack.udp.createEndpoint(false);
  c.connect(LOOPBACK_V4, 9);
  c.send(text("ab"), 2, MSG_MORE, null);
  c.send(text("cd"), 2, 0, null);
  stack.poll();
  assert.equal(read(s), "abcd");
});

Deno.test("UDP_SEGMENT cuts one send into datagrams", () => {
  const { stack } = createNode();
  const s = stack.udp.createEndpoint(false);
  s.bind(null, 9);
  const c = stack.udp.createEndpoint(false);
  c.connect(LOOPBACK_V4, 9);
  c.segmentSize = 2;
  c.send(text("abcde"), 5, 0, null);
  stack.poll();
  assert.equal(read(s), "ab");
  assert.equal(read(s), "cd");
  assert.equal(read(s), "e");
});

Deno.test("the receive queue is bounded and drops are counted", () => {
  const { stack, device } = createNode();
  const e = stack.udp.createEndpoint(false);
  e.bind(null, 10);
  for (let i = 0; i < 2000; i++) device.inject(udpFrame(THEM, 1, US, 10, bytes(100)));
  assert(e.drops > 1500);
  assert(e.queuedBytes <= e.receiveBufferSize);
  assert.equal(stack.ctx.socketMemory, e.queuedBytes);
  e.close();
  assert.equal(stack.ctx.socketMemory, 0);
});

Deno.test("multicast reaches those who joined, and loops back", () => {
  const { stack, device, eth } = createNode();
  const group = ip("239.1.2.3");
  const a = stack.udp.createEndpoint(false);
  a.reuseAddress = true;
  a.bind(null, 5353);
  const b = stack.udp.createEndpoint(false);
  b.reuseAddress = true;
  b.bind(null, 5353);
  b.ip.multicastAll = false;
  const mac = multicastMac(group);
  device.inject(udpFrame(THEM, 1, group, 5353, bytes(3), mac));
  assert.equal(read(a), -EAGAIN);
  assert.equal(a.joinGroup(group, eth.index), 0);
  assert.equal(a.joinGroup(group, eth.index), -EADDRINUSE);
  device.inject(udpFrame(THEM, 1, group, 5353, bytes(3), mac));
  assert.notEqual(read(a), -EAGAIN);
  assert.equal(read(b), -EAGAIN);
  const c = stack.udp.createEndpoint(false);
  c.ip.multicastIndex = eth.index;
  assert.equal(c.send(text("me"), 2, 0, to("239.1.2.3", 5353)), 2);
  stack.poll();
  assert.equal(read(a), "me");
  assert.equal(a.leaveGroup(group, 0), 0);
  device.inject(udpFrame(THEM, 1, group, 5353, bytes(3), mac));
  assert.equal(read(a), -EAGAIN);
});

Deno.test("broadcast needs SO_BROADCAST to send and reaches everyone bound", () => {
  const { stack, device } = createNode();
  const e = stack.udp.createEndpoint(false);
  e.bind(null, 67);
  device.inject(udpFrame(THEM, 68, ip("255.255.255.255"), 67, bytes(3), BROADCAST_MAC));
  device.inject(udpFrame(THEM, 68, ip("10.0.0.255"), 67, bytes(3), BROADCAST_MAC));
  assert.notEqual(read(e), -EAGAIN);
  assert.notEqual(read(e), -EAGAIN);
  assert.equal(e.send(text("x"), 1, 0, to("10.0.0.255", 68)), -13);
  e.broadcast = true;
  assert.equal(e.send(text("x"), 1, 0, to("10.0.0.255", 68)), 1);
  const f = device.take();
  assert.equal(f?.[0], 0xff);
});
