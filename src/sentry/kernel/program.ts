/** A program that is loaded and about to start. */

import type { MemoryManager } from "../mm/memory_manager.ts";
import type { VfsContext } from "../vfs/context.ts";
import type { Credentials } from "./credentials.ts";

/** A loaded program. */
export interface Program {
  /** Its address space, complete. */
  mm: MemoryManager;
  entry: number;
  stack: number;
  /** Name of the thread: the last part of the path, at most 15 bytes. */
  name: string;
  creds: Credentials;
  /** AT_SECURE. */
  secure: boolean;
  /** The user may execute, but not read the file. */
  unreadable: boolean;
}
