/** Addresses of unix sockets (unix(7)): byte strings, abstract ones with a NUL in front. */

import { EINVAL } from "../../../abi/errno.ts";
import { AF_UNIX, UNIX_PATH_MAX } from "../../../abi/socket.ts";
import { bytesToString, putString } from "../../kernel/bytes.ts";

/** The name in an address; "" asks for an automatic one. */
export function parseUnixAddress(address: Uint8Array): string | number {
  if (address.length < 2 || address.length > 2 + UNIX_PATH_MAX) return -EINVAL;
  if ((address[0] | (address[1] << 8)) !== AF_UNIX) return -EINVAL;
  if (address.length === 2) return "";
  if (address[2] === 0) return bytesToString(address, 2, address.length - 2);
  const nul = address.indexOf(0, 2);
  return bytesToString(address, 2, (nul < 0 ? address.length : nul) - 2);
}

/** The address of a name; null has the family only. */
export function unixAddress(name: string | null): Uint8Array {
  if (name === null) return new Uint8Array([AF_UNIX, 0]);
  const isPath = name.charCodeAt(0) !== 0;
  const bytes = new Uint8Array(2 + name.length + (isPath ? 1 : 0));
  bytes[0] = AF_UNIX;
  putString(bytes, 2, name);
  return bytes;
}
