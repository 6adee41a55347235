import { EFAULT, EINVAL } from "../../abi/errno.ts";
import {
  MFD_ALLOW_SEALING,
  MFD_CLOEXEC,
  MFD_EXEC,
  MFD_HUGETLB,
  MFD_NOEXEC_SEAL,
} from "../../abi/mman.ts";
import type { Task } from "../kernel/task.ts";
import { newMemfd } from "../fs/memfd/memfd.ts";
import { installFile } from "./open.ts";

/** The most bytes of a name: NAME_MAX less the prefix "memfd:". */
const NAME_LIMIT = 249;

export function sys_memfd_create(t: Task): number {
  const flags = t.args[1] >>> 0;
  const known = MFD_CLOEXEC | MFD_ALLOW_SEALING | MFD_NOEXEC_SEAL | MFD_EXEC;
  // Huge pages are no concern of the sandbox: the host backs memory as it likes.
  if ((flags & MFD_HUGETLB) === 0 && (flags & ~known) !== 0) return -EINVAL;
  if ((flags & MFD_EXEC) !== 0 && (flags & MFD_NOEXEC_SEAL) !== 0) return -EINVAL;
  const name = t.mm.readString(t.args[0], NAME_LIMIT + 1);
  if (typeof name === "number") return name === -EFAULT ? -EFAULT : -EINVAL;
  return installFile(t, newMemfd(t, name, flags), (flags & MFD_CLOEXEC) !== 0);
}
