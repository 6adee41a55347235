/** How commands talk to a sandbox. */

import * as libc from "../../../ffi/libc.ts";
import { errnoText } from "../../abi/errno.ts";
import { RunscError, shorten } from "../error.ts";
import { CONTROL_VERSION, type Packet, receivePacket, sendPacket } from "./channel.ts";

const AF_UNIX = 1;
const SOCK_SEQPACKET = 5;
const SOCK_CLOEXEC = 0x80000;
const SOCK_NONBLOCK = 0x800;
const O_PATH_DIRECTORY_CLOEXEC = 0x290000;

/** Name of the socket in the directory of a container. */
export const CONTROL_SOCKET = "control.sock";

/** The address of a socket in a directory, short however long the directory's path is. */
function addressIn(directoryFd: number): Uint8Array {
  const path = new TextEncoder().encode(`/proc/self/fd/${directoryFd}/${CONTROL_SOCKET}`);
  const address = new Uint8Array(2 + path.length + 1);
  address[0] = AF_UNIX;
  address.set(path, 2);
  return address;
}

function withDirectory<T>(directory: string, use: (fd: number) => T): T {
  const fd = libc.open(libc.cstr(directory), O_PATH_DIRECTORY_CLOEXEC, 0);
  if (fd < 0) {
    throw new RunscError({ what: "cannot open", on: directory, why: errnoText(-fd) });
  }
  try {
    return use(fd);
  } finally {
    libc.close(fd);
  }
}

/** Makes the socket on which the sandbox of a container will listen; returns its descriptor. */
export function listenIn(directory: string): number {
  return withDirectory(directory, (at) => {
    const socket = libc.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const address = addressIn(at);
    const mask = libc.umask(0o177);
    let r = socket < 0 ? socket : libc.bind(socket, address, address.length);
    libc.umask(mask);
    if (r === 0) r = libc.listen(socket, 64);
    if (r < 0) {
      throw new RunscError({
        what: "cannot make control socket",
        on: directory,
        why: errnoText(-r),
      });
    }
    return socket;
  });
}

/** A connection to a sandbox. */
export class ControlClient {
  readonly fd: number;
  readonly #container: string | null;

  /**
   * Connects to the sandbox of the container whose state is in `directory`; calls are about that container, or
   * `container`.
   */
  constructor(directory: string, container: string | null = null) {
    this.#container = container;
    this.fd = withDirectory(directory, (at) => {
      const socket = libc.socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
      const address = addressIn(at);
      const r = socket < 0 ? socket : libc.connect(socket, address, address.length);
      if (r < 0) {
        if (socket >= 0) libc.close(socket);
        throw new RunscError({ what: "cannot reach the sandbox", why: errnoText(-r) });
      }
      return socket;
    });
  }

  /** Asks for something and waits for the answer; throws a RunscError if it is refused. */
  call(
    method: string,
    args: Record<string, unknown> = {},
    fds: readonly number[] = [],
  ): Record<string, unknown> {
    const about = this.#container === null ? args : { ...args, container: this.#container };
    const message = JSON.stringify({ v: CONTROL_VERSION, method, args: about });
    const r = sendPacket(this.fd, message, fds);
    const what = `the sandbox did not answer '${method}'`;
    if (r < 0) throw new RunscError({ what, why: errnoText(-r) });
    const packet = receivePacket(this.fd);
    if (packet === null) throw new RunscError({ what, why: "it ended" });
    if (typeof packet === "number") throw new RunscError({ what, why: errnoText(-packet) });
    return answerOf(packet, what);
  }

  /** Ends the connection. */
  close(): void {
    libc.close(this.fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }
}

function answerOf(packet: Packet, what: string): Record<string, unknown> {
  for (const fd of packet.fds) libc.close(fd);
  let answer: unknown;
  try {
    answer = JSON.parse(packet.text);
  } catch {
    answer = null;
  }
  if (typeof answer !== "object" || answer === null) {
    throw new RunscError({ what, why: `it said ${JSON.stringify(shorten(packet.text, 40))}` });
  }
  const { error, result } = answer as { error?: unknown; result?: unknown };
  if (typeof error === "string") throw new RunscError({ what: error });
  return typeof result === "object" && result !== null ? result as Record<string, unknown> : {};
}
