/** Options of level SOL_SOCKET (socket(7)). */

import { EDOM, EINVAL, ENOPROTOOPT, EPERM } from "../../abi/errno.ts";
import { CAP_NET_ADMIN } from "../../abi/capability.ts";
import { readI64, write64 } from "../../abi/int64.ts";
import * as S from "../../abi/socket.ts";
import type { Task } from "../kernel/task.ts";
import type { SocketFile } from "./socket_file.ts";

/** Size of both buffers at first (net.core.wmem_default), and the most one may ask for. */
export const DEFAULT_BUFFER = 212992;
const MAX_BUFFER = 212992;
/** The most that one may have who needs not ask (SO_RCVBUFFORCE). */
const MAX_FORCED = 16 << 20;
const MIN_SEND_BUFFER = 4608;
const MIN_RECEIVE_BUFFER = 2304;

/** The options of one socket. */
export class SocketOptions {
  sendBuffer = DEFAULT_BUFFER;
  receiveBuffer = DEFAULT_BUFFER;
  /** Nanoseconds; Infinity for none. */
  receiveTimeout = Infinity;
  sendTimeout = Infinity;
  passCredentials = false;
  lingerOn = false;
  lingerSeconds = 0;
  /** Bytes that make it readable. */
  lowWater = 1;
  /** SO_PEEK_OFF; -1 for off. */
  peekOffset = -1;
  /** SO_BINDTODEVICE. */
  device = "";
  /** The rest: numbers that are kept and shown. */
  readonly values: Map<number, number> = new Map();

  /** Whether a switch is on. */
  has(name: number): boolean {
    return (this.values.get(name) ?? 0) !== 0;
  }
}

/** Switches that are kept as 0 or 1. */
const SWITCHES: ReadonlySet<number> = new Set([
  S.SO_DEBUG,
  S.SO_REUSEADDR,
  S.SO_DONTROUTE,
  S.SO_BROADCAST,
  S.SO_KEEPALIVE,
  S.SO_OOBINLINE,
  S.SO_REUSEPORT,
  S.SO_TIMESTAMP_OLD,
  S.SO_TIMESTAMPNS_OLD,
  S.SO_TIMESTAMP_NEW,
  S.SO_TIMESTAMPNS_NEW,
  S.SO_RXQ_OVFL,
  S.SO_NO_CHECK,
  S.SO_NOFCS,
  S.SO_SELECT_ERR_QUEUE,
  S.SO_ZEROCOPY,
  S.SO_PASSSEC,
  S.SO_PASSPIDFD,
  S.SO_RCVMARK,
]);

/** Numbers that are kept as given. */
const NUMBERS: ReadonlySet<number> = new Set([
  S.SO_PRIORITY,
  S.SO_MARK,
  S.SO_BUSY_POLL,
  S.SO_PREFER_BUSY_POLL,
  S.SO_BUSY_POLL_BUDGET,
  S.SO_INCOMING_CPU,
  S.SO_TXREHASH,
  S.SO_BUF_LOCK,
  S.SO_RESERVE_MEM,
  S.SO_TIMESTAMPING_OLD,
  S.SO_TIMESTAMPING_NEW,
  S.SO_BINDTOIFINDEX,
]);

function int(value: number): Uint8Array {
  const bytes = new Uint8Array(4);
  new DataView(bytes.buffer).setInt32(0, value, true);
  return bytes;
}

function timeval(ns: number): Uint8Array {
  const bytes = new Uint8Array(16);
  const view = new DataView(bytes.buffer);
  if (ns !== Infinity) {
    const seconds = Math.floor(ns / 1e9);
    write64(view, 0, seconds);
    write64(view, 8, Math.floor((ns - seconds * 1e9) / 1000));
  }
  return bytes;
}

/** getsockopt(2) of level SOL_SOCKET: the value, or an error. */
export function getCommonOption(t: Task, socket: SocketFile, name: number): Uint8Array | number {
  const o = socket.options;
  if (SWITCHES.has(name) || NUMBERS.has(name)) return int(o.values.get(name) ?? 0);
  switch (name) {
    case S.SO_TYPE:
      return int(socket.type);
    case S.SO_PROTOCOL:
      return int(socket.protocol);
    case S.SO_DOMAIN:
      return int(socket.family);
    case S.SO_ERROR:
      return int(socket.takeError());
    case S.SO_SNDBUF:
      return int(o.sendBuffer);
    case S.SO_RCVBUF:
      return int(o.receiveBuffer);
    case S.SO_LINGER: {
      const bytes = new Uint8Array(8);
      const view = new DataView(bytes.buffer);
      view.setInt32(0, o.lingerOn ? 1 : 0, true);
      view.setInt32(4, o.lingerSeconds, true);
      return bytes;
    }
    case S.SO_RCVTIMEO_OLD:
    case S.SO_RCVTIMEO_NEW:
      return timeval(o.receiveTimeout);
    case S.SO_SNDTIMEO_OLD:
    case S.SO_SNDTIMEO_NEW:
      return timeval(o.sendTimeout);
    case S.SO_RCVLOWAT:
      return int(o.lowWater);
    case S.SO_SNDLOWAT:
      return int(1);
    case S.SO_PASSCRED:
      return int(o.passCredentials ? 1 : 0);
    case S.SO_ACCEPTCONN:
      return int(socket.listening ? 1 : 0);
    case S.SO_PEEK_OFF:
      return int(o.peekOffset);
    case S.SO_BINDTODEVICE: {
      if (o.device === "") return new Uint8Array(0);
      const bytes = new Uint8Array(o.device.length + 1);
      for (let i = 0; i < o.device.length; i++) bytes[i] = o.device.charCodeAt(i);
      return bytes;
    }
    case S.SO_COOKIE: {
      const bytes = new Uint8Array(8);
      write64(new DataView(bytes.buffer), 0, socket.inode.ino);
      return bytes;
    }
    case S.SO_MEMINFO: {
      const bytes = new Uint8Array(36);
      const view = new DataView(bytes.buffer);
      view.setUint32(0, Math.max(socket.unread, 0), true);
      view.setUint32(4, o.receiveBuffer, true);
      view.setUint32(12, o.sendBuffer, true);
      return bytes;
    }
    case S.SO_PEERCRED:
    case S.SO_PEERGROUPS:
    case S.SO_PEERPIDFD:
      return socket.getOption(t, S.SOL_SOCKET, name);
    default:
      return -ENOPROTOOPT;
  }
}

/** setsockopt(2) of level SOL_SOCKET. */
export function setCommonOption(
  t: Task,
  socket: SocketFile,
  name: number,
  value: Uint8Array,
): number {
  const o = socket.options;
  const view = new DataView(value.buffer, value.byteOffset, value.length);
  switch (name) {
    case S.SO_LINGER:
      if (value.length < 8) return -EINVAL;
      o.lingerOn = view.getInt32(0, true) !== 0;
      o.lingerSeconds = view.getInt32(4, true);
      socket.optionChanged(name);
      return 0;
    case S.SO_RCVTIMEO_OLD:
    case S.SO_RCVTIMEO_NEW:
    case S.SO_SNDTIMEO_OLD:
    case S.SO_SNDTIMEO_NEW: {
      const ns = timeout(view);
      if (ns < 0) return ns;
      if (name === S.SO_RCVTIMEO_OLD || name === S.SO_RCVTIMEO_NEW) o.receiveTimeout = ns;
      else o.sendTimeout = ns;
      return 0;
    }
    case S.SO_BINDTODEVICE: {
      let text = "";
      for (const byte of value.subarray(0, S.IFNAMSIZ - 1)) {
        if (byte === 0) break;
        text += String.fromCharCode(byte);
      }
      o.device = text;
      socket.optionChanged(name);
      return 0;
    }
    case S.SO_ATTACH_FILTER:
    case S.SO_ATTACH_BPF:
    case S.SO_ATTACH_REUSEPORT_CBPF:
    case S.SO_ATTACH_REUSEPORT_EBPF:
      return -ENOPROTOOPT;
    case S.SO_DETACH_FILTER:
      return 0;
  }
  if (value.length < 4) return -EINVAL;
  const number = view.getInt32(0, true);
  if (SWITCHES.has(name)) {
    o.values.set(name, number !== 0 ? 1 : 0);
    socket.optionChanged(name);
    return 0;
  }
  switch (name) {
    case S.SO_SNDBUF:
    case S.SO_SNDBUFFORCE:
      if (name === S.SO_SNDBUFFORCE && !t.creds.capable(CAP_NET_ADMIN)) return -EPERM;
      // Linux doubles what is asked for, to leave room for its bookkeeping.
      o.sendBuffer = Math.max(
        Math.min(number >>> 0, name === S.SO_SNDBUF ? MAX_BUFFER : MAX_FORCED) * 2,
        MIN_SEND_BUFFER,
      );
      break;
    case S.SO_RCVBUF:
    case S.SO_RCVBUFFORCE:
      if (name === S.SO_RCVBUFFORCE && !t.creds.capable(CAP_NET_ADMIN)) return -EPERM;
      o.receiveBuffer = Math.max(
        Math.min(number >>> 0, name === S.SO_RCVBUF ? MAX_BUFFER : MAX_FORCED) * 2,
        MIN_RECEIVE_BUFFER,
      );
      break;
    case S.SO_RCVLOWAT:
      o.lowWater = number < 0 ? 0x7fffffff : Math.max(number, 1);
      break;
    case S.SO_PASSCRED:
      o.passCredentials = number !== 0;
      break;
    case S.SO_PEEK_OFF:
      o.peekOffset = number;
      break;
    case S.SO_MARK:
      if (!t.creds.capable(CAP_NET_ADMIN)) return -EPERM;
      o.values.set(name, number);
      break;
    case S.SO_PRIORITY:
      if ((number < 0 || number > 6) && !t.creds.capable(CAP_NET_ADMIN)) return -EPERM;
      o.values.set(name, number);
      break;
    default:
      if (!NUMBERS.has(name)) return -ENOPROTOOPT;
      o.values.set(name, number);
  }
  socket.optionChanged(name);
  return 0;
}

function timeout(view: DataView): number {
  if (view.byteLength < 16) return -EINVAL;
  const seconds = readI64(view, 0), us = readI64(view, 8);
  if (us < 0 || us >= 1e6) return -EDOM;
  if (seconds === 0 && us === 0) return Infinity;
  return seconds < 0 ? 0 : seconds * 1e9 + us * 1000;
}
