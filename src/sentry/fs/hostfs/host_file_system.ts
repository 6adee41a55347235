import * as libc from "../../../../ffi/libc.ts";
import { EACCES } from "../../../abi/errno.ts";
import { O_CLOEXEC, O_NOFOLLOW, O_PATH } from "../../../abi/fcntl.ts";
import {
  AUTOFS_SUPER_MAGIC,
  BINFMTFS_MAGIC,
  BPF_FS_MAGIC,
  CGROUP2_SUPER_MAGIC,
  CGROUP_SUPER_MAGIC,
  CONFIGFS_MAGIC,
  DEBUGFS_MAGIC,
  DEVPTS_SUPER_MAGIC,
  EFIVARFS_MAGIC,
  MQUEUE_MAGIC,
  NSFS_MAGIC,
  PROC_SUPER_MAGIC,
  PSTOREFS_MAGIC,
  RDTGROUP_SUPER_MAGIC,
  SECURITYFS_MAGIC,
  SELINUX_MAGIC,
  SYSFS_MAGIC,
  TRACEFS_MAGIC,
} from "../../../abi/mount.ts";
import { S_IFDIR, S_IFLNK, S_IFMT, S_IFREG } from "../../../abi/stat.ts";
import { Statfs } from "../../../abi/structs/file.ts";
import { stringToBytes, utf8ToByteString } from "../../kernel/bytes.ts";
import { FileSystem, type StatFs } from "../../vfs/file_system.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { FdCache } from "./fd_cache.ts";
import { HostDir } from "./host_dir.ts";
import { HostFile } from "./host_file.ts";
import type { HostInode } from "./host_inode.ts";
import { HostLink, HostNode } from "./host_node.ts";
import { HostStat } from "./host_stat.ts";
import { PageBudget } from "./page_budget.ts";

/** Host descriptors that one host file system keeps open at most, those of unlinked files aside. */
const MAX_FDS = 256;

/** File systems that describe the host or its kernel: nothing of them is shown. */
const HIDDEN = new Set<number>([
  AUTOFS_SUPER_MAGIC,
  BINFMTFS_MAGIC,
  BPF_FS_MAGIC,
  CGROUP2_SUPER_MAGIC,
  CGROUP_SUPER_MAGIC,
  CONFIGFS_MAGIC,
  DEBUGFS_MAGIC,
  DEVPTS_SUPER_MAGIC,
  EFIVARFS_MAGIC,
  MQUEUE_MAGIC,
  NSFS_MAGIC,
  PROC_SUPER_MAGIC,
  PSTOREFS_MAGIC,
  RDTGROUP_SUPER_MAGIC,
  SECURITYFS_MAGIC,
  SELINUX_MAGIC,
  SYSFS_MAGIC,
  TRACEFS_MAGIC,
]);

const stat = new HostStat();
const statfsBuffer = new Uint8Array(Statfs.size);
const statfsView = new DataView(statfsBuffer.buffer);

/**
 * A tree of files of the host, seen through one descriptor of its root. What was asked once is
 * remembered, as the tree must not change but through this file system; unless it is shared.
 */
export class HostFileSystem extends FileSystem {
  readonly root: HostInode;
  /** The root directory (O_PATH); belongs to this object. */
  readonly rootFd: number;
  readonly writable: boolean;
  /** Others change the tree too: what was asked before is checked before it is used. */
  readonly shared: boolean;
  readonly fds: FdCache;
  readonly pages: PageBudget;
  private readonly inodes: Map<number, Map<number, HostInode>>;
  private readonly devices: Map<number, number>;
  private readonly hiddenDevices: Map<number, boolean>;

  /**
   * `rootFd` is an O_PATH descriptor of a directory, which this object closes in the end; with
   * `file`, the root of the file system is that entry of the directory. Throws if the host does not
   * even tell the attributes.
   */
  constructor(
    vfs: Vfs,
    rootFd: number,
    writable: boolean,
    file: string | null = null,
    shared = false,
  ) {
    super(vfs, "hostfs", 0);
    this.rootFd = rootFd;
    this.writable = writable;
    this.shared = shared;
    this.readOnly = !writable;
    this.fds = new FdCache(MAX_FDS);
    this.pages = new PageBudget(vfs.kernel, vfs.hostCachePages ?? undefined);
    this.inodes = new Map();
    this.devices = new Map();
    this.hiddenDevices = new Map();
    const r = stat.fd(rootFd);
    if (r !== 0) throw new Error(`hostfs: the root directory has no attributes (errno ${-r})`);
    this.devices.set(stat.dev, this.dev);
    this.hiddenDevices.set(stat.dev, false);
    const dir = new HostDir(this, null, new Uint8Array(1), stat);
    this.remember(dir);
    if (file === null) {
      this.root = dir;
      return;
    }
    const name = libc.cstr(stringToBytes(utf8ToByteString(file)));
    const e = stat.entry(rootFd, name);
    const inode = e !== 0 ? e : this.inodeFor(dir, name, stat);
    if (typeof inode === "number") throw new Error(`hostfs: no file ${file} (errno ${-inode})`);
    this.root = inode;
  }

  /** `st_dev` in the sandbox for one of the host. */
  deviceFor(hostDev: number): number {
    let dev = this.devices.get(hostDev);
    if (dev === undefined) {
      dev = this.vfs.allocateDev();
      this.devices.set(hostDev, dev);
    }
    return dev;
  }

  /** The inode of what was found as `name` in `parent`; two names of one file give the same. */
  inodeFor(parent: HostDir, name: Uint8Array, st: HostStat): HostInode | number {
    const known = this.inodes.get(st.dev)?.get(st.ino);
    if (known !== undefined && (known.mode & S_IFMT) === (st.mode & S_IFMT)) {
      known.seenAs(parent, name);
      return known;
    }
    const hidden = st.dev !== parent.hostDev && this.isHidden(parent, name, st.dev);
    let inode: HostInode;
    switch (st.mode & S_IFMT) {
      case S_IFDIR: {
        const dir = new HostDir(this, parent, name, st);
        dir.hidden = hidden;
        inode = dir;
        break;
      }
      case S_IFREG:
        if (hidden) return -EACCES;
        inode = new HostFile(this, parent, name, st);
        break;
      case S_IFLNK:
        inode = new HostLink(this, parent, name, st);
        break;
      default:
        inode = new HostNode(this, parent, name, st);
    }
    this.remember(inode);
    return inode;
  }

  private remember(inode: HostInode): void {
    let byIno = this.inodes.get(inode.hostDev);
    if (byIno === undefined) this.inodes.set(inode.hostDev, byIno = new Map());
    byIno.set(inode.ino, inode);
  }

  /** An inode is used no more. */
  forget(inode: HostInode): void {
    const byIno = this.inodes.get(inode.hostDev);
    if (byIno?.get(inode.ino) === inode) byIno.delete(inode.ino);
  }

  private isHidden(parent: HostDir, name: Uint8Array, hostDev: number): boolean {
    const known = this.hiddenDevices.get(hostDev);
    if (known !== undefined) return known;
    const dirFd = parent.hostFd(O_PATH);
    const fd = dirFd < 0 ? dirFd : libc.openat(dirFd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC, 0);
    if (fd < 0) return true;
    const r = libc.fstatfs(fd, statfsBuffer);
    libc.close(fd);
    const hidden = r !== 0 || HIDDEN.has(statfsView.getUint32(0, true));
    this.hiddenDevices.set(hostDev, hidden);
    return hidden;
  }

  override statfs(out: StatFs): number {
    const r = libc.fstatfs(this.rootFd, statfsBuffer);
    if (r !== 0) return r;
    const st = Statfs.read(statfsView, 0);
    out.type = st.f_type;
    out.blockSize = st.f_bsize;
    out.blocks = st.f_blocks;
    out.free = st.f_bfree;
    out.available = st.f_bavail;
    out.files = st.f_files;
    out.filesFree = st.f_ffree;
    out.nameMax = st.f_namelen;
    return 0;
  }

  override sync(): number {
    let result = 0;
    if (!this.writable) return result;
    for (const byIno of this.inodes.values()) {
      for (const inode of byIno.values()) {
        const r = inode.sync(false);
        if (r !== 0) result = r;
      }
    }
    return result;
  }

  override release(): void {
    this.sync();
    for (const byIno of this.inodes.values()) {
      for (const inode of [...byIno.values()]) inode.abandon();
    }
    libc.close(this.rootFd);
  }
}
