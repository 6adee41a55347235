import { shorten } from "./error.ts";

/** Checks a value parsed from JSON and gives it its type. `fail` ends the check. */
export interface Schema<T> {
  check(value: unknown, path: string): T;
  /** An optional member may be absent or null, as the Go programs that write these files leave it. */
  readonly isOptional?: true;
}

export type Infer<S> = S extends Schema<infer T> ? T : never;

/** The first thing wrong with a value, and where. */
export class SchemaError extends Error {
  override readonly name = "SchemaError";

  constructor(readonly path: string, readonly why: string) {
    super(path === "" ? why : `${path}: ${why}`);
  }
}

function fail(path: string, why: string): never {
  throw new SchemaError(path, why);
}

export const boolean: Schema<boolean> = {
  check: (v, path) => typeof v === "boolean" ? v : fail(path, "must be true or false"),
};

export const anything: Schema<unknown> = { check: (v) => v };

interface TextOptions {
  /** Longest text, in characters. */
  max?: number;
  empty?: boolean;
  pattern?: RegExp;
  /** What the pattern means, for the message. */
  form?: string;
}

/** A string without NUL bytes. */
export function text(options: TextOptions = {}): Schema<string> {
  const { max = 131072, empty = true, pattern, form } = options;
  return {
    check(v, path) {
      if (typeof v !== "string") fail(path, "must be a string");
      if (v.length > max) fail(path, `must not be longer than ${max} characters`);
      if (!empty && v === "") fail(path, "must not be empty");
      if (v.includes("\0")) fail(path, "must not contain a NUL byte");
      if (pattern !== undefined && !pattern.test(v)) {
        fail(path, `must be ${form}, not ${JSON.stringify(shorten(v, 40))}`);
      }
      return v;
    },
  };
}

/** An integer within bounds. */
export function integer(min: number, max: number): Schema<number> {
  return {
    check(v, path) {
      if (typeof v !== "number" || !Number.isInteger(v)) fail(path, "must be an integer");
      if (v < min || v > max) fail(path, `must be from ${min} to ${max}, not ${v}`);
      return v;
    },
  };
}

export const uint32 = integer(0, 0xffffffff);
export const uint16 = integer(0, 0xffff);
// JSON numbers beyond 2^53 arrive rounded, which is near enough for limits.
export const uint64 = integer(0, 2 ** 64);
export const int64 = integer(-(2 ** 63), 2 ** 63);

/** One of a few strings. */
export function oneOf<const T extends string>(choices: readonly T[]): Schema<T> {
  return {
    check(v, path) {
      if (typeof v !== "string") fail(path, "must be a string");
      const found = choices.find((c) => c === v);
      if (found !== undefined) return found;
      return fail(
        path,
        `must be one of ${choices.join(", ")}, not ${JSON.stringify(shorten(v, 40))}`,
      );
    },
  };
}

/** An array, of at most `max` items. */
export function list<T>(item: Schema<T>, max = 65536, min = 0): Schema<T[]> {
  return {
    check(v, path) {
      if (!Array.isArray(v)) fail(path, "must be an array");
      if (v.length > max) fail(path, `must not have more than ${max} items`);
      if (v.length < min) fail(path, min === 1 ? "must not be empty" : `must have ${min} items`);
      return v.map((each, index) => item.check(each, `${path}[${index}]`));
    },
  };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** An object used as a map. */
export function mapOf<T>(item: Schema<T>): Schema<Record<string, T>> {
  return {
    check(v, path) {
      if (!isRecord(v)) fail(path, "must be an object");
      return Object.fromEntries(
        Object.entries(v).map((
          [k, each],
        ) => [k, item.check(each, `${path}[${JSON.stringify(shorten(k, 40))}]`)]),
      );
    },
  };
}

type Members = Record<string, Schema<unknown>>;
type OptionalKeys<M extends Members> = {
  [K in keyof M]: M[K] extends { isOptional: true } ? K : never;
}[keyof M];
type ObjectOf<M extends Members> =
  & { [K in Exclude<keyof M, OptionalKeys<M>>]: Infer<M[K]> }
  & { [K in OptionalKeys<M>]?: Infer<M[K]> };

/** Marks a member of an object as one that may be absent. */
export function optional<T>(schema: Schema<T>): Schema<T> & { isOptional: true } {
  return { check: schema.check, isOptional: true };
}

/** An object with known members; others are dropped, as the OCI specification wants. */
export function object<M extends Members>(
  members: M,
  also?: (value: ObjectOf<M>, path: string, fail: (path: string, why: string) => never) => void,
): Schema<ObjectOf<M>> {
  const rows = Object.entries(members);
  return {
    check(v, path) {
      if (!isRecord(v)) {
        fail(path, path === "" ? "the file must hold an object" : "must be an object");
      }
      const result: Record<string, unknown> = {};
      for (const [key, schema] of rows) {
        const inner = path === "" ? key : `${path}.${key}`;
        const member = Object.hasOwn(v, key) ? v[key] : undefined;
        if (member === undefined || member === null) {
          if (schema.isOptional !== true) fail(inner, "is missing");
          continue;
        }
        result[key] = schema.check(member, inner);
      }
      const typed = result as ObjectOf<M>;
      also?.(typed, path, fail);
      return typed;
    },
  };
}
