import { EINVAL } from "../../../abi/errno.ts";
import { F_SEAL_SEAL } from "../../../abi/fcntl.ts";
import { MS_RDONLY, TMPFS_MAGIC } from "../../../abi/mount.ts";
import type { VfsContext } from "../../vfs/context.ts";
import type { FileSystem } from "../../vfs/file_system.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { MemoryDir } from "./memory_dir.ts";
import { MAX_INODES, MemoryFileSystem } from "./memory_file_system.ts";
import { parseId, parseMode, parseOptions, parseSize } from "./mount_options.ts";

const PAGE = 4096;
/** Options that other kernels know and that make no difference here. */
const IGNORED = new Set(["huge", "mpol", "inode32", "inode64", "noswap", "nr_blocks", "context"]);

/** tmpfs(5): files in memory, up to a size. */
export class Tmpfs extends MemoryFileSystem {
  readonly root: MemoryDir;
  private shownMode: number;
  private shownSize: boolean;

  constructor(ctx: VfsContext, vfs: Vfs) {
    super(vfs, "tmpfs", TMPFS_MAGIC);
    // As on Linux, half of memory unless told otherwise.
    this.maxPages = Math.floor(this.frames.limit / 2);
    this.shownSize = false;
    this.shownMode = 0o1777;
    this.defaultSeals = F_SEAL_SEAL;
    this.root = this.newDir(ctx, 0o1777, 0, 0);
    this.root.get();
    this.usedInodes = 1;
  }

  override newDir(ctx: VfsContext, mode: number, uid: number, gid: number): MemoryDir {
    return new MemoryDir(this, mode, uid, gid).born(ctx.kernel.clock.realtime());
  }

  /** Takes over options; 0 or -EINVAL. */
  configure(data: string): number {
    for (const [name, value] of parseOptions(data)) {
      switch (name) {
        case "size": {
          const n = parseSize(value, this.frames.frames * PAGE);
          if (n < 0) return -EINVAL;
          const pages = n === 0 ? Infinity : Math.ceil(n / PAGE);
          if (pages < this.usedPages) return -EINVAL;
          this.maxPages = pages;
          this.shownSize = true;
          break;
        }
        case "nr_inodes": {
          const n = parseSize(value, 0);
          if (n < 0 || (n !== 0 && n < this.usedInodes)) return -EINVAL;
          this.maxInodes = n === 0 ? MAX_INODES : n;
          break;
        }
        case "mode": {
          const mode = parseMode(value);
          if (mode < 0) return -EINVAL;
          this.shownMode = mode;
          this.root.mode = (this.root.mode & ~0o7777) | mode;
          break;
        }
        case "uid":
        case "gid": {
          const id = parseId(value);
          if (id < 0) return -EINVAL;
          if (name === "uid") this.root.uid = id;
          else this.root.gid = id;
          break;
        }
        default:
          if (!IGNORED.has(name)) return -EINVAL;
      }
    }
    return 0;
  }

  override remount(_readOnly: boolean, data: string): number {
    return this.configure(data);
  }

  override showOptions(): string {
    let text = "";
    if (this.shownSize && this.maxPages !== Infinity) text += `,size=${this.maxPages * 4}k`;
    if (this.shownMode !== 0o1777) text += `,mode=${this.shownMode.toString(8)}`;
    return text.slice(1);
  }

  override release(): void {
    this.root.discard();
  }
}

/** Makes a tmpfs for mount(2). */
export function createTmpfs(
  ctx: VfsContext,
  _source: string,
  flags: number,
  data: string,
): FileSystem | number {
  const fs = new Tmpfs(ctx, ctx.kernel.vfs);
  const r = fs.configure(data);
  if (r !== 0) return r;
  fs.readOnly = (flags & MS_RDONLY) !== 0;
  return fs;
}
