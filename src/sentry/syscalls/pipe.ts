/** pipe(2), pipe2(2). */

import { EINVAL } from "../../abi/errno.ts";
import { O_CLOEXEC, O_DIRECT, O_NONBLOCK, O_RDONLY, O_WRONLY } from "../../abi/fcntl.ts";
import { RLIMIT_NOFILE } from "../../abi/resource.ts";
import { S_IFIFO } from "../../abi/stat.ts";
import { bindPipe } from "../fs/pipe/fifo.ts";
import { Pipe } from "../fs/pipe/pipe.ts";
import { PipeFile } from "../fs/pipe/pipe_file.ts";
import type { Task } from "../kernel/task.ts";
import { pipePath } from "../vfs/anon.ts";

/** pipe(2). */
export function sys_pipe(t: Task): number {
  return makePipe(t, 0);
}

/** pipe2(2). */
export function sys_pipe2(t: Task): number {
  return makePipe(t, t.args[1]);
}

function makePipe(t: Task, flags: number): number {
  if ((flags & ~(O_CLOEXEC | O_NONBLOCK | O_DIRECT)) !== 0) return -EINVAL;
  const kept = flags & (O_NONBLOCK | O_DIRECT);
  const cloexec = (flags & O_CLOEXEC) !== 0;
  const pipe = new Pipe();
  const path = pipePath(t.kernel.vfs, S_IFIFO | 0o600, t.creds.fsuid, t.creds.fsgid);
  bindPipe(path.inode, pipe);
  const reader = new PipeFile(path, O_RDONLY | kept, pipe);
  const writer = new PipeFile(path, O_WRONLY | kept, pipe);
  const limit = t.group.rlimits.soft[RLIMIT_NOFILE];
  const readFd = t.files.install(reader, cloexec, 0, limit);
  if (readFd < 0) {
    reader.unref();
    writer.unref();
    return readFd;
  }
  const writeFd = t.files.install(writer, cloexec, 0, limit);
  if (writeFd < 0) {
    t.files.close(t, readFd);
    writer.unref();
    return writeFd;
  }
  t.view.setInt32(0, readFd, true);
  t.view.setInt32(4, writeFd, true);
  const r = t.copyOut(t.args[0], 8);
  if (r < 0) {
    t.files.close(t, readFd);
    t.files.close(t, writeFd);
  }
  return r;
}
