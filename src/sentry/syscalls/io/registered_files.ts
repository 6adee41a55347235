/** Files that a ring knows by their places (io_uring_register(2)). */

import { EBADF, EFAULT, EINVAL, ENXIO } from "../../../abi/errno.ts";
import { IORING_REGISTER_FILES_SKIP } from "../../../abi/io_uring.ts";
import type { Task } from "../../kernel/task.ts";
import type { File } from "../../vfs/file.ts";
import type { RingFile } from "./ring.ts";

/** The descriptions of `count` descriptors at `address`, -1 for empty places; or a negative errno. */
export function readFiles(
  t: Task,
  ring: RingFile,
  address: number,
  count: number,
): (File | null)[] | number {
  const files: (File | null)[] = [];
  const fail = (error: number): number => {
    for (const file of files) if (file !== null && file !== ring) file.unref();
    return error;
  };
  for (let i = 0; i < count; i++) {
    const fd = t.mm.readU32(address + 4 * i);
    if (fd < 0) return fail(-EFAULT);
    if ((fd | 0) === -1) {
      files.push(null);
      continue;
    }
    const file = t.files.get(fd | 0);
    // A ring that kept itself open would never be released.
    if (file === null || file === ring) return fail(-EBADF);
    files.push(file.ref());
  }
  return files;
}

/** Replaces registered files from place `first` on; how many, or a negative errno. */
export function updateFiles(
  t: Task,
  ring: RingFile,
  first: number,
  address: number,
  count: number,
): number {
  const { files } = ring;
  if (files === null) return -ENXIO;
  if (count === 0 || first < 0 || first + count > files.length) return -EINVAL;
  for (let i = 0; i < count; i++) {
    const fd = t.mm.readU32(address + 4 * i);
    if (fd < 0) return i > 0 ? i : -EFAULT;
    if ((fd | 0) === IORING_REGISTER_FILES_SKIP) continue;
    const file = (fd | 0) === -1 ? null : t.files.get(fd | 0);
    if ((fd | 0) !== -1 && (file === null || file === ring)) return i > 0 ? i : -EBADF;
    const old = files[first + i];
    files[first + i] = file?.ref() ?? null;
    if (old !== null) old.unref();
  }
  return count;
}
