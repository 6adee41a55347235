import { EINVAL, ENOENT } from "../../../abi/errno.ts";
import { PROC_SUPER_MAGIC } from "../../../abi/mount.ts";
import { DT_DIR } from "../../../abi/stat.ts";
import { Task } from "../../kernel/task.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { PidNamespace } from "../../kernel/pid.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { FileSystem } from "../../vfs/file_system.ts";
import { DirEntry, Inode } from "../../vfs/inode.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { openHostCpuInfo } from "./cpuinfo.ts";
import { KernelDir, ProcLink, StaticDir } from "./proc_inode.ts";
import { sysctlTree } from "./sysctl.ts";
import { systemEntries } from "./system.ts";
import { TaskDir } from "./task_dir.ts";
import { parseNumber } from "./task_fd.ts";

/** Inode numbers from here on are those of processes, 16 apart. */
const ROOT_INO = 1;

/** The root of procfs: fixed entries, and the processes of its namespace. */
class ProcRoot extends KernelDir {
  declare readonly fs: ProcFileSystem;
  private readonly fixed: StaticDir;

  constructor(fs: ProcFileSystem) {
    super(fs);
    this.ino = ROOT_INO;
    this.dynamic = true;
    const self = (ctx: VfsContext): string | number => {
      const id = ctx instanceof Task ? ctx.group.pid.numberIn(fs.pidNs) : 0;
      return id === 0 ? -ENOENT : String(id);
    };
    const threadSelf = (ctx: VfsContext): string | number => {
      const id = ctx instanceof Task ? ctx.pid.numberIn(fs.pidNs) : 0;
      return id === 0 || !(ctx instanceof Task)
        ? -ENOENT
        : `${ctx.group.pid.numberIn(fs.pidNs)}/task/${id}`;
    };
    this.fixed = new StaticDir(fs, [
      ...systemEntries(fs),
      ["self", () => new ProcLink(fs, self)],
      ["thread-self", () => new ProcLink(fs, threadSelf)],
      ["mounts", () => new ProcLink(fs, () => "self/mounts")],
      ["net", () => new ProcLink(fs, () => "self/net")],
      ["sys", () => sysctlTree(fs)],
    ]);
  }

  private process(name: string): Task | null {
    const id = parseNumber(name);
    // Any thread's id leads to a directory, though only those of processes are listed.
    return id <= 0 ? null : this.fs.pidNs.task(id);
  }

  override lookup(_ctx: VfsContext, name: string): Inode | number {
    const fixed = this.fixed.entry(name);
    if (fixed !== null) return fixed;
    const task = this.process(name);
    return task === null ? -ENOENT : this.fs.taskDir(task, false);
  }

  override revalidate(ctx: VfsContext, name: string, child: Inode): boolean {
    if (child instanceof TaskDir) return this.process(name) === child.task;
    return this.fixed.revalidate(ctx, name, child);
  }

  override list(_ctx: VfsContext): DirEntry[] | number {
    const fixed = this.fixed.list(_ctx);
    const list = typeof fixed === "number" ? [] : fixed;
    const ns = this.fs.pidNs;
    const ids: number[] = [];
    for (const pid of ns.pids()) {
      if (pid.task === null || pid.task.group.pid !== pid) continue;
      ids.push(pid.numberIn(ns));
    }
    ids.sort((a, b) => a - b);
    for (const id of ids) list.push(new DirEntry(String(id), PROCESS_INO + id, DT_DIR));
    this.nlink = ids.length + 2;
    return list;
  }
}

const PROCESS_INO = 0x10000;

/** procfs, as one namespace of process ids sees it (proc(5)). */
export class ProcFileSystem extends FileSystem {
  readonly root: Inode;
  readonly pidNs: PidNamespace;
  /** Directories of tasks, so that each has one inode for as long as the task lives. */
  private readonly dirs: WeakMap<Task, TaskDir>;
  private readonly threadDirs: WeakMap<Task, TaskDir>;
  private hidePid: number;

  constructor(vfs: Vfs, pidNs: PidNamespace) {
    super(vfs, "proc", PROC_SUPER_MAGIC);
    this.pidNs = pidNs;
    this.dirs = new WeakMap();
    this.threadDirs = new WeakMap();
    this.hidePid = 0;
    this.root = new ProcRoot(this);
  }

  /** The directory of a task. */
  taskDir(task: Task, oneThread: boolean): TaskDir {
    const dirs = oneThread ? this.threadDirs : this.dirs;
    let dir = dirs.get(task);
    if (dir === undefined) {
      dir = new TaskDir(this, task, oneThread);
      dir.ino = oneThread ? this.allocateIno() : PROCESS_INO + task.pid.numberIn(this.pidNs);
      dirs.set(task, dir);
    }
    return dir;
  }

  /** Checks mount options; those that hide processes are taken, as everything is in one sandbox. */
  setOptions(data: string): number {
    for (const option of data.split(",")) {
      if (option === "" || option === "subset=pid" || /^gid=\d+$/.test(option)) continue;
      const match = /^hidepid=([0-4])$/.exec(option);
      if (match === null) return -EINVAL;
      this.hidePid = Number(match[1]);
    }
    return 0;
  }

  override showOptions(): string {
    return this.hidePid === 0 ? "" : `hidepid=${this.hidePid}`;
  }
}

/** Makes procfs known to mount(2). */
export function registerProc(kernel: Kernel): void {
  // The host's file must be opened before the sandbox gives up the host's tree.
  openHostCpuInfo();
  kernel.vfs.registerFileSystem("proc", (ctx, _source, _flags, data): FileSystem | number => {
    const ns = ctx instanceof Task ? ctx.pid.ns : kernel.tasks;
    const fs = new ProcFileSystem(kernel.vfs, ns);
    const r = fs.setOptions(data);
    return r < 0 ? r : fs;
  });
}
