import { EIO, ENXIO } from "../../../abi/errno.ts";
import type { VfsContext } from "../../vfs/context.ts";
import type { File } from "../../vfs/file.ts";
import type { FileSystem } from "../../vfs/file_system.ts";
import type { Inode } from "../../vfs/inode.ts";
import type { Path } from "../../vfs/path.ts";
import type { Vfs } from "../../vfs/vfs.ts";
import { HostFdInode } from "../hostfd/host_file.ts";
import { openTerminal } from "../tty/tty_file.ts";
import { DevPts, PTS_MAJOR, PtsInode } from "./dev_pts.ts";
import { PtyMaster } from "./pty_master.ts";

/** Instances made for the boot code, which the next mount of devpts shows. */
const prepared: WeakMap<Vfs, DevPts> = new WeakMap();

/** The devpts that the first mount(2) of that type will show: where a console has its place. */
export function prepareDevPts(vfs: Vfs): DevPts {
  let pts = prepared.get(vfs);
  if (pts === undefined) {
    pts = new DevPts(vfs);
    prepared.set(vfs, pts);
  }
  return pts;
}

/** Makes devpts known to mount(2), and its devices to open(2). */
export function registerDevPts(vfs: Vfs): void {
  vfs.registerFileSystem("devpts", (_ctx, _source, _flags, data): FileSystem | number => {
    const pts = prepareDevPts(vfs);
    prepared.delete(vfs);
    const r = pts.setOptions(data);
    return r < 0 ? r : pts;
  });
  vfs.registerCharDevice(5, 2, openPtmx);
  for (let major = PTS_MAJOR; major < PTS_MAJOR + 8; major++) {
    vfs.registerCharDevice(major, -1, openSlave);
  }
}

/** Opens a slave by its entry in a devpts. */
function openSlave(ctx: VfsContext, flags: number, path: Path, inode: Inode): File | number {
  if (inode instanceof HostFdInode) return inode.open(ctx, flags, path);
  if (!(inode instanceof PtsInode) || inode.terminal === null) return -EIO;
  return openTerminal(ctx, flags, path, inode.terminal);
}

/** Opens `ptmx`: makes a pseudoterminal of the devpts that it lies in, or that is mounted beside it. */
function openPtmx(ctx: VfsContext, flags: number, path: Path, inode: Inode): File | number {
  const pts = inode.fs instanceof DevPts ? inode.fs : besides(path);
  if (pts === null) return -ENXIO;
  const terminal = pts.create(ctx.creds.fsuid, ctx.creds.fsgid);
  if (typeof terminal === "number") return terminal;
  return new PtyMaster(path, flags, pts, terminal);
}

function besides(path: Path): DevPts | null {
  const dentry = path.dentry.parent?.children?.get("pts");
  if (dentry === undefined || dentry.mounts === null) return null;
  const fs = path.mount.childAt(dentry)?.fs;
  return fs instanceof DevPts ? fs : null;
}
