import * as libc from "../../../../ffi/libc.ts";
import { O_PATH, PATH_MAX } from "../../../abi/fcntl.ts";
import { bytesToString } from "../../kernel/bytes.ts";
import type { VfsContext } from "../../vfs/context.ts";
import { HostInode } from "./host_inode.ts";

const buffer = new Uint8Array(PATH_MAX);

/** A symbolic link of the host. Its text is followed within the sandbox only. */
export class HostLink extends HostInode {
  private target: string | null = null;

  override readlink(_ctx: VfsContext): string | number {
    if (this.target !== null) return this.target;
    const dirFd = this.parent!.hostFd(O_PATH);
    if (dirFd < 0) return dirFd;
    const n = libc.readlinkat(dirFd, this.name, buffer, buffer.length);
    if (n < 0) return n;
    this.target = bytesToString(buffer, 0, n);
    return this.target;
  }
}

/**
 * A device node, fifo or socket of the host. It is never opened there: the VFS opens the sandbox's
 * own device of that number, or a fifo of its own.
 */
export class HostNode extends HostInode {}
