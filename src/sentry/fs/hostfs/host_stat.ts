import * as libc from "../../../../ffi/libc.ts";
import { AT_EMPTY_PATH, AT_NO_AUTOMOUNT, AT_SYMLINK_NOFOLLOW } from "../../../abi/fcntl.ts";
import { STATX_BASIC_STATS, STATX_BTIME } from "../../../abi/stat.ts";
import { makeDev } from "../../vfs/device_number.ts";

const buffer = new Uint8Array(256);
const view = new DataView(buffer.buffer);
const EMPTY = libc.cstr("");

/** Attributes of a host file, as statx(2) last told. One object is used for all calls. */
export class HostStat {
  mode = 0;
  nlink = 0;
  uid = 0;
  gid = 0;
  ino = 0;
  size = 0;
  blocks = 0;
  blockSize = 4096;
  /** `st_dev` of the host. */
  dev = 0;
  rdev = 0;
  atimeSec = 0;
  atimeNsec = 0;
  btimeSec = 0;
  btimeNsec = 0;
  ctimeSec = 0;
  ctimeNsec = 0;
  mtimeSec = 0;
  mtimeNsec = 0;

  /** Asks about the entry `name`, a C string without slashes; a link itself. 0 or an error. */
  entry(dirFd: number, name: Uint8Array): number {
    const r = libc.statx(
      dirFd,
      name,
      AT_SYMLINK_NOFOLLOW | AT_NO_AUTOMOUNT,
      STATX_BASIC_STATS | STATX_BTIME,
      buffer,
    );
    if (r === 0) this.read();
    return r;
  }

  /** Asks about a descriptor. */
  fd(fd: number): number {
    const r = libc.statx(fd, EMPTY, AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_BTIME, buffer);
    if (r === 0) this.read();
    return r;
  }

  private read(): void {
    this.blockSize = view.getUint32(4, true);
    this.nlink = view.getUint32(16, true);
    this.uid = view.getUint32(20, true);
    this.gid = view.getUint32(24, true);
    this.mode = view.getUint16(28, true);
    this.ino = u64(32);
    this.size = u64(40);
    this.blocks = u64(48);
    this.atimeSec = i64(64);
    this.atimeNsec = view.getUint32(72, true);
    this.btimeSec = i64(80);
    this.btimeNsec = view.getUint32(88, true);
    this.ctimeSec = i64(96);
    this.ctimeNsec = view.getUint32(104, true);
    this.mtimeSec = i64(112);
    this.mtimeNsec = view.getUint32(120, true);
    this.rdev = makeDev(view.getUint32(128, true), view.getUint32(132, true));
    this.dev = makeDev(view.getUint32(136, true), view.getUint32(140, true));
  }
}

function u64(at: number): number {
  return view.getUint32(at, true) + view.getUint32(at + 4, true) * 0x100000000;
}

function i64(at: number): number {
  return view.getUint32(at, true) + view.getInt32(at + 4, true) * 0x100000000;
}
