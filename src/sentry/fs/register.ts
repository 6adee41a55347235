import { ENODEV } from "../../abi/errno.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { createTmpfs } from "./tmpfs/tmpfs.ts";

/** Makes the file systems in memory known to mount(2). */
export function registerMemoryFileSystems(vfs: Vfs): void {
  vfs.registerFileSystem("tmpfs", createTmpfs);
  // mount(2) loads it when a program first wants one.
  vfs.registerFileSystem("overlay", () => -ENODEV);
  vfs.registerFileSystem(
    "ramfs",
    (ctx, source, flags) => createTmpfs(ctx, source, flags, "size=0"),
  );
}
