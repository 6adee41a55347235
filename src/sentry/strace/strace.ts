/**
 * Writes the system calls of the application as strace(1) does, one line for each.
 *
 * What a call reads is printed as it was when the call began, for another thread or execve(2) may change it; what a call
 * writes is printed when it returned. The line comes out then, unless the call blocks: then its beginning comes out with
 * `<unfinished ...>` and the rest later.
 */

import { ERESTARTSYS, errnoName, errnoText } from "../../abi/errno.ts";
import { signalName } from "../../abi/signals.ts";
import { SiginfoKill } from "../../abi/structs/signal.ts";
import type { Call } from "../syscalls/arg_types.ts";
import { printSiginfo } from "../syscalls/arg_types_signal.ts";
import { type Syscall, syscall } from "../syscalls/table.ts";
import { hex64 } from "./format.ts";
import { type GuestMemory, GuestView } from "./guest_view.ts";

const MAX_ERRNO = 4095;
/** Results at and below this are no results: the call blocks, or does not return (see `Task`). */
const NO_RESULT = -0x40000000;
const LINE_LIMIT = 32768;
/** For numbers that are no system call, all arguments are shown. */
const UNKNOWN_ARGUMENTS = 6;

/** A call that has begun. */
class Running implements Call {
  result = NaN;
  /** The printed arguments; undefined where one is printed after the return, null where the call has none. */
  readonly parts: (string | null | undefined)[] = [];
  /** How many arguments came out before `<unfinished ...>`, or -1 if nothing did. */
  shown = -1;

  constructor(
    readonly nr: number,
    readonly row: Syscall | undefined,
    readonly args: Float64Array,
    readonly view: GuestView,
  ) {}

  get name(): string {
    return this.row === undefined ? `syscall_${hex64(this.nr)}` : this.row.name;
  }
}

const noMemory: GuestMemory = { read: () => -1 };

/** Follows the system calls of all threads. Never throws, whatever the application passes. */
export class Strace {
  readonly #write: (line: string) => void;
  readonly #running = new Map<number, Running>();
  readonly #view = new GuestView(noMemory);

  /** Takes what writes one line, given without its line break. */
  constructor(write: (line: string) => void) {
    this.#write = write;
  }

  /** A thread makes a system call. Told again when a blocked call is tried again, which prints nothing. */
  enter(memory: GuestMemory, tid: number, nr: number, args: Float64Array): void {
    const before = this.#running.get(tid);
    if (before !== undefined) {
      if (before.nr === nr && sameArguments(before.args, args)) return;
      this.#finish(tid, before, "?");
    }
    this.#view.memory = memory;
    const row = syscall(nr);
    const call = new Running(nr, row, Float64Array.from(args), this.#view);
    if (row === undefined) {
      for (let i = 0; i < UNKNOWN_ARGUMENTS; i++) call.parts.push(hex64(args[i]));
    } else {
      for (let i = 0; i < row.args.length; i++) {
        call.parts.push(row.args[i].late ? undefined : row.args[i].print(args[i], call));
      }
    }
    this.#running.set(tid, call);
  }

  /** The call of a thread has to wait: its beginning is written now. */
  blocked(tid: number): void {
    const call = this.#running.get(tid);
    if (call === undefined || call.shown >= 0) return;
    const firstLate = call.parts.indexOf(undefined);
    call.shown = firstLate < 0 ? call.parts.length : firstLate;
    const shown = present(call.parts, 0, call.shown);
    const comma = shown !== "" && call.shown < call.parts.length ? ", " : "";
    this.#line(tid, `${call.name}(${shown}${comma} <unfinished ...>`);
  }

  /** The call of a thread returned. */
  exit(memory: GuestMemory, tid: number, nr: number, args: Float64Array, ret: number): void {
    let call = this.#running.get(tid);
    if (call === undefined || call.nr !== nr) {
      this.enter(memory, tid, nr, args);
      call = this.#running.get(tid);
      if (call === undefined) return;
    }
    this.#view.memory = memory;
    call.result = ret <= NO_RESULT ? 0 : ret;
    const row = call.row;
    if (row !== undefined) {
      for (let i = 0; i < call.parts.length; i++) {
        if (call.parts[i] !== undefined) continue;
        call.parts[i] = ret <= NO_RESULT
          ? hex64(call.args[i])
          : row.args[i].print(call.args[i], call);
      }
    }
    this.#finish(tid, call, printResult(call, ret));
  }

  /** A signal is delivered to a thread: its number, or all that its handler is told. */
  signal(tid: number, info: number | DataView): void {
    if (typeof info === "number") {
      const name = signalName(info);
      this.#line(tid, `--- ${name} {si_signo=${name}} ---`);
    } else if (info.byteLength >= SiginfoKill.size) {
      this.#line(tid, `--- ${signalName(info.getInt32(0, true))} ${printSiginfo(info)} ---`);
    }
  }

  /** A thread is gone; `status` is what wait(2) would tell of it. */
  exited(tid: number, status: number): void {
    const call = this.#running.get(tid);
    if (call !== undefined) this.#finish(tid, call, "?");
    const signal = status & 0x7f;
    const core = status & 0x80 ? " (core dumped)" : "";
    this.#line(
      tid,
      signal === 0
        ? `+++ exited with ${(status >>> 8) & 0xff} +++`
        : `+++ killed by ${signalName(signal)}${core} +++`,
    );
  }

  #finish(tid: number, call: Running, result: string): void {
    this.#running.delete(tid);
    const from = Math.max(call.shown, 0);
    const args = present(call.parts, from, call.parts.length);
    const head = call.shown < 0 ? `${call.name}(` : `<... ${call.name} resumed>`;
    this.#line(tid, `${head}${args}) = ${result}`);
  }

  #line(tid: number, text: string): void {
    const bounded = text.length > LINE_LIMIT ? `${text.slice(0, LINE_LIMIT)}...` : text;
    this.#write(`[${String(tid).padStart(5)}] ${bounded}`);
  }
}

/** The arguments from one index to another that the call has. */
function present(parts: readonly (string | null | undefined)[], from: number, to: number): string {
  const known: string[] = [];
  for (let i = from; i < to; i++) {
    const part = parts[i];
    if (part !== null && part !== undefined) known.push(part);
  }
  return known.join(", ");
}

function sameArguments(a: Float64Array, b: Float64Array): boolean {
  for (let i = 0; i < a.length; i++) if (!Object.is(a[i], b[i])) return false;
  return true;
}

function printResult(call: Running, ret: number): string {
  if (ret <= NO_RESULT) return "?";
  if (ret < 0 && ret >= -MAX_ERRNO) {
    const number = -ret;
    const shown = number >= ERESTARTSYS ? "?" : "-1";
    return `${shown} ${errnoName(number)} (${errnoText(number)})`;
  }
  return call.row === undefined ? hex64(ret) : call.row.result.print(ret, call);
}
