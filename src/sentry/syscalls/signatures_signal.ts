/** Signatures of system calls on signals. */

import { fd, hexInt, noResult, pid, size } from "./arg_types.ts";
import * as s from "./arg_types_signal.ts";
import { timespecIn } from "./arg_types_time.ts";
import type { Signatures } from "./table.ts";

export const signalSignatures: Signatures = {
  rt_sigaction: [[s.signal, s.sigactionIn, s.sigactionOut, size]],
  rt_sigprocmask: [[s.maskHow, s.sigsetIn, s.sigsetOut, size]],
  rt_sigreturn: [[], noResult],
  pause: [[]],
  kill: [[pid, s.signal]],
  rt_sigpending: [[s.sigsetOut, size]],
  rt_sigtimedwait: [[s.sigsetIn, s.siginfoOut, timespecIn, size]],
  rt_sigqueueinfo: [[pid, s.signal, s.siginfoIn]],
  rt_sigsuspend: [[s.sigsetIn, size]],
  sigaltstack: [[s.stackIn, s.stackOut]],
  tkill: [[pid, s.signal]],
  tgkill: [[pid, pid, s.signal]],
  signalfd: [[fd, s.sigsetIn, size]],
  signalfd4: [[fd, s.sigsetIn, size, s.signalfdFlags]],
  rt_tgsigqueueinfo: [[pid, pid, s.signal, s.siginfoIn]],
  pidfd_send_signal: [[fd, s.signal, s.siginfoIn, hexInt]],
};
