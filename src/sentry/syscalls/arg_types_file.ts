/** Types of arguments of files, directories, mounts and their attributes. */

import * as events from "../../abi/eventfd.ts";
import * as fcntl from "../../abi/fcntl.ts";
import * as mounts from "../../abi/mount.ts";
import { signalName } from "../../abi/signals.ts";
import * as stats from "../../abi/stat.ts";
import {
  deviceMajor,
  deviceMinor,
  FileHandle,
  Flock,
  FOwnerEx,
  MountAttr,
  OpenHow,
  Stat,
  Statfs,
  Statx,
} from "../../abi/structs/file.ts";
import { address, ARRAY_LIMIT, Enumeration, FlagSet, hex64, octal } from "../strace/format.ts";
import {
  type ArgType,
  type Call,
  choice,
  early,
  flags,
  late,
  onlyIf,
  printBytes,
  printValue,
  type ResultType,
  valueIn,
} from "./arg_types.ts";

const openNames = new FlagSet(fcntl, /^O_(?!ACCMODE|RDONLY|WRONLY|RDWR)/, "O_");
const accessModes = ["O_RDONLY", "O_WRONLY", "O_RDWR", "O_ACCMODE"];

/** Flags of open(2) with their access mode. */
export function printOpenFlags(value: number): string {
  const rest = (value & ~fcntl.O_ACCMODE) >>> 0;
  const access = accessModes[value & fcntl.O_ACCMODE];
  return rest === 0 ? access : `${access}|${openNames.print(rest)}`;
}

export const openFlags: ArgType = early("open flags", printOpenFlags);

/** The mode of a file that open(2) creates; `flagsAt` is the argument with the flags. */
export function openMode(flagsAt: number): ArgType {
  const creates = fcntl.O_CREAT | (fcntl.O_TMPFILE & ~fcntl.O_DIRECTORY);
  return onlyIf(
    (call) => (call.args[flagsAt] & creates) !== 0,
    early("mode", (v) => octal(v & 0o7777)),
  );
}

/** Descriptor flags of pipe2(2), dup3(2) and others. */
export const descriptorFlags: ArgType = flags(
  new FlagSet(fcntl, /^O_(CLOEXEC|NONBLOCK|DIRECT|EXCL)$/, "O_"),
  "descriptor flags",
);

export const openHow: ArgType = early("open_how", (v, call) => {
  const view = call.view.view(v, OpenHow.size);
  if (view === null) return address(v);
  const how = OpenHow.read(view, 0);
  const resolve = new FlagSet(fcntl, /^RESOLVE_/, "RESOLVE_");
  const mode = how.mode === 0 ? "" : `, mode=${octal(how.mode)}`;
  const resolved = resolve.print(how.resolve);
  return `{flags=${printOpenFlags(how.flags)}${mode}, resolve=${resolved}}`;
});

const atNames = new FlagSet(fcntl, /^AT_(SYMLINK|NO_AUTO|EMPTY|STATX_F|STATX_D|RECURSIVE)/, "AT_");
export const atFlags: ArgType = flags(atNames, "at flags");
export const unlinkFlags: ArgType = flags(
  new FlagSet({ AT_REMOVEDIR: fcntl.AT_REMOVEDIR }, /./, "AT_"),
  "unlink flags",
);
export const accessFlags: ArgType = flags(
  new FlagSet(fcntl, /^AT_(EACCESS|SYMLINK_NOFOLLOW|EMPTY_PATH)$/, "AT_"),
  "at flags",
);
export const accessMode: ArgType = flags(new FlagSet(fcntl, /^[FRWX]_OK$/, ""), "access mode");
export const whence: ArgType = choice(new Enumeration(fcntl, /^SEEK_/, "SEEK_"), "whence");
export const renameFlags: ArgType = flags(
  new FlagSet(fcntl, /^RENAME_/, "RENAME_"),
  "rename flags",
);
export const fallocateMode: ArgType = flags(
  new FlagSet(fcntl, /^FALLOC_FL_/, "FALLOC_FL_"),
  "fallocate mode",
);
export const advice: ArgType = choice(
  new Enumeration(fcntl, /^POSIX_FADV_/, "POSIX_FADV_"),
  "advice",
);
export const rwFlags: ArgType = flags(new FlagSet(fcntl, /^RWF_/, "RWF_"), "rw flags");
export const lockOperation: ArgType = flags(
  new FlagSet(fcntl, /^LOCK_(SH|EX|NB|UN)$/, "LOCK_"),
  "lock",
);
export const spliceFlags: ArgType = flags(new FlagSet(fcntl, /^SPLICE_F_/, "SPLICE_F_"), "splice");
export const syncRangeFlags: ArgType = flags(
  new FlagSet(fcntl, /^SYNC_FILE_RANGE_/, "SYNC_FILE_RANGE_"),
  "sync flags",
);
export const closeRangeFlags: ArgType = flags(
  new FlagSet(fcntl, /^CLOSE_RANGE_/, "CLOSE_RANGE_"),
  "close flags",
);
export const xattrFlags: ArgType = flags(new FlagSet(mounts, /^XATTR_/, "XATTR_"), "xattr flags");
export const statxMask: ArgType = flags(
  new FlagSet(stats, /^STATX_(?!ATTR_|BASIC)|^STATX_BASIC_STATS$/, "STATX_"),
  "statx mask",
);
export const inotifyMask: ArgType = flags(
  new FlagSet(events, /^IN_(?!CLOEXEC|NONBLOCK|CLOSE$|MOVE$)/, "IN_"),
  "inotify mask",
);
export const inotifyFlags: ArgType = flags(
  new FlagSet(events, /^IN_(CLOEXEC|NONBLOCK)$/, "IN_"),
  "inotify flags",
);
export const eventfdFlags: ArgType = flags(new FlagSet(events, /^EFD_/, "EFD_"), "eventfd flags");

const mountNames = new FlagSet(mounts, /^MS_(?!MGC|RMT)/, "MS_");
export const mountFlags: ArgType = early("mount flags", (v) => {
  const magic = ((v & mounts.MS_MGC_MSK) >>> 0) === mounts.MS_MGC_VAL;
  return magic ? `MS_MGC_VAL|${mountNames.print(v & 0xffff)}` : mountNames.print(v);
});
export const umountFlags: ArgType = flags(
  new FlagSet(mounts, /^(MNT_|UMOUNT_)/, "MNT_"),
  "umount flags",
);
export const mountAttributes: ArgType = flags(
  new FlagSet(mounts, /^MOUNT_ATTR_(?!_)/, "MOUNT_ATTR_"),
  "mount attributes",
);
export const mountAttrIn: ArgType = valueIn(MountAttr, "mount_attr");
export const moveMountFlags: ArgType = flags(
  new FlagSet(mounts, /^MOVE_MOUNT_(?!_)/, "MOVE_MOUNT_"),
  "move_mount flags",
);
export const openTreeFlags: ArgType = early("open_tree flags", (v) => {
  const names = new FlagSet(
    {
      OPEN_TREE_CLONE: mounts.OPEN_TREE_CLONE,
      OPEN_TREE_CLOEXEC: mounts.OPEN_TREE_CLOEXEC,
      AT_RECURSIVE: fcntl.AT_RECURSIVE,
      AT_EMPTY_PATH: fcntl.AT_EMPTY_PATH,
      AT_SYMLINK_NOFOLLOW: fcntl.AT_SYMLINK_NOFOLLOW,
    },
    /./,
    "OPEN_TREE_",
  );
  return names.print(v);
});
export const fsconfigCommand: ArgType = choice(
  new Enumeration(mounts, /^FSCONFIG_/, "FSCONFIG_"),
  "fsconfig command",
);

const typeNames = new Enumeration(stats, /^S_IF(?!MT)/, "S_IF");

/** A file mode with its type by name. */
export function printFileMode(value: number): string {
  const type = typeNames.name(value & stats.S_IFMT);
  const special = [
    value & stats.S_ISUID ? "S_ISUID" : "",
    value & stats.S_ISGID ? "S_ISGID" : "",
    value & stats.S_ISVTX ? "S_ISVTX" : "",
  ].filter((name) => name !== "");
  const permissions = octal(value & 0o777);
  return [...(type === undefined ? [] : [type]), ...special, permissions].join("|");
}

export const fileMode: ArgType = early("file mode", (v) => printFileMode(v & 0o177777));
export const device: ArgType = onlyIf(
  (call) => {
    const at = call.args[1] > 0 && (call.args[1] & stats.S_IFMT) !== 0 ? 1 : 2;
    const type = call.args[at] & stats.S_IFMT;
    return type === stats.S_IFCHR || type === stats.S_IFBLK;
  },
  early("device", printDevice),
);

function printDevice(value: number): string {
  return `makedev(${hex64(deviceMajor(value))}, ${hex64(deviceMinor(value))})`;
}

export const statOut: ArgType = late("stat out", (v, call) => {
  const view = call.view.view(v, Stat.size);
  if (view === null) return address(v);
  const s = Stat.read(view, 0);
  const type = s.st_mode & stats.S_IFMT;
  const extent = type === stats.S_IFCHR || type === stats.S_IFBLK
    ? `st_rdev=${printDevice(s.st_rdev)}`
    : `st_size=${s.st_size}`;
  return `{st_mode=${printFileMode(s.st_mode)}, ${extent}, ...}`;
});

export const statxOut: ArgType = late("statx out", (v, call) => {
  const view = call.view.view(v, Statx.size);
  if (view === null) return address(v);
  const s = Statx.read(view, 0);
  return `{stx_mask=${hex64(s.stx_mask)}, stx_attributes=${hex64(s.stx_attributes)}, ` +
    `stx_mode=${printFileMode(s.stx_mode)}, stx_size=${s.stx_size}, ...}`;
});

export const statfsOut: ArgType = late("statfs out", (v, call) => {
  const view = call.view.view(v, Statfs.size);
  if (view === null) return address(v);
  const s = Statfs.read(view, 0);
  const magics = new Enumeration(mounts, /_MAGIC(_NUMBER)?$/, "FS_");
  return `{f_type=${magics.name(s.f_type) ?? hex64(s.f_type)}, f_bsize=${s.f_bsize}, ` +
    `f_blocks=${s.f_blocks}, f_bfree=${s.f_bfree}, f_bavail=${s.f_bavail}, f_files=${s.f_files}, ` +
    `f_ffree=${s.f_ffree}, f_namelen=${s.f_namelen}, f_frsize=${s.f_frsize}, f_flags=${
      hex64(s.f_flags)
    }}`;
});

/** Directory entries, of which only the number is told. */
export const direntsOut: ArgType = late("dirents out", (v, call) => {
  let count = 0;
  for (let at = 0; at < call.result && count < 4096; count++) {
    const length = call.view.view(v + at + 16, 2)?.getUint16(0, true) ?? 0;
    if (length === 0) break;
    at += length;
  }
  return `${address(v)} /* ${count} entries */`;
});

function printIovec(at: number, count: number, total: number, call: Call): string {
  if (at === 0) return "NULL";
  const parts: string[] = [];
  let left = total;
  for (let i = 0; i < count && i < fcntl.UIO_MAXIOV; i++) {
    if (i === ARRAY_LIMIT) {
      parts.push("...");
      break;
    }
    const base = call.view.word(at + i * 16);
    const length = call.view.word(at + i * 16 + 8);
    if (base === null || length === null) {
      if (i === 0) return hex64(at);
      parts.push(`... /* ${hex64(at + i * 16)} */`);
      break;
    }
    const shown = Math.min(length, left);
    left -= shown;
    parts.push(`{iov_base=${printBytes(base, shown, call)}, iov_len=${length}}`);
  }
  return `[${parts.join(", ")}]`;
}

/** Pieces of memory that the call reads; the next argument tells how many. */
export function iovecIn(count: number): ArgType {
  return early("iovec", (v, call) => printIovec(v, call.args[count], Infinity, call));
}

/** Pieces of memory that the call writes; it returns how many bytes. */
export function iovecOut(count: number): ArgType {
  return late("iovec out", (v, call) => printIovec(v, call.args[count], call.result, call));
}

/** Prints pieces of memory of a message. */
export const printMessageIovec = printIovec;

/** An offset that a call reads and moves. */
export const offsetInOut: ArgType = early("offset", (v, call) => {
  const value = call.view.word(v);
  return value === null ? address(v) : `[${value}]`;
});

export const fileHandle: ArgType = valueIn(FileHandle, "file_handle");

const fcntlCommands = new Enumeration(
  fcntl,
  /^F_(DUPFD|GET|SET|OFD|NOTIFY|CANCELLK|ADD_SEALS|CREATED|DUPFD_)/,
  "F_",
);
const lockTypes = new Enumeration(fcntl, /^F_(RDLCK|WRLCK|UNLCK)$/, "F_");
const whences = new Enumeration(fcntl, /^SEEK_/, "SEEK_");
const seals = new FlagSet(fcntl, /^F_SEAL_/, "F_SEAL_");

export const fcntlCommand: ArgType = choice(fcntlCommands, "fcntl command");

function printFlock(at: number, call: Call, withPid: boolean): string {
  const view = call.view.view(at, Flock.size);
  if (view === null) return address(at);
  const lock = Flock.read(view, 0);
  return `{l_type=${lockTypes.print(lock.l_type)}, l_whence=${whences.print(lock.l_whence)}, ` +
    `l_start=${lock.l_start}, l_len=${lock.l_len}${withPid ? `, l_pid=${lock.l_pid}` : ""}}`;
}

/** The third argument of fcntl(2), by its command. */
export const fcntlArgument: ArgType = {
  name: "fcntl argument",
  late: true,
  print(value, call) {
    switch (call.args[1] | 0) {
      case fcntl.F_GETFD:
      case fcntl.F_GETFL:
      case fcntl.F_GETOWN:
      case fcntl.F_GETSIG:
      case fcntl.F_GETLEASE:
      case fcntl.F_GETPIPE_SZ:
      case fcntl.F_GET_SEALS:
        return null;
      case fcntl.F_SETFD:
        return value & 1 ? "FD_CLOEXEC" : hex64(value);
      case fcntl.F_SETFL:
        return printOpenFlags(value);
      case fcntl.F_SETLK:
      case fcntl.F_SETLKW:
      case fcntl.F_OFD_SETLK:
      case fcntl.F_OFD_SETLKW:
        return printFlock(value, call, false);
      case fcntl.F_GETLK:
      case fcntl.F_OFD_GETLK:
        return printFlock(value, call, true);
      case fcntl.F_ADD_SEALS:
        return seals.print(value);
      case fcntl.F_SETSIG:
        return signalName(value | 0);
      case fcntl.F_SETOWN_EX:
      case fcntl.F_GETOWN_EX:
        return printValue(FOwnerEx, value, call);
      case fcntl.F_SETLEASE:
        return lockTypes.print(value | 0);
      case fcntl.F_NOTIFY:
        return new FlagSet(fcntl, /^DN_/, "DN_").print(value);
      default:
        return String(value);
    }
  },
};

/** What fcntl(2) returns, by its command. */
export const fcntlResult: ResultType = {
  name: "int",
  print(result, call) {
    switch (call.args[1] | 0) {
      case fcntl.F_GETFD:
        return result === 0 ? "0" : `${hex64(result)} (flags FD_CLOEXEC)`;
      case fcntl.F_GETFL:
        return `${hex64(result)} (flags ${printOpenFlags(result)})`;
      case fcntl.F_GET_SEALS:
        return `${hex64(result)} (seals ${seals.print(result)})`;
      default:
        return String(result);
    }
  },
};
