/** What all connections of one stack share. */

import { SipHash } from "../../core/random.ts";
import { MS, SECOND } from "../../core/timer.ts";
import type { NetContext } from "../../network/context.ts";
import type { IpOutput } from "../../network/ip_output.ts";
import type { IpAddress } from "../../wire/address.ts";
import { EndpointTable } from "../endpoint_table.ts";
import { ConnectPorts } from "../ports.ts";

/** The shared state. */
export class TcpShared {
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

  /** High half of the last {@link cookieHash}. */
  get cookieHigh(): number {
    return this.hash.high | 0;
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
