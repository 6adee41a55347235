/** The kernel of one sandbox: what all its tasks share. */

import type { Loader } from "../loader/loader.ts";
import type { FrameAllocator } from "../mm/frames.ts";
import type { Platform } from "../platform/platform.ts";
import type { Vfs } from "../vfs/vfs.ts";
import { UserAccounts } from "./accounts.ts";
import type { Clock } from "./clock.ts";
import { Credentials } from "./credentials.ts";
import { FutexTable } from "./futex.ts";
import { IpcNamespace, UtsNamespace } from "./namespaces.ts";
import type { Barrier } from "./membarrier.ts";
import { PidNamespace } from "./pid.ts";
import type { Task } from "./task.ts";
import { RunQueue } from "./run_queue.ts";
import { TimerQueue } from "./timers.ts";
import { UserNamespace } from "./user_namespace.ts";

/** Where the kernel's messages go. */
export interface KernelLog {
  debug(message: string): void;
  warn(message: string): void;
}

/** What a kernel is made of. */
export interface KernelInit {
  platform: Platform;
  frames: FrameAllocator;
  clock: Clock;
  log: KernelLog;
  hostname: string;
  /** Processors that the application sees. */
  cpus: number;
  /** Tasks that may exist at once. */
  maxTasks: number;
}

/** The kernel of one sandbox. */
export class Kernel {
  readonly platform: Platform;
  readonly frames: FrameAllocator;
  readonly clock: Clock;
  readonly timers: TimerQueue;
  readonly log: KernelLog;
  readonly userNs: UserNamespace = new UserNamespace(null);
  readonly uts: UtsNamespace;
  readonly ipc: IpcNamespace;
  /** The root pid namespace; its `task(tid)` finds any task. */
  readonly tasks: PidNamespace = new PidNamespace(null);
  readonly futexes: FutexTable;
  readonly accounts: UserAccounts = new UserAccounts();
  /** Tasks to continue: woken, new, or stopped and continued. */
  readonly runnable: RunQueue = new RunQueue();
  /** Credentials of the kernel itself. */
  readonly rootCreds: Credentials;
  readonly cpus: number;
  readonly maxTasks: number;
  /** Tasks that exist, dead leaders included. */
  taskCount = 0;
  /** Processes and threads made since boot, for /proc/stat. */
  forks = 0;
  /**
   * Work that can not be done at once (loading a part of the program): the run loop ends for it,
   * and is run again afterwards. Whoever waits for it is blocked meanwhile.
   */
  deferred: (() => Promise<void>) | null = null;
  /** Calls of membarrier(2) that wait; null while there are none. */
  barriers: Set<Barrier> | null = null;
  /** Set by the boot code before the first task. */
  vfs!: Vfs;
  /** Set by the boot code before the first task. */
  loader!: Loader;

  constructor(init: KernelInit) {
    this.platform = init.platform;
    this.frames = init.frames;
    this.clock = init.clock;
    this.log = init.log;
    this.cpus = init.cpus;
    this.maxTasks = init.maxTasks;
    this.timers = new TimerQueue(init.clock);
    this.uts = new UtsNamespace(this.userNs, init.hostname, "(none)");
    this.ipc = new IpcNamespace(this.userNs);
    this.ipc.users = 1;
    this.rootCreds = Credentials.root(this.userNs);
    this.futexes = new FutexTable(init.frames);
  }

  /** Queues a task to be continued by the run loop. */
  enqueue(t: Task): void {
    if (t.queued) return;
    t.queued = true;
    this.runnable.push(t);
  }

  /** Adds to what is deferred. */
  defer(work: () => Promise<void>): void {
    const before = this.deferred;
    this.deferred = before === null ? work : async () => {
      await before();
      await work();
    };
  }

  /** Fills `dst` with random bytes. */
  random(dst: Uint8Array): void {
    // Web Crypto gives at most 65536 bytes a call, and only into memory of its own.
    const chunk = new Uint8Array(Math.min(dst.length, 65536));
    for (let at = 0; at < dst.length; at += chunk.length) {
      const part = dst.length - at < chunk.length ? chunk.subarray(0, dst.length - at) : chunk;
      crypto.getRandomValues(part);
      dst.set(part, at);
    }
  }
}
