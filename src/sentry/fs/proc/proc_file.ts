import { EINVAL, EIO } from "../../../abi/errno.ts";
import { MAX_OFFSET } from "../../vfs/file.ts";
import { bytesToString, stringToBytes } from "../../kernel/bytes.ts";
import type { Task } from "../../kernel/task.ts";
import type { IoBuffer } from "../../mm/io_buffer.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { File, seekWithin } from "../../vfs/file.ts";
import type { Path } from "../../vfs/path.ts";
import type { ProcText } from "./proc_inode.ts";

/** The most bytes that one write to a file of procfs may have. */
const MAX_WRITE = 65536;

/**
 * An open text file of procfs or sysfs. The text is made when reading begins at the start, and kept
 * for the reads that follow, so that a reader sees one state.
 */
export class ProcFile extends File {
  private readonly text: ProcText;
  private content: Uint8Array | null;

  constructor(path: Path, flags: number, text: ProcText) {
    super(path, flags, text);
    this.text = text;
    this.content = null;
  }

  override get seekable(): boolean {
    return true;
  }

  override read(t: Task, io: IoBuffer, pos: number): number {
    if (pos === 0 || this.content === null) {
      const text = this.text.read(t);
      if (typeof text === "number") return text;
      this.content = stringToBytes(text);
    }
    const left = this.content.length - pos;
    if (left <= 0) return 0;
    return io.put(this.content, pos, Math.min(left, io.remaining));
  }

  override write(t: Task, io: IoBuffer, _pos: number): number {
    const write = this.text.write;
    if (write === null) return -EIO;
    const count = io.remaining;
    if (count > MAX_WRITE) return -EINVAL;
    const bytes = new Uint8Array(count);
    const n = io.take(bytes, 0, count);
    if (n < 0) return n;
    const r = write(t, bytesToString(bytes, 0, n));
    this.content = null;
    return r < 0 ? r : n;
  }

  override seek(_t: VfsContext, offset: number, whence: number): number {
    return seekWithin(this, offset, whence, whence === 2 ? 0 : MAX_OFFSET);
  }

  override truncate(_t: VfsContext, _size: number): number {
    return 0;
  }
}
