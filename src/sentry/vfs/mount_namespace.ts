import { WaitQueue } from "../kernel/wait.ts";
import { POLLERR, POLLPRI } from "../../abi/poll.ts";
import type { FsContext } from "./fs_context.ts";
import type { Mount } from "./mount.ts";
import { Path } from "./path.ts";

/** A tree of mounts that a set of tasks sees (mount_namespaces(7)). */
export class MountNamespace {
  readonly id: number;
  /** All mounts, oldest first. */
  readonly mounts: Mount[];
  root: Mount;
  /** Notified when the tree changes (poll of /proc/mounts). */
  readonly queue: WaitQueue;
  /** Counts the changes. */
  event: number;

  constructor(root: Mount) {
    this.id = root.fs.vfs.allocateMountNamespaceId();
    this.mounts = [];
    this.root = root;
    this.queue = new WaitQueue();
    this.event = 0;
    this.add(root);
  }

  /** Counts a mount, and those beneath it, as of this namespace. */
  add(m: Mount): void {
    m.ns = this;
    this.mounts.push(m);
    for (const child of m.children) this.add(child);
    this.changed();
  }

  /** Takes one mount out. */
  remove(m: Mount): void {
    this.mounts.splice(this.mounts.indexOf(m), 1);
    m.ns = null;
    this.changed();
  }

  /** Tells whoever polls the table of mounts. */
  changed(): void {
    this.event++;
    this.queue.notify(POLLERR | POLLPRI);
  }

  /**
   * A copy for unshare(CLONE_NEWNS); the directories of `fs`, which must not be shared with a task
   * that stays, move to the copies of their mounts.
   */
  fork(fs: FsContext | null): MountNamespace {
    const copies = new Map<Mount, Mount>();
    const root = copyTree(this.root, copies);
    const ns = new MountNamespace(root);
    if (fs !== null) {
      const r = copies.get(fs.root.mount);
      if (r !== undefined) fs.setRoot(new Path(r, fs.root.dentry));
      const c = copies.get(fs.cwd.mount);
      if (c !== undefined) fs.setCwd(new Path(c, fs.cwd.dentry));
    }
    return ns;
  }
}

/** Copies a mount and all beneath it, and notes in `copies` which became which. */
export function copyTree(m: Mount, copies: Map<Mount, Mount>, root = m.root): Mount {
  const copy = m.clone(root);
  copies.set(m, copy);
  for (const child of m.children) {
    if (!child.mountpoint!.isWithin(root)) continue;
    copyTree(child, copies).attach(copy, child.mountpoint!);
  }
  return copy;
}
