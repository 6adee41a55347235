/** Writes and reads netlink messages (netlink(7)): a header, a fixed part, attributes. */

/** Bytes of `struct nlmsghdr`. */
export const NETLINK_HEADER = 16;
const TYPE_MASK = 0x3fff;

/** Messages one after the other, as a datagram has them. */
export class NetlinkWriter {
  private bytes: Uint8Array = new Uint8Array(4096);
  private view: DataView = new DataView(this.bytes.buffer);
  private length = 0;
  private start = 0;

  /** Begins a message. */
  begin(type: number, flags: number, sequence: number, port: number): this {
    this.start = this.length;
    this.reserve(NETLINK_HEADER);
    this.view.setUint16(this.start + 4, type, true);
    this.view.setUint16(this.start + 6, flags, true);
    this.view.setUint32(this.start + 8, sequence, true);
    this.view.setUint32(this.start + 12, port, true);
    this.length += NETLINK_HEADER;
    return this;
  }

  u8(...values: number[]): this {
    this.reserve(values.length);
    for (const value of values) this.bytes[this.length++] = value;
    return this;
  }

  u16(value: number): this {
    this.reserve(2);
    this.view.setUint16(this.length, value, true);
    this.length += 2;
    return this;
  }

  u32(value: number): this {
    this.reserve(4);
    this.view.setUint32(this.length, value, true);
    this.length += 4;
    return this;
  }

  u64(value: number): this {
    return this.u32(value >>> 0).u32(Math.floor(value / 0x100000000));
  }

  raw(bytes: Uint8Array): this {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  zeros(count: number): this {
    this.reserve(count);
    this.bytes.fill(0, this.length, this.length + count);
    this.length += count;
    return this;
  }

  /** An attribute of bytes. */
  attribute(type: number, data: Uint8Array): this {
    this.u16(4 + data.length).u16(type).raw(data);
    return this.align();
  }

  attribute32(type: number, value: number): this {
    return this.u16(8).u16(type).u32(value);
  }

  attribute16(type: number, value: number): this {
    this.u16(6).u16(type).u16(value);
    return this.align();
  }

  attribute8(type: number, value: number): this {
    this.u16(5).u16(type).u8(value);
    return this.align();
  }

  /** An attribute of text, a byte string, ended by a NUL. */
  text(type: number, value: string): this {
    this.u16(5 + value.length).u16(type);
    for (let i = 0; i < value.length; i++) this.u8(value.charCodeAt(i));
    this.u8(0);
    return this.align();
  }

  /** Begins an attribute of attributes; to be ended with what this returns. */
  nest(type: number): number {
    const at = this.length;
    this.u16(0).u16(type);
    return at;
  }

  endNest(at: number): this {
    this.view.setUint16(at, this.length - at, true);
    return this;
  }

  private align(): this {
    while (this.length & 3) this.u8(0);
    return this;
  }

  /** Ends the message that was begun last. */
  end(): void {
    this.view.setUint32(this.start, this.length - this.start, true);
    this.align();
  }

  /** Takes all messages. */
  take(): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(this.bytes.subarray(0, this.length));
    this.length = 0;
    return out;
  }

  get size(): number {
    return this.length;
  }

  private reserve(count: number): void {
    if (this.length + count <= this.bytes.length) return;
    const grown = new Uint8Array(this.bytes.length * 2 + count);
    grown.set(this.bytes);
    this.bytes = grown;
    this.view = new DataView(grown.buffer);
  }
}

/** The attributes of a message or of an attribute; of several of one type the last one counts. */
export class NetlinkAttributes {
  private readonly found: Map<number, Uint8Array> = new Map();

  constructor(bytes: Uint8Array, from = 0, to = bytes.length) {
    let at = from;
    while (at + 4 <= to) {
      const length = bytes[at] | (bytes[at + 1] << 8);
      if (length < 4 || at + length > to) break;
      const type = (bytes[at + 2] | (bytes[at + 3] << 8)) & TYPE_MASK;
      this.found.set(type, bytes.subarray(at + 4, at + length));
      at += (length + 3) & ~3;
    }
  }

  has(type: number): boolean {
    return this.found.has(type);
  }

  /** The bytes, or null. */
  get(type: number): Uint8Array | null {
    return this.found.get(type) ?? null;
  }

  /** A number of 8, 16 or 32 bits; `otherwise` where it is absent. */
  number(type: number, otherwise = 0): number {
    const data = this.found.get(type);
    if (data === undefined || data.length === 0) return otherwise;
    let value = data[0];
    if (data.length > 1) value |= data[1] << 8;
    if (data.length > 3) value |= (data[2] << 16) | (data[3] << 24);
    return value >>> 0;
  }

  /** Text up to its NUL, as a byte string; null where it is absent. */
  text(type: number): string | null {
    const data = this.found.get(type);
    if (data === undefined) return null;
    let text = "";
    for (let i = 0; i < data.length && data[i] !== 0; i++) text += String.fromCharCode(data[i]);
    return text;
  }

  /** The attributes inside of one. */
  nested(type: number): NetlinkAttributes | null {
    const data = this.found.get(type);
    return data === undefined ? null : new NetlinkAttributes(data);
  }
}

/** One message of a datagram. */
export interface NetlinkMessage {
  type: number;
  flags: number;
  sequence: number;
  /** What follows the header. */
  body: Uint8Array;
}

/** The messages of a datagram; a broken one ends it. */
export function readNetlinkMessages(bytes: Uint8Array): NetlinkMessage[] {
  const messages: NetlinkMessage[] = [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  while (at + NETLINK_HEADER <= bytes.length) {
    const size = view.getUint32(at, true);
    if (size < NETLINK_HEADER || at + size > bytes.length) break;
    messages.push({
      type: view.getUint16(at + 4, true),
      flags: view.getUint16(at + 6, true),
      sequence: view.getUint32(at + 8, true),
      body: bytes.subarray(at + NETLINK_HEADER, at + size),
    });
    at += (size + 3) & ~3;
  }
  return messages;
}
