/** Signatures of system calls on sockets. */

import { bufferIn, bufferOut, fd, fdPairOut, int, size, uint } from "./arg_types.ts";
import * as s from "./arg_types_socket.ts";
import { timespecIn } from "./arg_types_time.ts";
import type { Signatures } from "./table.ts";

export const socketSignatures: Signatures = {
  socket: [[s.family, s.socketType, s.protocol]],
  connect: [[fd, s.sockaddrIn(2), int]],
  accept: [[fd, s.sockaddrOut(2), s.lengthInOut]],
  sendto: [[fd, bufferIn(2), size, s.messageFlags, s.sockaddrIn(5), int]],
  recvfrom: [[fd, bufferOut, size, s.messageFlags, s.sockaddrOut(5), s.lengthInOut]],
  sendmsg: [[fd, s.messageIn, s.messageFlags]],
  recvmsg: [[fd, s.messageOut, s.messageFlags]],
  shutdown: [[fd, s.shutdownHow]],
  bind: [[fd, s.sockaddrIn(2), int]],
  listen: [[fd, int]],
  getsockname: [[fd, s.sockaddrOut(2), s.lengthInOut]],
  getpeername: [[fd, s.sockaddrOut(2), s.lengthInOut]],
  socketpair: [[s.family, s.socketType, s.protocol, fdPairOut]],
  setsockopt: [[fd, s.optionLevel, s.optionName, s.optionIn, int]],
  getsockopt: [[fd, s.optionLevel, s.optionName, s.optionOut, s.lengthInOut]],
  accept4: [[fd, s.sockaddrOut(2), s.lengthInOut, s.acceptFlags]],
  recvmmsg: [[fd, s.messagesOut, uint, s.messageFlags, timespecIn]],
  sendmmsg: [[fd, s.messagesIn, uint, s.messageFlags]],
};
