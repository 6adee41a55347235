/** /proc/PID/ns (namespaces(7)). */

import { ENOENT } from "../../../abi/errno.ts";
import {
  CLONE_NEWCGROUP,
  CLONE_NEWIPC,
  CLONE_NEWNET,
  CLONE_NEWNS,
  CLONE_NEWPID,
  CLONE_NEWTIME,
  CLONE_NEWUSER,
  CLONE_NEWUTS,
} from "../../../abi/sched.ts";
import { DT_LNK, S_IFREG } from "../../../abi/stat.ts";
import { NamespaceFile } from "../../kernel/namespace_file.ts";
import type { Task } from "../../kernel/task.ts";
import { AnonInode } from "../../vfs/anon.ts";
import type { VfsContext } from "../../vfs/context.ts";
import type { File } from "../../vfs/file.ts";
import type { FileSystem } from "../../vfs/file_system.ts";
import { DirEntry, Inode } from "../../vfs/inode.ts";
import { Path } from "../../vfs/path.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { KernelDir, ProcLink } from "./proc_inode.ts";
import { mayInspect } from "./task_access.ts";

/** The number of the first namespace of each kind, as on Linux (include/linux/proc_ns.h). */
const INITIAL: Readonly<Record<string, number>> = {
  time: 0xeffffffa,
  cgroup: 0xeffffffb,
  pid: 0xeffffffc,
  user: 0xeffffffd,
  uts: 0xeffffffe,
  ipc: 0xefffffff,
  net: 0xf0000000,
  mnt: 0xf0000001,
};

interface NamespaceKind {
  readonly flag: number;
  readonly kind: string;
  of(task: Task): object;
}

const KINDS: ReadonlyMap<string, NamespaceKind> = new Map<string, NamespaceKind>([
  ["cgroup", { flag: CLONE_NEWCGROUP, kind: "cgroup", of: (t) => t.nsproxy.cgroup }],
  ["ipc", { flag: CLONE_NEWIPC, kind: "ipc", of: (t) => t.nsproxy.ipc }],
  ["mnt", { flag: CLONE_NEWNS, kind: "mnt", of: (t) => t.nsproxy.mnt }],
  ["net", { flag: CLONE_NEWNET, kind: "net", of: (t) => t.nsproxy.net }],
  ["pid", { flag: CLONE_NEWPID, kind: "pid", of: (t) => t.pid.ns }],
  ["pid_for_children", { flag: CLONE_NEWPID, kind: "pid", of: (t) => t.nsproxy.pidForChildren }],
  ["time", { flag: CLONE_NEWTIME, kind: "time", of: (t) => t.nsproxy.time }],
  ["time_for_children", {
    flag: CLONE_NEWTIME,
    kind: "time",
    of: (t) => t.nsproxy.timeForChildren,
  }],
  ["user", { flag: CLONE_NEWUSER, kind: "user", of: (t) => t.creds.userNs }],
  ["uts", { flag: CLONE_NEWUTS, kind: "uts", of: (t) => t.nsproxy.uts }],
]);

/** A namespace in a file system of its own. */
class NamespaceInode extends AnonInode {
  readonly namespace: object;
  private readonly flag: number;

  constructor(vfs: Vfs, namespace: object, flag: number) {
    super(vfs.anon.anon, S_IFREG | 0o444);
    this.namespace = namespace;
    this.flag = flag;
  }

  override open(_ctx: VfsContext, flags: number, path: Path): File | number {
    return new NamespaceFile(path, flags, this.namespace, this.flag);
  }
}

/** Paths of namespaces, and what has been numbered of each kind. */
const paths: WeakMap<object, Path> = new WeakMap();
const counts: WeakMap<Vfs, Map<string, number>> = new WeakMap();

/** The path of a namespace, such as `mnt:[4026531841]`. */
function namespacePath(vfs: Vfs, kind: string, flag: number, namespace: object): Path {
  let path = paths.get(namespace);
  if (path === undefined) {
    let numbers = counts.get(vfs);
    if (numbers === undefined) {
      numbers = new Map();
      counts.set(vfs, numbers);
    }
    const isFirst = !numbers.has(kind);
    const next = numbers.get("") ?? 0xf0000100;
    if (!isFirst) numbers.set("", next + 1);
    numbers.set(kind, 1);
    const inode = new NamespaceInode(vfs, namespace, flag);
    inode.ino = isFirst ? INITIAL[kind] : next;
    path = vfs.anon.anon.path(`${kind}:[${inode.ino}]`, inode).get();
    paths.set(namespace, path);
  }
  return path;
}

/** The directory. */
export class NsDir extends KernelDir {
  private readonly task: Task;
  private readonly links: Map<string, ProcLink>;

  constructor(fs: FileSystem, task: Task) {
    super(fs, 0o511, task.creds.euid, task.creds.egid);
    this.task = task;
    this.links = new Map();
  }

  override lookup(_ctx: VfsContext, name: string): Inode | number {
    const kind = KINDS.get(name);
    if (kind === undefined) return -ENOENT;
    let link = this.links.get(name);
    if (link === undefined) {
      const task = this.task;
      const place = (ctx: VfsContext): Path | number => {
        const r = mayInspect(ctx, task);
        return r < 0 ? r : namespacePath(ctx.kernel.vfs, kind.kind, kind.flag, kind.of(task));
      };
      const text = (ctx: VfsContext): string | number => {
        const path = place(ctx);
        return typeof path === "number" ? path : path.dentry.name;
      };
      link = new ProcLink(this.fs, text, place, task.creds.euid, task.creds.egid);
      link.get();
      this.links.set(name, link);
    }
    return link;
  }

  override list(_ctx: VfsContext): DirEntry[] {
    let n = 0;
    return [...KINDS.keys()].map((name) => new DirEntry(name, this.ino + ++n, DT_LNK));
  }
}
