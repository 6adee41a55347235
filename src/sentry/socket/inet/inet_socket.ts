// hot: every byte of a TCP or UDP socket passes here.

import { EACCES, EINVAL } from "../../../abi/errno.ts";
import { CAP_NET_BIND_SERVICE } from "../../../abi/capability.ts";
import {
  AF_INET6,
  SO_BINDTODEVICE,
  SO_BROADCAST,
  SO_KEEPALIVE,
  SO_LINGER,
  SO_MARK,
  SO_OOBINLINE,
  SO_PRIORITY,
  SO_RCVBUF,
  SO_RCVBUFFORCE,
  SO_RCVLOWAT,
  SO_REUSEADDR,
  SO_REUSEPORT,
  SO_SNDBUF,
  SO_SNDBUFFORCE,
  SO_TIMESTAMP_OLD,
  SO_TIMESTAMPNS_OLD,
} from "../../../abi/socket.ts";
import { S_IFSOCK } from "../../../abi/stat.ts";
import type { Endpoint } from "../../../netstack/transport/endpoint.ts";
import type { Task } from "../../kernel/task.ts";
import { socketPath } from "../../vfs/anon.ts";
import { SocketFile } from "../socket_file.ts";
import { TELL_TIMESTAMP, TELL_TIMESTAMP_NS } from "./ancillary.ts";
import { inetAddress, InetName, parseInetAddress } from "./inet_address.ts";
import { getInetOption, setInetOption } from "./inet_options.ts";
import { type NetworkStack, networkStack } from "./network_stack.ts";

/** The address parsed last; no two calls need one at once. */
export const parsed = new InetName();

/** A socket of AF_INET or AF_INET6: an endpoint of the stack as a file. */
export abstract class InetSocket<E extends Endpoint = Endpoint> extends SocketFile {
  readonly endpoint: E;
  /** What a receive tells besides the bytes: bits of ancillary.ts. */
  ancillary = 0;
  readonly network: NetworkStack;

  constructor(
    t: Task,
    network: NetworkStack,
    endpoint: E,
    family: number,
    type: number,
    protocol: number,
    flags: number,
  ) {
    super(
      socketPath(t.kernel.vfs, S_IFSOCK | 0o777, t.creds.fsuid, t.creds.fsgid),
      flags,
      family,
      type,
      protocol,
    );
    this.network = network;
    this.endpoint = endpoint;
    endpoint.uid = t.creds.fsuid;
    endpoint.onReadinessChange = (mask) => this.waiters.notify(mask);
    network.sockets.add(this);
    this.options.sendBuffer = endpoint.sendBufferSize;
    this.options.receiveBuffer = endpoint.receiveBufferSize;
  }

  /** Lets the stack act on what was done to the endpoint; returns `r`. */
  protected after(r: number): number {
    this.network.pump();
    return r;
  }

  /** Parses an address into {@link parsed}. */
  protected parse(address: Uint8Array): number {
    return parseInetAddress(address, this.family, parsed);
  }

  override bind(t: Task, address: Uint8Array): number {
    const r = this.parse(address);
    if (r < 0) return r;
    const { port } = parsed;
    const settings = this.network.stack.ctx.settings;
    if (
      port !== 0 && port < settings.unprivilegedPortStart &&
      !t.creds.capable(CAP_NET_BIND_SERVICE)
    ) return -EACCES;
    if (this.endpoint.localPort !== 0) return -EINVAL;
    return this.after(this.bindEndpoint(parsed));
  }

  protected abstract bindEndpoint(name: InetName): number;

  override localAddress(): Uint8Array {
    const e = this.endpoint;
    return inetAddress(this.family, e.local, e.localPort, e.device);
  }

  override takeError(): number {
    return this.endpoint.takeError();
  }

  override poll(_t: Task | null): number {
    return this.endpoint.readiness();
  }

  override getOption(_t: Task, level: number, name: number): Uint8Array | number {
    return getInetOption(this, level, name);
  }

  override setOption(t: Task, level: number, name: number, value: Uint8Array): number {
    return this.after(setInetOption(t, this, level, name, value));
  }

  override optionChanged(name: number): void {
    const e = this.endpoint;
    const o = this.options;
    switch (name) {
      case SO_SNDBUF:
      case SO_SNDBUFFORCE:
        e.setSendBuffer(o.sendBuffer >> 1, name === SO_SNDBUFFORCE);
        break;
      case SO_RCVBUF:
      case SO_RCVBUFFORCE:
        e.setReceiveBuffer(o.receiveBuffer >> 1, name === SO_RCVBUFFORCE);
        break;
      case SO_REUSEADDR:
        e.reuseAddress = o.has(name);
        break;
      case SO_REUSEPORT:
        e.reusePort = o.has(name);
        break;
      case SO_MARK:
        e.mark = o.values.get(name) ?? 0;
        break;
      case SO_PRIORITY:
        e.priority = o.values.get(name) ?? 0;
        break;
      case SO_BINDTODEVICE:
        e.bindToDevice(
          o.device === "" ? 0 : this.network.stack.interfaceByName(o.device)?.index ?? 0,
        );
        break;
      case SO_TIMESTAMP_OLD:
      case SO_TIMESTAMPNS_OLD:
        this.ancillary &= ~(TELL_TIMESTAMP | TELL_TIMESTAMP_NS);
        if (o.has(SO_TIMESTAMP_OLD)) this.ancillary |= TELL_TIMESTAMP;
        if (o.has(SO_TIMESTAMPNS_OLD)) this.ancillary |= TELL_TIMESTAMP_NS;
        e.stampsPackets = (this.ancillary & (TELL_TIMESTAMP | TELL_TIMESTAMP_NS)) !== 0;
        break;
      case SO_KEEPALIVE:
      case SO_LINGER:
      case SO_OOBINLINE:
      case SO_RCVLOWAT:
      case SO_BROADCAST:
        this.ownOptionChanged(name);
    }
  }

  /** An option that only some kinds of endpoints have. */
  protected ownOptionChanged(_name: number): void {}

  /** Whether it is an IPv6 socket. */
  get isV6(): boolean {
    return this.family === AF_INET6;
  }

  override release(): void {
    this.network.sockets.delete(this);
    this.endpoint.onReadinessChange = null;
    this.endpoint.close();
    this.network.pump();
  }
}

/** The stack of the namespace that `t` is in. */
export function stackOf(t: Task): NetworkStack {
  return networkStack(t.kernel, t.nsproxy.net);
}
