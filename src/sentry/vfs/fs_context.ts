import type { Path } from "./path.ts";

/** What CLONE_FS shares: the root and working directories, and the umask. */
export class FsContext {
  root: Path;
  cwd: Path;
  umask: number;
  /** Tasks that share it. */
  users: number;

  constructor(root: Path, cwd: Path, umask = 0o22) {
    this.root = root.get();
    this.cwd = cwd.get();
    this.umask = umask;
    this.users = 1;
  }

  /** A copy, for a task that does not share. */
  fork(): FsContext {
    return new FsContext(this.root, this.cwd, this.umask);
  }

  /** Another task shares it. */
  retain(): this {
    this.users++;
    return this;
  }

  /** A task that shared it is gone. */
  release(): void {
    if (--this.users === 0) {
      this.root.put();
      this.cwd.put();
    }
  }

  setRoot(path: Path): void {
    path.get();
    this.root.put();
    this.root = path;
  }

  setCwd(path: Path): void {
    path.get();
    this.cwd.put();
    this.cwd = path;
  }
}
