/** Types of arguments of clocks, timers and futexes. */

import * as futexes from "../../abi/futex.ts";
import {
  FutexWaitv,
  Itimerspec,
  Itimerval,
  RobustListHead,
  Sigevent,
  Timespec,
  Timeval,
  Timex,
  Timezone,
  Tms,
  Utimbuf,
} from "../../abi/structs/time.ts";
import { UTIME_NOW, UTIME_OMIT } from "../../abi/stat.ts";
import * as times from "../../abi/time.ts";
import { Enumeration, FlagSet, hex64 } from "../strace/format.ts";
import {
  type ArgType,
  arrayIn,
  type Call,
  choice,
  early,
  flags,
  late,
  printArray,
  printValue,
  type ResultType,
  valueIn,
  valueOut,
} from "./arg_types.ts";

const clocks = new Enumeration(times, /^CLOCK_/, "CLOCK_");

/** A clock; that of another process or thread is coded in a negative number. */
export const clock: ArgType = early("clock", (v) => {
  const id = v | 0;
  return id >= 0 ? clocks.print(id) : `${id & 4 ? "thread" : "process"} clock of ${~id >> 3}`;
});
export const timerFlags: ArgType = flags(
  new FlagSet({ TIMER_ABSTIME: times.TIMER_ABSTIME }, /./, "TIMER_"),
  "timer flags",
);
export const timerfdFlags: ArgType = flags(
  new FlagSet(times, /^TFD_(CLOEXEC|NONBLOCK)$/, "TFD_"),
  "timerfd flags",
);
export const timerfdSetFlags: ArgType = flags(
  new FlagSet(times, /^TFD_TIMER_/, "TFD_"),
  "timerfd flags",
);
export const itimer: ArgType = choice(new Enumeration(times, /^ITIMER_/, "ITIMER_"), "itimer");

export const timespecIn: ArgType = valueIn(Timespec, "timespec");
export const timespecOut: ArgType = valueOut(Timespec, "timespec out");
export const timevalIn: ArgType = valueIn(Timeval, "timeval");
export const timevalOut: ArgType = valueOut(Timeval, "timeval out");
export const timezoneIn: ArgType = valueIn(Timezone, "timezone");
export const timezoneOut: ArgType = valueOut(Timezone, "timezone out");
export const itimerspecIn: ArgType = valueIn(Itimerspec, "itimerspec");
export const itimerspecOut: ArgType = valueOut(Itimerspec, "itimerspec out");
export const itimervalIn: ArgType = valueIn(Itimerval, "itimerval");
export const itimervalOut: ArgType = valueOut(Itimerval, "itimerval out");
export const tmsOut: ArgType = valueOut(Tms, "tms out");
export const utimbufIn: ArgType = valueIn(Utimbuf, "utimbuf");
export const timexOut: ArgType = valueOut(Timex, "timex out");
export const sigeventIn: ArgType = valueIn(Sigevent, "sigevent");
export const robustListHead: ArgType = valueIn(RobustListHead, "robust list");
export const futexWaiters: ArgType = arrayIn(FutexWaitv, 1, "futex_waitv");
export const futexPair: ArgType = early(
  "futex_waitv[2]",
  (v, call) => printArray(FutexWaitv, v, 2, call),
);

/** The time that is left of a sleep, which is written only when a signal ends it. */
export const remainingOut: ArgType = {
  name: "timespec out",
  late: true,
  print: (v, call) => call.result < 0 ? printValue(Timespec, v, call) : hexOrNull(v),
};

function hexOrNull(value: number): string {
  return value === 0 ? "NULL" : hex64(value);
}

function printFileTime(at: number, call: Call): string {
  const view = call.view.view(at, 16);
  if (view === null) return hexOrNull(at);
  const nanoseconds = view.getUint32(8, true);
  if (nanoseconds === UTIME_NOW) return "UTIME_NOW";
  if (nanoseconds === UTIME_OMIT) return "UTIME_OMIT";
  return Timespec.print(Timespec.read(view, 0));
}

/** Access and modification time for utimensat(2). */
export const fileTimesIn: ArgType = early("timespec[2]", (v, call) => {
  if (v === 0) return "NULL";
  if (call.view.view(v, 32) === null) return hex64(v);
  return `[${printFileTime(v, call)}, ${printFileTime(v + 16, call)}]`;
});
/** Access and modification time for utimes(2). */
export const timevalPairIn: ArgType = early("timeval[2]", (v, call) => {
  if (v === 0) return "NULL";
  if (call.view.view(v, 32) === null) return hex64(v);
  return `[${printValue(Timeval, v, call)}, ${printValue(Timeval, v + 16, call)}]`;
});

const operations = new Enumeration(
  futexes,
  /^FUTEX_(?!PRIVATE|CLOCK|CMD|OP_|WAITERS|OWNER|TID|BITSET_M|32|WAITV).*/,
  "FUTEX_",
);
const bare = futexes.FUTEX_PRIVATE_FLAG | futexes.FUTEX_CLOCK_REALTIME;

function operation(call: Call): number {
  return call.args[1] & ~bare;
}

const TIMED: ReadonlySet<number> = new Set([
  futexes.FUTEX_WAIT,
  futexes.FUTEX_WAIT_BITSET,
  futexes.FUTEX_LOCK_PI,
  futexes.FUTEX_LOCK_PI2,
  futexes.FUTEX_WAIT_REQUEUE_PI,
]);
const TWO_FUTEXES: ReadonlySet<number> = new Set([
  futexes.FUTEX_REQUEUE,
  futexes.FUTEX_CMP_REQUEUE,
  futexes.FUTEX_CMP_REQUEUE_PI,
  futexes.FUTEX_WAKE_OP,
  futexes.FUTEX_WAIT_REQUEUE_PI,
]);
const THIRD_VALUE: ReadonlySet<number> = new Set([
  futexes.FUTEX_CMP_REQUEUE,
  futexes.FUTEX_CMP_REQUEUE_PI,
  futexes.FUTEX_WAKE_OP,
  futexes.FUTEX_WAIT_BITSET,
  futexes.FUTEX_WAKE_BITSET,
]);

/** The operation of futex(2), by which its other arguments have their meaning. */
export const futexOperation: ArgType = early("futex operation", (v) => {
  const name = operations.print(v & ~futexes.FUTEX_CLOCK_REALTIME);
  return v & futexes.FUTEX_CLOCK_REALTIME ? `${name}|FUTEX_CLOCK_REALTIME` : name;
});
export const futexValue: ArgType = early(
  "futex value",
  (v, call) => operation(call) === futexes.FUTEX_UNLOCK_PI ? null : String(v >>> 0),
);
export const futexTimeout: ArgType = early("timespec", (v, call) => {
  const op = operation(call);
  if (TIMED.has(op)) return printValue(Timespec, v, call);
  return TWO_FUTEXES.has(op) || op === futexes.FUTEX_WAKE_BITSET ? hexOrNull(v) : null;
});
export const futexSecond: ArgType = early("pointer", (v, call) => {
  const op = operation(call);
  return TWO_FUTEXES.has(op) || THIRD_VALUE.has(op) ? hexOrNull(v) : null;
});
export const futexThird: ArgType = early("futex value", (v, call) => {
  if (!THIRD_VALUE.has(operation(call))) return null;
  return (v | 0) === -1 ? "FUTEX_BITSET_MATCH_ANY" : hex64(v >>> 0);
});
export const futex2Flags: ArgType = early("futex2 flags", (v) => {
  const sizes = ["FUTEX2_SIZE_U8", "FUTEX2_SIZE_U16", "FUTEX2_SIZE_U32", "FUTEX2_SIZE_U64"];
  const rest = (v & ~(futexes.FUTEX2_SIZE_MASK | futexes.FUTEX2_PRIVATE)) >>> 0;
  return sizes[v & 3] + (v & futexes.FUTEX2_PRIVATE ? "|FUTEX2_PRIVATE" : "") +
    (rest === 0 ? "" : `|${hex64(rest)}`);
});

/** The number that timer_create(2) writes. */
export const timerIdOut: ArgType = late("timer out", (v, call) => {
  const id = call.view.int(v);
  return id === null ? hexOrNull(v) : `[${id}]`;
});

/** A head of a robust list that get_robust_list(2) writes. */
export const robustListOut: ArgType = late("robust list out", (v, call) => {
  const head = call.view.word(v);
  return head === null ? hexOrNull(v) : `[${hexOrNull(head)}]`;
});

/** The state of the clock, in words, that adjtimex(2) returns. */
export const clockState: ResultType = {
  name: "clock state",
  print: (v) => `${v} (${new Enumeration(times, /^TIME_(?!BAD)/, "TIME_").print(v)})`,
};
