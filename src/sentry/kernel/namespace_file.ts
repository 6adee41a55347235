/** Descriptors of namespaces: what opening /proc/PID/ns/* gives (namespaces(7)). */

import type { Path } from "../vfs/path.ts";
import { IpcNamespace } from "./namespaces.ts";
import { File } from "../vfs/file.ts";

/** An open namespace. */
export class NamespaceFile extends File {
  /** A UserNamespace, PidNamespace, MountNamespace or one of `namespaces.ts`. */
  readonly namespace: object;
  /** Its CLONE_NEW* flag. */
  readonly type: number;

  constructor(path: Path, flags: number, namespace: object, type: number) {
    super(path, flags);
    this.namespace = namespace;
    this.type = type;
    if (namespace instanceof IpcNamespace) namespace.users++;
  }

  override release(): void {
    if (this.namespace instanceof IpcNamespace) this.namespace.release();
  }
}
