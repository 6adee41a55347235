/** The home directory of a container's user, which programs expect in HOME. */

import { O_NONBLOCK, O_RDONLY } from "../abi/fcntl.ts";
import { S_IFMT, S_IFREG } from "../abi/stat.ts";
import type { VfsContext } from "../sentry/vfs/context.ts";
import type { Vfs } from "../sentry/vfs/vfs.ts";
import { bytesToString } from "../sentry/kernel/bytes.ts";
import { readFileAt } from "../sentry/loader/executable.ts";

const AT_FDCWD = -100;
/** What of a container's /etc/passwd is looked at. */
const MAX_PASSWD = 1 << 20;

/** The environment of a process, with HOME as the container's passwd(5) says where nobody else did. */
export function withHome(
  vfs: Vfs,
  ctx: VfsContext,
  uid: number,
  envp: readonly string[],
): string[] {
  if (envp.some((entry) => entry.startsWith("HOME=") && entry.length > 5)) return [...envp];
  const others = envp.filter((entry) => !entry.startsWith("HOME="));
  return [...others, `HOME=${homeOf(vfs, ctx, uid) ?? "/"}`];
}

function homeOf(vfs: Vfs, ctx: VfsContext, uid: number): string | null {
  const file = vfs.open(ctx, AT_FDCWD, "/etc/passwd", O_RDONLY | O_NONBLOCK, 0);
  if (typeof file === "number") return null;
  try {
    if (file.inode === null || (file.inode.mode & S_IFMT) !== S_IFREG) return null;
    const bytes = new Uint8Array(Math.min(file.inode.size, MAX_PASSWD));
    const n = readFileAt(ctx, file, 0, bytes, bytes.length);
    if (n <= 0) return null;
    for (const line of bytesToString(bytes, 0, n).split("\n")) {
      const fields = line.split(":");
      if (fields.length >= 6 && fields[2] === String(uid)) return fields[5] || null;
    }
    return null;
  } finally {
    file.unref();
  }
}
