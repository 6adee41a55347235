import type { Vfs } from "../vfs/vfs.ts";
import { createTmpfs } from "./tmpfs/tmpfs.ts";

/** Makes the file systems in memory known to mount(2). */
export function registerMemoryFileSystems(vfs: Vfs): void {
  vfs.registerFileSystem("tmpfs", createTmpfs);
  vfs.registerFileSystem(
    "ramfs",
    (ctx, source, flags) => createTmpfs(ctx, source, flags, "size=0"),
  );
}
