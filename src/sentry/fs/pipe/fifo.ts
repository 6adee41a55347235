import { ENXIO } from "../../../abi/errno.ts";
import { O_ACCMODE, O_NONBLOCK, O_WRONLY } from "../../../abi/fcntl.ts";
import { POLLIN, POLLOUT } from "../../../abi/poll.ts";
import { Task } from "../../kernel/task.ts";
import { BLOCKED } from "../../kernel/wait.ts";
import type { VfsContext } from "../../vfs/context.ts";
import type { File } from "../../vfs/file.ts";
import type { Inode } from "../../vfs/inode.ts";
import type { Path } from "../../vfs/path.ts";
import { HostFdInode } from "../hostfd/host_file.ts";
import { Pipe } from "./pipe.ts";
import { PipeFile } from "./pipe_file.ts";

/** The pipes of FIFOs that are open; one lives as long as its inode does. */
const pipes: WeakMap<Inode, Pipe> = new WeakMap();

/** Those of unnamed pipes, which are opened again without waiting for the other end. */
const unnamed: WeakSet<Inode> = new WeakSet();

/** Lets opening `inode` (through /proc/PID/fd) lead to an unnamed pipe that exists already. */
export function bindPipe(inode: Inode, pipe: Pipe): void {
  pipes.set(inode, pipe);
  unnamed.add(inode);
}

/** An open of a FIFO that waits for the other end: kept in the task's block state. */
class PendingOpen {
  readonly file: PipeFile;
  /** How often the other end had been opened when this one was. */
  readonly opensSeen: number;

  constructor(file: PipeFile, opensSeen: number) {
    this.file = file;
    this.opensSeen = opensSeen;
  }
}

/**
 * Opens a FIFO (fifo(7)): for reading it waits for a writer, for writing for a reader, for both
 * not at all. While it waits its end counts as open already, so that two openers meet.
 */
export function openFifo(
  ctx: VfsContext,
  flags: number,
  path: Path,
  inode: Inode,
): File | number {
  if (inode instanceof HostFdInode) return inode.open(ctx, flags, path);
  let pipe = pipes.get(inode);
  if (pipe === undefined) {
    pipe = new Pipe();
    pipes.set(inode, pipe);
  }
  if ((flags & O_NONBLOCK) !== 0 && (flags & O_ACCMODE) === O_WRONLY && pipe.readers === 0) {
    return -ENXIO;
  }
  if (!(ctx instanceof Task)) return new PipeFile(path, flags, pipe);
  const t = ctx;
  let open = t.block.data instanceof PendingOpen ? t.block.data : null;
  if (open === null) {
    const file = new PipeFile(path, flags, pipe);
    if (!file.waitsForPeer || unnamed.has(inode)) return file;
    if (file.readable ? pipe.writers > 0 : pipe.readers > 0) return file;
    open = new PendingOpen(file, file.readable ? pipe.writerOpens : pipe.readerOpens);
    t.block.data = open;
  }
  const file = open.file;
  const opens = file.readable ? file.pipe.writerOpens : file.pipe.readerOpens;
  if (opens !== open.opensSeen) {
    t.block.data = null;
    return file;
  }
  t.waitOn(file.pipe.queue, file.readable ? POLLIN : POLLOUT);
  const r = t.sleep();
  if (r !== BLOCKED) {
    t.block.data = null;
    file.unref();
  }
  return r;
}
