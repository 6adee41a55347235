/**
 * C structures, declared once.
 *
 * `struct("timespec", { tv_sec: i64, tv_nsec: i64 })` computes size, alignment and offsets by the rules of the amd64
 * System V ABI, and gives a reader, a writer and a printer. Structures that are written on every system call have a
 * hand-written writer beside their declaration as well.
 */

import { readI64, readU64, write64 } from "./int64.ts";

/** How one C type lies in memory and which JavaScript value stands for it. */
export interface FieldType<T> {
  readonly size: number;
  readonly align: number;
  /** What a field that the writer is not given holds. */
  readonly zero: T;
  read(view: DataView, offset: number): T;
  write(view: DataView, offset: number, value: T): void;
  /** The value as strace writes it. */
  print(value: T): string;
}

/** The JavaScript value of a field type. */
export type ValueOf<F> = F extends FieldType<infer T> ? T : never;

// @__NO_SIDE_EFFECTS__
function integer(
  size: number,
  read: (view: DataView, offset: number) => number,
  write: (view: DataView, offset: number, value: number) => void,
): FieldType<number> {
  return { size, align: size, zero: 0, read, write, print: String };
}

export const u8: FieldType<number> = integer(
  1,
  (v, o) => v.getUint8(o),
  (v, o, n) => v.setUint8(o, n),
);
export const i8: FieldType<number> = integer(
  1,
  (v, o) => v.getInt8(o),
  (v, o, n) => v.setInt8(o, n),
);
export const u16: FieldType<number> = integer(
  2,
  (v, o) => v.getUint16(o, true),
  (v, o, n) => v.setUint16(o, n, true),
);
export const i16: FieldType<number> = integer(
  2,
  (v, o) => v.getInt16(o, true),
  (v, o, n) => v.setInt16(o, n, true),
);
export const u32: FieldType<number> = integer(
  4,
  (v, o) => v.getUint32(o, true),
  (v, o, n) => v.setUint32(o, n, true),
);
export const i32: FieldType<number> = integer(
  4,
  (v, o) => v.getInt32(o, true),
  (v, o, n) => v.setInt32(o, n, true),
);
export const u64: FieldType<number> = integer(8, readU64, write64);
export const i64: FieldType<number> = integer(8, readI64, write64);

/** A 16-bit integer in network byte order, such as a port. */
export const be16: FieldType<number> = integer(
  2,
  (v, o) => v.getUint16(o, false),
  (v, o, n) => v.setUint16(o, n, false),
);
/** A 32-bit integer in network byte order, such as an IPv4 address. */
export const be32: FieldType<number> = integer(
  4,
  (v, o) => v.getUint32(o, false),
  (v, o, n) => v.setUint32(o, n, false),
);

/** The same type, printed in hexadecimal, for flags and addresses. */
// @__NO_SIDE_EFFECTS__
export function hex(type: FieldType<number>): FieldType<number> {
  return { ...type, print: (value) => value === 0 ? "0" : `0x${value.toString(16)}` };
}

/** The same type, printed in octal, for file modes. */
// @__NO_SIDE_EFFECTS__
export function octal(type: FieldType<number>): FieldType<number> {
  return { ...type, print: (value) => `0${value.toString(8)}` };
}

/** The address of something in the application's memory. */
export const pointer: FieldType<number> = {
  ...u64,
  print: (value) => value === 0 ? "NULL" : `0x${value.toString(16)}`,
};

/** A C array of `count` elements. Elements that the writer is not given are zero. */
// @__NO_SIDE_EFFECTS__
export function array<T>(type: FieldType<T>, count: number): FieldType<readonly T[]> {
  return {
    size: type.size * count,
    align: type.align,
    zero: [],
    read(view, offset) {
      const values: T[] = [];
      for (let i = 0; i < count; i++) values.push(type.read(view, offset + i * type.size));
      return values;
    },
    write(view, offset, values) {
      for (let i = 0; i < count; i++) {
        type.write(view, offset + i * type.size, i < values.length ? values[i] : type.zero);
      }
    },
    print: (values) => `[${values.map((value) => type.print(value)).join(", ")}]`,
  };
}

/** `count` bytes that have no structure of their own. */
// @__NO_SIDE_EFFECTS__
export function bytes(count: number): FieldType<Uint8Array> {
  return {
    size: count,
    align: 1,
    zero: new Uint8Array(0),
    read(view, offset) {
      return new Uint8Array(view.buffer, view.byteOffset + offset, count).slice();
    },
    write(view, offset, value) {
      const to = new Uint8Array(view.buffer, view.byteOffset + offset, count);
      to.fill(0);
      to.set(value.length <= count ? value : value.subarray(0, count));
    },
    print: (value) =>
      `"${Array.from(value, (b) => `\\x${b.toString(16).padStart(2, "0")}`).join("")}"`,
  };
}

/** A `char[count]` that holds a string ended by a NUL, as a string with one char for each byte. */
// @__NO_SIDE_EFFECTS__
export function chars(count: number): FieldType<string> {
  return {
    size: count,
    align: 1,
    zero: "",
    read(view, offset) {
      let text = "";
      for (let i = 0; i < count; i++) {
        const byte = view.getUint8(offset + i);
        if (byte === 0) break;
        text += String.fromCharCode(byte);
      }
      return text;
    },
    write(view, offset, value) {
      for (let i = 0; i < count; i++) {
        view.setUint8(offset + i, i < value.length && i < count - 1 ? value.charCodeAt(i) : 0);
      }
    },
    print: JSON.stringify,
  };
}

/** The fields of a structure, in order. */
export type Fields = Readonly<Record<string, FieldType<unknown>>>;

/** The JavaScript value of a structure with these fields. */
export type StructValue<F extends Fields> = { -readonly [K in keyof F]: ValueOf<F[K]> };

/** Deviations from the natural layout. */
export interface StructOptions {
  /** No padding at all, as with `__attribute__((packed))`. */
  readonly packed?: boolean;
  /** A larger alignment than the fields ask for. */
  readonly align?: number;
  /** A larger size than the fields ask for: the structure is one form of a union. */
  readonly size?: number;
}

/** A C structure: its layout, and how to read, write and print it. It may be a field of another one. */
export class StructType<F extends Fields> implements FieldType<Partial<StructValue<F>>> {
  readonly name: string;
  readonly fields: F;
  readonly size: number;
  readonly align: number;
  /** The offset of each field. */
  readonly offsets: { readonly [K in keyof F]: number };
  readonly zero: Partial<StructValue<F>> = {};
  readonly #entries: readonly [name: string, type: FieldType<unknown>, offset: number][];

  constructor(name: string, fields: F, options: StructOptions = {}) {
    const offsets: Record<string, number> = {};
    const entries: [string, FieldType<unknown>, number][] = [];
    let offset = 0;
    let align = options.align ?? 1;
    for (const [field, type] of Object.entries(fields)) {
      const fieldAlign = options.packed ? 1 : type.align;
      offset = Math.ceil(offset / fieldAlign) * fieldAlign;
      offsets[field] = offset;
      entries.push([field, type, offset]);
      offset += type.size;
      align = Math.max(align, fieldAlign);
    }
    this.name = name;
    this.fields = fields;
    this.align = align;
    this.size = Math.max(Math.ceil(offset / align) * align, options.size ?? 0);
    this.offsets = offsets as { readonly [K in keyof F]: number };
    this.#entries = entries;
  }

  /** Reads the structure at `offset`. */
  read(view: DataView, offset: number): StructValue<F> {
    const value: Record<string, unknown> = {};
    for (const [name, type, at] of this.#entries) value[name] = type.read(view, offset + at);
    return value as StructValue<F>;
  }

  /** Writes the structure at `offset`. Fields that `value` does not have, and padding, become zero. */
  write(view: DataView, offset: number, value: Partial<StructValue<F>>): void {
    new Uint8Array(view.buffer, view.byteOffset + offset, this.size).fill(0);
    for (const [name, type, at] of this.#entries) {
      const field: unknown = value[name];
      if (field !== undefined) type.write(view, offset + at, field);
    }
  }

  /** Reads one field of the structure at `offset`. */
  get<K extends keyof F & string>(view: DataView, offset: number, field: K): ValueOf<F[K]> {
    return this.fields[field].read(view, offset + this.offsets[field]) as ValueOf<F[K]>;
  }

  /** Writes one field of the structure at `offset`. */
  set<K extends keyof F & string>(
    view: DataView,
    offset: number,
    field: K,
    value: ValueOf<F[K]>,
  ): void {
    this.fields[field].write(view, offset + this.offsets[field], value);
  }

  /** The value as strace writes it. Fields whose name starts with an underscore are left out. */
  print(value: Partial<StructValue<F>>): string {
    const parts: string[] = [];
    for (const [name, type] of this.#entries) {
      const field: unknown = value[name];
      if (!name.startsWith("_")) parts.push(`${name}=${type.print(field ?? type.zero)}`);
    }
    return `{${parts.join(", ")}}`;
  }
}

/** Declares a C structure. */
// @__NO_SIDE_EFFECTS__
export function struct<const F extends Fields>(
  name: string,
  fields: F,
  options?: StructOptions,
): StructType<F> {
  return new StructType(name, fields, options);
}
