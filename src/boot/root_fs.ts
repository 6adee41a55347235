/** The tree of mounts a container starts with, from its specification. */

import { ENODEV } from "../abi/errno.ts";
import { errnoName } from "../abi/errno.ts";
import {
  MS_BIND,
  MS_DIRSYNC,
  MS_NOATIME,
  MS_NODEV,
  MS_NODIRATIME,
  MS_NOEXEC,
  MS_NOSUID,
  MS_NOSYMFOLLOW,
  MS_PRIVATE,
  MS_RDONLY,
  MS_REC,
  MS_RELATIME,
  MS_SHARED,
  MS_SLAVE,
  MS_STRICTATIME,
  MS_SYNCHRONOUS,
  MS_UNBINDABLE,
} from "../abi/mount.ts";
import type { BootOptions } from "../container/config.ts";
import { RunscError, shorten } from "../container/error.ts";
import type { ContainerSpec, OciMount } from "../container/oci_spec.ts";
import { populateDev } from "../sentry/fs/dev/devices.ts";
import { openHostTree } from "../sentry/fs/hostfs/host_tree.ts";
import { OverlayFileSystem } from "../sentry/fs/overlay/overlay_file_system.ts";
import type { Kernel } from "../sentry/kernel/kernel.ts";
import { utf8ToByteString } from "../sentry/kernel/bytes.ts";
import { PlainContext } from "../sentry/vfs/context.ts";
import type { FileSystem } from "../sentry/vfs/file_system.ts";
import type { MountNamespace } from "../sentry/vfs/mount_namespace.ts";
import { createNamespace, mountAt, rootContext } from "../sentry/vfs/setup.ts";

/** Mount options that are flags: bits to set and to clear. */
const FLAG_OPTIONS: ReadonlyMap<string, readonly [set: number, clear: number]> = new Map([
  ["async", [0, MS_SYNCHRONOUS]],
  ["atime", [0, MS_NOATIME]],
  ["bind", [MS_BIND, 0]],
  ["defaults", [0, 0]],
  ["dev", [0, MS_NODEV]],
  ["diratime", [0, MS_NODIRATIME]],
  ["dirsync", [MS_DIRSYNC, 0]],
  ["exec", [0, MS_NOEXEC]],
  ["noatime", [MS_NOATIME, 0]],
  ["nodev", [MS_NODEV, 0]],
  ["nodiratime", [MS_NODIRATIME, 0]],
  ["noexec", [MS_NOEXEC, 0]],
  ["nosymfollow", [MS_NOSYMFOLLOW, 0]],
  ["norelatime", [0, MS_RELATIME]],
  ["nostrictatime", [0, MS_STRICTATIME]],
  ["nosuid", [MS_NOSUID, 0]],
  ["rbind", [MS_BIND | MS_REC, 0]],
  ["relatime", [MS_RELATIME, 0]],
  ["ro", [MS_RDONLY, 0]],
  ["rw", [0, MS_RDONLY]],
  ["strictatime", [MS_STRICTATIME, 0]],
  ["suid", [0, MS_NOSUID]],
  ["sync", [MS_SYNCHRONOUS, 0]],
]);

/** Mount options that say how a mount shares what is mounted beneath it. */
const PROPAGATION_OPTIONS: ReadonlyMap<string, number> = new Map([
  ["private", MS_PRIVATE],
  ["rprivate", MS_PRIVATE | MS_REC],
  ["shared", MS_SHARED],
  ["rshared", MS_SHARED | MS_REC],
  ["slave", MS_SLAVE],
  ["rslave", MS_SLAVE | MS_REC],
  ["unbindable", MS_UNBINDABLE],
  ["runbindable", MS_UNBINDABLE | MS_REC],
]);

/** Types a container may go without, as most programs do. */
const OPTIONAL_TYPES: ReadonlySet<string> = new Set([
  "proc",
  "mqueue",
  "cgroup",
  "cgroup2",
  "sysfs",
]);

/** How what is at a host path is had: by opening it, unless that was done before. */
export type OpenTree = typeof openHostTree;

/** Builds the mount namespace; throws a RunscError where the host's side of a mount is missing. */
export function buildMounts(
  kernel: Kernel,
  spec: ContainerSpec,
  options: BootOptions,
  openTree: OpenTree = openHostTree,
): MountNamespace {
  const vfs = kernel.vfs;
  const overlay = options.overlay === "memory";
  const readOnly = spec.root.readonly === true;
  // What lies beneath an overlay is taken as it was.
  const direct = !overlay && !readOnly;
  const host = openTree(vfs, options.rootfs, direct, direct && vfs.sharedRoot);
  if (typeof host === "number") {
    const why = errnoName(-host);
    throw new RunscError({ what: "cannot open root file system", on: options.rootfs, why });
  }
  // Mount points may be missing in a read-only root; an overlay in memory takes them.
  const root: FileSystem = overlay || readOnly ? new OverlayFileSystem(vfs, host) : host;
  const ns = createNamespace(vfs, root, root === host ? "host" : "overlay");
  const ctx = new PlainContext(kernel, kernel.rootCreds, rootContext(ns, 0));
  for (const mount of spec.mounts ?? []) mountOne(kernel, ctx, mount, options, openTree);
  if (readOnly) ns.root.flags |= MS_RDONLY;
  const sharing = PROPAGATION_OPTIONS.get(spec.linux?.rootfsPropagation ?? "");
  if (sharing !== undefined) vfs.mount(ctx, "", "/", "", sharing, "");
  return ns;
}

function mountOne(
  kernel: Kernel,
  ctx: PlainContext,
  mount: OciMount,
  options: BootOptions,
  openTree: OpenTree,
): void {
  const vfs = kernel.vfs;
  const target = normalize(utf8ToByteString(mount.destination));
  let flags = 0;
  let propagation = 0;
  const data: string[] = [];
  for (const option of mount.options ?? []) {
    const flag = FLAG_OPTIONS.get(option);
    const sharing = PROPAGATION_OPTIONS.get(option);
    if (sharing !== undefined) propagation = sharing;
    else if (flag !== undefined) flags = (flags | flag[0]) & ~flag[1];
    else data.push(option);
  }
  refuseMappings(mount);
  const warn = (option: string, why: string) =>
    options.log.warning(`mount option ${option} of ${mount.destination} is left out: ${why}`);
  if (data.includes("tmpcopyup")) {
    data.splice(data.indexOf("tmpcopyup"), 1);
    warn("tmpcopyup", "nothing is copied");
  }
  const bind = (flags & MS_BIND) !== 0 || mount.type === "bind";
  const fail = (r: number) => {
    throw new RunscError({
      what: `cannot mount ${mount.type ?? "bind"}`,
      on: mount.destination,
      why: errnoName(-r),
    });
  };
  if (bind) {
    const source = mount.source ?? "";
    const path = source.startsWith("/") ? source : `${options.bundle}/${source}`;
    const fs = openTree(vfs, path, (flags & MS_RDONLY) === 0, vfs.sharedBinds);
    if (typeof fs === "number") {
      throw new RunscError({ what: "cannot mount", on: path, why: errnoName(-fs) });
    }
    const r = mountAt(vfs, ctx, fs, target, utf8ToByteString(path), flags & ~(MS_BIND | MS_REC));
    if (r !== 0) fail(r);
    for (const option of data) warn(shorten(option), "a bind mount has no such option");
    // Within the sandbox: it has no part in what the host mounts later.
    if (propagation !== 0) vfs.mount(ctx, "", target, "", propagation, "");
    return;
  }
  const type = mount.type ?? "";
  const text = data.join(",");
  const source = utf8ToByteString(mount.source ?? type);
  const fs = vfs.createFileSystem(ctx, type, source, flags, text);
  if (fs === -ENODEV && OPTIONAL_TYPES.has(type)) {
    options.log.debug(`file system ${type} at ${mount.destination} is not supported: left out`);
    return;
  }
  if (typeof fs === "number") fail(fs);
  const r = mountAt(vfs, ctx, fs as FileSystem, target, source, flags);
  if (r !== 0) fail(r);
  if (target === "/dev") {
    const dev = (fs as FileSystem).root;
    const made = populateDev(ctx, dev);
    if (made !== 0) fail(made);
  }
}

/** Files whose owners are to be translated can not be had; with the wrong owners they would be worse than none. */
function refuseMappings(mount: OciMount): void {
  const option = mount.options?.find((each) => each === "idmap" || each === "ridmap");
  const mapped = (mount.uidMappings ?? []).length + (mount.gidMappings ?? []).length > 0;
  if (option === undefined && !mapped) return;
  throw new RunscError({
    what: "cannot mount",
    on: mount.destination,
    why: `id-mapped mounts are not supported (${option ?? "uidMappings, gidMappings"})`,
  });
}

/** An absolute path without empty, `.` and `..` parts; links in it are the container's own. */
function normalize(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return "/" + parts.join("/");
}
