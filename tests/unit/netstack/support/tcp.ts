import assert from "node:assert/strict";
import { EAGAIN, EINPROGRESS } from "../../../../src/abi/errno.ts";
import { BytesIo } from "../../../../src/netstack/core/io.ts";
import type { Stack } from "../../../../src/netstack/stack/stack.ts";
import type { TcpEndpoint } from "../../../../src/netstack/transport/tcp/endpoint.ts";
import type { IpAddress } from "../../../../src/netstack/wire/address.ts";
import { settle } from "./harness.ts";

/** A listener on `port`. */
export function listen(s: Stack, port: number, isV6 = false, backlog = 16): TcpEndpoint {
  const l = s.tcp.createEndpoint(isV6);
  assert.equal(l.bind(null, port), 0);
  assert.equal(l.listen(backlog), 0);
  return l;
}

/** A client on `a` connected to a new listener on `b`, and its other end. */
export function connected(
  a: Stack,
  b: Stack,
  address: IpAddress,
  port: number,
): { client: TcpEndpoint; server: TcpEndpoint; listener: TcpEndpoint } {
  const listener = listen(b, port, !address.isV4);
  const client = a.tcp.createEndpoint(!address.isV4);
  assert.equal(client.connect(address, port), -EINPROGRESS);
  settle(a, b);
  assert.equal(client.connect(address, port), 0);
  const server = listener.accept();
  assert(typeof server !== "number", `accept: ${server}`);
  return { client, server, listener };
}

/** A one-way transfer that is moved on by `step`. */
export class Transfer {
  readonly data: Uint8Array;
  private readonly from: TcpEndpoint;
  private readonly to: TcpEndpoint;
  private readonly source: BytesIo;
  private readonly sink: BytesIo;
  sentAll = false;
  finished = false;
  error = 0;

  constructor(from: TcpEndpoint, to: TcpEndpoint, data: Uint8Array) {
    this.data = data;
    this.from = from;
    this.to = to;
    this.source = new BytesIo(data);
    this.sink = new BytesIo(new Uint8Array(data.length + 1));
  }

  /** Sends and receives what is possible now. */
  step(): void {
    while (!this.sentAll) {
      const left = this.data.length - this.source.position;
      if (left === 0) {
        this.from.shutdown(1);
        this.sentAll = true;
        break;
      }
      const n = this.from.send(this.source, Math.min(left, 100_000), 0);
      if (n === -EAGAIN) break;
      if (n < 0) {
        this.error = n;
        return;
      }
    }
    for (;;) {
      const room = this.sink.bytes.length - this.sink.position;
      const n = this.to.receive(this.sink, room, 0);
      if (n === -EAGAIN) return;
      if (n === 0) {
        this.finished = true;
        return;
      }
      if (n < 0) {
        this.error = n;
        return;
      }
    }
  }

  /** Checks that all arrived as it was sent. */
  check(): void {
    assert.equal(this.error, 0);
    assert(this.finished);
    assert.equal(this.sink.position, this.data.length);
    assert(Buffer.compare(this.sink.bytes.subarray(0, this.data.length), this.data) === 0);
  }
}

const Buffer = {
  compare(a: Uint8Array, b: Uint8Array): number {
    for (let i = 0; i < b.length; i++) if (a[i] !== b[i]) return 1;
    return 0;
  },
};
