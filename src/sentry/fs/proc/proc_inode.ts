import { EACCES, ENOENT, EPERM } from "../../../abi/errno.ts";
import { direntType, S_IFDIR, S_IFLNK, S_IFREG } from "../../../abi/stat.ts";
import type { Task } from "../../kernel/task.ts";
import type { VfsContext } from "../../vfs/context.ts";
import type { File } from "../../vfs/file.ts";
import type { FileSystem } from "../../vfs/file_system.ts";
import { DirEntry, Inode } from "../../vfs/inode.ts";
import type { Path } from "../../vfs/path.ts";
import { ATTR, type SetAttr } from "../../vfs/set_attr.ts";
import { ProcFile } from "./proc_file.ts";

/** Makes the text of a file, a byte string, or an error. */
export type Content = (ctx: VfsContext) => string | number;
/** Takes what was written to a file: 0 or an error. */
export type WriteContent = (t: Task, text: string) => number;

/** An inode that exists by the kernel's will alone: no changes but of the mode by root. */
abstract class KernelInode extends Inode {
  constructor(fs: FileSystem, mode: number, uid = 0, gid = 0) {
    super(fs, mode, uid, gid);
    this.ino = fs.allocateIno();
    this.initTimes(fs.vfs.kernel.clock.realtime());
  }

  override get blocks(): number {
    return 0;
  }

  override get blockSize(): number {
    return 1024;
  }

  override setattr(ctx: VfsContext, attr: SetAttr): number {
    if (attr.valid & (ATTR.MODE | ATTR.UID | ATTR.GID)) return -EPERM;
    return super.setattr(ctx, attr);
  }
}

/** A text file: one function says what it holds. */
export class ProcText extends KernelInode {
  readonly read: Content;
  readonly write: WriteContent | null;

  constructor(
    fs: FileSystem,
    mode: number,
    read: Content,
    write: WriteContent | null = null,
    uid = 0,
    gid = 0,
  ) {
    super(fs, S_IFREG | mode, uid, gid);
    this.read = read;
    this.write = write;
  }

  override open(_ctx: VfsContext, flags: number, path: Path): File | number {
    return new ProcFile(path, flags, this);
  }

  override truncate(_ctx: VfsContext, _size: number): number {
    return 0;
  }
}

/** A symbolic link whose text depends on who reads it. */
export class ProcLink extends KernelInode {
  private readonly text: Content;
  /** For magic links: the place itself. */
  private readonly target: ((ctx: VfsContext) => Path | number) | null;

  constructor(
    fs: FileSystem,
    text: Content,
    target: ((ctx: VfsContext) => Path | number) | null = null,
    uid = 0,
    gid = 0,
    mode = 0o777,
  ) {
    super(fs, S_IFLNK | mode, uid, gid);
    this.text = text;
    this.target = target;
    this.magicLink = target !== null;
  }

  override readlink(ctx: VfsContext): string | number {
    return this.text(ctx);
  }

  override followLink(ctx: VfsContext): string | Path | number {
    return this.target === null ? this.text(ctx) : this.target(ctx);
  }
}

/** A directory of the kernel's: nothing can be made or removed in it. */
export abstract class KernelDir extends KernelInode {
  constructor(fs: FileSystem, mode = 0o555, uid = 0, gid = 0) {
    super(fs, S_IFDIR | mode, uid, gid);
  }

  override create(): number {
    return -EACCES;
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

  override unlink(): number {
    return -EPERM;
  }

  override rmdir(): number {
    return -EPERM;
  }

  override rename(): number {
    return -EPERM;
  }
}

/** What stands in a directory: makes the inode when it is first looked at. */
export type Maker = () => Inode;

/** A directory with a fixed set of entries. */
export class StaticDir extends KernelDir {
  private readonly makers: Map<string, Maker>;
  private readonly made: Map<string, Inode>;

  constructor(
    fs: FileSystem,
    entries: readonly (readonly [string, Maker])[],
    mode = 0o555,
    uid = 0,
    gid = 0,
  ) {
    super(fs, mode, uid, gid);
    this.makers = new Map(entries);
    this.made = new Map();
  }

  /** The entry itself, or null. */
  entry(name: string): Inode | null {
    let inode = this.made.get(name);
    if (inode === undefined) {
      const maker = this.makers.get(name);
      if (maker === undefined) return null;
      inode = maker().get();
      this.made.set(name, inode);
      if (inode.isDir) this.nlink++;
    }
    return inode;
  }

  override lookup(_ctx: VfsContext, name: string): Inode | number {
    return this.entry(name) ?? -ENOENT;
  }

  override revalidate(_ctx: VfsContext, name: string, child: Inode): boolean {
    return this.made.get(name) === child;
  }

  override list(_ctx: VfsContext): DirEntry[] | number {
    const list: DirEntry[] = [];
    for (const name of this.makers.keys()) {
      const inode = this.entry(name)!;
      list.push(new DirEntry(name, inode.ino, direntType(inode.mode)));
    }
    return list;
  }
}

/** A tree of text files by names: strings are constant texts, functions make them. */
export interface TextTree {
  readonly [name: string]: string | Content | TextTree | readonly [Content, WriteContent | null];
}

/** Makes a directory of a {@link TextTree}. */
export function textDir(fs: FileSystem, tree: TextTree): StaticDir {
  const entries: [string, Maker][] = [];
  for (const name in tree) {
    const value = tree[name];
    if (typeof value === "string") {
      entries.push([name, () => new ProcText(fs, 0o444, () => value)]);
    } else if (typeof value === "function") {
      entries.push([name, () => new ProcText(fs, 0o444, value)]);
    } else if (isWritable(value)) {
      entries.push([name, () => new ProcText(fs, 0o644, value[0], value[1])]);
    } else {
      entries.push([name, () => textDir(fs, value)]);
    }
  }
  return new StaticDir(fs, entries);
}

function isWritable(
  value: TextTree | readonly [Content, WriteContent | null],
): value is readonly [Content, WriteContent | null] {
  return Array.isArray(value);
}
