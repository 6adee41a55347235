/** Families of system calls that most programs never use: their code is loaded at their first call. */

import { ERESTARTNOINTR } from "../../abi/errno.ts";
import { POLLIN } from "../../abi/poll.ts";
import type { Task } from "../kernel/task.ts";
import { WaitQueue } from "../kernel/wait.ts";
import type { SyscallHandler } from "./handler.ts";

/** What a blocked task keeps while the code is loaded. */
const LOADING = {};

const families: LazyFamily[] = [];

/** Loads every family at once, for a process that is about to lose sight of its source files. */
export async function loadFamilies(): Promise<void> {
  for (const family of families) await family.load();
}

/** A family whose module `load` brings. */
export class LazyFamily {
  readonly #load: () => Promise<object>;
  readonly #loaded: WaitQueue = new WaitQueue();
  #module: Record<string, SyscallHandler> | null = null;
  #asked = false;

  constructor(load: () => Promise<object>) {
    this.#load = load;
    families.push(this);
  }

  /** Loads the module now. */
  async load(): Promise<void> {
    this.#module = await this.#load() as Record<string, SyscallHandler>;
  }

  /** A handler that passes the call on to the module's function of this name. */
  handler(name: string): SyscallHandler {
    let handler: SyscallHandler | null = null;
    return (t: Task): number => {
      if (handler === null) {
        if (this.#module === null) return this.#wait(t);
        handler = this.#module[name];
      }
      // For the call itself this is the first run.
      if (t.block.data === LOADING) t.block.reset();
      return handler(t);
    };
  }

  #wait(t: Task): number {
    if (!this.#asked) {
      this.#asked = true;
      t.kernel.defer(async () => {
        await this.load();
        this.#loaded.notify(POLLIN);
      });
    }
    t.block.data = LOADING;
    t.waitOn(this.#loaded, POLLIN);
    return t.sleep(-ERESTARTNOINTR);
  }
}
