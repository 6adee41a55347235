/** Directories that stay within reach when the process leaves the host's mounts behind. */

import * as libc from "../../ffi/libc.ts";
import { O_CLOEXEC, O_DIRECTORY, O_PATH } from "../abi/fcntl.ts";

/** Opens a directory for good; a path that leads to it as long as there is a /proc. The path itself, if it can not be. */
export function holdDirectory(path: string): string {
  const fd = libc.open(libc.cstr(path), O_PATH | O_DIRECTORY | O_CLOEXEC, 0);
  return fd < 0 ? path : `/proc/self/fd/${fd}`;
}

/** Opens the directory that a path lies in; as {@link holdDirectory}. */
export function holdParent(path: string): string {
  const slash = path.lastIndexOf("/");
  return slash <= 0 ? path : holdDirectory(path.slice(0, slash)) + path.slice(slash);
}
