// hot: spares the walk for paths that were walked before.

import type { Dentry } from "./dentry.ts";
import type { Mount } from "./mount.ts";
import type { Path } from "./path.ts";

/** Where a path led. */
export class Memo {
  startMount: Mount;
  startDentry: Dentry;
  rootDentry: Dentry;
  followed: boolean;
  generation: number;
  mount: Mount;
  dentry: Dentry;

  constructor(
    start: Path,
    root: Path,
    followed: boolean,
    generation: number,
    mount: Mount,
    dentry: Dentry,
  ) {
    this.startMount = start.mount;
    this.startDentry = start.dentry;
    this.rootDentry = root.dentry;
    this.followed = followed;
    this.generation = generation;
    this.mount = mount;
    this.dentry = dentry;
  }
}

const LIMIT = 1024;

/**
 * Remembers where whole paths led. An entry holds while the generation of the dentry cache stays
 * the same; only walks whose result does not depend on who walks are noted.
 */
export class WalkMemo {
  private readonly entries: Map<string, Memo> = new Map();

  /** The entry for `path` from `start`, or null. */
  find(path: string, start: Path, root: Path, follow: boolean, generation: number): Memo | null {
    const m = this.entries.get(path);
    if (
      m === undefined || m.generation !== generation || m.startDentry !== start.dentry ||
      m.startMount !== start.mount || m.rootDentry !== root.dentry || (m.followed && !follow)
    ) return null;
    return m;
  }

  /** Notes where `path` led; `followed` if its last component was a link that was followed. */
  note(
    path: string,
    start: Path,
    root: Path,
    followed: boolean,
    generation: number,
    mount: Mount,
    dentry: Dentry,
  ): void {
    if (this.entries.size >= LIMIT) this.entries.clear();
    this.entries.set(path, new Memo(start, root, followed, generation, mount, dentry));
  }
}
