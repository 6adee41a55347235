/** The control server of a sandbox: takes connections of its owner and answers their messages. See docs/control.md. */

import * as libc from "../../../ffi/libc.ts";
import { EAGAIN, EMSGSIZE } from "../../abi/errno.ts";
import { POLLHUP, POLLIN } from "../../abi/poll.ts";
import type { SandboxConfig } from "../../container/config.ts";
import {
  CONTROL_VERSION,
  type Packet,
  receivePacket,
  sendPacket,
} from "../../container/control/channel.ts";
import { isRunscError, shorten } from "../../container/error.ts";
import { type HostPoller, HostWatch } from "../../sentry/kernel/host_poller.ts";
import type { RunLoop } from "../../sentry/kernel/run_loop.ts";
import type { Task } from "../../sentry/kernel/task.ts";
import type { Container } from "../container.ts";
import { type Call, type Json, METHODS } from "./methods.ts";
import type { TraceSwitch } from "./trace_switch.ts";

/** Connections at once; more wait to be accepted. */
const MAX_CLIENTS = 32;
/** Messages of one connection that are answered before others have their turn. */
const MAX_BATCH = 16;
const SOCK_CLOEXEC_NONBLOCK = 0x80800;
const MSG_DONTWAIT = 0x40;
const SOL_SOCKET = 1;
const SO_PEERCRED = 17;

/** What the server works on. */
export interface ControlInit {
  container: Container;
  config: SandboxConfig;
  loop: RunLoop;
  trace: TraceSwitch | null;
  /** Listening socket. */
  socket: number;
}

/** One connection. */
export class ControlConnection extends HostWatch {
  readonly #server: ControlServer;
  closed = false;

  constructor(fd: number, server: ControlServer) {
    super(fd, POLLIN);
    this.#server = server;
  }

  /** Answers a message, now or later; a client that does not read its answers loses its connection. */
  reply(answer: { result: Json } | { error: string }): void {
    if (this.closed) return;
    const text = JSON.stringify({ v: CONTROL_VERSION, ...answer });
    let r = sendPacket(this.fd, text, [], MSG_DONTWAIT);
    if (r === -EMSGSIZE) {
      const error = JSON.stringify({ v: CONTROL_VERSION, error: "the answer is too long" });
      r = sendPacket(this.fd, error, [], MSG_DONTWAIT);
    }
    if (r < 0) this.#server.drop(this);
  }

  override onReady(mask: number): void {
    for (let i = 0; i < MAX_BATCH && !this.closed; i++) {
      const packet = receivePacket(this.fd, MSG_DONTWAIT);
      if (packet === -EAGAIN) break;
      if (packet === -EMSGSIZE) {
        this.reply({ error: "the message is too long" });
        this.#server.drop(this);
      } else if (packet === null || typeof packet === "number") this.#server.drop(this);
      else this.#server.answer(this, packet);
    }
    if (this.closed) return;
    if ((mask & POLLHUP) !== 0) this.#server.drop(this);
    else this.#server.poller.rearm(this);
  }
}

/** The server. */
export class ControlServer extends HostWatch {
  readonly container: Container;
  readonly config: SandboxConfig;
  readonly loop: RunLoop;
  readonly trace: TraceSwitch | null;
  readonly poller: HostPoller;
  /** Containers that came to the sandbox after its own, by id. */
  readonly members: Map<string, Member> = new Map();
  readonly #paused: Set<Container> = new Set();
  /** Connections that wait for the end of the sandbox's own container. */
  readonly waiting: Set<ControlConnection> = new Set();
  readonly #clients: Set<ControlConnection> = new Set();
  readonly #uid = libc.geteuid();
  /** Set when the sandbox shall end before its container has started; see {@link exitStatus}. */
  ended = false;
  exitStatus = 0;

  constructor(init: ControlInit) {
    super(init.socket, POLLIN);
    this.container = init.container;
    this.config = init.config;
    this.loop = init.loop;
    this.trace = init.trace;
    this.poller = init.container.poller;
    this.poller.add(this);
  }

  /** Serves until the container is started, or the sandbox is told to end. */
  awaitStart(): void {
    while (this.container.init === null && !this.ended) this.poller.wait(Infinity);
  }

  /** Ends a sandbox whose container has not started. */
  end(status: number): void {
    this.ended = true;
    this.exitStatus = status;
  }

  /** Whether a container is paused. */
  isPaused(container: Container): boolean {
    return this.#paused.has(container);
  }

  /** Pauses a container, or lets it go on. */
  setPaused(container: Container, paused: boolean): void {
    if (paused === this.#paused.has(container)) return;
    if (paused) this.#paused.add(container);
    else this.#paused.delete(container);
    this.loop.unpause();
    if (this.#paused.size > 0) this.loop.pause((t) => this.#paused.has(this.containerOf(t)));
  }

  /** The container that a task belongs to. */
  containerOf(t: Task): Container {
    if (this.members.size === 0) return this.container;
    const ns = t.group.leader.pid.ns;
    for (const { container } of this.members.values()) {
      const { pids } = container;
      const isOwn = pids !== this.container.pids && ns.isWithin(pids);
      if (isOwn && !this.#sharesPids(container)) return container;
      // Containers with the same process ids are told apart by what their processes see of files.
      if (t.nsproxy.mnt === container.ns) return container;
    }
    return this.container;
  }

  #sharesPids(container: Container): boolean {
    for (const other of this.members.values()) {
      if (other.container !== container && other.container.pids === container.pids) return true;
    }
    return false;
  }

  /** Tells those who wait for the container how it ended. */
  finish(status: number): void {
    for (const client of this.waiting) client.reply({ result: { status } });
    this.waiting.clear();
  }

  override onReady(_mask: number): void {
    while (this.#clients.size < MAX_CLIENTS) {
      const fd = libc.accept4(this.fd, null, null, SOCK_CLOEXEC_NONBLOCK);
      if (fd < 0) break;
      if (!this.#isOwner(fd)) {
        const error = "only the owner of the sandbox may control it";
        sendPacket(fd, JSON.stringify({ v: CONTROL_VERSION, error }), [], MSG_DONTWAIT);
        libc.close(fd);
        continue;
      }
      const client = new ControlConnection(fd, this);
      this.#clients.add(client);
      this.poller.add(client);
    }
    if (this.#clients.size < MAX_CLIENTS) this.poller.rearm(this);
  }

  /** Whether the peer is root or whom the sandbox belongs to (unix(7), SO_PEERCRED). */
  #isOwner(fd: number): boolean {
    const credentials = new Uint8Array(12);
    const length = new Uint8Array(4);
    new DataView(length.buffer).setUint32(0, 12, true);
    if (libc.getsockopt(fd, SOL_SOCKET, SO_PEERCRED, credentials, length) < 0) return false;
    const uid = new DataView(credentials.buffer).getUint32(4, true);
    return uid === 0 || uid === this.#uid;
  }

  /** Closes a connection. */
  drop(client: ControlConnection): void {
    if (client.closed) return;
    client.closed = true;
    this.poller.remove(client);
    this.waiting.delete(client);
    for (const { waiting } of this.members.values()) waiting.delete(client);
    libc.close(client.fd);
    this.#clients.delete(client);
    this.poller.rearm(this);
  }

  /** The call of a message, or why it can not be: the container it names is not there. */
  #callOf(
    client: ControlConnection,
    given: Record<string, unknown>,
    fds: Set<number>,
  ): Call | string {
    const { container: id, ...args } = given;
    if (id === undefined || id === this.container.options.id) {
      return { server: this, client, args, fds, container: this.container, member: null };
    }
    const member = typeof id === "string" ? this.members.get(id) : undefined;
    if (member === undefined) return "the sandbox has no such container";
    return { server: this, client, args, fds, container: member.container, member };
  }

  /** Carries out what a message asks for. */
  answer(client: ControlConnection, packet: Packet): void {
    const fds = new Set(packet.fds);
    try {
      const request = parseRequest(packet.text);
      if (typeof request === "string") {
        client.reply({ error: request });
        this.drop(client);
        return;
      }
      const method = METHODS.get(request.method);
      if (method === undefined) {
        const name = JSON.stringify(shorten(request.method, 40));
        client.reply({ error: `the sandbox knows no method ${name}` });
        return;
      }
      const call = this.#callOf(client, request.args, fds);
      if (typeof call === "string") {
        client.reply({ error: call });
        return;
      }
      const result = method(call);
      if (result !== null) client.reply({ result });
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      const text = isRunscError(error) || (error instanceof Error && error.name === "SchemaError")
        ? message
        : `internal error: ${message}`;
      client.reply({ error: shorten(text, 4000) });
    } finally {
      // What no method has taken over.
      for (const fd of fds) libc.close(fd);
    }
  }
}

/** A container that came to a sandbox after its own. */
export interface Member {
  readonly container: Container;
  /** Connections that wait for its end. */
  readonly waiting: Set<ControlConnection>;
  /** Its exit status, null before its end. */
  status: number | null;
  /** Ends it with this status, if it has not started; kills it otherwise. */
  end(status: number): void;
  /** Ends it and forgets it. */
  remove(): void;
}

interface Request {
  method: string;
  args: Record<string, unknown>;
}

/** The request of a message, or what is wrong with it. */
function parseRequest(text: string): Request | string {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return "the message is not JSON";
  }
  if (!isRecord(value)) return "the message is no object";
  if (value.v !== CONTROL_VERSION) return `the message is not of version ${CONTROL_VERSION}`;
  const { method, args = {} } = value;
  if (typeof method !== "string") return "the message names no method";
  if (!isRecord(args)) return "the arguments are no object";
  return { method, args };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
