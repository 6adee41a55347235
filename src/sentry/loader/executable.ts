/** Finding what execve(2) is to load: the file itself, or the interpreters that `#!` lines name. */

import { ELOOP, ENOEXEC } from "../../abi/errno.ts";
import { AT_FDCWD } from "../../abi/fcntl.ts";
import { KernelIo } from "../mm/io_buffer.ts";
import type { VfsContext } from "../vfs/context.ts";
import type { File } from "../vfs/file.ts";

/** Bytes of a file that decide what it is (BINPRM_BUF_SIZE). */
export const HEAD_SIZE = 256;
/** Interpreters of interpreters, at most. */
const MAX_DEPTH = 5;

const SPACE = 0x20;
const TAB = 0x09;
const NEWLINE = 0x0a;

/** A file to load, with the arguments it gets. Whoever has it owns a use of the file. */
export class Executable {
  readonly file: File;
  readonly argv: string[];
  /** The path of the first file, for AT_EXECFN and the name of the thread. */
  readonly filename: string;
  /** The first bytes of the file, zeros where it is shorter. */
  readonly head: Uint8Array;
  /** Reached through a `#!` line. */
  readonly isInterpreter: boolean;

  constructor(
    file: File,
    argv: string[],
    filename: string,
    head: Uint8Array,
    isInterpreter: boolean,
  ) {
    this.file = file;
    this.argv = argv;
    this.filename = filename;
    this.head = head;
    this.isInterpreter = isInterpreter;
  }

  /** Ends the use of the file. */
  release(): void {
    this.file.unref();
  }
}

/** Reads `length` bytes at `pos` of a file into `dst`; how many there were, or a negative errno. */
export function readFileAt(
  ctx: VfsContext,
  file: File,
  pos: number,
  dst: Uint8Array,
  length: number,
): number {
  const io = new KernelIo(ctx.kernel.frames.memory).reset(dst, 0, length);
  let done = 0;
  while (done < length) {
    const n = file.inode.readAt(ctx, io, pos + done, length - done);
    if (n < 0) return n;
    if (n === 0) break;
    done += n;
  }
  return done;
}

/**
 * Follows `#!` lines from `file`, whose use passes to the result or is ended. `filename` is what the interpreter gets as
 * the name of the script.
 */
export function findExecutable(
  ctx: VfsContext,
  file: File,
  filename: string,
  argv: string[],
): Executable | number {
  let script = filename;
  for (let depth = 0;; depth++) {
    const head = new Uint8Array(HEAD_SIZE);
    const n = readFileAt(ctx, file, 0, head, HEAD_SIZE);
    if (n < 0 || head[0] !== 0x23 || head[1] !== 0x21) {
      if (n >= 0) return new Executable(file, argv, filename, head, depth > 0);
      file.unref();
      return n;
    }
    file.unref();
    if (depth === MAX_DEPTH) return -ELOOP;
    const line = parseScript(head);
    if (line === null) return -ENOEXEC;
    argv = line.argument === ""
      ? [line.interpreter, script, ...argv.slice(1)]
      : [line.interpreter, line.argument, script, ...argv.slice(1)];
    script = line.interpreter;
    const next = ctx.kernel.vfs.openForExec(ctx, AT_FDCWD, line.interpreter, 0);
    if (typeof next === "number") return next;
    file = next;
  }
}

interface ScriptLine {
  interpreter: string;
  argument: string;
}

function isBlank(c: number): boolean {
  return c === SPACE || c === TAB;
}

/** Parses `#! interpreter argument`, as fs/binfmt_script.c does; null if the line names no interpreter. */
export function parseScript(head: Uint8Array): ScriptLine | null {
  let end = head.indexOf(NEWLINE);
  const cut = end < 0;
  if (cut) end = head.length;
  // A script without a newline ends with its file, where zeros begin.
  const nul = head.indexOf(0);
  const ended = nul >= 0 && nul < end;
  if (ended) end = nul;
  let at = 2;
  while (at < end && isBlank(head[at])) at++;
  const nameStart = at;
  while (at < end && !isBlank(head[at])) at++;
  if (at === nameStart) return null;
  // If the line does not fit, the name of the interpreter may be cut short.
  if (cut && !ended && at === end) return null;
  const interpreter = text(head, nameStart, at);
  while (at < end && isBlank(head[at])) at++;
  while (end > at && isBlank(head[end - 1])) end--;
  return { interpreter, argument: text(head, at, end) };
}

function text(bytes: Uint8Array, from: number, to: number): string {
  let s = "";
  for (let i = from; i < to; i++) s += String.fromCharCode(bytes[i]);
  return s;
}
