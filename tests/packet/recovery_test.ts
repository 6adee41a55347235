import assert from "node:assert/strict";
import { ETIMEDOUT } from "../../src/abi/errno.ts";
import { BytesIo } from "../../src/netstack/core/io.ts";
import { CaState, TcpState } from "../../src/netstack/transport/tcp/constants.ts";
import type { TcpEndpoint } from "../../src/netstack/transport/tcp/endpoint.ts";
import { bytes, ipv4Frame, MS, SECOND, THEM, US } from "../unit/netstack/support/harness.ts";
import { Peer } from "./support/peer.ts";

function write(e: TcpEndpoint, n: number): void {
  assert.equal(e.send(new BytesIo(bytes(n)), n, 0), n);
}

/** Sequence numbers and lengths of all segments that wait. */
function segments(p: Peer): string[] {
  return p.drain().map((s) => `${s.seq}+${s.length}`);
}

Deno.test("a lost segment goes again after the timeout, which doubles", () => {
  const p = new Peer();
  const s = p.accepted();
  write(s, 500);
  p.expect("P.", 1, 1, 500);
  // First the loss probe, then timeouts.
  p.wait(2 * SECOND);
  const times = p.drain();
  assert(times.length >= 3);
  for (const t of times) assert.equal(`${t.seq}+${t.length}`, "1+500");
  assert.equal(s.ca, CaState.Loss);
  assert.equal(s.cwnd, 1);
  p.send(".", 1, 501);
  assert.equal(s.ca, CaState.Open);
  assert.equal(s.unacknowledged, 0);
});

Deno.test("a connection whose peer is gone times out", () => {
  const p = new Peer();
  const s = p.accepted();
  write(s, 500);
  p.wait(1000 * SECOND);
  assert.equal(s.takeError(), ETIMEDOUT);
  assert.equal(p.stack.tcp.table.size, 0);
});

Deno.test("TCP_USER_TIMEOUT ends it sooner", () => {
  const p = new Peer();
  const s = p.accepted();
  s.userTimeout = 3 * SECOND;
  write(s, 500);
  p.wait(2900 * MS);
  assert.equal(s.state, TcpState.Established);
  p.wait(1500 * MS);
  assert.equal(s.takeError(), ETIMEDOUT);
});

Deno.test("SACK recovery sends again just what is lost", () => {
  const p = new Peer();
  const s = p.accepted();
  write(s, 10_000);
  assert.equal(segments(p).length, 10);
  p.wait(10 * MS);
  p.send(".", 1, 1, 0, 65535, { sack: [[1001, 2001]] });
  p.send(".", 1, 1, 0, 65535, { sack: [[1001, 3001]] });
  p.quiet();
  p.send(".", 1, 1, 0, 65535, { sack: [[1001, 4001]] });
  assert.deepEqual(segments(p), ["1+1000"]);
  assert.equal(s.ca, CaState.Recovery);
  p.send(".", 1, 1, 0, 65535, { sack: [[5001, 6001], [1001, 4001]] });
  assert.deepEqual(segments(p), ["4001+1000"]);
  p.wait(10 * MS);
  p.send(".", 1, 10_001);
  assert.equal(s.ca, CaState.Open);
  assert.equal(s.cwnd, s.ssthresh);
  assert.equal(s.ssthresh, 7);
  p.quiet();
});

Deno.test("NewReno recovers several losses of one window without SACK", () => {
  const p = new Peer();
  const s = p.accepted({ mss: 1000, wscale: 7 });
  write(s, 10_000);
  assert.equal(segments(p).length, 10);
  p.wait(10 * MS);
  for (let i = 0; i < 2; i++) p.send(".", 1, 1);
  p.quiet();
  p.send(".", 1, 1);
  assert.deepEqual(segments(p), ["1+1000"]);
  for (let i = 0; i < 4; i++) p.send(".", 1, 1);
  p.drain();
  // A partial acknowledgement: the next hole goes at once.
  p.send(".", 1, 3001);
  assert.equal(segments(p)[0], "3001+1000");
  assert.equal(s.ca, CaState.Recovery);
  p.send(".", 1, 10_001);
  p.send(".", 1, 10_001);
  write(s, 1000);
  p.wait(MS);
  p.send(".", 1, 11_001);
  assert.equal(s.ca, CaState.Open);
});

Deno.test("a tail loss is probed for and repaired without a timeout", () => {
  const p = new Peer();
  const s = p.accepted();
  write(s, 5000);
  assert.equal(segments(p).length, 5);
  p.wait(10 * MS);
  p.send(".", 1, 3001);
  p.wait(100 * MS);
  assert.deepEqual(segments(p), ["4001+1000"]);
  p.send(".", 1, 3001, 0, 65535, { sack: [[4001, 5001]] });
  p.wait(50 * MS);
  assert.deepEqual(segments(p), ["3001+1000"]);
  assert.equal(p.stack.ctx.counters.tcpTimeouts, 0);
  p.send(".", 1, 5001);
  assert.equal(s.unacknowledged, 0);
});

Deno.test("a reordered segment is not taken for lost once reordering is known", () => {
  const p = new Peer();
  const s = p.accepted({ mss: 1000, sackOk: true, wscale: 7 }, 65535, () => {}, 40 * MS);
  write(s, 4000);
  p.drain();
  p.wait(40 * MS);
  // 2 and 3 arrive before 1; then 1: reordering is seen.
  p.send(".", 1, 1, 0, 65535, { sack: [[1001, 3001]] });
  p.send(".", 1, 4001);
  assert.equal(s.reorderingSeen, true);
  assert.deepEqual(segments(p), []);
  write(s, 8000);
  p.drain();
  p.wait(40 * MS);
  p.send(".", 1, 4001, 0, 65535, { sack: [[5001, 9001]] });
  // Four segments beyond it, but within the reordering window.
  assert.deepEqual(segments(p), []);
  p.wait(5 * MS);
  p.send(".", 1, 9001);
  p.wait(5 * MS);
  assert.deepEqual(segments(p), []);
  assert.equal(s.totalRetransmits, 0);
});

Deno.test("a lost retransmission is found by RACK", () => {
  const p = new Peer();
  const s = p.accepted({ mss: 1000, sackOk: true, wscale: 7 }, 65535, () => {}, 20 * MS);
  write(s, 10_000);
  p.drain();
  p.wait(20 * MS);
  p.send(".", 1, 1, 0, 65535, { sack: [[1001, 6001]] });
  assert.equal(segments(p)[0], "1+1000");
  write(s, 3000);
  p.wait(20 * MS);
  p.drain();
  // What was sent after the retransmission arrives, it does not.
  p.send(".", 1, 1, 0, 65535, { sack: [[1001, 10_001]] });
  p.drain();
  p.wait(20 * MS);
  p.send(".", 1, 1, 0, 65535, { sack: [[1001, 13_001]] });
  p.wait(10 * MS);
  assert.equal(segments(p)[0], "1+1000");
  assert.equal(p.stack.ctx.counters.tcpTimeouts, 0);
});

Deno.test("a needless timeout is undone by timestamps", () => {
  const p = new Peer();
  const s = p.accepted({ mss: 1000, sackOk: true, wscale: 7, ts: [100, 0] });
  write(s, 8000);
  const sent = p.drain();
  const stamp = sent[0].view.tsValue;
  assert(sent.length >= 8);
  const before = s.cwnd;
  p.wait(400 * MS);
  assert.equal(s.ca, CaState.Loss);
  p.drain();
  // The originals arrive after all: the echoed time is before the retransmission.
  p.tsVal = 200;
  p.send(".", 1, 8001, 0, 65535, { ts: [200, stamp] });
  assert.equal(s.ca, CaState.Open);
  assert(s.cwnd >= before);
  assert.equal(p.stack.ctx.counters.tcpUndos, 1);
});

Deno.test("a shut window is probed; its opening lets data go", () => {
  const p = new Peer();
  const s = p.accepted({ mss: 1000 }, 2000);
  write(s, 5000);
  assert.deepEqual(segments(p), ["1+1000", "1001+1000"]);
  p.send(".", 1, 2001, 0, 0);
  p.quiet();
  p.wait(SECOND);
  const probes = p.drain();
  assert(probes.length >= 1);
  for (const q of probes) assert.equal(`${q.seq}+${q.length}`, "2000+0");
  p.send(".", 1, 2001, 0, 0);
  p.wait(30 * SECOND);
  p.drain();
  p.send(".", 1, 2001, 0, 500);
  p.wait(10 * SECOND);
  assert(segments(p).some((x) => x === "2001+500"));
  p.send(".", 1, 2501, 0, 5000);
  assert.equal(segments(p)[0], "2501+1000");
  assert.equal(s.state, TcpState.Established);
});

Deno.test("a peer that takes its window back does not stop the connection", () => {
  const p = new Peer();
  const s = p.accepted({ mss: 1000 }, 5000);
  write(s, 5000);
  assert.equal(segments(p).length, 5);
  p.send(".", 1, 1001, 0, 0);
  p.wait(20 * SECOND);
  assert(segments(p).every((x) => x === "1001+1000"));
  p.send(".", 1, 5001, 0, 5000);
  assert.equal(s.unacknowledged, 0);
});

Deno.test("keepalive probes an idle peer and gives up on a dead one", () => {
  const p = new Peer();
  const s = p.accepted();
  s.keepIdle = 10 * SECOND;
  s.keepInterval = 2 * SECOND;
  s.keepCount = 3;
  s.setKeepAlive(true);
  p.wait(9 * SECOND);
  p.quiet();
  p.wait(1500 * MS);
  p.expect(".", 0, 1);
  p.send(".", 1, 1);
  p.wait(8 * SECOND);
  p.quiet();
  p.wait(10 * SECOND);
  const all = p.drain();
  assert.equal(all.filter((x) => x.flags === ".").length, 3);
  assert.equal(all.at(-1)?.flags, "R.");
  assert.equal(s.takeError(), ETIMEDOUT);
});

Deno.test("a router that needs smaller packets is believed if it quotes what is in flight", () => {
  for (const right of [true, false]) {
    const p = new Peer();
    const s = p.accepted({ mss: 1460, sackOk: true });
    write(s, 2920);
    const f = p.node.device.take();
    assert(f !== null);
    p.drain();
    const quoted = f.slice(14, 14 + 28);
    if (!right) quoted[24] ^= 0x80;
    const icmp = new Uint8Array(8 + 28);
    icmp[0] = 3;
    icmp[1] = 4;
    icmp[6] = 1000 >> 8;
    icmp[7] = 1000 & 255;
    icmp.set(quoted, 8);
    let sum = 0;
    for (let i = 0; i < icmp.length; i += 2) sum += (icmp[i] << 8) | icmp[i + 1];
    while (sum > 0xffff) sum = (sum & 0xffff) + (sum >>> 16);
    icmp[2] = (~sum >> 8) & 255;
    icmp[3] = ~sum & 255;
    p.node.device.inject(ipv4Frame(THEM, US, 1, icmp));
    p.stack.poll();
    const again = segments(p);
    if (right) {
      assert.equal(s.mss, 960);
      assert.equal(again[0], "1+960");
    } else {
      assert.equal(s.mss, 1460);
      assert.deepEqual(again, []);
    }
  }
});

Deno.test("slow start doubles, and the window is not grown beyond what is used", () => {
  const p = new Peer();
  const s = p.accepted();
  write(s, 25_000);
  assert.equal(segments(p).length, 10);
  p.wait(10 * MS);
  for (let i = 2; i <= 10; i += 2) p.send(".", 1, 1 + i * 1000);
  assert.equal(s.cwnd, 20);
  assert.equal(segments(p).length, 15);
});

Deno.test("a receiver that goes back on its SACK is survived", () => {
  const p = new Peer();
  const s = p.accepted();
  write(s, 5000);
  p.drain();
  p.wait(10 * MS);
  p.send(".", 1, 1, 0, 65535, { sack: [[1001, 5001]] });
  p.wait(10 * MS);
  p.drain();
  p.send(".", 1, 1001);
  p.wait(5 * SECOND);
  assert(segments(p).includes("1001+1000"));
  p.send(".", 1, 5001);
  assert.equal(s.unacknowledged, 0);
  assert.equal(s.sent.inFlight, 0);
});

Deno.test("SACK blocks that make no sense are ignored", () => {
  const p = new Peer();
  const s = p.accepted();
  write(s, 5000);
  p.drain();
  p.send(".", 1, 1, 0, 65535, { sack: [[9001, 12_001], [3001, 2001], [-5000, -4000]] });
  assert.equal(s.sent.sackedOut, 0);
  p.send(".", 1, 5001);
  assert.equal(s.sent.inFlight, 0);
});
