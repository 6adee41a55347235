/** A file system with nobody in it: what the tests of the VFS need of a kernel. */

import { AT_FDCWD } from "../../../../src/abi/fcntl.ts";
import { Clock, ManualClockSource } from "../../../../src/sentry/kernel/clock.ts";
import { Credentials } from "../../../../src/sentry/kernel/credentials.ts";
import type { Kernel } from "../../../../src/sentry/kernel/kernel.ts";
import { Rlimits } from "../../../../src/sentry/kernel/rlimits.ts";
import type { Task } from "../../../../src/sentry/kernel/task.ts";
import { UserNamespace } from "../../../../src/sentry/kernel/user_namespace.ts";
import { FrameAllocator } from "../../../../src/sentry/mm/frames.ts";
import { KernelIo } from "../../../../src/sentry/mm/io_buffer.ts";
import { createTmpfs } from "../../../../src/sentry/fs/tmpfs/tmpfs.ts";
import { PlainContext, type VfsContext } from "../../../../src/sentry/vfs/context.ts";
import { FdTable } from "../../../../src/sentry/vfs/fd_table.ts";
import type { File } from "../../../../src/sentry/vfs/file.ts";
import type { FileSystem } from "../../../../src/sentry/vfs/file_system.ts";
import { FsContext } from "../../../../src/sentry/vfs/fs_context.ts";
import { Mount } from "../../../../src/sentry/vfs/mount.ts";
import { MountNamespace } from "../../../../src/sentry/vfs/mount_namespace.ts";
import { Path } from "../../../../src/sentry/vfs/path.ts";
import { Vfs } from "../../../../src/sentry/vfs/vfs.ts";

const frames = FrameAllocator.create(1 << 30);
const userNs = new UserNamespace(null);

/** A VFS with a root file system, and root who uses it. */
export class World {
  readonly source = new ManualClockSource();
  readonly vfs: Vfs;
  readonly kernel: Kernel;
  readonly ns: MountNamespace;
  readonly root: VfsContext;
  readonly rlimits = new Rlimits();

  constructor(make: (ctx: VfsContext) => FileSystem | number = (c) => createTmpfs(c, "", 0, "")) {
    const clock = new Clock(this.source);
    const kernel = { frames, clock } as unknown as Kernel;
    this.kernel = kernel;
    this.vfs = new Vfs(kernel);
    kernel.vfs = this.vfs;
    this.vfs.registerFileSystem("tmpfs", createTmpfs);
    const creds = Credentials.root(userNs);
    const none = new PlainContext(kernel, creds, null as unknown as FsContext);
    const fs = make(none);
    if (typeof fs === "number") throw new Error(`no root file system: ${fs}`);
    this.ns = new MountNamespace(new Mount(fs, fs.rootDentry, "root", 0));
    const path = new Path(this.ns.root, fs.rootDentry);
    this.root = this.as(creds, new FsContext(path, path, 0o22));
  }

  /** Someone with credentials of their own; also good as a task for reads and writes. */
  as(creds: Credentials, fs = this.root.fs): VfsContext {
    const ctx = new PlainContext(this.kernel, creds, fs, new FdTable());
    return Object.assign(ctx, { group: { rlimits: this.rlimits } });
  }

  user(uid: number, gid = uid, groups: number[] = []): VfsContext {
    return this.as(Credentials.user(userNs, uid, gid, groups));
  }

  open(path: string, flags = 0, mode = 0o644, ctx = this.root): File {
    const f = this.vfs.open(ctx, AT_FDCWD, path, flags, mode);
    if (typeof f === "number") throw new Error(`open ${path}: ${f}`);
    return f;
  }

  /** The error of an open that must fail. */
  openError(path: string, flags = 0, mode = 0o644, ctx = this.root): number {
    const f = this.vfs.open(ctx, AT_FDCWD, path, flags, mode);
    if (typeof f === "number") return f;
    f.unref();
    return 0;
  }

  write(path: string, text: string, flags = 0o1101, ctx = this.root): void {
    const f = this.open(path, flags, 0o644, ctx);
    const n = this.pwrite(f, text, 0);
    if (n !== text.length) throw new Error(`write ${path}: ${n}`);
    f.unref();
  }

  read(path: string, ctx = this.root): string {
    const f = this.open(path, 0, 0, ctx);
    const text = this.pread(f, 0, f.inode.size);
    f.unref();
    return text;
  }

  pwrite(f: File, text: string, pos: number): number {
    const bytes = new TextEncoder().encode(text);
    return f.write(asTask(this.root), this.io(bytes), pos);
  }

  pread(f: File, pos: number, length: number): string {
    const bytes = new Uint8Array(length);
    const n = f.read(asTask(this.root), this.io(bytes), pos);
    if (n < 0) throw new Error(`read: ${n}`);
    return new TextDecoder().decode(bytes.subarray(0, n));
  }

  list(path: string, ctx = this.root): string[] {
    const names: string[] = [];
    const f = this.open(path, 0o200000, 0, ctx);
    f.readdir(ctx, { put: (name) => (names.push(name), true) });
    f.unref();
    return names.filter((n) => n !== "." && n !== "..");
  }

  stat(path: string, flags = 0, ctx = this.root) {
    const inode = this.vfs.locate(ctx, AT_FDCWD, path, flags);
    if (typeof inode === "number") throw new Error(`stat ${path}: ${inode}`);
    return inode;
  }

  /** 0 if `path` is there, or the error. */
  exists(path: string, flags = 0, ctx = this.root): number {
    const inode = this.vfs.locate(ctx, AT_FDCWD, path, flags);
    return typeof inode === "number" ? inode : 0;
  }

  mkdir(path: string, mode = 0o755, ctx = this.root): number {
    return this.vfs.mkdir(ctx, AT_FDCWD, path, mode);
  }

  rename(from: string, to: string, flags = 0, ctx = this.root): number {
    return this.vfs.rename(ctx, AT_FDCWD, from, AT_FDCWD, to, flags);
  }

  symlink(target: string, path: string, ctx = this.root): number {
    return this.vfs.symlink(ctx, target, AT_FDCWD, path);
  }

  link(from: string, to: string, ctx = this.root): number {
    return this.vfs.link(ctx, AT_FDCWD, from, AT_FDCWD, to);
  }

  unlink(path: string, ctx = this.root): number {
    return this.vfs.unlink(ctx, AT_FDCWD, path);
  }

  rmdir(path: string, ctx = this.root): number {
    return this.vfs.rmdir(ctx, AT_FDCWD, path);
  }

  io(bytes: Uint8Array): KernelIo {
    return new KernelIo(frames.memory).reset(bytes, 0, bytes.length);
  }
}

/** File operations take a task, of which they use what a context of {@link World.as} has. */
export function asTask(ctx: VfsContext): Task {
  return ctx as unknown as Task;
}
