/**
 * The `linux.seccomp` of a specification as a classic BPF program, which the sentry runs like those that programs bring.
 * Rules mean what libseccomp makes of them: all conditions of a rule must hold; of several rules for one system call the
 * first that holds counts; names that no amd64 kernel knows are passed over.
 */

import * as B from "../abi/bpf.ts";
import { ENOSYS, EPERM } from "../abi/errno.ts";
import * as P from "../abi/prctl.ts";
import { SYS } from "../abi/syscall_numbers.ts";
import { RunscError } from "../container/error.ts";
import type { OciLinux } from "../container/oci_spec.ts";
import { BpfProgram, type Instruction, isValid } from "../sentry/kernel/bpf.ts";
import { ARCH, Filter, FilterSeccomp } from "../sentry/kernel/seccomp.ts";

type Profile = NonNullable<OciLinux["seccomp"]>;
type Rule = NonNullable<Profile["syscalls"]>[number];
type Condition = NonNullable<Rule["args"]>[number];

const ACTIONS: ReadonlyMap<string, number> = new Map([
  ["SCMP_ACT_KILL", P.SECCOMP_RET_KILL_THREAD],
  ["SCMP_ACT_KILL_THREAD", P.SECCOMP_RET_KILL_THREAD],
  ["SCMP_ACT_KILL_PROCESS", P.SECCOMP_RET_KILL_PROCESS],
  ["SCMP_ACT_TRAP", P.SECCOMP_RET_TRAP],
  ["SCMP_ACT_ERRNO", P.SECCOMP_RET_ERRNO],
  ["SCMP_ACT_TRACE", P.SECCOMP_RET_TRACE],
  ["SCMP_ACT_ALLOW", P.SECCOMP_RET_ALLOW],
  ["SCMP_ACT_LOG", P.SECCOMP_RET_LOG],
]);
const FLAGS: ReadonlySet<string> = new Set([
  "SECCOMP_FILTER_FLAG_TSYNC",
  "SECCOMP_FILTER_FLAG_LOG",
  "SECCOMP_FILTER_FLAG_SPEC_ALLOW",
]);
/** Bit of the numbers of the x32 interface, which the kernel of the sandbox does not have. */
const X32_BIT = 0x40000000;

const LOAD = B.BPF_LD | B.BPF_W | B.BPF_ABS;
const RETURN = B.BPF_RET | B.BPF_K;
const GO = B.BPF_JMP | B.BPF_JA;
const EQUAL = B.BPF_JMP | B.BPF_JEQ | B.BPF_K;
const GREATER = B.BPF_JMP | B.BPF_JGT | B.BPF_K;
const AT_LEAST = B.BPF_JMP | B.BPF_JGE | B.BPF_K;
const AND = B.BPF_ALU | B.BPF_AND | B.BPF_K;

/** The filter that a profile describes. Throws if it asks for what the sandbox does not have. */
export function seccompOf(profile: Profile): FilterSeccomp {
  for (const flag of profile.flags ?? []) {
    if (!FLAGS.has(flag)) refuse("flag", flag, "the sandbox does not know it");
  }
  for (const name of profile.architectures ?? []) {
    if (!/^SCMP_ARCH_[A-Z0-9_]+$/.test(name)) refuse("architecture", name, "it is no SCMP_ARCH_*");
  }
  const program = new ProfileProgram(profile).program;
  if (!isValid(program)) {
    const why =
      `its program would have ${program.length} instructions, of ${B.BPF_MAXINSNS} at most`;
    throw new RunscError({ what: "cannot use linux.seccomp", why });
  }
  return new FilterSeccomp([new Filter(new BpfProgram(program))]);
}

function refuse(kind: string, name: string, why: string): never {
  throw new RunscError({ what: `cannot use linux.seccomp: ${kind}`, on: name, why });
}

/** A filter's return value for an action. */
function actionOf(name: string, errno: number | undefined): number {
  const action = ACTIONS.get(name);
  if (action === undefined) {
    const why = name === "SCMP_ACT_NOTIFY"
      ? "nobody outside of the sandbox can answer its system calls"
      : "it is no action";
    return refuse("action", name, why);
  }
  const valued = action === P.SECCOMP_RET_ERRNO || action === P.SECCOMP_RET_TRACE;
  return valued ? action | (errno ?? EPERM) & P.SECCOMP_RET_DATA : action;
}

/** The highest number of a system call that a profile names. */
function newest(profile: Profile): number {
  const numbers: Readonly<Record<string, number>> = SYS;
  let highest = 0;
  for (const { names } of profile.syscalls ?? []) {
    for (const name of names) {
      if (Object.hasOwn(SYS, name) && numbers[name] > highest) highest = numbers[name];
    }
  }
  return highest;
}

class ProfileProgram {
  readonly program: Instruction[] = [];

  constructor(profile: Profile) {
    const otherwise = actionOf(profile.defaultAction, profile.defaultErrnoRet);
    const rules = new Map<number, { conditions: Condition[]; action: number }[]>();
    const numbers: Readonly<Record<string, number>> = SYS;
    for (const rule of profile.syscalls ?? []) {
      const action = actionOf(rule.action, rule.errnoRet);
      if (action === otherwise) continue;
      for (const name of rule.names) {
        if (!Object.hasOwn(SYS, name)) continue;
        const nr = numbers[name];
        const list = rules.get(nr) ?? [];
        rules.set(nr, list);
        for (const conditions of alternatives(rule.args ?? [])) list.push({ conditions, action });
      }
    }
    // A foreign number in RAX is never one of the names.
    this.#emit(LOAD, 4);
    this.#emit(EQUAL, ARCH, 1, 0);
    this.#emit(RETURN, P.SECCOMP_RET_KILL_PROCESS);
    this.#emit(LOAD, 0);
    this.#emit(AT_LEAST, X32_BIT, 0, 1);
    this.#emit(RETURN, otherwise);
    const last = newest(profile);
    if (last > 0 && otherwise !== P.SECCOMP_RET_ALLOW && otherwise !== P.SECCOMP_RET_LOG) {
      // What is newer than the profile does not exist for it, so that C libraries fall back, as under runc.
      this.#emit(GREATER, last, 0, 1);
      this.#emit(RETURN, P.SECCOMP_RET_ERRNO | ENOSYS);
    }
    for (const [nr, list] of rules) this.#emitSyscall(nr, list, otherwise);
    this.#emit(RETURN, otherwise);
  }

  #emitSyscall(
    nr: number,
    list: readonly { conditions: Condition[]; action: number }[],
    otherwise: number,
  ): void {
    // A rule without conditions leaves nothing to those that have some.
    const plain = list.find(({ conditions }) => conditions.length === 0);
    if (plain !== undefined) {
      this.#emit(EQUAL, nr, 0, 1);
      this.#emit(RETURN, plain.action);
      return;
    }
    this.#emit(EQUAL, nr, 1, 0);
    const over = this.#emit(GO, 0);
    for (const { conditions, action } of list) {
      const failures: Instruction[] = [];
      for (const condition of conditions) this.#emitCondition(condition, failures);
      this.#emit(RETURN, action);
      for (const jump of failures) this.#land(jump);
    }
    this.#emit(RETURN, otherwise);
    this.#land(over);
  }

  /** Goes on behind itself if a condition holds, and by one of `failures` if not. Words compare high half first. */
  #emitCondition({ index, op, value, valueTwo }: Condition, failures: Instruction[]): void {
    const at = 16 + 8 * index;
    const [high, low] = halves(value);
    const fail = () => failures.push(this.#emit(GO, 0));
    const load = (half: number) => this.#emit(LOAD, at + half);
    switch (op) {
      case "SCMP_CMP_EQ":
        load(4);
        this.#emit(EQUAL, high, 1, 0);
        fail();
        load(0);
        this.#emit(EQUAL, low, 1, 0);
        fail();
        return;
      case "SCMP_CMP_NE":
        load(4);
        this.#emit(EQUAL, high, 0, 3);
        load(0);
        this.#emit(EQUAL, low, 0, 1);
        fail();
        return;
      case "SCMP_CMP_GT":
      case "SCMP_CMP_GE":
        load(4);
        this.#emit(GREATER, high, 5, 0);
        this.#emit(EQUAL, high, 1, 0);
        fail();
        load(0);
        this.#emit(op === "SCMP_CMP_GT" ? GREATER : AT_LEAST, low, 1, 0);
        fail();
        return;
      case "SCMP_CMP_LT":
      case "SCMP_CMP_LE":
        load(4);
        this.#emit(AT_LEAST, high, 0, 5);
        this.#emit(EQUAL, high, 1, 0);
        fail();
        load(0);
        this.#emit(op === "SCMP_CMP_LT" ? AT_LEAST : GREATER, low, 0, 1);
        fail();
        return;
      case "SCMP_CMP_MASKED_EQ": {
        const [wantedHigh, wantedLow] = halves(valueTwo ?? 0);
        load(4);
        this.#emit(AND, high);
        this.#emit(EQUAL, wantedHigh, 1, 0);
        fail();
        load(0);
        this.#emit(AND, low);
        this.#emit(EQUAL, wantedLow, 1, 0);
        fail();
        return;
      }
      default:
        refuse("comparison", op, "it is no SCMP_CMP_*");
    }
  }

  #emit(code: number, k: number, jt = 0, jf = 0): Instruction {
    const instruction = { code, jt, jf, k: k >>> 0 };
    this.program.push(instruction);
    return instruction;
  }

  /** Has a jump go to what comes next. */
  #land(jump: Instruction): void {
    jump.k = this.program.length - this.program.indexOf(jump) - 1;
  }
}

/** As runc has it: conditions on one argument that is named twice are alternatives, all others belong together. */
function alternatives(args: readonly Condition[]): Condition[][] {
  const repeated = new Set(args.map(({ index }) => index)).size < args.length;
  return repeated ? args.map((condition) => [condition]) : [[...args]];
}

function halves(value: number): [high: number, low: number] {
  const bounded = Math.min(value, 2 ** 64 - 2 ** 11);
  return [Math.floor(bounded / 2 ** 32), value >= 2 ** 64 ? 0xffffffff : bounded % 2 ** 32];
}
