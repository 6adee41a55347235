/** Control messages (cmsg(3)) between application memory and {@link Message}. */

import { EBADF, EFAULT, EINVAL, EPERM } from "../../abi/errno.ts";
import { CAP_SETGID, CAP_SETUID, CAP_SYS_ADMIN } from "../../abi/capability.ts";
import { readU64, write64 } from "../../abi/int64.ts";
import { RLIMIT_NOFILE } from "../../abi/resource.ts";
import {
  MSG_CMSG_CLOEXEC,
  MSG_CTRUNC,
  SCM_CREDENTIALS,
  SCM_MAX_FD,
  SCM_RIGHTS,
  SOL_SOCKET,
} from "../../abi/socket.ts";
import type { Task } from "../kernel/task.ts";
import type { File } from "../vfs/file.ts";
import { type Message, SenderCredentials } from "./message.ts";
import type { SocketFile } from "./socket_file.ts";

const HEADER_SIZE = 16;
const CREDENTIALS_SIZE = 12;
/** The most control bytes of one send (net.core.optmem_max). */
const MAX_CONTROL = 131072;

function align(n: number): number {
  return (n + 7) & ~7;
}

/** Reads the control messages of a send into `message`; 0 or an error. */
export function readControl(
  t: Task,
  address: number,
  length: number,
  message: Message,
): number {
  if (length > MAX_CONTROL) return -EINVAL;
  const bytes = new Uint8Array(length);
  if (t.mm.copyIn(address, bytes, 0, length) < 0) return -EFAULT;
  const view = new DataView(bytes.buffer);
  let at = 0;
  while (at + HEADER_SIZE <= length) {
    const size = readU64(view, at);
    if (size < HEADER_SIZE || at + size > length) return -EINVAL;
    const level = view.getInt32(at + 8, true);
    const type = view.getInt32(at + 12, true);
    const data = bytes.subarray(at + HEADER_SIZE, at + size);
    if (level === SOL_SOCKET) {
      const r = readOne(t, type, data, message);
      if (r < 0) {
        message.dropRights();
        return r;
      }
    } else {
      if (message.control === null) message.control = [];
      message.control.push([level, type, data]);
    }
    at += align(size);
  }
  return 0;
}

function readOne(t: Task, type: number, data: Uint8Array, message: Message): number {
  const view = new DataView(data.buffer, data.byteOffset, data.length);
  switch (type) {
    case SCM_RIGHTS: {
      const count = data.length >> 2;
      const files: File[] = message.rights ?? [];
      if (files.length + count > SCM_MAX_FD) return -EINVAL;
      for (let i = 0; i < count; i++) {
        const file = t.files.get(view.getInt32(4 * i, true));
        if (file === null) return -EBADF;
        files.push(file.ref());
        message.rights = files;
      }
      return 0;
    }
    case SCM_CREDENTIALS:
      if (data.length !== CREDENTIALS_SIZE) return -EINVAL;
      return readCredentials(t, view, message);
    default:
      return -EINVAL;
  }
}

/** Credentials that a sender states must be its own, unless it is privileged (unix(7)). */
function readCredentials(t: Task, view: DataView, message: Message): number {
  const ns = t.creds.userNs;
  const pid = view.getInt32(0, true);
  const uid = ns.toKuid(view.getUint32(4, true));
  const gid = ns.toKgid(view.getUint32(8, true));
  if (uid < 0 || gid < 0) return -EINVAL;
  const c = t.creds;
  const identity = pid === t.group.tgid ? t.group.pid : t.pid.ns.get(pid);
  if (pid !== t.group.tgid && !c.capable(CAP_SYS_ADMIN)) return -EPERM;
  if (identity === null) return -EINVAL;
  if (uid !== c.ruid && uid !== c.euid && uid !== c.suid && !c.capable(CAP_SETUID)) return -EPERM;
  if (gid !== c.rgid && gid !== c.egid && gid !== c.sgid && !c.capable(CAP_SETGID)) return -EPERM;
  message.credentials = new SenderCredentials(identity, uid, gid);
  return 0;
}

/** Writes the control messages of a receive; returns the length used, sets MSG_CTRUNC. */
export function writeControl(
  t: Task,
  socket: SocketFile,
  address: number,
  space: number,
  message: Message,
): number {
  let used = 0;
  if (socket.options.passCredentials) {
    const data = new Uint8Array(CREDENTIALS_SIZE);
    const view = new DataView(data.buffer);
    const c = message.credentials;
    const ns = t.creds.userNs;
    view.setInt32(0, c === null || c.pid === null ? 0 : c.pid.numberIn(t.pid.ns), true);
    view.setUint32(4, c === null ? 0 : ns.fromKuid(c.uid), true);
    view.setUint32(8, c === null ? 0 : ns.fromKgid(c.gid), true);
    used = put(t, address, space, used, SOL_SOCKET, SCM_CREDENTIALS, data, message);
  }
  if (message.control !== null) {
    for (const [level, type, data] of message.control) {
      used = put(t, address, space, used, level, type, data, message);
    }
  }
  if (message.rights !== null) used = putRights(t, address, space, used, message);
  return used;
}

function put(
  t: Task,
  address: number,
  space: number,
  used: number,
  level: number,
  type: number,
  data: Uint8Array,
  message: Message,
): number {
  if (space - used < HEADER_SIZE) {
    message.outFlags |= MSG_CTRUNC;
    return used;
  }
  let size = HEADER_SIZE + data.length;
  if (size > space - used) {
    message.outFlags |= MSG_CTRUNC;
    size = space - used;
  }
  const bytes = new Uint8Array(size);
  const view = new DataView(bytes.buffer);
  write64(view, 0, size);
  view.setInt32(8, level, true);
  view.setInt32(12, type, true);
  bytes.set(data.subarray(0, size - HEADER_SIZE), HEADER_SIZE);
  if (t.mm.copyOut(address + used, bytes, 0, size) < 0) return used;
  return Math.min(used + align(size), space);
}

/** Gives the receiver descriptors for as many descriptions as there is room for. */
function putRights(
  t: Task,
  address: number,
  space: number,
  used: number,
  message: Message,
): number {
  const rights = message.rights!;
  const room = Math.floor((space - used - HEADER_SIZE) / 4);
  const cloexec = (message.flags & MSG_CMSG_CLOEXEC) !== 0;
  const limit = t.group.rlimits.soft[RLIMIT_NOFILE];
  let count = 0;
  const data = new Uint8Array(Math.max(Math.min(room, rights.length), 0) * 4);
  const view = new DataView(data.buffer);
  while (count < rights.length && count < room) {
    const fd = t.files.install(rights[count], cloexec, 0, limit);
    if (fd < 0) break;
    view.setInt32(4 * count, fd, true);
    count++;
  }
  if (count < rights.length) {
    message.outFlags |= MSG_CTRUNC;
    for (let i = count; i < rights.length; i++) rights[i].unref();
  }
  message.rights = null;
  if (count === 0) return used;
  return put(
    t,
    address,
    space,
    used,
    SOL_SOCKET,
    SCM_RIGHTS,
    data.subarray(0, 4 * count),
    message,
  );
}
