import assert from "node:assert/strict";
import { BytesIo } from "../../../../src/netstack/core/io.ts";
import { SeededRandom } from "../../../../src/netstack/core/random.ts";
import { ChannelDevice, type ChannelOptions } from "../../../../src/netstack/link/channel.ts";
import { createPair, type PairDevice } from "../../../../src/netstack/link/pair.ts";
import type { Clock } from "../../../../src/netstack/network/context.ts";
import type { NetworkInterface } from "../../../../src/netstack/network/interface.ts";
import { NeighbourState } from "../../../../src/netstack/network/neighbour.ts";
import { Stack } from "../../../../src/netstack/stack/stack.ts";
import { ip, type IpAddress } from "../../../../src/netstack/wire/address.ts";
import { set16 } from "../../../../src/netstack/wire/bytes.ts";
import { transportChecksum } from "../../../../src/netstack/wire/checksum.ts";
import { emitEthernet, ETH_P_IP, ETH_P_IPV6 } from "../../../../src/netstack/wire/ethernet.ts";
import { emitIpv4, sealIpv4 } from "../../../../src/netstack/wire/ipv4.ts";
import { emitIpv6 } from "../../../../src/netstack/wire/ipv6.ts";
import { emitUdp } from "../../../../src/netstack/wire/udp.ts";

export const MS = 1_000_000;
export const SECOND = 1_000_000_000;

/** A clock that stands still until it is told to move. */
export class VirtualClock implements Clock {
  time = 1000 * SECOND;
  now(): number {
    return this.time;
  }
  realtime(): number {
    return 1_700_000_000 * SECOND + this.time;
  }
}

/** Advances the clock by `ns`, running the stacks' timers and deliveries as they come due. */
export function advance(clock: VirtualClock, ns: number, ...stacks: Stack[]): void {
  const end = clock.time + ns;
  settle(...stacks);
  for (;;) {
    let next = Infinity;
    for (const s of stacks) next = Math.min(next, s.nextDeadline());
    if (next > end) break;
    clock.time = Math.max(clock.time, next);
    settle(...stacks);
  }
  clock.time = end;
  settle(...stacks);
}

/** Delivers until nothing waits at this time. */
export function settle(...stacks: Stack[]): void {
  for (let i = 0; i < 1000; i++) {
    let busy = false;
    for (const s of stacks) {
      s.poll();
      for (const d of devicesOf(s)) busy = d.deliver() > 0 || busy;
    }
    for (const s of stacks) busy ||= s.pending || devicesOf(s).some((d) => d.pending);
    if (!busy) return;
  }
}

const pairs = new WeakMap<Stack, PairDevice[]>();

function devicesOf(s: Stack): PairDevice[] {
  return pairs.get(s) ?? [];
}

export const MAC_US = 0x020000000001;
export const MAC_THEM = 0x020000000002;
export const US = ip("10.0.0.1");
export const THEM = ip("10.0.0.2");
export const US6 = ip("fd00::1");
export const THEM6 = ip("fd00::2");

export interface Node {
  clock: VirtualClock;
  stack: Stack;
  device: ChannelDevice;
  eth: NetworkInterface;
}

/** A stack with loopback and eth0 on a channel, which knows its only neighbour. */
export function createNode(options: ChannelOptions = {}, seed = 1): Node {
  const clock = new VirtualClock();
  const stack = new Stack(clock, new SeededRandom(seed));
  stack.startLoopback();
  const device = new ChannelDevice({ address: MAC_US, ...options });
  const eth = stack.addInterface("eth0", device);
  assert(typeof eth !== "number");
  eth.dadTransmits = 0;
  eth.routerSolicitations = 0;
  stack.setUp(eth, true);
  assert.equal(stack.addAddress(eth, US, 24), 0);
  assert.equal(stack.addAddress(eth, US6, 64), 0);
  eth.neighbours4?.set(THEM, MAC_THEM, NeighbourState.Permanent);
  eth.neighbours6?.set(THEM6, MAC_THEM, NeighbourState.Permanent);
  // The reports of joined groups are said twice; let them be gone.
  advance(clock, 2 * SECOND, stack);
  device.sent.length = 0;
  return { clock, stack, device, eth };
}

/** Joins two new stacks by a pair of devices; each has one address of 10.0.0.0/24 and fd00::/64. */
export function createLinked(seed = 1, mtu = 1500): {
  clock: VirtualClock;
  a: Stack;
  b: Stack;
  devices: [PairDevice, PairDevice];
} {
  const clock = new VirtualClock();
  const a = new Stack(clock, new SeededRandom(seed));
  const b = new Stack(clock, new SeededRandom(seed + 1000));
  const devices = createPair(MAC_US, MAC_THEM, mtu);
  for (const [s, d, v4, v6] of [[a, devices[0], US, US6], [b, devices[1], THEM, THEM6]] as const) {
    s.startLoopback();
    const eth = s.addInterface("eth0", d);
    assert(typeof eth !== "number");
    eth.dadTransmits = 0;
    eth.routerSolicitations = 0;
    s.setUp(eth, true);
    s.addAddress(eth, v4, 24);
    s.addAddress(eth, v6, 64);
    pairs.set(s, [d]);
  }
  settle(a, b);
  return { clock, a, b, devices };
}

/** Registers a pair device to be pumped with a stack. */
export function pump(s: Stack, d: PairDevice): void {
  const list = pairs.get(s) ?? [];
  list.push(d);
  pairs.set(s, list);
}

export function text(s: string): BytesIo {
  return new BytesIo(new TextEncoder().encode(s));
}

export function bytes(n: number, seed = 0): Uint8Array {
  const b = new Uint8Array(n);
  for (let i = 0; i < n; i++) b[i] = (i * 31 + (i >>> 8) * 7 + seed) & 255;
  return b;
}

/** Reads all that `read` gives up to `max` bytes. */
export function read(
  e: { receive(dst: BytesIo, len: number, flags: number, info: null): number },
  max = 65536,
  flags = 0,
): string | number {
  const io = new BytesIo(new Uint8Array(max));
  const n = e.receive(io, max, flags, null);
  return n < 0 ? n : new TextDecoder().decode(io.bytes.subarray(0, Math.min(n, max)));
}

/** An Ethernet frame with an IPv4 packet. */
export function ipv4Frame(
  src: IpAddress,
  dst: IpAddress,
  protocol: number,
  payload: Uint8Array,
  o: {
    ttl?: number;
    ident?: number;
    flagsAndOffset?: number;
    options?: Uint8Array;
    to?: number;
    tos?: number;
  } = {},
): Uint8Array {
  const header = 20 + (o.options?.length ?? 0);
  const f = new Uint8Array(14 + header + payload.length);
  emitEthernet(f, 0, o.to ?? MAC_US, MAC_THEM, ETH_P_IP);
  emitIpv4(
    f,
    14,
    header,
    o.tos ?? 0,
    header + payload.length,
    o.ident ?? 1,
    o.flagsAndOffset ?? 0,
    o.ttl ?? 64,
    protocol,
    src,
    dst,
  );
  if (o.options !== undefined) f.set(o.options, 34);
  sealIpv4(f, 14);
  f.set(payload, 14 + header);
  return f;
}

/** An Ethernet frame with an IPv6 packet. */
export function ipv6Frame(
  src: IpAddress,
  dst: IpAddress,
  next: number,
  payload: Uint8Array,
  o: { hopLimit?: number; to?: number } = {},
): Uint8Array {
  const f = new Uint8Array(54 + payload.length);
  emitEthernet(f, 0, o.to ?? MAC_US, MAC_THEM, ETH_P_IPV6);
  emitIpv6(f, 14, 0, 0, payload.length, next, o.hopLimit ?? 64, src, dst);
  f.set(payload, 54);
  return f;
}

export function udpSegment(
  src: IpAddress,
  sport: number,
  dst: IpAddress,
  dport: number,
  payload: Uint8Array,
): Uint8Array {
  const u = new Uint8Array(8 + payload.length);
  emitUdp(u, 0, sport, dport, u.length);
  u.set(payload, 8);
  set16(u, 6, transportChecksum(u, 0, u.length, src, dst, 17));
  return u;
}

export function udpFrame(
  src: IpAddress,
  sport: number,
  dst: IpAddress,
  dport: number,
  payload: Uint8Array,
  to?: number,
): Uint8Array {
  const u = udpSegment(src, sport, dst, dport, payload);
  return dst.isV4 ? ipv4Frame(src, dst, 17, u, { to }) : ipv6Frame(src, dst, 17, u, { to });
}

export function hex(b: Uint8Array | null): string {
  return b === null ? "null" : [...b].map((x) => x.toString(16).padStart(2, "0")).join("");
}
