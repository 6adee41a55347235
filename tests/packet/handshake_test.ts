import assert from "node:assert/strict";
import { ECONNREFUSED, ECONNRESET, EINPROGRESS, ETIMEDOUT } from "../../src/abi/errno.ts";
import { POLLOUT } from "../../src/netstack/core/poll.ts";
import { TcpState } from "../../src/netstack/transport/tcp/constants.ts";
import { ipv4Frame, MS, read, SECOND, text, THEM, US } from "../unit/netstack/support/harness.ts";
import { Peer } from "./support/peer.ts";

Deno.test("a SYN offers MSS, window scale, SACK and timestamps, and is retried with backoff", () => {
  const p = new Peer();
  const c = p.stack.tcp.createEndpoint(false);
  assert.equal(c.connect(THEM, 5000), -EINPROGRESS);
  const syn = p.expect("S", 0, 0);
  assert.equal(syn.view.mss, 1460);
  assert.equal(syn.view.windowScale, 6);
  assert(syn.view.sackPermitted && syn.view.hasTimestamp);
  assert.equal(syn.win, 64240);
  for (const s of [1, 2, 4, 8, 16, 32]) {
    p.wait(s * SECOND - MS);
    p.quiet();
    p.wait(MS);
    p.expect("S", 0, 0);
  }
  p.wait(64 * SECOND);
  p.quiet();
  assert.equal(c.takeError(), ETIMEDOUT);
  assert.equal(c.state, TcpState.Close);
});

Deno.test("a SYN-ACK is answered and the connection is writable", () => {
  const p = new Peer();
  const c = p.opened();
  assert.equal(c.readiness() & POLLOUT, POLLOUT);
  assert.equal(c.state, TcpState.Established);
});

Deno.test("a wrong acknowledgement in SYN_SENT is reset and ignored", () => {
  const p = new Peer();
  const c = p.stack.tcp.createEndpoint(false);
  c.connect(THEM, 5000);
  p.stackPort = c.localPort;
  p.expect("S", 0, 0);
  p.send("S.", 0, 77);
  p.expect("R", 77, 0);
  assert.equal(c.state, TcpState.SynSent);
  p.send("R.", 0, 99);
  p.quiet();
  assert.equal(c.state, TcpState.SynSent);
  p.send("R.", 0, 1);
  assert.equal(c.takeError(), ECONNREFUSED);
});

Deno.test("simultaneous open makes one connection", () => {
  const p = new Peer();
  const c = p.stack.tcp.createEndpoint(false);
  c.connect(THEM, 5000);
  p.stackPort = c.localPort;
  p.expect("S", 0, 0);
  p.send("S", 0, 0, 0, 65535, { mss: 1000 });
  p.expect("S.", 0, 1);
  assert.equal(c.state, TcpState.SynReceived);
  p.send("S.", 0, 1, 0, 65535, { mss: 1000 });
  assert.equal(c.state, TcpState.Established);
  p.drain();
  p.send("P.", 1, 1, 5);
  assert.equal((read(c) as string).length, 5);
});

Deno.test("a connection to itself works", () => {
  const p = new Peer();
  const c = p.stack.tcp.createEndpoint(false);
  assert.equal(c.bind(US, 777), 0);
  assert.equal(c.connect(US, 777), -EINPROGRESS);
  p.wait(MS);
  assert.equal(c.connect(US, 777), 0);
  c.send(text("echo"), 4, 0);
  p.wait(MS);
  assert.equal(read(c), "echo");
});

Deno.test("a SYN-ACK is retried, and a repeated SYN is answered again", () => {
  const p = new Peer();
  p.listen();
  p.send("S", 0, 0, 0, 65535, { mss: 1000 });
  p.expect("S.", 0, 1);
  p.wait(SECOND);
  p.expect("S.", 0, 1);
  p.wait(2 * SECOND);
  p.expect("S.", 0, 1);
  p.send("S", 0, 0, 0, 65535, { mss: 1000 });
  p.expect("S.", 0, 1);
  p.wait(100 * SECOND);
  p.drain();
  assert.equal(p.stack.tcp.table.size, 0);
});

Deno.test("a half-open connection ends by a right reset only", () => {
  const p = new Peer();
  p.listen();
  p.send("S", 0, 0, 0, 65535, { mss: 1000 });
  p.expect("S.", 0, 1);
  p.send("R", 50, 0);
  assert.equal(p.stack.tcp.table.size, 1);
  p.send("R", 1, 0);
  assert.equal(p.stack.tcp.table.size, 0);
});

Deno.test("a segment for no connection is reset", () => {
  const p = new Peer();
  p.send(".", 5, 9);
  p.expect("R", 9, 0);
  p.send("S", 5, 0);
  p.expect("R.", 0, 6);
  p.send("R", 5, 0);
  p.quiet();
});

Deno.test("data that comes with the final ACK is there after accept", () => {
  const p = new Peer();
  const l = p.listen();
  p.send("S", 0, 0, 0, 65535, { mss: 1000 });
  p.expect("S.", 0, 1);
  p.send("P.", 1, 1, 3);
  const s = l.accept();
  assert(typeof s !== "number");
  assert.equal((read(s) as string).length, 3);
});

Deno.test("TCP_DEFER_ACCEPT waits for data", () => {
  const p = new Peer();
  const l = p.listen((l) => l.deferAccept = 3);
  p.send("S", 0, 0, 0, 65535, { mss: 1000 });
  p.expect("S.", 0, 1);
  p.send(".", 1, 1);
  assert.equal(typeof l.accept(), "number");
  p.send("P.", 1, 1, 3);
  assert.notEqual(typeof l.accept(), "number");
});

Deno.test("a flood of SYNs is met with cookies, and who answers is let in", () => {
  const p = new Peer();
  const l = p.listen();
  for (let i = 0; i < 5000; i++) {
    p.port = 10000 + i;
    p.send("S", 0, 0, 0, 65535, { mss: 1300, sackOk: true, wscale: 5, ts: [7, 0] });
  }
  assert(p.stack.tcp.table.size <= 8);
  assert(p.stack.ctx.counters.tcpSynCookiesSent > 4000);
  p.drain();
  p.port = 4000;
  p.send("S", 0, 0, 0, 65535, { mss: 1300, sackOk: true, wscale: 5, ts: [7, 0] });
  const sa = p.expect("S.", 0, 1);
  p.wait(20 * MS);
  p.send(".", 1, 1, 0, 100, { ts: [8, sa.view.tsValue] });
  const s = l.accept();
  assert(typeof s !== "number");
  assert.equal(s.peerMss, 1300);
  assert.equal(s.sackOk, true);
  assert.equal(s.sndWscale, 5);
  assert.equal(s.sndWnd, 3200);
  // A forged cookie is refused.
  p.port = 4001;
  p.drain();
  p.send(".", 1, 1234567, 0, 100, { ts: [8, 0] });
  assert.equal(p.next()?.flags, "R");
});

Deno.test("existing connections go on under a flood", () => {
  const p = new Peer();
  const s = p.accepted();
  for (let i = 0; i < 3000; i++) {
    p.port = 10000 + i;
    p.send("S", 0, 0, 0, 65535, { mss: 1300 });
  }
  p.port = 5000;
  p.drain();
  const irs = s.iss;
  p.irs = irs;
  p.send("P.", 1, 1, 4);
  assert.equal((read(s) as string).length, 4);
});

Deno.test("an ICMP error ends an attempt to connect; of an old segment it does not", () => {
  for (const right of [false, true]) {
    const p = new Peer();
    const c = p.stack.tcp.createEndpoint(false);
    c.connect(THEM, 5000);
    const f = p.node.device.take();
    assert(f !== null);
    const quoted = f.slice(14, 14 + 28);
    if (!right) quoted[27] ^= 0xff;
    const icmp = new Uint8Array(8 + 28);
    icmp[0] = 3;
    icmp[1] = 1;
    icmp.set(quoted, 8);
    let sum = 0;
    for (let i = 0; i < icmp.length; i += 2) sum += (icmp[i] << 8) | icmp[i + 1];
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    icmp[2] = (~sum >> 8) & 255;
    icmp[3] = ~sum & 255;
    p.node.device.inject(ipv4Frame(THEM, US, 1, icmp));
    assert.equal(c.takeError(), right ? 113 : 0);
  }
});

Deno.test("an accepted connection that is reset tells its reader", () => {
  const p = new Peer();
  const s = p.accepted();
  p.send("R", 1, 0);
  assert.equal(read(s), -ECONNRESET);
});

Deno.test("ECN is agreed on and congestion is told and confirmed", () => {
  const p = new Peer();
  p.listen();
  const l = p.stack.tcp.table;
  assert(l !== null);
  p.send("SEW", 0, 0, 0, 65535, { mss: 1000 });
  p.expect("S.E", 0, 1);
  p.send(".", 1, 1);
  p.tos = 3;
  p.send("P.", 1, 1, 100);
  p.tos = 0;
  assert(p.next()?.flags.includes("E"));
  p.send("P.W", 101, 1, 100);
  p.wait(SECOND);
  assert(!p.next()?.flags.includes("E"));
});
