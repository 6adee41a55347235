/** Paths that a container shall not see, or not change. */

import { ENOENT, ENOTDIR, errnoText } from "../abi/errno.ts";
import { MS_BIND, MS_RDONLY, MS_REC, MS_REMOUNT } from "../abi/mount.ts";
import { RunscError } from "../container/error.ts";
import type { OciLinux } from "../container/oci_spec.ts";
import type { VfsContext } from "../sentry/vfs/context.ts";
import { byteText } from "./process_spec.ts";

const AT_FDCWD = -100;

/** Covers `maskedPaths` and makes `readonlyPaths` read-only; paths that are not there are left out, as runc does. */
export function protectPaths(
  ctx: VfsContext,
  linux: Pick<OciLinux, "maskedPaths" | "readonlyPaths"> | undefined,
): void {
  const vfs = ctx.kernel.vfs;
  for (const path of linux?.readonlyPaths ?? []) {
    const at = byteText(path);
    let r = vfs.mount(ctx, at, at, "", MS_BIND | MS_REC, "");
    if (r === 0) r = vfs.mount(ctx, at, at, "", MS_BIND | MS_REMOUNT | MS_RDONLY, "");
    check(r, path, "read-only");
  }
  for (const path of linux?.maskedPaths ?? []) {
    const at = byteText(path);
    const inode = vfs.locate(ctx, AT_FDCWD, at, 0);
    if (typeof inode === "number") check(inode, path, "hidden");
    else if (inode.isDir) {
      check(vfs.mount(ctx, "tmpfs", at, "tmpfs", MS_RDONLY, ""), path, "hidden");
    } else check(vfs.mount(ctx, "/dev/null", at, "", MS_BIND, ""), path, "hidden");
  }
}

function check(r: number, path: string, how: string): void {
  if (r === 0 || r === -ENOENT || r === -ENOTDIR) return;
  throw new RunscError({ what: `cannot make path ${how}`, on: path, why: errnoText(-r) });
}
