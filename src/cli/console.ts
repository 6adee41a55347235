/** Terminals of the host that are made for containers, and handed to whoever asked for them. */

import * as libc from "../../ffi/libc.ts";
import { errnoText } from "../abi/errno.ts";
import { sendPacket } from "../container/control/channel.ts";
import { RunscError, shorten } from "../container/error.ts";

const O_RDWR_NOCTTY_CLOEXEC = 0x80102;
const TIOCSPTLCK = 0x40045431;
const TIOCGPTPEER = 0x5441;
const TIOCSWINSZ = 0x5414;
const AF_UNIX = 1;
const SOCK_STREAM_CLOEXEC = 0x80001;
const O_PATH_CLOEXEC = 0x280000;

/** Both ends of a new pseudoterminal. */
export interface Pty {
  master: number;
  slave: number;
}

/** Makes a pseudoterminal of the host (pty(7)). */
export function openPty(size?: { height: number; width: number }): Pty {
  const master = libc.open(libc.cstr("/dev/ptmx"), O_RDWR_NOCTTY_CLOEXEC, 0);
  let r = master;
  if (r >= 0) r = libc.ioctl(master, TIOCSPTLCK, new Uint8Array(4));
  if (r >= 0) r = libc.ioctl(master, TIOCGPTPEER, O_RDWR_NOCTTY_CLOEXEC);
  if (r < 0) throw new RunscError({ what: "cannot make a terminal", why: errnoText(-r) });
  if (size !== undefined && size.height > 0) {
    libc.ioctl(master, TIOCSWINSZ, Uint16Array.of(size.height, size.width, 0, 0));
  }
  return { master, slave: r };
}

/** Sends a terminal's master to the unix socket at a path. */
export function sendConsole(path: string, master: number): void {
  const fail = (r: number) => {
    throw new RunscError({
      what: "cannot use console socket",
      on: shorten(path),
      why: errnoText(-r),
    });
  };
  // By way of a descriptor, for paths longer than an address of a socket may be.
  const at = libc.open(libc.cstr(path), O_PATH_CLOEXEC, 0);
  if (at < 0) fail(at);
  const text = new TextEncoder().encode(`/proc/self/fd/${at}`);
  const address = new Uint8Array(2 + text.length + 1);
  address[0] = AF_UNIX;
  address.set(text, 2);
  const socket = libc.socket(AF_UNIX, SOCK_STREAM_CLOEXEC, 0);
  let r = socket < 0 ? socket : libc.connect(socket, address, address.length);
  if (r >= 0) r = sendPacket(socket, "/dev/ptmx", [master]);
  if (socket >= 0) libc.close(socket);
  libc.close(at);
  if (r < 0) fail(r);
}
