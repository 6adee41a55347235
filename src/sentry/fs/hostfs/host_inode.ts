import * as libc from "../../../../ffi/libc.ts";
import { ENODATA, EOPNOTSUPP, EROFS, ESTALE } from "../../../abi/errno.ts";
import {
  AT_EMPTY_PATH,
  O_CLOEXEC,
  O_DIRECTORY,
  O_NOFOLLOW,
  O_NONBLOCK,
  O_PATH,
  O_RDONLY,
  O_RDWR,
  XATTR_LIST_MAX,
  XATTR_SIZE_MAX,
} from "../../../abi/fcntl.ts";
import { S_IFDIR, S_IFMT, S_IFREG, UTIME_OMIT } from "../../../abi/stat.ts";
import { cString, stringToBytes } from "../../kernel/bytes.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { Inode } from "../../vfs/inode.ts";
import { ATTR, type SetAttr } from "../../vfs/set_attr.ts";
import { HostFd } from "./fd_cache.ts";
import type { HostDir } from "./host_dir.ts";
import type { HostFileSystem } from "./host_file_system.ts";
import { HostStat } from "./host_stat.ts";

const checkStat = new HostStat();
const xattrBuffer = new Uint8Array(XATTR_SIZE_MAX);
const EMPTY = libc.cstr("");
/** Names beside the first that are remembered of one file. */
const MAX_OTHER_NAMES = 8;

/** A file of the host, reached through the directory it was found in. */
export abstract class HostInode extends Inode {
  declare readonly fs: HostFileSystem;
  /** Where it is found; null for the root, of which the file system holds a descriptor. */
  parent: HostDir | null;
  /** Its name there, as a C string. */
  name: Uint8Array;
  readonly hostDev: number;
  protected hostBlocks: number;
  protected readonly slot: HostFd;
  /** Other names that were seen of it, while it has several; null if none. */
  private otherNames: { readonly parent: HostDir; readonly name: Uint8Array }[] | null;
  /** Names of its extended attributes, once asked. */
  private xattrNames: string[] | null;

  constructor(fs: HostFileSystem, parent: HostDir | null, name: Uint8Array, st: HostStat) {
    super(fs, st.mode, st.uid, st.gid);
    this.parent = parent;
    this.name = name;
    this.hostDev = st.dev;
    this.hostBlocks = 0;
    this.slot = new HostFd();
    this.otherNames = null;
    this.xattrNames = null;
    this.ino = st.ino;
    this.dev = fs.deviceFor(st.dev);
    this.rdev = st.rdev;
    this.adopt(st);
    this.dynamic = fs.shared && (st.mode & S_IFMT) === S_IFDIR;
    parent?.get();
  }

  /** Takes over attributes that the host told. */
  adopt(st: HostStat): void {
    this.mode = st.mode;
    this.uid = st.uid;
    this.gid = st.gid;
    this.nlink = st.nlink;
    this.size = st.size;
    this.hostBlocks = st.blocks;
    this.atimeSec = st.atimeSec;
    this.atimeNsec = st.atimeNsec;
    this.mtimeSec = st.mtimeSec;
    this.mtimeNsec = st.mtimeNsec;
    this.ctimeSec = st.ctimeSec;
    this.ctimeNsec = st.ctimeNsec;
    this.btimeSec = st.btimeSec;
    this.btimeNsec = st.btimeNsec;
  }

  override get blocks(): number {
    return this.hostBlocks;
  }

  /**
   * A host descriptor of this file, opened with `flags` (O_PATH, O_RDONLY or O_RDWR) or more; or an
   * error. It belongs to the cache and is good until the next call.
   *
   * The walk goes by single names that are never followed as links, from a descriptor of the root,
   * so it can not leave the tree; what is found must be the same file as before.
   */
  hostFd(flags: number): number {
    const slot = this.slot;
    if (
      slot.fd >= 0 &&
      (slot.flags === flags || flags === O_PATH || slot.flags > flags && slot.flags !== O_PATH)
    ) {
      this.fs.fds.touch(slot);
      return slot.fd;
    }
    const fd = this.openHost(flags);
    if (fd < 0) return fd;
    this.fs.fds.fill(slot, fd, flags);
    return fd;
  }

  private openHost(flags: number): number {
    const type = this.mode & S_IFMT;
    // Opening a device, fifo or socket would act on the host; only its place may be named.
    if (flags !== O_PATH && type !== S_IFREG && type !== S_IFDIR) return -EOPNOTSUPP;
    let open = flags | O_NOFOLLOW | O_CLOEXEC;
    if (type === S_IFDIR) open |= O_DIRECTORY;
    else if (flags !== O_PATH) open |= O_NONBLOCK;
    let fd: number;
    if (this.parent === null) {
      fd = libc.openat(this.fs.rootFd, DOT, open, 0);
    } else {
      const dirFd = this.parent.hostFd(O_PATH);
      if (dirFd < 0) return dirFd;
      fd = libc.openat(dirFd, this.name, open, 0);
    }
    if (fd < 0) return fd;
    const r = checkStat.fd(fd);
    if (r !== 0 || checkStat.ino !== this.ino || checkStat.dev !== this.hostDev) {
      libc.close(fd);
      return r !== 0 ? r : -ESTALE;
    }
    return fd;
  }

  /** Whether `st` tells of this very file; takes over what changed on the host then. */
  isStill(st: HostStat): boolean {
    if (st.ino !== this.ino || st.dev !== this.hostDev) return false;
    if ((st.mode & S_IFMT) !== (this.mode & S_IFMT)) return false;
    this.observe(st);
    return true;
  }

  override refresh(_ctx: VfsContext): number {
    if (!this.fs.shared) return 0;
    const fd = this.hostFd(O_PATH);
    // A file that is gone keeps the attributes it had.
    if (fd >= 0 && checkStat.fd(fd) === 0) this.observe(checkStat);
    return 0;
  }

  /** The host was asked without a change of ours: takes over what others changed. */
  protected observe(st: HostStat): void {
    this.adopt(st);
  }

  /** Asks the host for the attributes again, after something changed them there. */
  protected reload(): number {
    const fd = this.hostFd(O_PATH);
    const r = fd < 0 ? fd : checkStat.fd(fd);
    if (r === 0) this.adoptAfterChange(checkStat);
    return r;
  }

  /** As {@link adopt}; files whose size the sentry knows better override it. */
  protected adoptAfterChange(st: HostStat): void {
    this.adopt(st);
  }

  /** A name is about to go: if no other is known, whoever has it open needs a descriptor. */
  beforeRemoval(): void {
    const type = this.mode & S_IFMT;
    if (this.refs === 0 || type !== S_IFREG || this.otherNames !== null) return;
    if (this.hostFd(this.fs.writable ? O_RDWR : O_RDONLY) >= 0) this.fs.fds.pin(this.slot);
  }

  /** It can be reached by a descriptor only: it has no name, or none that is known. */
  get isLost(): boolean {
    return this.slot.pinned;
  }

  /** One of its names became another. */
  nameMoved(from: HostDir, name: Uint8Array, to: HostDir, newName: Uint8Array): void {
    if (this.otherNames === null || isName(this, from, name)) {
      this.relocate(to, newName);
    } else {
      this.nameGone(from, name);
      this.seenAs(to, newName);
    }
  }

  /** It was found by another name than that it is reached by, or by the same. */
  seenAs(parent: HostDir, name: Uint8Array): void {
    if (this.nlink < 2 || this.isDir || isName(this, parent, name)) return;
    const others = this.otherNames ??= [];
    for (const other of others) if (isName(other, parent, name)) return;
    if (others.length >= MAX_OTHER_NAMES) others.shift()!.parent.put();
    parent.get();
    others.push({ parent, name });
  }

  /** One of its names went away: another takes its place, if one is known. */
  nameGone(parent: HostDir, name: Uint8Array): void {
    const others = this.otherNames;
    if (others === null) return;
    if (isName(this, parent, name)) {
      const other = others.pop()!;
      this.relocate(other.parent, other.name);
      other.parent.put();
    } else {
      const i = others.findIndex((other) => isName(other, parent, name));
      if (i < 0) return;
      others.splice(i, 1)[0].parent.put();
    }
    if (others.length === 0) this.otherNames = null;
  }

  /** Takes over a descriptor of a file that can't be found by name. */
  keepFd(fd: number, flags: number): void {
    this.fs.fds.fill(this.slot, fd, flags);
    this.fs.fds.pin(this.slot);
  }

  /** Where it is found now. */
  relocate(parent: HostDir, name: Uint8Array): void {
    if (parent !== this.parent) {
      parent.get();
      this.parent?.put();
      this.parent = parent;
    }
    this.name = name;
    this.fs.fds.unpin(this.slot);
  }

  protected override evict(): void {
    this.fs.fds.close(this.slot);
    this.fs.forget(this);
    if (this.otherNames !== null) { for (const other of this.otherNames) other.parent.put(); }
    this.otherNames = null;
    const parent = this.parent;
    this.parent = null;
    parent?.put();
  }

  /** Lets go of everything, as the file system is released. */
  abandon(): void {
    this.fs.fds.close(this.slot);
  }

  override setattr(_ctx: VfsContext, attr: SetAttr): number {
    if (!this.fs.writable) return -EROFS;
    const r = this.setHostAttr(attr);
    return r !== 0 ? r : this.reload();
  }

  private setHostAttr(attr: SetAttr): number {
    const valid = attr.valid;
    const fd = this.hostFd(O_PATH);
    if (fd < 0) return fd;
    if ((valid & (ATTR.UID | ATTR.GID)) !== 0) {
      const uid = (valid & ATTR.UID) !== 0 ? attr.uid : -1;
      const gid = (valid & ATTR.GID) !== 0 ? attr.gid : -1;
      const r = libc.fchownat(fd, EMPTY, uid, gid, AT_EMPTY_PATH);
      if (r !== 0) return r;
    }
    if ((valid & ATTR.MODE) !== 0) {
      // fchmod does not take an O_PATH descriptor, and a name could be swapped for a link meanwhile.
      const real = this.hostFd(O_RDONLY);
      if (real < 0) return real;
      const r = libc.fchmod(real, attr.mode & 0o7777);
      if (r !== 0) return r;
    }
    if ((valid & (ATTR.ATIME | ATTR.MTIME)) !== 0) {
      const times = new DataView(new ArrayBuffer(32));
      writeTime(times, 0, (valid & ATTR.ATIME) !== 0, attr.atimeSec, attr.atimeNsec);
      writeTime(times, 16, (valid & ATTR.MTIME) !== 0, attr.mtimeSec, attr.mtimeNsec);
      const place = this.hostFd(O_PATH);
      if (place < 0) return place;
      const r = libc.utimensat(place, EMPTY, new Uint8Array(times.buffer), AT_EMPTY_PATH);
      if (r !== 0) return r;
    }
    return 0;
  }

  override listxattr(_ctx: VfsContext): string[] | number {
    if (this.xattrNames !== null) return this.xattrNames;
    const type = this.mode & S_IFMT;
    if (type !== S_IFREG && type !== S_IFDIR) return (this.xattrNames = []);
    const fd = this.hostFd(O_RDONLY);
    if (fd < 0) return fd;
    const list = new Uint8Array(XATTR_LIST_MAX);
    const length = libc.flistxattr(fd, list, list.length);
    const names: string[] = [];
    for (let at = 0; at < length;) {
      const name = cString(list, at, length - at);
      at += name.length + 1;
      if (isShown(name)) names.push(name);
    }
    this.xattrNames = names;
    return names;
  }

  override getxattr(ctx: VfsContext, name: string): Uint8Array | number {
    const names = this.listxattr(ctx);
    if (typeof names === "number" || !names.includes(name)) return -ENODATA;
    const fd = this.hostFd(O_RDONLY);
    if (fd < 0) return fd;
    const n = libc.fgetxattr(fd, libc.cstr(stringToBytes(name)), xattrBuffer, xattrBuffer.length);
    return n < 0 ? n : xattrBuffer.slice(0, n);
  }

  override setxattr(_ctx: VfsContext, name: string, value: Uint8Array, flags: number): number {
    if (!this.fs.writable) return -EROFS;
    if (!isShown(name)) return -EOPNOTSUPP;
    const fd = this.hostFd(O_RDONLY);
    if (fd < 0) return fd;
    this.xattrNames = null;
    return libc.fsetxattr(fd, libc.cstr(stringToBytes(name)), value, value.length, flags);
  }

  override removexattr(_ctx: VfsContext, name: string): number {
    if (!this.fs.writable) return -EROFS;
    if (!isShown(name)) return -ENODATA;
    const fd = this.hostFd(O_RDONLY);
    if (fd < 0) return fd;
    this.xattrNames = null;
    return libc.fremovexattr(fd, libc.cstr(stringToBytes(name)));
  }
}

const DOT = libc.cstr(".");

/** A place where a file is found. */
interface HostName {
  readonly parent: HostDir | null;
  readonly name: Uint8Array;
}

function isName(known: HostName, parent: HostDir, name: Uint8Array): boolean {
  if (known.parent !== parent || known.name.length !== name.length) return false;
  for (let i = 0; i < name.length; i++) if (known.name[i] !== name[i]) return false;
  return true;
}

function writeTime(view: DataView, at: number, set: boolean, sec: number, nsec: number): void {
  const s = set ? sec : 0;
  view.setUint32(at, s >>> 0, true);
  view.setInt32(at + 4, Math.floor(s / 0x100000000), true);
  view.setUint32(at + 8, set ? nsec : UTIME_OMIT, true);
}

/** Which attributes of the host are shown: access control lists and labels mean nothing here. */
function isShown(name: string): boolean {
  return name.startsWith("user.") || name === "security.capability";
}
