import assert from "node:assert/strict";
import {
  EADDRINUSE,
  EADDRNOTAVAIL,
  EAGAIN,
  EINPROGRESS,
  EINVAL,
} from "../../../../src/abi/errno.ts";
import { BytesIo } from "../../../../src/netstack/core/io.ts";
import { MSG_TRUNC, POLLIN, POLLOUT } from "../../../../src/netstack/core/poll.ts";
import { TcpState } from "../../../../src/netstack/transport/tcp/constants.ts";
import { tcpInfo } from "../../../../src/netstack/transport/tcp/info.ts";
import { ip, LOOPBACK_V4, LOOPBACK_V6 } from "../../../../src/netstack/wire/address.ts";
import {
  advance,
  bytes,
  createLinked,
  createNode,
  MS,
  read,
  SECOND,
  settle,
  text,
  THEM,
} from "../support/harness.ts";
import { connected, listen, Transfer } from "../support/tcp.ts";

Deno.test("Fast Open gets a cookie, then sends data with the SYN", () => {
  const { a, b } = createLinked();
  b.ctx.settings.tcpFastOpen = 3;
  const l = listen(b, 80);
  l.fastOpenQueue = 5;
  const first = a.tcp.createEndpoint(false);
  assert.equal(first.connectWithData(THEM, 80, 0, text("one"), 3), -EINPROGRESS);
  settle(a, b);
  assert.equal(first.state, TcpState.Established);
  assert.notEqual(a.tcp.shared.knownCookie(THEM), null);
  assert.notEqual(typeof l.accept(), "number");
  const second = a.tcp.createEndpoint(false);
  assert.equal(second.connectWithData(THEM, 80, 0, text("two"), 3), 3);
  settle(a, b);
  const s = l.accept();
  assert(typeof s !== "number");
  assert.equal(read(s), "two");
  assert.equal(b.ctx.counters.tcpFastOpenPassive, 1);
  assert.equal(a.ctx.counters.tcpFastOpenActive, 1);
  assert.equal(s.state, TcpState.Established);
  s.send(text("answer"), 6, 0);
  settle(a, b);
  assert.equal(read(second), "answer");
});

Deno.test("a wrong Fast Open cookie falls back to a normal handshake", () => {
  const { a, b, clock } = createLinked();
  b.ctx.settings.tcpFastOpen = 3;
  const l = listen(b, 80);
  l.fastOpenQueue = 5;
  a.tcp.shared.rememberCookie(THEM, new Uint8Array(8));
  const c = a.tcp.createEndpoint(false);
  assert.equal(c.connectWithData(THEM, 80, 0, text("data"), 4), 4);
  advance(clock, SECOND, a, b);
  const s = l.accept();
  assert(typeof s !== "number");
  assert.equal(read(s), "data");
  assert.equal(b.ctx.counters.tcpFastOpenPassive, 0);
  assert.notEqual(a.tcp.shared.knownCookie(THEM)?.[0], undefined);
});

Deno.test("ports: exclusive while listening, shared with SO_REUSEADDR after, never by two", () => {
  const { stack } = createNode();
  const l = listen(stack, 80);
  const x = stack.tcp.createEndpoint(false);
  x.reuseAddress = true;
  l.reuseAddress = true;
  assert.equal(x.bind(null, 80), -EADDRINUSE);
  const { server, client } = (() => {
    const c = stack.tcp.createEndpoint(false);
    c.connect(LOOPBACK_V4, 80);
    settle(stack);
    const s = l.accept();
    assert(typeof s !== "number");
    return { client: c, server: s };
  })();
  l.close();
  const y = stack.tcp.createEndpoint(false);
  assert.equal(y.bind(null, 80), -EADDRINUSE);
  y.reuseAddress = true;
  assert.equal(y.bind(null, 80), 0);
  assert.equal(y.listen(5), 0);
  server.close();
  client.close();
  settle(stack);
  const z = stack.tcp.createEndpoint(false);
  z.reuseAddress = true;
  assert.equal(z.bind(LOOPBACK_V4, 80), -EADDRINUSE);
});

Deno.test("SO_REUSEPORT listeners share the connections", () => {
  const { stack } = createNode();
  const group = [0, 1, 2].map(() => {
    const l = stack.tcp.createEndpoint(false);
    l.reusePort = true;
    assert.equal(l.bind(null, 80), 0);
    assert.equal(l.listen(100), 0);
    return l;
  });
  for (let i = 0; i < 60; i++) {
    const c = stack.tcp.createEndpoint(false);
    c.connect(LOOPBACK_V4, 80);
  }
  settle(stack);
  const counts = group.map((l) => l.acceptQueue.length);
  assert.equal(counts.reduce((x, y) => x + y), 60);
  for (const n of counts) assert(n > 5, counts.join());
});

Deno.test("an AF_INET6 listener takes IPv4 connections unless V6ONLY", () => {
  const { stack } = createNode();
  const l = listen(stack, 80, true);
  const c = stack.tcp.createEndpoint(false);
  c.connect(LOOPBACK_V4, 80);
  const d = stack.tcp.createEndpoint(true);
  d.connect(LOOPBACK_V6, 80);
  const e = stack.tcp.createEndpoint(true);
  e.connect(LOOPBACK_V4, 80);
  settle(stack);
  for (const x of [c, d, e]) assert.equal(x.state, TcpState.Established);
  assert.equal(l.acceptQueue.length, 3);
  const only = stack.tcp.createEndpoint(true);
  only.v6Only = true;
  only.bind(null, 81);
  only.listen(5);
  const f = stack.tcp.createEndpoint(false);
  f.connect(LOOPBACK_V4, 81);
  settle(stack);
  assert.equal(f.state, TcpState.Close);
  assert.equal(listen(stack, 81).state, TcpState.Listen);
});

Deno.test("the send buffer is bounded and writers are told of room", () => {
  const { a, b, clock } = createLinked();
  const { client, server } = connected(a, b, THEM, 80);
  client.setSendBuffer(10_000);
  let mask = 0;
  client.onReadinessChange = (m) => mask |= m;
  const data = new BytesIo(bytes(100_000));
  assert.equal(client.send(data, 100_000, 0), 20_000);
  assert.equal(client.send(data, 80_000, 0), -EAGAIN);
  assert.equal(client.readiness() & POLLOUT, 0);
  advance(clock, 100 * MS, a, b);
  assert.equal(mask & POLLOUT, POLLOUT);
  assert.equal(client.readiness() & POLLOUT, POLLOUT);
  assert.equal(server.available, 20_000);
  assert.equal(server.receive(new BytesIo(new Uint8Array(0)), 20_000, MSG_TRUNC), 20_000);
});

Deno.test("a read of no bytes returns at once", () => {
  const { stack } = createNode();
  const { server } = connected(stack, stack, LOOPBACK_V4, 80);
  assert.equal(server.receive(new BytesIo(new Uint8Array(0)), 0, 0), 0);
});

Deno.test("SO_RCVLOWAT and readiness", () => {
  const { stack } = createNode();
  const { client, server } = connected(stack, stack, LOOPBACK_V4, 80);
  server.receiveLowWater = 5;
  client.setNoDelay(true);
  client.send(text("abc"), 3, 0);
  settle(stack);
  assert.equal(server.readiness() & POLLIN, 0);
  client.send(text("de"), 2, 0);
  settle(stack);
  assert.equal(server.readiness() & POLLIN, POLLIN);
});

Deno.test("TCP_INFO tells what is agreed and counted", () => {
  const { a, b, clock } = createLinked();
  const { client, server } = connected(a, b, THEM, 80);
  const t = new Transfer(client, server, bytes(100_000));
  for (let i = 0; i < 200 && !t.finished; i++) {
    t.step();
    advance(clock, MS, a, b);
  }
  t.check();
  const i = tcpInfo(client);
  assert.equal(i.options & 7, 7);
  assert.equal(i.sndMss, 1448);
  assert.equal(i.bytesAcked, 100_000);
  assert.equal(i.pmtu, 1500);
  assert(i.sndCwnd >= 10);
  assert.equal(tcpInfo(server).bytesReceived, 100_000);
});

Deno.test("options are checked", () => {
  const { stack } = createNode();
  const e = stack.tcp.createEndpoint(false);
  assert.equal(e.setMaxSegment(10), -EINVAL);
  assert.equal(e.setMaxSegment(1000), 0);
  assert.equal(e.setCongestionControl("bbr9"), false);
  assert.equal(e.setCongestionControl("reno"), true);
  assert.equal(e.control.name, "reno");
  assert.equal(e.setWindowClamp(100), 0);
  assert.equal(e.windowClamp, 1152);
  assert.equal(e.bind(ip("10.9.9.9"), 0), -EADDRNOTAVAIL);
  assert.equal(e.bind(null, 0), 0);
  assert(e.localPort >= 32768 && e.localPort <= 60999);
  assert.equal(e.bind(null, 0), -EINVAL);
});

Deno.test("outgoing connections to one place use many ports; all taken is an error", () => {
  const { stack, device } = createNode();
  stack.ctx.settings.localPortLow = 40000;
  stack.ctx.settings.localPortHigh = 40009;
  const ports = new Set<number>();
  for (let i = 0; i < 10; i++) {
    const c = stack.tcp.createEndpoint(false);
    assert.equal(c.connect(THEM, 80), -EINPROGRESS);
    ports.add(c.localPort);
  }
  assert.equal(ports.size, 10);
  const c = stack.tcp.createEndpoint(false);
  assert.equal(c.connect(THEM, 80), -EADDRNOTAVAIL);
  // Another destination may share the ports.
  assert.equal(c.connect(THEM, 81), -EINPROGRESS);
  assert(device.sent.length >= 11);
});

Deno.test("a look-up costs the same among many connections, which idle without timers", () => {
  const { stack } = createNode();
  const l = listen(stack, 80, false, 4096);
  const clients = [];
  for (let i = 0; i < 3000; i++) {
    const c = stack.tcp.createEndpoint(false);
    c.connect(LOOPBACK_V4, 80);
    clients.push(c);
    if (i % 50 === 0) settle(stack);
  }
  settle(stack);
  assert.equal(stack.tcp.table.size, 6000);
  assert.equal(l.acceptQueue.length, 3000);
  assert.equal(stack.nextDeadline(), Infinity);
  assert.equal(stack.ctx.socketMemory, 0);
  for (const c of clients) c.close();
  settle(stack);
});

Deno.test("a connection that was refused or closed can be used again", () => {
  const { stack, clock } = createNode();
  const c = stack.tcp.createEndpoint(false);
  c.connect(LOOPBACK_V4, 80);
  settle(stack);
  assert.equal(c.connect(LOOPBACK_V4, 80), -111);
  const l = listen(stack, 80);
  for (let i = 0; i < 3; i++) {
    assert.equal(c.connect(LOOPBACK_V4, 80), -EINPROGRESS);
    settle(stack);
    assert.equal(c.connect(LOOPBACK_V4, 80), 0);
    const s = l.accept();
    assert(typeof s !== "number");
    c.send(text("again"), 5, 0);
    settle(stack);
    assert.equal(read(s), "again");
    assert.equal(c.disconnect(), 0);
    settle(stack);
    assert.equal(read(s), -104);
    s.close();
    advance(clock, SECOND, stack);
  }
});

Deno.test("with all socket memory in use streams go on slowly and nothing hangs", () => {
  const { a, b, clock } = createLinked();
  a.ctx.settings.socketMemory = 40_000;
  b.ctx.settings.socketMemory = 40_000;
  const pairs = [80, 81, 82].map((port) => {
    const { client, server } = connected(a, b, THEM, port);
    return new Transfer(client, server, bytes(100_000, port));
  });
  for (let i = 0; i < 3000 && !pairs.every((t) => t.finished); i++) {
    for (const t of pairs) t.step();
    advance(clock, 100 * MS, a, b);
    assert(a.ctx.socketMemory < 400_000 && b.ctx.socketMemory < 400_000);
  }
  for (const t of pairs) t.check();
});
