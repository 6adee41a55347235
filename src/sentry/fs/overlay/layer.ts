/**
 * Names in a layer of an overlay. They go by the dentries of the layer's own file system, so that programs that look at
 * the layer itself see what the overlay did.
 */

import { ENOENT } from "../../../abi/errno.ts";
import { S_IFCHR, S_IFMT } from "../../../abi/stat.ts";
import type { VfsContext } from "../../vfs/context.ts";
import type { Dentry } from "../../vfs/dentry.ts";
import type { Inode } from "../../vfs/inode.ts";

export const OPAQUE = "trusted.overlay.opaque";

/** What `name` is in a directory: its dentry, null for nothing, or an error. */
export function find(ctx: VfsContext, dir: Dentry, name: string): Dentry | null | number {
  const known = dir.children?.get(name);
  if (known !== undefined && !dir.inode!.dynamic) return known.inode === null ? null : known;
  const inode = dir.inode!.lookup(ctx, name);
  if (inode === -ENOENT) return null;
  if (typeof inode === "number") return inode;
  return enter(dir, name, inode);
}

/** Enters a name that came to be. */
export function enter(dir: Dentry, name: string, inode: Inode): Dentry {
  const known = dir.children?.get(name);
  if (known !== undefined) {
    if (known.inode === null) known.instantiate(inode);
    if (known.inode === inode) return known;
    inode.fs.vfs.dentries.unhashTree(known);
  }
  return inode.fs.vfs.dentries.add(dir, name, inode);
}

/** A character device 0:0 stands for a name that was removed. */
export function isWhiteout(inode: Inode): boolean {
  return (inode.mode & S_IFMT) === S_IFCHR && inode.rdev === 0;
}

/** Nothing of the layers below shows in this directory. */
export function isOpaque(ctx: VfsContext, dir: Dentry): boolean {
  const value = dir.inode!.getxattr(ctx, OPAQUE);
  return typeof value !== "number" && value.length === 1 && value[0] === 0x79;
}

export function makeOpaque(ctx: VfsContext, dir: Dentry): number {
  return dir.inode!.setxattr(ctx, OPAQUE, Uint8Array.of(0x79), 0);
}

/** Removes a name that is no directory. */
export function remove(ctx: VfsContext, d: Dentry): number {
  const r = d.parent!.inode!.unlink(ctx, d.name, d.inode!);
  if (r === 0) d.inode!.fs.vfs.dentries.unhash(d);
  return r;
}

/** Removes a directory in which there is nothing but whiteouts. */
export function removeDir(ctx: VfsContext, d: Dentry): number {
  const list = d.inode!.list(ctx);
  if (typeof list === "number") return list;
  for (const e of list) {
    const child = find(ctx, d, e.name);
    if (child === null || typeof child === "number" || !isWhiteout(child.inode!)) continue;
    const r = remove(ctx, child);
    if (r !== 0) return r;
  }
  const r = d.parent!.inode!.rmdir(ctx, d.name, d.inode!);
  if (r === 0) d.inode!.fs.vfs.dentries.unhashTree(d);
  return r;
}

/** Puts a whiteout where no name is. */
export function whiteOut(ctx: VfsContext, dir: Dentry, name: string): number {
  const made = dir.inode!.mknod(ctx, name, S_IFCHR, 0, 0, 0);
  if (typeof made === "number") return made;
  enter(dir, name, made);
  return 0;
}
