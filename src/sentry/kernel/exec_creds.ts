/** How execve(2) changes credentials: set-user-ID files, file capabilities, root (capabilities(7)). */

import {
  SECBIT_KEEP_CAPS,
  SECBIT_NOROOT,
  VFS_CAP_FLAGS_EFFECTIVE,
  VFS_CAP_REVISION_1,
  VFS_CAP_REVISION_2,
  VFS_CAP_REVISION_3,
  VFS_CAP_REVISION_MASK,
} from "../../abi/capability.ts";
import { MS_NOSUID } from "../../abi/mount.ts";
import { S_ISGID, S_ISUID, S_IXGRP } from "../../abi/stat.ts";
import type { VfsContext } from "../vfs/context.ts";
import type { File } from "../vfs/file.ts";
import { CapabilitySet, type Credentials } from "./credentials.ts";

/** Capabilities that a file gives to whoever runs it. */
class FileCapabilities {
  constructor(
    readonly permitted: CapabilitySet,
    readonly inheritable: CapabilitySet,
    readonly effective: boolean,
  ) {}
}

/** Credentials of a program that is about to start. */
export class ExecCredentials {
  constructor(
    readonly creds: Credentials,
    /** AT_SECURE: the C library must not trust the environment. */
    readonly secure: boolean,
  ) {}
}

/** The credentials that `ctx` has after it executes `file`. */
export function execCredentials(ctx: VfsContext, file: File): ExecCredentials {
  const old = ctx.creds;
  const creds = old.clone();
  const inode = file.inode;
  const root = old.userNs.toKuid(0);
  const mayGain = !old.noNewPrivs && (file.path.mount.flags & MS_NOSUID) === 0;
  if (mayGain && old.userNs.hasKuid(inode.uid) && old.userNs.hasKgid(inode.gid)) {
    if ((inode.mode & S_ISUID) !== 0) creds.euid = inode.uid;
    // Without the execute bit for the group it once meant mandatory locking.
    if ((inode.mode & (S_ISGID | S_IXGRP)) === (S_ISGID | S_IXGRP)) creds.egid = inode.gid;
  }
  let caps = mayGain ? fileCapabilities(ctx, file) : null;
  const hadFileCaps = caps !== null;
  if ((creds.securebits & SECBIT_NOROOT) === 0 && (creds.euid === root || creds.ruid === root)) {
    // A set-user-ID-root file with capabilities gives only those to others.
    if (!(hadFileCaps && creds.ruid !== root && creds.euid === root)) {
      const full = CapabilitySet.full();
      const effective = creds.euid === root || (caps !== null && caps.effective);
      caps = new FileCapabilities(full, full, effective);
    }
  }
  const setid = creds.euid !== old.euid || creds.egid !== old.egid;
  if (setid || hadFileCaps) creds.ambient = CapabilitySet.empty();
  let permitted = creds.ambient.clone();
  if (caps !== null) {
    permitted = permitted.or(old.inheritable.and(caps.inheritable))
      .or(caps.permitted.and(creds.bounding));
  }
  creds.permitted = permitted;
  creds.effective = caps !== null && caps.effective ? permitted.clone() : creds.ambient.clone();
  creds.securebits &= ~SECBIT_KEEP_CAPS;
  creds.suid = creds.fsuid = creds.euid;
  creds.sgid = creds.fsgid = creds.egid;
  const gained = creds.ruid !== root && !creds.effective.isSubsetOf(creds.ambient);
  const secure = setid || creds.euid !== creds.ruid || creds.egid !== creds.rgid || gained;
  return new ExecCredentials(creds, secure);
}

/** Reads the attribute security.capability; null for a file without it, or with one for another namespace. */
function fileCapabilities(ctx: VfsContext, file: File): FileCapabilities | null {
  const value = file.inode.getxattr(ctx, "security.capability");
  if (typeof value === "number" || value.length < 12) return null;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  const magic = view.getUint32(0, true);
  const revision = (magic & VFS_CAP_REVISION_MASK) >>> 0;
  const two = revision === VFS_CAP_REVISION_2 || revision === VFS_CAP_REVISION_3;
  if (!two && revision !== VFS_CAP_REVISION_1) return null;
  if (two && value.length < 20) return null;
  if (revision === VFS_CAP_REVISION_3 && value.length >= 24) {
    if (view.getUint32(20, true) !== ctx.creds.userNs.toKuid(0)) return null;
  }
  return new FileCapabilities(
    new CapabilitySet(view.getInt32(4, true), two ? view.getInt32(12, true) : 0),
    new CapabilitySet(view.getInt32(8, true), two ? view.getInt32(16, true) : 0),
    (magic & VFS_CAP_FLAGS_EFFECTIVE) !== 0,
  );
}
