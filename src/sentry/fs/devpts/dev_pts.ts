import { EINVAL, ENOENT, ENOSPC } from "../../../abi/errno.ts";
import { DEVPTS_SUPER_MAGIC } from "../../../abi/mount.ts";
import { DT_CHR, S_IFCHR, S_IFDIR } from "../../../abi/stat.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { makeDev } from "../../vfs/device_number.ts";
import { FileSystem } from "../../vfs/file_system.ts";
import { DirEntry, Inode } from "../../vfs/inode.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { Terminal } from "../tty/terminal.ts";

/** Major number of the slaves of pseudoterminals. */
export const PTS_MAJOR = 136;
/** The most pseudoterminals of one instance (/proc/sys/kernel/pty/max). */
export const MAX_PTYS = 4096;
/** Inode numbers that Linux gives: the root, ptmx, and the terminals from 3 on. */
const ROOT_INO = 1;
const PTMX_INO = 2;
const FIRST_INO = 3;

/** A terminal, or `ptmx`, in a devpts directory. */
export class PtsInode extends Inode {
  /** Null for `ptmx`. */
  readonly terminal: Terminal | null;

  constructor(fs: DevPts, terminal: Terminal | null, mode: number, uid: number, gid: number) {
    super(fs, S_IFCHR | mode, uid, gid);
    this.terminal = terminal;
    this.ino = terminal === null ? PTMX_INO : FIRST_INO + terminal.index;
    this.rdev = terminal === null ? makeDev(5, 2) : terminal.deviceNumber;
    this.initTimes(fs.vfs.kernel.clock.realtime());
  }
}

/** The directory; terminals come and go by themselves. */
class PtsDir extends Inode {
  private readonly pts: DevPts;

  constructor(fs: DevPts) {
    super(fs, S_IFDIR | 0o755, 0, 0);
    this.pts = fs;
    this.ino = ROOT_INO;
    this.dynamic = true;
    this.initTimes(fs.vfs.kernel.clock.realtime());
  }

  override lookup(_ctx: VfsContext, name: string): Inode | number {
    return this.pts.find(name) ?? -ENOENT;
  }

  override revalidate(_ctx: VfsContext, name: string, child: Inode): boolean {
    return this.pts.find(name) === child;
  }

  override list(_ctx: VfsContext): DirEntry[] {
    const entries: DirEntry[] = [];
    for (const inode of this.pts.inodes.values()) {
      entries.push(new DirEntry(String(inode.terminal!.index), inode.ino, DT_CHR));
    }
    entries.push(new DirEntry("ptmx", PTMX_INO, DT_CHR));
    return entries;
  }
}

/** An instance of devpts: a set of pseudoterminals, numbered from 0. */
export class DevPts extends FileSystem {
  readonly root: Inode;
  readonly ptmx: PtsInode;
  readonly inodes: Map<number, PtsInode>;
  private mode: number;
  private gid: number;
  private uid: number;
  private max: number;
  private ptmxMode: number;

  constructor(vfs: Vfs) {
    super(vfs, "devpts", DEVPTS_SUPER_MAGIC);
    this.inodes = new Map();
    this.mode = 0o600;
    this.uid = -1;
    this.gid = -1;
    this.max = MAX_PTYS;
    this.ptmxMode = 0;
    this.root = new PtsDir(this);
    this.ptmx = new PtsInode(this, null, 0, 0, 0);
    this.ptmx.get();
  }

  /** Applies mount options (`gid=5,mode=620,ptmxmode=666,max=16`). */
  setOptions(data: string): number {
    for (const option of data.split(",")) {
      if (option === "" || option === "newinstance") continue;
      const eq = option.indexOf("=");
      const key = eq < 0 ? option : option.slice(0, eq);
      const text = eq < 0 ? "" : option.slice(eq + 1);
      const octal = key === "mode" || key === "ptmxmode";
      if (!(octal ? /^[0-7]+$/ : /^[0-9]+$/).test(text)) return -EINVAL;
      const value = parseInt(text, octal ? 8 : 10);
      switch (key) {
        case "mode":
          this.mode = value & 0o7777;
          break;
        case "ptmxmode":
          this.ptmxMode = value & 0o7777;
          this.ptmx.mode = S_IFCHR | this.ptmxMode;
          break;
        case "uid":
          this.uid = value;
          break;
        case "gid":
          this.gid = value;
          break;
        case "max":
          if (value > MAX_PTYS) return -EINVAL;
          this.max = value;
          break;
        default:
          return -EINVAL;
      }
    }
    return 0;
  }

  override showOptions(): string {
    let text = "";
    if (this.uid >= 0) text += `uid=${this.uid},`;
    if (this.gid >= 0) text += `gid=${this.gid},`;
    text += `mode=${this.mode.toString(8).padStart(3, "0")},ptmxmode=${
      this.ptmxMode.toString(8).padStart(3, "0")
    }`;
    return this.max < MAX_PTYS ? `${text},max=${this.max}` : text;
  }

  override remount(_readOnly: boolean, data: string): number {
    return this.setOptions(data);
  }

  /** The entry `name`, or null. */
  find(name: string): PtsInode | null {
    if (name === "ptmx") return this.ptmx;
    if (!/^(0|[1-9][0-9]*)$/.test(name)) return null;
    return this.inodes.get(Number(name)) ?? null;
  }

  /** Makes a pseudoterminal for whoever opened ptmx; -ENOSPC if there are too many. */
  create(uid: number, gid: number): Terminal | number {
    let index = 0;
    while (this.inodes.has(index)) index++;
    if (index >= this.max) return -ENOSPC;
    const terminal = new Terminal(index, makeDev(PTS_MAJOR, index));
    const inode = new PtsInode(
      this,
      terminal,
      this.mode,
      this.uid >= 0 ? this.uid : uid,
      this.gid >= 0 ? this.gid : gid,
    );
    inode.get();
    this.inodes.set(index, inode);
    return terminal;
  }

  /** The master of a terminal was closed: its entry goes. */
  remove(terminal: Terminal): void {
    const inode = this.inodes.get(terminal.index);
    if (inode === undefined || inode.terminal !== terminal) return;
    this.inodes.delete(terminal.index);
    inode.nlink = 0;
    inode.put();
  }
}
