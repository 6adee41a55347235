import type { Packet } from "../core/packet.ts";
import { ARPHRD_ETHER, DeviceWrapper, type LinkDevice } from "./device.ts";

const MAGIC_NANOSECONDS = 0xa1b23c4d;
const LINKTYPE_ETHERNET = 1;
const LINKTYPE_RAW = 101;

/** A device that writes all packets in pcap format, with times in nanoseconds. */
export class PcapDevice extends DeviceWrapper {
  private readonly realtime: () => number;
  private readonly write: (chunk: Uint8Array) => void;
  private readonly snapLength: number;

  constructor(
    inner: LinkDevice,
    realtime: () => number,
    write: (chunk: Uint8Array) => void,
    snapLength = 262144,
  ) {
    super(inner);
    this.realtime = realtime;
    this.write = write;
    this.snapLength = snapLength;
    const h = new Uint8Array(24);
    const v = new DataView(h.buffer);
    v.setUint32(0, MAGIC_NANOSECONDS, true);
    v.setUint16(4, 2, true);
    v.setUint16(6, 4, true);
    v.setUint32(16, snapLength, true);
    const ethernet = inner.hardwareType === ARPHRD_ETHER;
    v.setUint32(20, ethernet ? LINKTYPE_ETHERNET : LINKTYPE_RAW, true);
    write(h);
  }

  private record(packet: Packet): void {
    const n = Math.min(packet.length, this.snapLength);
    const r = new Uint8Array(16 + n);
    const v = new DataView(r.buffer);
    const t = this.realtime();
    const seconds = Math.floor(t / 1e9);
    v.setUint32(0, seconds, true);
    v.setUint32(4, Math.floor(t - seconds * 1e9), true);
    v.setUint32(8, n, true);
    v.setUint32(12, packet.length, true);
    r.set(packet.bytes.subarray(packet.start, packet.start + n), 16);
    this.write(r);
  }

  override send(packet: Packet): void {
    this.record(packet);
    super.send(packet);
  }

  protected override receive(packet: Packet): void {
    this.record(packet);
    super.receive(packet);
  }
}
