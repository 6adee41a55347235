/** Looks the container's program up, in the container's own root file system only. */

import { EACCES, ENOENT, errnoName, errnoText } from "../abi/errno.ts";
import { RunscError } from "../container/error.ts";
import type { VfsContext } from "../sentry/vfs/context.ts";
import type { Vfs } from "../sentry/vfs/vfs.ts";

const AT_FDCWD = -100;
const DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** The path of `name` as execvp(3) finds it; throws a RunscError where there is none. */
export function findExecutable(
  vfs: Vfs,
  ctx: VfsContext,
  name: string,
  envp: readonly string[],
): string {
  if (name.includes("/")) {
    // What can not be run shall fail when the container is created, not when it is started.
    const file = vfs.openForExec(ctx, AT_FDCWD, name, 0);
    if (typeof file === "number") {
      throw new RunscError({ what: "cannot execute", on: name, why: reason(-file) });
    }
    file.unref();
    return name;
  }
  const variable = envp.find((entry) => entry.startsWith("PATH="));
  const path = variable === undefined ? DEFAULT_PATH : variable.slice(5);
  let error = ENOENT;
  for (const dir of path.split(":")) {
    const candidate = dir === "" ? `./${name}` : `${dir}/${name}`;
    const file = vfs.openForExec(ctx, AT_FDCWD, candidate, 0);
    if (typeof file !== "number") {
      file.unref();
      return candidate;
    }
    if (file === -EACCES) error = EACCES;
  }
  throw new RunscError({
    what: "cannot execute",
    on: name,
    why: error === ENOENT ? "executable file not found in $PATH" : errnoText(error),
  });
}

function reason(errno: number): string {
  return `${errnoText(errno)} (${errnoName(errno)})`;
}
