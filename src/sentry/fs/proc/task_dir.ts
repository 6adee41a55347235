/** /proc/PID and /proc/PID/task/TID: one table says what is in them. */

import { EACCES, ENOENT, ESRCH } from "../../../abi/errno.ts";
import { direntType, DT_DIR } from "../../../abi/stat.ts";
import type { Task } from "../../kernel/task.ts";
import type { MemoryManager } from "../../mm/memory_manager.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { DirEntry, Inode } from "../../vfs/inode.ts";
import { type Path, pathName } from "../../vfs/path.ts";
import { netDir } from "./net.ts";
import type { ProcFileSystem } from "./proc_file_system.ts";
import { KernelDir, ProcLink, ProcText, type WriteContent } from "./proc_inode.ts";
import { alive, mayInspect, memoryOf } from "./task_access.ts";
import { FdDir, FdInfoDir, parseNumber } from "./task_fd.ts";
import { mapsText, smapsRollupText, smapsText } from "./task_maps.ts";
import { MemInode } from "./task_mem.ts";
import { mountinfoText, mountstatsText, mountsText } from "./task_mounts.ts";
import { NsDir } from "./task_ns.ts";
import { taskSchedstat, taskStat, taskStatm } from "./task_stat.ts";
import { taskStatus } from "./task_status.ts";
import * as text from "./task_text.ts";

/** Makes the inode of one entry. */
type Maker = (dir: TaskDir) => Inode;

/** A file that anybody may read. */
function open(read: (task: Task, ctx: VfsContext, dir: TaskDir) => string | number): Maker {
  return (dir) => dir.text(0o444, (ctx) => read(dir.task, ctx, dir), null);
}

/** A file that only those who may inspect the task may read. */
function guarded(mode: number, read: (task: Task, ctx: VfsContext) => string | number): Maker {
  return (dir) =>
    dir.text(mode, (ctx) => {
      const r = mayInspect(ctx, dir.task);
      return r < 0 ? r : read(dir.task, ctx);
    }, null);
}

/** A guarded file about memory; empty once there is none. */
function memory(
  mode: number,
  read: (mm: MemoryManager, ctx: VfsContext) => string,
): Maker {
  return guarded(mode, (task, ctx) => {
    const mm = memoryOf(task);
    return mm === null ? "" : read(mm, ctx);
  });
}

/** A file that can be written. */
function writable(
  read: (task: Task, ctx: VfsContext) => string | number,
  write: (t: Task, task: Task, text: string) => number,
): Maker {
  return (dir) =>
    dir.text(0o644, (ctx) => read(dir.task, ctx), (t, content) => write(t, dir.task, content));
}

/** A link to a place. */
function link(place: (task: Task) => Path | null): Maker {
  return (dir) => {
    const task = dir.task;
    const find = (ctx: VfsContext): Path | number => {
      const gone = alive(task);
      if (gone < 0) return gone;
      const r = mayInspect(ctx, task);
      if (r < 0) return r;
      return (memoryOf(task) === null ? null : place(task)) ?? -ENOENT;
    };
    return new ProcLink(
      dir.fs,
      (ctx) => {
        const path = find(ctx);
        return typeof path === "number" ? path : pathName(path, ctx.fs.root);
      },
      find,
      dir.uid,
      dir.gid,
    );
  };
}

/** Entries of both kinds of directories, in the order of their listing. */
const ENTRIES: readonly (readonly [string, Maker])[] = [
  ["fd", (dir) => new FdDir(dir.fs, dir.task)],
  ["fdinfo", (dir) => new FdInfoDir(dir.fs, dir.task)],
  ["ns", (dir) => new NsDir(dir.fs, dir.task)],
  ["net", (dir) => netDir(dir.fs, dir.task)],
  ["environ", memory(0o400, text.environText)],
  ["auxv", memory(0o400, text.auxvText)],
  ["status", open((task, ctx, dir) => taskStatus(task, ctx, dir.fs.pidNs))],
  ["personality", guarded(0o400, text.personalityText)],
  ["limits", open(text.limitsText)],
  ["sched", open((task, _ctx, dir) => text.schedText(task, task.pid.numberIn(dir.fs.pidNs)))],
  ["comm", writable((task) => `${task.name}\n`, text.writeComm)],
  ["syscall", guarded(0o400, (task) => memoryOf(task) === null ? -ESRCH : "running\n")],
  [
    "cmdline",
    open((task) => {
      const mm = memoryOf(task);
      return mm === null ? "" : text.cmdlineText(mm);
    }),
  ],
  ["stat", open((task, _ctx, dir) => taskStat(task, dir.fs.pidNs, dir.oneThread))],
  ["statm", open(taskStatm)],
  ["maps", memory(0o444, mapsText)],
  ["mem", (dir) => new MemInode(dir.fs, dir.task)],
  ["cwd", link((task) => task.fs.cwd)],
  ["root", link((task) => task.fs.root)],
  ["exe", link((task) => task.mm.exe?.path ?? null)],
  ["mounts", open(mountsText)],
  ["mountinfo", open(mountinfoText)],
  ["mountstats", guarded(0o400, mountstatsText)],
  ["smaps", memory(0o444, smapsText)],
  ["smaps_rollup", memory(0o444, smapsRollupText)],
  ["wchan", open(text.wchanText)],
  ["stack", guarded(0o400, () => "")],
  ["schedstat", open(taskSchedstat)],
  ["cgroup", open(() => "0::/\n")],
  ["oom_score", open((task) => `${text.oomScore(task)}\n`)],
  ["oom_adj", writable((task) => `${text.oomAdj(task)}\n`, text.writeOomAdj)],
  [
    "oom_score_adj",
    writable((task) => `${task.group.oomScoreAdj}\n`, text.writeOomScoreAdj),
  ],
  ["loginuid", writable(() => "4294967295", () => 0)],
  ["sessionid", open(() => "4294967295")],
  ["coredump_filter", writable(() => "00000033\n", () => 0)],
  ["io", guarded(0o400, () => text.IO_TEXT)],
  [
    "uid_map",
    writable(
      (task, ctx) => text.idMapText(task.creds.userNs, ctx.creds.userNs, true),
      (t, task, content) => text.writeIdMap(t, task, content, true),
    ),
  ],
  [
    "gid_map",
    writable(
      (task, ctx) => text.idMapText(task.creds.userNs, ctx.creds.userNs, false),
      (t, task, content) => text.writeIdMap(t, task, content, false),
    ),
  ],
  [
    "setgroups",
    writable(
      (task) => task.creds.userNs.setgroupsAllowed ? "allow\n" : "deny\n",
      (_t, task, content) => text.writeSetgroups(task, content),
    ),
  ],
  [
    "timens_offsets",
    open((task) => {
      const ns = task.nsproxy.timeForChildren;
      const line = (name: string, ns: number) =>
        `${name.padEnd(10)} ${String(Math.floor(ns / 1e9)).padStart(10)} ${
          String(Math.floor(ns) - Math.floor(ns / 1e9) * 1e9).padStart(9)
        }\n`;
      return line("monotonic", ns.monotonicOffset) + line("boottime", ns.bootOffset);
    }),
  ],
];

const PROCESS_ONLY: readonly (readonly [string, Maker])[] = [
  ["task", (dir) => new ThreadsDir(dir.fs, dir.task)],
  ["timerslack_ns", (dir) =>
    dir.text(
      0o666,
      () => `${dir.task.timerSlack}\n`,
      (_t, content) => text.writeTimerSlack(dir.task, content),
    )],
  ["clear_refs", (dir) => dir.text(0o200, () => -EACCES, () => 0)],
];

const THREAD_MAKERS: ReadonlyMap<string, Maker> = new Map(ENTRIES);
const PROCESS_MAKERS: ReadonlyMap<string, Maker> = new Map([...PROCESS_ONLY, ...ENTRIES]);

/** The directory of a process, or of one thread. */
export class TaskDir extends KernelDir {
  declare readonly fs: ProcFileSystem;
  readonly task: Task;
  /** /proc/PID/task/TID rather than /proc/PID. */
  readonly oneThread: boolean;
  private readonly made: Map<string, Inode>;

  constructor(fs: ProcFileSystem, task: Task, oneThread: boolean) {
    super(fs, 0o555);
    this.task = task;
    this.oneThread = oneThread;
    this.dynamic = true;
    this.made = new Map();
    this.takeOwner();
  }

  /** The owner is who the task acts as; root if nobody may inspect it. */
  private takeOwner(): void {
    const shown = memoryOf(this.task)?.dumpable === 1;
    this.uid = shown ? this.task.creds.euid : 0;
    this.gid = shown ? this.task.creds.egid : 0;
  }

  override refresh(_ctx: VfsContext): number {
    this.takeOwner();
    return 0;
  }

  /** A text file about the task. */
  text(
    mode: number,
    read: (ctx: VfsContext) => string | number,
    write: WriteContent | null,
  ): ProcText {
    const guardedRead = (ctx: VfsContext): string | number => {
      const r = alive(this.task);
      return r < 0 ? r : read(ctx);
    };
    return new ProcText(this.fs, mode, guardedRead, write, this.uid, this.gid);
  }

  private get makers(): ReadonlyMap<string, Maker> {
    return this.oneThread ? THREAD_MAKERS : PROCESS_MAKERS;
  }

  private find(name: string): Inode | null {
    const made = this.made.get(name);
    if (made !== undefined && made.uid === this.uid) return made;
    const maker = this.makers.get(name);
    if (maker === undefined) return null;
    this.takeOwner();
    const inode = maker(this);
    this.made.set(name, inode);
    return inode;
  }

  override lookup(ctx: VfsContext, name: string): Inode | number {
    if (alive(this.task) < 0) return -ENOENT;
    const hidden = this.fs.mayEnter(ctx, this.task);
    return hidden !== 0 ? hidden : this.find(name) ?? -ENOENT;
  }

  override revalidate(ctx: VfsContext, name: string, child: Inode): boolean {
    if (alive(this.task) < 0 || this.fs.mayEnter(ctx, this.task) !== 0) return false;
    this.takeOwner();
    return this.made.get(name) === child && child.uid === this.uid;
  }

  override list(ctx: VfsContext): DirEntry[] | number {
    if (alive(this.task) < 0) return -ENOENT;
    const hidden = this.fs.mayEnter(ctx, this.task);
    if (hidden !== 0) return hidden;
    const list: DirEntry[] = [];
    for (const name of this.makers.keys()) {
      const inode = this.find(name)!;
      list.push(new DirEntry(name, inode.ino, direntType(inode.mode)));
    }
    return list;
  }
}

/** /proc/PID/task. */
class ThreadsDir extends KernelDir {
  declare readonly fs: ProcFileSystem;
  private readonly task: Task;

  constructor(fs: ProcFileSystem, task: Task) {
    super(fs, 0o555, task.creds.euid, task.creds.egid);
    this.task = task;
    this.dynamic = true;
  }

  private find(name: string): Task | null {
    const id = parseNumber(name);
    const found = id <= 0 ? null : this.fs.pidNs.task(id);
    return found !== null && found.group === this.task.group ? found : null;
  }

  override lookup(_ctx: VfsContext, name: string): Inode | number {
    const task = this.find(name);
    return task === null ? -ENOENT : this.fs.taskDir(task, true);
  }

  override revalidate(_ctx: VfsContext, name: string, child: Inode): boolean {
    return child instanceof TaskDir && this.find(name) === child.task;
  }

  override list(_ctx: VfsContext): DirEntry[] {
    const list: DirEntry[] = [];
    const group = this.task.group;
    const tasks = group.tasks.includes(group.leader) ? group.tasks : [group.leader, ...group.tasks];
    for (const task of tasks) {
      const id = task.pid.numberIn(this.fs.pidNs);
      if (id > 0) list.push(new DirEntry(String(id), this.ino + id, DT_DIR));
    }
    this.nlink = list.length + 2;
    return list;
  }
}
