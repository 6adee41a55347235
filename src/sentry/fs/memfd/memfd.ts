import { F_SEAL_EXEC, F_SEAL_SEAL, O_LARGEFILE, O_RDWR } from "../../../abi/fcntl.ts";
import { MFD_ALLOW_SEALING, MFD_NOEXEC_SEAL } from "../../../abi/mman.ts";
import { S_IFREG } from "../../../abi/stat.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { Dentry } from "../../vfs/dentry.ts";
import type { File } from "../../vfs/file.ts";
import { Mount } from "../../vfs/mount.ts";
import { Path } from "../../vfs/path.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { MemoryFile } from "../tmpfs/memory_file.ts";
import { Tmpfs } from "../tmpfs/tmpfs.ts";

/** The file system that no path leads to: memfd_create(2), and shared anonymous memory. */
class HiddenTmpfs extends Tmpfs {
  readonly mount: Mount;

  constructor(ctx: VfsContext, vfs: Vfs) {
    super(ctx, vfs);
    this.maxPages = Infinity;
    this.mount = new Mount(this, this.rootDentry, "tmpfs", 0);
    this.mount.refs++;
  }
}

const hidden: WeakMap<Vfs, HiddenTmpfs> = new WeakMap();

function hiddenTmpfs(ctx: VfsContext): HiddenTmpfs {
  const vfs = ctx.kernel.vfs;
  let fs = hidden.get(vfs);
  if (fs === undefined) hidden.set(vfs, fs = new HiddenTmpfs(ctx, vfs));
  return fs;
}

/** A file without a name in the tree; `label` is what /proc/PID/fd shows before " (deleted)". */
function newHiddenFile(ctx: VfsContext, label: string, mode: number, seals: number): File {
  const fs: HiddenTmpfs = hiddenTmpfs(ctx);
  const inode: MemoryFile = fs.newFile(ctx, S_IFREG | mode, ctx.creds.fsuid, ctx.creds.fsgid);
  fs.usedInodes++;
  inode.nlink = 0;
  inode.seals = seals;
  const dentry = new Dentry(label, fs.rootDentry, inode);
  return inode.open(ctx, O_RDWR | O_LARGEFILE, new Path(fs.mount, dentry));
}

/** memfd_create(2). `flags` are MFD_* bits that were checked. */
export function newMemfd(ctx: VfsContext, name: string, flags: number): File {
  const noExec = (flags & MFD_NOEXEC_SEAL) !== 0;
  // Without MFD_ALLOW_SEALING the only seal is the one against seals.
  const seals = noExec ? F_SEAL_EXEC : (flags & MFD_ALLOW_SEALING) !== 0 ? 0 : F_SEAL_SEAL;
  return newHiddenFile(ctx, `memfd:${name}`, noExec ? 0o666 : 0o777, seals);
}

/** A file of `size` bytes behind a shared anonymous mapping (mmap(2)) or a System V segment. */
export function newSharedMemory(ctx: VfsContext, label: string, size: number): File {
  const file = newHiddenFile(ctx, label, 0o777, F_SEAL_SEAL);
  file.inode.truncate(ctx, size);
  return file;
}
