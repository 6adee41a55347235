/** Builds seccomp filters: see seccomp(2) and the kernel's Documentation/userspace-api/seccomp_filter.rst. */

import { addressOf, syscall } from "./syscall.ts";

/** Result of a filter; the low 16 bits carry data. */
export type Action = number;

/** The actions that carry no data. */
export const ALLOW: Action = 0x7fff0000;
export const LOG: Action = 0x7ffc0000;
export const NOTIFY: Action = 0x7fc00000;
export const KILL_THREAD: Action = 0x00000000;
export const KILL_PROCESS: Action = 0x80000000;

/** Sends SIGSYS; `data` is its si_errno. */
export function trap(data = 0): Action {
  return 0x00030000 | checkData(data);
}

/** Fails the system call with an errno, given as a positive number. */
export function errno(number: number): Action {
  return 0x00050000 | checkData(number);
}

/** Tells the tracer; `data` is its event message. */
export function trace(data = 0): Action {
  return 0x7ff00000 | checkData(data);
}

/** A 64-bit number. Negative ones stand for their two's complement. */
export type Word = number | bigint;

/** A condition on a 64-bit unsigned value. */
export type Comparison =
  | { op: "eq" | "ne" | "lt" | "le" | "gt" | "ge"; value: Word }
  | { op: "masked"; mask: Word; value: Word }
  /** Both ends belong to the range. */
  | { op: "range"; low: Word; high: Word };

/** A condition on an argument of the system call. */
export type ArgumentTest = Comparison & { arg: 0 | 1 | 2 | 3 | 4 | 5 };

/** What happens to system calls that match all the stated conditions. */
export interface Rule {
  /** Numbers of system calls; any, where it is absent. */
  nr?: number | readonly number[];
  /** Conditions on arguments; all must hold. */
  args?: readonly ArgumentTest[];
  /** Addresses of the instruction after `syscall`; `to` is not part of the range. */
  ip?: { from: Word; to: Word };
  action: Action;
}

/** A whole filter. The first rule that matches decides. */
export interface Filter {
  rules: readonly Rule[];
  /** For what no rule matches. */
  otherwise: Action;
  /** For system calls of another architecture (`int 0x80`) or of the x32 ABI. */
  foreign?: Action;
}

const AUDIT_ARCH_X86_64 = 0xc000003e;
const X32_BIT = 0x40000000;
const OFFSET_NR = 0;
const OFFSET_ARCH = 4;
const OFFSET_IP = 8;
const OFFSET_ARGS = 16;
const MAX_INSTRUCTIONS = 4096;

const LOAD = 0x20;
const AND = 0x54;
const JUMP = 0x05;
const JUMP_EQ = 0x15;
const JUMP_GT = 0x25;
const JUMP_GE = 0x35;
const RETURN = 0x06;

/** Where a jump goes: the place of an emitted instruction, or a return. */
type Target = { place: number } | { action: Action };

interface Instruction {
  code: number;
  jt: number;
  jf: number;
  k: number;
}

/**
 * Emits a program from its end to its start, so that the distance of every jump is known: BPF jumps forwards only.
 * Conditional jumps reach 255 instructions; beyond, a return is repeated or an unconditional jump put between.
 */
class BackwardEmitter {
  /** In reverse order. */
  readonly code: Instruction[] = [];
  /** The last return emitted for an action, and the last unconditional jump to a place. */
  #returns = new Map<Action, number>();
  #relays = new Map<number, number>();

  emit(code: number, k: number, jt = 0, jf = 0): Target {
    this.code.push({ code, jt, jf, k: k >>> 0 });
    if (this.code.length > MAX_INSTRUCTIONS) {
      throw new Error(`seccomp: the filter exceeds ${MAX_INSTRUCTIONS} instructions`);
    }
    return { place: this.code.length - 1 };
  }

  branch(code: number, k: number, yes: Target, no: Target): Target {
    // Bringing the second target near may push the first one out of reach, so room for that is left.
    const y = this.#bringNear(yes, 254);
    const n = this.#bringNear(no, 255);
    const here = this.code.length;
    return this.emit(code, k, here - y - 1, here - n - 1);
  }

  /** A place within reach of the instruction that comes next. */
  #bringNear(target: Target, reach: number): number {
    if ("place" in target) {
      const distance = this.code.length - target.place - 1;
      if (distance <= reach) return target.place;
      const relay = this.#relays.get(target.place);
      if (relay !== undefined && this.code.length - relay - 1 <= reach) return relay;
      this.emit(JUMP, distance);
      this.#relays.set(target.place, this.code.length - 1);
      return this.code.length - 1;
    }
    const known = this.#returns.get(target.action);
    if (known !== undefined && this.code.length - known - 1 <= reach) return known;
    this.emit(RETURN, target.action);
    this.#returns.set(target.action, this.code.length - 1);
    return this.code.length - 1;
  }

  /** The program as an array of `struct sock_filter`. */
  bytes(): Uint8Array<ArrayBuffer> {
    const out = new Uint8Array(this.code.length * 8);
    const view = new DataView(out.buffer);
    let at = 0;
    for (let i = this.code.length - 1; i >= 0; i--, at += 8) {
      const { code, jt, jf, k } = this.code[i];
      view.setUint16(at, code, true);
      view.setUint8(at + 2, jt);
      view.setUint8(at + 3, jf);
      view.setUint32(at + 4, k, true);
    }
    return out;
  }
}

/** Compiles a filter to an array of `struct sock_filter`. */
export function compileFilter(filter: Filter): Uint8Array<ArrayBuffer> {
  const out = new BackwardEmitter();
  const foreign: Target = { action: filter.foreign ?? KILL_PROCESS };
  let next: Target = { action: filter.otherwise };
  const rules = filter.rules;
  let end = rules.length;
  while (end > 0) {
    if (rules[end - 1].nr === undefined) {
      next = conditions(out, rules[--end], next);
      continue;
    }
    let start = end;
    while (start > 0 && rules[start - 1].nr !== undefined) start--;
    next = dispatch(out, rules.slice(start, end), next);
    end = start;
  }
  out.branch(JUMP_GE, X32_BIT, foreign, next);
  const number = out.emit(LOAD, OFFSET_NR);
  out.branch(JUMP_EQ, AUDIT_ARCH_X86_64, number, foreign);
  out.emit(LOAD, OFFSET_ARCH);
  return out.bytes();
}

/** All conditions of a rule except that on the number. */
function conditions(out: BackwardEmitter, rule: Rule, no: Target): Target {
  let yes: Target = { action: rule.action };
  for (const test of [...(rule.args ?? [])].reverse()) {
    if (!Number.isInteger(test.arg) || test.arg < 0 || test.arg > 5) {
      throw new Error(`seccomp: there is no argument ${test.arg}`);
    }
    yes = compare(out, OFFSET_ARGS + 8 * test.arg, test, yes, no);
  }
  if (rule.ip !== undefined) {
    const below = compare(out, OFFSET_IP, { op: "lt", value: rule.ip.to }, yes, no);
    yes = compare(out, OFFSET_IP, { op: "ge", value: rule.ip.from }, below, no);
  }
  return yes;
}

interface NumberRange {
  first: number;
  rules: readonly Rule[];
}

/** A run of rules with numbers: a binary search for the number, then the rules of that number in order. */
function dispatch(out: BackwardEmitter, rules: readonly Rule[], no: Target): Target {
  const byNumber = new Map<number, Rule[]>();
  for (const rule of rules) {
    const numbers = typeof rule.nr === "number" ? [rule.nr] : rule.nr ?? [];
    for (const nr of numbers) {
      if (!Number.isInteger(nr) || nr < 0 || nr >= X32_BIT) {
        throw new Error(`seccomp: there is no system call ${nr}`);
      }
      const list = byNumber.get(nr);
      if (list === undefined) byNumber.set(nr, [rule]);
      else if (!list.includes(rule)) list.push(rule);
    }
  }
  if (byNumber.size === 0) return no;
  const ranges = numberRanges(byNumber);
  // Equal lists of rules share their code.
  const leaves: { rules: readonly Rule[]; target: Target }[] = [{ rules: [], target: no }];
  const targets = ranges.map((range) => {
    const shared = leaves.find((leaf) => sameRules(leaf.rules, range.rules));
    if (shared !== undefined) return shared.target;
    let target = no;
    for (const rule of [...range.rules].reverse()) target = conditions(out, rule, target);
    leaves.push({ rules: range.rules, target });
    return target;
  });
  const search = (from: number, to: number): Target => {
    if (to - from === 1) return targets[from];
    const middle = (from + to) >> 1;
    const high = search(middle, to);
    const low = search(from, middle);
    return out.branch(JUMP_GE, ranges[middle].first, high, low);
  };
  // There are two ranges at least, so the search ends with its root branch; the load runs into that.
  search(0, ranges.length);
  return out.emit(LOAD, OFFSET_NR);
}

/** Ranges of numbers that have the same rules, without gaps, from 0 on. */
function numberRanges(byNumber: ReadonlyMap<number, readonly Rule[]>): NumberRange[] {
  const ranges: NumberRange[] = [{ first: 0, rules: [] }];
  const extend = (first: number, rules: readonly Rule[]) => {
    const last = ranges[ranges.length - 1];
    if (sameRules(last.rules, rules)) return;
    if (last.first === first) ranges[ranges.length - 1] = { first, rules };
    else ranges.push({ first, rules });
  };
  for (const nr of [...byNumber.keys()].sort((a, b) => a - b)) {
    extend(nr, byNumber.get(nr)!);
    if (!byNumber.has(nr + 1)) extend(nr + 1, []);
  }
  return ranges;
}

function sameRules(a: readonly Rule[], b: readonly Rule[]): boolean {
  return a.length === b.length && a.every((rule, i) => {
    const other = b[i];
    return rule === other ||
      (rule.action === other.action && rule.args === undefined && other.args === undefined &&
        rule.ip === undefined && other.ip === undefined);
  });
}

/** A comparison of the 64-bit value at an offset of `struct seccomp_data`. */
function compare(
  out: BackwardEmitter,
  offset: number,
  test: Comparison,
  yes: Target,
  no: Target,
): Target {
  switch (test.op) {
    case "eq":
      return masked(out, offset, -1n, test.value, yes, no);
    case "ne":
      return masked(out, offset, -1n, test.value, no, yes);
    case "masked":
      return masked(out, offset, test.mask, test.value, yes, no);
    case "gt":
      return greater(out, offset, JUMP_GT, test.value, yes, no);
    case "ge":
      return greater(out, offset, JUMP_GE, test.value, yes, no);
    case "lt":
      return greater(out, offset, JUMP_GE, test.value, no, yes);
    case "le":
      return greater(out, offset, JUMP_GT, test.value, no, yes);
    case "range": {
      const upper = greater(out, offset, JUMP_GT, test.high, no, yes);
      return greater(out, offset, JUMP_GE, test.low, upper, no);
    }
  }
}

function masked(
  out: BackwardEmitter,
  offset: number,
  mask: Word,
  value: Word,
  yes: Target,
  no: Target,
): Target {
  const m = split(mask);
  const v = split(value);
  if ((v.low & ~m.low) !== 0 || (v.high & ~m.high) !== 0) {
    throw new Error("seccomp: a masked comparison with bits outside of its mask never holds");
  }
  const half = (at: number, bits: number, wanted: number, then: Target): Target => {
    if (bits === 0) return then;
    out.branch(JUMP_EQ, wanted, then, no);
    if (bits !== 0xffffffff) out.emit(AND, bits);
    return out.emit(LOAD, at);
  };
  return half(offset + 4, m.high, v.high, half(offset, m.low, v.low, yes));
}

/** `code` compares the low halves where the high halves are equal. */
function greater(
  out: BackwardEmitter,
  offset: number,
  code: number,
  value: Word,
  yes: Target,
  no: Target,
): Target {
  const { low, high } = split(value);
  out.branch(code, low, yes, no);
  const lowHalf = out.emit(LOAD, offset);
  const equal = out.branch(JUMP_EQ, high, lowHalf, no);
  out.branch(JUMP_GT, high, yes, equal);
  return out.emit(LOAD, offset + 4);
}

function split(value: Word): { low: number; high: number } {
  if (typeof value === "number" && !Number.isSafeInteger(value)) {
    throw new Error(`seccomp: ${value} is not an exact integer; pass a bigint`);
  }
  const big = BigInt(value);
  if (big < -(1n << 63n) || big >= 1n << 64n) {
    throw new Error(`seccomp: ${value} does not fit in 64 bits`);
  }
  return {
    low: Number(BigInt.asUintN(32, big)),
    high: Number(BigInt.asUintN(32, big >> 32n)),
  };
}

function checkData(data: number): number {
  if (!Number.isInteger(data) || data < 0 || data > 0xffff) {
    throw new Error(`seccomp: action data ${data} does not fit in 16 bits`);
  }
  return data;
}

/** A `struct sock_fprog` for a filter that lies at an address. */
export function filterProgram(address: number, byteLength: number): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(16);
  const view = new DataView(out.buffer);
  view.setUint16(0, byteLength / 8, true);
  view.setBigUint64(8, BigInt(address), true);
  return out;
}

const PR_SET_NO_NEW_PRIVS = 38;
const SECCOMP_SET_MODE_FILTER = 1;

/** Flag of `installFilter`: all threads of the process. */
export const FILTER_TSYNC = 1;

const SECCOMP_GET_ACTION_AVAIL = 2;

/** Whether the host's kernel, and whatever confines this process, know an action. */
export function hasAction(action: Action): boolean {
  return syscall(317, SECCOMP_GET_ACTION_AVAIL, 0, new Uint32Array([action])) === 0;
}

/** Puts the calling thread, for good, under a compiled filter and no_new_privs; 0 or a negative errno. */
export function installFilter(filter: Uint8Array<ArrayBuffer>, flags = 0): number {
  const result = syscall(157, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
  if (result < 0) return result;
  return syscall(
    317,
    SECCOMP_SET_MODE_FILTER,
    flags,
    filterProgram(addressOf(filter), filter.length),
  );
}
