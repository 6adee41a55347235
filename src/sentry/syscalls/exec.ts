/** Running another program (execve(2), execveat(2)). */

import { E2BIG, EFAULT, EINVAL, ENAMETOOLONG } from "../../abi/errno.ts";
import { AT_EMPTY_PATH, AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "../../abi/fcntl.ts";
import { RLIMIT_STACK } from "../../abi/resource.ts";
import { continueExec, execTask } from "../kernel/task_exec.ts";
import type { Task } from "../kernel/task.ts";

/** Longest single argument, 32 pages (MAX_ARG_STRLEN). */
const MAX_STRING = 131072;
/** All together may be this, however large the stack may be: three quarters of 8 MiB. */
const MAX_TOTAL = 6 * 1024 * 1024;

/** execve(2). */
export function sys_execve(t: Task): number {
  return exec(t, AT_FDCWD, 0, t.args[1], t.args[2], 0);
}

/** execveat(2). */
export function sys_execveat(t: Task): number {
  const flags = t.args[4] | 0;
  if ((flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW)) !== 0) return -EINVAL;
  return exec(t, t.args[0] | 0, 1, t.args[2], t.args[3], flags);
}

function exec(
  t: Task,
  dirfd: number,
  pathIndex: number,
  argvAddress: number,
  envAddress: number,
  flags: number,
): number {
  if (t.block.runs > 0) return continueExec(t);
  const path = t.pathArg(pathIndex);
  if (typeof path === "number") return path;
  const limit = Math.min(MAX_TOTAL, Math.max(MAX_STRING, t.group.rlimits.soft[RLIMIT_STACK] / 4));
  const argv: string[] = [];
  let room = readStrings(t, argvAddress, limit, argv);
  if (room < 0) return room;
  // A program that counts on its name being there must not find its environment instead (Linux 5.18).
  if (argv.length === 0) argv.push("");
  const env: string[] = [];
  room = readStrings(t, envAddress, room, env);
  if (room < 0) return room;
  return execTask(t, dirfd, path, flags, argv, env);
}

/** Reads a list of strings; the bytes left of `room`, or a negative errno. */
function readStrings(t: Task, address: number, room: number, into: string[]): number {
  if (address === 0) return room;
  for (let at = address;; at += 8) {
    const pointer = t.mm.readU64(at);
    if (pointer < 0) return -EFAULT;
    if (pointer === 0) return room;
    const text = t.mm.readString(pointer, MAX_STRING);
    if (typeof text === "number") return text === -ENAMETOOLONG ? -E2BIG : text;
    room -= text.length + 1 + 8;
    if (room < 0) return -E2BIG;
    into.push(text);
  }
}
