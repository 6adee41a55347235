/** The file system of POSIX message queues (mq_overview(7)): a flat directory, one for each IPC namespace. */

import { EACCES, EMFILE, ENOSPC, EPERM } from "../../../abi/errno.ts";
import { CAP_SYS_RESOURCE } from "../../../abi/capability.ts";
import { MQUEUE_MAGIC } from "../../../abi/mount.ts";
import { RLIMIT_MSGQUEUE } from "../../../abi/resource.ts";
import type { IpcNamespace } from "../../kernel/namespaces.ts";
import { Task } from "../../kernel/task.ts";
import type { VfsContext } from "../../vfs/context.ts";
import type { FileSystem } from "../../vfs/file_system.ts";
import type { Inode } from "../../vfs/inode.ts";
import { Mount } from "../../vfs/mount.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { MemoryDir } from "../tmpfs/memory_dir.ts";
import { MemoryFileSystem } from "../tmpfs/memory_file_system.ts";
import { MqueueInode, queueCost, type QueueSize } from "./message_queue.ts";

/** The directory: only queues are made in it. */
class MqueueDir extends MemoryDir {
  declare readonly fs: MqueueFileSystem;

  override revalidate(_ctx: VfsContext, name: string, child: Inode): boolean {
    return this.entries.get(name) === child;
  }

  override create(
    ctx: VfsContext,
    name: string,
    mode: number,
    uid: number,
    gid: number,
  ): Inode | number {
    const { limits } = this.fs.ipc;
    return this.makeQueue(ctx, name, mode, uid, gid, {
      maxMessages: Math.min(limits.msgMax, limits.msgDefault),
      messageSize: Math.min(limits.msgsizeMax, limits.msgsizeDefault),
    });
  }

  /** Makes a queue of a size that was checked, within the limits of namespace and user. */
  makeQueue(
    ctx: VfsContext,
    name: string,
    mode: number,
    uid: number,
    gid: number,
    size: QueueSize,
  ): Inode | number {
    const { fs } = this;
    if (
      fs.usedInodes > fs.ipc.limits.queuesMax && !ctx.creds.capable(CAP_SYS_RESOURCE)
    ) return -ENOSPC;
    const limit = ctx instanceof Task ? ctx.group.rlimits.soft[RLIMIT_MSGQUEUE] : Infinity;
    if (ctx.kernel.accounts.queueBytes(ctx.creds.ruid) + queueCost(size) > limit) return -EMFILE;
    const r = fs.inodeBorn();
    if (r !== 0) return r;
    const inode = new MqueueInode(fs, ctx, mode, uid, gid, size)
      .born(ctx.kernel.clock.realtime());
    this.setEntry(name, inode);
    this.touchModified(ctx.kernel.clock.realtime());
    return inode;
  }

  override mkdir(): number {
    return -EPERM;
  }

  override mknod(): number {
    return -EPERM;
  }

  override symlink(): number {
    return -EPERM;
  }

  override link(): number {
    return -EPERM;
  }

  override rename(): number {
    return -EPERM;
  }

  override tmpfile(): number {
    return -EACCES;
  }
}

/** The queues of a namespace. */
export class MqueueFileSystem extends MemoryFileSystem {
  readonly root: MqueueDir;
  readonly ipc: IpcNamespace;
  /** Where queues are that were opened by mq_open(2): a mount of no namespace. */
  readonly mount: Mount;

  constructor(ctx: VfsContext, vfs: Vfs, ipc: IpcNamespace) {
    super(vfs, "mqueue", MQUEUE_MAGIC);
    this.ipc = ipc;
    this.root = new MqueueDir(this, 0o1777, 0, 0).born(ctx.kernel.clock.realtime());
    this.root.get();
    // Names come and go by mq_open(2), which knows nothing of mounts.
    this.root.dynamic = true;
    this.usedInodes = 1;
    this.mount = new Mount(this, this.rootDentry, "mqueue", 0);
    this.mount.refs++;
  }

  override newDir(): MemoryDir {
    throw new Error("there are no directories among message queues");
  }
}

/** That of a namespace, made when it is first wanted. */
export function mqueueOf(ctx: VfsContext, ipc: IpcNamespace): MqueueFileSystem {
  ipc.queues ??= new MqueueFileSystem(ctx, ctx.kernel.vfs, ipc);
  return ipc.queues as MqueueFileSystem;
}

/** Makes the file system known to mount(2). A container's own mounts come before its first task. */
export function registerMqueue(vfs: Vfs): void {
  vfs.registerFileSystem(
    "mqueue",
    (ctx): FileSystem => mqueueOf(ctx, ctx instanceof Task ? ctx.nsproxy.ipc : ctx.kernel.ipc),
  );
}
