import { ENXIO } from "../../../abi/errno.ts";
import { S_IFCHR } from "../../../abi/stat.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { makeDev } from "../../vfs/device_number.ts";
import type { Inode } from "../../vfs/inode.ts";
import { openFifo } from "../pipe/fifo.ts";
import { registerDevPts } from "../devpts/ptmx.ts";
import type { Terminal } from "../tty/terminal.ts";
import { openControllingTerminal, openTerminal } from "../tty/tty_file.ts";
import { FullDevice, NullDevice, RandomDevice, ZeroDevice } from "./memory_devices.ts";

/** The terminals that `/dev/console` opens, by kernel. */
const consoles: WeakMap<Kernel, Terminal> = new WeakMap();

/** Makes `terminal` what `/dev/console` opens. */
export function setConsole(kernel: Kernel, terminal: Terminal): void {
  consoles.set(kernel, terminal);
}

/** Makes the devices of the sandbox, its FIFOs and devpts known to the VFS. */
export function registerDevices(kernel: Kernel): void {
  const vfs = kernel.vfs;
  vfs.openFifo = openFifo;
  vfs.registerCharDevice(1, 3, (_ctx, flags, path) => new NullDevice(path, flags));
  vfs.registerCharDevice(1, 5, (_ctx, flags, path) => new ZeroDevice(path, flags));
  vfs.registerCharDevice(1, 7, (_ctx, flags, path) => new FullDevice(path, flags));
  vfs.registerCharDevice(1, 8, (_ctx, flags, path) => new RandomDevice(path, flags, kernel));
  vfs.registerCharDevice(1, 9, (_ctx, flags, path) => new RandomDevice(path, flags, kernel));
  vfs.registerCharDevice(5, 0, openControllingTerminal);
  vfs.registerCharDevice(5, 1, (ctx, flags, path) => {
    const terminal = consoles.get(ctx.kernel);
    return terminal === undefined ? -ENXIO : openTerminal(ctx, flags, path, terminal);
  });
  registerDevPts(vfs);
}

/** The device nodes that every container has (OCI runtime specification, Linux: default devices). */
const NODES: readonly (readonly [name: string, mode: number, major: number, minor: number])[] = [
  ["null", 0o666, 1, 3],
  ["zero", 0o666, 1, 5],
  ["full", 0o666, 1, 7],
  ["random", 0o666, 1, 8],
  ["urandom", 0o666, 1, 9],
  ["tty", 0o666, 5, 0],
];

const LINKS: readonly (readonly [name: string, target: string])[] = [
  ["fd", "/proc/self/fd"],
  ["stdin", "/proc/self/fd/0"],
  ["stdout", "/proc/self/fd/1"],
  ["stderr", "/proc/self/fd/2"],
  ["core", "/proc/kcore"],
  ["ptmx", "pts/ptmx"],
];

/** Puts what `/dev` holds into the root directory of a fresh tmpfs. What is there already stays. */
export function populateDev(ctx: VfsContext, dir: Inode): number {
  for (const [name, mode, major, minor] of NODES) {
    if (typeof dir.lookup(ctx, name) !== "number") continue;
    const r = dir.mknod(ctx, name, S_IFCHR | mode, 0, 0, makeDev(major, minor));
    if (typeof r === "number") return r;
  }
  if (consoles.get(ctx.kernel) !== undefined && typeof dir.lookup(ctx, "console") === "number") {
    const r = dir.mknod(ctx, "console", S_IFCHR | 0o600, 0, 5, makeDev(5, 1));
    if (typeof r === "number") return r;
  }
  for (const [name, target] of LINKS) {
    if (typeof dir.lookup(ctx, name) !== "number") continue;
    const r = dir.symlink(ctx, name, target, 0, 0);
    if (typeof r === "number") return r;
  }
  for (const name of ["pts", "shm", "mqueue"]) {
    if (typeof dir.lookup(ctx, name) !== "number") continue;
    const r = dir.mkdir(ctx, name, 0o755, 0, 0);
    if (typeof r === "number") return r;
  }
  return 0;
}
