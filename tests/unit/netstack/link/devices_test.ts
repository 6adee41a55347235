import assert from "node:assert/strict";
import { PacketPool } from "../../../../src/netstack/core/packet.ts";
import { BridgeDevice } from "../../../../src/netstack/link/bridge.ts";
import { ChannelDevice } from "../../../../src/netstack/link/channel.ts";
import { PcapDevice } from "../../../../src/netstack/link/pcap.ts";
import { TraceDevice } from "../../../../src/netstack/link/trace.ts";
import { BROADCAST_MAC } from "../../../../src/netstack/wire/address.ts";
import { emitEthernet } from "../../../../src/netstack/wire/ethernet.ts";
import { bytes, MAC_THEM, MAC_US, THEM, udpFrame, US } from "../support/harness.ts";

function frame(to: number, from: number): Uint8Array {
  const f = new Uint8Array(60);
  emitEthernet(f, 0, to, from, 0x88b5);
  return f;
}

Deno.test("a bridge floods what it does not know and learns who is where", () => {
  let now = 0;
  const bridge = new BridgeDevice(0x02ff, 1500, () => now);
  const ports = [1, 2, 3].map((n) => new ChannelDevice({ address: n }));
  for (const p of ports) bridge.addPort(p);
  const own: number[] = [];
  bridge.onReceive = (p) => own.push(p.length);
  const counts = () => ports.map((p) => p.sent.splice(0).length).join();
  ports[0].inject(frame(0x02bb, 0x02aa));
  assert.equal(counts(), "0,1,1");
  ports[1].inject(frame(0x02aa, 0x02bb));
  assert.equal(counts(), "1,0,0");
  ports[0].inject(frame(0x02bb, 0x02aa));
  assert.equal(counts(), "0,1,0");
  ports[2].inject(frame(BROADCAST_MAC, 0x02cc));
  assert.equal(counts(), "1,1,0");
  ports[2].inject(frame(0x02ff, 0x02cc));
  assert.equal(counts(), "0,0,0");
  assert.equal(bridge.deliver(), 2);
  assert.equal(own.length, 2);
  bridge.send(new PacketPool().from(frame(0x02cc, 0x02ff)));
  assert.equal(counts(), "0,0,1");
  ports[0].inject(frame(0x0180c2000000, 0x02aa));
  assert.equal(counts(), "0,0,0");
  now = 400e9;
  ports[0].inject(frame(0x02bb, 0x02aa));
  assert.equal(counts(), "0,1,1");
  for (let i = 0; i < 5000; i++) ports[0].inject(frame(0x02bb, 0x020000000000 + i));
  assert(bridge.learned().length <= 4096);
});

Deno.test("a trace has a line for every packet", () => {
  const lines: string[] = [];
  const channel = new ChannelDevice({ address: MAC_US });
  const d = new TraceDevice(channel, "eth0", () => 1.5e9, (l) => lines.push(l));
  d.onReceive = (p) => p.release();
  channel.inject(udpFrame(THEM, 53, US, 1000, bytes(12)));
  d.send(new PacketPool().from(frame(MAC_THEM, MAC_US)));
  assert.deepEqual(lines, [
    "1.500000 eth0 In  02:00:00:00:00:02 > 02:00:00:00:00:01 " +
    "IP 10.0.0.2.53 > 10.0.0.1.1000: UDP, length 12",
    "1.500000 eth0 Out 02:00:00:00:00:01 > 02:00:00:00:00:02 ethertype 0x88b5, length 46",
  ]);
});

Deno.test("a capture is a pcap file with the packets whole", () => {
  const chunks: number[] = [];
  const channel = new ChannelDevice({ address: MAC_US });
  const d = new PcapDevice(channel, () => 1_700_000_000.25e9, (c) => chunks.push(...c));
  const f = frame(MAC_THEM, MAC_US);
  d.send(new PacketPool().from(f));
  channel.inject(f);
  const v = new DataView(new Uint8Array(chunks).buffer);
  assert.equal(v.getUint32(0, true), 0xa1b23c4d);
  assert.equal(v.getUint32(20, true), 1);
  assert.equal(v.getUint32(24, true), 1_700_000_000);
  // Wall time in a double is good to a quarter of a microsecond.
  assert(Math.abs(v.getUint32(28, true) - 250_000_000) < 1000);
  assert.equal(v.getUint32(32, true), 60);
  assert.equal(chunks.length, 24 + 2 * (16 + 60));
  assert.deepEqual(chunks.slice(40, 100), [...f]);
});
