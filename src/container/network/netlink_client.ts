/** Asks the host's kernel about its network and changes it (netlink(7)). */

import * as libc from "../../../ffi/libc.ts";
import { EBUSY, EINTR, errnoText } from "../../abi/errno.ts";
import * as N from "../../abi/netlink.ts";
import {
  type NetlinkMessage,
  NetlinkWriter,
  readNetlinkMessages,
} from "../../abi/netlink_message.ts";
import { AF_NETLINK, SOCK_CLOEXEC, SOCK_RAW } from "../../abi/socket.ts";
import { RunscError } from "../error.ts";

const RECEIVE_SIZE = 65536;
/** Times that a dump is asked for anew which changes have made inconsistent. */
const MAX_RETRIES = 8;

/** A netlink socket of the network namespace that the thread was in when it was made. */
export class NetlinkClient {
  readonly fd: number;
  readonly writer: NetlinkWriter = new NetlinkWriter();
  private sequence = 1;
  private readonly buffer: Uint8Array = new Uint8Array(RECEIVE_SIZE);

  constructor(protocol: number = N.NETLINK_ROUTE) {
    this.fd = libc.socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, protocol);
    if (this.fd < 0) {
      throw new RunscError({ what: "cannot open a netlink socket", why: errnoText(-this.fd) });
    }
  }

  /** Begins a request in {@link writer}. */
  begin(type: number, flags: number): NetlinkWriter {
    return this.writer.begin(type, flags | N.NLM_F_REQUEST, this.sequence, 0);
  }

  /** Sends the request that was begun last and waits for its acknowledgement; 0 or a negative errno. */
  acknowledged(): number {
    const { writer } = this;
    writer.end();
    return this.exchange(writer.take(), null);
  }

  /** Begins, with `fixed` after the header, and sends a request for a dump; its messages. */
  dump(type: number, fixed: Uint8Array): NetlinkMessage[] {
    for (let i = 0;; i++) {
      const found: NetlinkMessage[] = [];
      this.begin(type, N.NLM_F_DUMP).raw(fixed).end();
      const r = this.exchange(this.writer.take(), found);
      if (r === 0) return found;
      if (r !== -EBUSY || i === MAX_RETRIES) {
        throw new RunscError({ what: "cannot read the host's network", why: errnoText(-r) });
      }
    }
  }

  /** Sends several messages as they are, of which the last is acknowledged. */
  batch(bytes: Uint8Array, sequence: number): number {
    this.sequence = sequence;
    return this.exchange(bytes, null);
  }

  private exchange(bytes: Uint8Array, found: NetlinkMessage[] | null): number {
    const sequence = this.sequence++;
    let r = libc.sendto(this.fd, bytes, bytes.length, 0, null, 0);
    if (r < 0) return r;
    let inconsistent = false;
    for (;;) {
      r = libc.recvfrom(this.fd, this.buffer, RECEIVE_SIZE, 0, null, null);
      if (r === -EINTR) continue;
      if (r < 0) return r;
      for (const m of readNetlinkMessages(this.buffer.slice(0, r))) {
        if (m.sequence !== sequence) continue;
        if ((m.flags & N.NLM_F_DUMP_INTR) !== 0) inconsistent = true;
        if (m.type === N.NLMSG_DONE) return inconsistent ? -EBUSY : 0;
        if (m.type === N.NLMSG_ERROR) {
          return new DataView(m.body.buffer, m.body.byteOffset, m.body.length).getInt32(0, true);
        }
        found?.push(m);
      }
    }
  }

  [Symbol.dispose](): void {
    libc.close(this.fd);
  }
}
