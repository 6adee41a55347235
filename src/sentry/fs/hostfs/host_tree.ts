import * as libc from "../../../../ffi/libc.ts";
import { O_CLOEXEC, O_DIRECTORY, O_PATH } from "../../../abi/fcntl.ts";
import { ENOTDIR } from "../../../abi/errno.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { HostFileSystem } from "./host_file_system.ts";

/**
 * The file system of a host path: a directory and what lies beneath, or a single file. Links on the
 * way to it are followed on the host; it is the boot code that calls this, before the sandbox is
 * closed. With `shared`, others may change the tree meanwhile. A negative number is the error of the host.
 */
export function openHostTree(
  vfs: Vfs,
  path: string,
  writable: boolean,
  shared = false,
): HostFileSystem | number {
  const dir = libc.open(libc.cstr(path), O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
  if (dir >= 0) return new HostFileSystem(vfs, dir, writable, null, shared);
  if (dir !== -ENOTDIR) return dir;
  let real: string;
  try {
    real = Deno.realPathSync(path);
  } catch {
    return dir;
  }
  const slash = real.lastIndexOf("/");
  const parent = libc.open(
    libc.cstr(slash === 0 ? "/" : real.slice(0, slash)),
    O_PATH | O_DIRECTORY | O_CLOEXEC,
    0,
  );
  if (parent < 0) return parent;
  return new HostFileSystem(vfs, parent, writable, real.slice(slash + 1), shared);
}
