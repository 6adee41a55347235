import { EBADF, EINVAL, ENAMETOOLONG, ENOENT, ENOTDIR, EPERM, ERANGE } from "../../abi/errno.ts";
import { CAP_SYS_CHROOT } from "../../abi/capability.ts";
import { AT_FDCWD, O_PATH, PATH_MAX } from "../../abi/fcntl.ts";
import { write64 } from "../../abi/int64.ts";
import { putString } from "../kernel/bytes.ts";
import type { Task } from "../kernel/task.ts";
import type { DirSink } from "../vfs/file.ts";
import { Path, pathName } from "../vfs/path.ts";
import { MAY_EXEC, permission } from "../vfs/permissions.ts";

const BUFFER_SIZE = 32768;

/** Lays directory entries out as getdents64(2) or getdents(2) return them. */
class DirentSink implements DirSink {
  readonly bytes: Uint8Array = new Uint8Array(BUFFER_SIZE);
  private readonly view: DataView = new DataView(this.bytes.buffer);
  used = 0;
  private limit = 0;
  private old = false;
  /** An entry was refused for want of room. */
  full = false;

  reset(limit: number, old: boolean): void {
    this.used = 0;
    this.limit = Math.min(limit, BUFFER_SIZE);
    this.old = old;
    this.full = false;
  }

  put(name: string, ino: number, type: number, nextOffset: number): boolean {
    const at = this.used;
    // The old layout has the name one byte earlier, and the type in the last byte.
    const length = (this.old ? name.length + 20 + 7 : 19 + name.length + 1 + 7) & ~7;
    if (at + length > this.limit) {
      this.full = true;
      return false;
    }
    const view = this.view;
    write64(view, at, ino);
    write64(view, at + 8, nextOffset);
    view.setUint16(at + 16, length, true);
    this.bytes.fill(0, at + 18, at + length);
    if (this.old) {
      putString(this.bytes, at + 18, name);
      this.bytes[at + length - 1] = type;
    } else {
      this.bytes[at + 18] = type;
      putString(this.bytes, at + 19, name);
    }
    this.used = at + length;
    return true;
  }
}

const sink = new DirentSink();

function getdents(t: Task, old: boolean): number {
  const file = t.files.get(t.args[0] | 0);
  if (file === null || (file.flags & O_PATH) !== 0) return -EBADF;
  const pos = file.pos;
  sink.reset(t.args[2] >>> 0, old);
  const r = file.readdir(t, sink);
  if (r < 0) return r;
  if (sink.used === 0) return sink.full ? -EINVAL : 0;
  const c = t.mm.copyOut(t.args[1], sink.bytes, 0, sink.used);
  if (c !== 0) {
    file.pos = pos;
    return c;
  }
  return sink.used;
}

export function sys_getdents64(t: Task): number {
  return getdents(t, false);
}

export function sys_getdents(t: Task): number {
  return getdents(t, true);
}

export function sys_getcwd(t: Task): number {
  const cwd = t.fs.cwd;
  if (!cwd.dentry.hashed && cwd.dentry !== cwd.mount.root) return -ENOENT;
  const name = pathName(cwd, t.fs.root, "(unreachable)");
  const size = t.args[1];
  const length = name.length + 1;
  if (length > PATH_MAX) return -ENAMETOOLONG;
  if (size >= 0 && size < length) return -ERANGE;
  putString(t.scratch, 0, name);
  t.scratch[name.length] = 0;
  const r = t.copyOut(t.args[0], length);
  return r !== 0 ? r : length;
}

export function sys_chdir(t: Task): number {
  const path = t.pathArg(0);
  if (typeof path === "number") return path;
  const at = t.kernel.vfs.resolve(t, AT_FDCWD, path);
  if (typeof at === "number") return at;
  return enter(t, at);
}

export function sys_fchdir(t: Task): number {
  const file = t.files.get(t.args[0] | 0);
  return file === null ? -EBADF : enter(t, file.path);
}

function enter(t: Task, at: Path): number {
  const inode = at.inode;
  if (!inode.isDir) return -ENOTDIR;
  const r = permission(t.creds, inode, MAY_EXEC);
  if (r !== 0) return r;
  t.fs.setCwd(at);
  return 0;
}

export function sys_chroot(t: Task): number {
  const path = t.pathArg(0);
  if (typeof path === "number") return path;
  const at = t.kernel.vfs.resolve(t, AT_FDCWD, path);
  if (typeof at === "number") return at;
  if (!at.inode.isDir) return -ENOTDIR;
  const r = permission(t.creds, at.inode, MAY_EXEC);
  if (r !== 0) return r;
  if (!t.creds.capable(CAP_SYS_CHROOT)) return -EPERM;
  t.fs.setRoot(at);
  return 0;
}
