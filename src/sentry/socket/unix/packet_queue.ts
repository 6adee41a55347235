import { EMSGSIZE, ETOOMANYREFS } from "../../../abi/errno.ts";
import { MSG_PEEK, MSG_TRUNC } from "../../../abi/socket.ts";
import type { Task } from "../../kernel/task.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import type { Message } from "../message.ts";
import { mayFly } from "./flight.ts";
import { countInFlight, Datagram, type DatagramQueue } from "./unix_queue.ts";
import { senderOf, type UnixSocket } from "./unix_socket.ts";

/** What Linux keeps of the send buffer for itself. */
const HEADROOM = 32;

/** Makes a datagram of what `io` holds, or an error. */
export function makeDatagram(
  t: Task,
  from: UnixSocket,
  io: IoBuffer,
  message: Message,
): Datagram | number {
  const length = io.remaining;
  if (length > from.options.sendBuffer - HEADROOM) return -EMSGSIZE;
  const rights = message.rights;
  if (rights !== null && !mayFly(t, rights.length)) return -ETOOMANYREFS;
  const data = new Uint8Array(length);
  const n = length === 0 ? 0 : io.take(data, 0, length);
  if (n < 0) return n;
  if (rights !== null) {
    countInFlight(rights.length);
    for (const file of rights) file.ref();
  }
  return new Datagram(data, n, from.name, rights, message.credentials ?? senderOf(t));
}

/** Gives the first datagram of a queue, which has one, to a receiver; the count of bytes. */
export function takeDatagram(
  queue: DatagramQueue,
  io: IoBuffer,
  message: Message,
  passCredentials: boolean,
): number {
  const d = queue.first!;
  const fit = Math.min(d.length, io.remaining);
  const n = fit === 0 ? 0 : io.put(d.data, 0, fit);
  if (n < 0) return n;
  message.fullLength = d.length;
  if (n < d.length) message.outFlags |= MSG_TRUNC;
  if (passCredentials) message.credentials = d.credentials;
  if ((message.flags & MSG_PEEK) !== 0) {
    if (d.rights !== null) message.rights = d.rights.map((file) => file.ref());
  } else {
    if (d.rights !== null) {
      message.rights = d.rights;
      countInFlight(-d.rights.length);
      d.rights = null;
    }
    queue.shift();
  }
  return n;
}
