import assert from "node:assert/strict";
import { EAGAIN, EINVAL } from "../../../../src/abi/errno.ts";
import { BytesIo } from "../../../../src/netstack/core/io.ts";
import { FrameInfo } from "../../../../src/netstack/transport/packet_endpoint.ts";
import { SendTarget } from "../../../../src/netstack/transport/udp_endpoint.ts";
import { BROADCAST_MAC, ip, LOOPBACK_V4 } from "../../../../src/netstack/wire/address.ts";
import { get16 } from "../../../../src/netstack/wire/bytes.ts";
import { checksum } from "../../../../src/netstack/wire/checksum.ts";
import {
  bytes,
  createNode,
  ipv4Frame,
  MAC_THEM,
  text,
  THEM,
  THEM6,
  udpFrame,
  US,
} from "../support/harness.ts";

function to(a: ReturnType<typeof ip>): SendTarget {
  const t = new SendTarget();
  t.address = a;
  return t;
}

Deno.test("a raw ICMP endpoint pings by hand and sees the IP header of replies", () => {
  const { stack } = createNode();
  const r = stack.raw.createEndpoint(false, 1);
  r.icmpFilter = 1 << 8;
  const request = new Uint8Array([8, 0, 0, 0, 0, 7, 0, 1, 1, 2, 3, 4]);
  const sum = checksum(request, 0, request.length);
  request[2] = sum >> 8;
  request[3] = sum & 255;
  assert.equal(r.send(new BytesIo(request), 12, 0, to(LOOPBACK_V4)), 12);
  stack.poll();
  const io = new BytesIo(new Uint8Array(100));
  assert.equal(r.receive(io, 100, 0, null), 32);
  assert.equal(io.bytes[0], 0x45);
  assert.equal(io.bytes[20], 0);
  assert.equal(r.receive(io, 100, 0, null), -EAGAIN);
  r.close();
  assert.equal(stack.ctx.raw, null);
});

Deno.test("a raw endpoint with its own header sends it, completed", () => {
  const { stack, device } = createNode();
  const r = stack.raw.createEndpoint(false, 255);
  const p = new Uint8Array(30);
  p[0] = 0x45;
  p[8] = 5;
  p[9] = 200;
  THEM.write(p, 16);
  assert.equal(r.send(new BytesIo(p), 30, 0, to(THEM)), 30);
  const f = device.take();
  assert(f !== null);
  assert.equal(get16(f, 16), 30);
  assert.equal(f[22], 5);
  assert.equal(checksum(f, 14, 34), 0);
  assert.equal(`${f[26]}.${f[27]}.${f[28]}.${f[29]}`, "10.0.0.1");
  const bad = new Uint8Array(30);
  bad[0] = 0x4f;
  assert.equal(r.send(new BytesIo(bad), 30, 0, to(THEM)), -EINVAL);
});

Deno.test("a raw IPv6 endpoint gets no header and ICMPv6 checksums are made for it", () => {
  const { stack, device } = createNode();
  const r = stack.raw.createEndpoint(true, 58);
  r.icmp6Filter.fill(0xffffffff);
  r.icmp6Filter[4] &= ~2;
  const request = new Uint8Array([128, 0, 0, 0, 0, 7, 0, 1]);
  assert.equal(r.send(new BytesIo(request), 8, 0, to(THEM6)), 8);
  assert.notEqual(device.take(), null);
  assert.equal(r.send(new BytesIo(request), 8, 0, to(ip("::1"))), 8);
  stack.poll();
  const io = new BytesIo(new Uint8Array(100));
  assert.equal(r.receive(io, 100, 0, null), 8);
  assert.equal(io.bytes[0], 129);
});

Deno.test("an unknown protocol with a raw endpoint is not answered by an error", () => {
  const { stack, device } = createNode();
  const r = stack.raw.createEndpoint(false, 99);
  device.inject(ipv4Frame(THEM, US, 99, bytes(8)));
  assert.equal(device.take(), null);
  const io = new BytesIo(new Uint8Array(100));
  assert.equal(r.receive(io, 100, 0, null), 28);
});

Deno.test("a ping endpoint gets the replies to its own requests", () => {
  const { stack } = createNode();
  for (const a of [LOOPBACK_V4, ip("::1")]) {
    const p = stack.ping.createEndpoint(!a.isV4);
    const other = stack.ping.createEndpoint(!a.isV4);
    assert.equal(other.bind(null, 0), 0);
    const request = new Uint8Array([a.isV4 ? 8 : 128, 0, 0, 0, 0, 0, 0, 5, 9, 9]);
    assert.equal(p.send(new BytesIo(request), 10, 0, to(a)), 10);
    stack.poll();
    const io = new BytesIo(new Uint8Array(100));
    assert.equal(p.receive(io, 100, 0, null), 10);
    assert.equal(io.bytes[0], a.isV4 ? 0 : 129);
    assert.equal(get16(io.bytes, 4), p.localPort);
    assert.equal(io.bytes[9], 9);
    assert.equal(other.receive(io, 100, 0, null), -EAGAIN);
    assert.equal(p.send(new BytesIo(new Uint8Array(8)), 8, 0, to(a)), -EINVAL);
  }
});

Deno.test("a packet endpoint sees frames come and go, and sends its own", () => {
  const { stack, device, eth } = createNode();
  const p = stack.packets.createEndpoint(false, 3);
  const cooked = stack.packets.createEndpoint(true, 0x0800);
  device.inject(udpFrame(THEM, 1, US, 9, bytes(5)));
  const io = new BytesIo(new Uint8Array(200));
  const info = new FrameInfo();
  assert.equal(p.receive(io, 200, 0, info), 14 + 20 + 8 + 5);
  assert.equal(info.index, eth.index);
  assert.equal(info.type, 0);
  assert.equal(info.address, MAC_THEM);
  // The ICMP error that answers it.
  io.reset(io.bytes);
  assert(p.receive(io, 200, 0, info) > 50);
  assert.equal(info.type, 4);
  io.reset(io.bytes);
  assert.equal(cooked.receive(io, 200, 0, info), 33);
  assert.equal(io.bytes[0], 0x45);
  device.sent.length = 0;
  assert.equal(cooked.send(text("payload"), 7, eth.index, 0x88b5, BROADCAST_MAC), 7);
  const f = device.take();
  assert(f !== null);
  assert.equal(get16(f, 12), 0x88b5);
  p.close();
  cooked.close();
  assert.equal(eth.tap, null);
  assert.equal(stack.ctx.socketMemory, 0);
});

Deno.test("a packet endpoint's filter keeps or cuts, and its queue is bounded", () => {
  const { stack, device } = createNode();
  const p = stack.packets.createEndpoint(false, 3);
  p.ignoreOutgoing = true;
  p.filter = (f) => f.bytes[f.start + 14 + 9] === 17 ? 20 : 0;
  device.inject(ipv4Frame(THEM, US, 99, bytes(8)));
  device.inject(udpFrame(THEM, 1, US, 9, bytes(5)));
  const io = new BytesIo(new Uint8Array(200));
  assert.equal(p.receive(io, 200, 0, null), 20);
  assert.equal(p.receive(io, 200, 0, null), -EAGAIN);
  p.filter = null;
  for (let i = 0; i < 2000; i++) device.inject(udpFrame(THEM, 1, US, 9, bytes(5)));
  assert(p.dropped > 0);
  assert(p.queuedBytes <= p.receiveBufferSize);
});

Deno.test("loopback frames have an Ethernet header for packet endpoints", () => {
  const { stack } = createNode();
  const p = stack.packets.createEndpoint(false, 0x0800);
  p.bind(0, stack.loopback.index);
  const u = stack.udp.createEndpoint(false);
  u.connect(LOOPBACK_V4, 9);
  u.send(text("x"), 1, 0, null);
  stack.poll();
  const io = new BytesIo(new Uint8Array(200));
  assert.equal(p.receive(io, 200, 0, null), 14 + 29);
  assert.equal(get16(io.bytes, 12), 0x0800);
});
