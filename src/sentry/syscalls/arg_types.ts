/**
 * Types of system call arguments: objects that know how strace prints the argument. Those of one family of calls are in
 * the files beside this one; here are the ones that all families use.
 */

import * as fcntl from "../../abi/fcntl.ts";
import type { FieldType } from "../../abi/struct.ts";
import {
  address,
  ARRAY_LIMIT,
  type Enumeration,
  type FlagSet,
  hex64,
  octal,
  quote,
  STRING_LIMIT,
  unsigned64,
} from "../strace/format.ts";
import type { GuestView } from "../strace/guest_view.ts";

/** One system call, as far as it has come. */
export interface Call {
  readonly view: GuestView;
  readonly args: Float64Array;
  /** What the call returned; NaN while it runs. */
  readonly result: number;
}

/** The type of an argument of a system call. */
export interface ArgType {
  readonly name: string;
  /** The call writes through the argument, so it can be printed only after it returned. */
  readonly late: boolean;
  /** The argument as strace writes it, or null if this call does not have it. */
  print(value: number, call: Call): string | null;
}

/** How strace prints the result of a system call that did not fail. */
export interface ResultType {
  readonly name: string;
  print(result: number, call: Call): string;
}

/** An argument that is printed when the call begins. */
export function early(name: string, print: (value: number, call: Call) => string | null): ArgType {
  return { name, late: false, print };
}

/** An argument that is printed when the call has returned; after a failure only its address is. */
export function late(name: string, print: (value: number, call: Call) => string | null): ArgType {
  return {
    name,
    late: true,
    print: (value, call) => call.result < 0 ? address(value) : print(value, call),
  };
}

export const int: ArgType = early("int", (v) => String(v | 0));
export const uint: ArgType = early("unsigned int", (v) => String(v >>> 0));
export const long: ArgType = early("long", String);
export const ulong: ArgType = early("unsigned long", unsigned64);
export const size: ArgType = early("size", unsigned64);
export const hexInt: ArgType = early("flags", (v) => hex64(v >>> 0));
export const hexLong: ArgType = early("bits", hex64);
export const pointer: ArgType = early("pointer", address);
export const mode: ArgType = early("mode", (v) => octal(v & 0o177777));
export const umask: ArgType = early("mode", (v) => octal(v & 0o777));
export const uid: ArgType = early("uid", (v) => (v | 0) === -1 ? "-1" : String(v >>> 0));
export const pid: ArgType = early("pid", (v) => String(v | 0));
export const fd: ArgType = early("fd", (v) => String(v | 0));
export const dirfd: ArgType = early(
  "dirfd",
  (v) => (v | 0) === fcntl.AT_FDCWD ? "AT_FDCWD" : String(v | 0),
);

/** One value of an enumeration. */
export function choice(values: Enumeration, name: string): ArgType {
  return early(name, (v) => values.print(v | 0));
}

/** Combined flags in 32 bits. */
export function flags(set: FlagSet, name: string): ArgType {
  return early(name, (v) => set.print(v));
}

/** The string at an address, shown up to `limit` bytes. */
export function printString(at: number, call: Call, limit: number): string {
  if (at === 0) return "NULL";
  const found = call.view.string(at, limit + 1);
  if (found === null) return hex64(at);
  return quote(found.bytes.subarray(0, limit), !found.ended && found.bytes.length > limit);
}

/** `length` bytes at an address, of which the first are shown. */
export function printBytes(at: number, length: number, call: Call): string {
  if (at === 0) return "NULL";
  if (length <= 0) return length === 0 ? '""' : hex64(at);
  const found = call.view.bytes(at, Math.min(length, STRING_LIMIT));
  if (found === null) return hex64(at);
  return quote(found, length > found.length);
}

/** The path of a file, shown in full. */
export const path: ArgType = early("path", (v, call) => printString(v, call, fcntl.PATH_MAX - 1));
/** A string that is no path, such as the name of an attribute. */
export const text: ArgType = early("string", (v, call) => printString(v, call, STRING_LIMIT));

/** Bytes that the call reads; argument `length` tells how many. */
export function bufferIn(length: number): ArgType {
  return early("buffer", (v, call) => printBytes(v, call.args[length], call));
}

/** Bytes that the call writes; it returns how many. */
export const bufferOut: ArgType = late(
  "buffer out",
  (v, call) => printBytes(v, call.result, call),
);

/** A string that the call writes. */
export const textOut: ArgType = late(
  "string out",
  (v, call) => printString(v, call, fcntl.PATH_MAX - 1),
);

/** The value of one C type at an address. */
export function printValue<T>(type: FieldType<T>, at: number, call: Call): string {
  if (at === 0) return "NULL";
  const view = call.view.view(at, type.size);
  return view === null ? hex64(at) : type.print(type.read(view, 0));
}

/** A value that the call reads through a pointer. */
export function valueIn<T>(type: FieldType<T>, name: string): ArgType {
  return early(name, (v, call) => printValue(type, v, call));
}

/** A value that the call writes through a pointer. */
export function valueOut<T>(type: FieldType<T>, name: string): ArgType {
  return late(name, (v, call) => printValue(type, v, call));
}

/** A single value behind a pointer, in brackets as strace has it. */
export function cellOut<T>(type: FieldType<T>, name: string): ArgType {
  return late(name, (v, call) => {
    const printed = printValue(type, v, call);
    return v === 0 || call.view.view(v, type.size) === null ? printed : `[${printed}]`;
  });
}

/** An array at an address, of which the first elements are shown. */
export function printArray<T>(type: FieldType<T>, at: number, count: number, call: Call): string {
  if (at === 0) return "NULL";
  if (!(count >= 0)) return hex64(at);
  const parts: string[] = [];
  for (let i = 0; i < count; i++) {
    if (i === ARRAY_LIMIT) {
      parts.push("...");
      break;
    }
    const view = call.view.view(at + i * type.size, type.size);
    if (view === null) {
      if (i === 0) return hex64(at);
      parts.push(`... /* ${hex64(at + i * type.size)} */`);
      break;
    }
    parts.push(type.print(type.read(view, 0)));
  }
  return `[${parts.join(", ")}]`;
}

/** An array that the call reads; argument `count` tells how many elements. */
export function arrayIn<T>(type: FieldType<T>, count: number, name: string): ArgType {
  return early(name, (v, call) => printArray(type, v, call.args[count], call));
}

/** An array that the call writes; it returns how many elements. */
export function arrayOut<T>(type: FieldType<T>, name: string): ArgType {
  return late(name, (v, call) => printArray(type, v, call.result, call));
}

/** Two descriptors that the call writes. */
export const fdPairOut: ArgType = late("fd[2] out", (v, call) => {
  const view = call.view.view(v, 8);
  return view === null ? address(v) : `[${view.getInt32(0, true)}, ${view.getInt32(4, true)}]`;
});

/** Leaves an argument out of calls that do not have it. */
export function onlyIf(condition: (call: Call) => boolean, type: ArgType): ArgType {
  return {
    name: type.name,
    late: type.late,
    print: (value, call) => condition(call) ? type.print(value, call) : null,
  };
}

export const decimal: ResultType = { name: "int", print: String };
export const hexResult: ResultType = { name: "address", print: address };
export const octalResult: ResultType = { name: "mode", print: (v) => octal(v) };
/** The call does not return to the place it was made from, or leaves nothing to print. */
export const noResult: ResultType = { name: "none", print: () => "?" };
