import type { Pid } from "../kernel/pid.ts";
import { OVERFLOW_ID } from "../kernel/user_namespace.ts";
import type { File } from "../vfs/file.ts";

/** Who sent a message (SCM_CREDENTIALS); ids are kernel ids. */
export class SenderCredentials {
  constructor(readonly pid: Pid | null, readonly uid: number, readonly gid: number) {}
}

/** What a receiver is told of a sender that did not say who it is. */
export const UNKNOWN_SENDER = new SenderCredentials(null, OVERFLOW_ID, OVERFLOW_ID);

/** What goes with the bytes of one send or receive. */
export class Message {
  /** MSG_* bits of the call. */
  flags = 0;
  /** Where to, or from: a socket address with its family; null for none. */
  address: Uint8Array | null = null;
  /** Descriptions that travel (SCM_RIGHTS); whoever takes them takes over a use of each. */
  rights: File[] | null = null;
  credentials: SenderCredentials | null = null;
  /** MSG_* bits that a receive tells. */
  outFlags = 0;
  /** Length of the whole datagram, for MSG_TRUNC. */
  fullLength = 0;
  /** Other control messages to hand over: level, type, data. */
  control: [level: number, type: number, data: Uint8Array][] | null = null;

  /** Ready for another call. */
  reset(flags: number): this {
    this.flags = flags;
    this.address = null;
    this.rights = null;
    this.credentials = null;
    this.outFlags = 0;
    this.fullLength = 0;
    this.control = null;
    return this;
  }

  /** Lets go of descriptions that nobody took. */
  dropRights(): void {
    if (this.rights === null) return;
    for (const file of this.rights) file.unref();
    this.rights = null;
  }
}
