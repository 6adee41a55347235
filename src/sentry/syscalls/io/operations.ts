/** What the operations of io_uring(7) are in system calls: a handler and its arguments. */

import { EBADF, EFAULT, EINVAL } from "../../../abi/errno.ts";
import * as o from "../../../abi/io_uring.ts";
import { MSG_DONTWAIT, MSG_NOSIGNAL } from "../../../abi/socket.ts";
import { SYS } from "../../../abi/syscall_numbers.ts";
import type { File } from "../../vfs/file.ts";
import type { SyscallHandler } from "../handler.ts";
import { handlers } from "../mod.ts";
import { WAIT_READ, WAIT_WRITE } from "../rw.ts";
import { PINNED_FD, pollPinned } from "./background.ts";
import type { RegisteredBuffer } from "./ring.ts";

/** A submission, read once. */
export class Submission {
  opcode = 0;
  flags = 0;
  ioprio = 0;
  fd = 0;
  /** As signed 64-bit numbers. */
  offset = 0;
  address = 0;
  length = 0;
  /** The flags of the operation. */
  opFlags = 0;
  userLow = 0;
  userHigh = 0;
  bufferIndex = 0;
  personality = 0;
  fileIndex = 0;
  address3 = 0;

  /** Reads the entry in `v`. */
  read(v: DataView): this {
    this.opcode = v.getUint8(0);
    this.flags = v.getUint8(1);
    this.ioprio = v.getUint16(2, true);
    this.fd = v.getInt32(4, true);
    this.offset = signed(v, 8);
    this.address = signed(v, 16);
    this.length = v.getUint32(24, true);
    this.opFlags = v.getUint32(28, true);
    this.userLow = v.getInt32(32, true);
    this.userHigh = v.getInt32(36, true);
    this.bufferIndex = v.getUint16(40, true);
    this.personality = v.getUint16(42, true);
    this.fileIndex = v.getInt32(44, true);
    this.address3 = signed(v, 48);
    return this;
  }
}

function signed(v: DataView, offset: number): number {
  return v.getUint32(offset, true) + v.getInt32(offset + 4, true) * 4294967296;
}

/** Operations whose `fd` is a descriptor that is looked up, and may be a registered file. */
const ON_FILE: ReadonlySet<number> = new Set([
  o.IORING_OP_READV,
  o.IORING_OP_WRITEV,
  o.IORING_OP_FSYNC,
  o.IORING_OP_READ_FIXED,
  o.IORING_OP_WRITE_FIXED,
  o.IORING_OP_POLL_ADD,
  o.IORING_OP_SYNC_FILE_RANGE,
  o.IORING_OP_SENDMSG,
  o.IORING_OP_RECVMSG,
  o.IORING_OP_ACCEPT,
  o.IORING_OP_CONNECT,
  o.IORING_OP_FALLOCATE,
  o.IORING_OP_READ,
  o.IORING_OP_WRITE,
  o.IORING_OP_FADVISE,
  o.IORING_OP_SEND,
  o.IORING_OP_RECV,
  o.IORING_OP_SPLICE,
  o.IORING_OP_TEE,
  o.IORING_OP_SHUTDOWN,
  o.IORING_OP_FSETXATTR,
  o.IORING_OP_FGETXATTR,
  o.IORING_OP_FTRUNCATE,
  o.IORING_OP_BIND,
  o.IORING_OP_LISTEN,
]);

/** Operations that are system calls by other names. */
const CALLS: ReadonlySet<number> = new Set([
  ...ON_FILE,
  o.IORING_OP_OPENAT,
  o.IORING_OP_CLOSE,
  o.IORING_OP_STATX,
  o.IORING_OP_MADVISE,
  o.IORING_OP_OPENAT2,
  o.IORING_OP_EPOLL_CTL,
  o.IORING_OP_RENAMEAT,
  o.IORING_OP_UNLINKAT,
  o.IORING_OP_MKDIRAT,
  o.IORING_OP_SYMLINKAT,
  o.IORING_OP_LINKAT,
  o.IORING_OP_SETXATTR,
  o.IORING_OP_GETXATTR,
  o.IORING_OP_SOCKET,
  o.IORING_OP_WAITID,
]);

/** Operations that rings do by themselves. */
const OWN: ReadonlySet<number> = new Set([
  o.IORING_OP_NOP,
  o.IORING_OP_POLL_REMOVE,
  o.IORING_OP_TIMEOUT,
  o.IORING_OP_TIMEOUT_REMOVE,
  o.IORING_OP_ASYNC_CANCEL,
  o.IORING_OP_LINK_TIMEOUT,
  o.IORING_OP_FILES_UPDATE,
]);

/** The last operation that is known. */
export const LAST_OP = o.IORING_OP_LISTEN;

export function isKnown(opcode: number): boolean {
  return CALLS.has(opcode) || OWN.has(opcode);
}

export function isCall(opcode: number): boolean {
  return CALLS.has(opcode);
}

export function needsFile(opcode: number): boolean {
  return ON_FILE.has(opcode);
}

/** Whether an operation that moved less than it was asked counts as failed for what is linked to it. */
export function isTransfer(opcode: number): boolean {
  switch (opcode) {
    case o.IORING_OP_READ:
    case o.IORING_OP_WRITE:
    case o.IORING_OP_READ_FIXED:
    case o.IORING_OP_WRITE_FIXED:
      return true;
    default:
      return false;
  }
}

/** Events that an operation waits for when its description does not block; 0 if it does not wait. */
export function waitsFor(s: Submission): number {
  switch (s.opcode) {
    case o.IORING_OP_READ:
    case o.IORING_OP_READV:
    case o.IORING_OP_READ_FIXED:
    case o.IORING_OP_ACCEPT:
      return WAIT_READ;
    case o.IORING_OP_WRITE:
    case o.IORING_OP_WRITEV:
    case o.IORING_OP_WRITE_FIXED:
      return WAIT_WRITE;
    case o.IORING_OP_RECV:
    case o.IORING_OP_RECVMSG:
      return (s.opFlags & MSG_DONTWAIT) !== 0 ? 0 : WAIT_READ;
    case o.IORING_OP_SEND:
    case o.IORING_OP_SENDMSG:
      return (s.opFlags & MSG_DONTWAIT) !== 0 ? 0 : WAIT_WRITE;
    default:
      return 0;
  }
}

function handler(nr: number): SyscallHandler {
  return handlers[nr]!;
}

/**
 * Fills `a` with the arguments of the system call that a submission stands for, and returns its handler or a negative
 * errno. The description, if there is one, is at {@link PINNED_FD}.
 */
export function prepareCall(
  s: Submission,
  a: Float64Array,
  file: File | null,
  buffers: (RegisteredBuffer | null)[] | null,
): SyscallHandler | number {
  a.fill(0);
  a[0] = PINNED_FD;
  a[1] = s.address;
  a[2] = s.length;
  switch (s.opcode) {
    case o.IORING_OP_READ_FIXED:
    case o.IORING_OP_WRITE_FIXED: {
      const buffer = buffers?.[s.bufferIndex] ?? null;
      if (buffer === null) return -EFAULT;
      if (s.address < buffer.address) return -EFAULT;
      if (s.address + s.length > buffer.address + buffer.length) return -EFAULT;
      return transfer(s, a, file!, s.opcode === o.IORING_OP_WRITE_FIXED);
    }
    case o.IORING_OP_READ:
    case o.IORING_OP_WRITE:
      return transfer(s, a, file!, s.opcode === o.IORING_OP_WRITE);
    case o.IORING_OP_READV:
    case o.IORING_OP_WRITEV:
      a[3] = file!.seekable ? s.offset : -1;
      a[5] = s.opFlags;
      return handler(s.opcode === o.IORING_OP_READV ? SYS.preadv2 : SYS.pwritev2);
    case o.IORING_OP_FSYNC:
      if ((s.opFlags & ~o.IORING_FSYNC_DATASYNC) !== 0) return -EINVAL;
      return handler(s.opFlags !== 0 ? SYS.fdatasync : SYS.fsync);
    case o.IORING_OP_POLL_ADD:
      a[1] = s.opFlags & 0xffff;
      return pollPinned;
    case o.IORING_OP_SYNC_FILE_RANGE:
      a[1] = s.offset;
      a[2] = s.length;
      a[3] = s.opFlags;
      return handler(SYS.sync_file_range);
    case o.IORING_OP_SENDMSG:
      a[2] = s.opFlags | MSG_NOSIGNAL;
      return handler(SYS.sendmsg);
    case o.IORING_OP_RECVMSG:
      a[2] = s.opFlags;
      return handler(SYS.recvmsg);
    case o.IORING_OP_ACCEPT:
      a[2] = s.offset;
      a[3] = s.opFlags;
      return handler(SYS.accept4);
    case o.IORING_OP_CONNECT:
      a[2] = s.offset;
      return handler(SYS.connect);
    case o.IORING_OP_FALLOCATE:
      a[1] = s.length;
      a[2] = s.offset;
      a[3] = s.address;
      return handler(SYS.fallocate);
    case o.IORING_OP_OPENAT:
      if (s.fileIndex !== 0) return -EINVAL;
      a[0] = s.fd;
      a[2] = s.opFlags;
      a[3] = s.length;
      return handler(SYS.openat);
    case o.IORING_OP_OPENAT2:
      if (s.fileIndex !== 0) return -EINVAL;
      a[0] = s.fd;
      a[2] = s.offset;
      a[3] = s.length;
      return handler(SYS.openat2);
    case o.IORING_OP_CLOSE:
      if (s.offset !== 0 || s.address !== 0 || s.length !== 0 || s.opFlags !== 0) return -EINVAL;
      a[0] = s.fd;
      return handler(SYS.close);
    case o.IORING_OP_STATX:
      a[0] = s.fd;
      a[2] = s.opFlags;
      a[3] = s.length;
      a[4] = s.offset;
      return handler(SYS.statx);
    case o.IORING_OP_FADVISE:
      a[1] = s.offset;
      a[2] = s.length;
      a[3] = s.opFlags;
      return handler(SYS.fadvise64);
    case o.IORING_OP_MADVISE:
      a[0] = s.address;
      a[1] = s.length;
      a[2] = s.opFlags;
      return handler(SYS.madvise);
    case o.IORING_OP_SEND:
      a[3] = s.opFlags | MSG_NOSIGNAL;
      a[4] = s.offset;
      a[5] = s.fileIndex & 0xffff;
      return handler(SYS.sendto);
    case o.IORING_OP_RECV:
      a[3] = s.opFlags;
      return handler(SYS.recvfrom);
    case o.IORING_OP_EPOLL_CTL:
      a[0] = s.fd;
      a[1] = s.length;
      a[2] = s.offset;
      a[3] = s.address;
      return handler(SYS.epoll_ctl);
    case o.IORING_OP_SPLICE:
      // Offsets are values here, not addresses: only those of pipes can be told without them.
      if (s.offset !== -1 || s.address !== -1) return -EINVAL;
      a[0] = s.fileIndex;
      a[1] = 0;
      a[2] = PINNED_FD;
      a[3] = 0;
      a[4] = s.length;
      a[5] = s.opFlags & 0xf;
      return handler(SYS.splice);
    case o.IORING_OP_TEE:
      a[0] = s.fileIndex;
      a[1] = PINNED_FD;
      a[3] = s.opFlags & 0xf;
      return handler(SYS.tee);
    case o.IORING_OP_SHUTDOWN:
      a[1] = s.length;
      return handler(SYS.shutdown);
    case o.IORING_OP_RENAMEAT:
      a[0] = s.fd;
      a[2] = s.length | 0;
      a[3] = s.offset;
      a[4] = s.opFlags;
      return handler(SYS.renameat2);
    case o.IORING_OP_UNLINKAT:
      a[0] = s.fd;
      a[2] = s.opFlags;
      return handler(SYS.unlinkat);
    case o.IORING_OP_MKDIRAT:
      a[0] = s.fd;
      return handler(SYS.mkdirat);
    case o.IORING_OP_SYMLINKAT:
      a[0] = s.address;
      a[1] = s.fd;
      a[2] = s.offset;
      return handler(SYS.symlinkat);
    case o.IORING_OP_LINKAT:
      a[0] = s.fd;
      a[2] = s.length | 0;
      a[3] = s.offset;
      a[4] = s.opFlags;
      return handler(SYS.linkat);
    case o.IORING_OP_FSETXATTR:
    case o.IORING_OP_FGETXATTR:
      a[2] = s.offset;
      a[3] = s.length;
      a[4] = s.opFlags;
      return handler(s.opcode === o.IORING_OP_FSETXATTR ? SYS.fsetxattr : SYS.fgetxattr);
    case o.IORING_OP_SETXATTR:
    case o.IORING_OP_GETXATTR:
      a[0] = s.address3;
      a[1] = s.address;
      a[2] = s.offset;
      a[3] = s.length;
      a[4] = s.opFlags;
      return handler(s.opcode === o.IORING_OP_SETXATTR ? SYS.setxattr : SYS.getxattr);
    case o.IORING_OP_SOCKET:
      if (s.fileIndex !== 0) return -EINVAL;
      a[0] = s.fd;
      a[1] = s.offset;
      a[2] = s.length;
      return handler(SYS.socket);
    case o.IORING_OP_WAITID:
      a[0] = s.length;
      a[1] = s.fd;
      a[2] = s.offset;
      a[3] = s.fileIndex;
      return handler(SYS.waitid);
    case o.IORING_OP_FTRUNCATE:
      a[1] = s.offset;
      return handler(SYS.ftruncate);
    case o.IORING_OP_BIND:
      a[2] = s.offset;
      return handler(SYS.bind);
    case o.IORING_OP_LISTEN:
      a[1] = s.length;
      return handler(SYS.listen);
    default:
      return -EINVAL;
  }
}

/** A read or write of one window: at a position, or at that of the description. */
function transfer(
  s: Submission,
  a: Float64Array,
  file: File,
  write: boolean,
): SyscallHandler | number {
  if (write ? !file.writable : !file.readable) return -EBADF;
  a[3] = s.offset;
  if (!file.seekable || s.offset === -1) return handler(write ? SYS.write : SYS.read);
  return handler(write ? SYS.pwrite64 : SYS.pread64);
}
