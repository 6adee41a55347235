/** Descriptors the first process starts with. */

import type { BootOptions } from "../container/config.ts";
import type { ConsoleRelay } from "../sentry/fs/hostfd/console_relay.ts";
import { HostFile } from "../sentry/fs/hostfd/host_file.ts";
import type { HostPoller } from "../sentry/kernel/host_poller.ts";
import type { Kernel } from "../sentry/kernel/kernel.ts";
import { FdTable } from "../sentry/vfs/fd_table.ts";
import type { File } from "../sentry/vfs/file.ts";
import type { VfsContext } from "../sentry/vfs/context.ts";
import { sys } from "../../ffi/syscall.ts";

const SYS_FCNTL = 72;
const F_GETFD = 1;

/** Standard input, output and error, or the console three times, then preserved descriptors. */
export function buildFiles(
  kernel: Kernel,
  ctx: VfsContext,
  poller: HostPoller,
  relay: ConsoleRelay | null,
  options: BootOptions,
): FdTable {
  const files = new FdTable();
  if (relay !== null) {
    const console = relay.openSlave(ctx);
    for (let fd = 0; fd < 3; fd++) {
      if (fd > 0) console.ref();
      files.install(console, false);
    }
  } else {
    for (let fd = 0; fd < 3; fd++) {
      const file = inherited(kernel, poller, fd);
      if (file !== null) files.installAt(ctx, fd, file, false);
    }
  }
  for (let fd = 3; fd < 3 + options.preserveFds; fd++) {
    const file = inherited(kernel, poller, fd);
    if (file !== null) files.installAt(ctx, fd, file, false);
  }
  return files;
}

function inherited(kernel: Kernel, poller: HostPoller, fd: number): File | null {
  if (sys(SYS_FCNTL, fd, F_GETFD, 0, 0, 0, 0) < 0) return null;
  return new HostFile(kernel.vfs, poller, fd);
}
