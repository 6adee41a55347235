/** All system call families, bound to their numbers. */

import * as attr from "./attr.ts";
import * as dir from "./dir.ts";
import { bindHandlers } from "./dispatch.ts";
import * as epoll from "./epoll.ts";
import * as eventfd from "./eventfd.ts";
import * as exec from "./exec.ts";
import * as fcntl from "./fcntl.ts";
import * as futex from "./futex.ts";
import * as identity from "./identity.ts";
import * as inotify from "./inotify.ts";
import * as io from "./io.ts";
import * as ioctl from "./ioctl.ts";
import * as ipc from "./ipc.ts";
import * as jobControl from "./job_control.ts";
import * as keys from "./keys.ts";
import * as limits from "./limits.ts";
import * as membarrier from "./membarrier.ts";
import * as memfd from "./memfd.ts";
import * as memory from "./memory.ts";
import * as memoryOfOthers from "./memory_of_others.ts";
import * as memoryPolicy from "./memory_policy.ts";
import * as misc from "./misc.ts";
import * as mount from "./mount.ts";
import * as mountNew from "./mount_new.ts";
import * as namespace from "./namespace.ts";
import * as open from "./open.ts";
import * as path from "./path.ts";
import * as pidfd from "./pidfd.ts";
import * as pipe from "./pipe.ts";
import * as poll from "./poll.ts";
import * as prctl from "./prctl.ts";
import * as process from "./process.ts";
import * as rw from "./rw.ts";
import * as sched from "./sched.ts";
import * as seccomp from "./seccomp.ts";
import * as signal from "./signal.ts";
import * as socket from "./socket.ts";
import * as stat from "./stat.ts";
import * as sync from "./sync.ts";
import * as time from "./time.ts";
import * as timer from "./timer.ts";
import * as transfer from "./transfer.ts";
import * as usage from "./usage.ts";
import * as xattr from "./xattr.ts";
import type { SyscallHandler } from "../kernel/task.ts";

/** Handlers by system call number; undefined where `refusal` answers. */
export const handlers: readonly (SyscallHandler | undefined)[] = bindHandlers({
  attr,
  dir,
  epoll,
  eventfd,
  exec,
  fcntl,
  futex,
  identity,
  inotify,
  io,
  ioctl,
  ipc,
  jobControl,
  keys,
  limits,
  membarrier,
  memfd,
  memory,
  memoryOfOthers,
  memoryPolicy,
  misc,
  mount,
  mountNew,
  namespace,
  open,
  path,
  pidfd,
  pipe,
  poll,
  prctl,
  process,
  rw,
  sched,
  seccomp,
  signal,
  socket,
  stat,
  sync,
  time,
  timer,
  transfer,
  usage,
  xattr,
}) as readonly (SyscallHandler | undefined)[];
