/** Opens the packet socket through which the stack uses an interface of the host (packet(7)). */

import * as libc from "../../../ffi/libc.ts";
import { errnoText } from "../../abi/errno.ts";
import { RunscError } from "../../container/error.ts";

const AF_PACKET = 17;
const SOCK_RAW_CLOEXEC_NONBLOCK = 0x80803;
const ETH_P_ALL = 3;
const SOL_SOCKET = 1;
const SO_SNDBUFFORCE = 32;
const SO_RCVBUFFORCE = 33;
const SOL_PACKET = 263;
const PACKET_ADD_MEMBERSHIP = 1;
const PACKET_VNET_HDR = 15;
const PACKET_IGNORE_OUTGOING = 23;
const PACKET_MR_ALLMULTI = 2;
/** Bytes that may wait on either side; two of the largest windows of TCP. */
const BUFFER = 8 << 20;

/** The descriptor of a socket for the frames of an interface. */
export function openPacketSocket(index: number, name: string): number {
  // Protocol 0 receives nothing, so that no frame comes in before all is set.
  const fd = libc.socket(AF_PACKET, SOCK_RAW_CLOEXEC_NONBLOCK, 0);
  const check = (r: number) => {
    if (r >= 0) return;
    if (fd >= 0) libc.close(fd);
    throw new RunscError({
      what: "cannot open the network interface",
      on: name,
      why: errnoText(-r),
    });
  };
  check(fd);
  const word = new Uint8Array(4);
  const set = (level: number, option: number, value: number) => {
    new DataView(word.buffer).setInt32(0, value, true);
    return libc.setsockopt(fd, level, option, word, 4);
  };
  check(set(SOL_PACKET, PACKET_VNET_HDR, 1));
  check(set(SOL_PACKET, PACKET_IGNORE_OUTGOING, 1));
  // Only who may force gets more than the system's usual limit; it works with that, too.
  set(SOL_SOCKET, SO_RCVBUFFORCE, BUFFER);
  set(SOL_SOCKET, SO_SNDBUFFORCE, BUFFER);
  const membership = new Uint8Array(16);
  const view = new DataView(membership.buffer);
  view.setInt32(0, index, true);
  view.setUint16(4, PACKET_MR_ALLMULTI, true);
  check(libc.setsockopt(fd, SOL_PACKET, PACKET_ADD_MEMBERSHIP, membership, 16));
  const address = new Uint8Array(20);
  const fields = new DataView(address.buffer);
  fields.setUint16(0, AF_PACKET, true);
  fields.setUint16(2, ETH_P_ALL);
  fields.setInt32(4, index, true);
  check(libc.bind(fd, address, 20));
  return fd;
}
