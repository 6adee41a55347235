/** Types of arguments of signals. */

import * as events from "../../abi/eventfd.ts";
import * as signals from "../../abi/signals.ts";
import {
  Sigaction,
  SiginfoChild,
  SiginfoFault,
  SiginfoKill,
  SiginfoPoll,
  SiginfoQueue,
  SiginfoSys,
  SiginfoTimer,
  StackT,
} from "../../abi/structs/signal.ts";
import { address, Enumeration, FlagSet, hex64 } from "../strace/format.ts";
import { type ArgType, type Call, choice, early, flags, late } from "./arg_types.ts";

export const signal: ArgType = early("signal", (v) => signals.signalName(v | 0));
export const maskHow: ArgType = choice(
  new Enumeration(signals, /^SIG_(BLOCK|UNBLOCK|SETMASK)$/, "SIG_"),
  "how",
);
export const signalfdFlags: ArgType = flags(new FlagSet(events, /^SFD_/, "SFD_"), "signalfd flags");

/** A signal set given in two halves: `[INT CHLD]`, or `~[…]` with the missing ones if most are in it. */
export function printSigset(low: number, high: number): string {
  const inside: string[] = [];
  const outside: string[] = [];
  for (let n = 1; n <= 64; n++) {
    const bit = n <= 32 ? (low >>> (n - 1)) & 1 : (high >>> (n - 33)) & 1;
    const name = signals.signalName(n).replace(/^SIG/, "");
    (bit ? inside : outside).push(name);
  }
  return outside.length < 32 ? `~[${outside.join(" ")}]` : `[${inside.join(" ")}]`;
}

/** The signal set at an address. */
export function printSigsetAt(at: number, call: Call): string {
  const view = call.view.view(at, 8);
  if (view === null) return address(at);
  return printSigset(view.getUint32(0, true), view.getUint32(4, true));
}

export const sigsetIn: ArgType = early("sigset", (v, call) => printSigsetAt(v, call));
export const sigsetOut: ArgType = late("sigset out", (v, call) => printSigsetAt(v, call));

/** The signal set of pselect6(2) with its size, behind one more pointer. */
export const sigsetArgument: ArgType = early("sigset argument", (v, call) => {
  const at = call.view.word(v);
  const size = call.view.word(v + 8);
  if (at === null || size === null) return address(v);
  return `{sigmask=${printSigsetAt(at, call)}, sigsetsize=${size}}`;
});

const actionFlags = new FlagSet(signals, /^SA_(?!NOMASK|ONESHOT)/, "SA_");

function printAction(at: number, call: Call): string {
  const view = call.view.view(at, Sigaction.size);
  if (view === null) return address(at);
  const action = Sigaction.read(view, 0);
  const handler = action.sa_handler === signals.SIG_DFL
    ? "SIG_DFL"
    : action.sa_handler === signals.SIG_IGN
    ? "SIG_IGN"
    : hex64(action.sa_handler);
  const restorer = action.sa_flags & signals.SA_RESTORER
    ? `, sa_restorer=${hex64(action.sa_restorer)}`
    : "";
  const mask = printSigset(action.sa_mask.lo ?? 0, action.sa_mask.hi ?? 0);
  return `{sa_handler=${handler}, sa_mask=${mask}, sa_flags=${
    actionFlags.print(action.sa_flags)
  }${restorer}}`;
}

export const sigactionIn: ArgType = early("sigaction", (v, call) => printAction(v, call));
export const sigactionOut: ArgType = late("sigaction out", (v, call) => printAction(v, call));

const stackFlags = new FlagSet(signals, /^SS_(?!FLAG)/, "SS_");

function printStack(at: number, call: Call): string {
  const view = call.view.view(at, StackT.size);
  if (view === null) return address(at);
  const stack = StackT.read(view, 0);
  return `{ss_sp=${address(stack.ss_sp)}, ss_flags=${stackFlags.print(stack.ss_flags)}, ss_size=${
    hex64(stack.ss_size)
  }}`;
}

export const stackIn: ArgType = early("stack", (v, call) => printStack(v, call));
export const stackOut: ArgType = late("stack out", (v, call) => printStack(v, call));

const codes = new Enumeration(signals, /^SI_(?!MAX)/, "SI_");
const families: Readonly<Record<number, Enumeration>> = {
  [signals.SIGILL]: new Enumeration(signals, /^ILL_/, "ILL_"),
  [signals.SIGFPE]: new Enumeration(signals, /^FPE_/, "FPE_"),
  [signals.SIGSEGV]: new Enumeration(signals, /^SEGV_/, "SEGV_"),
  [signals.SIGBUS]: new Enumeration(signals, /^BUS_/, "BUS_"),
  [signals.SIGTRAP]: new Enumeration(signals, /^TRAP_/, "TRAP_"),
  [signals.SIGCHLD]: new Enumeration(signals, /^CLD_/, "CLD_"),
  [signals.SIGPOLL]: new Enumeration(signals, /^POLL_/, "POLL_"),
  [signals.SIGSYS]: new Enumeration(signals, /^SYS_/, "SYS_"),
};
const exits: readonly number[] = [signals.CLD_EXITED];

/** What a siginfo says, by its signal and code. */
export function printSiginfo(view: DataView): string {
  const head = SiginfoKill.read(view, 0);
  const { si_signo: signo, si_code: code, si_errno: errno } = head;
  const family = code > 0 && code < signals.SI_KERNEL ? families[signo] : undefined;
  const parts = [
    `si_signo=${signals.signalName(signo)}`,
    `si_code=${(family ?? codes).print(code)}`,
  ];
  if (errno !== 0) parts.push(`si_errno=${errno}`);
  if (family !== undefined && signo === signals.SIGCHLD) {
    const child = SiginfoChild.read(view, 0);
    const status = exits.includes(code)
      ? String(child.si_status)
      : signals.signalName(child.si_status);
    parts.push(
      `si_pid=${child.si_pid}`,
      `si_uid=${child.si_uid}`,
      `si_status=${status}`,
      `si_utime=${child.si_utime}`,
      `si_stime=${child.si_stime}`,
    );
  } else if (family !== undefined && signo === signals.SIGPOLL) {
    const poll = SiginfoPoll.read(view, 0);
    parts.push(`si_band=${poll.si_band}`, `si_fd=${poll.si_fd}`);
  } else if (family !== undefined && signo === signals.SIGSYS) {
    const sys = SiginfoSys.read(view, 0);
    parts.push(
      `si_call_addr=${address(sys.si_call_addr)}`,
      `si_syscall=${sys.si_syscall}`,
      `si_arch=${hex64(sys.si_arch)}`,
    );
  } else if (family !== undefined) {
    parts.push(`si_addr=${address(SiginfoFault.read(view, 0).si_addr)}`);
  } else if (code === signals.SI_TIMER) {
    const timer = SiginfoTimer.read(view, 0);
    parts.push(
      `si_timerid=${timer.si_timerid}`,
      `si_overrun=${timer.si_overrun}`,
      `si_value=${hex64(timer.si_value)}`,
    );
  } else if (code !== signals.SI_KERNEL) {
    parts.push(`si_pid=${head.si_pid}`, `si_uid=${head.si_uid}`);
    if (code === signals.SI_QUEUE || code === signals.SI_MESGQ) {
      parts.push(`si_value=${hex64(SiginfoQueue.read(view, 0).si_value)}`);
    }
  }
  return `{${parts.join(", ")}}`;
}

function printSiginfoAt(at: number, call: Call): string {
  const view = call.view.view(at, SiginfoKill.size);
  return view === null ? address(at) : printSiginfo(view);
}

export const siginfoIn: ArgType = early("siginfo", (v, call) => printSiginfoAt(v, call));
export const siginfoOut: ArgType = late("siginfo out", (v, call) => printSiginfoAt(v, call));
