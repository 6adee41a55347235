// hot: every IPv6 packet that comes in.

import { type Packet, PacketType } from "../core/packet.ts";
import { get16, get32, set16 } from "../wire/bytes.ts";
import {
  ICMP6_NO_ROUTE,
  ICMP6_PACKET_TOO_BIG,
  ICMP6_PARAMETER_PROBLEM,
  ICMP6_TIME_EXCEEDED,
  ICMP6_UNREACHABLE,
} from "../wire/icmp.ts";
import {
  ExtensionResult,
  ExtensionWalker,
  IPPROTO_NONE,
  IPV6_FRAGMENT_HEADER,
  IPV6_HEADER,
  Ipv6View,
} from "../wire/ipv6.ts";
import { HookPoint, type NetContext } from "./context.ts";
import type { Icmpv6Errors } from "./icmpv6_errors.ts";
import { AddressState, type NetworkInterface } from "./interface.ts";
import type { Ipv6Output } from "./ipv6_output.ts";
import { Reassembler } from "./reassembly.ts";
import { RouteType } from "./route.ts";

/** Receives, reassembles, delivers and forwards IPv6 packets. */
export class Ipv6Input {
  private readonly ctx: NetContext;
  private readonly output: Ipv6Output;
  private readonly errors: Icmpv6Errors;
  private readonly view = new Ipv6View();
  private readonly walker = new ExtensionWalker();
  readonly fragments: Reassembler;

  constructor(ctx: NetContext, output: Ipv6Output, errors: Icmpv6Errors) {
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
      errors.send(first, ICMP6_TIME_EXCEEDED, 1, 0);
    };
  }

  /** A packet came in by `at`, `start` at its IPv6 header. Takes ownership. */
  receive(packet: Packet, at: NetworkInterface): void {
    const v = this.view;
    const counters = this.ctx.counters;
    counters.ip6InReceives++;
    if (packet.type === PacketType.OtherHost || at.disable6) {
      packet.release();
      return;
    }
    if (!v.wrap(packet.bytes, packet.start, packet.end)) {
      counters.ip6InHeaderErrors++;
      packet.release();
      return;
    }
    packet.end = packet.start + IPV6_HEADER + v.payloadLength;
    packet.networkStart = packet.start;
    packet.transportStart = packet.start + IPV6_HEADER;
    packet.src = v.source;
    packet.dst = v.destination;
    packet.upper = v.nextHeader;
    packet.tos = v.trafficClass;
    packet.ttl = v.hopLimit;
    const src = packet.src;
    const dst = packet.dst;
    const bad = src.isV4 || dst.isV4 || src.isMulticast || dst.isAny ||
      (!at.isLoopback && (src.isLoopback || dst.isLoopback)) ||
      (dst.isMulticast && ((dst.w0 >>> 16) & 15) === 0) ||
      (dst.isMulticast && ((dst.w0 >>> 16) & 15) === 1 && !at.isLoopback);
    if (bad) {
      counters.ip6InAddressErrors++;
      packet.release();
      return;
    }
    const hooks = this.ctx.hooks;
    if (hooks !== null && !hooks.run(HookPoint.PreRouting, packet, at, null)) return;
    this.route(packet, at);
  }

  private route(packet: Packet, at: NetworkInterface): void {
    const dst = packet.dst;
    if (dst.isMulticast) {
      if (at.hasGroup(dst) || at.isLoopback) this.deliver(packet, at);
      else packet.release();
      return;
    }
    const local = this.ctx.routes.findLocal(dst);
    if (local !== null) {
      const state = local.entry.state;
      if (state === AddressState.Tentative || state === AddressState.Duplicate) packet.release();
      else if (dst.isLinkLocal && local.at !== at && !at.isLoopback) packet.release();
      else this.deliver(packet, at);
      return;
    }
    if (!at.forwarding6 || packet.type !== PacketType.Host || dst.isLinkLocal) {
      this.ctx.counters.ip6InAddressErrors++;
      packet.release();
      return;
    }
    this.forward(packet, at);
  }

  /** Walks the extension headers and gives the packet to this host's protocols. */
  deliver(packet: Packet, at: NetworkInterface): void {
    const w = this.walker;
    // A reassembled packet is walked again from its start; it can't be a fragment twice.
    for (let pass = 0; pass < 2; pass++) {
      const b = packet.bytes;
      const base = packet.networkStart;
      const multicast = packet.dst.isMulticast;
      const r = w.walk(b, base, base + IPV6_HEADER, packet.end, b[base + 6], multicast);
      if (r === ExtensionResult.Upper) {
        packet.transportStart = w.offset;
        packet.upper = w.protocol;
        this.dispatch(packet, at, w.nextHeaderAt - base);
        return;
      }
      if (r === ExtensionResult.Problem) {
        this.ctx.counters.ip6InHeaderErrors++;
        this.errors.send(packet, ICMP6_PARAMETER_PROBLEM, w.problemCode, w.problemAt - base);
        break;
      }
      if (r === ExtensionResult.Discard || pass > 0) {
        this.ctx.counters.ip6InHeaderErrors++;
        break;
      }
      const whole = this.reassemble(packet);
      if (whole === null) return;
      packet = whole;
    }
    packet.release();
  }

  private reassemble(packet: Packet): Packet | null {
    const w = this.walker;
    const b = packet.bytes;
    const h = w.fragmentAt;
    const offset = get16(b, h + 2) & 0xfff8;
    const more = (b[h + 3] & 1) !== 0;
    const nextHeaderOffset = w.nextHeaderAt - packet.networkStart;
    const next = b[h];
    packet.upper = next;
    this.ctx.counters.ipReassemblyRequests++;
    const dataAt = h + IPV6_FRAGMENT_HEADER;
    if (more && (packet.end - dataAt) % 8 !== 0) {
      this.errors.send(packet, ICMP6_PARAMETER_PROBLEM, 0, 4);
      packet.release();
      return null;
    }
    if (offset + packet.end - dataAt > 65535) {
      this.errors.send(packet, ICMP6_PARAMETER_PROBLEM, 0, h + 2 - packet.networkStart);
      packet.release();
      return null;
    }
    const ident = get32(b, h + 4);
    // The part before the fragment header may differ per fragment; that of the first one counts.
    if (offset === 0) b[packet.networkStart + nextHeaderOffset] = next;
    const whole = this.fragments.add(
      packet,
      ident,
      h,
      dataAt,
      offset,
      more,
      this.ctx.clock.now() + 2 * this.ctx.settings.fragmentTimeout,
    );
    if (whole === null) return null;
    if (whole.length - IPV6_HEADER > 65535) {
      whole.release();
      return null;
    }
    this.ctx.counters.ipReassemblyOk++;
    set16(whole.bytes, whole.start + 4, whole.length - IPV6_HEADER);
    return whole;
  }

  private dispatch(packet: Packet, at: NetworkInterface, nextHeaderOffset: number): void {
    const hooks = this.ctx.hooks;
    if (hooks !== null && !hooks.run(HookPoint.LocalIn, packet, at, null)) return;
    const raw = this.ctx.raw;
    const taken = raw !== null && raw.deliver(packet, at);
    const handler = packet.upper === 1 ? null : this.ctx.transports[packet.upper];
    if (handler === null || handler === undefined) {
      if (!taken && packet.upper !== IPPROTO_NONE) {
        this.ctx.counters.ip6InUnknownProtocols++;
        this.errors.send(packet, ICMP6_PARAMETER_PROBLEM, 1, nextHeaderOffset);
      }
      packet.release();
      return;
    }
    this.ctx.counters.ip6InDelivers++;
    packet.start = packet.transportStart;
    handler.receive(packet, at);
  }

  private forward(packet: Packet, at: NetworkInterface): void {
    const counters = this.ctx.counters;
    if (packet.src.isAny || packet.src.isLinkLocal) {
      packet.release();
      return;
    }
    if (packet.ttl <= 1) {
      counters.ip6InHeaderErrors++;
      this.errors.send(packet, ICMP6_TIME_EXCEEDED, 0, 0);
      packet.release();
      return;
    }
    const r = this.ctx.routes.lookup(packet.dst, packet.src, 0, packet.mark);
    if (typeof r === "number") {
      counters.ip6OutNoRoutes++;
      this.errors.send(packet, ICMP6_UNREACHABLE, ICMP6_NO_ROUTE, 0);
      packet.release();
      return;
    }
    const mtu = Math.min(r.mtu, r.out.mtu);
    if (packet.segmentSize === 0 && packet.length > mtu) {
      this.errors.send(packet, ICMP6_PACKET_TOO_BIG, 0, mtu);
      packet.release();
      return;
    }
    packet.bytes[packet.start + 7]--;
    packet.ttl--;
    const hooks = this.ctx.hooks;
    if (hooks !== null && !hooks.run(HookPoint.Forward, packet, at, r.out)) return;
    counters.ip6Forwarded++;
    if (r.type === RouteType.Local) packet.release();
    else this.output.output(packet, r, false, false);
  }
}
