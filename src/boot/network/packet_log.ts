/** `--log-packets` and `--pcap`: what passes between the sandbox and the host's network. */

import * as libc from "../../../ffi/libc.ts";
import { errnoText } from "../../abi/errno.ts";
import type { SandboxConfig } from "../../container/config.ts";
import { RunscError } from "../../container/error.ts";
import type { Log } from "../../container/log.ts";
import type { LinkDevice } from "../../netstack/link/device.ts";
import { PcapDevice } from "../../netstack/link/pcap.ts";
import { TraceDevice } from "../../netstack/link/trace.ts";

const O_WRONLY_CREAT_TRUNC_CLOEXEC = 0x80241;

/** Where packets are logged. */
export class PacketLog {
  readonly #fd: number;
  readonly #log: Log | null;
  readonly #started = performance.now();
  #headerWritten = false;

  private constructor(fd: number, log: Log | null) {
    this.#fd = fd;
    this.#log = log;
  }

  /** Opens what the configuration asks for; null if it asks for nothing. */
  static open(config: SandboxConfig, log: Log): PacketLog | null {
    if (!config.logPackets && config.pcap === null) return null;
    let fd = -1;
    if (config.pcap !== null) {
      fd = libc.open(libc.cstr(config.pcap), O_WRONLY_CREAT_TRUNC_CLOEXEC, 0o600);
      if (fd < 0) {
        const why = errnoText(-fd);
        throw new RunscError({ what: "cannot write packets to", on: config.pcap, why });
      }
    }
    return new PacketLog(fd, config.logPackets ? log : null);
  }

  /** The device with the logs in front of it. */
  wrap(device: LinkDevice, name: string): LinkDevice {
    let wrapped = device;
    if (this.#fd >= 0) {
      const write = (chunk: Uint8Array) => this.#write(chunk);
      wrapped = new PcapDevice(wrapped, () => Date.now() * 1e6, write);
      this.#headerWritten = true;
    }
    const log = this.#log;
    if (log === null) return wrapped;
    const now = () => (performance.now() - this.#started) * 1e6;
    return new TraceDevice(wrapped, name, now, (line) => log.info(line));
  }

  #write(chunk: Uint8Array): void {
    // All interfaces share one file, which has one header: the first 24 bytes that anyone writes.
    if (this.#headerWritten && chunk.length === 24) return;
    libc.write(this.#fd, chunk, chunk.length);
  }
}
