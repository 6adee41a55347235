import { EACCES, EPERM } from "../../abi/errno.ts";
import { CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH, CAP_FOWNER } from "../../abi/capability.ts";
import { S_IFDIR, S_IFMT, S_ISVTX } from "../../abi/stat.ts";
import type { Credentials } from "../kernel/credentials.ts";
import type { Inode } from "./inode.ts";

/** What a permission check asks for; may be added up. */
export const MAY_EXEC = 1;
export const MAY_WRITE = 2;
export const MAY_READ = 4;

/** Whether `creds` may do `want` (MAY_* bits) to the inode, by its mode: 0 or -EACCES. */
export function permission(creds: Credentials, inode: Inode, want: number): number {
  const mode = inode.mode;
  let bits: number;
  if (creds.fsuid === inode.uid) bits = mode >> 6;
  else if (inode.acl !== null && (mode & 0o070) !== 0) {
    bits = inode.acl.check(creds, inode, want) === 0 ? want : 0;
  } else if (((mode >> 3) ^ mode) & want && creds.inGroup(inode.gid)) bits = mode >> 3;
  else bits = mode;
  if ((bits & want) === want) return 0;
  if ((mode & S_IFMT) === S_IFDIR) {
    if ((want & MAY_WRITE) === 0 && creds.capable(CAP_DAC_READ_SEARCH)) return 0;
    return creds.capable(CAP_DAC_OVERRIDE) ? 0 : -EACCES;
  }
  if (want === MAY_READ && creds.capable(CAP_DAC_READ_SEARCH)) return 0;
  // Execution needs at least one execute bit, even for the almighty.
  if (((want & MAY_EXEC) === 0 || (mode & 0o111) !== 0) && creds.capable(CAP_DAC_OVERRIDE)) {
    return 0;
  }
  return -EACCES;
}

/** Whether `creds` owns the inode or has the capability to act as if. */
export function ownerOrCapable(creds: Credentials, inode: Inode): boolean {
  return creds.fsuid === inode.uid || creds.capable(CAP_FOWNER);
}

/** Whether an entry of `dir` that names `child` may be removed or replaced: 0, -EACCES or -EPERM. */
export function mayDelete(creds: Credentials, dir: Inode, child: Inode): number {
  const r = permission(creds, dir, MAY_WRITE | MAY_EXEC);
  if (r !== 0) return r;
  if (
    (dir.mode & S_ISVTX) !== 0 && creds.fsuid !== child.uid && creds.fsuid !== dir.uid &&
    !creds.capable(CAP_FOWNER)
  ) return -EPERM;
  return 0;
}
