/** How the boot code builds the tree that a container starts with. */

import { ENOENT, ENOTDIR } from "../../abi/errno.ts";
import { AT_FDCWD } from "../../abi/fcntl.ts";
import { S_IFREG } from "../../abi/stat.ts";
import type { VfsContext } from "./context.ts";
import type { FileSystem } from "./file_system.ts";
import { FsContext } from "./fs_context.ts";
import { Mount } from "./mount.ts";
import { mountFileSystem, mountFlags } from "./mounts.ts";
import { MountNamespace } from "./mount_namespace.ts";
import { Path } from "./path.ts";
import type { Vfs } from "./vfs.ts";

/** A mount namespace whose root is `fs`. `flags` are MS_* flags. */
export function createNamespace(
  vfs: Vfs,
  fs: FileSystem,
  source: string,
  flags = 0,
): MountNamespace {
  vfs.mounted.add(fs);
  return new MountNamespace(new Mount(fs, fs.rootDentry, source, mountFlags(flags)));
}

/** The directories of a task that starts at the root of a namespace. */
export function rootContext(ns: MountNamespace, umask = 0o22): FsContext {
  const root = new Path(ns.root, ns.root.root);
  return new FsContext(root, root, umask);
}

/** Makes a directory and those it lies in, as far as they are missing; 0 or an error. */
export function makeDirectories(vfs: Vfs, ctx: VfsContext, path: string, mode = 0o755): number {
  for (let end = path.indexOf("/", 1);; end = path.indexOf("/", end + 1)) {
    const part = end < 0 ? path : path.slice(0, end);
    const inode = vfs.locate(ctx, AT_FDCWD, part, 0);
    if (inode === -ENOENT) {
      const r = vfs.mkdir(ctx, AT_FDCWD, part, mode);
      if (r !== 0) return r;
    } else if (typeof inode === "number") {
      return inode;
    } else if (!inode.isDir) {
      return -ENOTDIR;
    }
    if (end < 0) return 0;
  }
}

/**
 * Mounts a file system at an absolute path, and makes the mount point if it is missing: a directory,
 * or an empty file if the root of `fs` is no directory. The umask of `ctx` should be 0o22 or less.
 */
export function mountAt(
  vfs: Vfs,
  ctx: VfsContext,
  fs: FileSystem,
  target: string,
  source: string,
  flags: number,
): number {
  let at = vfs.resolve(ctx, AT_FDCWD, target);
  if (at === -ENOENT) {
    const isDir = fs.root.isDir;
    const parent = target.slice(0, Math.max(1, target.lastIndexOf("/")));
    let r = makeDirectories(vfs, ctx, isDir ? target : parent);
    if (r === 0 && !isDir) r = vfs.mknod(ctx, AT_FDCWD, target, S_IFREG | 0o755, 0);
    if (r !== 0) return r;
    at = vfs.resolve(ctx, AT_FDCWD, target);
  }
  return typeof at === "number" ? at : mountFileSystem(vfs, fs, at, source, flags);
}
