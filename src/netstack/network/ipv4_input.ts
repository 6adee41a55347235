// hot: every IPv4 packet that comes in.

import { ChecksumState, type Packet, PacketType } from "../core/packet.ts";
import { set16 } from "../wire/bytes.ts";
import {
  ICMP_FRAGMENTATION_NEEDED,
  ICMP_HOST_UNREACHABLE,
  ICMP_NET_UNREACHABLE,
  ICMP_PARAMETER_PROBLEM,
  ICMP_PROTOCOL_UNREACHABLE,
  ICMP_TIME_EXCEEDED,
  ICMP_UNREACHABLE,
} from "../wire/icmp.ts";
import {
  checkIpv4Options,
  hasIpv4Option,
  IPOPT_LSRR,
  IPOPT_SSRR,
  IPV4_HEADER,
  IPV4_MF,
  Ipv4View,
  recordInIpv4Options,
  sealIpv4,
} from "../wire/ipv4.ts";
import { adjustChecksum16 } from "../wire/checksum.ts";
import { HookPoint, type NetContext } from "./context.ts";
import type { Icmpv4Errors } from "./icmpv4_errors.ts";
import type { NetworkInterface } from "./interface.ts";
import type { Ipv4Output } from "./ipv4_output.ts";
import { Reassembler } from "./reassembly.ts";
import { RouteType } from "./route.ts";
import { EHOSTUNREACH } from "../core/errno.ts";

/** Receives, reassembles, delivers and forwards IPv4 packets. */
export class Ipv4Input {
  private readonly ctx: NetContext;
  private readonly output: Ipv4Output;
  private readonly errors: Icmpv4Errors;
  private readonly view = new Ipv4View();
  readonly fragments: Reassembler;

  constructor(ctx: NetContext, output: Ipv4Output, errors: Icmpv4Errors) {
    this.ctx = ctx;
    this.output = output;
    this.errors = errors;
    this.fragments = new Reassembler(
      ctx.pool,
      ctx.timers,
      ctx.random.u32(),
      ctx.settings.fragmentMemory,
    );
    this.fragments.onFail = () => ctx.counters.ipReassemblyFails++;
    this.fragments.onTimeout = (first) => {
      ctx.counters.ipReassemblyTimeouts++;
      errors.send(first, ICMP_TIME_EXCEEDED, 1, 0);
    };
  }

  /** A packet came in by `at`, `start` at its IPv4 header. Takes ownership. */
  receive(packet: Packet, at: NetworkInterface): void {
    const v = this.view;
    const counters = this.ctx.counters;
    counters.ipInReceives++;
    if (packet.type === PacketType.OtherHost) {
      packet.release();
      return;
    }
    if (
      !v.wrap(packet.bytes, packet.start, packet.end) ||
      (packet.checksum === ChecksumState.Unknown && !v.checksumValid)
    ) {
      counters.ipInHeaderErrors++;
      packet.release();
      return;
    }
    packet.end = packet.start + v.totalLength;
    packet.networkStart = packet.start;
    packet.transportStart = packet.start + v.headerLength;
    packet.src = v.source;
    packet.dst = v.destination;
    packet.upper = v.protocol;
    packet.tos = v.tos;
    packet.ttl = v.ttl;
    if (!this.plausible(packet, at)) {
      counters.ipInAddressErrors++;
      packet.release();
      return;
    }
    if (v.headerLength > IPV4_HEADER && !this.acceptOptions(packet, at)) return;
    const hooks = this.ctx.hooks;
    // NAT must see whole datagrams, so a fragment for a translating stack is reassembled first.
    if (hooks !== null) {
      if (v.fragmentOffset !== 0 || (v.flags & IPV4_MF) !== 0) {
        const whole = this.reassemble(packet);
        if (whole === null) return;
        packet = whole;
      }
      if (!hooks.run(HookPoint.PreRouting, packet, at, null)) return;
    }
    this.route(packet, at);
  }

  /** Whether source and destination may be on the wire at all (RFC 1122 3.2.1.3). */
  private plausible(packet: Packet, at: NetworkInterface): boolean {
    const src = packet.src;
    const dst = packet.dst;
    if (src.isMulticast || src.isBroadcast) return false;
    if (!at.isLoopback && (src.isLoopback || dst.isLoopback)) return false;
    if (!at.isLoopback && packet.type === PacketType.Host) {
      const own = this.ctx.routes.local.get(src);
      if (own !== null) return false;
    }
    return true;
  }

  private acceptOptions(packet: Packet, at: NetworkInterface): boolean {
    const b = packet.bytes;
    const from = packet.start + IPV4_HEADER;
    const to = packet.transportStart;
    const fault = checkIpv4Options(b, packet.start, from, to);
    if (fault >= 0) {
      this.ctx.counters.ipInHeaderErrors++;
      this.errors.send(packet, ICMP_PARAMETER_PROBLEM, 0, fault << 24);
      packet.release();
      return false;
    }
    if (hasIpv4Option(b, from, to, IPOPT_LSRR) || hasIpv4Option(b, from, to, IPOPT_SSRR)) {
      packet.release();
      return false;
    }
    const own = this.ctx.routes.selectSource(packet.src, at, null);
    if (own !== null) {
      const millis = Math.floor(this.ctx.clock.realtime() / 1e6) % 86400000;
      recordInIpv4Options(b, from, to, own, millis);
      sealIpv4(b, packet.start);
    }
    return true;
  }

  private route(packet: Packet, at: NetworkInterface): void {
    const routes = this.ctx.routes;
    const dst = packet.dst;
    if (dst.isMulticast) {
      if (at.hasGroup(dst) || (packet.inIndex !== at.index && packet.type !== PacketType.Host)) {
        this.deliver(packet, at);
      } else packet.release();
      return;
    }
    if (routes.findLocal(dst) !== null || routes.isBroadcast(dst, at)) {
      this.deliver(packet, at);
      return;
    }
    if (!at.forwarding4 || packet.type !== PacketType.Host) {
      this.ctx.counters.ipInAddressErrors++;
      packet.release();
      return;
    }
    this.forward(packet, at);
  }

  private reassemble(packet: Packet): Packet | null {
    const v = this.view;
    v.wrap(packet.bytes, packet.start, packet.end);
    const more = (v.flags & IPV4_MF) !== 0;
    this.ctx.counters.ipReassemblyRequests++;
    if (more && (packet.end - packet.transportStart) % 8 !== 0) {
      this.errors.send(packet, ICMP_PARAMETER_PROBLEM, 0, 2 << 24);
      packet.release();
      return null;
    }
    const whole = this.fragments.add(
      packet,
      v.ident,
      packet.transportStart,
      packet.transportStart,
      v.fragmentOffset,
      more,
      this.ctx.clock.now() + this.ctx.settings.fragmentTimeout,
    );
    if (whole === null) return null;
    if (whole.length > 65535) {
      whole.release();
      return null;
    }
    this.ctx.counters.ipReassemblyOk++;
    const b = whole.bytes;
    set16(b, whole.start + 2, whole.length);
    b[whole.start + 6] &= 0x40;
    b[whole.start + 7] = 0;
    b[whole.start + 1] = whole.tos;
    sealIpv4(b, whole.start);
    return whole;
  }

  /** Gives a packet to this host's protocols. */
  deliver(packet: Packet, at: NetworkInterface): void {
    const b = packet.bytes;
    if (((b[packet.start + 6] & 0x3f) | b[packet.start + 7]) !== 0) {
      const whole = this.reassemble(packet);
      if (whole === null) return;
      packet = whole;
    }
    const hooks = this.ctx.hooks;
    if (hooks !== null && !hooks.run(HookPoint.LocalIn, packet, at, null)) return;
    const raw = this.ctx.raw;
    const taken = raw !== null && raw.deliver(packet, at);
    const handler = this.ctx.transports[packet.upper];
    if (handler === null) {
      if (!taken) {
        this.ctx.counters.ipInUnknownProtocols++;
        this.errors.send(packet, ICMP_UNREACHABLE, ICMP_PROTOCOL_UNREACHABLE, 0);
      }
      packet.release();
      return;
    }
    this.ctx.counters.ipInDelivers++;
    packet.start = packet.transportStart;
    handler.receive(packet, at);
  }

  private forward(packet: Packet, at: NetworkInterface): void {
    const counters = this.ctx.counters;
    if (packet.src.isAny) {
      packet.release();
      return;
    }
    if (packet.ttl <= 1) {
      counters.ipInHeaderErrors++;
      this.errors.send(packet, ICMP_TIME_EXCEEDED, 0, 0);
      packet.release();
      return;
    }
    const r = this.ctx.routes.lookup(packet.dst, packet.src, 0, packet.mark);
    if (typeof r === "number") {
      counters.ipOutNoRoutes++;
      const code = r === -EHOSTUNREACH ? ICMP_HOST_UNREACHABLE : ICMP_NET_UNREACHABLE;
      this.errors.send(packet, ICMP_UNREACHABLE, code, 0);
      packet.release();
      return;
    }
    const mtu = Math.min(r.mtu, r.out.mtu);
    const df = (packet.bytes[packet.start + 6] & 0x40) !== 0;
    if (packet.segmentSize === 0 && packet.length > mtu && df && packet.fragmentSize === 0) {
      counters.ipFragmentsFail++;
      this.errors.send(packet, ICMP_UNREACHABLE, ICMP_FRAGMENTATION_NEEDED, mtu);
      packet.release();
      return;
    }
    const b = packet.bytes;
    const before = (b[packet.start + 8] << 8) | b[packet.start + 9];
    b[packet.start + 8]--;
    packet.ttl--;
    adjustChecksum16(b, packet.start + 10, before, before - 256);
    const hooks = this.ctx.hooks;
    if (hooks !== null && !hooks.run(HookPoint.Forward, packet, at, r.out)) return;
    counters.ipForwarded++;
    if (r.type === RouteType.Broadcast || r.type === RouteType.Local) packet.release();
    else this.output.output(packet, r, false);
  }
}
