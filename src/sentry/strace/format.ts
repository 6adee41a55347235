/**
 * Numbers, strings and sets of flags in the spelling of strace(1).
 */

/** How many bytes of a string are shown. */
export const STRING_LIMIT = 32;
/** How many elements of an array are shown. */
export const ARRAY_LIMIT = 32;

const TWO_32 = 0x1_0000_0000;

/** A 64-bit value in hexadecimal, negative numbers as their two's complement. */
export function hex64(value: number): string {
  if (!Number.isFinite(value)) return "0x0";
  if (value >= 0) return value === 0 ? "0" : `0x${value.toString(16)}`;
  const high = Math.floor(value / TWO_32) >>> 0;
  return `0x${high.toString(16)}${(value >>> 0).toString(16).padStart(8, "0")}`;
}

/** An address: NULL for 0. */
export function address(value: number): string {
  return value === 0 ? "NULL" : hex64(value);
}

/** A 64-bit value as an unsigned decimal. */
export function unsigned64(value: number): string {
  return value >= 0 ? String(value) : String((1n << 64n) + BigInt(Math.trunc(value)));
}

/** An octal number with its leading zero. */
export function octal(value: number): string {
  return value === 0 ? "000" : `0${value.toString(8).padStart(2, "0")}`;
}

const escapes: Readonly<Record<number, string>> = {
  9: "\\t",
  10: "\\n",
  11: "\\v",
  12: "\\f",
  13: "\\r",
  34: '\\"',
  92: "\\\\",
};

/** Bytes as a C string literal, followed by `...` if they are only a part. */
export function quote(bytes: Uint8Array, partial: boolean): string {
  let text = "";
  for (let i = 0; i < bytes.length; i++) {
    const byte = bytes[i];
    const escape = escapes[byte];
    if (escape !== undefined) {
      text += escape;
    } else if (byte >= 32 && byte < 127) {
      text += String.fromCharCode(byte);
    } else {
      const next = bytes[i + 1];
      const digitFollows = next >= 48 && next <= 55;
      text += `\\${digitFollows ? byte.toString(8).padStart(3, "0") : byte.toString(8)}`;
    }
  }
  return `"${text}"${partial ? "..." : ""}`;
}

/** Names of single values, such as the commands of fcntl(2). */
export class Enumeration {
  readonly #names = new Map<number, string>();
  readonly #prefix: string;

  /** Takes the constants of `module` whose names match; of two with the same value, the first one. */
  constructor(module: object, pattern: RegExp, prefix: string) {
    for (const [name, value] of Object.entries(module)) {
      if (typeof value === "number" && pattern.test(name) && !this.#names.has(value)) {
        this.#names.set(value, name);
      }
    }
    this.#prefix = prefix;
  }

  /** The name of a value, if it has one. */
  name(value: number): string | undefined {
    return this.#names.get(value);
  }

  /** Names one value, in place of any name it has. */
  set(value: number, name: string): this {
    this.#names.set(value, name);
    return this;
  }

  /** The name of a value, or the value with the common prefix in a comment. */
  print(value: number): string {
    return this.#names.get(value) ?? `${hex64(value)} /* ${this.#prefix}??? */`;
  }
}

/** Names of bits that may be combined, such as the flags of open(2). */
export class FlagSet {
  readonly #flags: readonly (readonly [value: number, name: string])[];
  readonly #zero: string;
  readonly #prefix: string;

  /**
   * Takes the constants of `module` whose names match. Names that cover several bits go before those that cover one of
   * these; a constant that is 0 names the empty set.
   */
  constructor(module: object, pattern: RegExp, prefix: string) {
    const flags: [number, string][] = [];
    let zero = "0";
    for (const [name, value] of Object.entries(module)) {
      if (typeof value !== "number" || !pattern.test(name)) continue;
      if (value === 0) zero = zero === "0" ? name : zero;
      else if (!flags.some(([known]) => known === value >>> 0)) flags.push([value >>> 0, name]);
    }
    flags.sort((a, b) => bitCount(b[0]) - bitCount(a[0]));
    this.#flags = flags;
    this.#zero = zero;
    this.#prefix = prefix;
  }

  /** The names of the bits of a 32-bit value; bits without a name in hexadecimal. */
  print(value: number): string {
    let rest = value >>> 0;
    if (rest === 0) return this.#zero;
    const found: [number, string][] = [];
    for (const [flag, name] of this.#flags) {
      if (((rest & flag) >>> 0) === flag) {
        found.push([flag, name]);
        rest = (rest & ~flag) >>> 0;
      }
    }
    if (found.length === 0) return `${hex64(rest)} /* ${this.#prefix}??? */`;
    found.sort((a, b) => (a[0] & -a[0]) >>> 0 < (b[0] & -b[0]) >>> 0 ? -1 : 1);
    const names = found.map(([, name]) => name);
    if (rest !== 0) names.push(hex64(rest));
    return names.join("|");
  }
}

function bitCount(value: number): number {
  let count = 0;
  for (let rest = value >>> 0; rest !== 0; rest = (rest & (rest - 1)) >>> 0) count++;
  return count;
}
