import assert from "node:assert/strict";
import { EINPROGRESS } from "../../../src/abi/errno.ts";
import type { Stack } from "../../../src/netstack/stack/stack.ts";
import type { TcpEndpoint } from "../../../src/netstack/transport/tcp/endpoint.ts";
import { get32, set16, set32 } from "../../../src/netstack/wire/bytes.ts";
import { transportChecksum } from "../../../src/netstack/wire/checksum.ts";
import {
  ACK,
  CWR,
  ECE,
  emitTcp,
  FIN,
  PSH,
  RST,
  SYN,
  TcpView,
  URG,
} from "../../../src/netstack/wire/tcp.ts";
import {
  advance,
  createNode,
  ipv4Frame,
  MS,
  type Node,
  THEM,
  US,
} from "../../unit/netstack/support/harness.ts";

const FLAGS: Record<string, number> = {
  F: FIN,
  S: SYN,
  R: RST,
  P: PSH,
  ".": ACK,
  U: URG,
  E: ECE,
  W: CWR,
};

export interface SegmentOptions {
  mss?: number;
  wscale?: number;
  sackOk?: boolean;
  /** Relative to the stack's sequence numbers. */
  sack?: [number, number][];
  ts?: [number, number];
}

export interface Received {
  flags: string;
  seq: number;
  ack: number;
  length: number;
  win: number;
  view: TcpView;
  data: Uint8Array;
  tos: number;
}

/** The far end of a connection, played by a test: sequence numbers are relative to both SYNs. */
export class Peer {
  readonly node: Node;
  readonly stack: Stack;
  /** Our initial sequence number and the stack's. */
  iss = 1000;
  irs = 0;
  port = 5000;
  stackPort = 80;
  /** Whether segments carry a timestamp. */
  ts = false;
  tsVal = 100;
  tsEcr = 0;
  tos = 0;

  constructor(seed = 1) {
    this.node = createNode({}, seed);
    this.stack = this.node.stack;
  }

  /** Lets time pass. */
  wait(ns: number): void {
    advance(this.node.clock, ns, this.stack);
  }

  /** Sends a segment to the stack. */
  send(
    flags: string,
    seq: number,
    ack: number,
    length = 0,
    win = 65535,
    o: SegmentOptions = {},
    urgent = 0,
  ): void {
    const opts: number[] = [];
    if (o.mss !== undefined) opts.push(2, 4, o.mss >> 8, o.mss & 255);
    if (o.sackOk) opts.push(1, 1, 4, 2);
    if (o.wscale !== undefined) opts.push(1, 3, 3, o.wscale);
    const ts = o.ts ?? (this.ts ? [this.tsVal, this.tsEcr] : undefined);
    if (ts !== undefined) {
      const b = new Uint8Array(8);
      set32(b, 0, ts[0]);
      set32(b, 4, ts[1]);
      opts.push(1, 1, 8, 10, ...b);
    }
    if (o.sack !== undefined) {
      opts.push(1, 1, 5, 2 + 8 * o.sack.length);
      for (const [from, to] of o.sack) {
        const b = new Uint8Array(8);
        set32(b, 0, this.irs + from);
        set32(b, 4, this.irs + to);
        opts.push(...b);
      }
    }
    const header = 20 + opts.length;
    const s = new Uint8Array(header + length);
    let bits = 0;
    for (const f of flags) bits |= FLAGS[f];
    emitTcp(
      s,
      0,
      this.port,
      this.stackPort,
      this.iss + seq,
      (bits & ACK) !== 0 ? this.irs + ack : 0,
      header,
      bits,
      win,
      urgent,
    );
    s.set(opts, 20);
    for (let i = 0; i < length; i++) s[header + i] = (seq - 1 + i) & 255;
    set16(s, 16, transportChecksum(s, 0, s.length, THEM, US, 6));
    this.node.device.inject(ipv4Frame(THEM, US, 6, s, { tos: this.tos }));
    this.stack.poll();
  }

  /** The next TCP segment of the stack, or null. */
  next(): Received | null {
    for (;;) {
      const f = this.node.device.take();
      if (f === null) return null;
      const v = new TcpView();
      if (f[12] !== 8 || f[13] !== 0 || f[23] !== 6) continue;
      assert(v.wrap(f, 34, f.length));
      assert.equal(transportChecksum(f, 34, f.length, US, THEM, 6), 0);
      v.parseOptions();
      let flags = "";
      for (const [name, bit] of Object.entries(FLAGS)) if ((v.flags & bit) !== 0) flags += name;
      if (v.hasTimestamp) this.tsEcr = v.tsValue;
      if (flags.includes("S")) this.irs = get32(f, 38);
      return {
        flags,
        seq: (v.sequence - this.irs) | 0,
        ack: (v.flags & ACK) !== 0 ? (v.acknowledgement - this.iss) | 0 : 0,
        length: f.length - 34 - v.headerLength,
        win: v.window,
        view: v,
        data: f.subarray(34 + v.headerLength),
        tos: f[15],
      };
    }
  }

  /** Checks the next segment: flags, seq, ack, length; -1 for any ack. */
  expect(flags: string, seq: number, ack: number, length = 0): Received {
    const s = this.next();
    assert(s !== null, `expected ${flags} ${seq} ${ack} ${length}, got nothing`);
    const got = `${s.flags} ${s.seq} ${ack < 0 ? ack : s.ack} ${s.length}`;
    assert.equal(got, `${flags} ${seq} ${ack} ${length}`);
    return s;
  }

  /** Checks that the stack says nothing. */
  quiet(): void {
    const s = this.next();
    if (s !== null) assert.fail(`unexpected ${s.flags} seq ${s.seq} ack ${s.ack} len ${s.length}`);
  }

  /** Takes all segments that wait. */
  drain(): Received[] {
    const all: Received[] = [];
    for (let s = this.next(); s !== null; s = this.next()) all.push(s);
    return all;
  }

  /** Connects to the stack's listener on port 80 and returns the listener. */
  listen(setup: (l: TcpEndpoint) => void = () => {}): TcpEndpoint {
    const l = this.stack.tcp.createEndpoint(false);
    setup(l);
    assert.equal(l.bind(null, 80), 0);
    assert.equal(l.listen(8), 0);
    return l;
  }

  /** A connection that the stack accepted, with `rtt` ns between SYN-ACK and ACK. */
  accepted(
    o: SegmentOptions = { mss: 1000, sackOk: true, wscale: 7 },
    win = 65535,
    setup: (l: TcpEndpoint) => void = () => {},
    rtt = 10 * MS,
  ): TcpEndpoint {
    const l = this.listen(setup);
    this.ts = o.ts !== undefined;
    if (o.ts !== undefined) this.tsVal = o.ts[0];
    this.send("S", 0, 0, 0, 65535, o);
    this.expect("S.", 0, 1);
    this.wait(rtt);
    this.send(".", 1, 1, 0, win);
    const s = l.accept();
    assert(typeof s !== "number");
    this.quiet();
    return s;
  }

  /** A connection that the stack opened. */
  opened(o: SegmentOptions = { mss: 1000, sackOk: true, wscale: 7 }): TcpEndpoint {
    const c = this.stack.tcp.createEndpoint(false);
    assert.equal(c.connect(THEM, this.port), -EINPROGRESS);
    this.stackPort = c.localPort;
    this.expect("S", 0, 0);
    this.wait(10 * MS);
    this.send("S.", 0, 1, 0, 65535, o);
    this.expect(".", 1, 1);
    assert.equal(c.connect(THEM, this.port), 0);
    return c;
  }
}
