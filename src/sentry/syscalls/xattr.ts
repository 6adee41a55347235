import {
  E2BIG,
  EACCES,
  EBADF,
  EFAULT,
  EINVAL,
  ENODATA,
  EOPNOTSUPP,
  EPERM,
  ERANGE,
  EROFS,
} from "../../abi/errno.ts";
import { CAP_SETFCAP, CAP_SYS_ADMIN } from "../../abi/capability.ts";
import { IN_ATTRIB } from "../../abi/eventfd.ts";
import {
  AT_FDCWD,
  AT_SYMLINK_NOFOLLOW,
  O_PATH,
  XATTR_LIST_MAX,
  XATTR_NAME_MAX,
  XATTR_SIZE_MAX,
} from "../../abi/fcntl.ts";
import { XATTR_CREATE, XATTR_REPLACE } from "../../abi/mount.ts";
import { S_IFDIR, S_IFMT, S_IFREG, S_ISVTX } from "../../abi/stat.ts";
import { putString } from "../kernel/bytes.ts";
import type { Task } from "../kernel/task.ts";
import type { Dentry } from "../vfs/dentry.ts";
import type { Inode } from "../vfs/inode.ts";
import type { Mount } from "../vfs/mount.ts";
import { Acl, ACL_ACCESS, ACL_DEFAULT } from "../vfs/acl.ts";
import { changeMode } from "../vfs/attributes.ts";
import { notifyDentry } from "../vfs/notify.ts";
import { MAY_READ, MAY_WRITE, ownerOrCapable, permission } from "../vfs/permissions.ts";

// What the first argument led to.
let mount: Mount | null = null;
let dentry: Dentry | null = null;

/** Finds the file by the path of argument 0. */
function byPath(t: Task, flags: number): Inode | number {
  const path = t.pathArg(0);
  if (typeof path === "number") return path;
  const vfs = t.kernel.vfs;
  const inode = vfs.locate(t, AT_FDCWD, path, flags);
  mount = vfs.walk.mount;
  dentry = vfs.walk.dentry;
  return inode;
}

/** Finds the file by the descriptor of argument 0. */
function byFd(t: Task): Inode | number {
  const file = t.files.get(t.args[0] | 0);
  if (file === null || (file.flags & O_PATH) !== 0) return -EBADF;
  mount = file.path.mount;
  dentry = file.path.dentry;
  return file.inode;
}

function readName(t: Task): string | number {
  const name = t.mm.readString(t.args[1], XATTR_NAME_MAX + 1);
  if (typeof name === "number") return name === -EFAULT ? name : -ERANGE;
  return name === "" ? -ERANGE : name;
}

/** Who may use which attributes (xattr(7)). */
function mayUse(t: Task, inode: Inode, name: string, write: boolean): number {
  if (write && mount!.readOnly) return -EROFS;
  if (name.startsWith("security.")) {
    return write && name === "security.capability" && !t.creds.capable(CAP_SETFCAP) ? -EPERM : 0;
  }
  if (name.startsWith("trusted.")) {
    if (t.creds.capable(CAP_SYS_ADMIN)) return 0;
    return write ? -EPERM : -ENODATA;
  }
  if (!name.startsWith("user.")) return -EOPNOTSUPP;
  const type = inode.mode & S_IFMT;
  if (type !== S_IFREG && type !== S_IFDIR) return write ? -EPERM : -ENODATA;
  if (
    write && type === S_IFDIR && (inode.mode & S_ISVTX) !== 0 && !ownerOrCapable(t.creds, inode)
  ) return -EPERM;
  return permission(t.creds, inode, write ? MAY_WRITE : MAY_READ);
}

function getAcl(inode: Inode, name: string): Uint8Array | number {
  if (!inode.supportsAcl) return -EOPNOTSUPP;
  const acl = name === ACL_ACCESS ? inode.acl : inode.defaultAcl;
  return acl === null ? -ENODATA : acl.bytes();
}

/** Sets or removes an access control list; an access list that says no more than a mode becomes one. */
function setAcl(t: Task, inode: Inode, name: string, value: Uint8Array | null): number {
  if (mount!.readOnly) return -EROFS;
  if (!inode.supportsAcl) return -EOPNOTSUPP;
  // A list without entries is as good as none.
  const none = value === null || value.length === 4;
  const acl = none ? null : Acl.parse(value);
  if (!none && acl === null) return -EINVAL;
  if (name === ACL_DEFAULT && !inode.isDir) return acl === null ? 0 : -EACCES;
  if (!ownerOrCapable(t.creds, inode)) return -EPERM;
  if (name === ACL_DEFAULT) {
    inode.defaultAcl = acl;
    inode.touchChanged(t.kernel.clock.realtime());
    return 0;
  }
  inode.acl = null;
  if (acl !== null) {
    const r = changeMode(t, mount!, dentry!, (inode.mode & 0o7000) | acl.mode);
    if (r !== 0) return r;
    if (!acl.isPlain) inode.acl = acl;
  } else {
    inode.touchChanged(t.kernel.clock.realtime());
  }
  t.kernel.vfs.dentries.generation++;
  return 0;
}

function set(t: Task, inode: Inode | number): number {
  if (typeof inode === "number") return inode;
  const flags = t.args[4] | 0;
  const size = t.args[3];
  if ((flags & ~(XATTR_CREATE | XATTR_REPLACE)) !== 0) return -EINVAL;
  const name = readName(t);
  if (typeof name === "number") return name;
  if (size < 0 || size > XATTR_SIZE_MAX) return -E2BIG;
  const value = new Uint8Array(size);
  if (size > 0 && t.mm.copyIn(t.args[2], value, 0, size) !== 0) return -EFAULT;
  if (name === ACL_ACCESS || name === ACL_DEFAULT) return setAcl(t, inode, name, value);
  const allowed = mayUse(t, inode, name, true);
  if (allowed !== 0) return allowed;
  const r = inode.setxattr(t, name, value, flags);
  if (r === 0) notifyDentry(dentry!, IN_ATTRIB);
  return r;
}

function get(t: Task, inode: Inode | number): number {
  if (typeof inode === "number") return inode;
  const name = readName(t);
  if (typeof name === "number") return name;
  const isAcl = name === ACL_ACCESS || name === ACL_DEFAULT;
  const allowed = isAcl ? 0 : mayUse(t, inode, name, false);
  if (allowed !== 0) return allowed;
  const value = isAcl ? getAcl(inode, name) : inode.getxattr(t, name);
  if (typeof value === "number") return value;
  const size = t.args[3];
  if (size === 0) return value.length;
  if (size > 0 && value.length > size) return -ERANGE;
  return t.mm.copyOut(t.args[2], value, 0, value.length) !== 0 ? -EFAULT : value.length;
}

function list(t: Task, inode: Inode | number): number {
  if (typeof inode === "number") return inode;
  let names = inode.listxattr(t);
  if (typeof names === "number") return names;
  if (inode.acl !== null) names = [...names, ACL_ACCESS];
  if (inode.defaultAcl !== null) names = [...names, ACL_DEFAULT];
  const all = t.creds.capable(CAP_SYS_ADMIN);
  let length = 0;
  for (const n of names) if (all || !n.startsWith("trusted.")) length += n.length + 1;
  const size = t.args[2];
  if (size === 0) return length;
  if (length > XATTR_LIST_MAX) return -E2BIG;
  if (size > 0 && length > size) return -ERANGE;
  const bytes = new Uint8Array(length);
  let at = 0;
  for (const n of names) {
    if (all || !n.startsWith("trusted.")) at += putString(bytes, at, n) + 1;
  }
  return t.mm.copyOut(t.args[1], bytes, 0, length) !== 0 ? -EFAULT : length;
}

function remove(t: Task, inode: Inode | number): number {
  if (typeof inode === "number") return inode;
  const name = readName(t);
  if (typeof name === "number") return name;
  if (name === ACL_ACCESS || name === ACL_DEFAULT) return setAcl(t, inode, name, null);
  const allowed = mayUse(t, inode, name, true);
  if (allowed !== 0) return allowed;
  const r = inode.removexattr(t, name);
  if (r === 0) notifyDentry(dentry!, IN_ATTRIB);
  return r;
}

export function sys_setxattr(t: Task): number {
  return set(t, byPath(t, 0));
}

export function sys_lsetxattr(t: Task): number {
  return set(t, byPath(t, AT_SYMLINK_NOFOLLOW));
}

export function sys_fsetxattr(t: Task): number {
  return set(t, byFd(t));
}

export function sys_getxattr(t: Task): number {
  return get(t, byPath(t, 0));
}

export function sys_lgetxattr(t: Task): number {
  return get(t, byPath(t, AT_SYMLINK_NOFOLLOW));
}

export function sys_fgetxattr(t: Task): number {
  return get(t, byFd(t));
}

export function sys_listxattr(t: Task): number {
  return list(t, byPath(t, 0));
}

export function sys_llistxattr(t: Task): number {
  return list(t, byPath(t, AT_SYMLINK_NOFOLLOW));
}

export function sys_flistxattr(t: Task): number {
  return list(t, byFd(t));
}

export function sys_removexattr(t: Task): number {
  return remove(t, byPath(t, 0));
}

export function sys_lremovexattr(t: Task): number {
  return remove(t, byPath(t, AT_SYMLINK_NOFOLLOW));
}

export function sys_fremovexattr(t: Task): number {
  return remove(t, byFd(t));
}
