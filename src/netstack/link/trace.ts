import type { Packet } from "../core/packet.ts";
import { formatFrame, formatPacket } from "../wire/format.ts";
import { ARPHRD_ETHER, DeviceWrapper, type LinkDevice } from "./device.ts";

/** A device that writes a line of text for every packet. */
export class TraceDevice extends DeviceWrapper {
  private readonly name: string;
  private readonly now: () => number;
  private readonly write: (line: string) => void;

  constructor(
    inner: LinkDevice,
    name: string,
    now: () => number,
    write: (line: string) => void,
  ) {
    super(inner);
    this.name = name;
    this.now = now;
    this.write = write;
  }

  private log(packet: Packet, direction: string): void {
    const text = this.inner.hardwareType === ARPHRD_ETHER
      ? formatFrame(packet.bytes, packet.start, packet.end)
      : formatPacket(packet.bytes, packet.start, packet.end, packet.protocol);
    this.write(`${(this.now() / 1e9).toFixed(6)} ${this.name} ${direction} ${text}`);
  }

  override send(packet: Packet): void {
    this.log(packet, "Out");
    super.send(packet);
  }

  protected override receive(packet: Packet): void {
    this.log(packet, "In ");
    super.receive(packet);
  }
}
