import type { InterfaceAddress, NetworkInterface } from "./interface.ts";
import type { Neighbour } from "./neighbour.ts";
import type { RouteEntry } from "./route.ts";

/** Who wants to know of changes in a stack: rtnetlink(7) multicast groups. */
export interface NetworkEvents {
  /** An interface came, changed (flags, name, MTU) or, with `gone`, went. */
  link(at: NetworkInterface, gone: boolean): void;
  /** An address came or changed or, with `gone`, went. */
  address(at: NetworkInterface, entry: InterfaceAddress, gone: boolean): void;
  /** A route came or, with `gone`, went. */
  route(entry: RouteEntry, gone: boolean): void;
  /** A neighbour changed. */
  neighbour(at: NetworkInterface, n: Neighbour): void;
}
