/** A task that runs nothing: its memory and files are real, so that handlers can be called on it. */

import { Rlimits } from "../../../../src/sentry/kernel/rlimits.ts";
import type { Task } from "../../../../src/sentry/kernel/task.ts";
import { BLOCKED, type WaitQueue } from "../../../../src/sentry/kernel/wait.ts";
import { UserIo } from "../../../../src/sentry/mm/io_buffer.ts";
import { MemoryManager } from "../../../../src/sentry/mm/memory_manager.ts";
import type { VfsContext } from "../../../../src/sentry/vfs/context.ts";
import { FakePlatform } from "../mm/fake_space.ts";
import { World } from "../vfs/harness.ts";

const BUFFER = 1 << 20;

/** Stands for a task in a {@link World}. */
export class FakeTask {
  readonly args = new Float64Array(6);
  readonly scratch = new Uint8Array(8192);
  readonly view = new DataView(this.scratch.buffer);
  readonly io = new UserIo();
  readonly group = { rlimits: new Rlimits(), tgid: 1 };
  readonly block = { runs: 0, progress: 0, data: null as unknown };
  readonly mm: MemoryManager;
  readonly kernel: World["kernel"];
  readonly creds: VfsContext["creds"];
  readonly fs: VfsContext["fs"];
  readonly files: NonNullable<VfsContext["files"]>;
  /** A buffer in application memory, and a place for paths. */
  readonly buffer: number;
  private readonly paths: number;
  waits: WaitQueue[] = [];

  constructor(world: World, ctx = world.root) {
    this.kernel = world.kernel;
    this.creds = ctx.creds;
    this.fs = ctx.fs;
    this.files = ctx.files!;
    this.mm = new MemoryManager(world.kernel.frames, new FakePlatform(world.kernel.frames));
    this.mm.mmapBase = 0x7fee00000000;
    const map = (length: number) =>
      this.mm.mmap({ addr: 0, length, prot: 3, flags: 0x22, file: null, offset: 0 });
    this.buffer = map(BUFFER);
    this.paths = map(65536);
  }

  copyIn(address: number, length: number): number {
    return this.mm.copyIn(address, this.scratch, 0, length);
  }

  copyOut(address: number, length: number): number {
    return this.mm.copyOut(address, this.scratch, 0, length);
  }

  pathArg(i: number): string | number {
    return this.mm.readString(this.args[i], 4096);
  }

  waitOn(queue: WaitQueue, _mask: number): void {
    this.waits.push(queue);
  }

  sleep(): number {
    this.block.runs++;
    return BLOCKED;
  }

  /** Calls a handler with numbers, and texts that are put into memory first. */
  call(handler: (t: Task) => number, ...args: (number | string)[]): number {
    this.args.fill(0);
    this.block.runs = this.block.progress = 0;
    this.block.data = null;
    let at = this.paths;
    args.forEach((a, i) => {
      if (typeof a === "number") {
        this.args[i] = a;
        return;
      }
      const bytes = new TextEncoder().encode(a + "\0");
      this.mm.copyOut(at, bytes, 0, bytes.length);
      this.args[i] = at;
      at += bytes.length + 8 & ~7;
    });
    return handler(this as unknown as Task);
  }

  /** Puts a text into the buffer. */
  fill(text: string, at = 0): void {
    const bytes = new TextEncoder().encode(text);
    this.mm.copyOut(this.buffer + at, bytes, 0, bytes.length);
  }

  /** The first bytes of the buffer. */
  text(length: number, at = 0): string {
    const bytes = new Uint8Array(length);
    this.mm.copyIn(this.buffer + at, bytes, 0, length);
    return new TextDecoder().decode(bytes);
  }

  /** A view of a copy of the buffer. */
  data(length: number): DataView {
    const bytes = new Uint8Array(length);
    this.mm.copyIn(this.buffer, bytes, 0, length);
    return new DataView(bytes.buffer);
  }
}
