import { Stack } from "../../../netstack/stack/stack.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { NetNamespace } from "../../kernel/namespaces.ts";
import { Timer } from "../../kernel/timers.ts";
import { type HubMember, NetworkHub } from "../link/network_hub.ts";
import type { InetSocket } from "./inet_socket.ts";
import {
  arpTable,
  multicastTable,
  netstatTable,
  route6Table,
  snmp6Table,
  snmpTable,
  socketCounts,
} from "./network_statistics.ts";
import { deviceTable, inet6Table, routeTable, socketTable } from "./network_report.ts";

/** A link that keeps what comes in until it is asked for it. */
interface Deliverer {
  deliver(): number;
}

const hubs: WeakMap<Kernel, NetworkHub> = new WeakMap();

function hubOf(kernel: Kernel): NetworkHub {
  let hub = hubs.get(kernel);
  if (hub === undefined) {
    hub = new NetworkHub();
    hubs.set(kernel, hub);
  }
  return hub;
}

/** Calls the stack when it has something to do. */
class StackTimer extends Timer {
  private readonly owner: NetworkStack;

  constructor(owner: NetworkStack) {
    super();
    this.owner = owner;
  }

  override fire(): void {
    this.owner.due();
  }
}

/**
 * The TCP/IP stack of a network namespace, driven by the kernel: {@link pump} runs after each use
 * of an endpoint and when a timer of the stack is due.
 */
export class NetworkStack implements HubMember {
  readonly stack: Stack;
  /** Sockets that are open. */
  readonly sockets: Set<InetSocket> = new Set();
  /** The namespace that this is the network of. */
  readonly net: NetNamespace;
  readonly kernel: Kernel;
  waiting = false;
  private readonly hub: NetworkHub;
  /** Devices at whose end packets wait. */
  private inboxes: Deliverer[] = [];
  private readonly timer: StackTimer;

  constructor(kernel: Kernel, net: NetNamespace) {
    this.kernel = kernel;
    this.net = net;
    this.hub = hubOf(kernel);
    this.timer = new StackTimer(this);
    this.stack = new Stack(
      { now: () => kernel.clock.monotonic(), realtime: () => kernel.clock.realtime() },
      { fill: (dst) => kernel.random(dst) },
    );
    this.stack.onPending = () => this.schedule(0);
    this.stack.ctx.timers.onEarlier = (deadline) => this.schedule(deadline);
  }

  /** Delivers what waits, and asks to be called again when there will be more. */
  pump(): void {
    this.hub.turn(this);
  }

  /** A turn of this network alone. */
  run(): void {
    this.stack.poll();
    if (this.inboxes.length > 0) {
      const inboxes = this.inboxes;
      this.inboxes = [];
      for (const inbox of inboxes) inbox.deliver();
      this.stack.poll();
    }
    this.schedule(this.stack.nextDeadline());
  }

  /** The timer came up. */
  due(): void {
    this.waiting = false;
    this.pump();
  }

  runLater(): void {
    this.schedule(0);
  }

  /** Packets wait at this network's end of a link. */
  deliverLater(inbox: Deliverer): void {
    this.inboxes.push(inbox);
    this.hub.add(this);
  }

  /** What the file `name` of /proc/net says of the stack, without headers. */
  report(name: string): string {
    switch (name) {
      case "dev":
        return deviceTable(this.stack);
      case "route":
        return routeTable(this.stack);
      case "if_inet6":
        return inet6Table(this.stack);
      case "arp":
        return arpTable(this.stack);
      case "dev_mcast":
        return multicastTable(this.stack);
      case "ipv6_route":
        return route6Table(this.stack);
      case "netstat":
        return netstatTable(this.stack);
      case "snmp":
        return snmpTable(this.stack);
      case "snmp6":
        return snmp6Table(this.stack);
      case "sockstat":
      case "sockstat6":
        return socketCounts(this.sockets, this.stack, name === "sockstat6");
      default: {
        const v6 = name.endsWith("6");
        return socketTable(this.sockets, v6 ? name.slice(0, -1) : name, v6);
      }
    }
  }

  private schedule(deadline: number): void {
    const timer = this.timer;
    if (timer.slot >= 0) {
      if (timer.deadline <= deadline) return;
      this.kernel.timers.cancel(timer);
    }
    if (deadline === Infinity) return;
    timer.deadline = deadline;
    this.kernel.timers.add(timer);
  }
}

/** The stack of a namespace; made, with loopback up in the first one, when it is first asked for. */
export function networkStack(kernel: Kernel, net: NetNamespace): NetworkStack {
  let own = net.stack;
  if (!(own instanceof NetworkStack)) {
    own = new NetworkStack(kernel, net);
    net.stack = own;
    if (net.startsUp) (own as NetworkStack).stack.startLoopback();
  }
  return own as NetworkStack;
}
