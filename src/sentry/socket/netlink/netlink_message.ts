/** Builds netlink messages (netlink(7)): a header, a fixed part, attributes. */

import { putString } from "../../kernel/bytes.ts";

const HEADER_SIZE = 16;

/** Messages one after the other, as a datagram has them. */
export class NetlinkWriter {
  private bytes: Uint8Array = new Uint8Array(4096);
  private view: DataView = new DataView(this.bytes.buffer);
  private length = 0;
  private start = 0;

  /** Begins a message. */
  begin(type: number, flags: number, sequence: number, port: number): this {
    this.start = this.length;
    this.reserve(HEADER_SIZE);
    this.view.setUint16(this.start + 4, type, true);
    this.view.setUint16(this.start + 6, flags, true);
    this.view.setUint32(this.start + 8, sequence, true);
    this.view.setUint32(this.start + 12, port, true);
    this.length += HEADER_SIZE;
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

  raw(bytes: Uint8Array): this {
    this.reserve(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
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

  attribute8(type: number, value: number): this {
    this.u16(5).u16(type).u8(value);
    return this.align();
  }

  /** An attribute of text, ended by a NUL. */
  text(type: number, value: string): this {
    const data = new Uint8Array(value.length + 1);
    putString(data, 0, value);
    return this.attribute(type, data);
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
  take(): Uint8Array {
    const out = this.bytes.slice(0, this.length);
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
