import { ANON_INODE_FS_MAGIC, PIPEFS_MAGIC, SOCKFS_MAGIC } from "../../abi/mount.ts";
import { S_IFDIR } from "../../abi/stat.ts";
import { Dentry } from "./dentry.ts";
import { FileSystem } from "./file_system.ts";
import { Inode } from "./inode.ts";
import { Mount } from "./mount.ts";
import { Path } from "./path.ts";
import type { Vfs } from "./vfs.ts";

/** An inode of a file that has no place in the tree. */
export class AnonInode extends Inode {
  constructor(fs: FileSystem, mode: number, uid = 0, gid = 0) {
    super(fs, mode, uid, gid);
    this.ino = fs.allocateIno();
  }
}

/** A file system whose files have no place in the tree: pipefs, sockfs, anon_inodefs. */
export class AnonFileSystem extends FileSystem {
  readonly root: Inode;
  /** The only mount of it; of no namespace. */
  readonly mount: Mount;

  constructor(vfs: Vfs, typeName: string, magic: number) {
    super(vfs, typeName, magic, true);
    this.root = new AnonInode(this, S_IFDIR | 0o555);
    this.mount = new Mount(this, this.rootDentry, "none", 0);
  }

  /** A path to a new inode; `label` is what /proc/PID/fd shows. */
  path(label: string, inode: Inode): Path {
    return new Path(this.mount, new Dentry(label, null, inode));
  }
}

/** The file systems of what has no name, one of each in a kernel. */
export class AnonFileSystems {
  readonly anon: AnonFileSystem;
  readonly pipes: AnonFileSystem;
  readonly sockets: AnonFileSystem;
  /** All eventfd, epoll, timerfd, … share one inode, as on Linux. */
  readonly shared: AnonInode;

  constructor(vfs: Vfs) {
    this.anon = new AnonFileSystem(vfs, "anon_inodefs", ANON_INODE_FS_MAGIC);
    this.pipes = new AnonFileSystem(vfs, "pipefs", PIPEFS_MAGIC);
    this.sockets = new AnonFileSystem(vfs, "sockfs", SOCKFS_MAGIC);
    this.shared = new AnonInode(this.anon, 0o600);
    this.shared.get();
  }
}

/** The path of an anonymous file such as `anon_inode:[eventfd]`; all share one inode. */
export function anonPath(vfs: Vfs, label: string): Path {
  return vfs.anon.anon.path(label, vfs.anon.shared);
}

/** The path of a new pipe, shown as `pipe:[INO]`; `mode` is that of its inode. */
export function pipePath(vfs: Vfs, mode: number, uid: number, gid: number): Path {
  const inode = new AnonInode(vfs.anon.pipes, mode, uid, gid);
  return vfs.anon.pipes.path(`pipe:[${inode.ino}]`, inode);
}

/** The path of a new socket, shown as `socket:[INO]`. */
export function socketPath(vfs: Vfs, mode: number, uid: number, gid: number): Path {
  const inode = new AnonInode(vfs.anon.sockets, mode, uid, gid);
  return vfs.anon.sockets.path(`socket:[${inode.ino}]`, inode);
}
