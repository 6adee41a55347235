/**
 * A mount namespace of its own for the sandbox process, whose root is the container's. Engines enter the namespace of a
 * container's process to copy files: there they must find the container's files, never the host's.
 *
 * @module
 */

import * as libc from "../../ffi/libc.ts";
import { MNT_DETACH, MS_BIND, MS_REC, MS_SLAVE } from "../abi/mount.ts";

const CLONE_NEWNS = 0x20000;

/**
 * Enters it; 0 or a negative errno, where nothing or only the namespace has changed. What was opened before stays
 * usable. The host's /proc stays in its place, for descriptors are opened anew by way of it.
 */
export function enterOwnRoot(rootfs: string): number {
  if (rootfs === "/" || !isDirectory(`${rootfs}/proc`)) return 0;
  const root = libc.cstr(rootfs);
  const here = libc.cstr(".");
  const top = libc.cstr("/");
  let r = libc.unshare(CLONE_NEWNS);
  // Mounts made here must not show on the host.
  if (r === 0) r = libc.mount(null, top, null, MS_REC | MS_SLAVE, null);
  if (r === 0) r = libc.mount(root, root, null, MS_BIND | MS_REC, null);
  if (r === 0) {
    r = libc.mount(libc.cstr("/proc"), libc.cstr(`${rootfs}/proc`), null, MS_BIND | MS_REC, null);
  }
  if (r === 0) r = libc.chdir(root);
  // The old root comes to lie on the new one, from where it is taken away (pivot_root(2), NOTES).
  if (r === 0) r = libc.pivot_root(here, here);
  if (r === 0) r = libc.umount2(here, MNT_DETACH);
  if (r === 0) r = libc.chdir(top);
  return r;
}

function isDirectory(path: string): boolean {
  try {
    return Deno.lstatSync(path).isDirectory;
  } catch {
    return false;
  }
}
