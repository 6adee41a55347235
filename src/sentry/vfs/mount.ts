import {
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_RDONLY,
  MS_RELATIME,
  ST_NOATIME,
  ST_NODIRATIME,
  ST_NOSYMFOLLOW,
  ST_RDONLY,
  ST_RELATIME,
} from "../../abi/mount.ts";
import type { Dentry } from "./dentry.ts";
import type { FileSystem } from "./file_system.ts";
import type { MountNamespace } from "./mount_namespace.ts";
import { Copy, inherit, makePrivate, type PeerGroup } from "./propagation.ts";

/** The MS_* flags that belong to a mount rather than to its file system. */
export const MOUNT_FLAGS = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_NOATIME |
  MS_NODIRATIME | MS_RELATIME | MS_NOSYMFOLLOW;

/** What the number of a mount that is never used again is more than the other one. */
export const UNIQUE_ID = 0x100000000;

/** A file system, or a part of it, at a place of a mount namespace. */
export class Mount {
  readonly id: number;
  readonly fs: FileSystem;
  /** The directory of `fs` that shows at the mount point. */
  readonly root: Dentry;
  /** What /proc/mounts calls the device. */
  readonly source: string;
  /** MS_* flags, see {@link MOUNT_FLAGS}. */
  flags: number;
  /** Those it shares mounts with; null if it is not shared. */
  group: PeerGroup | null;
  /** Those it gets mounts from; null if it is no slave. */
  master: PeerGroup | null;
  /** It may not be bound anywhere. */
  unbindable: boolean;
  /** Null once unmounted. */
  ns: MountNamespace | null;
  parent: Mount | null;
  /** Where on the parent; null for the root of a namespace. */
  mountpoint: Dentry | null;
  readonly children: Mount[];
  /** Open files and working directories on it. */
  refs: number;

  constructor(fs: FileSystem, root: Dentry, source: string, flags: number) {
    this.id = fs.vfs.allocateMountId();
    this.fs = fs;
    this.root = root.get();
    this.source = source;
    this.flags = flags;
    this.group = null;
    this.master = null;
    this.unbindable = false;
    this.ns = null;
    this.parent = null;
    this.mountpoint = null;
    this.children = [];
    this.refs = 0;
    fs.mountCount++;
  }

  get readOnly(): boolean {
    return (this.flags & MS_RDONLY) !== 0 || this.fs.readOnly;
  }

  /** The ST_* flags of statfs(2). */
  get statfsFlags(): number {
    const f = this.flags;
    return (f & (MS_NOSUID | MS_NODEV | MS_NOEXEC)) | (this.readOnly ? ST_RDONLY : 0) |
      ((f & MS_NOATIME) !== 0 ? ST_NOATIME : 0) | ((f & MS_NODIRATIME) !== 0 ? ST_NODIRATIME : 0) |
      ((f & MS_RELATIME) !== 0 ? ST_RELATIME : 0) |
      ((f & MS_NOSYMFOLLOW) !== 0 ? ST_NOSYMFOLLOW : 0);
  }

  /** Ends a use; a mount that is unmounted and unused lets go of its file system. */
  put(): void {
    if (--this.refs === 0 && this.ns === null && !this.fs.anonymous) this.dispose();
  }

  /** Lets go of the file system. Called once, when unmounted and unused. */
  dispose(): void {
    makePrivate(this);
    this.root.put();
    if (--this.fs.mountCount === 0) {
      this.fs.vfs.forgetFileSystem(this.fs);
      this.fs.release();
    }
  }

  /** A mount of the same, for a bind mount of `root` or another namespace. */
  clone(root: Dentry = this.root, how: Copy = Copy.Same): Mount {
    const m = new Mount(this.fs, root, this.source, this.flags);
    inherit(m, this, how);
    return m;
  }

  /** The mount on `d` of this mount, or null. */
  childAt(d: Dentry): Mount | null {
    const mounts = d.mounts!;
    for (let i = mounts.length - 1; i >= 0; i--) if (mounts[i].parent === this) return mounts[i];
    return null;
  }

  /** Puts this mount at `mountpoint` of `parent`. */
  attach(parent: Mount, mountpoint: Dentry): void {
    this.parent = parent;
    this.mountpoint = mountpoint.get();
    parent.children.push(this);
    if (mountpoint.mounts === null) mountpoint.mounts = [this];
    else mountpoint.mounts.push(this);
    this.fs.vfs.dentries.generation++;
  }

  /** Takes this mount from its mount point. */
  detach(): void {
    const d = this.mountpoint;
    const parent = this.parent;
    if (d === null || parent === null) return;
    parent.children.splice(parent.children.indexOf(this), 1);
    const mounts = d.mounts!;
    mounts.splice(mounts.indexOf(this), 1);
    if (mounts.length === 0) d.mounts = null;
    this.parent = null;
    this.mountpoint = null;
    this.fs.vfs.dentries.generation++;
    d.put();
  }
}
