/** Joins a container to the network that the host has for it. Loaded by containers that have one. */

import type { BootOptions, SandboxConfig } from "../../container/config.ts";
import type { ContainerSpec } from "../../container/oci_spec.ts";
import type { Container, ContainerNetwork } from "../container.ts";
import { takeHostNetwork } from "./host_link.ts";
import { enterNetworkNamespace } from "./namespace.ts";
import { PacketLog } from "./packet_log.ts";

class SandboxNetwork implements ContainerNetwork {
  linked = false;
  readonly #segmentation: boolean;
  readonly #log: PacketLog | null;

  constructor(segmentation: boolean, log: PacketLog | null) {
    this.#segmentation = segmentation;
    this.#log = log;
  }

  join(container: Container): void {
    const log = this.#log;
    const count = takeHostNetwork({
      kernel: container.kernel,
      net: container.nsproxy.net,
      poller: container.poller,
      segmentation: this.#segmentation,
      wrap: log === null ? null : (device, name) => log.wrap(device, name),
    });
    this.linked = count > 0;
  }
}

/** Enters the container's network namespace; null if there is none to be taken over. */
export function openHostNetwork(
  spec: ContainerSpec,
  config: SandboxConfig,
  options: BootOptions,
): ContainerNetwork | null {
  if (!enterNetworkNamespace(spec)) return null;
  return new SandboxNetwork(config.gso, PacketLog.open(config, options.log));
}
