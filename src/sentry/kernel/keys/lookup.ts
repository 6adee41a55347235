/** Finding keys: by the special ids of keyrings, by number, and by what they are called. */

import { EACCES, EINVAL, ENOKEY } from "../../../abi/errno.ts";
import {
  KEY_NEED_SEARCH,
  KEY_POS_ALL,
  KEY_POS_SETATTR,
  KEY_SPEC_PROCESS_KEYRING,
  KEY_SPEC_SESSION_KEYRING,
  KEY_SPEC_THREAD_KEYRING,
  KEY_SPEC_USER_KEYRING,
  KEY_SPEC_USER_SESSION_KEYRING,
  KEY_USR_ALL,
  KEY_USR_LINK,
  KEY_USR_READ,
  KEY_USR_VIEW,
} from "../../../abi/keys.ts";
import type { Task } from "../task.ts";
import { type Key, keyStore } from "./key.ts";

/** As deep as a search goes (KEYRING_SEARCH_MAX_DEPTH). */
export const MAX_DEPTH = 6;

/** A key, and whether whoever looks for it possesses it. */
export interface Reference {
  readonly key: Key;
  readonly possessed: boolean;
}

function owner(t: Task): { uid: number; gid: number } {
  return { uid: t.creds.fsuid, gid: t.creds.fsgid };
}

/** Makes a keyring of the task's user. */
export function makeKeyring(t: Task, name: string, permissions: number): Key | number {
  return keyStore(t.kernel).make("keyring", name, owner(t), permissions, new Uint8Array(0));
}

function userRings(t: Task) {
  const uid = t.creds.ruid;
  const permissions = (KEY_POS_ALL & ~KEY_POS_SETATTR) | KEY_USR_ALL;
  const of = { uid, gid: t.creds.rgid };
  return keyStore(t.kernel).ofUser(
    uid,
    (name) => keyStore(t.kernel).make("keyring", name, of, permissions, new Uint8Array(0)),
  );
}

/** The session keyring; that of the user where there is none. */
function sessionOf(t: Task, create: boolean): Key | number {
  if (t.sessionKeyring !== null) return t.sessionKeyring as Key;
  const rings = userRings(t);
  if (typeof rings === "number") return rings;
  if (create) t.sessionKeyring = rings.session;
  return rings.session;
}

/** Gives the task a session keyring of its own. */
export function joinSession(t: Task, name: string | null): number {
  const permissions = KEY_POS_ALL | KEY_USR_VIEW | KEY_USR_READ;
  const ring = name === null
    ? makeKeyring(t, "_ses", permissions)
    : keyStore(t.kernel).findRing(name, (key) => key.allows(t, false, KEY_NEED_SEARCH)) ??
      makeKeyring(t, name, permissions | KEY_USR_LINK);
  if (typeof ring === "number") return ring;
  t.sessionKeyring = ring;
  return ring.serial;
}

/** The keyring that a negative id names. */
function special(t: Task, id: number, create: boolean): Key | number {
  const store = keyStore(t.kernel);
  switch (id) {
    case KEY_SPEC_THREAD_KEYRING:
    case KEY_SPEC_PROCESS_KEYRING: {
      const thread = id === KEY_SPEC_THREAD_KEYRING;
      const runner = thread ? t : t.group;
      const found = store.ofRunner(runner, t.mm);
      if (found !== null) return found;
      if (!create) return -ENOKEY;
      const made = makeKeyring(t, thread ? "_tid" : "_pid", KEY_POS_ALL | KEY_USR_VIEW);
      if (typeof made !== "number") store.setRunner(runner, t.mm, made);
      return made;
    }
    case KEY_SPEC_SESSION_KEYRING:
      return sessionOf(t, create);
    case KEY_SPEC_USER_KEYRING:
    case KEY_SPEC_USER_SESSION_KEYRING: {
      const rings = userRings(t);
      if (typeof rings === "number") return rings;
      return id === KEY_SPEC_USER_KEYRING ? rings.user : rings.session;
    }
    default:
      return -EINVAL;
  }
}

/** The keyrings that a task searches, in order. */
function* rings(t: Task): Iterable<Key> {
  const store = keyStore(t.kernel);
  const thread = store.ofRunner(t, t.mm);
  if (thread !== null) yield thread;
  const process = store.ofRunner(t.group, t.mm);
  if (process !== null) yield process;
  const session = sessionOf(t, false);
  if (typeof session !== "number") yield session;
}

/** The key of an id, if the task has the rights of `need`; usable unless `partial`. */
export function lookupKey(
  t: Task,
  id: number,
  need: number,
  create = false,
  partial = false,
): Reference | number {
  let key: Key | number;
  let possessed = true;
  if (id < 0) key = special(t, id, create);
  else if (id === 0) return -EINVAL;
  else {
    key = keyStore(t.kernel).get(id) ?? -ENOKEY;
    possessed = typeof key !== "number" && possesses(t, key);
  }
  if (typeof key === "number") return key;
  if (!partial) {
    const state = key.state(t.kernel.clock.realtime());
    if (state !== 0) return state;
  }
  return key.allows(t, possessed, need) ? { key, possessed } : -EACCES;
}

/** Whether a search from the task's own keyrings leads to a key. */
export function possesses(t: Task, key: Key): boolean {
  for (const ring of rings(t)) {
    if (ring === key || reaches(t, ring, key, MAX_DEPTH)) return true;
  }
  return false;
}

function reaches(t: Task, ring: Key, key: Key, depth: number): boolean {
  if (depth === 0 || !ring.allows(t, true, KEY_NEED_SEARCH)) return false;
  for (const link of ring.links!) {
    if (link === key) return true;
    if (link.links !== null && reaches(t, link, key, depth - 1)) return true;
  }
  return false;
}

/** Searches a keyring and those in it for a key that may be found: breadth first; the key or a negative errno. */
export function searchRing(
  t: Task,
  start: Key,
  possessed: boolean,
  type: string,
  description: string,
): Key | number {
  let level: Key[] = [start];
  let error = -ENOKEY;
  for (let depth = 0; depth < MAX_DEPTH && level.length > 0; depth++) {
    const below: Key[] = [];
    for (const ring of level) {
      if (!ring.allows(t, possessed, KEY_NEED_SEARCH)) {
        if (ring === start) return -EACCES;
        continue;
      }
      for (const key of ring.links!) {
        if (key.links !== null) below.push(key);
        if (key.type !== type || key.description !== description) continue;
        const state = key.state(t.kernel.clock.realtime());
        if (state !== 0) error = state;
        else if (!key.allows(t, possessed, KEY_NEED_SEARCH)) error = -EACCES;
        else return key;
      }
    }
    level = below;
  }
  return error;
}

/** Searches all keyrings of a task. */
export function searchAll(t: Task, type: string, description: string): Key | number {
  let error = -ENOKEY;
  for (const ring of rings(t)) {
    const found = searchRing(t, ring, true, type, description);
    if (typeof found !== "number") return found;
    if (found !== -ENOKEY) error = found;
  }
  return error;
}
