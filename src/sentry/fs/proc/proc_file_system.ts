import { EINVAL, ENOENT, EPERM } from "../../../abi/errno.ts";
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
import { mayInspect } from "./task_access.ts";
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

  override lookup(ctx: VfsContext, name: string): Inode | number {
    const fixed = this.fs.shows(name) ? this.fixed.entry(name) : null;
    if (fixed !== null) return fixed;
    const task = this.process(name);
    return task === null || !this.fs.maySee(ctx, task) ? -ENOENT : this.fs.taskDir(task, false);
  }

  override revalidate(ctx: VfsContext, name: string, child: Inode): boolean {
    if (child instanceof TaskDir) {
      return this.process(name) === child.task && this.fs.maySee(ctx, child.task);
    }
    if (!this.fs.shows(name)) return false;
    return this.fixed.revalidate(ctx, name, child);
  }

  override list(ctx: VfsContext): DirEntry[] | number {
    const fixed = this.fixed.list(ctx);
    const list = typeof fixed === "number" ? [] : fixed.filter((e) => this.fs.shows(e.name));
    const ns = this.fs.pidNs;
    const ids: number[] = [];
    for (const pid of ns.pids()) {
      if (pid.task === null || pid.task.group.pid !== pid) continue;
      if (!this.fs.maySee(ctx, pid.task)) continue;
      ids.push(pid.numberIn(ns));
    }
    ids.sort((a, b) => a - b);
    for (const id of ids) list.push(new DirEntry(String(id), PROCESS_INO + id, DT_DIR));
    this.nlink = ids.length + 2;
    return list;
  }
}

const PROCESS_INO = 0x10000;

/** What is hidden of other users' processes (`hidepid`). */
const enum Hide {
  Nothing = 0,
  NoAccess = 1,
  Invisible = 2,
  /** As `Invisible`, and the group that may see all is of no account. */
  Untraceable = 4,
}

const HIDE_NAMES = ["off", "noaccess", "invisible", "", "ptraceable"] as const;
const HIDE: ReadonlyMap<string, Hide> = new Map([
  ["0", Hide.Nothing],
  ["1", Hide.NoAccess],
  ["2", Hide.Invisible],
  ["4", Hide.Untraceable],
  ["off", Hide.Nothing],
  ["noaccess", Hide.NoAccess],
  ["invisible", Hide.Invisible],
  ["ptraceable", Hide.Untraceable],
]);

/** procfs, as one namespace of process ids sees it (proc(5)). */
export class ProcFileSystem extends FileSystem {
  readonly root: Inode;
  readonly pidNs: PidNamespace;
  /** Directories of tasks, so that each has one inode for as long as the task lives. */
  private readonly dirs: WeakMap<Task, TaskDir>;
  private readonly threadDirs: WeakMap<Task, TaskDir>;
  private hidePid: Hide;
  /** Who is in this group sees all processes. */
  private group: number;
  private onlyProcesses: boolean;

  constructor(vfs: Vfs, pidNs: PidNamespace) {
    super(vfs, "proc", PROC_SUPER_MAGIC);
    this.pidNs = pidNs;
    this.dirs = new WeakMap();
    this.threadDirs = new WeakMap();
    this.hidePid = Hide.Nothing;
    this.group = 0;
    this.onlyProcesses = false;
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

  /** Whether an entry that tells of no process shows (`subset=pid`). */
  shows(name: string): boolean {
    return !this.onlyProcesses || name === "self" || name === "thread-self";
  }

  /** Whether processes of others are to be hidden from `ctx` as far as `from` and beyond. */
  private hides(ctx: VfsContext, task: Task, from: Hide): boolean {
    if (this.hidePid < from) return false;
    if (this.hidePid !== Hide.Untraceable && ctx.creds.inGroup(this.group)) return false;
    return mayInspect(ctx, task) !== 0;
  }

  /** Whether the directory of a process is there for `ctx`. */
  maySee(ctx: VfsContext, task: Task): boolean {
    return this.hidePid === Hide.Nothing || !this.hides(ctx, task, Hide.Invisible);
  }

  /** Whether `ctx` may look into the directory of a process: 0 or an error. */
  mayEnter(ctx: VfsContext, task: Task): number {
    if (this.hidePid === Hide.Nothing || !this.hides(ctx, task, Hide.NoAccess)) return 0;
    return this.hidePid === Hide.NoAccess ? -EPERM : -ENOENT;
  }

  /** Takes over mount options; 0 or -EINVAL. */
  setOptions(data: string): number {
    for (const option of data.split(",")) {
      if (option === "") continue;
      const [name, value] = option.split("=");
      if (name === "hidepid" && HIDE.has(value)) this.hidePid = HIDE.get(value)!;
      else if (name === "gid" && /^\d{1,9}$/.test(value)) this.group = Number(value);
      else if (name === "subset" && value === "pid") this.onlyProcesses = true;
      else return -EINVAL;
    }
    return 0;
  }

  override remount(_readOnly: boolean, data: string): number {
    return this.setOptions(data);
  }

  override showOptions(): string {
    let text = "";
    if (this.group !== 0) text += `,gid=${this.group}`;
    if (this.hidePid !== Hide.Nothing) text += `,hidepid=${HIDE_NAMES[this.hidePid]}`;
    if (this.onlyProcesses) text += ",subset=pid";
    return text.slice(1);
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
