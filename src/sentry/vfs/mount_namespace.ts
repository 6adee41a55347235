import { WaitQueue } from "../kernel/wait.ts";
import { POLLERR, POLLPRI } from "../../abi/poll.ts";
import type { FsContext } from "./fs_context.ts";
import type { Mount } from "./mount.ts";
import { Path } from "./path.ts";
import { Copy, copyTree } from "./propagation.ts";

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
  /** The user namespace that it belongs to; null for the first one. */
  readonly owner: object | null;

  constructor(root: Mount, owner: object | null = null) {
    this.id = root.fs.vfs.allocateMountNamespaceId();
    this.mounts = [];
    this.root = root;
    this.queue = new WaitQueue();
    this.event = 0;
    this.owner = owner;
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
   * that stays, move to the copies of their mounts. In another user namespace than `owner` shared
   * mounts become slaves, so that nothing that is mounted there shows here.
   */
  fork(fs: FsContext | null, owner: object | null = this.owner): MountNamespace {
    const copies = new Map<Mount, Mount>();
    const how = owner === this.owner ? Copy.Namespace : Copy.LesserNamespace;
    const root = copyTree(this.root, copies, this.root.root, how);
    const ns = new MountNamespace(root, owner);
    if (fs !== null) {
      const r = copies.get(fs.root.mount);
      if (r !== undefined) fs.setRoot(new Path(r, fs.root.dentry));
      const c = copies.get(fs.cwd.mount);
      if (c !== undefined) fs.setCwd(new Path(c, fs.cwd.dentry));
    }
    return ns;
  }
}
