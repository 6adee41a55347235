/** Device nodes that a specification asks for beside the usual ones. */

import { EEXIST, errnoText } from "../abi/errno.ts";
import { S_IFBLK, S_IFCHR, S_IFIFO } from "../abi/stat.ts";
import type { Log } from "../container/log.ts";
import { RunscError } from "../container/error.ts";
import type { ContainerSpec } from "../container/oci_spec.ts";
import type { VfsContext } from "../sentry/vfs/context.ts";
import { makeDev } from "../sentry/vfs/device_number.ts";
import { makeDirectories } from "../sentry/vfs/setup.ts";
import { byteText } from "./process_spec.ts";

const AT_FDCWD = -100;
/** Memory devices, terminals: what this kernel has drivers for. */
const KNOWN_MAJORS: ReadonlySet<number> = new Set([1, 5, 136]);

/**
 * Makes the nodes of `linux.devices` in /dev, if that is the sandbox's own. Nodes stand for drivers of this kernel: no device
 * of the host is behind them.
 */
export function makeDeviceNodes(ctx: VfsContext, spec: ContainerSpec, log: Log): void {
  const devices = spec.linux?.devices ?? [];
  if (devices.length === 0) return;
  const own = (spec.mounts ?? []).some((m) =>
    m.type === "tmpfs" && /^\/dev\/*$/.test(m.destination)
  );
  const without: string[] = [];
  for (const device of devices) {
    const { path, type, major = 0, minor = 0 } = device;
    const isKnown = type === "p" || (type !== "b" && KNOWN_MAJORS.has(major));
    if (!isKnown) without.push(path);
    if (!own || !/^\/dev\/[^/]/.test(path) || path.split("/").includes("..")) continue;
    const vfs = ctx.kernel.vfs;
    const at = byteText(path);
    const format = type === "p" ? S_IFIFO : type === "b" ? S_IFBLK : S_IFCHR;
    let r = makeDirectories(vfs, ctx, at.slice(0, at.lastIndexOf("/")));
    if (r === 0) {
      const mode = format | ((device.fileMode ?? 0o666) & 0o7777);
      r = vfs.mknod(ctx, AT_FDCWD, at, mode, makeDev(major, minor));
    }
    if (r !== 0 && r !== -EEXIST) {
      throw new RunscError({ what: "cannot make device", on: path, why: errnoText(-r) });
    }
  }
  if (without.length > 0) {
    const shown = without.slice(0, 5).join(", ") + (without.length > 5 ? ", …" : "");
    log.warning(`devices of the host are not passed on: ${shown}`);
  }
}
