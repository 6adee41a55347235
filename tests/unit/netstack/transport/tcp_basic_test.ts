import assert from "node:assert/strict";
import { EAGAIN, ECONNREFUSED, ECONNRESET, EINPROGRESS, EPIPE } from "../../../../src/abi/errno.ts";
import {
  MSG_OOB,
  MSG_PEEK,
  POLLERR,
  POLLHUP,
  POLLIN,
  POLLOUT,
  POLLPRI,
  POLLRDHUP,
} from "../../../../src/netstack/core/poll.ts";
import { TcpState } from "../../../../src/netstack/transport/tcp/constants.ts";
import { LOOPBACK_V4, LOOPBACK_V6 } from "../../../../src/netstack/wire/address.ts";
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
  THEM6,
} from "../support/harness.ts";
import { connected, listen, Transfer } from "../support/tcp.ts";

Deno.test("a connection over loopback opens, carries data both ways and closes", () => {
  for (const address of [LOOPBACK_V4, LOOPBACK_V6]) {
    const { stack, clock } = createNode();
    const { client, server } = connected(stack, stack, address, 80);
    assert.equal(client.send(text("ping"), 4, 0), 4);
    settle(stack);
    assert.equal(server.readiness() & POLLIN, POLLIN);
    assert.equal(read(server), "ping");
    assert.equal(read(server), -EAGAIN);
    assert.equal(server.send(text("pong"), 4, 0), 4);
    settle(stack);
    assert.equal(read(client, 100, MSG_PEEK), "pong");
    assert.equal(read(client), "pong");
    client.close();
    settle(stack);
    assert.equal(server.readiness() & (POLLIN | POLLRDHUP), POLLIN | POLLRDHUP);
    assert.equal(read(server), "");
    server.close();
    settle(stack);
    assert.equal(stack.tcp.shared.timeWaits, 1);
    advance(clock, 61 * SECOND, stack);
    assert.equal(stack.tcp.shared.timeWaits, 0);
    assert.equal(stack.ctx.socketMemory, 0);
  }
});

Deno.test("connecting to a closed port is refused", () => {
  const { stack } = createNode();
  const c = stack.tcp.createEndpoint(false);
  assert.equal(c.readiness() & POLLHUP, POLLHUP);
  assert.equal(c.connect(LOOPBACK_V4, 81), -EINPROGRESS);
  settle(stack);
  assert.equal(c.readiness() & (POLLERR | POLLHUP | POLLOUT), POLLERR | POLLHUP | POLLOUT);
  assert.equal(c.connect(LOOPBACK_V4, 81), -ECONNREFUSED);
  const l = listen(stack, 81);
  assert.equal(c.connect(LOOPBACK_V4, 81), -EINPROGRESS);
  settle(stack);
  assert.equal(c.connect(LOOPBACK_V4, 81), 0);
  assert(typeof l.accept() !== "number");
});

Deno.test("a stream crosses a link whole, both families", () => {
  for (const address of [THEM, THEM6]) {
    const { a, b, clock } = createLinked();
    const { client, server } = connected(a, b, address, 80);
    const t = new Transfer(client, server, bytes(3_000_000));
    for (let i = 0; i < 2000 && !t.finished; i++) {
      t.step();
      advance(clock, MS, a, b);
    }
    t.check();
    assert.equal(a.ctx.counters.tcpRetransmitted, 0);
  }
});

Deno.test("closing with unread data resets the peer", () => {
  const { stack } = createNode();
  const { client, server } = connected(stack, stack, LOOPBACK_V4, 80);
  client.send(text("unread"), 6, 0);
  settle(stack);
  server.close();
  settle(stack);
  assert.equal(read(client), -ECONNRESET);
  assert.equal(client.send(text("x"), 1, 0), -EPIPE);
  assert.equal(client.state, TcpState.Close);
});

Deno.test("a linger of zero resets", () => {
  const { stack } = createNode();
  const { client, server } = connected(stack, stack, LOOPBACK_V4, 80);
  server.lingerSeconds = 0;
  server.close();
  settle(stack);
  assert.equal(read(client), -ECONNRESET);
});

Deno.test("half-closed connections go on the other way", () => {
  const { stack } = createNode();
  const { client, server } = connected(stack, stack, LOOPBACK_V4, 80);
  client.send(text("request"), 7, 0);
  assert.equal(client.shutdown(1), 0);
  settle(stack);
  assert.equal(read(server), "request");
  assert.equal(read(server), "");
  assert.equal(server.state, TcpState.CloseWait);
  assert.equal(client.state, TcpState.FinWait2);
  assert.equal(server.send(text("answer"), 6, 0), 6);
  settle(stack);
  assert.equal(read(client), "answer");
  server.close();
  settle(stack);
  assert.equal(read(client), "");
  assert.equal(client.send(text("x"), 1, 0), -EPIPE);
});

Deno.test("urgent data is out of band, marked in the stream, or inline", () => {
  const { stack } = createNode();
  const { client, server } = connected(stack, stack, LOOPBACK_V4, 80);
  let signals = 0;
  server.onUrgent = () => signals++;
  client.send(text("abc"), 3, MSG_OOB);
  client.send(text("de"), 2, 0);
  settle(stack);
  assert.equal(signals, 1);
  assert.equal(server.readiness() & POLLPRI, POLLPRI);
  assert.equal(read(server, 1, MSG_OOB), "c");
  assert.equal(read(server, 1, MSG_OOB), -22);
  assert.equal(read(server), "ab");
  assert.equal(server.atMark, true);
  assert.equal(read(server), "de");
  server.oobInline = true;
  client.send(text("xyz"), 3, MSG_OOB);
  settle(stack);
  assert.equal(read(server), "xy");
  assert.equal(server.atMark, true);
  assert.equal(read(server), "z");
});

Deno.test("a backlog that is full drops, and recovers when accept catches up", () => {
  const { stack, clock } = createNode();
  const l = listen(stack, 80, false, 1);
  const clients = [0, 1, 2, 3].map(() => {
    const c = stack.tcp.createEndpoint(false);
    c.connect(LOOPBACK_V4, 80);
    return c;
  });
  settle(stack);
  assert(stack.ctx.counters.tcpListenOverflows > 0);
  let accepted = 0;
  for (let i = 0; i < 10; i++) {
    while (typeof l.accept() !== "number") accepted++;
    advance(clock, SECOND, stack);
  }
  assert.equal(accepted, 4);
  for (const c of clients) assert.equal(c.state, TcpState.Established);
});

Deno.test("a listener that closes resets what it has not accepted", () => {
  const { stack } = createNode();
  const l = listen(stack, 80);
  const c = stack.tcp.createEndpoint(false);
  c.connect(LOOPBACK_V4, 80);
  settle(stack);
  assert.equal(c.connect(LOOPBACK_V4, 80), 0);
  l.close();
  settle(stack);
  assert.equal(read(c), -ECONNRESET);
  const again = stack.tcp.createEndpoint(false);
  assert.equal(again.bind(null, 80), 0);
});

Deno.test("a small write waits for Nagle, not with TCP_NODELAY, and TCP_CORK holds it", () => {
  const { a, b, clock } = createLinked();
  const { client, server } = connected(a, b, THEM, 80);
  const count = () => a.ctx.counters.tcpOutSegments;
  client.send(text("a"), 1, 0);
  const n = count();
  client.send(text("b"), 1, 0);
  client.send(text("c"), 1, 0);
  assert.equal(count(), n);
  client.setNoDelay(true);
  assert.equal(count(), n + 1);
  advance(clock, SECOND, a, b);
  assert.equal(read(server), "abc");
  client.setCork(true);
  const m = count();
  client.send(text("d"), 1, 0);
  assert.equal(count(), m);
  client.setCork(false);
  assert.equal(count(), m + 1);
  client.setCork(true);
  client.send(text("e"), 1, 0);
  advance(clock, 100 * MS, a, b);
  assert.equal(read(server), "d");
  advance(clock, 150 * MS, a, b);
  assert.equal(read(server), "e");
});

Deno.test("a reader that stops closes the window; reading opens it again", () => {
  const { a, b, clock } = createLinked();
  const { client, server } = connected(a, b, THEM, 80);
  const data = bytes(400_000);
  const t = new Transfer(client, server, data);
  const source = text("");
  source.reset(data);
  let sent = 0;
  for (let i = 0; i < 50; i++) {
    const n = client.send(source, data.length - sent, 0);
    if (n > 0) sent += n;
    advance(clock, 10 * MS, a, b);
  }
  assert(server.available < 100_000);
  assert(client.unsent > 0);
  // Probes go on while the window is shut, and nothing is lost.
  advance(clock, 300 * SECOND, a, b);
  assert.equal(client.state, TcpState.Established);
  let got = 0;
  for (let i = 0; i < 400 && got < sent; i++) {
    const r = read(server, 65536);
    if (typeof r === "string") got += 65536;
    advance(clock, 10 * MS, a, b);
  }
  assert(t.data.length > 0 && client.unsent === 0);
});
