/** Signatures of system calls of System V IPC, POSIX message queues and asynchronous I/O. */

import {
  arrayIn,
  bufferIn,
  bufferOut,
  early,
  fd,
  hexInt,
  hexLong,
  hexResult,
  int,
  pointer,
  size,
  text,
  uint,
  valueIn,
  valueOut,
} from "./arg_types.ts";
import { openFlags, openMode } from "./arg_types_file.ts";
import * as ipc from "../../abi/ipc.ts";
import { MqAttr, Sembuf } from "../../abi/structs/ipc.ts";
import { Enumeration, FlagSet, octal } from "../strace/format.ts";
import { sigsetIn } from "./arg_types_signal.ts";
import { sigeventIn, timespecIn } from "./arg_types_time.ts";
import type { Signatures } from "./table.ts";

const key = early("key", (v) => (v | 0) === 0 ? "IPC_PRIVATE" : `0x${(v >>> 0).toString(16)}`);
const createNames = new FlagSet(ipc, /^IPC_(CREAT|EXCL|NOWAIT)$/, "IPC_");
const getFlags = early("ipc flags", (v) => {
  const rest = v & ~0o777;
  return rest === 0 ? octal(v & 0o777) : `${createNames.print(rest)}|${octal(v & 0o777)}`;
});

function command(pattern: RegExp) {
  const names = new Enumeration(ipc, pattern, "IPC_");
  return early("ipc command", (v) => names.print(v & ~ipc.IPC_64));
}

const shmCommand = command(/^(IPC_(RMID|SET|STAT|INFO)|SHM_(LOCK|UNLOCK|STAT|INFO|STAT_ANY))$/);
const semCommand = command(
  /^(IPC_(RMID|SET|STAT|INFO)|SEM_(STAT|INFO|STAT_ANY)|GET(PID|VAL|ALL|NCNT|ZCNT)|SET(VAL|ALL))$/,
);
const msgCommand = command(/^(IPC_(RMID|SET|STAT|INFO)|MSG_(STAT|INFO|STAT_ANY))$/);
const attachNames = new FlagSet(ipc, /^SHM_(RDONLY|RND|REMAP|EXEC)$/, "SHM_");
const attachFlags = early("shmat flags", (v) => attachNames.print(v));
const messageFlags = early(
  "msg flags",
  (v) => new FlagSet(ipc, /^(IPC_NOWAIT|MSG_(NOERROR|EXCEPT|COPY))$/, "MSG_").print(v),
);
const operations = arrayIn(Sembuf, 2, "sembuf");
const attrIn = valueIn(MqAttr, "mq_attr");
const attrOut = valueOut(MqAttr, "mq_attr out");

export const ipcSignatures: Signatures = {
  shmget: [[key, size, getFlags]],
  shmat: [[int, pointer, attachFlags], hexResult],
  shmctl: [[int, shmCommand, pointer]],
  semget: [[key, int, getFlags]],
  semop: [[int, operations, size]],
  semctl: [[int, int, semCommand, hexLong]],
  shmdt: [[pointer]],
  msgget: [[key, getFlags]],
  msgsnd: [[int, pointer, size, messageFlags]],
  msgrcv: [[int, pointer, size, int, messageFlags]],
  msgctl: [[int, msgCommand, pointer]],
  semtimedop: [[int, operations, size, timespecIn]],
  io_setup: [[uint, pointer]],
  io_destroy: [[hexLong]],
  io_getevents: [[hexLong, int, int, pointer, timespecIn]],
  io_submit: [[hexLong, int, pointer]],
  io_cancel: [[hexLong, pointer, pointer]],
  io_pgetevents: [[hexLong, int, int, pointer, timespecIn, sigsetIn]],
  mq_open: [[text, openFlags, openMode(1), attrIn]],
  mq_unlink: [[text]],
  mq_timedsend: [[fd, bufferIn(2), size, uint, timespecIn]],
  mq_timedreceive: [[fd, bufferOut, size, pointer, timespecIn]],
  mq_notify: [[fd, sigeventIn]],
  mq_getsetattr: [[fd, attrIn, attrOut]],
  io_uring_setup: [[uint, pointer]],
  io_uring_enter: [[fd, uint, uint, hexInt, pointer, size]],
  io_uring_register: [[fd, uint, pointer, uint]],
};
