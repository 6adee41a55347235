/**
 * A mount namespace of its own for the sandbox process. The root of a container that others can enter is the container's
 * own: engines enter the namespace of a container's process to copy files, and there they must find the container's files,
 * never the host's. The root of all others is empty. Both have a /proc that shows processes alone and takes no writes, for
 * descriptors are opened anew by way of it.
 *
 * @module
 */

import * as libc from "../../ffi/libc.ts";
import {
  MNT_DETACH,
  MS_BIND,
  MS_NODEV,
  MS_NOEXEC,
  MS_NOSUID,
  MS_RDONLY,
  MS_REC,
  MS_SLAVE,
} from "../abi/mount.ts";

const CLONE_NEWNS = 0x20000;

/** Whether the root of the container can be that of the sandbox process. */
export function mayOwnRoot(rootfs: string): boolean {
  return rootfs !== "/" && isDirectory(`${rootfs}/proc`);
}

/**
 * Enters it, with the container's root; 0 or a negative errno, where nothing or only the namespace has changed. What was
 * opened before stays usable.
 */
export function enterOwnRoot(rootfs: string): number {
  const root = libc.cstr(rootfs);
  let r = leaveMounts(0);
  if (r === 0) r = libc.mount(root, root, null, MS_BIND | MS_REC, null);
  if (r === 0) r = mountProc(libc.cstr(`${rootfs}/proc`));
  return r === 0 ? pivot(root) : r;
}

/** Enters it, with an empty root, and with it the namespaces that `flags` name. As {@link enterOwnRoot}. */
export function enterEmptyRoot(flags: number): number {
  const root = libc.cstr("/proc");
  const proc = libc.cstr("/proc/proc");
  const tmpfs = libc.cstr("tmpfs");
  // Its two inodes are the root and proc: nothing can be made in it. A read-only mount takes the kernel 20 ms.
  const size = libc.cstr("size=4k,nr_inodes=2,mode=555");
  let r = leaveMounts(flags);
  if (r === 0) r = libc.mount(tmpfs, root, tmpfs, MS_NOSUID | MS_NODEV | MS_NOEXEC, size);
  if (r === 0) r = libc.mkdirat(-100, proc, 0o555);
  if (r === 0) r = mountProc(proc);
  return r === 0 ? pivot(root) : r;
}

function leaveMounts(flags: number): number {
  const r = libc.unshare(CLONE_NEWNS | flags);
  // Mounts made here must not show on the host.
  return r === 0 ? libc.mount(null, libc.cstr("/"), null, MS_REC | MS_SLAVE, null) : r;
}

function mountProc(target: Uint8Array<ArrayBuffer>): number {
  const type = libc.cstr("proc");
  const flags = MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC;
  const r = libc.mount(type, target, type, flags, libc.cstr("subset=pid"));
  if (r === 0) return 0;
  // Kernels before 5.8 have no subset; where parts of the host's own are covered no other may be mounted.
  if (libc.mount(type, target, type, flags, null) === 0) return 0;
  return libc.mount(libc.cstr("/proc"), target, null, MS_BIND | MS_REC, null);
}

function pivot(root: Uint8Array<ArrayBuffer>): number {
  const here = libc.cstr(".");
  let r = libc.chdir(root);
  // The old root comes to lie on the new one, from where it is taken away (pivot_root(2), NOTES).
  if (r === 0) r = libc.pivot_root(here, here);
  if (r === 0) r = libc.umount2(here, MNT_DETACH);
  return r === 0 ? libc.chdir(libc.cstr("/")) : r;
}

function isDirectory(path: string): boolean {
  try {
    return Deno.lstatSync(path).isDirectory;
  } catch {
    return false;
  }
}
