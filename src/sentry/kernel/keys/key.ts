/** Keys (keyrings(7)): what they hold, who may do what with them, and the store that knows all of them. */

import { EDQUOT, EKEYEXPIRED, EKEYREVOKED, ENOKEY } from "../../../abi/errno.ts";
import type { Kernel } from "../kernel.ts";
import type { Task } from "../task.ts";

/** Keys and bytes that a user, and root, may have (/proc/sys/kernel/keys). */
const MOST_KEYS = 200;
const MOST_BYTES = 20000;
const MOST_ROOT_KEYS = 100000;
const MOST_ROOT_BYTES = 25000000;

/** One key; a keyring is a key that holds others. */
export class Key {
  readonly serial: number;
  readonly type: string;
  readonly description: string;
  uid: number;
  gid: number;
  permissions: number;
  /** What it holds, if it is no keyring. */
  payload: Uint8Array;
  /** The keys of a keyring; null for others. */
  readonly links: Key[] | null;
  /** Realtime nanoseconds; Infinity if it never expires. */
  expires = Infinity;
  revoked = false;
  invalid = false;

  constructor(
    serial: number,
    type: string,
    description: string,
    owner: { uid: number; gid: number },
    permissions: number,
    payload: Uint8Array,
  ) {
    this.serial = serial;
    this.type = type;
    this.description = description;
    this.uid = owner.uid;
    this.gid = owner.gid;
    this.permissions = permissions;
    this.payload = payload;
    this.links = type === "keyring" ? [] : null;
  }

  /** Bytes that it counts against the quota of its owner. */
  get cost(): number {
    return this.description.length + 1 + this.payload.length;
  }

  /** Why it can't be used: 0 or a negative errno. */
  state(now: number): number {
    if (this.invalid) return -ENOKEY;
    if (this.revoked) return -EKEYREVOKED;
    return now >= this.expires ? -EKEYEXPIRED : 0;
  }

  /** Whether `t`, who possesses it or not, has all the rights of `need`. */
  allows(t: Task, possessed: boolean, need: number): boolean {
    const { creds } = t;
    let bits: number;
    if (this.uid === creds.fsuid) bits = this.permissions >>> 16;
    else if (creds.inGroup(this.gid)) bits = this.permissions >>> 8;
    else bits = this.permissions;
    if (possessed) bits |= this.permissions >>> 24;
    return (bits & need) === need;
  }

  /** The key in this keyring that has a type and a description, or null. */
  find(type: string, description: string): Key | null {
    for (const key of this.links!) {
      if (key.type === type && key.description === description && !key.invalid) return key;
    }
    return null;
  }

  /** Puts a key in, in place of one alike. */
  link(key: Key): void {
    const links = this.links!;
    const i = links.findIndex((k) => k.type === key.type && k.description === key.description);
    if (i >= 0) links[i] = key;
    else links.push(key);
  }

  /** Whether `other` is reached from this keyring, at most so deep. */
  holds(other: Key, depth: number): boolean {
    if (this === other) return true;
    if (depth === 0 || this.links === null) return false;
    return this.links.some((key) => key.links !== null && key.holds(other, depth - 1));
  }
}

/** The keyrings that belong to a user. */
interface UserRings {
  user: Key;
  session: Key;
}

/** All keys of a kernel. */
export class KeyStore {
  readonly #kernel: Kernel;
  readonly #keys: Map<number, Key> = new Map();
  readonly #users: Map<number, UserRings> = new Map();
  /** Keyrings of threads and processes, with the memory that they go with: execve(2) ends them. */
  readonly #threads: WeakMap<object, { mm: object; key: Key }> = new WeakMap();
  /** Keys that count, by owner. */
  readonly #counts: Map<number, { keys: number; bytes: number }> = new Map();

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  get(serial: number): Key | null {
    return this.#keys.get(serial) ?? null;
  }

  /** Makes a key; -EDQUOT if its owner has too many. */
  make(
    type: string,
    description: string,
    owner: { uid: number; gid: number },
    permissions: number,
    payload: Uint8Array,
  ): Key | number {
    const bytes = description.length + 1 + payload.length;
    if (!this.#fits(owner.uid, 1, bytes)) {
      this.#collect();
      if (!this.#fits(owner.uid, 1, bytes)) return -EDQUOT;
    }
    const key = new Key(this.#serial(), type, description, owner, permissions, payload);
    this.#keys.set(key.serial, key);
    this.#count(owner.uid, 1, bytes);
    return key;
  }

  /** Gives a key another payload; 0 or -EDQUOT. */
  update(key: Key, payload: Uint8Array): number {
    const more = payload.length - key.payload.length;
    if (more > 0 && !this.#fits(key.uid, 0, more)) return -EDQUOT;
    this.#count(key.uid, 0, more);
    key.payload = payload;
    key.expires = Infinity;
    return 0;
  }

  /** Gives a key another owner. */
  chown(key: Key, uid: number): number {
    if (!this.#fits(uid, 1, key.cost)) return -EDQUOT;
    this.#count(key.uid, -1, -key.cost);
    key.uid = uid;
    this.#count(uid, 1, key.cost);
    return 0;
  }

  /** Takes a key out of all keyrings. */
  invalidate(key: Key): void {
    key.invalid = true;
    for (const ring of this.#keys.values()) {
      const i = ring.links === null ? -1 : ring.links.indexOf(key);
      if (i >= 0) ring.links!.splice(i, 1);
    }
    this.#forget(key);
  }

  /** A keyring by its name that `may` lets one join, or null. */
  findRing(name: string, may: (key: Key) => boolean): Key | null {
    for (const key of this.#keys.values()) {
      if (key.links === null || key.description !== name || key.revoked) continue;
      if (may(key)) return key;
    }
    return null;
  }

  /** The keyrings of a user. */
  ofUser(uid: number, make: (name: string) => Key | number): UserRings | number {
    let rings = this.#users.get(uid);
    if (rings !== undefined) return rings;
    const user = make(`_uid.${uid}`);
    if (typeof user === "number") return user;
    const session = make(`_uid_ses.${uid}`);
    if (typeof session === "number") return session;
    session.link(user);
    this.#users.set(uid, rings = { user, session });
    return rings;
  }

  /** The keyring of a thread or process that runs in `mm`, or null. */
  ofRunner(runner: object, mm: object): Key | null {
    const entry = this.#threads.get(runner);
    return entry === undefined || entry.mm !== mm ? null : entry.key;
  }

  setRunner(runner: object, mm: object, key: Key): void {
    this.#threads.set(runner, { mm, key });
  }

  #serial(): number {
    const bytes = new Uint8Array(4);
    for (;;) {
      this.#kernel.random(bytes);
      const n = new DataView(bytes.buffer).getUint32(0) & 0x3fffffff;
      if (n > 2 && !this.#keys.has(n)) return n;
    }
  }

  #fits(uid: number, keys: number, bytes: number): boolean {
    const used = this.#counts.get(uid) ?? { keys: 0, bytes: 0 };
    const root = uid === 0;
    return used.keys + keys <= (root ? MOST_ROOT_KEYS : MOST_KEYS) &&
      used.bytes + bytes <= (root ? MOST_ROOT_BYTES : MOST_BYTES);
  }

  #count(uid: number, keys: number, bytes: number): void {
    const used = this.#counts.get(uid) ?? { keys: 0, bytes: 0 };
    this.#counts.set(uid, { keys: used.keys + keys, bytes: used.bytes + bytes });
  }

  #forget(key: Key): void {
    if (this.#keys.delete(key.serial)) this.#count(key.uid, -1, -key.cost);
  }

  /** Forgets keys that no keyring of anybody leads to. */
  #collect(): void {
    const found = new Set<Key>();
    const visit = (key: Key | null) => {
      if (key === null || found.has(key)) return;
      found.add(key);
      for (const link of key.links ?? []) visit(link);
    };
    for (const { user, session } of this.#users.values()) {
      visit(user);
      visit(session);
    }
    for (const pid of this.#kernel.tasks.pids()) {
      const { task } = pid;
      if (task === null) continue;
      visit(task.sessionKeyring as Key | null);
      visit(this.ofRunner(task, task.mm));
      visit(this.ofRunner(task.group, task.mm));
    }
    for (const key of [...this.#keys.values()]) if (!found.has(key)) this.#forget(key);
  }
}

const stores: WeakMap<Kernel, KeyStore> = new WeakMap();

/** The keys of a kernel. */
export function keyStore(kernel: Kernel): KeyStore {
  let store = stores.get(kernel);
  if (store === undefined) stores.set(kernel, store = new KeyStore(kernel));
  return store;
}
