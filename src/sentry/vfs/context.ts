import type { Credentials } from "../kernel/credentials.ts";
import type { Kernel } from "../kernel/kernel.ts";
import type { FdTable } from "./fd_table.ts";
import type { FsContext } from "./fs_context.ts";

/**
 * On whose behalf the file system acts: a task satisfies this, and so does what the loader and
 * the boot code make up when there is no task yet.
 */
export interface VfsContext {
  readonly kernel: Kernel;
  readonly creds: Credentials;
  readonly fs: FsContext;
  /** Where `dirfd` arguments are looked up; null allows only AT_FDCWD. */
  readonly files: FdTable | null;
}

/** A {@link VfsContext} that is no task. */
export class PlainContext implements VfsContext {
  readonly kernel: Kernel;
  readonly creds: Credentials;
  readonly fs: FsContext;
  readonly files: FdTable | null;

  constructor(kernel: Kernel, creds: Credentials, fs: FsContext, files: FdTable | null = null) {
    this.kernel = kernel;
    this.creds = creds;
    this.fs = fs;
    this.files = files;
  }
}
