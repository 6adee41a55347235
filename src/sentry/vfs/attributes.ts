import { EACCES, EFBIG, EINVAL, EISDIR, EPERM, EROFS, ETXTBSY } from "../../abi/errno.ts";
import { CAP_CHOWN, CAP_FSETID } from "../../abi/capability.ts";
import { IN_ATTRIB, IN_MODIFY } from "../../abi/eventfd.ts";
import { S_IFDIR, S_IFMT, S_IFREG, S_ISGID, S_ISUID, S_IXGRP } from "../../abi/stat.ts";
import type { VfsContext } from "./context.ts";
import type { Dentry } from "./dentry.ts";
import { MAX_OFFSET } from "./file.ts";
import type { Inode } from "./inode.ts";
import type { Mount } from "./mount.ts";
import { notifyDentry } from "./notify.ts";
import { MAY_WRITE, ownerOrCapable, permission } from "./permissions.ts";
import { ATTR, SetAttr } from "./set_attr.ts";

// Used again for every change; nothing that it is handed to keeps it.
const attr = new SetAttr();

function apply(ctx: VfsContext, dentry: Dentry): number {
  const inode = dentry.inode!;
  attr.stampChange(ctx.kernel.clock.realtime());
  const r = inode.setattr(ctx, attr);
  if (r !== 0) return r;
  // Who may search a directory matters to remembered walks.
  if (inode.isDir && (attr.valid & (ATTR.MODE | ATTR.UID | ATTR.GID)) !== 0) {
    inode.fs.vfs.dentries.generation++;
  }
  notifyDentry(dentry, IN_ATTRIB);
  return 0;
}

/** chmod(2) of what a walk found. */
export function changeMode(ctx: VfsContext, mount: Mount, dentry: Dentry, mode: number): number {
  const inode = dentry.inode!;
  if (mount.readOnly) return -EROFS;
  if (!ownerOrCapable(ctx.creds, inode)) return -EPERM;
  mode &= 0o7777;
  if (
    (mode & S_ISGID) !== 0 && !ctx.creds.inGroup(inode.gid) && !ctx.creds.capable(CAP_FSETID)
  ) mode &= ~S_ISGID;
  attr.valid = ATTR.MODE;
  attr.mode = mode;
  const r = apply(ctx, dentry);
  if (r === 0 && inode.acl !== null) inode.acl = inode.acl.withMode(mode);
  return r;
}

/** chown(2) of what a walk found; -1 leaves an id as it is. */
export function changeOwner(
  ctx: VfsContext,
  mount: Mount,
  dentry: Dentry,
  uid: number,
  gid: number,
): number {
  const inode = dentry.inode!;
  if (mount.readOnly) return -EROFS;
  const creds = ctx.creds;
  attr.valid = 0;
  if (uid !== -1) {
    if ((creds.fsuid !== inode.uid || uid !== inode.uid) && !creds.capable(CAP_CHOWN)) {
      return -EPERM;
    }
    attr.valid |= ATTR.UID;
    attr.uid = uid;
  }
  if (gid !== -1) {
    const mayGive = creds.fsuid === inode.uid && (gid === inode.gid || creds.inGroup(gid));
    if (!mayGive && !creds.capable(CAP_CHOWN)) return -EPERM;
    attr.valid |= ATTR.GID;
    attr.gid = gid;
  }
  const killed = (inode.mode & S_IFMT) === S_IFDIR ? 0 : privilegeBits(inode.mode);
  if (killed !== 0) {
    attr.valid |= ATTR.MODE;
    attr.mode = inode.mode & 0o7777 & ~killed;
  }
  return apply(ctx, dentry);
}

/** The bits that a change of owner or content takes away: set-user-ID, and set-group-ID if it runs. */
export function privilegeBits(mode: number): number {
  return (mode & S_ISUID) | ((mode & S_IXGRP) !== 0 ? mode & S_ISGID : 0);
}

/** Takes the set-ID bits away when someone writes (inode(7)). Hot: the first line decides nearly always. */
export function dropPrivileges(ctx: VfsContext, inode: Inode): void {
  const killed = (inode.mode & (S_ISUID | S_ISGID)) === 0 ? 0 : privilegeBits(inode.mode);
  if (killed === 0 || ctx.creds.capable(CAP_FSETID)) return;
  attr.valid = ATTR.MODE;
  attr.mode = inode.mode & 0o7777 & ~killed;
  attr.stampChange(ctx.kernel.clock.realtime());
  inode.setattr(ctx, attr);
}

/** One time of utimensat(2). */
export class TimeChoice {
  /** 0 leave, 1 now, 2 as given. */
  kind = 0;
  sec = 0;
  nsec = 0;
}

/** utimensat(2) of what a walk found. */
export function changeTimes(
  ctx: VfsContext,
  mount: Mount,
  dentry: Dentry,
  atime: TimeChoice,
  mtime: TimeChoice,
): number {
  if (atime.kind === 0 && mtime.kind === 0) return 0;
  const inode = dentry.inode!;
  if (mount.readOnly) return -EROFS;
  if (!ownerOrCapable(ctx.creds, inode)) {
    // Setting both to now needs only the right to write.
    if (atime.kind !== 1 || mtime.kind !== 1) return -EPERM;
    const r = permission(ctx.creds, inode, MAY_WRITE);
    if (r !== 0) return -EACCES;
  }
  attr.valid = 0;
  const now = ctx.kernel.clock.realtime();
  const sec = Math.floor(now / 1e9);
  const nsec = Math.floor(now - sec * 1e9);
  if (atime.kind !== 0) {
    attr.valid |= atime.kind === 1 ? ATTR.ATIME | ATTR.ATIME_NOW : ATTR.ATIME;
    attr.atimeSec = atime.kind === 1 ? sec : atime.sec;
    attr.atimeNsec = atime.kind === 1 ? nsec : atime.nsec;
  }
  if (mtime.kind !== 0) {
    attr.valid |= mtime.kind === 1 ? ATTR.MTIME | ATTR.MTIME_NOW : ATTR.MTIME;
    attr.mtimeSec = mtime.kind === 1 ? sec : mtime.sec;
    attr.mtimeNsec = mtime.kind === 1 ? nsec : mtime.nsec;
  }
  return apply(ctx, dentry);
}

/** truncate(2) of what a walk found. */
export function truncatePath(ctx: VfsContext, mount: Mount, dentry: Dentry, size: number): number {
  const inode = dentry.inode!;
  const type = inode.mode & S_IFMT;
  if (type === S_IFDIR) return -EISDIR;
  if (type !== S_IFREG) return -EINVAL;
  if (mount.readOnly) return -EROFS;
  const r = permission(ctx.creds, inode, MAY_WRITE);
  if (r !== 0) return r;
  if (inode.writers < 0) return -ETXTBSY;
  return truncateInode(ctx, dentry, inode, size);
}

/** Sets the size of a regular file after the checks of permission. */
export function truncateInode(
  ctx: VfsContext,
  dentry: Dentry,
  inode: Inode,
  size: number,
): number {
  if (size > MAX_OFFSET) return -EFBIG;
  dropPrivileges(ctx, inode);
  const r = inode.truncate(ctx, size);
  if (r === 0) notifyDentry(dentry, IN_MODIFY);
  return r;
}
