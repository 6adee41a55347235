/**
 * Messages between commands and a sandbox: JSON objects, one a packet of a unix socket, with descriptors beside them.
 * docs/control.md tells what they say.
 *
 * @module
 */

import * as libc from "../../../ffi/libc.ts";

/** Version of the protocol; a message of another one is refused. */
export const CONTROL_VERSION = 1;
/** Longest message, in bytes. */
export const MAX_MESSAGE = 128 * 1024;
/** Most descriptors that come with a message. */
export const MAX_FDS = 128;

const SOL_SOCKET = 1;
const SCM_RIGHTS = 1;
const MSG_TRUNC = 0x20;
const MSG_CTRUNC = 0x8;
const MSG_NOSIGNAL = 0x4000;
const MSG_CMSG_CLOEXEC = 0x40000000;
const MSGHDR_SIZE = 56;
const CMSG_HEADER = 16;
const CONTROL_SIZE = CMSG_HEADER + 8 * Math.ceil((4 * MAX_FDS) / 8);
const EMSGSIZE = 90;
const EINTR = 4;

/** A packet that came. */
export interface Packet {
  text: string;
  fds: number[];
}

/** The `struct msghdr` of one buffer and a place for descriptors. */
class Header {
  readonly bytes = new Uint8Array(MSGHDR_SIZE);
  readonly view = new DataView(this.bytes.buffer);
  readonly control = new Uint8Array(CONTROL_SIZE);
  readonly controlView = new DataView(this.control.buffer);
  readonly iov = new Uint8Array(16);

  constructor(data: Uint8Array, controlLength: number) {
    const iov = new DataView(this.iov.buffer);
    iov.setBigUint64(0, BigInt(libc.addressOf(data)), true);
    iov.setBigUint64(8, BigInt(data.length), true);
    this.view.setBigUint64(16, BigInt(libc.addressOf(this.iov)), true);
    this.view.setBigUint64(24, 1n, true);
    if (controlLength === 0) return;
    this.view.setBigUint64(32, BigInt(libc.addressOf(this.control)), true);
    this.view.setBigUint64(40, BigInt(controlLength), true);
  }
}

/** Sends one packet; 0 or a negative errno. */
export function sendPacket(
  socket: number,
  text: string,
  fds: readonly number[] = [],
  flags = 0,
): number {
  const data = new TextEncoder().encode(text);
  if (data.length > MAX_MESSAGE || fds.length > MAX_FDS) return -EMSGSIZE;
  const length = fds.length === 0 ? 0 : CMSG_HEADER + 4 * fds.length;
  const header = new Header(data, length);
  if (length > 0) {
    header.controlView.setBigUint64(0, BigInt(length), true);
    header.controlView.setInt32(8, SOL_SOCKET, true);
    header.controlView.setInt32(12, SCM_RIGHTS, true);
    fds.forEach((fd, i) => header.controlView.setInt32(CMSG_HEADER + 4 * i, fd, true));
  }
  for (;;) {
    const n = libc.sendmsg(socket, header.bytes, flags | MSG_NOSIGNAL);
    if (n !== -EINTR) return Math.min(n, 0);
  }
}

/**
 * Receives one packet; null at the end, a negative errno on failure. -EMSGSIZE says that one was too large and is gone,
 * its descriptors closed.
 */
export function receivePacket(socket: number, flags = 0): Packet | number | null {
  const data = new Uint8Array(MAX_MESSAGE);
  const header = new Header(data, CONTROL_SIZE);
  let n: number;
  do n = libc.recvmsg(socket, header.bytes, flags | MSG_CMSG_CLOEXEC); while (n === -EINTR);
  if (n < 0) return n;
  const fds = descriptorsOf(header);
  const got = header.view.getUint32(48, true);
  if ((got & (MSG_TRUNC | MSG_CTRUNC)) !== 0) {
    for (const fd of fds) libc.close(fd);
    return -EMSGSIZE;
  }
  if (n === 0) {
    for (const fd of fds) libc.close(fd);
    return null;
  }
  return { text: new TextDecoder().decode(data.subarray(0, n)), fds };
}

function descriptorsOf(header: Header): number[] {
  const fds: number[] = [];
  const end = Number(header.view.getBigUint64(40, true));
  for (let at = 0; at + CMSG_HEADER <= end;) {
    const length = Number(header.controlView.getBigUint64(at, true));
    if (length < CMSG_HEADER) break;
    const isRights = header.controlView.getInt32(at + 8, true) === SOL_SOCKET &&
      header.controlView.getInt32(at + 12, true) === SCM_RIGHTS;
    for (let i = at + CMSG_HEADER; isRights && i + 4 <= at + length && i + 4 <= end; i += 4) {
      fds.push(header.controlView.getInt32(i, true));
    }
    at += 8 * Math.ceil(length / 8);
  }
  return fds;
}
