import { EFAULT, EINVAL, ENAMETOOLONG, EOPNOTSUPP } from "../../abi/errno.ts";
import { PATH_MAX } from "../../abi/fcntl.ts";
import { cString } from "../kernel/bytes.ts";
import { MS_BIND, MS_MOVE, MS_REMOUNT } from "../../abi/mount.ts";
import type { Task } from "../kernel/task.ts";
import { mountFamily } from "./mount_new.ts";

const mountRare = mountFamily.handler("mount");

/** Reads at most a page of option text; what lies beyond the end of memory does not matter. */
function readOptions(t: Task, address: number): string | number {
  if (address === 0) return "";
  const n = t.mm.copyInPartial(address, t.scratch, 0, 4096);
  return n <= 0 ? -EFAULT : cString(t.scratch, 0, n);
}

function readText(t: Task, address: number): string | number {
  return address === 0 ? "" : t.mm.readString(address, PATH_MAX);
}

/** mount(2), by types that are loaded. */
export function mountAny(t: Task): number {
  const a = t.args;
  const source = readText(t, a[0]);
  if (typeof source === "number") return source;
  const target = t.pathArg(1);
  if (typeof target === "number") return target;
  const type = readText(t, a[2]);
  if (typeof type === "number") return type === -ENAMETOOLONG ? -EINVAL : type;
  const data = readOptions(t, a[4]);
  if (typeof data === "number") return data;
  return t.kernel.vfs.mount(t, source, target, type, a[3] | 0, data);
}

export function sys_mount(t: Task): number {
  // Other flags than these need a type, and this one is rare enough to be loaded then.
  const plain = (t.args[3] & (MS_REMOUNT | MS_BIND | MS_MOVE)) === 0;
  return plain && readText(t, t.args[2]) === "overlay" ? mountRare(t) : mountAny(t);
}

export function sys_umount2(t: Task): number {
  const target = t.pathArg(0);
  return typeof target === "number" ? target : t.kernel.vfs.umount(t, target, t.args[1] | 0);
}

export function sys_pivot_root(t: Task): number {
  const newRoot = t.pathArg(0);
  if (typeof newRoot === "number") return newRoot;
  const putOld = t.pathArg(1);
  return typeof putOld === "number" ? putOld : t.kernel.vfs.pivotRoot(t, newRoot, putOld);
}

export function sys_name_to_handle_at(_t: Task): number {
  return -EOPNOTSUPP;
}
