/** What a task's seccomp mode and filters say to its system calls (seccomp(2)). */

import { ENOSYS } from "../../abi/errno.ts";
import * as P from "../../abi/prctl.ts";
import { SIG_DFL, SIGKILL, SIGSYS, SYS_SECCOMP } from "../../abi/signals.ts";
import { SYS, SYSCALL_LIMIT } from "../../abi/syscall_numbers.ts";
import { Reg } from "../platform/platform.ts";
import { type BpfProgram, SeccompWords } from "./bpf.ts";
import type { SeccompListener } from "./seccomp_listener.ts";
import { SigInfo } from "./signal_set.ts";
import { exitTask } from "./task_exit.ts";
import { forceSignal } from "./task_signals.ts";
import { SECCOMP_PASS, type SeccompState, type Task } from "./task.ts";
import { BLOCKED, NO_RETURN } from "./wait.ts";

/** AUDIT_ARCH_X86_64. */
export const ARCH = 0xc000003e;
/** Most errno numbers that a filter can name. */
const MAX_ERRNO = 4095;
/** Instructions of all filters of a task, each with a penalty for itself (kernel/seccomp.c). */
const MAX_INSTRUCTIONS = 32768;
const FILTER_PENALTY = 4;

/** Verdicts that depend on the arguments, and those that are not known yet. */
const DEPENDS = -2;
const UNKNOWN = -1;

const data = new SeccompWords();

/** Arguments travel as float64: from here on their lowest bits are lost. */
const EXACT = 2 ** 53;
const ARGUMENTS: readonly Reg[] = [Reg.RDI, Reg.RSI, Reg.RDX, Reg.R10, Reg.R8, Reg.R9];

/** Fills in what filters read. */
function describe(t: Task): void {
  const { words } = data;
  const registers = t.ctx.regs();
  words[0] = t.sysno;
  words[1] = ARCH;
  put(2, registers.get(Reg.RIP));
  for (let i = 0; i < 6; i++) {
    const value = t.args[i];
    if (value > -EXACT && value < EXACT) {
      put(4 + 2 * i, value);
      continue;
    }
    words[4 + 2 * i] = registers.words[2 * ARGUMENTS[i]];
    words[5 + 2 * i] = registers.words[2 * ARGUMENTS[i] + 1];
  }
}

function put(at: number, value: number): void {
  data.words[at] = value;
  data.words[at + 1] = Math.floor(value / 4294967296);
}

/** A filter, and who answers what it hands on. */
export class Filter {
  readonly program: BpfProgram;
  readonly listener: SeccompListener | null;

  constructor(program: BpfProgram, listener: SeccompListener | null = null) {
    this.program = program;
    this.listener = listener;
  }

  get length(): number {
    return this.program.length;
  }
}

/** Strict mode: read, write, exit, rt_sigreturn. */
export class StrictSeccomp implements SeccompState {
  readonly mode = P.SECCOMP_MODE_STRICT;
  readonly filters: readonly Filter[] = [];

  check(t: Task): number {
    switch (t.sysno) {
      case SYS.read:
      case SYS.write:
      case SYS.exit:
      case SYS.rt_sigreturn:
        return SECCOMP_PASS;
      default:
        return exitTask(t, SIGKILL);
    }
  }

  enter(): void {}
  leave(): void {}
}

/** Filters, the last one first. It never changes: tasks share it, and a further filter makes another. */
export class FilterSeccomp implements SeccompState {
  readonly mode = P.SECCOMP_MODE_FILTER;
  readonly filters: readonly Filter[];
  /** What the filters say to each number, where that is all they look at. */
  readonly #verdicts: Float64Array = new Float64Array(SYSCALL_LIMIT).fill(UNKNOWN);
  /** Which filter the last verdict is of. */
  #strictest = 0;

  constructor(filters: readonly Filter[]) {
    this.filters = filters;
  }

  /** Whether another filter of `length` instructions would be too many. */
  static isFull(filters: readonly Filter[], length: number): boolean {
    let sum = length;
    for (const filter of filters) sum += filter.length + FILTER_PENALTY;
    return sum > MAX_INSTRUCTIONS;
  }

  enter(): void {
    for (const { listener } of this.filters) listener?.enter();
  }

  leave(t: Task): void {
    for (const { listener } of this.filters) {
      listener?.withdraw(t);
      listener?.leave();
    }
  }

  check(t: Task): number {
    const nr = t.sysno;
    const known = nr >= 0 && nr < SYSCALL_LIMIT ? this.#verdicts[nr] : DEPENDS;
    const verdict = known >= 0 ? known : this.#judge(t, known === UNKNOWN);
    return verdict === P.SECCOMP_RET_ALLOW ? SECCOMP_PASS : this.#carryOut(t, verdict);
  }

  #judge(t: Task, keep: boolean): number {
    describe(t);
    data.looked = false;
    let verdict = P.SECCOMP_RET_ALLOW;
    for (let i = 0; i < this.filters.length; i++) {
      const said = this.filters[i].program.run(data);
      // Actions are ordered as signed numbers: the least is the strictest, and the later filter wins a tie.
      if ((said & P.SECCOMP_RET_ACTION_FULL) < (verdict & P.SECCOMP_RET_ACTION_FULL)) {
        verdict = said;
        this.#strictest = i;
      }
    }
    const depends = data.looked || actionOf(verdict) === P.SECCOMP_RET_USER_NOTIF;
    if (keep) this.#verdicts[t.sysno] = depends ? DEPENDS : verdict;
    return verdict;
  }

  #carryOut(t: Task, verdict: number): number {
    if (actionOf(verdict) !== P.SECCOMP_RET_USER_NOTIF) return carryOut(t, verdict);
    const { listener } = this.filters[this.#strictest];
    if (listener === null) return -ENOSYS;
    const r = listener.ask(t, data.words);
    t.seccompWaits = r === BLOCKED;
    return r;
  }
}

function actionOf(verdict: number): number {
  return (verdict & P.SECCOMP_RET_ACTION_FULL) >>> 0;
}

/** Does what the filters decided; the system call's result, or that it is to be carried out. */
function carryOut(t: Task, verdict: number): number {
  const low = verdict & P.SECCOMP_RET_DATA;
  switch (actionOf(verdict)) {
    case P.SECCOMP_RET_ALLOW:
      return SECCOMP_PASS;
    case P.SECCOMP_RET_LOG:
      t.kernel.log.debug(`seccomp: ${t.name}[${t.tid}] calls ${t.sysno}`);
      return SECCOMP_PASS;
    case P.SECCOMP_RET_ERRNO:
      return -Math.min(low, MAX_ERRNO);
    case P.SECCOMP_RET_TRACE:
      // Nobody traces.
      return -ENOSYS;
    case P.SECCOMP_RET_TRAP:
      forceSignal(t, infoOf(t, low));
      // The handler finds the number in RAX, as if the call had not been made.
      return t.sysno;
    case P.SECCOMP_RET_KILL_THREAD:
      if (t.group.tasks.length > 1) return exitTask(t, SIGSYS);
      break;
  }
  t.group.handlers.actions[SIGSYS].handler = SIG_DFL;
  forceSignal(t, infoOf(t, low));
  return NO_RETURN;
}

function infoOf(t: Task, errno: number): SigInfo {
  const info = new SigInfo(SIGSYS, SYS_SECCOMP);
  info.errno = errno;
  info.setAddress(t.ctx.regs().get(Reg.RIP));
  info.setValue(t.sysno, ARCH);
  return info;
}
