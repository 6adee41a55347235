/** UDP headers (RFC 768) in place. */

import { get16, set16 } from "./bytes.ts";

/** Bytes of a UDP header. */
export const UDP_HEADER = 8;

/** A checked UDP header in place. */
export class UdpView {
  bytes: Uint8Array = new Uint8Array(UDP_HEADER);
  at = 0;

  /** Points at the datagram `[start, end)`; false if its length does not fit. */
  wrap(b: Uint8Array, start: number, end: number): boolean {
    this.bytes = b;
    this.at = start;
    if (end - start < UDP_HEADER || end > b.length) return false;
    const length = get16(b, start + 4);
    return length >= UDP_HEADER && length <= end - start;
  }

  get sourcePort(): number {
    return get16(this.bytes, this.at);
  }

  get destinationPort(): number {
    return get16(this.bytes, this.at + 2);
  }

  get length(): number {
    return get16(this.bytes, this.at + 4);
  }

  get checksum(): number {
    return get16(this.bytes, this.at + 6);
  }
}

/** Writes a UDP header with a zero checksum at `o`. */
export function emitUdp(
  b: Uint8Array,
  o: number,
  sourcePort: number,
  destinationPort: number,
  length: number,
): void {
  set16(b, o, sourcePort);
  set16(b, o + 2, destinationPort);
  set16(b, o + 4, length);
  set16(b, o + 6, 0);
}
