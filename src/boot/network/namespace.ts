/** The network namespace of the host that a container gets. */

import * as libc from "../../../ffi/libc.ts";
import { EPERM, errnoText } from "../../abi/errno.ts";
import { RunscError } from "../../container/error.ts";
import type { ContainerSpec } from "../../container/oci_spec.ts";

const CLONE_NEWNET = 0x40000000;
const O_RDONLY_CLOEXEC = 0x80000;

/**
 * Enters the namespace that the specification names, or a new one if it wants one of its own; false if it
 * names none, or the one that this process is in. That one belongs to others, so it is never taken over.
 *
 * Only this thread enters it. It is the one that opens sockets, and that /proc/PID/ns tells of.
 */
export function enterNetworkNamespace(spec: ContainerSpec): boolean {
  const wanted = spec.linux?.namespaces?.find(({ type }) => type === "network");
  if (wanted === undefined) return false;
  const path = wanted.path ?? "";
  if (path === "") {
    const r = libc.unshare(CLONE_NEWNET);
    // Who is not root goes without: nothing of the host could be put into it.
    if (r === -EPERM && libc.geteuid() !== 0) return false;
    if (r < 0) {
      throw new RunscError({ what: "cannot make a network namespace", why: errnoText(-r) });
    }
    return true;
  }
  const before = identity("/proc/thread-self/ns/net");
  if (identity(path) === before) return false;
  const fd = libc.open(libc.cstr(path), O_RDONLY_CLOEXEC, 0);
  const r = fd < 0 ? fd : libc.setns(fd, CLONE_NEWNET);
  if (fd >= 0) libc.close(fd);
  if (r < 0) {
    throw new RunscError({ what: "cannot enter network namespace", on: path, why: errnoText(-r) });
  }
  return true;
}

function identity(path: string): string {
  try {
    const { dev, ino } = Deno.statSync(path);
    return `${dev}:${ino}`;
  } catch {
    return `none:${path}`;
  }
}
