import * as libc from "../../../../ffi/libc.ts";
import { ENOENT, EROFS, EXDEV } from "../../../abi/errno.ts";
import {
  AT_EMPTY_PATH,
  AT_REMOVEDIR,
  O_CLOEXEC,
  O_CREAT,
  O_DIRECTORY,
  O_EXCL,
  O_NOFOLLOW,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  O_TMPFILE,
  RENAME_EXCHANGE,
} from "../../../abi/fcntl.ts";
import { direntType, DT_UNKNOWN, S_IFBLK, S_IFCHR, S_IFMT } from "../../../abi/stat.ts";
import { cString, stringToBytes } from "../../kernel/bytes.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { DirEntry, type Inode } from "../../vfs/inode.ts";
import { HostInode } from "./host_inode.ts";
import { HostStat } from "./host_stat.ts";

/** A listing longer than this is read again each time rather than kept. */
const KEPT_ENTRIES = 4096;

const stat = new HostStat();
const dirents = new Uint8Array(32768);
const direntView = new DataView(dirents.buffer);

/** A directory of the host. */
export class HostDir extends HostInode {
  /**
   * It belongs to a file system that describes the host itself (procfs and its like) and is shown
   * as empty.
   */
  hidden = false;
  private listing: DirEntry[] | null = null;
  private names: Set<string> | null = null;

  override lookup(_ctx: VfsContext, name: string): Inode | number {
    if (this.hidden) return -ENOENT;
    if (this.names !== null && !this.names.has(name)) return -ENOENT;
    return this.find(name);
  }

  override revalidate(_ctx: VfsContext, name: string, child: Inode): boolean {
    const dirFd = this.hostFd(O_PATH);
    if (dirFd < 0 || stat.entry(dirFd, libc.cstr(stringToBytes(name))) !== 0) return false;
    return (child as HostInode).isStill(stat);
  }

  private find(name: string): Inode | number {
    const dirFd = this.hostFd(O_PATH);
    if (dirFd < 0) return dirFd;
    const bytes = libc.cstr(stringToBytes(name));
    const r = stat.entry(dirFd, bytes);
    return r !== 0 ? r : this.fs.inodeFor(this, bytes, stat);
  }

  override list(_ctx: VfsContext): DirEntry[] | number {
    if (this.hidden) return [];
    if (this.listing !== null) return this.listing;
    // A descriptor of its own: the offset of a shared one could be anywhere.
    const dirFd = this.hostFd(O_PATH);
    if (dirFd < 0) return dirFd;
    const fd = libc.openat(dirFd, DOT, O_RDONLY | O_DIRECTORY | O_CLOEXEC, 0);
    if (fd < 0) return fd;
    const list: DirEntry[] = [];
    let unknown = false;
    let n: number;
    while ((n = libc.getdents64(fd, dirents, dirents.length)) > 0) {
      for (let at = 0; at < n;) {
        const length = direntView.getUint16(at + 16, true);
        const type = dirents[at + 18];
        const name = cString(dirents, at + 19, length - 19);
        if (name !== "." && name !== "..") {
          const ino = direntView.getUint32(at, true) +
            direntView.getUint32(at + 4, true) * 0x100000000;
          if (type === DT_UNKNOWN) unknown = true;
          list.push(new DirEntry(name, ino, type));
        }
        at += length;
      }
    }
    libc.close(fd);
    if (n < 0) return n;
    if (unknown) this.fillTypes(list);
    if (list.length <= KEPT_ENTRIES && !this.fs.shared) {
      this.listing = list;
      this.names = new Set();
      for (const e of list) this.names.add(e.name);
    }
    return list;
  }

  /** Some host file systems do not tell the type of an entry in a listing. */
  private fillTypes(list: DirEntry[]): void {
    const dirFd = this.hostFd(O_PATH);
    for (let i = 0; i < list.length; i++) {
      const e = list[i];
      if (e.type !== DT_UNKNOWN) continue;
      if (stat.entry(dirFd, libc.cstr(stringToBytes(e.name))) === 0) {
        list[i] = new DirEntry(e.name, e.ino, direntType(stat.mode));
      }
    }
  }

  /** Forgets what is known of the entries, after a change. */
  private changed(): number {
    this.listing = null;
    this.names = null;
    return this.reload();
  }

  /** After the host made the entry `name`: gives it its owner, and finds it. */
  private made(name: string, uid: number, gid: number): Inode | number {
    this.changed();
    const inode = this.find(name);
    if (typeof inode === "number") return inode;
    const host = inode as HostInode;
    if (host.uid !== uid || host.gid !== gid) {
      const fd = host.hostFd(O_PATH);
      // A host that does not allow to give files away keeps its own idea of the owner.
      if (fd >= 0 && libc.fchownat(fd, EMPTY, uid, gid, AT_EMPTY_PATH) === 0) {
        host.uid = uid;
        host.gid = gid;
      }
    }
    return inode;
  }

  override create(
    _ctx: VfsContext,
    name: string,
    mode: number,
    uid: number,
    gid: number,
  ): Inode | number {
    if (!this.fs.writable) return -EROFS;
    const dirFd = this.hostFd(O_PATH);
    if (dirFd < 0) return dirFd;
    const flags = O_CREAT | O_EXCL | O_RDWR | O_NOFOLLOW | O_CLOEXEC;
    const fd = libc.openat(dirFd, libc.cstr(stringToBytes(name)), flags, mode & 0o7777);
    if (fd < 0) return fd;
    // The umask of this process must not show.
    libc.fchmod(fd, mode & 0o7777);
    libc.close(fd);
    return this.made(name, uid, gid);
  }

  override mkdir(
    _ctx: VfsContext,
    name: string,
    mode: number,
    uid: number,
    gid: number,
  ): Inode | number {
    if (!this.fs.writable) return -EROFS;
    const dirFd = this.hostFd(O_PATH);
    if (dirFd < 0) return dirFd;
    const r = libc.mkdirat(dirFd, libc.cstr(stringToBytes(name)), mode & 0o7777);
    if (r !== 0) return r;
    const inode = this.made(name, uid, gid);
    if (typeof inode !== "number" && inode.mode !== mode) {
      const fd = (inode as HostDir).hostFd(O_RDONLY);
      if (fd >= 0 && libc.fchmod(fd, mode & 0o7777) === 0) inode.mode = mode;
    }
    return inode;
  }

  override mknod(
    _ctx: VfsContext,
    name: string,
    mode: number,
    uid: number,
    gid: number,
    rdev: number,
  ): Inode | number {
    if (!this.fs.writable) return -EROFS;
    // A real device node on the host would be a door out of the sandbox.
    const type = mode & S_IFMT;
    if (type === S_IFCHR || type === S_IFBLK) return -EROFS;
    const dirFd = this.hostFd(O_PATH);
    if (dirFd < 0) return dirFd;
    const r = libc.mknodat(dirFd, libc.cstr(stringToBytes(name)), mode, rdev);
    return r !== 0 ? r : this.made(name, uid, gid);
  }

  override symlink(
    _ctx: VfsContext,
    name: string,
    target: string,
    uid: number,
    gid: number,
  ): Inode | number {
    if (!this.fs.writable) return -EROFS;
    const dirFd = this.hostFd(O_PATH);
    if (dirFd < 0) return dirFd;
    const r = libc.symlinkat(
      libc.cstr(stringToBytes(target)),
      dirFd,
      libc.cstr(stringToBytes(name)),
    );
    return r !== 0 ? r : this.made(name, uid, gid);
  }

  override tmpfile(_ctx: VfsContext, mode: number, uid: number, gid: number): Inode | number {
    if (!this.fs.writable) return -EROFS;
    const dirFd = this.hostFd(O_PATH);
    if (dirFd < 0) return dirFd;
    const fd = libc.openat(dirFd, DOT, O_TMPFILE | O_RDWR | O_CLOEXEC, mode & 0o7777);
    if (fd < 0) return fd;
    libc.fchmod(fd, mode & 0o7777);
    libc.fchown(fd, uid, gid);
    const r = stat.fd(fd);
    const inode = r !== 0 ? r : this.fs.inodeFor(this, NAMELESS, stat);
    if (typeof inode === "number") libc.close(fd);
    else inode.keepFd(fd, O_RDWR);
    return inode;
  }

  override link(_ctx: VfsContext, name: string, target: Inode): number {
    if (!this.fs.writable) return -EROFS;
    const t = target as HostInode;
    if (t.isLost) return this.nameAgain(name, t);
    if (t.parent === null) return -EXDEV;
    const fromFd = t.parent.hostFd(O_PATH);
    if (fromFd < 0) return fromFd;
    const toFd = this.hostFd(O_PATH);
    if (toFd < 0) return toFd;
    const bytes = libc.cstr(stringToBytes(name));
    const r = libc.linkat(fromFd, t.name, toFd, bytes, 0);
    if (r !== 0) return r;
    t.nlink++;
    t.seenAs(this, bytes);
    return this.changed();
  }

  /** Gives a name to a file of {@link tmpfile}, or one whose other names are not known. */
  private nameAgain(name: string, target: HostInode): number {
    const toFd = this.hostFd(O_PATH);
    if (toFd < 0) return toFd;
    const to = libc.cstr(stringToBytes(name));
    const r = libc.linkat(target.hostFd(O_RDWR), EMPTY, toFd, to, AT_EMPTY_PATH);
    if (r !== 0) return r;
    target.relocate(this, to);
    target.nlink++;
    target.linkable = false;
    return this.changed();
  }

  override unlink(_ctx: VfsContext, name: string, child: Inode): number {
    return this.remove(name, child, 0);
  }

  override rmdir(_ctx: VfsContext, name: string, child: Inode): number {
    return this.remove(name, child, AT_REMOVEDIR);
  }

  private remove(name: string, child: Inode, flags: number): number {
    if (!this.fs.writable) return -EROFS;
    const host = child as HostInode;
    // What is open lives on without a name: it needs a descriptor from now on.
    host.beforeRemoval();
    const dirFd = this.hostFd(O_PATH);
    if (dirFd < 0) return dirFd;
    const bytes = libc.cstr(stringToBytes(name));
    const r = libc.unlinkat(dirFd, bytes, flags);
    if (r !== 0) return r;
    host.nameGone(this, bytes);
    child.nlink = flags === 0 ? child.nlink - 1 : 0;
    return this.changed();
  }

  override rename(
    _ctx: VfsContext,
    name: string,
    child: Inode,
    newDir: Inode,
    newName: string,
    replaced: Inode | null,
    flags: number,
  ): number {
    if (!this.fs.writable) return -EROFS;
    const to = newDir as HostDir;
    const fromFd = this.hostFd(O_PATH);
    if (fromFd < 0) return fromFd;
    const toFd = to.hostFd(O_PATH);
    if (toFd < 0) return toFd;
    if (replaced !== null) (replaced as HostInode).beforeRemoval();
    const from = libc.cstr(stringToBytes(name));
    const target = libc.cstr(stringToBytes(newName));
    const r = libc.renameat2(fromFd, from, toFd, target, flags);
    if (r !== 0) return r;
    if (replaced !== null && (flags & RENAME_EXCHANGE) === 0) {
      (replaced as HostInode).nameGone(to, target);
      replaced.nlink = replaced.isDir ? 0 : replaced.nlink - 1;
    }
    (child as HostInode).nameMoved(this, from, to, target);
    if (replaced !== null && (flags & RENAME_EXCHANGE) !== 0) {
      (replaced as HostInode).nameMoved(to, target, this, from);
    }
    this.changed();
    return to === this ? 0 : to.changed();
  }
}

const DOT = libc.cstr(".");
const EMPTY = libc.cstr("");
const NAMELESS = libc.cstr("");
