/** What all connections of one stack share. */

import { AddressMap } from "../../core/address_map.ts";
import { SipHash } from "../../core/random.ts";
import { MS, SECOND } from "../../core/timer.ts";
import type { NetContext } from "../../network/context.ts";
import type { IpOutput } from "../../network/ip_output.ts";
import type { IpAddress } from "../../wire/address.ts";
import { set32 } from "../../wire/bytes.ts";
import { EndpointTable } from "../endpoint_table.ts";
import { ConnectPorts } from "../ports.ts";

/** Peers whose Fast Open cookie is remembered. */
const MAX_COOKIES = 1024;

/** The shared state. */
export class TcpShared {
  private readonly cookies: AddressMap<Uint8Array>;
  readonly ctx: NetContext;
  readonly output: IpOutput;
  readonly table: EndpointTable;
  readonly ports: ConnectPorts;
  private readonly hash: SipHash;
  private readonly words: Int32Array = new Int32Array(12);
  timeWaits = 0;
  orphans = 0;
  private challengeSecond = -1;
  private challengesLeft = 0;

  constructor(ctx: NetContext, output: IpOutput) {
    this.ctx = ctx;
    this.output = output;
    this.table = new EndpointTable(ctx.random.u32());
    this.ports = new ConnectPorts(ctx, this.table);
    this.hash = new SipHash(ctx.random);
    this.cookies = new AddressMap(ctx.random.u32());
  }

  private tuple(
    local: IpAddress,
    localPort: number,
    remote: IpAddress,
    remotePort: number,
  ): Int32Array {
    const w = this.words;
    w[0] = local.w3;
    w[1] = local.w2;
    w[2] = local.w1;
    w[3] = local.w0;
    w[4] = remote.w3;
    w[5] = remote.w2;
    w[6] = remote.w1;
    w[7] = remote.w0;
    w[8] = (localPort << 16) | remotePort;
    return w;
  }

  /** An initial sequence number: a secret hash of the tuple plus a clock of 64 ns (RFC 6528). */
  initialSequence(
    local: IpAddress,
    localPort: number,
    remote: IpAddress,
    remotePort: number,
  ): number {
    const w = this.tuple(local, localPort, remote, remotePort);
    return (this.hash.hash(w, 9) + Math.floor(this.ctx.clock.now() / 64)) | 0;
  }

  /** An offset for the timestamps of connections with a peer (RFC 7323 7.1). */
  timestampOffset(local: IpAddress, remote: IpAddress): number {
    const w = this.tuple(local, 0, remote, 0);
    w[9] = 1;
    return this.hash.hash(w, 10) | 0;
  }

  /** A keyed hash for SYN and Fast Open cookies. */
  cookieHash(
    local: IpAddress,
    localPort: number,
    remote: IpAddress,
    remotePort: number,
    salt: number,
    kind: number,
  ): number {
    const w = this.tuple(local, localPort, remote, remotePort);
    w[9] = salt;
    w[10] = kind;
    return this.hash.hash(w, 11) | 0;
  }

  /** The Fast Open cookie that a client at `remote` must show (RFC 7413 4.1.2). */
  fastOpenCookie(local: IpAddress, remote: IpAddress): Uint8Array {
    const cookie = new Uint8Array(8);
    set32(cookie, 0, this.cookieHash(local, 0, remote, 0, 0, 4));
    set32(cookie, 4, this.hash.high);
    return cookie;
  }

  /** The cookie that a server gave, or null. */
  knownCookie(server: IpAddress): Uint8Array | null {
    return this.cookies.get(server);
  }

  /** Remembers a server's cookie. */
  rememberCookie(server: IpAddress, cookie: Uint8Array): void {
    if (this.cookies.size < MAX_COOKIES || this.cookies.get(server) !== null) {
      this.cookies.set(server, cookie);
    }
  }

  /** Forgets a server's cookie. */
  forgetCookie(server: IpAddress): void {
    this.cookies.delete(server);
  }

  /** The timestamp clock, in milliseconds. */
  timestamp(offset: number): number {
    return (Math.floor(this.ctx.clock.now() / MS) + offset) | 0;
  }

  /** Whether one more challenge ACK may be sent (RFC 5961 7; the limit is blurred at random). */
  allowChallenge(): boolean {
    const second = Math.floor(this.ctx.clock.now() / SECOND);
    if (second !== this.challengeSecond) {
      const half = this.ctx.settings.tcpChallengeAckLimit >>> 1;
      this.challengeSecond = second;
      this.challengesLeft = half + this.ctx.random.below(half + 1);
    }
    if (this.challengesLeft <= 0) return false;
    this.challengesLeft--;
    this.ctx.counters.tcpChallengeAcks++;
    return true;
  }
}
