/** Settings of /proc/sys that a specification asks for. */

import { EACCES, errnoText } from "../abi/errno.ts";
import { RunscError } from "../container/error.ts";
import { ProcText } from "../sentry/fs/proc/proc_inode.ts";
import type { Task } from "../sentry/kernel/task.ts";
import type { VfsContext } from "../sentry/vfs/context.ts";
import type { Inode } from "../sentry/vfs/inode.ts";
import { byteText } from "./process_spec.ts";

/** Settings that were found, to be written once there is a task to write them. */
export class Sysctls {
  readonly #found: { name: string; file: ProcText; value: string }[] = [];

  /** Looks them up; throws a RunscError for one that this kernel does not have. */
  constructor(ctx: VfsContext, sysctls: Readonly<Record<string, string>> | undefined) {
    const wanted = Object.entries(sysctls ?? {});
    if (wanted.length === 0) return;
    const proc = ctx.kernel.vfs.createFileSystem(ctx, "proc", "proc", 0, "");
    for (const [name, value] of wanted) {
      let at: Inode | number = typeof proc === "number" ? proc : proc.root;
      // As sysctl(8) has it: dots part the names, unless there are slashes.
      const parts = name.includes("/") ? name.split("/") : name.split(".");
      for (const part of ["sys", ...parts]) {
        if (typeof at === "number") break;
        at = at.lookup(ctx, byteText(part));
      }
      const why = typeof at === "number" ? errnoText(-at) : "it is no setting";
      if (!(at instanceof ProcText)) {
        throw new RunscError({ what: "cannot set sysctl", on: name, why });
      }
      this.#found.push({ name, file: at, value: byteText(value) });
    }
  }

  /** Writes them on behalf of a task. */
  apply(t: Task): void {
    for (const { name, file, value } of this.#found) {
      const r = file.write === null ? -EACCES : file.write(t, value);
      if (r < 0) throw new RunscError({ what: "cannot set sysctl", on: name, why: errnoText(-r) });
    }
  }
}
