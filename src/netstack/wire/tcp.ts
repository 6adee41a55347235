/** TCP headers (RFC 9293) and options, in place. */

import { get16, get32, getSigned32, set16, set32 } from "./bytes.ts";

/** Bytes of a TCP header without options. */
export const TCP_HEADER = 20;
/** The largest TCP header. */
export const TCP_MAX_HEADER = 60;

export const FIN = 0x01;
export const SYN = 0x02;
export const RST = 0x04;
export const PSH = 0x08;
export const ACK = 0x10;
export const URG = 0x20;
export const ECE = 0x40;
export const CWR = 0x80;

const OPT_END = 0;
const OPT_NOP = 1;
const OPT_MSS = 2;
const OPT_WSCALE = 3;
const OPT_SACK_PERMITTED = 4;
const OPT_SACK = 5;
const OPT_TIMESTAMP = 8;
const OPT_FAST_OPEN = 34;
const OPT_EXPERIMENT = 254;
const FAST_OPEN_MAGIC = 0xf989;

/** Blocks of a SACK option that are kept; a header has no room for more. */
export const MAX_SACK_BLOCKS = 4;

/** A checked TCP header in place, with its options decoded by {@link TcpView.parseOptions}. */
export class TcpView {
  bytes: Uint8Array = new Uint8Array(TCP_HEADER);
  at = 0;
  /** End of the segment. */
  end = 0;

  /** -1 if there is none. */
  mss = -1;
  /** -1 if there is none. */
  windowScale = -1;
  sackPermitted = false;
  hasTimestamp = false;
  tsValue = 0;
  tsEcho = 0;
  sackCount = 0;
  readonly sackStart: Int32Array = new Int32Array(MAX_SACK_BLOCKS);
  readonly sackEnd: Int32Array = new Int32Array(MAX_SACK_BLOCKS);
  /** Offset in `bytes` of the Fast Open cookie, -1 if that option is absent. */
  cookieAt = -1;
  cookieLength = 0;

  /** Points at the segment `[start, end)`; false if its header does not fit. */
  wrap(b: Uint8Array, start: number, end: number): boolean {
    this.bytes = b;
    this.at = start;
    this.end = end;
    if (end - start < TCP_HEADER || end > b.length) return false;
    const header = (b[start + 12] >>> 4) << 2;
    return header >= TCP_HEADER && header <= end - start;
  }

  get sourcePort(): number {
    return get16(this.bytes, this.at);
  }

  get destinationPort(): number {
    return get16(this.bytes, this.at + 2);
  }

  get sequence(): number {
    return getSigned32(this.bytes, this.at + 4);
  }

  get acknowledgement(): number {
    return getSigned32(this.bytes, this.at + 8);
  }

  get headerLength(): number {
    return (this.bytes[this.at + 12] >>> 4) << 2;
  }

  get flags(): number {
    return this.bytes[this.at + 13];
  }

  get window(): number {
    return get16(this.bytes, this.at + 14);
  }

  get urgent(): number {
    return get16(this.bytes, this.at + 18);
  }

  /** Decodes the options; unknown ones are skipped, a malformed one ends the walk (RFC 9293 3.1). */
  parseOptions(): void {
    this.mss = -1;
    this.windowScale = -1;
    this.sackPermitted = false;
    this.hasTimestamp = false;
    this.sackCount = 0;
    this.cookieAt = -1;
    this.cookieLength = 0;
    const b = this.bytes;
    let i = this.at + TCP_HEADER;
    const to = this.at + this.headerLength;
    // The layout nearly every segment of an established connection has.
    if (to - i === 12 && get32(b, i) === 0x0101080a) {
      this.setTimestamp(i + 2);
      return;
    }
    while (i < to) {
      const kind = b[i];
      if (kind === OPT_END) return;
      if (kind === OPT_NOP) {
        i++;
        continue;
      }
      if (i + 1 >= to) return;
      const length = b[i + 1];
      if (length < 2 || i + length > to) return;
      this.parseOption(kind, i, length);
      i += length;
    }
  }

  private setTimestamp(i: number): void {
    this.hasTimestamp = true;
    this.tsValue = getSigned32(this.bytes, i + 2);
    this.tsEcho = getSigned32(this.bytes, i + 6);
  }

  private parseOption(kind: number, i: number, length: number): void {
    const b = this.bytes;
    switch (kind) {
      case OPT_MSS:
        if (length === 4) this.mss = get16(b, i + 2);
        break;
      case OPT_WSCALE:
        if (length === 3) this.windowScale = Math.min(b[i + 2], 14);
        break;
      case OPT_SACK_PERMITTED:
        if (length === 2) this.sackPermitted = true;
        break;
      case OPT_SACK:
        if ((length - 2) % 8 === 0) {
          for (let p = i + 2; p < i + length && this.sackCount < MAX_SACK_BLOCKS; p += 8) {
            this.sackStart[this.sackCount] = getSigned32(b, p);
            this.sackEnd[this.sackCount++] = getSigned32(b, p + 4);
          }
        }
        break;
      case OPT_TIMESTAMP:
        if (length === 10) this.setTimestamp(i);
        break;
      case OPT_FAST_OPEN:
        this.setCookie(i + 2, length - 2);
        break;
      case OPT_EXPERIMENT:
        if (length >= 4 && get16(b, i + 2) === FAST_OPEN_MAGIC) this.setCookie(i + 4, length - 4);
        break;
    }
  }

  private setCookie(at: number, length: number): void {
    if (length !== 0 && (length < 4 || length > 16 || length % 2 !== 0)) return;
    this.cookieAt = at;
    this.cookieLength = length;
  }
}

/** Writes the fixed part of a TCP header at `o` with a zero checksum. */
export function emitTcp(
  b: Uint8Array,
  o: number,
  sourcePort: number,
  destinationPort: number,
  sequence: number,
  acknowledgement: number,
  headerLength: number,
  flags: number,
  window: number,
  urgent: number,
): void {
  set16(b, o, sourcePort);
  set16(b, o + 2, destinationPort);
  set32(b, o + 4, sequence);
  set32(b, o + 8, acknowledgement);
  b[o + 12] = headerLength << 2;
  b[o + 13] = flags;
  set16(b, o + 14, window);
  set16(b, o + 16, 0);
  set16(b, o + 18, urgent);
}

/** Writes a maximum segment size option; returns the offset after it. */
export function emitMss(b: Uint8Array, o: number, mss: number): number {
  b[o] = OPT_MSS;
  b[o + 1] = 4;
  set16(b, o + 2, mss);
  return o + 4;
}

/** Writes a window scale option with one byte of padding; returns the offset after it. */
export function emitWindowScale(b: Uint8Array, o: number, shift: number): number {
  b[o] = OPT_NOP;
  b[o + 1] = OPT_WSCALE;
  b[o + 2] = 3;
  b[o + 3] = shift;
  return o + 4;
}

/** Writes a SACK-permitted option; `padded` puts two bytes of padding before it. */
export function emitSackPermitted(b: Uint8Array, o: number, padded: boolean): number {
  if (padded) {
    b[o++] = OPT_NOP;
    b[o++] = OPT_NOP;
  }
  b[o] = OPT_SACK_PERMITTED;
  b[o + 1] = 2;
  return o + 2;
}

/** Writes a timestamp option; `padded` puts two bytes of padding before it. */
export function emitTimestamp(
  b: Uint8Array,
  o: number,
  value: number,
  echo: number,
  padded: boolean,
): number {
  if (padded) {
    b[o++] = OPT_NOP;
    b[o++] = OPT_NOP;
  }
  b[o] = OPT_TIMESTAMP;
  b[o + 1] = 10;
  set32(b, o + 2, value);
  set32(b, o + 6, echo);
  return o + 10;
}

/** Writes the header of a SACK option for `count` blocks, padded; the blocks follow. */
export function emitSackHeader(b: Uint8Array, o: number, count: number): number {
  b[o] = OPT_NOP;
  b[o + 1] = OPT_NOP;
  b[o + 2] = OPT_SACK;
  b[o + 3] = 2 + 8 * count;
  return o + 4;
}

/** Writes a Fast Open cookie option, padded to a multiple of four; returns the offset after it. */
export function emitFastOpen(b: Uint8Array, o: number, cookie: Uint8Array, length: number): number {
  const pad = (4 - ((length + 2) & 3)) & 3;
  for (let i = 0; i < pad; i++) b[o++] = OPT_NOP;
  b[o] = OPT_FAST_OPEN;
  b[o + 1] = length + 2;
  for (let i = 0; i < length; i++) b[o + 2 + i] = cookie[i];
  return o + 2 + length;
}
