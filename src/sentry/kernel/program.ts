/** A program that is loaded and about to start. */

import { AT_FDCWD } from "../../abi/fcntl.ts";
import { findExecutable } from "../loader/executable.ts";
import { MemoryManager } from "../mm/memory_manager.ts";
import type { VfsContext } from "../vfs/context.ts";
import { MAY_READ, permission } from "../vfs/permissions.ts";
import type { Credentials } from "./credentials.ts";
import { execCredentials } from "./exec_creds.ts";

/** Longest name of a thread (TASK_COMM_LEN, without the NUL). */
const NAME_MAX = 15;
/** ADDR_NO_RANDOMIZE of personality(2). */
const ADDR_NO_RANDOMIZE = 0x0040000;

/** A loaded program. */
export class Program {
  constructor(
    /** Its address space, complete. */
    readonly mm: MemoryManager,
    readonly entry: number,
    readonly stack: number,
    /** Name of the thread: the last part of the path, at most 15 bytes. */
    readonly name: string,
    readonly creds: Credentials,
    /** AT_SECURE. */
    readonly secure: boolean,
    /** The user may execute, but not read the file. */
    readonly unreadable: boolean,
  ) {}
}

/** Loads a program into an address space of its own, with the soft limits `limits`; or a negative errno. */
export function prepareProgram(
  ctx: VfsContext,
  dirfd: number,
  path: string,
  flags: number,
  argv: string[],
  env: string[],
  limits: Float64Array,
  personality = 0,
): Program | number {
  const kernel = ctx.kernel;
  const file = kernel.vfs.openForExec(ctx, dirfd, path, flags);
  if (typeof file === "number") return file;
  const executable = findExecutable(ctx, file, shownName(dirfd, path), argv);
  if (typeof executable === "number") return executable;
  const { creds, secure } = execCredentials(ctx, executable.file);
  const mm = new MemoryManager(kernel.frames, kernel.platform);
  mm.limits = limits;
  const randomize = (personality & ADDR_NO_RANDOMIZE) === 0;
  const image = kernel.loader.load(ctx, mm, executable, env, creds, secure, randomize);
  const unreadable = permission(ctx.creds, executable.file.inode, MAY_READ) !== 0;
  executable.release();
  if (typeof image === "number") {
    mm.release();
    return image;
  }
  const name = path.slice(path.lastIndexOf("/") + 1).slice(0, NAME_MAX);
  return new Program(mm, image.entry, image.stack, name, creds, secure, unreadable);
}

/** What a script is told its own name is, when it was named by a descriptor (execveat(2)). */
function shownName(dirfd: number, path: string): string {
  if (dirfd === AT_FDCWD || path.startsWith("/")) return path;
  return path === "" ? `/dev/fd/${dirfd}` : `/dev/fd/${dirfd}/${path}`;
}
