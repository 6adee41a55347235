import { EFAULT, EINVAL, ENAMETOOLONG, EOPNOTSUPP } from "../../abi/errno.ts";
import { PATH_MAX } from "../../abi/fcntl.ts";
import { cString } from "../kernel/bytes.ts";
import type { Task } from "../kernel/task.ts";

/** Reads at most a page of option text; what lies beyond the end of memory does not matter. */
function readOptions(t: Task, address: number): string | number {
  if (address === 0) return "";
  const n = t.mm.copyInPartial(address, t.scratch, 0, 4096);
  return n <= 0 ? -EFAULT : cString(t.scratch, 0, n);
}

function readText(t: Task, address: number): string | number {
  return address === 0 ? "" : t.mm.readString(address, PATH_MAX);
}

export function sys_mount(t: Task): number {
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
