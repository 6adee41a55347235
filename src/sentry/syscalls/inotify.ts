/** inotify(7). */

import { EBADF, EINVAL, ENOTDIR } from "../../abi/errno.ts";
import {
  IN_ALL_EVENTS,
  IN_CLOEXEC,
  IN_DONT_FOLLOW,
  IN_MASK_ADD,
  IN_MASK_CREATE,
  IN_NONBLOCK,
  IN_ONLYDIR,
} from "../../abi/eventfd.ts";
import { AT_FDCWD, AT_SYMLINK_NOFOLLOW } from "../../abi/fcntl.ts";
import { InotifyFile } from "../fs/inotify/inotify.ts";
import type { Task } from "../kernel/task.ts";
import { MAY_READ, permission } from "../vfs/permissions.ts";
import { installNew } from "./eventfd.ts";

/** inotify_init(2). */
export function sys_inotify_init(t: Task): number {
  return installNew(t, new InotifyFile(t.kernel.vfs, 0), false);
}

/** inotify_init1(2). */
export function sys_inotify_init1(t: Task): number {
  const flags = t.args[0] >>> 0;
  if ((flags & ~(IN_CLOEXEC | IN_NONBLOCK)) !== 0) return -EINVAL;
  const file = new InotifyFile(t.kernel.vfs, flags & IN_NONBLOCK);
  return installNew(t, file, (flags & IN_CLOEXEC) !== 0);
}

/** inotify_add_watch(2). */
export function sys_inotify_add_watch(t: Task): number {
  const mask = t.args[2] >>> 0;
  if ((mask & IN_ALL_EVENTS) === 0) return -EINVAL;
  if ((mask & IN_MASK_ADD) !== 0 && (mask & IN_MASK_CREATE) !== 0) return -EINVAL;
  const file = t.files.get(t.args[0]);
  if (file === null) return -EBADF;
  if (!(file instanceof InotifyFile)) return -EINVAL;
  const path = t.pathArg(1);
  if (typeof path === "number") return path;
  const flags = (mask & IN_DONT_FOLLOW) !== 0 ? AT_SYMLINK_NOFOLLOW : 0;
  const inode = t.kernel.vfs.locate(t, AT_FDCWD, path, flags);
  if (typeof inode === "number") return inode;
  if ((mask & IN_ONLYDIR) !== 0 && !inode.isDir) return -ENOTDIR;
  const r = permission(t.creds, inode, MAY_READ);
  return r < 0 ? r : file.add(inode, mask);
}

/** inotify_rm_watch(2). */
export function sys_inotify_rm_watch(t: Task): number {
  const file = t.files.get(t.args[0]);
  if (file === null) return -EBADF;
  if (!(file instanceof InotifyFile)) return -EINVAL;
  return file.remove(t.args[1] | 0);
}
