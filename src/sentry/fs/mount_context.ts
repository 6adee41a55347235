/** What fsopen(2) and fsmount(2) return descriptors of. */

import { EBUSY, EINVAL, ENODATA } from "../../abi/errno.ts";
import {
  MS_DIRSYNC,
  MS_LAZYTIME,
  MS_MANDLOCK,
  MS_RDONLY,
  MS_SYNCHRONOUS,
} from "../../abi/mount.ts";
import type { Task } from "../kernel/task.ts";
import type { IoBuffer } from "../mm/io_buffer.ts";
import { anonPath } from "../vfs/anon.ts";
import { File, PathFile } from "../vfs/file.ts";
import type { FileSystem } from "../vfs/file_system.ts";
import type { Mount } from "../vfs/mount.ts";
import { disposeTree } from "../vfs/mounts.ts";
import { Path } from "../vfs/path.ts";
import type { Vfs } from "../vfs/vfs.ts";

/** Flags of a super block by name: bits to set and to clear. */
const FLAGS: ReadonlyMap<string, readonly [set: number, clear: number]> = new Map([
  ["ro", [MS_RDONLY, 0]],
  ["rw", [0, MS_RDONLY]],
  ["sync", [MS_SYNCHRONOUS, 0]],
  ["async", [0, MS_SYNCHRONOUS]],
  ["dirsync", [MS_DIRSYNC, 0]],
  ["lazytime", [MS_LAZYTIME, 0]],
  ["nolazytime", [0, MS_LAZYTIME]],
  ["mand", [MS_MANDLOCK, 0]],
  ["nomand", [0, MS_MANDLOCK]],
]);

/** Options of the types that can be mounted; a type that is not here takes all and complains later. */
const OPTIONS: ReadonlyMap<string, readonly string[]> = new Map([
  [
    "tmpfs",
    ["size", "nr_blocks", "nr_inodes", "mode", "uid", "gid", "huge", "mpol", "inode32", "inode64"],
  ],
  ["ramfs", ["mode"]],
  ["proc", ["hidepid", "gid", "subset"]],
  ["sysfs", []],
  ["mqueue", []],
  ["devpts", ["uid", "gid", "mode", "ptmxmode", "newinstance", "max"]],
]);

/** Text of options, and numbers of them, that one context may gather. */
const MAX_OPTIONS = 256;

/** How far a {@link MountContext} has come. */
export const enum Phase {
  Create = 0,
  Mount = 1,
  Reconfigure = 2,
  Failed = 3,
}

/** Parameters for a file system that is to be made or changed (fsopen(2)). */
export class MountContext extends File {
  readonly type: string;
  phase: Phase;
  source: string | null;
  /** MS_* flags of the super block. */
  sbFlags: number;
  fs: FileSystem | null;
  readonly options: string[];
  private readonly messages: string[];

  constructor(vfs: Vfs, type: string, fs: FileSystem | null) {
    super(anonPath(vfs, "anon_inode:[fscontext]"), 2);
    this.type = type;
    this.fs = fs;
    this.phase = fs === null ? Phase.Create : Phase.Reconfigure;
    this.source = null;
    this.sbFlags = fs !== null && fs.readOnly ? MS_RDONLY : 0;
    this.options = [];
    this.messages = [];
  }

  /** Notes an error for whoever reads the descriptor. */
  complain(text: string): number {
    if (this.messages.length >= 8) this.messages.shift();
    this.messages.push(`e ${text}\n`);
    return -EINVAL;
  }

  /** FSCONFIG_SET_*: a parameter; `value` is null for a flag. */
  set(key: string, value: string | null): number {
    if (this.phase !== Phase.Create && this.phase !== Phase.Reconfigure) return -EBUSY;
    const flag = FLAGS.get(key);
    if (flag !== undefined) {
      if (value !== null) return this.complain(`${this.type}: Unexpected value for '${key}'`);
      this.sbFlags = (this.sbFlags | flag[0]) & ~flag[1];
      return 0;
    }
    if (key === "source") {
      if (value === null) return this.complain(`${this.type}: Non-string source`);
      if (this.source !== null) return this.complain(`${this.type}: Multiple sources`);
      this.source = value;
      return 0;
    }
    const known = OPTIONS.get(this.type);
    if (known !== undefined && !known.includes(key)) {
      return this.complain(`${this.type}: Unknown parameter '${key}'`);
    }
    if (this.options.length >= MAX_OPTIONS) return -EINVAL;
    if (key.includes(",") || (value !== null && value.includes(","))) return -EINVAL;
    this.options.push(value === null ? key : `${key}=${value}`);
    return 0;
  }

  /** The parameters as mount(2) takes them. */
  get data(): string {
    return this.options.join(",");
  }

  override read(_t: Task, io: IoBuffer): number {
    const text = this.messages.shift();
    if (text === undefined) return -ENODATA;
    const bytes = Uint8Array.from(text, (c) => c.charCodeAt(0));
    return io.put(bytes, 0, Math.min(bytes.length, io.remaining));
  }

  override write(): number {
    return -EINVAL;
  }

  override release(): void {
    const fs = this.fs;
    this.fs = null;
    if (fs !== null && fs.mountCount === 0) fs.release();
  }
}

/** A mount that is at no place yet, and goes with this descriptor unless it is put at one. */
export class DetachedMount extends PathFile {
  constructor(m: Mount, flags: number) {
    super(new Path(m, m.root), flags);
  }

  override release(): void {
    const m = this.path.mount;
    if (m.ns !== null) return;
    for (const child of [...m.children]) {
      child.detach();
      disposeTree(child);
    }
  }
}
