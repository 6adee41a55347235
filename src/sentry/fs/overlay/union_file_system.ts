import { EINVAL, ENOTDIR } from "../../../abi/errno.ts";
import { AT_FDCWD } from "../../../abi/fcntl.ts";
import { MS_RDONLY, OVERLAYFS_SUPER_MAGIC } from "../../../abi/mount.ts";
import type { VfsContext } from "../../vfs/context.ts";
import type { Dentry } from "../../vfs/dentry.ts";
import { FileSystem, type StatFs } from "../../vfs/file_system.ts";
import type { Inode } from "../../vfs/inode.ts";
import type { Path } from "../../vfs/path.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { UnionDir } from "./union_dir.ts";
import { UnionInode } from "./union_inode.ts";

/** Overlays that may lie on one another, and layers of one. */
const MAX_DEPTH = 2;
const MAX_LAYERS = 500;
/** Options that make no difference here. */
const IGNORED = new Set([
  "index",
  "xino",
  "redirect_dir",
  "nfs_export",
  "metacopy",
  "volatile",
  "uuid",
]);

/** overlayfs as programs mount it: all layers are directories of theirs. */
export class UnionFileSystem extends FileSystem {
  readonly root: UnionDir;
  /** How many overlays lie on one another. */
  readonly depth: number;
  private readonly layers: readonly Dentry[];
  /** By the file of the uppermost layer that has it. */
  private readonly nodes: Map<Inode, UnionInode>;
  private readonly options: string;

  constructor(vfs: Vfs, upper: Path | null, lower: readonly Path[], options: string) {
    super(vfs, "overlay", OVERLAYFS_SUPER_MAGIC);
    this.layers = (upper === null ? lower : [upper, ...lower]).map((p) => p.dentry.get());
    for (const d of this.layers) d.inode!.fs.mountCount++;
    this.depth = stackDepth(this.layers) + 1;
    this.nodes = new Map();
    this.options = options;
    this.readOnly = upper === null || upper.mount.readOnly;
    this.root = new UnionDir(this, null, "", upper?.dentry ?? null, lower.map((p) => p.dentry));
    this.root.get();
  }

  /** The inode for what is found in the layers; one for all names of a file. */
  node(parent: UnionDir, name: string, upper: Dentry | null, lower: Dentry[]): UnionInode {
    const real = (upper ?? lower[0]).inode!;
    const known = this.nodes.get(real);
    if (known !== undefined && !known.isDir) {
      known.pull();
      return known;
    }
    const node = real.isDir
      ? new UnionDir(this, parent, name, upper, lower)
      : new UnionInode(this, parent, name, upper, lower);
    // Names of one lower file part when they are copied up, so that each is a file from the start.
    if (upper !== null || real.nlink === 1) this.remember(node);
    return node;
  }

  /** Makes a node known by its file, which became another by copy-up. */
  remember(node: UnionInode): void {
    if (node.isDir) return;
    this.forget(node);
    this.nodes.set(node.real, node);
  }

  forget(node: UnionInode): void {
    for (const d of [node.upper, ...node.lower]) {
      if (d !== null && d.inode !== null && this.nodes.get(d.inode) === node) {
        this.nodes.delete(d.inode);
      }
    }
  }

  /** The number of a file: its own where it is of the same file system as the upper layer. */
  inoFor(real: Inode): number {
    return real.dev === this.layers[0].inode!.dev ? real.ino : 2 ** 40 + this.allocateIno();
  }

  override statfs(out: StatFs): number {
    const r = this.layers[0].inode!.fs.statfs(out);
    out.type = this.magic;
    return r;
  }

  override showOptions(): string {
    return this.options;
  }

  override sync(): number {
    return this.readOnly ? 0 : this.layers[0].inode!.fs.sync();
  }

  override release(): void {
    for (const d of this.layers) {
      const fs = d.inode!.fs;
      d.put();
      if (--fs.mountCount > 0) continue;
      this.vfs.forgetFileSystem(fs);
      fs.release();
    }
  }
}

function stackDepth(layers: readonly Dentry[]): number {
  let depth = 0;
  for (const d of layers) {
    const fs = d.inode!.fs;
    if (fs instanceof UnionFileSystem) depth = Math.max(depth, fs.depth);
  }
  return depth;
}

/** Splits at `separator` where no backslash is before it, and takes the backslashes out. */
function split(text: string, separator: string): string[] {
  const parts = [""];
  for (let i = 0; i < text.length; i++) {
    if (text[i] === "\\" && i + 1 < text.length) parts[parts.length - 1] += text[++i];
    else if (text[i] === separator) parts.push("");
    else parts[parts.length - 1] += text[i];
  }
  return parts;
}

/** Makes an overlay for mount(2). */
export function createUnion(
  ctx: VfsContext,
  _source: string,
  flags: number,
  data: string,
): FileSystem | number {
  let lowerdir = "";
  let upperdir = "";
  let workdir = "";
  for (const option of data.split(/(?<!\\),/)) {
    const [key, ...rest] = option.split("=");
    const value = rest.join("=");
    if (key === "lowerdir") lowerdir = value;
    else if (key === "upperdir") upperdir = value;
    else if (key === "workdir") workdir = value;
    else if (key !== "" && !IGNORED.has(key)) return -EINVAL;
  }
  if (lowerdir === "") return -EINVAL;
  const vfs = ctx.kernel.vfs;
  const directory = (path: string): Path | number => {
    const found = vfs.resolve(ctx, AT_FDCWD, path);
    if (typeof found === "number") return found;
    return found.inode.isDir ? found : -ENOTDIR;
  };
  const lower: Path[] = [];
  for (const path of split(lowerdir, ":")) {
    const found = directory(path);
    if (typeof found === "number") return found;
    lower.push(found);
  }
  if (lower.length > MAX_LAYERS || lower.length === 0) return -EINVAL;
  let upper: Path | null = null;
  if (upperdir !== "") {
    if (workdir === "") return -EINVAL;
    const found = directory(split(upperdir, "\0")[0]);
    if (typeof found === "number") return found;
    const work = directory(split(workdir, "\0")[0]);
    if (typeof work === "number") return work;
    if (work.mount !== found.mount || work.inode.fs !== found.inode.fs) return -EINVAL;
    if (work.dentry.isWithin(found.dentry) || found.dentry.isWithin(work.dentry)) return -EINVAL;
    upper = found;
  } else if (lower.length === 1) {
    return -EINVAL;
  }
  const all = upper === null ? lower : [upper, ...lower];
  if (stackDepth(all.map((p) => p.dentry)) + 1 > MAX_DEPTH) return -EINVAL;
  const fs = new UnionFileSystem(vfs, upper, lower, data);
  if ((flags & MS_RDONLY) !== 0) fs.readOnly = true;
  return fs;
}
