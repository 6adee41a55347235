/** The packet filter of a stack: runs the tables at each hook, with tracking and translation. */

import { EEXIST, EINVAL, ENOBUFS, ENOENT } from "../core/errno.ts";
import type { Packet } from "../core/packet.ts";
import { HookPoint, type NetContext, type PacketHooks } from "../network/context.ts";
import type { NetworkInterface } from "../network/interface.ts";
import { type IpAddress, LOOPBACK_V4, LOOPBACK_V6 } from "../wire/address.ts";
import { ConnTrack, NAT_DESTINATION, NAT_SOURCE, Track, TrackState } from "./conntrack.ts";
import { Nat, type NatRange } from "./nat.ts";
import {
  AddressType,
  type Chain,
  type MatchContext,
  MAX_DEPTH,
  MAX_RULES,
  type Rule,
  type TableName,
} from "./rules.ts";
import { PacketParts, type Tuple } from "./tuple.ts";

const CHAIN_NAMES: readonly string[] = [
  "PREROUTING",
  "INPUT",
  "FORWARD",
  "OUTPUT",
  "POSTROUTING",
];

const TABLE_CHAINS: Readonly<Record<TableName, readonly string[]>> = {
  raw: ["PREROUTING", "OUTPUT"],
  mangle: CHAIN_NAMES,
  nat: ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"],
  filter: ["INPUT", "FORWARD", "OUTPUT"],
};

const enum Verdict {
  Accept,
  Drop,
  Continue,
  Return,
}

/** A table: chains by name. */
export class Table {
  readonly name: TableName;
  readonly chains = new Map<string, Chain>();

  constructor(name: TableName) {
    this.name = name;
    for (const c of TABLE_CHAINS[name]) {
      this.chains.set(c, { name: c, policy: "accept", rules: [], packets: 0, bytes: 0 });
    }
  }

  /** Adds a chain of the user's. */
  addChain(name: string): number {
    if (name === "" || name.length > 29) return -EINVAL;
    if (this.chains.has(name)) return -EEXIST;
    this.chains.set(name, { name, policy: null, rules: [], packets: 0, bytes: 0 });
    return 0;
  }

  /** Appends a rule to a chain. */
  append(chain: string, r: Rule): number {
    const c = this.chains.get(chain);
    if (c === undefined) return -ENOENT;
    let count = 0;
    for (const x of this.chains.values()) count += x.rules.length;
    if (count >= MAX_RULES) return -ENOBUFS;
    c.rules.push(r);
    if (!this.isValid()) {
      c.rules.pop();
      return -EINVAL;
    }
    return 0;
  }

  /** Whether all jumps lead somewhere and none leads back. */
  isValid(): boolean {
    for (const c of this.chains.values()) if (!this.depthOk(c, 0)) return false;
    return true;
  }

  private depthOk(c: Chain, depth: number): boolean {
    if (depth > MAX_DEPTH) return false;
    const seen = new Set<string>();
    for (const r of c.rules) {
      if (r.target.kind !== "jump" && r.target.kind !== "goto") continue;
      if (seen.has(r.target.chain)) continue;
      seen.add(r.target.chain);
      const next = this.chains.get(r.target.chain);
      if (next === undefined || next.policy !== null || !this.depthOk(next, depth + 1)) {
        return false;
      }
    }
    return true;
  }

  /** Whether no packet can be changed or stopped by this table. */
  get isEmpty(): boolean {
    for (const c of this.chains.values()) {
      if (c.rules.length > 0 || c.policy === "drop") return false;
    }
    return true;
  }
}

/** Answers packets that rules reject; done by the owner of the ICMP and TCP protocols. */
export interface Rejecter {
  /** Answers by a TCP reset or an ICMP error; the packet stays the caller's. */
  reject(packet: Packet, tcpReset: boolean, code: number): void;
}

/** Filter, tracking and translation of one stack and family of addresses alike. */
export class PacketFilter implements PacketHooks, MatchContext {
  private readonly ctx: NetContext;
  private readonly rejecter: Rejecter;
  readonly tracks: ConnTrack;
  private readonly nat: Nat;
  readonly tables4: Record<TableName, Table>;
  readonly tables6: Record<TableName, Table>;
  readonly parts = new PacketParts();
  packet!: Packet;
  input: NetworkInterface | null = null;
  output: NetworkInterface | null = null;
  state: TrackState = TrackState.Invalid;

  constructor(ctx: NetContext, rejecter: Rejecter) {
    this.ctx = ctx;
    this.rejecter = rejecter;
    this.tracks = new ConnTrack(ctx);
    this.nat = new Nat(ctx, this.tracks);
    const tables = () => ({
      raw: new Table("raw"),
      mangle: new Table("mangle"),
      nat: new Table("nat"),
      filter: new Table("filter"),
    });
    this.tables4 = tables();
    this.tables6 = tables();
  }

  addressType(a: IpAddress): AddressType {
    if (a.isMulticast) return AddressType.Multicast;
    if (this.ctx.routes.isBroadcast(a, null)) return AddressType.Broadcast;
    return this.ctx.routes.findLocal(a) !== null ? AddressType.Local : AddressType.Unicast;
  }

  run(
    point: HookPoint,
    packet: Packet,
    input: NetworkInterface | null,
    output: NetworkInterface | null,
  ): boolean {
    this.packet = packet;
    this.input = input;
    this.output = output;
    if (this.decide(point, packet)) return true;
    packet.release();
    return false;
  }

  private decide(point: HookPoint, packet: Packet): boolean {
    if (!this.parts.read(packet)) return false;
    const tables = this.parts.isV4 ? this.tables4 : this.tables6;
    const first = point === HookPoint.PreRouting || point === HookPoint.LocalOut;
    if (first) {
      // Raw comes before tracking, so that it can keep a flow from being tracked.
      if (!this.table(tables.raw, point)) return false;
      if (packet.track === null || packet.track instanceof Track) this.tracks.track(packet);
      else this.tracks.state = TrackState.Untracked;
    }
    this.state = this.currentState(packet, first);
    if (!this.table(tables.mangle, point)) return false;
    if (first && !this.translate(tables.nat, point, NAT_DESTINATION)) return false;
    if (point !== HookPoint.PreRouting && point !== HookPoint.PostRouting) {
      if (first) this.parts.read(packet);
      if (!this.table(tables.filter, point)) return false;
    }
    if (point === HookPoint.PostRouting || point === HookPoint.LocalIn) {
      if (!this.translate(tables.nat, point, NAT_SOURCE)) return false;
      return this.tracks.confirm(packet);
    }
    return true;
  }

  private currentState(packet: Packet, fresh: boolean): TrackState {
    if (fresh) return this.tracks.state;
    const c = packet.track;
    if (!(c instanceof Track)) {
      return c === null ? TrackState.Invalid : TrackState.Untracked;
    }
    if (this.parts.isError) return TrackState.Related;
    return packet.trackReply || c.seenReply ? TrackState.Established : TrackState.New;
  }

  private translate(table: Table, point: HookPoint, side: number): boolean {
    const c = this.packet.track;
    if (!(c instanceof Track)) return true;
    const undecided = !this.parts.isError && !this.packet.trackReply && !c.confirmed &&
      (c.natDone & side) === 0;
    if (undecided) {
      if (!this.table(table, point)) return false;
      // No rule matched: a null translation, which still keeps the flow unique.
      if ((c.natDone & side) === 0 && !this.nat.setUp(c, side, null)) return false;
    }
    this.nat.apply(this.packet, c, side);
    return true;
  }

  private table(t: Table, point: HookPoint): boolean {
    const chain = t.chains.get(CHAIN_NAMES[point]);
    if (chain === undefined || (chain.rules.length === 0 && chain.policy === "accept")) return true;
    const v = this.walk(t, chain, 0);
    if (v === Verdict.Accept) return true;
    if (v === Verdict.Drop) return false;
    chain.packets++;
    chain.bytes += this.packet.length;
    return chain.policy === "accept";
  }

  private walk(t: Table, chain: Chain, depth: number): Verdict {
    const rules = chain.rules;
    for (let i = 0; i < rules.length; i++) {
      const r = rules[i];
      if (!this.matches(r)) continue;
      r.packets++;
      r.bytes += this.packet.length;
      const v = this.act(t, r, depth);
      if (v === Verdict.Return) return Verdict.Continue;
      if (v !== Verdict.Continue) return v;
    }
    return Verdict.Continue;
  }

  private matches(r: Rule): boolean {
    for (let i = 0; i < r.matches.length; i++) if (!r.matches[i].test(this)) return false;
    return true;
  }

  private act(t: Table, r: Rule, depth: number): Verdict {
    const target = r.target;
    const packet = this.packet;
    switch (target.kind) {
      case "accept":
        return Verdict.Accept;
      case "drop":
        return Verdict.Drop;
      case "return":
        return Verdict.Return;
      case "continue":
        return Verdict.Continue;
      case "jump":
      case "goto": {
        const next = t.chains.get(target.chain);
        if (next === undefined || depth >= MAX_DEPTH) return Verdict.Drop;
        const v = this.walk(t, next, depth + 1);
        return target.kind === "goto" && v === Verdict.Continue ? Verdict.Return : v;
      }
      case "reject":
        this.rejecter.reject(packet, target.tcpReset, target.code);
        return Verdict.Drop;
      case "mark":
        packet.mark = ((packet.mark & ~target.mask) ^ target.value) >>> 0;
        return Verdict.Continue;
      case "connmark":
        this.connmark(target.action, target.value, target.mask);
        return Verdict.Continue;
      case "notrack":
        if (packet.track === null) packet.track = UNTRACKED;
        return Verdict.Continue;
      default:
        return this.natTarget(r);
    }
  }

  private connmark(action: "set" | "save" | "restore", value: number, mask: number): void {
    const c = this.packet.track;
    if (!(c instanceof Track)) return;
    if (action === "set") c.mark = ((c.mark & ~mask) ^ value) >>> 0;
    else if (action === "save") c.mark = ((c.mark & ~mask) | (this.packet.mark & mask)) >>> 0;
    else this.packet.mark = ((this.packet.mark & ~mask) | (c.mark & mask)) >>> 0;
  }

  private natTarget(r: Rule): Verdict {
    const c = this.packet.track;
    if (!(c instanceof Track)) return Verdict.Drop;
    const target = r.target;
    let range: NatRange;
    let side = NAT_SOURCE;
    switch (target.kind) {
      case "snat":
        range = target.range;
        break;
      case "dnat":
        range = target.range;
        side = NAT_DESTINATION;
        break;
      case "masquerade": {
        const a = this.masqueradeAddress();
        if (a === null) return Verdict.Drop;
        range = { first: a, last: a, firstPort: target.firstPort, lastPort: target.lastPort };
        break;
      }
      case "redirect": {
        const a = this.redirectAddress();
        if (a === null) return Verdict.Drop;
        range = { first: a, last: a, firstPort: target.firstPort, lastPort: target.lastPort };
        side = NAT_DESTINATION;
        break;
      }
      default:
        return Verdict.Drop;
    }
    return this.nat.setUp(c, side, range) ? Verdict.Accept : Verdict.Drop;
  }

  /** SO_ORIGINAL_DST: where the peer of a connection thinks it connected to, or null. */
  originalDestination(
    protocol: number,
    local: IpAddress,
    localPort: number,
    remote: IpAddress,
    remotePort: number,
  ): Tuple | null {
    return this.tracks.originalOf(protocol, local, localPort, remote, remotePort);
  }

  private masqueradeAddress(): IpAddress | null {
    if (this.output === null) return null;
    return this.ctx.routes.selectSource(this.parts.dst, this.output, null);
  }

  /** Packets made here go to loopback, others to the address of the interface they came in by. */
  private redirectAddress(): IpAddress | null {
    if (this.input === null) return this.parts.isV4 ? LOOPBACK_V4 : LOOPBACK_V6;
    for (const e of this.input.addresses) {
      if (e.address.isV4 === this.parts.isV4) return e.address;
    }
    return null;
  }
}

/** Stands in `packet.track` for "leave alone". */
const UNTRACKED: object = {};
