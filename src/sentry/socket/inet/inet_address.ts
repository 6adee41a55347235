/** `sockaddr_in` and `sockaddr_in6` (ip(7), ipv6(7)). */

import { EAFNOSUPPORT, EINVAL } from "../../../abi/errno.ts";
import { AF_INET, AF_INET6, AF_UNSPEC } from "../../../abi/socket.ts";
import {
  ANY_V4,
  type IpAddress,
  ipv4,
  readIpv4,
  readIpv6,
} from "../../../netstack/wire/address.ts";

const SIZE_V4 = 16;
/** Older programs leave the scope out. */
const SIZE_V6_SHORT = 24;
const SIZE_V6 = 28;

/** An address with its port, as parsed last. */
export class InetName {
  address: IpAddress = ANY_V4;
  port = 0;
  /** Interface of a link-local address, 0 for none. */
  scope = 0;
}

/** The family that an address names, or -1. */
export function familyOf(bytes: Uint8Array): number {
  return bytes.length < 2 ? -1 : bytes[0] | (bytes[1] << 8);
}

/** Parses an address for a socket of `family` into `name`; 0 or an error. */
export function parseInetAddress(bytes: Uint8Array, family: number, name: InetName): number {
  const given = familyOf(bytes);
  if (given < 0) return -EINVAL;
  if (given === AF_INET || (given === AF_UNSPEC && family === AF_INET)) {
    if (family !== AF_INET && given === AF_INET) {
      // An IPv6 socket takes IPv4 addresses in their mapped form only.
      return bytes.length < SIZE_V6_SHORT ? -EINVAL : -EAFNOSUPPORT;
    }
    if (bytes.length < SIZE_V4) return -EINVAL;
    name.port = (bytes[2] << 8) | bytes[3];
    name.address = readIpv4(bytes, 4);
    name.scope = 0;
    return 0;
  }
  if (given !== AF_INET6 || family !== AF_INET6) return -EAFNOSUPPORT;
  if (bytes.length < SIZE_V6_SHORT) return -EINVAL;
  name.port = (bytes[2] << 8) | bytes[3];
  name.address = readIpv6(bytes, 8);
  name.scope = bytes.length < SIZE_V6
    ? 0
    : bytes[24] | (bytes[25] << 8) | (bytes[26] << 16) | (bytes[27] << 24);
  return 0;
}

/** The address for a socket of `family`. */
export function inetAddress(
  family: number,
  address: IpAddress,
  port: number,
  scope = 0,
): Uint8Array {
  const bytes = new Uint8Array(family === AF_INET ? SIZE_V4 : SIZE_V6);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, family, true);
  view.setUint16(2, port);
  if (family === AF_INET) {
    view.setUint32(4, address.v4);
    return bytes;
  }
  putIpv6(view, 8, address);
  if (address.isLinkLocal && !address.isV4) view.setUint32(24, scope, true);
  return bytes;
}

/** Writes the 16 bytes of an address, mapped if it is IPv4 and not the wildcard. */
export function putIpv6(view: DataView, offset: number, address: IpAddress): void {
  view.setUint32(offset, address.w0);
  view.setUint32(offset + 4, address.w1);
  view.setUint32(offset + 8, address.w2);
  view.setUint32(offset + 12, address.w3);
}

/** An IPv4 address out of option bytes. */
export function optionIpv4(view: DataView, offset: number): IpAddress {
  return ipv4(view.getUint32(offset));
}
