// hot: reads and writes of pipes come through here.

import { EPIPE } from "../../../abi/errno.ts";
import { O_DIRECT, O_NONBLOCK } from "../../../abi/fcntl.ts";
import { FIONREAD } from "../../../abi/ioctl.ts";
import { SIGPIPE } from "../../../abi/signals.ts";
import type { Task } from "../../kernel/task.ts";
import { SigInfo } from "../../kernel/signal_set.ts";
import { sendToTask } from "../../kernel/task_signals.ts";
import type { WaitQueue } from "../../kernel/wait.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import { File } from "../../vfs/file.ts";
import type { Path } from "../../vfs/path.ts";
import type { Pipe } from "./pipe.ts";

/** A description of one end of a pipe, or of both ends of a FIFO. */
export class PipeFile extends File {
  readonly pipe: Pipe;

  constructor(path: Path, flags: number, pipe: Pipe) {
    super(path, flags);
    this.pipe = pipe;
    if (this.readable) pipe.addReader();
    if (this.writable) pipe.addWriter();
  }

  override get queue(): WaitQueue {
    return this.pipe.queue;
  }

  override read(_t: Task, io: IoBuffer, _pos: number): number {
    return this.pipe.read(io);
  }

  override write(t: Task, io: IoBuffer, _pos: number): number {
    const r = this.pipe.write(io, (this.flags & O_DIRECT) !== 0);
    if (r === -EPIPE) raiseSigpipe(t);
    return r;
  }

  override poll(_t: Task | null): number {
    return this.pipe.poll(this.readable, this.writable);
  }

  override ioctl(t: Task, cmd: number, arg: number): number {
    if (cmd === FIONREAD) return t.mm.writeU32(arg, this.pipe.ring.length);
    return super.ioctl(t, cmd, arg);
  }

  override setFlags(_t: Task, flags: number): number {
    this.flags = flags;
    return 0;
  }

  override release(): void {
    if (this.readable) this.pipe.dropReader();
    if (this.writable) this.pipe.dropWriter();
  }

  /** Whether opening this end waits for the other one (fifo(7)). */
  get waitsForPeer(): boolean {
    return this.readable !== this.writable && (this.flags & O_NONBLOCK) === 0;
  }
}

/** Sends SIGPIPE to a task that wrote where nobody reads. */
export function raiseSigpipe(t: Task): void {
  if (t.worker !== null) return;
  sendToTask(t, SigInfo.user(SIGPIPE, t.group.tgid, t.creds.userNs.fromKuid(t.creds.ruid)));
}
