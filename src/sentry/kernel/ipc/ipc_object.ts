/** What shared memory segments, semaphore sets and message queues have in common (sysvipc(7)). */

import { CAP_IPC_OWNER, CAP_SYS_ADMIN } from "../../../abi/capability.ts";
import { EACCES, EEXIST, EIDRM, EINVAL, ENOENT, ENOSPC, EPERM } from "../../../abi/errno.ts";
import { IPC_CREAT, IPC_EXCL, IPC_PRIVATE } from "../../../abi/ipc.ts";
import { IpcPerm } from "../../../abi/structs/ipc.ts";
import type { IpcNamespace } from "../namespaces.ts";
import type { Task } from "../task.ts";

/** An identifier is a sequence number above this many bits of a place in the table (IPCMNI_SHIFT). */
const INDEX_BITS = 15;
const INDEX_MASK = (1 << INDEX_BITS) - 1;
const MAX_SEQUENCE = (1 << (31 - INDEX_BITS)) - 1;
const READ = 0o444;

/** An object with an owner. Ids of users are the kernel's. */
export abstract class IpcObject {
  readonly ns: IpcNamespace;
  key: number;
  id = 0;
  sequence = 0;
  mode: number;
  uid: number;
  gid: number;
  readonly creatorUid: number;
  readonly creatorGid: number;
  /** It was removed: whoever waits for it gets EIDRM. */
  removed = false;
  /** Seconds of its last change. */
  changed: number;

  constructor(t: Task, key: number, mode: number) {
    this.ns = t.nsproxy.ipc;
    this.key = key;
    this.mode = mode & 0o777;
    this.uid = this.creatorUid = t.creds.euid;
    this.gid = this.creatorGid = t.creds.egid;
    this.changed = seconds(t);
  }

  /** Whether `t` may do what the bits of `flag` name, as in a file mode: 0 or -EACCES. */
  permits(t: Task, flag: number): number {
    const wanted = (flag >> 6) | (flag >> 3) | flag;
    const creds = t.creds;
    let granted = this.mode;
    if (creds.euid === this.creatorUid || creds.euid === this.uid) granted >>= 6;
    else if (creds.inEffectiveGroup(this.creatorGid) || creds.inEffectiveGroup(this.gid)) {
      granted >>= 3;
    }
    if ((wanted & ~granted & 7) === 0) return 0;
    return creds.capable(CAP_IPC_OWNER, this.ns.userNs) ? 0 : -EACCES;
  }

  /** Whether `t` may change or remove it: 0 or -EPERM. */
  mayControl(t: Task): number {
    const euid = t.creds.euid;
    if (euid === this.creatorUid || euid === this.uid) return 0;
    return t.creds.capable(CAP_SYS_ADMIN, this.ns.userNs) ? 0 : -EPERM;
  }

  /** IPC_SET: takes owner and permissions of the `ipc64_perm` in scratch; 0 or -EINVAL. */
  update(t: Task): number {
    const given = IpcPerm.read(t.view, 0);
    const uid = t.creds.userNs.toKuid(given.uid);
    const gid = t.creds.userNs.toKgid(given.gid);
    if (uid < 0 || gid < 0) return -EINVAL;
    this.uid = uid;
    this.gid = gid;
    this.mode = (this.mode & ~0o777) | (given.mode & 0o777);
    this.changed = seconds(t);
    return 0;
  }

  /** Its `ipc64_perm` as `t` sees it. */
  permission(t: Task): Parameters<typeof IpcPerm.write>[2] {
    const ns = t.creds.userNs;
    return {
      key: this.key,
      uid: ns.fromKuid(this.uid),
      gid: ns.fromKgid(this.gid),
      cuid: ns.fromKuid(this.creatorUid),
      cgid: ns.fromKgid(this.creatorGid),
      mode: this.mode,
      seq: this.sequence,
    };
  }
}

/** Seconds since the epoch. */
export function seconds(t: { kernel: Task["kernel"] }): number {
  return Math.floor(t.kernel.clock.realtime() / 1e9);
}

/** The objects of one kind in a namespace. */
export class IpcTable<T extends IpcObject> {
  readonly #byIndex: (T | undefined)[] = [];
  readonly #byKey: Map<number, T> = new Map();
  count = 0;
  #sequence = 0;
  #lastIndex = -1;

  /** Highest place in use, 0 if there is none. */
  get maxIndex(): number {
    const list = this.#byIndex;
    while (list.length > 0 && list[list.length - 1] === undefined) list.pop();
    return Math.max(0, list.length - 1);
  }

  /** All objects by their place. */
  *objects(): Iterable<T> {
    for (const object of this.#byIndex) if (object !== undefined) yield object;
  }

  /** The object of an id, or -EINVAL. */
  get(id: number): T | number {
    if (id < 0) return -EINVAL;
    const object = this.#byIndex[id & INDEX_MASK];
    return object === undefined || object.id !== id ? -EINVAL : object;
  }

  /** The object at a place (SHM_STAT and its kin), or -EINVAL. */
  at(index: number): T | number {
    return index < 0 ? -EINVAL : this.#byIndex[index & INDEX_MASK] ?? -EINVAL;
  }

  /**
   * shmget(2), semget(2), msgget(2): the id of the object of `key`, or of what `make` makes. `check` looks at one that
   * is there already.
   */
  obtain(
    t: Task,
    key: number,
    flags: number,
    most: number,
    check: (object: T) => number,
    make: () => T | number,
  ): number {
    const found = key === IPC_PRIVATE ? undefined : this.#byKey.get(key);
    if (found === undefined) {
      if (key !== IPC_PRIVATE && (flags & IPC_CREAT) === 0) return -ENOENT;
      const made = make();
      return typeof made === "number" ? made : this.#add(made, most);
    }
    if ((flags & (IPC_CREAT | IPC_EXCL)) === (IPC_CREAT | IPC_EXCL)) return -EEXIST;
    const r = check(found);
    if (r !== 0) return r;
    return found.permits(t, flags) !== 0 ? -EACCES : found.id;
  }

  #add(object: T, most: number): number {
    if (this.count >= Math.min(most, INDEX_MASK + 1)) return -ENOSPC;
    let index = this.#byIndex.indexOf(undefined);
    if (index < 0) index = this.#byIndex.length;
    if (index <= this.#lastIndex && ++this.#sequence > MAX_SEQUENCE) this.#sequence = 0;
    this.#lastIndex = index;
    object.sequence = this.#sequence;
    object.id = (this.#sequence << INDEX_BITS) | index;
    this.#byIndex[index] = object;
    if (object.key !== IPC_PRIVATE) this.#byKey.set(object.key, object);
    this.count++;
    return object.id;
  }

  /** Nobody finds it by its key any more. */
  forgetKey(object: T): void {
    if (object.key !== IPC_PRIVATE) this.#byKey.delete(object.key);
    object.key = IPC_PRIVATE;
  }

  /** Takes an object out. */
  remove(object: T): void {
    object.removed = true;
    this.forgetKey(object);
    this.#byIndex[object.id & INDEX_MASK] = undefined;
    this.count--;
  }

  /** The object that *_STAT and *_STAT_ANY name by place or IPC_STAT by id, if `t` may read it. */
  toRead(t: Task, id: number, byPlace: boolean, any: boolean): T | number {
    const object = byPlace ? this.at(id) : this.get(id);
    if (typeof object === "number") return object;
    if (!any) {
      const r = object.permits(t, READ);
      if (r !== 0) return r;
    }
    return object.removed ? -EIDRM : object;
  }

  /** The object of an id, if `t` may change it. */
  toControl(t: Task, id: number): T | number {
    const object = this.get(id);
    if (typeof object === "number") return object;
    const r = object.mayControl(t);
    return r !== 0 ? r : object;
  }
}

/** The line of an object in /proc/sysvipc begins so. */
export function reportHead(object: IpcObject): string {
  return `${String(object.key).padStart(10)} ${String(object.id).padStart(10)}  ${
    object.mode.toString(8).padStart(4)
  } `;
}

/** Numbers for a line of /proc/sysvipc: pairs of value and width. */
export function reportNumbers(...columns: [value: number, width: number][]): string {
  return columns.map(([value, width]) => String(value).padStart(width)).join(" ");
}
