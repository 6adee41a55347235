import assert from "node:assert/strict";
import {
  EADDRINUSE,
  EAGAIN,
  ECONNREFUSED,
  ECONNRESET,
  EMSGSIZE,
  ENOTCONN,
  EPIPE,
  EPROTOTYPE,
} from "../../../../src/abi/errno.ts";
import { O_NONBLOCK } from "../../../../src/abi/fcntl.ts";
import { POLLHUP, POLLIN, POLLOUT } from "../../../../src/abi/poll.ts";
import { MSG_PEEK, MSG_TRUNC } from "../../../../src/abi/socket.ts";
import { EventFile } from "../../../../src/sentry/fs/eventfd/eventfd.ts";
import { NetNamespace } from "../../../../src/sentry/kernel/namespaces.ts";
import { joinUnix } from "../../../../src/sentry/socket/families.ts";
import { Message } from "../../../../src/sentry/socket/message.ts";
import { DatagramSocket } from "../../../../src/sentry/socket/unix/datagram_socket.ts";
import { PacketSocket } from "../../../../src/sentry/socket/unix/packet_socket.ts";
import { StreamSocket } from "../../../../src/sentry/socket/unix/stream_socket.ts";
import type { UnixSocket } from "../../../../src/sentry/socket/unix/unix_socket.ts";
import { unixAddress } from "../../../../src/sentry/socket/unix/unix_address.ts";
import type { Task } from "../../../../src/sentry/kernel/task.ts";
import { asTask, World } from "../vfs/harness.ts";

/** A world with a network namespace, and a task in it. */
function place(): { w: World; t: Task; net: NetNamespace } {
  const w = new World();
  const t = asTask(w.root);
  const net = new NetNamespace(t.creds.userNs);
  Object.assign(t, { nsproxy: { net }, pid: { ns: {} } });
  return { w, t, net };
}

type Pair<S> = [S, S];

function pair<S extends UnixSocket>(
  p: ReturnType<typeof place>,
  make: new (t: Task, net: NetNamespace, flags: number) => S,
): Pair<S> {
  const a = new make(p.t, p.net, O_NONBLOCK);
  const b = new make(p.t, p.net, O_NONBLOCK);
  joinUnix(p.t, a, b);
  return [a, b];
}

function send(p: ReturnType<typeof place>, s: UnixSocket, text: string, m = new Message()): number {
  return s.send(p.t, p.w.io(new TextEncoder().encode(text)), m);
}

function receive(
  p: ReturnType<typeof place>,
  s: UnixSocket,
  size = 100,
  m = new Message(),
): string | number {
  const bytes = new Uint8Array(size);
  const n = s.receive(p.t, p.w.io(bytes), m);
  return n < 0 ? n : new TextDecoder().decode(bytes.subarray(0, n));
}

Deno.test("a stream joins what was sent and ends when the peer is gone", () => {
  const p = place();
  const [a, b] = pair(p, StreamSocket);
  assert.equal(receive(p, b), -EAGAIN);
  send(p, a, "one");
  send(p, a, "two");
  const peek = new Message().reset(MSG_PEEK);
  assert.equal(receive(p, b, 4, peek), "onet");
  assert.equal(receive(p, b, 4), "onet");
  assert.equal(receive(p, b), "wo");
  send(p, a, "last");
  a.unref();
  assert.equal(receive(p, b), "last");
  assert.equal(receive(p, b), "");
  assert.equal(send(p, b, "x"), -EPIPE);
  assert.equal(b.poll(null) & POLLHUP, POLLHUP);
});

Deno.test("a peer that closes with bytes unread resets the stream once", () => {
  const p = place();
  const [a, b] = pair(p, StreamSocket);
  send(p, a, "unread");
  b.unref();
  assert.equal(receive(p, a), -ECONNRESET);
  assert.equal(receive(p, a), "");
});

Deno.test("a full stream takes no more until half of it was read", () => {
  const p = place();
  const [a, b] = pair(p, StreamSocket);
  let total = 0;
  for (;;) {
    const n = send(p, a, "x".repeat(10000));
    if (n < 0) break;
    total += n;
  }
  assert.equal(total, a.options.sendBuffer);
  assert.equal(a.poll(null) & POLLOUT, 0);
  receive(p, b, total / 2 + 1);
  assert.equal(a.poll(null) & POLLOUT, POLLOUT);
});

Deno.test("descriptions travel with the byte they were sent with", () => {
  const p = place();
  const [a, b] = pair(p, StreamSocket);
  const file = new EventFile(p.w.vfs, 0, false, 0);
  send(p, a, "before");
  const m = new Message();
  m.rights = [file];
  send(p, a, "with", m);
  send(p, a, "after");
  assert.equal(file.refs, 2);
  const got = new Message();
  assert.equal(receive(p, b, 100, got), "beforewith");
  assert.deepEqual(got.rights, [file]);
  got.dropRights();
  assert.equal(receive(p, b), "after");
  send(p, a, "lost", m);
  assert.equal(file.refs, 2);
  b.unref();
  assert.equal(file.refs, 1);
});

Deno.test("packets and datagrams keep their bounds", () => {
  const p = place();
  for (const make of [PacketSocket, DatagramSocket]) {
    const [a, b] = pair<UnixSocket>(p, make);
    send(p, a, "");
    send(p, a, "longer");
    const m = new Message();
    assert.equal(receive(p, b), "");
    assert.equal(receive(p, b, 4, m), "long");
    assert.equal(m.outFlags & MSG_TRUNC, MSG_TRUNC);
    assert.equal(m.fullLength, 6);
    assert.equal(receive(p, b), -EAGAIN);
    assert.equal(send(p, a, "x".repeat(300000)), -EMSGSIZE);
  }
});

Deno.test("connections wait in the listener until they are accepted", () => {
  const p = place();
  const name = unixAddress("\0server");
  const listener = new StreamSocket(p.t, p.net, O_NONBLOCK);
  assert.equal(listener.bind(p.t, name), 0);
  assert.equal(new StreamSocket(p.t, p.net, 0).bind(p.t, name), -EADDRINUSE);
  const early = new StreamSocket(p.t, p.net, O_NONBLOCK);
  assert.equal(early.connect(p.t, name), -ECONNREFUSED);
  listener.listen(p.t, 0);
  assert.equal(listener.accept(p.t, 0), -EAGAIN);
  assert.equal(early.connect(p.t, name), 0);
  assert.equal(new StreamSocket(p.t, p.net, O_NONBLOCK).connect(p.t, name), -EAGAIN);
  assert.equal(listener.poll(null) & POLLIN, POLLIN);
  assert.equal(send(p, early, "hello"), 5);
  const end = listener.accept(p.t, 0) as StreamSocket;
  assert.equal(receive(p, end), "hello");
  assert.deepEqual(end.localAddress(), name);
  assert.equal(new DatagramSocket(p.t, p.net, 0).connect(p.t, name), -EPROTOTYPE);
  const late = new StreamSocket(p.t, p.net, O_NONBLOCK);
  late.connect(p.t, name);
  listener.unref();
  assert.equal(receive(p, late), -ECONNRESET);
  assert.equal(new StreamSocket(p.t, p.net, 0).connect(p.t, name), -ECONNREFUSED);
});

Deno.test("a receiver that is not the peer takes only so many datagrams", () => {
  const p = place();
  const name = unixAddress("\0sink");
  const sink = new DatagramSocket(p.t, p.net, O_NONBLOCK);
  sink.bind(p.t, name);
  const source = new DatagramSocket(p.t, p.net, O_NONBLOCK);
  assert.equal(send(p, source, "x"), -ENOTCONN);
  source.connect(p.t, name);
  let sent = 0;
  while (send(p, source, "x") === 1) sent++;
  assert.equal(sent, 11);
  assert.equal(source.poll(null) & POLLOUT, 0);
  receive(p, sink);
  assert.equal(source.poll(null) & POLLOUT, POLLOUT);
  sink.unref();
  assert.equal(send(p, source, "x"), -ECONNREFUSED);
  assert.equal(send(p, source, "x"), -ENOTCONN);
});

Deno.test("a socket in flight to itself stays, bounded by the limit on files in flight", () => {
  const p = place();
  const [a, b] = pair(p, StreamSocket);
  const m = new Message();
  m.rights = [a];
  send(p, b, "me", m);
  a.unref();
  assert.equal(a.closed, false);
  b.unref();
  // The last use of `a` is in its own queue: a cycle that stays, bounded by the limit on files in flight.
  assert.equal(a.refs, 1);
});
