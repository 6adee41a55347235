import assert from "node:assert/strict";
import { EAGAIN } from "../../src/abi/errno.ts";
import { TcpState } from "../../src/netstack/transport/tcp/constants.ts";
import { MS, read, SECOND, text } from "../unit/netstack/support/harness.ts";
import { Peer } from "./support/peer.ts";

Deno.test("early segments are kept, told by SACK, and delivered in order", () => {
  const p = new Peer();
  const s = p.accepted();
  p.send(".", 1001, 1, 500);
  const a = p.expect(".", 1, 1);
  assert.equal(a.view.sackCount, 1);
  p.send(".", 501, 1, 250);
  const b = p.expect(".", 1, 1);
  assert.equal(b.view.sackCount, 2);
  assert.equal((b.view.sackStart[0] - p.iss) | 0, 501);
  assert.equal(read(s), -EAGAIN);
  p.send(".", 1, 1, 500);
  p.expect(".", 1, 751);
  p.send(".", 751, 1, 250);
  p.expect(".", 1, 1501);
  const got = read(s) as string;
  assert.equal(got.length > 0, true);
  assert.equal(s.bytesReceived, 1500);
});

Deno.test("bytes of overlapping segments are right", () => {
  const p = new Peer();
  const s = p.accepted();
  p.send(".", 301, 1, 200);
  p.send(".", 201, 1, 200);
  p.send(".", 101, 1, 600);
  p.send(".", 1, 1, 150);
  const io = { bytes: new Uint8Array(2000), n: 0 };
  const n = s.receive(
    {
      put(src, off, len) {
        io.bytes.set(src.subarray(off, off + len), io.n);
        io.n += len;
        return len;
      },
    },
    2000,
    0,
  );
  assert.equal(n, 700);
  for (let i = 0; i < 700; i++) assert.equal(io.bytes[i], i & 255);
});

Deno.test("a duplicate is told by D-SACK at once", () => {
  const p = new Peer();
  p.accepted();
  p.send(".", 1, 1, 100);
  p.drain();
  p.send(".", 1, 1, 100);
  const a = p.expect(".", 1, 101);
  assert.equal(a.view.sackCount, 1);
  assert.equal((a.view.sackStart[0] - p.iss) | 0, 1);
  assert.equal((a.view.sackEnd[0] - p.iss) | 0, 101);
});

Deno.test("two full segments are acknowledged at once, one later, replies carry it", () => {
  const p = new Peer();
  const s = p.accepted({ mss: 1000 });
  // The first segments are acknowledged at once, for the peer's slow start.
  let seq = 1;
  for (let i = 0; i < 20; i++) {
    p.send("P.", seq, 1, 1000);
    seq += 1000;
  }
  p.drain();
  read(s);
  s.setQuickAck(false);
  p.drain();
  p.send("P.", seq, 1, 100);
  seq += 100;
  p.quiet();
  p.wait(60 * MS);
  p.expect(".", 1, seq);
  read(s);
  s.setQuickAck(false);
  p.send("P.", seq, 1, 100);
  seq += 100;
  p.quiet();
  s.send(text("reply"), 5, 0);
  p.expect("P.", 1, seq, 5);
  p.send(".", seq, 6);
  p.wait(SECOND);
  p.quiet();
});

Deno.test("data beyond the window is not taken", () => {
  const p = new Peer();
  const s = p.accepted({ mss: 1000 }, 65535, (l) => l.setReceiveBuffer(2304));
  const offered = s.rcvWnd;
  assert(offered < 5000);
  for (let seq = 1; seq < 20_000; seq += 1000) p.send(".", seq, 1, 1000);
  assert(s.available <= offered);
  p.drain();
  p.send(".", 1_000_000, 1, 1000);
  const a = p.drain();
  assert(a.length <= 1);
});

Deno.test("an orderly close passes through its states, and TIME_WAIT answers a repeated FIN", () => {
  const p = new Peer();
  const s = p.accepted();
  s.close();
  p.expect("F.", 1, 1);
  assert.equal(s.state, TcpState.FinWait1);
  p.send(".", 1, 2);
  assert.equal(s.state, TcpState.FinWait2);
  p.send("F.", 1, 2);
  p.expect(".", 2, 2);
  assert.equal(s.state, TcpState.Close);
  assert.equal(p.stack.tcp.shared.timeWaits, 1);
  p.wait(SECOND);
  p.send("F.", 1, 2);
  p.expect(".", 2, 2);
  p.wait(59 * SECOND);
  assert.equal(p.stack.tcp.shared.timeWaits, 1);
  p.wait(2 * SECOND);
  assert.equal(p.stack.tcp.shared.timeWaits, 0);
  assert.equal(p.stack.tcp.table.ownersOf(80).length, 1);
});

Deno.test("simultaneous close ends in TIME_WAIT", () => {
  const p = new Peer();
  const s = p.accepted();
  s.shutdown(1);
  p.expect("F.", 1, 1);
  p.send("F.", 1, 1);
  p.expect(".", 2, 2);
  assert.equal(s.state, TcpState.Closing);
  p.send(".", 2, 2);
  assert.equal(p.stack.tcp.shared.timeWaits, 1);
});

Deno.test("a passive close ends with the acknowledgement of our FIN", () => {
  const p = new Peer();
  const s = p.accepted();
  p.send("F.", 1, 1);
  p.expect(".", 1, 2);
  assert.equal(read(s), "");
  s.close();
  p.expect("F.", 1, 2);
  assert.equal(s.state, TcpState.LastAck);
  p.send(".", 2, 2);
  assert.equal(s.state, TcpState.Close);
  assert.equal(p.stack.tcp.shared.timeWaits, 0);
});

Deno.test("a FIN that comes before the data before it waits for that", () => {
  const p = new Peer();
  const s = p.accepted();
  p.send("F.", 101, 1, 100);
  assert.equal(s.state, TcpState.Established);
  p.send(".", 1, 1, 100);
  assert.equal(s.state, TcpState.CloseWait);
  assert.equal((read(s) as string).length > 0, true);
});

Deno.test("data for a closed endpoint is reset", () => {
  const p = new Peer();
  const s = p.accepted();
  s.close();
  p.expect("F.", 1, 1);
  p.send(".", 1, 2, 10);
  assert.equal(p.next()?.flags, "R.");
  assert.equal(p.stack.tcp.table.size, 0);
  assert.equal(p.stack.tcp.shared.orphans, 0);
});

Deno.test("an orphan in FIN_WAIT2 goes after a minute", () => {
  const p = new Peer();
  const s = p.accepted();
  s.close();
  p.expect("F.", 1, 1);
  p.send(".", 1, 2);
  p.wait(59 * SECOND);
  assert.equal(s.state, TcpState.FinWait2);
  p.wait(2 * SECOND);
  assert.equal(s.state, TcpState.Close);
});

Deno.test("a new SYN takes a connection in TIME_WAIT over", () => {
  const p = new Peer();
  const s = p.accepted({ mss: 1000, ts: [100, 0] });
  s.shutdown(1);
  p.expect("F.", 1, 1);
  p.send("F.", 1, 2);
  p.drain();
  assert.equal(p.stack.tcp.shared.timeWaits, 1);
  const before = p.irs;
  p.iss += 100_000;
  p.tsVal = 200;
  p.send("S", 0, 0, 0, 65535, { mss: 1000, ts: [200, 0] });
  p.expect("S.", 0, 1);
  assert(((p.irs - before) | 0) > 0);
  assert.equal(p.stack.tcp.shared.timeWaits, 0);
});

Deno.test("only the exact reset is obeyed; others are challenged", () => {
  const p = new Peer();
  const s = p.accepted();
  p.send("R", 1000, 0);
  p.expect(".", 1, 1);
  assert.equal(s.state, TcpState.Established);
  p.send("R", 5_000_000, 0);
  p.quiet();
  p.send("R", 1, 0);
  assert.equal(s.state, TcpState.Close);
});

Deno.test("a SYN on a connection is challenged", () => {
  const p = new Peer();
  const s = p.accepted();
  p.send("S", 500, 0, 0, 65535, { mss: 1000 });
  p.expect(".", 1, 1);
  assert.equal(s.state, TcpState.Established);
});

Deno.test("challenges have a limit in every second", () => {
  const p = new Peer();
  p.accepted();
  for (let i = 0; i < 3000; i++) p.send("R", 1000 + i, 0);
  const n = p.drain().length;
  assert(n >= 500 && n <= 1000, `${n}`);
});

Deno.test("acknowledgements of the future or of long ago do nothing", () => {
  const p = new Peer();
  const s = p.accepted();
  s.send(text("abc"), 3, 0);
  p.expect("P.", 1, 1, 3);
  p.send(".", 1, 5000);
  p.expect(".", 4, 1);
  p.send(".", 1, -2_000_000);
  p.drain();
  assert.equal(s.unacknowledged, 3);
  p.send(".", 1, 4);
  assert.equal(s.unacknowledged, 0);
});

Deno.test("segments with old timestamps are refused (PAWS)", () => {
  const p = new Peer();
  const s = p.accepted({ mss: 1000, ts: [1000, 0] });
  p.tsVal = 1001;
  p.send("P.", 1, 1, 10);
  p.drain();
  p.send("P.", 11, 1, 10, 65535, { ts: [900, 0] });
  p.expect(".", 1, 11);
  assert.equal(s.bytesReceived, 10);
  p.send("P.", 11, 1, 10, 65535, { ts: [1002, 0] });
  assert.equal(s.bytesReceived, 20);
});

Deno.test("blind data out of the window is not taken and answered at a bounded rate", () => {
  const p = new Peer();
  const s = p.accepted();
  for (let i = 0; i < 100; i++) p.send("P.", 10_000_000 + i * 1000, 1, 100);
  assert(p.drain().length <= 1);
  assert.equal(s.bytesReceived, 0);
});

Deno.test("tiny early segments fill no memory beyond the bound", () => {
  const p = new Peer();
  const s = p.accepted();
  for (let i = 0; i < 5000; i++) p.send(".", 3 + 2 * i, 1, 1);
  assert(s.early.length <= 512);
  p.drain();
  p.send(".", 1, 1, 2);
  assert(s.available > 2);
});

Deno.test("reading opens a window that was shut", () => {
  const p = new Peer();
  const s = p.accepted({ mss: 1000 }, 65535, (l) => l.setReceiveBuffer(8000));
  let seq = 1;
  while (s.available < s.receiveBufferSize / 2 - 1000 && seq < 100_000) {
    p.send("P.", seq, 1, 1000);
    seq += 1000;
  }
  p.wait(SECOND);
  p.drain();
  read(s, 100_000);
  const update = p.next();
  assert(update !== null && update.win > 2000);
});
