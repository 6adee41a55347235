/** Types of arguments of processes: their creation, end, limits, identity and control. */

import * as capabilities from "../../abi/capability.ts";
import * as prctls from "../../abi/prctl.ts";
import * as ptraces from "../../abi/ptrace.ts";
import * as resources from "../../abi/resource.ts";
import * as sched from "../../abi/sched.ts";
import { signalName } from "../../abi/signals.ts";
import { u32, u64 } from "../../abi/struct.ts";
import {
  CapData,
  CloneArgs,
  Rlimit,
  Rusage,
  SchedAttr,
  Sysinfo,
  Utsname,
} from "../../abi/structs/process.ts";
import {
  address,
  ARRAY_LIMIT,
  Enumeration,
  FlagSet,
  hex64,
  STRING_LIMIT,
} from "../strace/format.ts";
import {
  type ArgType,
  arrayIn,
  arrayOut,
  type Call,
  cellOut,
  choice,
  early,
  flags,
  late,
  onlyIf,
  printString,
  valueIn,
  valueOut,
} from "./arg_types.ts";

const cloneNames = new FlagSet(sched, /^CLONE_(?!CLEAR_|INTO_|NEWTIME|ARGS)/, "CLONE_");

/** Flags of clone(2) with the signal of the child's end in their lowest byte. */
export const cloneFlags: ArgType = early("clone flags", (v) => {
  const signal = v & sched.CSIGNAL;
  const rest = (v & ~sched.CSIGNAL) >>> 0;
  if (signal === 0) return cloneNames.print(rest);
  return rest === 0 ? signalName(signal) : `${cloneNames.print(rest)}|${signalName(signal)}`;
});
const namespaceNames = new FlagSet(sched, /^CLONE_(?!CLEAR_|INTO_|ARGS)/, "CLONE_");
export const namespaceFlags: ArgType = flags(namespaceNames, "namespace flags");

/** Whether a call of clone(2) has the flag that gives an argument its meaning. */
function cloneHas(flag: number): (call: Call) => boolean {
  return (call) => (call.args[0] & flag) !== 0;
}

export const cloneParentTid: ArgType = {
  name: "tid out",
  late: true,
  print(v, call) {
    const wanted = cloneHas(sched.CLONE_PARENT_SETTID | sched.CLONE_PIDFD)(call);
    const tid = wanted && call.result > 0 ? call.view.int(v) : null;
    return tid === null ? address(v) : `[${tid}]`;
  },
};

export const cloneArgs: ArgType = early("clone_args", (v, call) => {
  const view = call.view.view(v, 64);
  if (view === null) return address(v);
  const whole = new DataView(new ArrayBuffer(CloneArgs.size));
  for (let i = 0; i < 64; i++) whole.setUint8(i, view.getUint8(i));
  const a = CloneArgs.read(whole, 0);
  const parts = [`flags=${cloneNames.print(a.flags)}`];
  if (a.flags & sched.CLONE_PIDFD) parts.push(`pidfd=${address(a.pidfd)}`);
  if (a.flags & (sched.CLONE_CHILD_SETTID | sched.CLONE_CHILD_CLEARTID)) {
    parts.push(`child_tid=${address(a.child_tid)}`);
  }
  if (a.flags & sched.CLONE_PARENT_SETTID) parts.push(`parent_tid=${address(a.parent_tid)}`);
  parts.push(`exit_signal=${signalName(a.exit_signal)}`, `stack=${address(a.stack)}`);
  parts.push(`stack_size=${hex64(a.stack_size)}`);
  if (a.flags & sched.CLONE_SETTLS) parts.push(`tls=${address(a.tls)}`);
  return `{${parts.join(", ")}}`;
});

/** A vector of strings, shown in full up to a bound. */
export const argv: ArgType = early("argv", (v, call) => {
  if (v === 0) return "NULL";
  const parts: string[] = [];
  for (let i = 0;; i++) {
    const at = call.view.word(v + i * 8);
    if (at === null) {
      if (i === 0) return hex64(v);
      parts.push(`... /* ${hex64(v + i * 8)} */`);
      break;
    }
    if (at === 0) break;
    if (i === ARRAY_LIMIT) {
      parts.push("...");
      break;
    }
    parts.push(printString(at, call, STRING_LIMIT));
  }
  return `[${parts.join(", ")}]`;
});

/** The environment, of which only the number of variables is told. */
export const envp: ArgType = early("envp", (v, call) => {
  if (v === 0) return "NULL";
  for (let i = 0; i <= 4096; i++) {
    const at = call.view.word(v + i * 8);
    if (at === null) break;
    if (at === 0) return `${hex64(v)} /* ${i} vars */`;
  }
  return hex64(v);
});

const waitNames = new FlagSet(sched, /^(W[A-Z]+|__W[A-Z]+)$/, "W");
export const waitFlags: ArgType = flags(waitNames, "wait flags");
export const waitIdType: ArgType = choice(new Enumeration(sched, /^P_/, "P_"), "id type");

/** The status of a child in the words of wait(2). */
export function printWaitStatus(status: number): string {
  const signal = status & 0x7f;
  const code = (status >>> 8) & 0xff;
  if (status === 0xffff) return "{WIFCONTINUED(s)}";
  if (signal === 0) return `{WIFEXITED(s) && WEXITSTATUS(s) == ${code}}`;
  if (signal === 0x7f) {
    const event = status >>> 16;
    const what = event === 0 ? "" : ` | ${event} << 16`;
    return `{WIFSTOPPED(s) && WSTOPSIG(s) == ${signalName(code)}${what}}`;
  }
  const dumped = status & 0x80 ? " && WCOREDUMP(s)" : "";
  return `{WIFSIGNALED(s) && WTERMSIG(s) == ${signalName(signal)}${dumped}}`;
}

export const waitStatusOut: ArgType = late("status out", (v, call) => {
  if (call.result === 0) return address(v);
  const status = call.view.int(v);
  return status === null ? address(v) : `[${printWaitStatus(status)}]`;
});
export const rusageOut: ArgType = late("rusage out", (v, call) => {
  const view = call.view.view(v, Rusage.size);
  if (view === null) return address(v);
  const usage = Rusage.read(view, 0);
  return `{ru_utime=${Rusage.fields.ru_utime.print(usage.ru_utime)}, ru_stime=${
    Rusage.fields.ru_stime.print(usage.ru_stime)
  }, ...}`;
});
export const usageOf: ArgType = choice(new Enumeration(resources, /^RUSAGE_/, "RUSAGE_"), "who");
export const limitName: ArgType = choice(
  new Enumeration(resources, /^RLIMIT_/, "RLIMIT_"),
  "resource",
);

function printLimitValue(value: number): string {
  if (value === resources.RLIM_INFINITY) return "RLIM64_INFINITY";
  return value > 1024 && value % 1024 === 0 ? `${value / 1024}*1024` : String(value);
}

function printLimit(at: number, call: Call): string {
  const view = call.view.view(at, Rlimit.size);
  if (view === null) return address(at);
  const limit = Rlimit.read(view, 0);
  return `{rlim_cur=${printLimitValue(limit.rlim_cur)}, rlim_max=${
    printLimitValue(limit.rlim_max)
  }}`;
}

export const rlimitIn: ArgType = early("rlimit", (v, call) => printLimit(v, call));
export const rlimitOut: ArgType = late("rlimit out", (v, call) => printLimit(v, call));
export const utsnameOut: ArgType = late("utsname out", (v, call) => {
  const view = call.view.view(v, Utsname.size);
  if (view === null) return address(v);
  const names = Utsname.read(view, 0);
  return `{sysname=${JSON.stringify(names.sysname)}, nodename=${
    JSON.stringify(names.nodename)
  }, ...}`;
});
export const sysinfoOut: ArgType = valueOut(Sysinfo, "sysinfo out");

export const idOut: ArgType = cellOut(u32, "id out");
export const groupsIn: ArgType = arrayIn(u32, 0, "groups");
export const groupsOut: ArgType = onlyGroups(arrayOut(u32, "groups out"));

function onlyGroups(type: ArgType): ArgType {
  return {
    ...type,
    print: (v, call) => call.args[0] === 0 ? address(v) : type.print(v, call),
  };
}

export const policy: ArgType = early("policy", (v) => {
  const names = new Enumeration(sched, /^SCHED_(NORMAL|FIFO|RR|BATCH|IDLE|DEADLINE)$/, "SCHED_");
  names.set(sched.SCHED_NORMAL, "SCHED_OTHER");
  const reset = v & sched.SCHED_RESET_ON_FORK ? "|SCHED_RESET_ON_FORK" : "";
  return names.print(v & ~sched.SCHED_RESET_ON_FORK) + reset;
});
export const schedParamIn: ArgType = early("sched_param", (v, call) => {
  const priority = call.view.int(v);
  return priority === null ? address(v) : `[${priority}]`;
});
export const schedParamOut: ArgType = late("sched_param out", (v, call) => {
  const priority = call.view.int(v);
  return priority === null ? address(v) : `[${priority}]`;
});
export const schedAttrIn: ArgType = valueIn(SchedAttr, "sched_attr");
export const schedAttrOut: ArgType = valueOut(SchedAttr, "sched_attr out");
export const cpuSetIn: ArgType = early("cpu set", (v, call) => printCpuSet(v, call.args[1], call));
export const cpuSetOut: ArgType = late(
  "cpu set out",
  (v, call) => printCpuSet(v, call.result, call),
);

function printCpuSet(at: number, length: number, call: Call): string {
  const found = call.view.bytes(at, Math.min(length, 128));
  if (found === null) return address(at);
  const cpus: number[] = [];
  for (let i = 0; i < found.length * 8; i++) if (found[i >> 3] & (1 << (i & 7))) cpus.push(i);
  return `[${cpus.slice(0, ARRAY_LIMIT).join(" ")}${cpus.length > ARRAY_LIMIT ? " ..." : ""}]`;
}

export const priorityOf: ArgType = choice(
  new Enumeration(sched, /^PRIO_(PROCESS|PGRP|USER)$/, "PRIO_"),
  "who",
);

export const capHeader: ArgType = early("cap header", (v, call) => {
  const view = call.view.view(v, 8);
  if (view === null) return address(v);
  const version = view.getUint32(0, true);
  const names = new Enumeration(capabilities, /^LINUX_CAPABILITY_VERSION/, "_LINUX_CAPABILITY_");
  return `{version=_${names.print(version)}, pid=${view.getInt32(4, true)}}`.replace(
    "version=_0x",
    "version=0x",
  );
});

const capNames = new FlagSet(
  Object.fromEntries(
    Object.entries(capabilities)
      .filter(([name, n]) => /^CAP_(?!LAST)/.test(name) && typeof n === "number" && n < 32)
      .map(([name, n]) => [name, 2 ** Number(n)]),
  ),
  /./,
  "CAP_",
);

function printCapData(at: number, call: Call): string {
  const view = call.view.view(at, CapData.size);
  if (view === null) return address(at);
  const data = CapData.read(view, 0);
  return `{effective=${capNames.print(data.effective)}, permitted=${
    capNames.print(data.permitted)
  }, inheritable=${capNames.print(data.inheritable)}}`;
}

export const capDataIn: ArgType = early("cap data", (v, call) => printCapData(v, call));
export const capDataOut: ArgType = late("cap data out", (v, call) => printCapData(v, call));

const prctlNames = new Enumeration(
  prctls,
  /^PR_(GET|SET|CAP|CAPBSET|MCE|MPX|PAC|SCHED|TASK|FP|SVE|SME)_?(?!MM_|.*_(SHIFT|MASK)$)[A-Z]/,
  "PR_",
);
export const prctlOption: ArgType = choice(prctlNames, "prctl option");
const NO_ARGUMENT: ReadonlySet<number> = new Set([
  prctls.PR_GET_DUMPABLE,
  prctls.PR_GET_KEEPCAPS,
  prctls.PR_GET_SECCOMP,
  prctls.PR_GET_SECUREBITS,
  prctls.PR_GET_TIMERSLACK,
  prctls.PR_GET_NO_NEW_PRIVS,
  prctls.PR_GET_THP_DISABLE,
]);
export const prctlArgument: ArgType = {
  name: "prctl argument",
  late: true,
  print(v, call) {
    const option = call.args[0] | 0;
    if (NO_ARGUMENT.has(option)) return null;
    if (option === prctls.PR_SET_NAME) return printString(v, call, 15);
    if (option === prctls.PR_GET_NAME) {
      return call.result < 0 ? address(v) : printString(v, call, 15);
    }
    if (option === prctls.PR_SET_PDEATHSIG) return signalName(v | 0);
    if (option === prctls.PR_CAPBSET_READ || option === prctls.PR_CAPBSET_DROP) {
      return capabilities.capabilityName(v) ?? hex64(v);
    }
    if (option === prctls.PR_CAP_AMBIENT) {
      return new Enumeration(prctls, /^PR_CAP_AMBIENT_/, "PR_CAP_AMBIENT_").print(v | 0);
    }
    if (option === prctls.PR_SET_VMA) return v === 0 ? "PR_SET_VMA_ANON_NAME" : hex64(v);
    return Number.isInteger(v) && Math.abs(v) < 65536 ? String(v) : hex64(v);
  },
};

/** The last three arguments of prctl(2), which only a few options have. */
export const prctlRest: ArgType = onlyIf((call) => {
  const option = call.args[0] | 0;
  return option === prctls.PR_SET_VMA || option === prctls.PR_SET_MM ||
    option === prctls.PR_CAP_AMBIENT || option === prctls.PR_SET_NO_NEW_PRIVS ||
    option === prctls.PR_SET_SECCOMP || option === prctls.PR_SCHED_CORE;
}, early("prctl argument", (v) => Math.abs(v) < 65536 ? String(v) : hex64(v)));

export const archPrctlOption: ArgType = choice(
  new Enumeration(prctls, /^ARCH_/, "ARCH_"),
  "arch_prctl option",
);
export const archPrctlArgument: ArgType = {
  name: "address",
  late: true,
  print(v, call) {
    const option = call.args[0] | 0;
    const gets = option === prctls.ARCH_GET_FS || option === prctls.ARCH_GET_GS;
    const base = gets && call.result === 0 ? call.view.word(v) : null;
    return base === null ? address(v) : `[${address(base)}]`;
  },
};
export const persona: ArgType = early(
  "personality",
  (v) => (v | 0) === -1 ? "0xffffffff" : hex64(v >>> 0),
);
export const membarrierCommand: ArgType = choice(
  new Enumeration(prctls, /^MEMBARRIER_CMD_(?!FLAG)/, "MEMBARRIER_CMD_"),
  "membarrier command",
);
export const randomFlags: ArgType = flags(new FlagSet(prctls, /^GRND_/, "GRND_"), "random flags");
export const seccompOperation: ArgType = choice(
  new Enumeration(prctls, /^SECCOMP_(SET_MODE|GET_ACTION|GET_NOTIF)/, "SECCOMP_"),
  "seccomp operation",
);
export const seccompFlags: ArgType = flags(
  new FlagSet(prctls, /^SECCOMP_FILTER_FLAG_/, "SECCOMP_FILTER_FLAG_"),
  "seccomp flags",
);
export const ptraceRequest: ArgType = choice(
  new Enumeration(
    ptraces,
    /^PTRACE_(?!O_|EVENT_|EVENTMSG|SYSCALL_INFO_|PEEKSIGINFO_SHARED)/,
    "PTRACE_",
  ),
  "ptrace request",
);
export const kcmpType: ArgType = choice(new Enumeration(sched, /^KCMP_/, "KCMP_"), "kcmp type");
export const pidfdFlags: ArgType = flags(
  new FlagSet(sched, /^PIDFD_(NONBLOCK|THREAD)$/, "PIDFD_"),
  "pidfd flags",
);
export const wordOut: ArgType = cellOut(u64, "word out");
