// hot: every packet of a transport that leaves.

import type { Packet } from "../core/packet.ts";
import type { IpAddress } from "../wire/address.ts";
import type { Ipv4Output } from "./ipv4_output.ts";
import type { Ipv6Extensions, Ipv6Output } from "./ipv6_output.ts";
import type { Route } from "./route.ts";

/** Per-packet choices of a sender; the defaults suit a socket with no options set. */
export class IpSendOptions {
  /** Time to live or hop limit; -1 for the host's default. */
  ttl = -1;
  tos = 0;
  flowLabel = 0;
  dontFragment = false;
  /** Whether this host hears its own packets to groups. */
  loop = true;
  options: Uint8Array | null = null;
  extensions: Ipv6Extensions | null = null;
}

/** Sends transport segments by either IP version. */
export class IpOutput {
  readonly v4: Ipv4Output;
  readonly v6: Ipv6Output;
  private readonly defaultTtl: () => number;

  constructor(v4: Ipv4Output, v6: Ipv6Output, defaultTtl: () => number) {
    this.v4 = v4;
    this.v6 = v6;
    this.defaultTtl = defaultTtl;
  }

  /** Sends what `packet` shows from `src` to `dst`; takes ownership; 0 or a negative errno. */
  send(
    packet: Packet,
    route: Route,
    src: IpAddress,
    dst: IpAddress,
    protocol: number,
    o: IpSendOptions,
  ): number {
    const ttl = o.ttl >= 0 ? o.ttl : this.defaultTtl();
    if (dst.isV4) {
      return this.v4.send(
        packet,
        route,
        src,
        dst,
        protocol,
        ttl,
        o.tos,
        o.dontFragment,
        o.options,
        o.loop,
      );
    }
    return this.v6.send(
      packet,
      route,
      src,
      dst,
      protocol,
      ttl,
      o.tos,
      o.flowLabel,
      o.dontFragment,
      o.extensions,
      o.loop,
    );
  }
}
